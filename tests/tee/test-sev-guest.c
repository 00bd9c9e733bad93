/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* /dev/sev-guest: reports with and without certificates, derived keys, and each way to fail. */

#include "base/error.h"
#include "tee/ghcb-certs.h"
#include "tee/sev-guest.h"

#include "fake-ioctl.h"
#include "tee-bed.h"

#include <errno.h>
#include <openssl/x509.h>
#include <string.h>

#define DEVICE_EXTENDED 0xc0205302ul
#define DEVICE_REPORT 0xc0205300ul
#define DEVICE_KEY 0xc0205301ul

static void
test_report(void)
{
    g_auto(TeeBed) bed = {0};
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) leaves = g_ptr_array_new_with_free_func((GDestroyNotify)X509_free);
    g_autoptr(GBytes) report = NULL;
    g_autoptr(GBytes) plain = NULL;
    g_autoptr(GBytes) certs = NULL;
    guint8 data[64];
    CvsSnpReport parsed;

    if (!tee_bed_init(&bed, TEE_SIM_SNP))
        return;
    tee_bed_data(data, 1);
    fake_ioctl_set(NULL, 0);
    g_assert_true(cvs_sev_guest_get_report(bed.paths->sev_guest, data, 0, &report, &certs, &error));
    g_assert_no_error(error);
    /* With the most that the kernel takes at once, since each attempt counts at the host. */
    g_assert_cmpuint(fake_ioctl_calls(), ==, 1);
    g_assert_cmphex(fake_ioctl_number(), ==, DEVICE_EXTENDED);
    g_assert_true(cvs_snp_report_parse(g_bytes_get_data(report, NULL), g_bytes_get_size(report),
                                       &parsed, &error));
    g_assert_cmpmem(parsed.report_data, 64, data, 64);
    g_assert_true(cvs_ghcb_certs_load(g_bytes_get_data(certs, NULL), g_bytes_get_size(certs),
                                      leaves, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(leaves->len, ==, 1);

    g_assert_true(cvs_sev_guest_get_report(bed.paths->sev_guest, data, 3, &plain, NULL, &error));
    g_assert_no_error(error);
    g_assert_cmphex(fake_ioctl_number(), ==, DEVICE_REPORT);
    g_assert_true(cvs_snp_report_parse(g_bytes_get_data(plain, NULL), g_bytes_get_size(plain),
                                       &parsed, &error));
    g_assert_cmpuint(parsed.vmpl, ==, 3);
    g_clear_pointer(&report, g_bytes_unref);
    g_clear_pointer(&certs, g_bytes_unref);
    tee_sim_must(bed.sim, "certs=none");
    g_assert_true(cvs_sev_guest_get_report(bed.paths->sev_guest, data, 0, &report, &certs, &error));
    g_assert_no_error(error);
    g_assert_null(certs);
}

static void
refused(const char *device, guint vmpl, int code, const char *reason, const char *says)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GError) again = NULL;
    GBytes *report = NULL;
    GBytes *certs = NULL;
    guint8 data[64];

    tee_bed_data(data, 2);
    g_assert_false(cvs_sev_guest_get_report(device, data, vmpl, &report, &certs, &error));
    g_assert_error(error, CVS_ERROR, code);
    if (strstr(error->message, says) == NULL)
        g_error("\"%s\" does not say \"%s\"", error->message, says);
    if (reason)
        g_assert_true(cvs_error_has_reason(error, reason));
    else
        g_assert_cmpuint(cvs_error_get_reasons(error)->len, ==, 0);
    g_assert_null(report);
    g_assert_null(certs);
}

static void
test_lies(void)
{
    static const struct {
        const char *set;
        int code;
        const char *reason;
        const char *says;
    } lies[] = {
        {"vmpl=1", CVS_ERROR_ATTESTATION_FAILED, NULL, "0x16"},
        {"wiped=on", CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_TEE_CHANNEL_CLOSED,
         "until the next reboot"},
        {"fail-once=EIO", CVS_ERROR_ATTESTATION_FAILED, NULL, "EIO"},
        {"fail-once=ETIMEDOUT", CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_TEE_CHANNEL_CLOSED,
         "throttled"},
        {"fail-once=EBADMSG", CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_TEE_CHANNEL_CLOSED,
         "was changed"},
        {"empty-outblob=on", CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_ANSWER_EMPTY, "empty"},
        {"trailing=1", CVS_ERROR_BAD_FORMAT, NULL, "1185"},
        {"wrong-report-data=on", CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_ANSWER_DIFFERS,
         "another request"},
        {"stale-report=on", CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_ANSWER_DIFFERS,
         "another request"},
        {"wrong-vmpl=on", CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_ANSWER_DIFFERS, "VMPL"},
    };

    fake_ioctl_set(NULL, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(lies); i++) {
        g_auto(TeeBed) bed = {0};
        g_autoptr(GError) error = NULL;
        g_autoptr(GBytes) first = NULL;
        guint8 data[64];

        if (!tee_bed_init(&bed, TEE_SIM_SNP))
            return;
        g_test_message("%s", lies[i].set);
        tee_bed_data(data, 1);
        g_assert_true(
            cvs_sev_guest_get_report(bed.paths->sev_guest, data, 0, &first, NULL, &error));
        tee_sim_must(bed.sim, lies[i].set);
        refused(bed.paths->sev_guest, 0, lies[i].code, lies[i].reason, lies[i].says);
    }
    refused("/nonexistent/sev-guest", 0, CVS_ERROR_NOT_SUPPORTED, NULL, "sev-guest");
}

/* What a host or a kernel may answer that the simulated one does not. */
static void
test_answers(void)
{
    static const guint8 long_report[4000] = {0, 0, 0, 0, 0x81, 0x0f, 0, 0}; /* 3969 bytes */
    static const guint8 huge_report[4000] = {0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff};
    static const guint8 bad_status[4000] = {0x27, 0, 0, 0, 0xa0, 0x04, 0, 0};
    static const guint8 zero_report[4000] = {0, 0, 0, 0, 0xa0, 0x04, 0, 0};
    static const struct {
        FakeAnswer answer;
        int code;
        const char *reason;
        const char *says;
    } cases[] = {
        {{EIO, 0, 1, 0x8000, NULL, 0}, CVS_ERROR_TOO_LARGE, NULL, "32768 bytes of certificates"},
        {{EIO, 0, 2, 0, NULL, 0},
         CVS_ERROR_ATTESTATION_FAILED,
         CVS_REASON_TEE_CHANNEL_CLOSED,
         "throttled"},
        {{EIO, 0, 7, 0, NULL, 0},
         CVS_ERROR_ATTESTATION_FAILED,
         CVS_REASON_TEE_CHANNEL_CLOSED,
         "VMM error 7"},
        {{EIO, 0x16, 0, 0, NULL, 0},
         CVS_ERROR_ATTESTATION_FAILED,
         CVS_REASON_TEE_CHANNEL_CLOSED,
         "0x16"},
        {{EIO, 0x99, 0, 0, NULL, 0},
         CVS_ERROR_ATTESTATION_FAILED,
         CVS_REASON_TEE_CHANNEL_CLOSED,
         "status is 0x99"},
        {{EIO, 0xff, 0, 0, NULL, 0}, CVS_ERROR_ATTESTATION_FAILED, NULL, "EIO"},
        {{EIO, G_MAXUINT32, G_MAXUINT32, 0, NULL, 0}, CVS_ERROR_ATTESTATION_FAILED, NULL, "EIO"},
        {{EACCES, 0, 0, 0, NULL, 0}, CVS_ERROR_NOT_AUTHORIZED, NULL, "cannot get a report"},
        {{ENOMEM, 0, 0, 0, NULL, 0}, CVS_ERROR_ATTESTATION_FAILED, NULL, "cannot get a report"},
        {{0, 0, 0, 0, long_report, 4000}, CVS_ERROR_BAD_FORMAT, NULL, "3969 bytes does not fit"},
        {{0, 0, 0, 0, huge_report, 4000}, CVS_ERROR_BAD_FORMAT, NULL, "does not fit"},
        {{0, 0, 0, 0, bad_status, 4000}, CVS_ERROR_ATTESTATION_FAILED, NULL, "0x27"},
        {{0, 0, 0, 0, zero_report, 4000}, CVS_ERROR_BAD_FORMAT, NULL, "SNP report"},
        {{0, 0, 0, 0, NULL, 0}, CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_ANSWER_EMPTY, "empty"},
    };
    g_auto(TeeBed) bed = {0};

    if (!tee_bed_init(&bed, TEE_SIM_SNP))
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_test_message("%s", cases[i].says);
        fake_ioctl_set(&cases[i].answer, 1);
        refused(bed.paths->sev_guest, 0, cases[i].code, cases[i].reason, cases[i].says);
        g_assert_cmpuint(fake_ioctl_calls(), ==, 1);
    }
    g_assert_cmpuint(tee_sim_requests(bed.sim), ==, 0);
}

static CvsSecret *
derive(TeeBed *bed, const CvsSevKeyRequest *request)
{
    g_autoptr(GError) error = NULL;
    CvsSecret *key = cvs_sev_guest_derive_key(bed->paths->sev_guest, request, &error);

    g_assert_no_error(error);
    g_assert_cmpuint(cvs_secret_size(key), ==, CVS_SEV_KEY_SIZE);
    return key;
}

static void
committed_tcb(TeeBed *bed, guint8 tcb[static 8])
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) report = NULL;
    guint8 data[64];
    CvsSnpReport parsed;

    tee_bed_data(data, 1);
    g_assert_true(cvs_sev_guest_get_report(bed->paths->sev_guest, data, 0, &report, NULL, &error));
    g_assert_true(cvs_snp_report_parse(g_bytes_get_data(report, NULL), g_bytes_get_size(report),
                                       &parsed, &error));
    g_assert_no_error(error);
    memcpy(tcb, parsed.committed_tcb, 8);
}

static void
test_key(void)
{
    g_auto(TeeBed) bed = {0};
    CvsSevKeyRequest requests[] = {
        {.root = CVS_SEV_KEY_CHIP},
        {.root = CVS_SEV_KEY_VM},
        {.fields = CVS_SEV_KEY_IMAGE_ID},
        {.fields = CVS_SEV_KEY_FAMILY_ID},
        {.fields = CVS_SEV_KEY_GUEST_SVN},
        {.fields = CVS_SEV_KEY_TCB_VERSION},
        {.vmpl = 1},
    };
    CvsSecret *keys[G_N_ELEMENTS(requests)];

    fake_ioctl_set(NULL, 0);
    if (!tee_bed_init(&bed, TEE_SIM_SNP))
        return;
    committed_tcb(&bed, requests[5].tcb);
    for (gsize i = 0; i < G_N_ELEMENTS(requests); i++) {
        g_autoptr(CvsSecret) again = NULL;

        keys[i] = derive(&bed, &requests[i]);
        g_assert_cmphex(fake_ioctl_number(), ==, DEVICE_KEY);
        again = derive(&bed, &requests[i]);
        g_assert_true(cvs_secret_equal(keys[i], again));
        for (gsize j = 0; j < i; j++)
            g_assert_false(cvs_secret_equal(keys[i], keys[j]));
    }
    /* Measurement and policy are in it, though nobody asked: another guest, or one with debugging
     * on, gets another key. */
    {
        const char *const others[] = {"other-guest=on", "debug=on"};

        for (gsize i = 0; i < G_N_ELEMENTS(others); i++) {
            g_autoptr(CvsSecret) other = NULL;

            tee_sim_must(bed.sim, others[i]);
            other = derive(&bed, &requests[0]);
            g_assert_false(cvs_secret_equal(keys[0], other));
            tee_sim_must(bed.sim, "reset=on");
        }
    }
    for (gsize i = 0; i < G_N_ELEMENTS(requests); i++)
        cvs_secret_unref(keys[i]);
    g_assert_cmpuint(cvs_secret_count_alive(), ==, 0);
}

static void
refused_key(const char *device, const CvsSevKeyRequest *request, int code, const char *reason,
            const char *says)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(cvs_sev_guest_derive_key(device, request, &error));
    g_assert_error(error, CVS_ERROR, code);
    if (strstr(error->message, says) == NULL)
        g_error("\"%s\" does not say \"%s\"", error->message, says);
    g_assert_true(reason == NULL || cvs_error_has_reason(error, reason));
    g_assert_null(cvs_sev_guest_derive_key(device, request, NULL));
    g_assert_cmpuint(cvs_secret_count_alive(), ==, 0);
}

static void
test_key_refused(void)
{
    g_auto(TeeBed) bed = {0};
    CvsSevKeyRequest request = {0};
    const guint8 answer[64] = {0x16, 0, 0, 0, [32] = 0xaa};
    const FakeAnswer status[2] = {{0, 0, 0, 0, answer, 64}, {0, 0, 0, 0, answer, 64}};
    const guint never[] = {1 << 0, 1 << 3, 1 << 6, 1u << 31};

    fake_ioctl_set(NULL, 0);
    if (!tee_bed_init(&bed, TEE_SIM_SNP))
        return;
    committed_tcb(&bed, request.tcb);
    /* Given, and not to go into the key. */
    refused_key(bed.paths->sev_guest, &request, CVS_ERROR_INVALID_ARGUMENT, NULL, "not to go into");
    request.fields = CVS_SEV_KEY_TCB_VERSION;
    request.guest_svn = 1;
    refused_key(bed.paths->sev_guest, &request, CVS_ERROR_INVALID_ARGUMENT, NULL, "not to go into");
    request.fields |= CVS_SEV_KEY_GUEST_SVN;
    request.guest_svn = G_MAXUINT32;
    refused_key(bed.paths->sev_guest, &request, CVS_ERROR_ATTESTATION_FAILED, NULL, "0x16");
    request.guest_svn = 0;
    /* A TCB that the firmware does not hold: status, and a key of zeros. */
    request.tcb[6] = 0xff;
    request.tcb[7] = 0xff;
    refused_key(bed.paths->sev_guest, &request, CVS_ERROR_ATTESTATION_FAILED, NULL, "0x16");
    for (gsize i = 0; i < G_N_ELEMENTS(never); i++) {
        request = (CvsSevKeyRequest){.fields = never[i]};
        refused_key(bed.paths->sev_guest, &request, CVS_ERROR_INVALID_ARGUMENT, NULL, "no fields");
    }
    request = (CvsSevKeyRequest){0};
    tee_sim_must(bed.sim, "zero-key=on");
    refused_key(bed.paths->sev_guest, &request, CVS_ERROR_ATTESTATION_FAILED,
                CVS_REASON_ANSWER_EMPTY, "all zero");
    tee_sim_must(bed.sim, "reset=on");
    /* The status counts even where there is a key. */
    fake_ioctl_set(status, 2);
    refused_key(bed.paths->sev_guest, &request, CVS_ERROR_ATTESTATION_FAILED, NULL, "0x16");
    fake_ioctl_set(NULL, 0);
    tee_sim_must(bed.sim, "vmpl=1");
    refused_key(bed.paths->sev_guest, &request, CVS_ERROR_ATTESTATION_FAILED, NULL,
                "VMPL below the kernel's");
    tee_sim_must(bed.sim, "wiped=on");
    refused_key(bed.paths->sev_guest, &request, CVS_ERROR_ATTESTATION_FAILED,
                CVS_REASON_TEE_CHANNEL_CLOSED, "until the next reboot");
    refused_key("/nonexistent", &request, CVS_ERROR_NOT_SUPPORTED, NULL, "/nonexistent");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tee/sev-guest/report", test_report);
    g_test_add_func("/tee/sev-guest/lies", test_lies);
    g_test_add_func("/tee/sev-guest/answers", test_answers);
    g_test_add_func("/tee/sev-guest/key", test_key);
    g_test_add_func("/tee/sev-guest/key-refused", test_key_refused);
    return g_test_run();
}
