/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Evidence, judged by somebody else: every part counts, and none of another run will do. */

#include "attest/attest-bed.h"
#include "attest/binding.h"
#include "attest/vtpm.h"
#include "tpm/ak.h"

#include <string.h>
#include <tss2/tss2_tpm2_types.h>

/* Kinds that can be shown, and one that takes whatever there is. */
#define ALL "Measurements=%M\n[vTPM]\nKinds=svsm azure host"

static CvsEvidenceBundle *
evidence_of(AttestBed *bed, const char *nonce)
{
    g_autoptr(GError) error = NULL;
    CvsEvidenceBundle *bundle = attest_bed_evidence(bed, nonce, &error);

    g_assert_no_error(error);
    return bundle;
}

static char *
judge(AttestBed *bed, const CvsEvidenceBundle *bundle, const char *lines, json_t **ret_claims)
{
    g_autoptr(CvsProfile) profile = attest_bed_profile(bed, lines);
    g_autoptr(CvsVerdict) verdict = attest_bed_judge(bed, bundle, "one", TRUE, profile);

    if (ret_claims)
        *ret_claims = json_incref(verdict->claims);
    if (verdict->kind == CVS_VERDICT_MALFORMED)
        return g_strdup("malformed");
    return attest_bed_reasons(verdict->reasons);
}

/* As text and back, so that what is changed is nobody else's. */
static CvsEvidenceBundle *
copy(const CvsEvidenceBundle *bundle)
{
    g_autofree char *text = cvs_evidence_bundle_format(bundle);
    g_autoptr(GError) error = NULL;
    CvsEvidenceBundle *other = cvs_evidence_bundle_parse(text, strlen(text), &error);

    g_assert_no_error(error);
    return other;
}

typedef enum {
    NONCE,
    USER_DATA,
    REPORT,
    MANIFEST,
    TDREPORT,
    HCL,
    EK,
    AK,
    SRK,
    ATTEST,
    SIGNATURE,
    VALUES,
    QUOTE, /* the last three at once */
    TEE,   /* all that is the TEE's */
    EK_CERT,
    CA_CERT,
    CERTS, /* both */
    N_PARTS
} Part;

static const struct {
    const char *name;
    const char *reason; /* one of those that it is refused for */
} parts[] = {
    [NONCE] = {"nonce", "NonceMismatch"},
    [USER_DATA] = {"user_data", "TpmQuoteNonce"},
    [REPORT] = {"report", "TpmQuoteNonce QuoteMismatch"},
    [MANIFEST] = {"manifest", "EkMismatch"},
    [TDREPORT] = {"tdreport", "QuoteMismatch"},
    [HCL] = {"hcl", "AkMismatch"},
    [EK] = {"ek", "EkMismatch"},
    [AK] = {"ak", "TpmQuoteSignature"},
    [SRK] = {"srk_name", "TpmQuoteNonce"},
    [ATTEST] = {"attest", "TpmQuoteSignature"},
    [SIGNATURE] = {"signature", "TpmQuoteSignature"},
    [VALUES] = {"pcrs", "TpmQuoteDigest"},
    [QUOTE] = {"quote", "TpmQuoteSignature"},
    [TEE] = {"tee", "TpmQuoteNonce"},
    [EK_CERT] = {"ek_cert", "VtpmTdEkUnsigned"},
    [CA_CERT] = {"ca_cert", "VtpmTdEkUnsigned"},
    [CERTS] = {"certificates", "EkMismatch"},
};

static gboolean
take_bytes(GBytes **to, GBytes *from)
{
    if (*to == NULL || from == NULL || g_bytes_equal(*to, from))
        return FALSE;
    g_bytes_unref(*to);
    *to = g_bytes_ref(from);
    return TRUE;
}

static gboolean
take_key(CvsPublicArea **to, const CvsPublicArea *from)
{
    if (*to == NULL || from == NULL || cvs_public_area_equal(*to, from))
        return FALSE;
    cvs_public_area_free(*to);
    *to = cvs_public_area_copy(from);
    return TRUE;
}

/* FALSE: there is no such part, or it is the same. */
static gboolean
replace(CvsEvidenceBundle *bundle, const CvsEvidenceBundle *with, Part part)
{
    gboolean any = FALSE;

    switch (part) {
    case NONCE:
        return take_bytes(&bundle->nonce, with->nonce);
    case USER_DATA:
        g_bytes_unref(bundle->user_data);
        bundle->user_data = g_bytes_new("resu", 4);
        return TRUE;
    case REPORT:
        return take_bytes(&bundle->report, with->report);
    case MANIFEST:
        return take_bytes(&bundle->manifest, with->manifest);
    case TDREPORT:
        return take_bytes(&bundle->tdreport, with->tdreport);
    case HCL:
        return take_bytes(&bundle->hcl, with->hcl);
    case EK:
        return take_key(&bundle->ek, with->ek);
    case AK:
        return take_key(&bundle->ak, with->ak);
    case SRK:
        bundle->srk_name = with->srk_name;
        return TRUE;
    case ATTEST:
        return take_bytes(&bundle->quote.attest, with->quote.attest);
    case SIGNATURE:
        return take_bytes(&bundle->quote.signature, with->quote.signature);
    case VALUES:
        bundle->quote.values = with->quote.values;
        return TRUE;
    case QUOTE:
        bundle->quote.values = with->quote.values;
        return take_bytes(&bundle->quote.attest, with->quote.attest) &&
               take_bytes(&bundle->quote.signature, with->quote.signature);
    case TEE:
        any |= take_bytes(&bundle->report, with->report);
        any |= take_bytes(&bundle->manifest, with->manifest);
        any |= take_bytes(&bundle->tdreport, with->tdreport);
        any |= take_bytes(&bundle->hcl, with->hcl);
        any |= take_key(&bundle->ek, with->ek);
        return any;
    case EK_CERT:
        return take_bytes(&bundle->ek_cert, with->ek_cert);
    case CA_CERT:
        return take_bytes(&bundle->ca_cert, with->ca_cert);
    case CERTS:
        return take_bytes(&bundle->ek_cert, with->ek_cert) &&
               take_bytes(&bundle->ca_cert, with->ca_cert);
    default:
        g_assert_not_reached();
    }
}

typedef struct {
    const char *name;
    TeeSimType type;
    const char *machine;
    const char *kind;
    guint n_parts;     /* that such a bundle has */
    guint manifest;    /* version */
    const char *lines; /* of the profile; NULL: ALL */
    gboolean vtpm_td;  /* its TPM is a TD, which the profile lists too */
} Machine;

static const Machine machines[] = {
    {"svsm", TEE_SIM_SNP, "svsm=on vmpl=2", "svsm", 12},
    {"svsm-v1", TEE_SIM_SNP, "svsm=on vmpl=2 manifest-v1=on", "svsm", 12, .manifest = 1},
    {"azure-snp", TEE_SIM_AZURE_SNP, NULL, "azure", 11},
    {"azure-tdx", TEE_SIM_AZURE_TDX, NULL, "azure", 12},
    {"snp", TEE_SIM_SNP, NULL, "host", 10},
    {"tdx", TEE_SIM_TDX, NULL, "host", 11},
    {"vtpm-td", TEE_SIM_TDX, NULL, "vtpm-td", 15, .lines = "Measurements=%M\n[vTPM]\n",
     .vtpm_td = TRUE},
    {"none", TEE_SIM_NONE, NULL, "none", 8, .lines = "Types=none\n[vTPM]\nKinds=none"},
};

/* Both bundles are good, and no mixture of them: that of another run with another TPM, and that of
 * another run with the same one. */
static void
test_mixed(gconstpointer data)
{
    const Machine *machine = data;
    g_auto(AttestBed) bed = {0};
    g_autoptr(CvsEvidenceBundle) one = NULL, two = NULL, later = NULL;
    g_autoptr(json_t) claims = NULL;
    g_autofree char *lists = NULL, *lines = NULL;
    g_autofree char *good = NULL;
    const json_t *binds = NULL;
    guint n = 0;

    if (!(machine->vtpm_td ? attest_bed_init_vtpm_td(&bed, NULL, VTPM_TD_MEASURED_LATER)
                           : attest_bed_init(&bed, machine->type, machine->machine)))
        return;
    lists = machine->vtpm_td ? vtpm_td_lists(bed.tee.sim) : g_strdup("");
    lines = g_strconcat(machine->lines ? machine->lines : ALL, lists, NULL);
    bed.manifest_version = machine->manifest;
    attest_bed_restart(&bed);
    one = evidence_of(&bed, "one");
    later = evidence_of(&bed, "later");
    good = judge(&bed, one, lines, &claims);
    g_assert_cmpstr(good, ==, "");
    g_assert_cmpstr(json_string_value(json_object_get(claims, "vtpm.kind")), ==, machine->kind);
    binds = json_object_get(claims, "vtpm.pcrs_bind_host");
    if (g_str_equal(machine->kind, "none"))
        g_assert_null(binds);
    else if (g_str_equal(machine->kind, "host"))
        g_assert_true(json_is_false(binds));
    else
        g_assert_true(json_is_true(binds));
    attest_bed_change_tpm(&bed, 1);
    two = evidence_of(&bed, "two");

    for (guint i = 0; i < N_PARTS; i++) {
        g_autoptr(CvsEvidenceBundle) mixed = copy(one);
        g_autoptr(CvsEvidenceBundle) same_tpm = copy(one);
        g_autofree char *found = NULL, *later_found = NULL;
        g_auto(GStrv) wanted = g_strsplit(parts[i].reason, " ", -1);
        gboolean has = FALSE;

        if (!replace(mixed, two, (Part)i))
            continue;
        n++;
        found = judge(&bed, mixed, lines, NULL);
        for (guint j = 0; wanted[j]; j++)
            has |= strstr(found, wanted[j]) != NULL;
        if (!has)
            g_error("%s: %s of another TPM: \"%s\"", machine->name, parts[i].name, found);
        if (i == SRK || i == VALUES || !replace(same_tpm, later, (Part)i))
            continue;
        later_found = judge(&bed, same_tpm, lines, NULL);
        if (*later_found == '\0')
            g_error("%s: %s of a later run is taken", machine->name, parts[i].name);
    }
    g_assert_cmpuint(n, ==, machine->n_parts);
}

/* A replayed bundle, whole. */
static void
test_replayed(void)
{
    g_auto(AttestBed) bed = {0};
    g_autoptr(CvsEvidenceBundle) bundle = NULL;
    g_autofree char *found = NULL;

    if (!attest_bed_init(&bed, TEE_SIM_SNP, "svsm=on vmpl=2"))
        return;
    bundle = evidence_of(&bed, "another");
    found = judge(&bed, bundle, ALL, NULL);
    g_assert_cmpstr(found, ==, "NonceMismatch ReportDataMismatch TpmQuoteNonce");
}

/* The guest's own work: a report that it asked for itself, over a manifest that it wrote itself, or
 * without one for nothing at all. */
static CvsEvidenceBundle *
forge(AttestBed *bed, int privlevel, gboolean manifest)
{
    const CvsPcrSelection selection = {.bank = CVS_SHA256, .mask = 0x85};
    CvsEvidenceBundle *bundle = g_new0(CvsEvidenceBundle, 1);
    CvsTeeRequest request = {.privlevel = privlevel};
    g_autoptr(CvsTeeEvidence) evidence = NULL;
    g_autoptr(GError) error = NULL;
    guint8 binding[CVS_BINDING_SIZE], nonce[CVS_BINDING_QUOTE_NONCE_SIZE];
    GBytes *srk = cvs_tpm_get_srk_name(bed->client, TRUE, &error);
    CvsQuoteFacts facts = {0};

    g_assert_no_error(error);
    bundle->nonce = g_bytes_new("one", 3);
    bundle->ek = cvs_public_area_copy(bed->ek);
    bundle->ak = cvs_public_area_copy(bed->ak);
    bundle->manifest = manifest ? g_bytes_ref(bed->ek->bytes) : NULL;
    bundle->srk_name.size = g_bytes_get_size(srk);
    memcpy(bundle->srk_name.bytes, g_bytes_get_data(srk, NULL), bundle->srk_name.size);
    cvs_binding_compute(bundle->nonce, &bundle->ak->name, &bundle->srk_name, NULL, binding);
    if (manifest)
        cvs_binding_svsm(binding, bundle->manifest, request.report_data);
    evidence = cvs_tee_source_get(bed->tee.source, &request, &error);
    g_assert_no_error(error);
    bundle->report = g_bytes_ref(evidence->report);
    bundle->auxblob = evidence->auxblob ? g_bytes_ref(evidence->auxblob) : NULL;
    cvs_binding_quote_nonce(binding, bundle->report, nonce);
    (void)cvs_tpm_quote(bed->client, CVS_AK_OWN, bundle->ak, &selection, nonce, sizeof nonce,
                        &bundle->quote, &facts, &error);
    g_assert_no_error(error);
    return bundle;
}

/* A report at VMPL 0 alone proves nothing: all of it holds, but that the measurement is an SVSM's.
 */
static void
test_guest_without_svsm(void)
{
    g_auto(AttestBed) bed = {0};
    g_autoptr(CvsEvidenceBundle) bundle = NULL;
    g_autoptr(json_t) claims = NULL;
    g_autofree char *usual = NULL, *listed = NULL, *unlisted = NULL, *ones = NULL;

    if (!attest_bed_init(&bed, TEE_SIM_SNP, NULL))
        return;
    bundle = forge(&bed, 0, TRUE);
    usual = judge(&bed, bundle, "", &claims);
    g_assert_cmpstr(usual, ==, "SvsmUnlisted");
    g_assert_cmpstr(json_string_value(json_object_get(claims, "vtpm.kind")), ==, "svsm-unlisted");
    g_assert_true(json_is_false(json_object_get(claims, "vtpm.pcrs_bind_host")));
    ones = g_strnfill(96, '1');
    {
        g_autofree char *lines = g_strdup_printf("Measurements=%s", ones);

        listed = judge(&bed, bundle, lines, NULL);
    }
    g_assert_cmpstr(listed, ==, "MeasurementUnlisted SvsmUnlisted");
    unlisted = judge(&bed, bundle, "[vTPM]\nKinds=host", NULL);
    g_assert_cmpstr(unlisted, ==, "SvsmUnlisted");
}

/* The same from a guest that runs under an SVSM, at its own level. */
static void
test_guest_under_svsm(void)
{
    g_auto(AttestBed) bed = {0};
    g_autoptr(CvsEvidenceBundle) bundle = NULL;
    g_autoptr(json_t) claims = NULL;
    g_autofree char *found = NULL;

    if (!attest_bed_init(&bed, TEE_SIM_SNP, "svsm=on vmpl=2"))
        return;
    bundle = forge(&bed, 2, TRUE);
    found = judge(&bed, bundle, "Measurements=%M", &claims);
    g_assert_cmpstr(found, ==, "ManifestVmpl VtpmKindRefused");
    g_assert_cmpstr(json_string_value(json_object_get(claims, "vtpm.kind")), ==, "host");
    g_assert_true(json_is_false(json_object_get(claims, "vtpm.pcrs_bind_host")));
}

/* A good report that was made for something else: the quote refers to it, but not it to the quote.
 */
static void
test_report_of_another_use(void)
{
    g_auto(AttestBed) bed = {0};
    g_autoptr(CvsEvidenceBundle) bundle = NULL;
    g_autofree char *found = NULL;

    if (!attest_bed_init(&bed, TEE_SIM_SNP, NULL))
        return;
    bundle = forge(&bed, 0, FALSE);
    found = judge(&bed, bundle, "Measurements=%M\n[vTPM]\nKinds=host", NULL);
    g_assert_cmpstr(found, ==, "ReportDataMismatch");
}

/* Test roots that nobody named, and a profile that does not take them. */
static void
test_roots(void)
{
    g_auto(AttestBed) bed = {0};
    g_autoptr(CvsEvidenceBundle) bundle = NULL;
    g_autofree char *refused = NULL, *unknown = NULL;

    if (!attest_bed_init(&bed, TEE_SIM_SNP, "svsm=on vmpl=2 certs=chain"))
        return;
    bundle = evidence_of(&bed, "one");
    refused = judge(&bed, bundle, "Measurements=%M\n[vTPM]\nKinds=svsm", NULL);
    g_assert_cmpstr(refused, ==, "");
    cvs_snp_roots_unref(bed.snp_roots);
    bed.snp_roots = cvs_snp_roots_new();
    unknown = judge(&bed, bundle, "Measurements=%M", NULL);
    g_assert_nonnull(strstr(unknown, "VtpmKindRefused"));
    g_assert_true(strstr(unknown, "ChainIncomplete") || strstr(unknown, "RootUntrusted"));
}

/* Quoted over other PCRs than were asked for. */
static void
test_selection(void)
{
    const CvsPcrSelection selection = {.bank = CVS_SHA256, .mask = 0x84};
    g_auto(AttestBed) bed = {0};
    g_autoptr(CvsEvidenceBundle) bundle = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *found = NULL;

    if (!attest_bed_init(&bed, TEE_SIM_SNP, "svsm=on vmpl=2"))
        return;
    bundle = cvs_attester_evidence(bed.attester, "one", 3, NULL, 0, &selection, &error);
    g_assert_no_error(error);
    found = judge(&bed, bundle, ALL, NULL);
    g_assert_nonnull(strstr(found, "TpmQuoteSelection"));
}

/* The same key, whose area says what an attestation key's may not: whoever vouches for it, and
 * however it is used. */
static void
test_unfit_ak(gconstpointer data)
{
    static const guint32 bits[] = {
        TPMA_OBJECT_FIXEDTPM,   TPMA_OBJECT_FIXEDPARENT,  TPMA_OBJECT_SENSITIVEDATAORIGIN,
        TPMA_OBJECT_RESTRICTED, TPMA_OBJECT_SIGN_ENCRYPT, TPMA_OBJECT_DECRYPT};
    const Machine *machine = data;
    g_auto(AttestBed) bed = {0};
    g_autoptr(CvsEvidenceBundle) bundle = NULL;

    if (!attest_bed_init(&bed, machine->type, machine->machine))
        return;
    bundle = evidence_of(&bed, "one");
    for (gsize i = 0; i < G_N_ELEMENTS(bits); i++) {
        g_autoptr(CvsEvidenceBundle) changed = copy(bundle);
        gsize size = g_bytes_get_size(bundle->ak->bytes);
        g_autofree guint8 *bytes = g_memdup2(g_bytes_get_data(bundle->ak->bytes, NULL), size);
        const guint32 attributes = GUINT32_TO_BE(bundle->ak->attributes ^ bits[i]);
        g_autoptr(CvsChallenge) challenge = NULL;
        g_autoptr(CvsChallengeRecord) record = NULL;
        g_autoptr(GError) error = NULL, refused = NULL;
        g_autofree char *found = NULL;

        memcpy(bytes + 4, &attributes, sizeof attributes);
        cvs_public_area_free(changed->ak);
        changed->ak = cvs_public_area_parse(bytes, size, "AK", &error);
        g_assert_no_error(error);
        found = judge(&bed, changed, ALL, NULL);
        if (strstr(found, CVS_REASON_AK_UNFIT) == NULL)
            g_error("0x%x: \"%s\"", bits[i], found);
        g_assert_false(cvs_challenge_make(changed, &challenge, &record, &refused));
        assert_refused(refused, ATTESTATION_FAILED, CVS_REASON_AK_UNFIT);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(machines); i++) {
        g_autofree char *path = g_strconcat("/attest/judge/mixed/", machines[i].name, NULL);

        g_test_add_data_func(path, &machines[i], test_mixed);
    }
    g_test_add_data_func("/attest/judge/unfit-ak/svsm", &machines[0], test_unfit_ak);
    g_test_add_data_func("/attest/judge/unfit-ak/azure", &machines[2], test_unfit_ak);
    g_test_add_func("/attest/judge/replayed", test_replayed);
    g_test_add_func("/attest/judge/guest-without-svsm", test_guest_without_svsm);
    g_test_add_func("/attest/judge/guest-under-svsm", test_guest_under_svsm);
    g_test_add_func("/attest/judge/report-of-another-use", test_report_of_another_use);
    g_test_add_func("/attest/judge/roots", test_roots);
    g_test_add_func("/attest/judge/selection", test_selection);
    return g_test_run();
}
