/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A vTPM that is a TD of its own: proven, and each thing that may be wrong with it. */

#include "attest/attest-bed.h"
#include "attest/vtpm-td.h"
#include "base/hex.h"
#include "policy/appraisal.h"
#include "tee/refusal.h"

#include <string.h>

#define PCRS "Measurements=%M\n[vTPM]\n"

static const char *
kind_of(const json_t *claims)
{
    return json_string_value(json_object_get(claims, "vtpm.kind"));
}

/* What somebody else finds; lists: as well as those of the vTPM's TD. */
static char *
judge(AttestBed *bed, const CvsEvidenceBundle *bundle, const char *lines, json_t **ret_claims)
{
    g_autofree char *lists = vtpm_td_lists(bed->tee.sim);
    g_autofree char *text = g_strconcat(PCRS, lines ? lines : lists, NULL);
    g_autoptr(CvsProfile) profile = attest_bed_profile(bed, text);
    g_autoptr(CvsVerdict) verdict = attest_bed_judge(bed, bundle, "one", TRUE, profile);

    if (ret_claims)
        *ret_claims = json_incref(verdict->claims);
    return verdict->kind == CVS_VERDICT_MALFORMED ? g_strdup("malformed")
                                                  : attest_bed_reasons(verdict->reasons);
}

static CvsEvidenceBundle *
evidence_of(AttestBed *bed)
{
    g_autoptr(GError) error = NULL;
    CvsEvidenceBundle *bundle = attest_bed_evidence(bed, "one", &error);

    g_assert_no_error(error);
    return bundle;
}

static void
test_honest(gconstpointer data)
{
    const VtpmTdMeasured *how = data;
    g_auto(AttestBed) bed = {0};
    g_autoptr(CvsEvidenceBundle) bundle = NULL;
    g_autoptr(json_t) claims = NULL, own = NULL;
    g_autofree char *found = NULL, *hex = NULL, *lists = NULL, *lines = NULL;
    g_autoptr(CvsProfile) profile = NULL;
    g_autoptr(GError) error = NULL;
    guint8 measurement[48], rtmr1[48];

    if (!attest_bed_init_vtpm_td(&bed, NULL, *how))
        return;
    bundle = evidence_of(&bed);
    found = judge(&bed, bundle, NULL, &claims);
    g_assert_cmpstr(found, ==, "");
    g_assert_cmpstr(kind_of(claims), ==, "vtpm-td");
    g_assert_cmpstr(json_string_value(json_object_get(claims, "vtpm.ak")), ==, "challenged");
    g_assert_true(json_is_true(json_object_get(claims, "vtpm.td.verified")));
    g_assert_true(json_is_false(json_object_get(claims, "vtpm.td.policy.debug")));
    g_assert_cmpstr(json_string_value(json_object_get(claims, "vtpm.td.tcb.status")), ==,
                    "UpToDate");
    tee_sim_vtpm_td_measurements(bed.tee.sim, measurement, rtmr1);
    hex = cvs_hex_encode(measurement, sizeof measurement);
    g_assert_cmpstr(json_string_value(json_object_get(claims, "vtpm.td.measurement")), ==, hex);

    /* The machine's own word. */
    lists = vtpm_td_lists(bed.tee.sim);
    lines = g_strconcat(PCRS, lists, NULL);
    profile = attest_bed_profile(&bed, lines);
    (void)cvs_attester_appraise(bed.attester, profile, bed.now, &own, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(kind_of(own), ==, "vtpm-td");
}

/* Of the machine itself, and where that gives evidence nevertheless, of another. */
typedef struct {
    const char *name;
    VtpmTdCertsWish wish;
    VtpmTdMeasured measured;
    int code;
    const char *reasons;
} Lie;

static const Lie lies[] = {
    {"debug", {.td = TEE_SIM_TD_DEBUG}, 0, CVS_ERROR_VTPM_NOT_TRUSTED, "VtpmTdOpen"},
    {"migratable", {.td = TEE_SIM_TD_MIGRATABLE}, 0, CVS_ERROR_VTPM_NOT_TRUSTED, "VtpmTdOpen"},
    {"guest-itself", {.td = TEE_SIM_TD_GUEST}, 0, CVS_ERROR_VTPM_NOT_TRUSTED, "VtpmTdIsGuest"},
    {"no-collateral", {.td = TEE_SIM_TD_FAMILY}, 0, CVS_ERROR_ATTESTATION_FAILED, "FmspcMismatch"},
    {"quote-signature",
     {.td = TEE_SIM_TD_SIGNATURE},
     0,
     CVS_ERROR_ATTESTATION_FAILED,
     "QuoteSignature"},
    {"report-data", {.other_data = TRUE}, 0, CVS_ERROR_VTPM_NOT_TRUSTED, "VtpmTdReportData"},
    {"ca-unfit", {.cert = VTPM_TD_CERT_CA_NO_CA}, 0, CVS_ERROR_VTPM_NOT_TRUSTED, "VtpmTdCaUnfit"},
    {"ca-signature",
     {.cert = VTPM_TD_CERT_CA_SIGNATURE},
     0,
     CVS_ERROR_VTPM_NOT_TRUSTED,
     "VtpmTdCaUnfit"},
    {"ek-unsigned",
     {.cert = VTPM_TD_CERT_EK_SIGNATURE},
     0,
     CVS_ERROR_VTPM_NOT_TRUSTED,
     "VtpmTdEkUnsigned"},
    {"other-ek", {.other_ek = TRUE}, 0, CVS_ERROR_TPM_REPLACED, "EkChanged"},
    {"cut", {.pieces = VTPM_TD_PIECES_CUT}, 0, CVS_ERROR_BAD_FORMAT, "VtpmTdMalformed"},
    {"garbage", {.pieces = VTPM_TD_PIECES_GARBAGE}, 0, CVS_ERROR_BAD_FORMAT, "VtpmTdMalformed"},
    {"other-guest", {0}, VTPM_TD_MEASURED_OTHER, CVS_ERROR_VTPM_NOT_TRUSTED, "VtpmTdOtherGuest"},
    {"not-measured", {0}, VTPM_TD_MEASURED_NOT, CVS_ERROR_VTPM_NOT_TRUSTED, "VtpmTdNoGuest"},
    {"no-log", {0}, VTPM_TD_LOG_NONE, CVS_ERROR_VTPM_NOT_TRUSTED, "VtpmTdNoGuest"},
    {"log-lies", {0}, VTPM_TD_LOG_LIES, CVS_ERROR_VTPM_NOT_TRUSTED, "VtpmTdNoGuest"},
    {"log-type", {0}, VTPM_TD_LOG_TYPE, CVS_ERROR_VTPM_NOT_TRUSTED, "VtpmTdNoGuest"},
};

static void
test_lie(gconstpointer data)
{
    const Lie *lie = data;
    g_auto(AttestBed) bed = {0};
    g_autoptr(CvsEvidenceBundle) bundle = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *reasons = NULL;

    if (!attest_bed_init_vtpm_td(&bed, &lie->wish, lie->measured))
        return;
    bundle = attest_bed_evidence(&bed, "one", &error);
    g_assert_null(bundle);
    reasons = attest_bed_reasons(error);
    g_assert_cmpstr(reasons, ==, lie->reasons);
    g_assert_error(error, CVS_ERROR, lie->code);
}

/* Other kinds of TPM, which may have such indices too. */
static void
test_host(gconstpointer data)
{
    const VtpmTdCertsWish *wish = data;
    g_auto(AttestBed) bed = {0};
    g_autoptr(CvsEvidenceBundle) bundle = NULL;
    g_autoptr(json_t) claims = NULL;
    g_autofree char *found = NULL;

    if (!attest_bed_init_vtpm_td(&bed, wish, VTPM_TD_MEASURED))
        return;
    bundle = evidence_of(&bed);
    g_assert_null(bundle->ca_cert);
    g_assert_null(bundle->ek);
    found = judge(&bed, bundle, "Kinds=host", &claims);
    g_assert_cmpstr(found, ==, "");
    g_assert_cmpstr(kind_of(claims), ==, "host");
}

/* What the profile lists. */
static void
test_lists(void)
{
    g_auto(AttestBed) bed = {0};
    g_autoptr(CvsEvidenceBundle) bundle = NULL;
    g_autofree char *lists = NULL, *first = NULL, *zeros = g_strnfill(96, '0');
    g_autofree char *ones = g_strnfill(96, '1');

    if (!attest_bed_init_vtpm_td(&bed, NULL, VTPM_TD_MEASURED))
        return;
    bundle = evidence_of(&bed);
    lists = vtpm_td_lists(bed.tee.sim);
    first = g_strndup(lists, strcspn(lists, "\n") + 1);
    const struct {
        char *lines;
        const char *reasons;
        const char *kind;
    } cases[] = {
        {g_strdup(""), "VtpmTdUnlisted", "vtpm-td-unlisted"},
        /* Its program is not in the MRTD. */
        {g_strdup(first), "VtpmTdUnlisted", "vtpm-td-unlisted"},
        {g_strdup(lists + strlen(first)), "VtpmTdUnlisted", "vtpm-td-unlisted"},
        {g_strdup_printf("%sTDRTMR0=%s", lists, zeros), "", "vtpm-td"},
        {g_strdup_printf("%sTDRTMR0=%s", lists, ones), "VtpmTdUnlisted", "vtpm-td-unlisted"},
        {g_strdup_printf("%sTDRTMR1=%s", first, ones), "VtpmTdUnlisted", "vtpm-td-unlisted"},
        {g_strdup_printf("%sTDRTMR3=%s %s", lists, ones, zeros), "", "vtpm-td"},
        {g_strdup("Kinds=vtpm-td-unlisted"), "", "vtpm-td-unlisted"},
        {g_strdup_printf("%sKinds=svsm", lists), "VtpmKindRefused", "vtpm-td"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(json_t) claims = NULL;
        g_autofree char *found = judge(&bed, bundle, cases[i].lines, &claims);

        if (!g_str_equal(found, cases[i].reasons))
            g_error("%s: \"%s\"", cases[i].lines, found);
        g_assert_cmpstr(kind_of(claims), ==, cases[i].kind);
        g_free(cases[i].lines);
    }
}

/* Another TD than the one that is listed. */
static void
test_other_td(void)
{
    const VtpmTdCertsWish wish = {.td = TEE_SIM_TD_OTHER};
    g_auto(AttestBed) bed = {0};
    g_autoptr(CvsEvidenceBundle) bundle = NULL;
    g_autoptr(json_t) claims = NULL;
    g_autofree char *found = NULL;

    if (!attest_bed_init_vtpm_td(&bed, &wish, VTPM_TD_MEASURED))
        return;
    bundle = evidence_of(&bed);
    found = judge(&bed, bundle, NULL, &claims);
    g_assert_cmpstr(found, ==, "VtpmTdUnlisted");
    g_assert_cmpstr(kind_of(claims), ==, "vtpm-td-unlisted");
}

/* Firmware that knows of no vTPM leaves RTMR3 zero; a log that does not go on to what the registers
 * are now proves no former state of them. */
static void
test_registers(void)
{
    g_auto(AttestBed) bed = {0};
    g_autoptr(GError) error = NULL, later = NULL;
    g_autoptr(CvsEvidenceBundle) zero = NULL, other = NULL;
    static const guint8 digest[48] = {1};

    if (!attest_bed_init_vtpm_td(&bed, NULL, VTPM_TD_MEASURED_LATER))
        return;
    tee_sim_must(bed.tee.sim, "zero-rtmrs=on");
    zero = attest_bed_evidence(&bed, "one", &error);
    g_assert_null(zero);
    assert_refused(error, VTPM_NOT_TRUSTED, CVS_REASON_VTPM_TD_NO_GUEST);
    tee_sim_must(bed.tee.sim, "zero-rtmrs=off");
    tee_sim_extend(bed.tee.sim, 0, digest);
    other = attest_bed_evidence(&bed, "one", &later);
    g_assert_null(other);
    assert_refused(later, VTPM_NOT_TRUSTED, CVS_REASON_VTPM_TD_OTHER_GUEST);
}

static void
take(GBytes **part)
{
    g_clear_pointer(part, g_bytes_unref);
}

/* Evidence that leaves out a part. */
static void
test_left_out(void)
{
    const CvsPcrSelection without = {.bank = CVS_SHA256, .mask = 0x84};
    g_auto(AttestBed) bed = {0};
    g_autoptr(GError) error = NULL;

    if (!attest_bed_init_vtpm_td(&bed, NULL, VTPM_TD_MEASURED_LATER))
        return;
    for (guint i = 0; i < 4; i++) {
        static const char *const reasons[] = {"VtpmTdNoGuest", "VtpmTdNoGuest", "VtpmTdOtherGuest",
                                              "EkMissing"};
        g_autoptr(CvsEvidenceBundle) bundle = evidence_of(&bed);
        g_autofree char *found = NULL;

        if (i == 3)
            g_clear_pointer(&bundle->ek, cvs_public_area_free);
        else
            take(i == 0 ? &bundle->tdreport : i == 1 ? &bundle->tpm_log : &bundle->cc_log);
        found = judge(&bed, bundle, NULL, NULL);
        if (strstr(found, reasons[i]) == NULL || strstr(found, "VtpmKindRefused") == NULL)
            g_error("%u: \"%s\"", i, found);
    }
    (void)cvs_attester_evidence(bed.attester, "one", 3, NULL, 0, &without, &error);
    assert_refused(error, VTPM_NOT_TRUSTED, CVS_REASON_VTPM_TD_NO_GUEST);
    g_assert_nonnull(strstr(error->message, "PCR 0 was not quoted"));
}

/* Platform and collateral of the vTPM's TD are judged by the profile as the guest's. */
static void
test_platform(void)
{
    static const struct {
        const char *claim;
        const char *value; /* JSON; NULL: it is taken out */
        const char *lines; /* %S: the guest's own MRSEAM */
        const char *reasons;
    } cases[] = {
        {"vtpm.td.tcb.status", "\"OutOfDate\"", "", "TcbStatusRefused"},
        {"vtpm.td.tcb.status", NULL, "", "ClaimMissing"},
        {"vtpm.td.tcb.date", "1000000000", "[TDX]\nMinimumTCBDate=2010-01-01", "TcbDateTooOld"},
        {"vtpm.td.mr_seam", "\"00\"", "[TDX]\nMRSEAM=%S", "SeamUnlisted"},
        {"vtpm.td.platform.smt", "true", "AllowSMT=no", "SmtAllowed"},
        {"vtpm.td.test_roots", "true", "AllowTestRoots=no", "TestRoots"},
        {"vtpm.td.collateral.not_after", "1000000000", "", "CertExpired"},
        {"vtpm.td.tcb.next_update", "1000000000", "", "CollateralExpired"},
        {"vtpm.td.tcb.issue_date", "1000000000", "[Collateral]\nCollateralMaximumAge=60d",
         "CollateralTooOld"},
        {"vtpm.td.pck.crl", "\"missing\"", "[Collateral]\nCRL=required", "CrlMissing"},
    };
    g_auto(AttestBed) bed = {0};
    g_autoptr(CvsEvidenceBundle) bundle = NULL;
    g_autoptr(json_t) claims = NULL;
    g_autofree char *found = NULL;
    const char *seam = NULL;

    if (!attest_bed_init_vtpm_td(&bed, NULL, VTPM_TD_MEASURED))
        return;
    bundle = evidence_of(&bed);
    found = judge(&bed, bundle, NULL, &claims);
    g_assert_cmpstr(found, ==, "");
    /* So that the profile can refuse the one's and not the other's. */
    (void)json_object_set_new(claims, "tee.test_roots", json_false());
    (void)json_object_set_new(claims, "vtpm.td.test_roots", json_false());
    (void)json_object_set_new(claims, "tee.platform.smt", json_false());
    (void)json_object_set_new(claims, "vtpm.td.platform.smt", json_false());
    seam = json_string_value(json_object_get(claims, "tee.mr_seam"));
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(GStrv) parts = g_strsplit(cases[i].lines, "%S", -1);
        g_autofree char *lines = g_strjoinv(seam, parts);
        g_autofree char *text =
            g_strconcat("[Registers]\nPCRs=7\n[TEE]\nTypes=tdx\n", lines, "\n", NULL);
        g_autoptr(json_t) changed = json_deep_copy(claims);
        g_autoptr(CvsProfile) profile = NULL;
        g_autoptr(GError) before = cvs_refusal_new(), after = cvs_refusal_new();
        g_autoptr(GError) error = NULL;
        g_autofree char *reasons = NULL;

        if (cases[i].value)
            (void)json_object_set_new(changed, cases[i].claim,
                                      json_loads(cases[i].value, JSON_DECODE_ANY, NULL));
        else
            (void)json_object_del(changed, cases[i].claim);
        profile = cvs_profile_parse("test", "test.policy", text, strlen(text), &error);
        g_assert_no_error(error);
        cvs_appraise(profile, claims, bed.now, before);
        g_assert_cmpuint(cvs_refusal_count(before), ==, 0);
        cvs_appraise(profile, changed, bed.now, after);
        reasons = attest_bed_reasons(after);
        if (!g_str_equal(reasons, cases[i].reasons))
            g_error("%s: \"%s\"", cases[i].claim, reasons);
    }
}

int
main(int argc, char **argv)
{
    static const VtpmTdMeasured measured = VTPM_TD_MEASURED, later = VTPM_TD_MEASURED_LATER;
    static const VtpmTdCertsWish none = {.pieces = VTPM_TD_PIECES_NONE};
    static const VtpmTdCertsWish another = {.cert = VTPM_TD_CERT_NO_QUOTE};

    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/attest/vtpm-td/honest", &measured, test_honest);
    g_test_add_data_func("/attest/vtpm-td/honest-later", &later, test_honest);
    for (gsize i = 0; i < G_N_ELEMENTS(lies); i++) {
        g_autofree char *path = g_strconcat("/attest/vtpm-td/lies/", lies[i].name, NULL);

        g_test_add_data_func(path, &lies[i], test_lie);
    }
    g_test_add_data_func("/attest/vtpm-td/host/no-ca", &none, test_host);
    g_test_add_data_func("/attest/vtpm-td/host/another-ca", &another, test_host);
    g_test_add_func("/attest/vtpm-td/lists", test_lists);
    g_test_add_func("/attest/vtpm-td/other-td", test_other_td);
    g_test_add_func("/attest/vtpm-td/registers", test_registers);
    g_test_add_func("/attest/vtpm-td/left-out", test_left_out);
    g_test_add_func("/attest/vtpm-td/platform", test_platform);
    return g_test_run();
}
