/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* configfs-tsm: the protocol, each error that the kernel has, races with other writers, and that
 * nothing stays behind. */

#define _GNU_SOURCE
#include "base/digest.h"
#include "base/error.h"
#include "tee/answer.h"
#include "tee/snp-report.h"
#include "tee/tdx-quote.h"
#include "tee/tsm-folder.h"
#include "tee/tsm-report.h"

#include "tee-bed.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static CvsTsmRequest
request_for(guint seed)
{
    CvsTsmRequest request = {.privlevel = -1};

    tee_bed_data(request.report_data, seed);
    return request;
}

static CvsTsmReport *
get(TeeBed *bed, const CvsTsmRequest *request, GError **error)
{
    CvsTsmReport *report = cvs_tsm_report_get(bed->paths->configfs, request, &bed->clock,
                                              tee_bed_deadline(bed), error);

    /* Good or not, the folder is gone. */
    g_assert_cmpuint(tee_bed_count_folders(bed), ==, 0);
    return report;
}

static void
refused(TeeBed *bed, const CvsTsmRequest *request, int code, const char *reason, const char *says)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(get(bed, request, &error));
    g_assert_error(error, CVS_ERROR, code);
    g_assert_true(reason == NULL || cvs_error_has_reason(error, reason));
    if (reason == NULL)
        g_assert_cmpuint(cvs_error_get_reasons(error)->len, ==, 0);
    if (strstr(error->message, says) == NULL)
        g_error("\"%s\" does not say \"%s\"", error->message, says);
}

static void
test_snp(void)
{
    g_auto(TeeBed) bed = {0};
    g_autoptr(GError) error = NULL;
    CvsTsmInfo info;

    if (!tee_bed_init(&bed, TEE_SIM_SNP))
        return;
    g_assert_true(cvs_tsm_report_probe(bed.paths->configfs, &info, &error));
    g_assert_no_error(error);
    g_assert_cmpint(info.provider, ==, CVS_TSM_SEV_GUEST);
    g_assert_false(info.has_svsm);
    g_assert_cmpuint(info.privlevel_floor, ==, 0);
    g_assert_cmpuint(tee_sim_requests(bed.sim), ==, 0);
    for (guint version = 2; version <= 5; version++) {
        CvsTsmRequest request = request_for(version);
        g_autofree char *set = g_strdup_printf("report-version=%u", version);
        g_autoptr(CvsTsmReport) report = NULL;
        CvsSnpReport parsed;

        tee_sim_must(bed.sim, set);
        report = get(&bed, &request, &error);
        g_assert_no_error(error);
        g_assert_cmpint(report->provider, ==, CVS_TSM_SEV_GUEST);
        g_assert_true(cvs_snp_report_parse(g_bytes_get_data(report->outblob, NULL),
                                           g_bytes_get_size(report->outblob), &parsed, &error));
        g_assert_cmpuint(parsed.version, ==, version);
        g_assert_cmpmem(parsed.report_data, 64, request.report_data, 64);
        g_assert_nonnull(report->auxblob);
        g_assert_null(report->manifest);
        /* One report is made for all that is read. */
        g_assert_cmpuint(tee_sim_requests(bed.sim), ==, version - 1);
    }
    g_assert_cmpuint(bed.test.naps, ==, 0);
    tee_sim_must(bed.sim, "certs=none");
    {
        CvsTsmRequest request = request_for(9);
        g_autoptr(CvsTsmReport) report = get(&bed, &request, &error);

        g_assert_no_error(error);
        g_assert_null(report->auxblob);
    }
}

static void
test_tdx(void)
{
    g_auto(TeeBed) bed = {0};
    g_autoptr(GError) error = NULL;
    CvsTsmInfo info;

    if (!tee_bed_init(&bed, TEE_SIM_TDX))
        return;
    g_assert_true(cvs_tsm_report_probe(bed.paths->configfs, &info, &error));
    g_assert_cmpint(info.provider, ==, CVS_TSM_TDX_GUEST);
    g_assert_false(info.has_svsm);
    for (guint version = 4; version <= 5; version++) {
        CvsTsmRequest request = request_for(version);
        g_autofree char *set = g_strdup_printf("quote-version=%u", version);
        g_autoptr(CvsTsmReport) report = NULL;
        g_autoptr(CvsTdxQuote) quote = NULL;

        tee_sim_must(bed.sim, set);
        tee_sim_must(bed.sim, "trailing=70");
        report = get(&bed, &request, &error);
        g_assert_no_error(error);
        quote = cvs_tdx_quote_parse(report->outblob, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(quote->version, ==, version);
        g_assert_cmpmem(quote->body.report_data, 64, request.report_data, 64);
        g_assert_null(report->auxblob);
        g_assert_null(report->manifest);
    }
}

/* Under an SVSM the kernel's level is not 0, and the attribute's default would be refused. */
static void
test_privlevel(void)
{
    g_auto(TeeBed) bed = {0};
    g_autoptr(GError) error = NULL;
    CvsTsmInfo info;

    if (!tee_bed_init(&bed, TEE_SIM_SNP))
        return;
    tee_sim_must(bed.sim, "vmpl=2");
    g_assert_true(cvs_tsm_report_probe(bed.paths->configfs, &info, &error));
    g_assert_cmpuint(info.privlevel_floor, ==, 2);
    for (int level = -1; level <= 4; level++) {
        CvsTsmRequest request = request_for((guint)(level + 1));
        g_autoptr(CvsTsmReport) report = NULL;
        CvsSnpReport parsed;

        request.privlevel = level;
        if (level == 0 || level == 1 || level == 4) {
            refused(&bed, &request, CVS_ERROR_INVALID_ARGUMENT, NULL, "may ask for 2 to 3");
            continue;
        }
        report = get(&bed, &request, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(report->privlevel, ==, level < 0 ? 2 : (guint)level);
        g_assert_true(cvs_snp_report_parse(g_bytes_get_data(report->outblob, NULL),
                                           g_bytes_get_size(report->outblob), &parsed, &error));
        g_assert_cmpuint(parsed.vmpl, ==, report->privlevel);
    }
}

static void
check_svsm(TeeBed *bed, const CvsTsmRequest *request)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsTsmReport) report = get(bed, request, &error);
    g_autoptr(CvsHasher) hasher = cvs_hasher_new(CVS_SHA512);
    guint8 wanted[64];
    CvsSnpReport parsed;

    g_assert_no_error(error);
    g_assert_nonnull(report->manifest);
    g_assert_nonnull(report->auxblob);
    cvs_hasher_update(hasher, request->report_data, 64);
    cvs_hasher_update(hasher, g_bytes_get_data(report->manifest, NULL),
                      g_bytes_get_size(report->manifest));
    cvs_hasher_finish(hasher, wanted);
    g_assert_true(cvs_snp_report_parse(g_bytes_get_data(report->outblob, NULL),
                                       g_bytes_get_size(report->outblob), &parsed, &error));
    g_assert_cmpmem(parsed.report_data, 64, wanted, 64);
    g_assert_cmpuint(parsed.vmpl, ==, 0);
}

static void
test_svsm(void)
{
    g_auto(TeeBed) bed = {0};
    g_autoptr(GError) error = NULL;
    CvsTsmRequest request = request_for(1);
    CvsTsmInfo info;

    if (!tee_bed_init(&bed, TEE_SIM_SNP))
        return;
    request.svsm = TRUE;
    refused(&bed, &request, CVS_ERROR_NOT_SUPPORTED, NULL, "no SVSM");
    g_assert_cmpuint(tee_sim_requests(bed.sim), ==, 0);
    tee_sim_must(bed.sim, "svsm=on");
    g_assert_true(cvs_tsm_report_probe(bed.paths->configfs, &info, &error));
    g_assert_true(info.has_svsm);
    g_assert_cmpuint(info.privlevel_floor, ==, 2);
    /* A vTPM that was not started has no EK. */
    refused(&bed, &request, CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_NO_REPORT, "the SVSM refused");
    tee_bed_give_keys(&bed);
    check_svsm(&bed, &request);
    request.service_guid = CVS_TEE_SVSM_VTPM;
    check_svsm(&bed, &request);
    request.manifest_version = 1;
    refused(&bed, &request, CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_NO_REPORT, "the SVSM refused");
    tee_sim_must(bed.sim, "manifest-v1=on");
    check_svsm(&bed, &request);
    request.manifest_version = 2;
    refused(&bed, &request, CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_NO_REPORT,
            "version of its manifest");
    request.manifest_version = 0;
    request.service_guid = "c476f1eb-0123-45a5-9641-b4e7dde5bfe4";
    refused(&bed, &request, CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_NO_REPORT, "the SVSM refused");
    request.service_guid = "vTPM";
    refused(&bed, &request, CVS_ERROR_INVALID_ARGUMENT, NULL, "GUID");
    /* The guest's own report at its own level goes on. */
    request = request_for(2);
    {
        g_autoptr(CvsTsmReport) report = get(&bed, &request, &error);

        g_assert_no_error(error);
        g_assert_cmpuint(report->privlevel, ==, 2);
        g_assert_null(report->manifest);
    }
    /* The report of another nonce, be it the one before. */
    request.svsm = TRUE;
    request.service_guid = CVS_TEE_SVSM_VTPM;
    tee_sim_must(bed.sim, "stale-report=on");
    refused(&bed, &request, CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_ANSWER_DIFFERS,
            "another request");
}

/* A report that would be right for no manifest at all. */
static void
test_svsm_empty(void)
{
    g_auto(TeeBed) bed = {0};
    g_autoptr(GError) error = NULL;
    CvsTsmRequest request = request_for(1);
    g_autoptr(CvsTsmReport) report = NULL;
    g_autoptr(GBytes) empty = g_bytes_new_static("", 0);
    guint8 nonce[64];

    if (!tee_bed_init(&bed, TEE_SIM_SNP))
        return;
    tee_bed_data(nonce, 5);
    cvs_hash_bytes(CVS_SHA512, nonce, sizeof nonce, request.report_data);
    report = get(&bed, &request, &error);
    g_assert_no_error(error);
    g_assert_false(cvs_answer_check_svsm(report->outblob, empty, nonce, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_ANSWER_EMPTY));
}

/* A TD has no SVSM. */
static void
test_svsm_tdx(void)
{
    g_auto(TeeBed) bed = {0};
    CvsTsmRequest request = request_for(1);

    if (!tee_bed_init(&bed, TEE_SIM_TDX))
        return;
    request.svsm = TRUE;
    refused(&bed, &request, CVS_ERROR_NOT_SUPPORTED, NULL, "no SVSM");
}

typedef struct {
    TeeSimType type;
    const char *set;
    int code;
    const char *reason;
    const char *says;
} Fault;

static void
test_faults(void)
{
    static const Fault faults[] = {
        {TEE_SIM_SNP, "fail-once=EIO", CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_NO_REPORT,
         "16 KiB"},
        {TEE_SIM_SNP, "fail-once=ENXIO", CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_NO_REPORT,
         "kernel's log"},
        {TEE_SIM_SNP, "fail-once=EINVAL", CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_NO_REPORT,
         "VMPL 0"},
        {TEE_SIM_SNP, "fail-once=ETIMEDOUT", CVS_ERROR_ATTESTATION_FAILED,
         CVS_REASON_TEE_CHANNEL_CLOSED, "until the next reboot"},
        {TEE_SIM_SNP, "fail-once=EBADMSG", CVS_ERROR_ATTESTATION_FAILED,
         CVS_REASON_TEE_CHANNEL_CLOSED, "until the next reboot"},
        {TEE_SIM_SNP, "wiped=on", CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_TEE_CHANNEL_CLOSED,
         "after an earlier failure"},
        {TEE_SIM_SNP, "busy=100000", CVS_ERROR_BUSY, NULL, "occupied"},
        {TEE_SIM_SNP, "empty-outblob=on", CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_ANSWER_EMPTY,
         "gave nothing"},
        {TEE_SIM_SNP, "trailing=1", CVS_ERROR_BAD_FORMAT, NULL, "1185"},
        {TEE_SIM_SNP, "trailing=16777216", CVS_ERROR_TOO_LARGE, CVS_REASON_NO_REPORT, "outblob"},
        {TEE_SIM_SNP, "trailing=5000000", CVS_ERROR_TOO_LARGE, CVS_REASON_NO_REPORT, "outblob"},
        {TEE_SIM_SNP, "wrong-report-data=on", CVS_ERROR_ATTESTATION_FAILED,
         CVS_REASON_ANSWER_DIFFERS, "another request"},
        {TEE_SIM_SNP, "stale-report=on", CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_ANSWER_DIFFERS,
         "another request"},
        {TEE_SIM_SNP, "wrong-vmpl=on", CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_ANSWER_DIFFERS,
         "VMPL"},
        {TEE_SIM_SNP, "flip=2", CVS_ERROR_BAD_FORMAT, NULL, "version"},
        {TEE_SIM_SNP, "flip=81", CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_ANSWER_DIFFERS, "SNP"},
        {TEE_SIM_SNP, "flip=144", CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_ANSWER_DIFFERS, "SNP"},
        {TEE_SIM_TDX, "fail-once=EIO", CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_NO_REPORT,
         "quoting enclave"},
        {TEE_SIM_TDX, "fail-once=ENXIO", CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_NO_REPORT,
         "unloaded"},
        {TEE_SIM_TDX, "fail-once=EINVAL", CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_NO_REPORT,
         "EINVAL"},
        {TEE_SIM_TDX, "fail-once=ETIMEDOUT", CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_NO_REPORT,
         "30 seconds"},
        {TEE_SIM_TDX, "busy=100000", CVS_ERROR_BUSY, NULL, "occupied"},
        {TEE_SIM_TDX, "empty-outblob=on", CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_ANSWER_EMPTY,
         "quoting service gave nothing"},
        {TEE_SIM_TDX, "trailing=17000000", CVS_ERROR_TOO_LARGE, CVS_REASON_NO_REPORT, "outblob"},
        {TEE_SIM_TDX, "wrong-report-data=on", CVS_ERROR_ATTESTATION_FAILED,
         CVS_REASON_ANSWER_DIFFERS, "TD quote"},
        {TEE_SIM_TDX, "stale-report=on", CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_ANSWER_DIFFERS,
         "TD quote"},
        {TEE_SIM_TDX, "flip=2", CVS_ERROR_BAD_FORMAT, CVS_REASON_QUOTE_UNSUPPORTED, "version"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(faults); i++) {
        const Fault *fault = &faults[i];
        g_auto(TeeBed) bed = {0};
        g_autoptr(CvsTsmReport) first = NULL;
        CvsTsmRequest request = request_for(1);
        g_autoptr(GError) error = NULL;

        if (!tee_bed_init(&bed, fault->type))
            return;
        g_test_message("%s", fault->set);
        first = get(&bed, &request, &error);
        g_assert_no_error(error);
        tee_sim_must(bed.sim, fault->set);
        request = request_for(2);
        refused(&bed, &request, fault->code, fault->reason, fault->says);
    }
}

/* What EIO, ETIMEDOUT and EBADMSG do to the channel, the next request tells. */
static void
test_wiped(void)
{
    const char *const sets[] = {"fail-once=EIO", "fail-once=ETIMEDOUT", "fail-once=EBADMSG"};

    for (gsize i = 0; i < G_N_ELEMENTS(sets); i++) {
        g_auto(TeeBed) bed = {0};
        CvsTsmRequest request = request_for(1);
        g_autoptr(GError) error = NULL;

        if (!tee_bed_init(&bed, TEE_SIM_SNP))
            return;
        tee_sim_must(bed.sim, sets[i]);
        g_assert_null(get(&bed, &request, &error));
        g_assert_nonnull(error);
        refused(&bed, &request, CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_TEE_CHANNEL_CLOSED,
                "after an earlier failure");
    }
}

/* A quoting service that is occupied for a while, and a signal: tried again. */
static void
test_again(void)
{
    static const struct {
        const char *set;
        guint naps;
    } cases[] = {{"busy=5", 5}, {"fail-once=EINTR", 1}};

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(TeeBed) bed = {0};
        CvsTsmRequest request = request_for(1);
        g_autoptr(GError) error = NULL;
        g_autoptr(CvsTsmReport) report = NULL;

        if (!tee_bed_init(&bed, TEE_SIM_TDX))
            return;
        tee_sim_must(bed.sim, cases[i].set);
        report = get(&bed, &request, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(bed.test.naps, ==, cases[i].naps);
    }
    {
        g_auto(TeeBed) bed = {0};
        CvsTsmRequest request = request_for(1);
        gint64 before = 0;

        if (!tee_bed_init(&bed, TEE_SIM_TDX))
            return;
        /* To the deadline and no longer. */
        tee_sim_must(bed.sim, "busy=100000");
        before = bed.test.time;
        refused(&bed, &request, CVS_ERROR_BUSY, NULL, "try again");
        g_assert_cmpint(bed.test.time - before, ==, 60 * G_USEC_PER_SEC);
    }
}

/* Another program that found our folder, at the only moment that we give it. */
static void
intrude(gpointer data)
{
    TeeBed *bed = data;
    g_autoptr(GDir) dir = g_dir_open(bed->paths->configfs, 0, NULL);
    const char *name = g_dir_read_name(dir);
    g_autofree char *path = NULL;
    guint8 other[64];
    int fd = -1;

    g_assert_nonnull(name);
    path = g_build_filename(bed->paths->configfs, name, "inblob", NULL);
    tee_bed_data(other, 77);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, other, sizeof other), ==, sizeof other);
    g_assert_cmpint(close(fd), ==, 0);
}

static void
test_overtaken(void)
{
    const TeeSimType types[] = {TEE_SIM_SNP, TEE_SIM_TDX};

    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        g_auto(TeeBed) bed = {0};
        CvsTsmRequest request = request_for(1);

        if (!tee_bed_init(&bed, types[i]))
            return;
        tee_sim_must(bed.sim, "busy=1");
        bed.test.on_nap = intrude;
        bed.test.on_nap_data = &bed;
        refused(&bed, &request, CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_REQUEST_OVERTAKEN,
                "another program writes into our request");
    }
}

/* The same bytes by somebody else: the answer would be right, and is refused all the same. */
static void
intrude_equal(gpointer data)
{
    TeeBed *bed = data;
    g_autoptr(GDir) dir = g_dir_open(bed->paths->configfs, 0, NULL);
    g_autofree char *path =
        g_build_filename(bed->paths->configfs, g_dir_read_name(dir), "privlevel", NULL);
    int fd = open(path, O_WRONLY | O_CLOEXEC);

    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(write(fd, "0", 1), ==, 1);
    g_assert_cmpint(close(fd), ==, 0);
}

static void
test_generation_alone(void)
{
    g_auto(TeeBed) bed = {0};
    CvsTsmRequest request = request_for(1);

    if (!tee_bed_init(&bed, TEE_SIM_SNP))
        return;
    tee_sim_must(bed.sim, "busy=1");
    bed.test.on_nap = intrude_equal;
    bed.test.on_nap_data = &bed;
    refused(&bed, &request, CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_REQUEST_OVERTAKEN,
            "counted 3 writes, and we had made 2");
}

/* Somebody who waits for new folders is there before we write: then the TEE is not even asked. */
static TeeBed *watched;

int __real_mkdirat(int dir, const char *path, mode_t mode);
int __wrap_mkdirat(int dir, const char *path, mode_t mode);

int
__wrap_mkdirat(int dir, const char *path, mode_t mode)
{
    int result = __real_mkdirat(dir, path, mode);

    if (watched)
        intrude(watched);
    return result;
}

static void
test_overtaken_before(void)
{
    g_auto(TeeBed) bed = {0};
    CvsTsmRequest request = request_for(1);

    if (!tee_bed_init(&bed, TEE_SIM_TDX))
        return;
    watched = &bed;
    refused(&bed, &request, CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_REQUEST_OVERTAKEN,
            "before reading the report the kernel had counted 2 writes");
    watched = NULL;
    g_assert_cmpuint(tee_sim_requests(bed.sim), ==, 0);
}

/* Our folder is taken away under us. */
static void
take_away(gpointer data)
{
    TeeBed *bed = data;
    g_autoptr(GDir) dir = g_dir_open(bed->paths->configfs, 0, NULL);
    g_autofree char *path = tee_bed_folder(bed, g_dir_read_name(dir));

    g_assert_cmpint(g_rmdir(path), ==, 0);
}

static void
test_taken_away(void)
{
    g_auto(TeeBed) bed = {0};
    g_autoptr(GError) error = NULL;
    CvsTsmRequest request = request_for(1);

    if (!tee_bed_init(&bed, TEE_SIM_TDX))
        return;
    tee_sim_must(bed.sim, "busy=1");
    bed.test.on_nap = take_away;
    bed.test.on_nap_data = &bed;
    g_assert_null(get(&bed, &request, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED);
}

static void
make_folder(TeeBed *bed, const char *name)
{
    g_autofree char *path = tee_bed_folder(bed, name);

    g_assert_cmpint(g_mkdir(path, 0700), ==, 0);
}

/* What a crashed program left is removed; what somebody uses, or is not ours, is not. */
static void
test_sweep(void)
{
    const char *const gone[] = {
        "cvmseal-1-1-00112233445566778899aabbccddeeff", /* PID 1 is another process now */
        "cvmseal-4194305-77-00112233445566778899aabbccddeeff",
        "cvmseal-77-0-00112233445566778899aabbccddeeff",
    };
    const char *const kept[] = {"other",         "cvmseal",     "cvmseal-",
                                "cvmseal-x-y-z", "cvmseal-1-1", "xcvmseal-4194305-77-0"};
    g_auto(TeeBed) bed = {0};
    g_autoptr(GError) error = NULL;
    CvsTsmFolder *mine = NULL;
    CvsTsmRequest request = request_for(1);
    CvsTsmReport *report = NULL;

    if (!tee_bed_init(&bed, TEE_SIM_SNP))
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(gone); i++)
        make_folder(&bed, gone[i]);
    for (gsize i = 0; i < G_N_ELEMENTS(kept); i++)
        make_folder(&bed, kept[i]);
    mine = cvs_tsm_folder_new(bed.paths->configfs, &error);
    g_assert_no_error(error);
    report = cvs_tsm_report_get(bed.paths->configfs, &request, &bed.clock, tee_bed_deadline(&bed),
                                &error);
    g_assert_no_error(error);
    cvs_tsm_report_free(report);
    g_assert_cmpuint(tee_bed_count_folders(&bed), ==, G_N_ELEMENTS(kept) + 1);
    for (gsize i = 0; i < G_N_ELEMENTS(kept); i++) {
        g_autofree char *path = tee_bed_folder(&bed, kept[i]);

        g_assert_cmpint(g_rmdir(path), ==, 0);
    }
    g_assert_true(cvs_tsm_folder_has(mine, "inblob"));
    cvs_tsm_folder_free(mine);
}

static void
test_crash(void)
{
    g_auto(TeeBed) bed = {0};
    CvsTsmRequest request = request_for(1);
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsTsmReport) report = NULL;
    int status = 0;
    pid_t child = 0;

    if (!tee_bed_init(&bed, TEE_SIM_SNP))
        return;
    child = fork();
    if (child == 0) {
        CvsTsmFolder *folder = cvs_tsm_folder_new(bed.paths->configfs, NULL);

        if (folder)
            (void)raise(SIGKILL);
        _exit(1);
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    g_assert_cmpuint(tee_bed_count_folders(&bed), ==, 1);
    report = get(&bed, &request, &error);
    g_assert_no_error(error);
}

/* The name is nothing to be guessed: two have only the process in common. */
static void
test_name(void)
{
    g_auto(TeeBed) bed = {0};
    g_autoptr(GError) error = NULL;
    g_autoptr(GHashTable) seen = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

    if (!tee_bed_init(&bed, TEE_SIM_SNP))
        return;
    for (guint i = 0; i < 20; i++) {
        g_autoptr(CvsTsmFolder) folder = cvs_tsm_folder_new(bed.paths->configfs, &error);
        g_autoptr(GDir) dir = g_dir_open(bed.paths->configfs, 0, NULL);
        const char *name = g_dir_read_name(dir);
        const char *random = strrchr(name, '-') + 1;

        g_assert_no_error(error);
        g_assert_cmpuint(strlen(random), ==, 32);
        g_assert_true(g_hash_table_add(seen, g_strdup(random)));
    }
}

static void
test_none(void)
{
    g_auto(TeeBed) bed = {0};
    g_autoptr(GError) error = NULL;
    CvsTsmRequest request = request_for(1);
    CvsTsmInfo info;

    if (!tee_bed_init(&bed, TEE_SIM_NONE))
        return;
    refused(&bed, &request, CVS_ERROR_NOT_SUPPORTED, NULL, "no TEE behind it");
    g_assert_false(cvs_tsm_report_probe(bed.paths->configfs, &info, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED);
    g_clear_error(&error);
    g_assert_null(cvs_tsm_report_get("/nonexistent/report", &request, &bed.clock,
                                     tee_bed_deadline(&bed), &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tee/tsm-report/snp", test_snp);
    g_test_add_func("/tee/tsm-report/tdx", test_tdx);
    g_test_add_func("/tee/tsm-report/privlevel", test_privlevel);
    g_test_add_func("/tee/tsm-report/svsm", test_svsm);
    g_test_add_func("/tee/tsm-report/svsm-empty", test_svsm_empty);
    g_test_add_func("/tee/tsm-report/svsm-tdx", test_svsm_tdx);
    g_test_add_func("/tee/tsm-report/faults", test_faults);
    g_test_add_func("/tee/tsm-report/wiped", test_wiped);
    g_test_add_func("/tee/tsm-report/again", test_again);
    g_test_add_func("/tee/tsm-report/overtaken", test_overtaken);
    g_test_add_func("/tee/tsm-report/overtaken-before", test_overtaken_before);
    g_test_add_func("/tee/tsm-report/generation-alone", test_generation_alone);
    g_test_add_func("/tee/tsm-report/taken-away", test_taken_away);
    g_test_add_func("/tee/tsm-report/sweep", test_sweep);
    g_test_add_func("/tee/tsm-report/crash", test_crash);
    g_test_add_func("/tee/tsm-report/name", test_name);
    g_test_add_func("/tee/tsm-report/none", test_none);
    return g_test_run();
}
