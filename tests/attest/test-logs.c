/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Event logs in evidence: replayed against what was quoted, and one beside the other. */

#include "attest/attest-bed.h"
#include "attest/logs.h"
#include "tee/eventlog-compare.h"
#include "tee/log-builder.h"
#include "tee/measure-log.h"

#include <glib/gstdio.h>
#include <string.h>

static const char *
claim(const json_t *claims, const char *name)
{
    const char *value = json_string_value(json_object_get(claims, name));

    return value ? value : "(none)";
}

/* One record that is changed on its way into the TPM's log. */
typedef enum { HONEST, OTHER_DATA, OTHER_DIGEST, LEFT_OUT, TWICE } How;

/* As UEFI maps them the other way round: RTMR0 is PCR 7, RTMR1 PCR 4, RTMR2 PCR 8. */
static GBytes *
tpm_log_of(const CvsEventLog *cc, guint16 alg, guint changed, How how)
{
    static const guint32 pcrs[] = {7, 4, 8};
    LogBuilder *log = log_builder_new();
    guint8 zero[4] = {0};

    log_builder_header(log, 0, alg, 0);
    log_builder_event(log, 0, CVS_EV_S_CRTM_VERSION, alg, "version", 7);
    log_builder_event(log, 5, CVS_EV_SEPARATOR, alg, zero, 4);
    for (guint i = 0; i < cvs_event_log_size(cc); i++) {
        const CvsEvent *event = cvs_event_log_event(cc, i);
        How now = i == changed ? how : HONEST;
        g_autofree guint8 *data = g_memdup2(event->data, event->size);

        if (event->reg < 0 || now == LEFT_OUT)
            continue;
        if (now == OTHER_DATA)
            data[event->size - 1] ^= 1;
        for (guint n = 0; n < (now == TWICE ? 2u : 1u); n++) {
            /* Images are measured themselves; any digest will do where banks differ. */
            log_builder_event(log, pcrs[event->reg], event->type, alg, data, event->size);
            if (alg == ALG_SHA384)
                memcpy(log->data + log->len - event->size - 4 - 48, event->digest[CVS_SHA384], 48);
            if (now == OTHER_DIGEST)
                log->data[log->len - event->size - 4 - 1] ^= 1;
        }
    }
    return log_builder_end(log);
}

static CvsEventLog *
read_cc(AttestBed *bed)
{
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *data = tee_sim_path(bed->tee.sim, "sys/firmware/acpi/tables/data/CCEL");
    char *area = NULL;
    gsize size = 0;

    (void)g_file_get_contents(data, &area, &size, &error);
    g_assert_no_error(error);
    bytes = g_bytes_new_take(area, size);
    return cvs_event_log_parse(bytes, CVS_EVENT_LOG_CC, NULL);
}

/* The n-th record (from 0) of that type. */
static guint
find(const CvsEventLog *log, guint32 type, guint n)
{
    for (guint i = 0; i < cvs_event_log_size(log); i++) {
        if (cvs_event_log_event(log, i)->type == type && n-- == 0)
            return i;
    }
    g_error("no such record");
}

static void
test_compare(void)
{
    static const struct {
        guint32 type;
        guint n;
        How how;
        guint16 alg;
        const char *says; /* NULL: they agree */
    } cases[] = {
        {0, 0, HONEST, ALG_SHA256, NULL},
        {0, 0, HONEST, ALG_SHA384, NULL},
        {CVS_EV_EFI_VARIABLE_DRIVER_CONFIG, 0, OTHER_DATA, ALG_SHA256,
         "EV_EFI_VARIABLE_DRIVER_CONFIG, number 1 in RTMR 0"},
        {CVS_EV_EFI_VARIABLE_DRIVER_CONFIG, 2, LEFT_OUT, ALG_SHA256,
         "number 3 in RTMR 0: the TPM's log has nothing"},
        {CVS_EV_EFI_VARIABLE_DRIVER_CONFIG, 1, TWICE, ALG_SHA256, "number 3 in RTMR 0"},
        {CVS_EV_EFI_BOOT_SERVICES_APPLICATION, 1, OTHER_DIGEST, ALG_SHA384,
         "number 2 in RTMR 1: the TPM's log has"},
        {CVS_EV_EFI_BOOT_SERVICES_APPLICATION, 0, LEFT_OUT, ALG_SHA256, "number 2 in RTMR 1"},
        {CVS_EV_EFI_ACTION, 1, OTHER_DATA, ALG_SHA256, "EV_EFI_ACTION, number 2 in RTMR 1"},
        {CVS_EV_IPL, 0, OTHER_DATA, ALG_SHA256, "EV_IPL, number 1 in RTMR 2"},
        /* What one of the two does not measure at all, and how often it separates. */
        {CVS_EV_IPL, 0, LEFT_OUT, ALG_SHA256, NULL},
        {CVS_EV_SEPARATOR, 0, TWICE, ALG_SHA256, NULL},
        {CVS_EV_SEPARATOR, 1, LEFT_OUT, ALG_SHA256, NULL},
    };
    g_auto(AttestBed) bed = {0};
    g_autoptr(CvsEventLog) cc = NULL;

    if (!attest_bed_init(&bed, TEE_SIM_TDX, NULL))
        return;
    cc = read_cc(&bed);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        guint changed = cases[i].type ? find(cc, cases[i].type, cases[i].n) : G_MAXUINT;
        g_autoptr(GBytes) bytes = tpm_log_of(cc, cases[i].alg, changed, cases[i].how);
        g_autoptr(CvsEventLog) tpm = cvs_event_log_parse(bytes, CVS_EVENT_LOG_TPM, NULL);
        g_autofree char *difference = cvs_event_logs_compare(tpm, cc);

        if (cases[i].says == NULL)
            g_assert_cmpstr(difference, ==, NULL);
        else if (difference == NULL || strstr(difference, cases[i].says) == NULL)
            g_error("case %zu: \"%s\" does not say \"%s\"", i, difference ? difference : "",
                    cases[i].says);
    }
}

/* The machine's TPM log becomes this one, and its TPM has been extended by it. */
static void
give_log(AttestBed *bed, GBytes *bytes, gboolean extend)
{
    g_autoptr(CvsEventLog) log = cvs_event_log_parse(bytes, CVS_EVENT_LOG_TPM, NULL);
    g_autofree char *path = g_build_filename(bed->tee.dir, "tpm-log", NULL);
    g_autoptr(GError) error = NULL;

    (void)g_file_set_contents(path, g_bytes_get_data(bytes, NULL), (gssize)g_bytes_get_size(bytes),
                              &error);
    g_assert_no_error(error);
    if (!g_str_equal(bed->tee.paths->tpm_log, path)) {
        g_free(bed->tee.paths->tpm_log);
        bed->tee.paths->tpm_log = g_strdup(path);
        cvs_tee_source_free(bed->tee.source);
        bed->tee.source = cvs_tee_source_new(bed->tee.paths, &bed->tee.clock);
        attest_bed_restart(bed);
    }
    for (guint i = 0; extend && i < cvs_event_log_size(log); i++) {
        const CvsEvent *event = cvs_event_log_event(log, i);
        const guint8 none[48] = {0};

        if (event->reg >= 0)
            test_tpm_extend_digests(bed->tpm, (guint)event->reg, event->digest[CVS_SHA256], none);
    }
}

static void
expect(AttestBed *bed, const CvsEvidenceBundle *bundle, const char *reasons, const char *pcrs,
       const char *not_pcrs, const char *rtmrs, const char *not_rtmrs)
{
    g_autoptr(CvsProfile) profile = attest_bed_profile(bed, "[vTPM]\nKinds=host\n");
    g_autoptr(CvsVerdict) verdict = attest_bed_judge(bed, bundle, "one", FALSE, profile);
    g_autofree char *found = attest_bed_reasons(verdict->reasons);

    g_assert_cmpstr(found, ==, reasons);
    g_assert_cmpstr(claim(verdict->claims, "log.pcrs"), ==, pcrs);
    g_assert_cmpstr(claim(verdict->claims, "log.pcrs_contradicted"), ==, not_pcrs);
    g_assert_cmpstr(claim(verdict->claims, "log.rtmrs"), ==, rtmrs);
    g_assert_cmpstr(claim(verdict->claims, "log.rtmrs_contradicted"), ==, not_rtmrs);
}

static CvsEvidenceBundle *
evidence(AttestBed *bed)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsEvidenceBundle) bundle = attest_bed_evidence(bed, "one", &error);
    g_autofree char *text = NULL;
    CvsEvidenceBundle *back = NULL;

    g_assert_no_error(error);
    text = cvs_evidence_bundle_format(bundle);
    back = cvs_evidence_bundle_parse(text, strlen(text), &error);
    g_assert_no_error(error);
    return back;
}

/* PCR 7 was extended before by the bed, so its log cannot lead there: a TPM fresh from the factory.
 */
static gboolean
init(AttestBed *bed, CvsEventLog **ret_cc)
{
    g_autoptr(GError) error = NULL;

    if (!attest_bed_init(bed, TEE_SIM_TDX, NULL))
        return FALSE;
    *ret_cc = read_cc(bed);
    test_tpm_power_cycle(bed->tpm);
    attest_bed_restart(bed);
    return TRUE;
}

static void
test_verify(void)
{
    g_auto(AttestBed) bed = {0};
    g_autoptr(CvsEventLog) cc = NULL;
    g_autoptr(GBytes) log = NULL;
    g_autoptr(GBytes) lie = NULL;
    g_autoptr(CvsEvidenceBundle) bundle = NULL;
    guint8 digest[48] = {1};

    if (!init(&bed, &cc))
        return;
    /* Without a log of the TPM, and RTMR2 that is extended by a program. */
    bundle = evidence(&bed);
    g_assert_null(bundle->tpm_log);
    expect(&bed, bundle, "", "(none)", "(none)", "0+1+2", "(none)");
    g_clear_pointer(&bundle, cvs_evidence_bundle_free);
    tee_sim_extend(bed.tee.sim, 2, digest);
    bundle = evidence(&bed);
    expect(&bed, bundle, "", "(none)", "(none)", "0+1", "(none)");
    g_clear_pointer(&bundle, cvs_evidence_bundle_free);

    log = tpm_log_of(cc, ALG_SHA256, G_MAXUINT, HONEST);
    give_log(&bed, log, TRUE);
    bundle = evidence(&bed);
    expect(&bed, bundle, "", "0+7", "(none)", "0+1", "(none)");
    /* Another log in the same evidence. */
    lie = tpm_log_of(cc, ALG_SHA256, find(cc, CVS_EV_SEPARATOR, 0), LEFT_OUT);
    g_bytes_unref(bundle->tpm_log);
    bundle->tpm_log = g_bytes_ref(lie);
    expect(&bed, bundle, "LogContradicts", "0", "7", "0+1", "(none)");
    g_clear_pointer(&bundle->tpm_log, g_bytes_unref);
    expect(&bed, bundle, "", "(none)", "(none)", "0+1", "(none)");
    g_clear_pointer(&bundle->cc_log, g_bytes_unref);
    expect(&bed, bundle, "", "(none)", "(none)", "(none)", "(none)");
    g_clear_pointer(&bundle, cvs_evidence_bundle_free);

    /* A register of the firmware that was extended later. */
    tee_sim_extend(bed.tee.sim, 1, digest);
    bundle = evidence(&bed);
    expect(&bed, bundle, "LogContradicts", "0+7", "(none)", "0", "1");
}

/* What is measured by programs is in the evidence too. */
static void
test_measured(void)
{
    g_auto(AttestBed) bed = {0};
    g_autoptr(CvsEventLog) cc = NULL;
    g_autoptr(CvsEvidenceBundle) bundle = NULL;
    CvsMeasured measured = {.rtmr = TRUE, .index = 3, .has = {[CVS_SHA384] = TRUE}};
    g_autofree char *text = NULL;
    g_autofree char *path = NULL;
    g_autoptr(GError) error = NULL;

    if (!init(&bed, &cc))
        return;
    cvs_hash_bytes(CVS_SHA384, "x", 1, measured.digest[CVS_SHA384]);
    tee_sim_extend(bed.tee.sim, 3, measured.digest[CVS_SHA384]);
    text = cvs_measure_log_format(&measured, "x", "00");
    (void)g_mkdir(bed.tee.paths->run_dir, 0700);
    path = g_build_filename(bed.tee.paths->run_dir, "measure.log", NULL);
    (void)g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
    bundle = evidence(&bed);
    expect(&bed, bundle, "", "", "(none)", "0+1+2+3", "(none)");
    g_bytes_unref(bundle->measured_log);
    bundle->measured_log = g_bytes_new_static("rubbish", 7);
    {
        g_autoptr(CvsProfile) profile = attest_bed_profile(&bed, "[vTPM]\nKinds=host\n");
        g_autoptr(CvsVerdict) verdict = attest_bed_judge(&bed, bundle, "one", FALSE, profile);

        g_assert_cmpint(verdict->kind, ==, CVS_VERDICT_MALFORMED);
    }
}

/* A TPM whose log tells of another boot than the TD's: refused here and elsewhere, whatever else
 * the profile takes. */
static void
test_differ(void)
{
    g_auto(AttestBed) bed = {0};
    g_autoptr(CvsEventLog) cc = NULL;
    g_autoptr(GBytes) log = NULL;
    g_autoptr(CvsEvidenceBundle) bundle = NULL;
    g_autoptr(CvsProfile) profile = NULL;
    g_autoptr(json_t) claims = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *found = NULL;

    if (!init(&bed, &cc))
        return;
    profile = attest_bed_profile(&bed, "[vTPM]\nKinds=host\n");
    log = tpm_log_of(cc, ALG_SHA256, find(cc, CVS_EV_EFI_VARIABLE_DRIVER_CONFIG, 0), OTHER_DATA);
    give_log(&bed, log, TRUE);
    bundle = evidence(&bed);
    expect(&bed, bundle, "LogsDiffer", "0+7", "(none)", "0+1+2", "(none)");
    g_assert_false(cvs_attester_appraise(bed.attester, profile, bed.now, &claims, &error));
    found = attest_bed_reasons(error);
    g_assert_cmpstr(found, ==, "LogsDiffer");
    g_assert_nonnull(strstr(claim(claims, "log.difference"), "SecureBoot"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/attest/logs/compare", test_compare);
    g_test_add_func("/attest/logs/verify", test_verify);
    g_test_add_func("/attest/logs/measured", test_measured);
    g_test_add_func("/attest/logs/differ", test_differ);
    return g_test_run();
}
