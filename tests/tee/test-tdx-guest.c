/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* /dev/tdx_guest, and the files of the measurement registers beside it. */

#include "base/error.h"
#include "base/hex.h"
#include "tee/tdx-guest.h"

#include "fake-ioctl.h"
#include "tee-bed.h"

#include <errno.h>
#include <string.h>

static void
test_report(void)
{
    g_auto(TeeBed) bed = {0};
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = NULL;
    guint8 data[64];
    guint8 digest[48] = {7};
    CvsTdReport before;
    CvsTdReport after;

    fake_ioctl_set(NULL, 0);
    if (!tee_bed_init(&bed, TEE_SIM_TDX))
        return;
    tee_bed_data(data, 1);
    g_assert_true(cvs_tdx_guest_get_report(bed.paths->tdx_guest, data, &bytes, &before, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(g_bytes_get_size(bytes), ==, CVS_TDREPORT_SIZE);
    g_assert_cmpmem(before.body.report_data, 64, data, 64);
    /* Registers as they are now, by whichever way they were extended. */
    tee_sim_extend(bed.sim, 3, digest);
    g_assert_true(cvs_tdx_guest_get_report(bed.paths->tdx_guest, data, NULL, &after, &error));
    g_assert_no_error(error);
    g_assert_cmpint(memcmp(before.body.rtmr[3], after.body.rtmr[3], 48), !=, 0);
    g_assert_cmpmem(before.body.rtmr[2], 48, after.body.rtmr[2], 48);
    /* It is no request to the host. */
    g_assert_cmpuint(tee_sim_requests(bed.sim), ==, 0);
}

static void
refused(const char *device, int code, const char *reason)
{
    g_autoptr(GError) error = NULL;
    GBytes *bytes = NULL;
    CvsTdReport report = {.version = 77};
    guint8 data[64];

    tee_bed_data(data, 2);
    g_assert_false(cvs_tdx_guest_get_report(device, data, &bytes, &report, &error));
    g_assert_error(error, CVS_ERROR, code);
    g_assert_true(reason == NULL || cvs_error_has_reason(error, reason));
    g_assert_null(bytes);
    g_assert_cmpuint(report.version, ==, 77);
}

static void
test_refused(void)
{
    const FakeAnswer nothing = {0, 0, 0, 0, NULL, 0};
    const FakeAnswer fault = {EIO, 0, 0, 0, NULL, 0};
    const FakeAnswer forbidden = {EPERM, 0, 0, 0, NULL, 0};
    const FakeAnswer signal = {EINTR, 0, 0, 0, NULL, 0};
    g_auto(TeeBed) bed = {0};
    g_autoptr(GError) error = NULL;
    CvsTdReport report;
    guint8 data[64];

    refused("/nonexistent/tdx_guest", CVS_ERROR_NOT_SUPPORTED, NULL);
    refused("/dev/null", CVS_ERROR_ATTESTATION_FAILED, NULL);
    fake_ioctl_set(NULL, 0);
    if (!tee_bed_init(&bed, TEE_SIM_TDX))
        return;
    fake_ioctl_set(&nothing, 1);
    refused(bed.paths->tdx_guest, CVS_ERROR_BAD_FORMAT, NULL);
    fake_ioctl_set(&fault, 1);
    refused(bed.paths->tdx_guest, CVS_ERROR_ATTESTATION_FAILED, NULL);
    fake_ioctl_set(&forbidden, 1);
    refused(bed.paths->tdx_guest, CVS_ERROR_NOT_AUTHORIZED, NULL);
    /* A signal is no answer. */
    fake_ioctl_set(&signal, 1);
    tee_bed_data(data, 1);
    g_assert_true(cvs_tdx_guest_get_report(bed.paths->tdx_guest, data, NULL, &report, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(fake_ioctl_calls(), ==, 2);
}

/* A TDREPORT for other data: of another request, or of a source that makes them up. */
static void
test_other_data(void)
{
    g_auto(TeeBed) bed = {0};
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = NULL;
    guint8 data[64];
    CvsTdReport report;
    guint8 call[64 + CVS_TDREPORT_SIZE];
    FakeAnswer answer = {.errnum = 0};

    fake_ioctl_set(NULL, 0);
    if (!tee_bed_init(&bed, TEE_SIM_TDX))
        return;
    tee_bed_data(data, 1);
    g_assert_true(cvs_tdx_guest_get_report(bed.paths->tdx_guest, data, &bytes, &report, &error));
    memcpy(call + 64, g_bytes_get_data(bytes, NULL), CVS_TDREPORT_SIZE);
    answer.in_place = call + 64;
    answer.in_place_offset = 64;
    answer.in_place_size = CVS_TDREPORT_SIZE;
    fake_ioctl_set(&answer, 1);
    refused(bed.paths->tdx_guest, CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_ANSWER_DIFFERS);
    /* And one that was damaged. */
    call[64 + 600] ^= 1;
    fake_ioctl_set(&answer, 1);
    refused(bed.paths->tdx_guest, CVS_ERROR_BAD_FORMAT, CVS_REASON_TD_REPORT_HASH);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tee/tdx-guest/report", test_report);
    g_test_add_func("/tee/tdx-guest/refused", test_refused);
    g_test_add_func("/tee/tdx-guest/other-data", test_other_data);
    return g_test_run();
}
