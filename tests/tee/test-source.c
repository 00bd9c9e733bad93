/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The one entry: which TEE there is, by which way it is asked, in which turn, and that a quote is
 * of this TD. */

#include "base/error.h"
#include "tee/answer.h"
#include "tee/source.h"
#include "tee/tdx-quote.h"

#include "fake-ioctl.h"
#include "tee-bed.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* Without configfs, as in an initrd. */
static void
hide_configfs(TeeBed *bed)
{
    g_free(bed->paths->configfs);
    bed->paths->configfs = g_strdup("/nonexistent/tsm/report");
    cvs_tee_source_free(bed->source);
    bed->source = cvs_tee_source_new(bed->paths, &bed->clock);
}

static void
hide_tdx_guest(TeeBed *bed)
{
    g_free(bed->paths->tdx_guest);
    bed->paths->tdx_guest = g_strdup("/nonexistent/tdx_guest");
    cvs_tee_source_free(bed->source);
    bed->source = cvs_tee_source_new(bed->paths, &bed->clock);
}

static CvsTeeRequest
request_for(guint seed)
{
    CvsTeeRequest request = {.privlevel = -1};

    tee_bed_data(request.report_data, seed);
    return request;
}

static void
check_info(TeeBed *bed, CvsTeeKind kind, const char *provider)
{
    g_autoptr(GError) error = NULL;
    CvsTeeInfo info;

    g_assert_true(cvs_tee_source_probe(bed->source, &info, &error));
    g_assert_no_error(error);
    g_assert_cmpint(info.kind, ==, kind);
    g_assert_cmpstr(info.provider, ==, provider);
    g_assert_cmpuint(tee_sim_requests(bed->sim), ==, 0);
}

static CvsTeeEvidence *
get(TeeBed *bed, guint seed)
{
    g_autoptr(GError) error = NULL;
    CvsTeeRequest request = request_for(seed);
    CvsTeeEvidence *evidence = cvs_tee_source_get(bed->source, &request, &error);

    g_assert_no_error(error);
    return evidence;
}

static void
refused(TeeBed *bed, const CvsTeeRequest *request, int code, const char *reason, const char *says)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(cvs_tee_source_get(bed->source, request, &error));
    g_assert_error(error, CVS_ERROR, code);
    if (strstr(error->message, says) == NULL)
        g_error("\"%s\" does not say \"%s\"", error->message, says);
    g_assert_true(reason == NULL || cvs_error_has_reason(error, reason));
}

static void
test_paths(void)
{
    g_autoptr(CvsConfig) config = cvs_config_new();
    g_autoptr(CvsTeePaths) usual = cvs_tee_paths_new(NULL);
    g_autoptr(CvsTeePaths) same = cvs_tee_paths_new(config);
    g_autoptr(CvsTeePaths) other = NULL;

    g_assert_cmpstr(usual->configfs, ==, "/sys/kernel/config/tsm/report");
    g_assert_cmpstr(usual->sev_guest, ==, "/dev/sev-guest");
    g_assert_cmpstr(usual->tdx_guest, ==, "/dev/tdx_guest");
    g_assert_cmpstr(usual->run_dir, ==, "/run/cvmseal");
#define X(member, key)                                                                             \
    g_assert_cmpstr(usual->member, ==, same->member);                                              \
    config->tee.member = g_strdup("/x/" #member);
    CVS_CONFIG_TEE_PATHS(X)
#undef X
    other = cvs_tee_paths_new(config);
#define X(member, key) g_assert_cmpstr(other->member, ==, "/x/" #member);
    CVS_CONFIG_TEE_PATHS(X)
#undef X
}

static void
test_none(void)
{
    const TeeSimType types[] = {TEE_SIM_NONE, TEE_SIM_AZURE_SNP};

    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        g_auto(TeeBed) bed = {0};
        CvsTeeRequest request = request_for(1);

        if (!tee_bed_init(&bed, types[i]))
            return;
        check_info(&bed, CVS_TEE_NONE, "none");
        refused(&bed, &request, CVS_ERROR_NOT_SUPPORTED, NULL, "no TEE here");
        hide_configfs(&bed);
        check_info(&bed, CVS_TEE_NONE, "none");
    }
    g_assert_cmpstr(cvs_tee_kind_name(CVS_TEE_NONE), ==, "none");
    g_assert_cmpstr(cvs_tee_kind_name(CVS_TEE_SNP), ==, "snp");
    g_assert_cmpstr(cvs_tee_kind_name(CVS_TEE_TDX), ==, "tdx");
}

static void
test_snp(void)
{
    g_auto(TeeBed) bed = {0};

    if (!tee_bed_init(&bed, TEE_SIM_SNP))
        return;
    for (guint way = 0; way < 2; way++) {
        g_autoptr(CvsTeeEvidence) evidence = NULL;
        g_autoptr(GError) error = NULL;
        guint8 data[64];

        if (way == 0)
            check_info(&bed, CVS_TEE_SNP, "sev_guest");
        else
            hide_configfs(&bed);
        evidence = get(&bed, way);
        tee_bed_data(data, way);
        g_assert_cmpint(evidence->kind, ==, CVS_TEE_SNP);
        g_assert_cmpstr(evidence->provider, ==, way == 0 ? "sev_guest" : "sev-guest-device");
        g_assert_true(cvs_answer_check_snp(evidence->report, data, 0, &error));
        g_assert_no_error(error);
        g_assert_nonnull(evidence->auxblob);
        g_assert_null(evidence->manifest);
        g_assert_null(evidence->tdreport);
    }
    /* Two at once, the third not. */
    g_assert_cmpuint(bed.test.naps, ==, 0);
    cvs_tee_evidence_free(get(&bed, 3));
    g_assert_cmpint(bed.test.slept, ==, CVS_PACE_WINDOW_US);
}

static void
test_vmpl(void)
{
    g_auto(TeeBed) bed = {0};
    g_autoptr(GError) error = NULL;
    CvsTeeRequest request = request_for(1);
    CvsTeeInfo info;

    if (!tee_bed_init(&bed, TEE_SIM_SNP))
        return;
    hide_configfs(&bed);
    tee_sim_must(bed.sim, "vmpl=2");
    /* The device does not tell; the file does. */
    g_assert_true(g_file_set_contents(bed.paths->sev_vmpl, "2\n", -1, NULL));
    g_assert_true(cvs_tee_source_probe(bed.source, &info, &error));
    g_assert_cmpuint(info.privlevel, ==, 2);
    for (int level = -1; level <= 4; level++) {
        g_autoptr(CvsTeeEvidence) evidence = NULL;

        request.privlevel = level;
        if (level == 0 || level == 1 || level == 4) {
            refused(&bed, &request, CVS_ERROR_INVALID_ARGUMENT, NULL, "may ask for 2 to 3");
            continue;
        }
        evidence = cvs_tee_source_get(bed.source, &request, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(evidence->privlevel, ==, level < 0 ? 2 : (guint)level);
    }
    request.privlevel = -1;
    for (guint i = 0; i < 3; i++) {
        const char *const texts[] = {"", "4\n", "x"};

        g_assert_true(g_file_set_contents(bed.paths->sev_vmpl, texts[i], -1, NULL));
        refused(&bed, &request, CVS_ERROR_BAD_FORMAT, NULL, "no VMPL");
    }
}

static void
test_svsm(void)
{
    g_auto(TeeBed) bed = {0};
    g_autoptr(GError) error = NULL;
    CvsTeeRequest request = request_for(1);
    CvsTeeInfo info;
    gint64 slept = 0;

    if (!tee_bed_init(&bed, TEE_SIM_SNP))
        return;
    request.svsm = TRUE;
    /* Where there is none, no turn is used up. */
    refused(&bed, &request, CVS_ERROR_NOT_SUPPORTED, NULL, "no SVSM can be asked");
    g_assert_false(g_file_test(bed.paths->run_dir, G_FILE_TEST_EXISTS));
    tee_sim_must(bed.sim, "svsm=on");
    tee_bed_give_keys(&bed);
    request.service_guid = CVS_TEE_SVSM_VTPM;
    g_assert_true(cvs_tee_source_probe(bed.source, &info, &error));
    g_assert_true(info.has_svsm);
    for (guint i = 0; i < 3; i++) {
        g_autoptr(CvsTeeEvidence) evidence = cvs_tee_source_get(bed.source, &request, &error);

        g_assert_no_error(error);
        g_assert_nonnull(evidence->manifest);
        g_assert_cmpuint(evidence->privlevel, ==, 0);
        /* Each after its time. */
        g_assert_cmpint(bed.test.slept, ==, i * CVS_PACE_SVSM_US);
    }
    /* Whoever cannot wait that long is told, and nobody was asked. */
    slept = bed.test.slept;
    request.timeout_ms = 1000;
    refused(&bed, &request, CVS_ERROR_BUSY, NULL, "try again in 5 s");
    g_assert_cmpint(bed.test.slept, ==, slept);
    g_assert_cmpuint(tee_sim_requests(bed.sim), ==, 3);
    /* A failure counts as well: the host may have been asked. */
    request.timeout_ms = 0;
    request.manifest_version = 9;
    refused(&bed, &request, CVS_ERROR_ATTESTATION_FAILED, NULL, "the SVSM refused");
    g_assert_cmpint(bed.test.slept, ==, slept + CVS_PACE_SVSM_US);
    request.manifest_version = 0;
    {
        g_autoptr(CvsTeeEvidence) evidence = cvs_tee_source_get(bed.source, &request, &error);

        g_assert_no_error(error);
        g_assert_nonnull(evidence);
    }
    g_assert_cmpint(bed.test.slept, ==, slept + 2 * CVS_PACE_SVSM_US);
    hide_configfs(&bed);
    refused(&bed, &request, CVS_ERROR_NOT_SUPPORTED, NULL, "by configfs only");
}

/* A host with more certificates than the kernel lets through: a report without them, in a turn of
 * its own. */
static void
test_too_many_certs(void)
{
    const FakeAnswer answer = {EIO, 0, 1, 0x8000, NULL, 0};
    const FakeAnswer answers[] = {answer, answer, answer};
    g_auto(TeeBed) bed = {0};

    fake_ioctl_set(NULL, 0);
    if (!tee_bed_init(&bed, TEE_SIM_SNP))
        return;
    hide_configfs(&bed);
    for (guint i = 0; i < 3; i++) {
        g_autoptr(CvsTeeEvidence) evidence = NULL;

        fake_ioctl_set(answers + i, 1);
        evidence = get(&bed, i);
        g_assert_nonnull(evidence->report);
        g_assert_null(evidence->auxblob);
        g_assert_cmpuint(fake_ioctl_calls(), ==, 2);
        /* Both counted. */
        g_assert_cmpint(bed.test.slept, ==, i * CVS_PACE_WINDOW_US);
    }
}

static void
test_tdx(void)
{
    g_auto(TeeBed) bed = {0};
    g_autoptr(GError) error = NULL;
    CvsTeeRequest request = request_for(1);

    fake_ioctl_set(NULL, 0);
    if (!tee_bed_init(&bed, TEE_SIM_TDX))
        return;
    check_info(&bed, CVS_TEE_TDX, "tdx_guest");
    for (guint version = 4; version <= 5; version++) {
        g_autofree char *set = g_strdup_printf("quote-version=%u", version);
        g_autoptr(CvsTeeEvidence) evidence = NULL;
        CvsTdReport report;
        guint8 data[64];

        tee_sim_must(bed.sim, set);
        evidence = get(&bed, version);
        tee_bed_data(data, version);
        g_assert_cmpint(evidence->kind, ==, CVS_TEE_TDX);
        g_assert_true(cvs_answer_check_quote(evidence->report, data, &error));
        g_assert_true(cvs_tdreport_parse(g_bytes_get_data(evidence->tdreport, NULL),
                                         g_bytes_get_size(evidence->tdreport), &report, &error));
        g_assert_no_error(error);
        g_assert_cmpmem(report.body.report_data, 64, data, 64);
    }
    /* Quotes as often as one likes. */
    for (guint i = 0; i < 5; i++)
        cvs_tee_evidence_free(get(&bed, i));
    g_assert_cmpuint(bed.test.naps, ==, 0);
    request.svsm = TRUE;
    refused(&bed, &request, CVS_ERROR_NOT_SUPPORTED, NULL, "no SVSM");
    request.svsm = FALSE;
    hide_tdx_guest(&bed);
    refused(&bed, &request, CVS_ERROR_NOT_SUPPORTED, NULL, "tdx_guest");
}

static void
test_tdx_device_only(void)
{
    g_auto(TeeBed) bed = {0};
    CvsTeeRequest request = request_for(1);

    if (!tee_bed_init(&bed, TEE_SIM_TDX))
        return;
    hide_configfs(&bed);
    check_info(&bed, CVS_TEE_TDX, "tdx-guest-device");
    refused(&bed, &request, CVS_ERROR_NOT_SUPPORTED, NULL, "is configfs mounted");
}

static void
test_not_this_td(void)
{
    static const struct {
        const char *set;
        const char *says;
    } lies[] = {
        {"other-guest=on", "MRTD"}, {"flip=185", "MRTD"}, /* a byte of it, in a quote version 4 */
        {"flip=377", "RTMR0"},      {"flip=521", "RTMR3"},
        {"flip=177", "XFAM"},       {"flip=49", "TEE_TCB_SVN"},
    };

    fake_ioctl_set(NULL, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(lies); i++) {
        g_auto(TeeBed) bed = {0};
        CvsTeeRequest request = request_for(1);

        if (!tee_bed_init(&bed, TEE_SIM_TDX))
            return;
        tee_sim_must(bed.sim, lies[i].set);
        refused(&bed, &request, CVS_ERROR_ATTESTATION_FAILED, CVS_REASON_QUOTE_MISMATCH,
                lies[i].says);
    }
}

/* systemd and others extend registers at any time. */
static TeeBed *moving;
static guint moves;

static void
move(gpointer data)
{
    guint8 digest[48] = {1};

    tee_sim_extend(moving->sim, 2, digest);
    if (--moves > 0) {
        tee_sim_must(moving->sim, "busy=1");
        moving->test.on_nap = move;
    }
}

static void
test_registers_move(void)
{
    g_auto(TeeBed) bed = {0};
    g_autoptr(CvsTeeEvidence) evidence = NULL;

    fake_ioctl_set(NULL, 0);
    if (!tee_bed_init(&bed, TEE_SIM_TDX))
        return;
    moving = &bed;
    moves = 1;
    tee_sim_must(bed.sim, "busy=1");
    bed.test.on_nap = move;
    evidence = get(&bed, 1);
    g_assert_nonnull(evidence->tdreport);
    g_assert_cmpuint(moves, ==, 0);
    g_assert_cmpuint(tee_sim_requests(bed.sim), ==, 3); /* busy, of the old state, of the new */
}

static void
extend(gpointer data)
{
    TeeBed *bed = data;
    guint8 digest[48] = {2};

    tee_sim_extend(bed->sim, 3, digest);
}

/* Before each TDREPORT another register: no quote is ever of the same state as both. */
static void
test_registers_move_always(void)
{
    g_auto(TeeBed) bed = {0};
    CvsTeeRequest request = request_for(1);

    fake_ioctl_set(NULL, 0);
    if (!tee_bed_init(&bed, TEE_SIM_TDX))
        return;
    fake_ioctl_on_call(extend, &bed);
    refused(&bed, &request, CVS_ERROR_BUSY, NULL, "changed each time");
    fake_ioctl_on_call(NULL, NULL);
    g_assert_cmpuint(tee_sim_requests(bed.sim), ==, 3);
    cvs_tee_evidence_free(get(&bed, 1));
}

static void
test_read_td(void)
{
    g_auto(TeeBed) bed = {0};
    g_autoptr(GError) error = NULL;
    const FakeAnswer fault = {EIO, 0, 0, 0, NULL, 0, NULL, 0, 0};
    guint8 digest[48] = {3};
    gboolean late = TRUE;
    CvsTdBody body;
    CvsTdBody after;

    fake_ioctl_set(NULL, 0);
    if (!tee_bed_init(&bed, TEE_SIM_TDX))
        return;
    g_assert_true(cvs_tee_source_read_td(bed.source, &body, &late, &error));
    g_assert_no_error(error);
    g_assert_false(late);
    /* The device is there and fails: nobody looks elsewhere for a better answer. */
    fake_ioctl_set(&fault, 1);
    g_assert_false(cvs_tee_source_read_td(bed.source, &after, &late, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED);
    g_clear_error(&error);
    fake_ioctl_set(NULL, 0);
    hide_tdx_guest(&bed);
    g_assert_true(cvs_tee_source_read_td(bed.source, &after, &late, &error));
    g_assert_no_error(error);
    g_assert_true(late);
    g_assert_cmpmem(after.mr_td, 48, body.mr_td, 48);
    g_assert_cmpmem(after.mr_config_id, 48, body.mr_config_id, 48);
    g_assert_cmpmem(after.mr_owner, 48, body.mr_owner, 48);
    g_assert_cmpmem(after.mr_owner_config, 48, body.mr_owner_config, 48);
    g_assert_cmpmem(after.rtmr, sizeof after.rtmr, body.rtmr, sizeof body.rtmr);
    tee_sim_extend(bed.sim, 0, digest);
    g_free(bed.paths->measurements);
    bed.paths->measurements = g_strdup("/nonexistent");
    hide_tdx_guest(&bed);
    g_assert_false(cvs_tee_source_read_td(bed.source, &after, &late, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED);
}

static void
test_key(void)
{
    g_auto(TeeBed) bed = {0};
    g_autoptr(GError) error = NULL;
    const CvsSevKeyRequest request = {.fields = CVS_SEV_KEY_GUEST_SVN};

    fake_ioctl_set(NULL, 0);
    if (!tee_bed_init(&bed, TEE_SIM_SNP))
        return;
    for (guint i = 0; i < 4; i++) {
        g_autoptr(CvsSecret) key = cvs_tee_source_derive_key(bed.source, &request, 0, &error);

        g_assert_no_error(error);
        g_assert_nonnull(key);
    }
    /* A key is a request like any other. */
    g_assert_cmpint(bed.test.slept, ==, CVS_PACE_WINDOW_US);
    g_assert_null(cvs_tee_source_derive_key(bed.source, &request, 100, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BUSY);
}

/* The one request of another program ends ours after our time. */
static void
test_turn(void)
{
    g_auto(TeeBed) bed = {0};
    g_autoptr(GError) error = NULL;
    CvsTeeRequest request = request_for(1);
    CvsPace *other = NULL;

    if (!tee_bed_init(&bed, TEE_SIM_TDX))
        return;
    other = cvs_pace_begin(bed.paths->run_dir, CVS_PACE_QUOTE, &bed.clock, bed.test.time, &error);
    g_assert_no_error(error);
    request.timeout_ms = 20;
    refused(&bed, &request, CVS_ERROR_BUSY, NULL, "another program is asking the TEE");
    g_assert_cmpuint(tee_sim_requests(bed.sim), ==, 0);
    cvs_pace_end(other);
    cvs_tee_evidence_free(get(&bed, 1));
}

typedef struct {
    TeeBed *bed;
    guint seed;
} Job;

static gpointer
ask(gpointer data)
{
    const Job *job = data;
    g_autoptr(CvsTeeEvidence) evidence = get(job->bed, job->seed);
    g_autoptr(GError) error = NULL;
    guint8 wanted[64];

    tee_bed_data(wanted, job->seed);
    (void)cvs_answer_check_quote(evidence->report, wanted, &error);
    g_assert_no_error(error);
    return NULL;
}

/* Many at once: each gets its own. */
static void
test_threads(void)
{
    g_auto(TeeBed) bed = {0};
    Job jobs[8];
    GThread *threads[G_N_ELEMENTS(jobs)];

    fake_ioctl_set(NULL, 0);
    if (!tee_bed_init(&bed, TEE_SIM_TDX))
        return;
    for (guint i = 0; i < G_N_ELEMENTS(jobs); i++) {
        jobs[i] = (Job){&bed, i};
        threads[i] = g_thread_new("ask", ask, &jobs[i]);
    }
    for (guint i = 0; i < G_N_ELEMENTS(jobs); i++)
        g_thread_join(threads[i]);
    g_assert_cmpuint(tee_sim_requests(bed.sim), ==, G_N_ELEMENTS(jobs));
}

static GBytes *
make_key(guint8 first)
{
    guint8 bytes[314];

    for (gsize i = 0; i < sizeof bytes; i++)
        bytes[i] = (guint8)(first + i);
    return g_bytes_new(bytes, sizeof bytes);
}

/* What the TPM floor reads from Azure's NV index is evidence all the same. */
static void
test_azure(void)
{
    const TeeSimType types[] = {TEE_SIM_AZURE_SNP, TEE_SIM_AZURE_TDX};

    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        g_auto(TeeBed) bed = {0};
        g_autoptr(GError) error = NULL;
        g_autoptr(CvsTeeEvidence) evidence = NULL;
        g_autoptr(GBytes) ek = make_key(0x81);
        g_autoptr(GBytes) ak = make_key(0x83);
        g_autoptr(GBytes) nv = NULL;
        g_autoptr(GBytes) cut = NULL;

        if (!tee_bed_init(&bed, types[i]))
            return;
        (void)tee_sim_set_keys(bed.sim, ek, ak, &error);
        g_assert_no_error(error);
        nv = tee_sim_hcl_report(bed.sim);
        evidence = cvs_tee_evidence_new_hcl(nv, &error);
        g_assert_no_error(error);
        g_assert_cmpstr(evidence->provider, ==, "azure-hcl");
        g_assert_true(g_bytes_equal(evidence->hcl, nv));
        g_assert_null(evidence->auxblob);
        g_assert_null(evidence->manifest);
        if (types[i] == TEE_SIM_AZURE_SNP) {
            g_assert_cmpint(evidence->kind, ==, CVS_TEE_SNP);
            g_assert_cmpuint(g_bytes_get_size(evidence->report), ==, CVS_SNP_REPORT_SIZE);
            g_assert_null(evidence->tdreport);
        } else {
            g_assert_cmpint(evidence->kind, ==, CVS_TEE_TDX);
            g_assert_cmpuint(g_bytes_get_size(evidence->tdreport), ==, CVS_TDREPORT_SIZE);
            g_assert_null(evidence->report); /* the quote comes from elsewhere */
        }
        cut = g_bytes_new_from_bytes(nv, 0, 1000);
        g_assert_null(cvs_tee_evidence_new_hcl(cut, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tee/source/paths", test_paths);
    g_test_add_func("/tee/source/none", test_none);
    g_test_add_func("/tee/source/snp", test_snp);
    g_test_add_func("/tee/source/vmpl", test_vmpl);
    g_test_add_func("/tee/source/svsm", test_svsm);
    g_test_add_func("/tee/source/too-many-certs", test_too_many_certs);
    g_test_add_func("/tee/source/tdx", test_tdx);
    g_test_add_func("/tee/source/tdx-device-only", test_tdx_device_only);
    g_test_add_func("/tee/source/not-this-td", test_not_this_td);
    g_test_add_func("/tee/source/registers-move", test_registers_move);
    g_test_add_func("/tee/source/registers-move-always", test_registers_move_always);
    g_test_add_func("/tee/source/read-td", test_read_td);
    g_test_add_func("/tee/source/key", test_key);
    g_test_add_func("/tee/source/turn", test_turn);
    g_test_add_func("/tee/source/threads", test_threads);
    g_test_add_func("/tee/source/azure", test_azure);
    return g_test_run();
}
