/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Real machines of Azure, end to end by the functions that judge evidence: report, chain, claims,
 * keys, quote, PCRs, profile; and none of them with a part of another. */

#include "attest/vtpm.h"
#include "base/error.h"
#include "base/writer.h"
#include "policy/appraisal.h"
#include "tee/captures.h"
#include "tee/hcl-report.h"
#include "tee/refusal.h"
#include "tee/report-verify.h"
#include "tpm/quote-vectors.h"

#include <string.h>
#include <tss2/tss2_tpm2_types.h>

#define CLAIMS_AT 1236                        /* in the paravisor's report */
#define AT_2025 G_GINT64_CONSTANT(1748736000) /* 2025-06-01 */
#define AT_2026 G_GINT64_CONSTANT(1782864000) /* 2026-07-01 */

/* The parts of one machine. */
typedef struct {
    const char *name;
    GBytes *hcl;
    GBytes *td_quote;
    CvsEvidence *evidence;
    CvsPublicArea *ak;
    CvsQuote quote;
    gint64 at;
    const char *reasons; /* when all of it is its own */
} Machine;

enum { MILAN, AZ_SNP, AZ_TDX, N_MACHINES };

/* The paravisor's key, as the TPM would show it. */
static CvsPublicArea *
read_ak(GBytes *hcl)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsHclReport) report = cvs_hcl_report_parse(hcl, &error);
    g_auto(CvsWriter) writer = {0};
    CvsPublicArea *area = NULL;

    g_assert_no_error(error);
    cvs_writer_init(&writer);
    cvs_writer_u16_be(&writer, TPM2_ALG_RSA);
    cvs_writer_u16_be(&writer, TPM2_ALG_SHA256);
    cvs_writer_u32_be(&writer, 0x00050072);
    cvs_writer_u16_be(&writer, 0);
    cvs_writer_u16_be(&writer, TPM2_ALG_NULL);
    cvs_writer_u16_be(&writer, TPM2_ALG_RSASSA);
    cvs_writer_u16_be(&writer, TPM2_ALG_SHA256);
    cvs_writer_u16_be(&writer, 2048);
    cvs_writer_u32_be(&writer, 0);
    cvs_writer_u16_be(&writer, 256);
    cvs_writer_bytes(&writer, g_bytes_get_data(report->ak.n, NULL), 256);
    area = cvs_public_area_parse(cvs_writer_data(&writer), cvs_writer_size(&writer), "AK", &error);
    g_assert_no_error(error);
    return area;
}

static void
add_evidence(Machine *machine, const char *name)
{
    g_autoptr(GBytes) bytes = captures_read(name);
    g_autoptr(GError) error = NULL;

    (void)cvs_evidence_add(machine->evidence, g_bytes_get_data(bytes, NULL),
                           g_bytes_get_size(bytes), name, &error);
    g_assert_no_error(error);
}

static void
machines_set_up(Machine *machines)
{
    machines[MILAN] = (Machine){.name = "snp/azure/milan-v2.hcl.bin", .at = AT_2026, .reasons = ""};
    machines[AZ_SNP] = (Machine){.name = "hcl/az-snp-hcl-report.bin", .at = AT_2025, .reasons = ""};
    /* Nobody kept what Intel said about its platform then. */
    machines[AZ_TDX] = (Machine){
        .name = "hcl/az-tdx-hcl-report.bin", .at = AT_2025, .reasons = "CollateralMissing"};
    for (guint i = 0; i < N_MACHINES; i++) {
        machines[i].hcl = captures_read(machines[i].name);
        machines[i].ak = read_ak(machines[i].hcl);
        machines[i].evidence = cvs_evidence_new();
    }
    add_evidence(&machines[MILAN], "snp/azure/milan-v2.vcek.der");
    add_evidence(&machines[MILAN], "snp/roots/ask_ark_milan.pem");
    add_evidence(&machines[AZ_SNP], "hcl/az-snp-vcek-chain.pem");
    machines[AZ_TDX].td_quote = captures_read("hcl/az-tdx-td-quote.dat");
    quote_vectors_read_parts("snp/azure/milan-v2.quote.msg", "snp/azure/milan-v2.quote.sig",
                             "snp/azure/milan-v2.pcrs.bin", &machines[MILAN].quote);
    quote_vectors_read_bincode("hcl/az-snp-tpm-quote.bincode", &machines[AZ_SNP].quote);
    quote_vectors_read_bincode("hcl/az-tdx-tpm-quote.bincode", &machines[AZ_TDX].quote);
}

static void
machines_clear(Machine *machines)
{
    for (guint i = 0; i < N_MACHINES; i++) {
        g_bytes_unref(machines[i].hcl);
        g_bytes_unref(machines[i].td_quote);
        cvs_evidence_free(machines[i].evidence);
        cvs_public_area_free(machines[i].ak);
        cvs_quote_clear(&machines[i].quote);
    }
}

/* The codes, each once, in the order in which they were found. */
static char *
codes_of(const GError *refusal)
{
    GString *text = g_string_new(NULL);
    const GPtrArray *reasons = cvs_error_get_reasons(refusal);

    for (guint i = 0; i < reasons->len; i++) {
        const CvsReason *reason = g_ptr_array_index(reasons, i);

        if (strstr(text->str, reason->code) == NULL)
            g_string_append_printf(text, "%s%s", text->len ? " " : "", reason->code);
    }
    return g_string_free(text, FALSE);
}

static char *
judge_for(const Machine *machine, const char *nonce, json_t **ret_claims)
{
    g_autoptr(CvsSnpRoots) snp_roots = cvs_snp_roots_new();
    g_autoptr(CvsTdxRoots) tdx_roots = cvs_tdx_roots_new();
    g_autoptr(GError) refusal = cvs_refusal_new(), error = NULL, found = NULL;
    g_autoptr(json_t) claims = NULL;
    const CvsReportInput report = {.type = CVS_REPORT_HCL,
                                   .report = machine->hcl,
                                   .name = machine->name,
                                   .quote = machine->td_quote,
                                   .quote_name = machine->name,
                                   .evidence = machine->evidence,
                                   .snp_roots = snp_roots,
                                   .tdx_roots = tdx_roots,
                                   .at = machine->at};
    const CvsName srk = {0};
    const CvsQuoteWanted wanted = {
        .ak = machine->ak->key,
        .name_alg = CVS_SHA256,
        .nonce = nonce,
        .nonce_size = strlen(nonce),
        .selection = {.bank = CVS_SHA256, .mask = CVS_PCR_MASK_ALL},
    };
    CvsVtpmEvidence evidence = {.hcl = machine->hcl, .ak = machine->ak, .srk_name = &srk};
    CvsQuoteFacts facts = {0};

    (void)cvs_report_verify(&report, &claims, refusal, &error);
    g_assert_no_error(error);
    if (cvs_quote_judge(&machine->quote, &wanted, &facts, &found))
        cvs_vtpm_add_quote(claims, &facts);
    else
        cvs_error_add_reasons_of(refusal, found);
    evidence.tee = claims;
    cvs_vtpm_classify(&evidence, claims, refusal);
    if (ret_claims)
        *ret_claims = json_incref(claims);
    return codes_of(refusal);
}

static char *
judge(const Machine *machine, json_t **ret_claims)
{
    return judge_for(machine, "challenge", ret_claims);
}

static const char *
text_of(const json_t *claims, const char *name)
{
    return json_string_value(json_object_get(claims, name));
}

static char *
appraise(const json_t *claims, const char *lines, const char *value, gint64 at)
{
    g_autofree char *text =
        g_strconcat("[Registers]\nPCRs=7\n[TEE]\nTypes=snp\n", lines, value, "\n", NULL);
    g_autoptr(GError) error = NULL, refusal = cvs_refusal_new();
    g_autoptr(CvsProfile) profile = cvs_profile_parse("x", "x", text, strlen(text), &error);
    g_autoptr(json_t) copy = json_deep_copy(claims);

    g_assert_no_error(error);
    cvs_appraise(profile, copy, at, refusal);
    cvs_vtpm_appraise(profile, copy, refusal);
    return codes_of(refusal);
}

static void
test_whole(void)
{
    Machine machines[N_MACHINES] = {0};

    if (!captures_there())
        return;
    machines_set_up(machines);
    for (guint i = 0; i < N_MACHINES; i++) {
        g_autoptr(json_t) claims = NULL;
        g_autofree char *found = judge(&machines[i], &claims);
        g_autofree char *listed = NULL, *unlisted = NULL, *signer = NULL, *no_floor = NULL;

        g_assert_cmpstr(found, ==, machines[i].reasons);
        g_assert_cmpstr(text_of(claims, "vtpm.kind"), ==, i == AZ_TDX ? "host" : "azure");
        if (i == AZ_TDX)
            continue;
        g_assert_cmpstr(text_of(claims, "vtpm.ak"), ==, "attested");
        g_assert_cmpstr(text_of(claims, "vtpm.firmware"), ==, "0x2020031200120003");
        g_assert_true(json_is_false(json_object_get(claims, "vtpm.fresh")));
        listed =
            appraise(claims, "Measurements=", text_of(claims, "tee.measurement"), machines[i].at);
        g_assert_cmpstr(listed, ==, "");
        unlisted = appraise(claims, "AllowSMT=", "yes", machines[i].at);
        g_assert_cmpstr(unlisted, ==, "ParavisorUnlisted");
        signer = appraise(claims, "[SNP]\nMinimumGuestSVN=1\nIDKeyDigests=",
                          text_of(claims, "tee.id_key_digest"), machines[i].at);
        g_assert_cmpstr(signer, ==, "");
        no_floor = appraise(claims, "[SNP]\nIDKeyDigests=", text_of(claims, "tee.id_key_digest"),
                            machines[i].at);
        g_assert_cmpstr(no_floor, ==, "ParavisorUnlisted");
    }
    machines_clear(machines);
}

/* Each part from each other machine. */
static void
test_mixed(void)
{
    Machine machines[N_MACHINES] = {0};
    guint n = 0;

    if (!captures_there())
        return;
    machines_set_up(machines);
    for (guint i = 0; i < N_MACHINES; i++) {
        for (guint j = 0; j < N_MACHINES; j++) {
            Machine ak = machines[i], both = machines[i], quote = machines[i], hcl = machines[i];
            g_autofree char *ak_found = NULL, *both_found = NULL, *quote_found = NULL;
            g_autofree char *hcl_found = NULL;
            g_autoptr(json_t) claims = NULL;

            /* Two are of the same machine, from different sources. */
            if (cvs_public_area_equal(machines[i].ak, machines[j].ak))
                continue;
            n++;
            ak.ak = both.ak = machines[j].ak;
            quote.quote = both.quote = machines[j].quote;
            ak_found = judge(&ak, NULL);
            g_assert_nonnull(strstr(ak_found, "AkMismatch"));
            g_assert_nonnull(strstr(ak_found, "TpmQuoteSignature"));
            /* Key and quote of another go together, but not with this report. */
            both_found = judge(&both, &claims);
            g_assert_nonnull(strstr(both_found, "AkMismatch"));
            g_assert_null(strstr(both_found, "TpmQuote"));
            g_assert_cmpstr(text_of(claims, "vtpm.kind"), ==, "host");
            g_assert_cmpstr(text_of(claims, "vtpm.ak"), ==, "guest-asserted");
            quote_found = judge(&quote, NULL);
            g_assert_nonnull(strstr(quote_found, "TpmQuoteSignature"));
            hcl.hcl = machines[j].hcl;
            hcl.td_quote = machines[j].td_quote;
            hcl_found = judge(&hcl, NULL);
            g_assert_nonnull(strstr(hcl_found, "AkMismatch"));
        }
    }
    g_assert_cmpuint(n, >=, 4);
    machines_clear(machines);
}

/* One part of a machine in the place of another's, of which not all parts are known. */
static const struct {
    guint machine;
    enum { REPORT, TD_QUOTE, LEAF, TPM_QUOTE, VALUES } part;
    const char *file;
    const char *signature; /* of TPM_QUOTE in parts */
    const char *reasons;   /* all of which it is refused for, among others */
} foreign[] = {
    {AZ_TDX, TD_QUOTE, "tdx/quote-v4-uptodate.dat", NULL, "QuoteMismatch"},
    {AZ_TDX, TD_QUOTE, "tdx/quote-v5-td15.dat", NULL, "QuoteMismatch"},
    {AZ_TDX, REPORT, "hcl/hcl-tdx-v2-kinvolk.bin", NULL, "QuoteMismatch AkMismatch"},
    {AZ_SNP, REPORT, "snp/azure/genoa-v3-noquote.hcl.bin", NULL, "LineMismatch AkMismatch"},
    {MILAN, REPORT, "snp/negative/azure-wrongchip.hcl.bin", NULL, "ChipMismatch AkMismatch"},
    {MILAN, LEAF, "snp/negative/azure-wrongchip.vcek.der", NULL, "ChipMismatch"},
    {MILAN, LEAF, "snp/reports/milan-v2.vcek.der", NULL, "ChipMismatch"},
    {MILAN, TPM_QUOTE, "snp/negative/azure-foreign.quote.msg",
     "snp/negative/azure-foreign.quote.sig", "TpmQuoteSignature TpmQuoteSelection"},
    {AZ_SNP, TPM_QUOTE, "hcl/az-snp-tpm-quote.msg", "hcl/az-snp-tpm-quote.sig",
     "TpmQuoteSignature TpmQuoteSelection"},
    {AZ_TDX, TPM_QUOTE, "hcl/az-snp-tpm-quote.msg", "hcl/az-snp-tpm-quote.sig",
     "TpmQuoteSignature TpmQuoteSelection"},
    {AZ_SNP, TPM_QUOTE, "hcl/kinvolk-quote.bincode", NULL, "TpmQuoteSignature"},
    {AZ_TDX, TPM_QUOTE, "hcl/kinvolk-quote.bincode", NULL, "TpmQuoteSignature"},
    {MILAN, VALUES, "hcl/az-tdx-tpm-quote.bincode", NULL, "TpmQuoteDigest"},
    {AZ_TDX, VALUES, "hcl/az-snp-tpm-quote.bincode", NULL, "TpmQuoteDigest"},
};

static void
test_foreign(void)
{
    if (!captures_there())
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(foreign); i++) {
        Machine machines[N_MACHINES] = {0};
        Machine *machine = &machines[foreign[i].machine];
        g_auto(GStrv) wanted = g_strsplit(foreign[i].reasons, " ", -1);
        g_auto(CvsQuote) other = {0};
        g_autofree char *found = NULL;

        machines_set_up(machines);
        switch (foreign[i].part) {
        case REPORT:
            g_bytes_unref(machine->hcl);
            machine->hcl = captures_read(foreign[i].file);
            break;
        case TD_QUOTE:
            g_bytes_unref(machine->td_quote);
            machine->td_quote = captures_read(foreign[i].file);
            break;
        case LEAF:
            cvs_evidence_free(machine->evidence);
            machine->evidence = cvs_evidence_new();
            add_evidence(machine, foreign[i].file);
            add_evidence(machine, "snp/roots/ask_ark_milan.pem");
            break;
        case TPM_QUOTE:
            cvs_quote_clear(&machine->quote);
            if (foreign[i].signature)
                quote_vectors_read_parts(foreign[i].file, foreign[i].signature,
                                         "snp/azure/milan-v2.pcrs.bin", &machine->quote);
            else
                quote_vectors_read_bincode(foreign[i].file, &machine->quote);
            break;
        default:
            quote_vectors_read_bincode(foreign[i].file, &other);
            machine->quote.values = other.values;
        }
        found = judge(machine, NULL);
        for (guint j = 0; wanted[j]; j++) {
            if (strstr(found, wanted[j]) == NULL)
                g_error("%s with %s: \"%s\"", machine->name, foreign[i].file, found);
        }
        machines_clear(machines);
    }
}

/* What the READMEs beside the captures say was asked with, and nothing else. */
static void
test_challenge(void)
{
    Machine machines[N_MACHINES] = {0};

    if (!captures_there())
        return;
    machines_set_up(machines);
    for (guint i = 0; i < N_MACHINES; i++) {
        g_autofree char *found = judge_for(&machines[i], "challengf", NULL);

        g_assert_nonnull(strstr(found, "TpmQuoteNonce"));
    }
    machines_clear(machines);
}

/* The claims of one machine's report changed, so that they name the AK of another. */
static void
test_claims_edited(void)
{
    Machine machines[N_MACHINES] = {0};
    Machine edited;
    gsize size = 0;
    g_autofree guint8 *bytes = NULL;
    char *at = NULL;
    g_autofree char *found = NULL;

    if (!captures_there())
        return;
    machines_set_up(machines);
    edited = machines[MILAN];
    bytes = g_memdup2(g_bytes_get_data(machines[MILAN].hcl, &size),
                      g_bytes_get_size(machines[MILAN].hcl));
    size = g_bytes_get_size(machines[MILAN].hcl);
    at = strstr((char *)bytes + CLAIMS_AT, "HCLAkPub");
    g_assert_nonnull(at);
    at = strstr(at, "\"n\":\"");
    g_assert_nonnull(at);
    at[20] = at[20] == 'A' ? 'B' : 'A';
    edited.hcl = g_bytes_new(bytes, size);
    found = judge(&edited, NULL);
    g_assert_nonnull(strstr(found, "HclBinding"));
    g_assert_nonnull(strstr(found, "AkMismatch"));
    g_bytes_unref(edited.hcl);
    machines_clear(machines);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/attest/captures/whole", test_whole);
    g_test_add_func("/attest/captures/mixed", test_mixed);
    g_test_add_func("/attest/captures/foreign", test_foreign);
    g_test_add_func("/attest/captures/challenge", test_challenge);
    g_test_add_func("/attest/captures/claims-edited", test_claims_edited);
    return g_test_run();
}
