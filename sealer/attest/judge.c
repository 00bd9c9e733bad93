/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attest/judge.h"
#include "attest/binding.h"
#include "attest/logs.h"
#include "attest/vtpm-td.h"
#include "attest/vtpm.h"
#include "base/error.h"
#include "base/hex.h"
#include "tee/refusal.h"
#include "tee/tdreport.h"
#include "tee/tdx-quote.h"
#include "tpm/ak-public.h"

#include <tss2/tss2_tpm2_types.h>

typedef struct {
    const CvsBundleInput *input;
    CvsReportInput report; /* type UNKNOWN: there is none */
    guint8 binding[CVS_BINDING_SIZE];
    gboolean ak_is_fit;
    GError *refusal;
    json_t *claims;
} Run;

/* How the bundle's parts go together as a report. */
static void
choose_report(Run *run)
{
    const CvsBundleInput *input = run->input;
    const CvsEvidenceBundle *bundle = input->bundle;

    run->report = (CvsReportInput){.name = input->name,
                                   .quote_name = input->name,
                                   .evidence = input->evidence,
                                   .snp_roots = input->snp_roots,
                                   .tdx_roots = input->tdx_roots,
                                   .at = input->at,
                                   .grace = input->grace};
    if (bundle->hcl) {
        run->report.type = CVS_REPORT_HCL;
        run->report.report = bundle->hcl;
        run->report.quote = bundle->report;
    } else if (bundle->report) {
        run->report.report = bundle->report;
        run->report.type = cvs_report_input_type(&run->report);
    }
}

static void
check_nonce(Run *run)
{
    GBytes *wanted = run->input->nonce;
    GBytes *seen = run->input->bundle->nonce;
    g_autofree char *wanted_hex = NULL;
    g_autofree char *seen_hex = NULL;

    if (wanted == NULL || g_bytes_equal(seen, wanted))
        return;
    wanted_hex = cvs_hex_encode(g_bytes_get_data(wanted, NULL), g_bytes_get_size(wanted));
    seen_hex = cvs_hex_encode(g_bytes_get_data(seen, NULL), g_bytes_get_size(seen));
    cvs_error_add_reason(run->refusal, CVS_REASON_NONCE_MISMATCH, seen_hex, wanted_hex,
                         "the evidence was made for another nonce: it is an old one, or was made "
                         "for others");
}

/* Only of a key that has all this does an answer, or a quote, say anything (tpm/ak-public.h). A
 * paravisor vouches for the key itself, but the machine asks the same of it. */
static void
check_ak(Run *run)
{
    const char *lack = cvs_ak_lacks(run->input->bundle->ak);

    run->ak_is_fit = lack == NULL;
    if (lack)
        cvs_error_add_reason(run->refusal, CVS_REASON_AK_UNFIT, NULL, NULL,
                             "the attestation key is none: %s", lack);
}

/* A TDREPORT has no proof of its own, and may only say what the quote says. */
static gboolean
check_tdreport(Run *run, GError **error)
{
    const CvsEvidenceBundle *bundle = run->input->bundle;
    g_autoptr(CvsTdxQuote) quote = NULL;
    CvsTdReport report;

    if (bundle->tdreport == NULL)
        return TRUE;
    if (run->report.type != CVS_REPORT_TDX) {
        cvs_error_add_reason(run->refusal, CVS_REASON_QUOTE_MISMATCH, NULL, NULL,
                             "there is a TDREPORT, and no quote of a TD to which it belongs");
        return TRUE;
    }
    if (!cvs_tdreport_parse(g_bytes_get_data(bundle->tdreport, NULL),
                            g_bytes_get_size(bundle->tdreport), &report, error))
        return FALSE;
    quote = cvs_tdx_quote_parse(bundle->report, error);
    if (quote == NULL)
        return FALSE;
    cvs_td_body_compare(&report.body, &quote->body, run->refusal);
    return TRUE;
}

static gboolean
verify_report(Run *run, GError **error)
{
    const CvsBundleInput *input = run->input;
    GBytes *auxblob = input->bundle->auxblob;

    if (run->report.report == NULL) {
        run->claims = json_object();
        cvs_claims_set_string(run->claims, "tee.type", "none");
        cvs_claims_set_bool(run->claims, "tee.verified", FALSE);
        return TRUE;
    }
    /* A host that gives rubbish instead of certificates is one that gives none. */
    if (auxblob)
        (void)cvs_evidence_add(input->evidence, g_bytes_get_data(auxblob, NULL),
                               g_bytes_get_size(auxblob), "the host's certificates", NULL);
    return (input->store == NULL ||
            cvs_report_collect(&run->report, input->store, input->evidence, error)) &&
           cvs_report_verify(&run->report, &run->claims, run->refusal, error) &&
           check_tdreport(run, error);
}

/* Our own key is a primary key of the endorsement hierarchy, as are those of SVSMs; where a
 * paravisor keeps its own is not known, but it vouches for the key itself. */
static gboolean
judge_quote(Run *run, GError **error)
{
    static const guint8 endorsement[] = {0x40, 0x00, 0x00, 0x0b};
    const CvsBundleInput *input = run->input;
    const CvsEvidenceBundle *bundle = input->bundle;
    guint8 nonce[CVS_BINDING_QUOTE_NONCE_SIZE];
    CvsQuoteWanted wanted = {
        .ak = bundle->ak->key,
        .name_alg = bundle->ak->name_alg,
        .nonce = nonce,
        .nonce_size = sizeof nonce,
        .selection = input->selection ? *input->selection : bundle->quote.values.selection,
    };
    CvsQuoteFacts facts = {0};
    g_autoptr(GError) found = NULL;

    if (bundle->hcl == NULL)
        cvs_name_qualify(endorsement, sizeof endorsement, bundle->ak, &wanted.qualified);
    cvs_binding_quote_nonce(run->binding, bundle->hcl ? bundle->hcl : bundle->report, nonce);
    if (cvs_quote_judge(&bundle->quote, &wanted, &facts, &found)) {
        cvs_vtpm_add_quote(run->claims, &facts);
        return TRUE;
    }
    if (g_error_matches(found, CVS_ERROR, CVS_ERROR_BAD_FORMAT)) {
        g_propagate_error(error, g_steal_pointer(&found));
        return FALSE;
    }
    cvs_error_add_reasons_of(run->refusal, found);
    return TRUE;
}

static gboolean
judge_vtpm_td(Run *run, GError **error)
{
    const CvsBundleInput *input = run->input;

    return input->bundle->ca_cert == NULL ||
           cvs_vtpm_td_judge(input->bundle, &run->report, input->evidence, input->store,
                             run->claims, run->refusal, error);
}

static void
classify(Run *run)
{
    const CvsEvidenceBundle *bundle = run->input->bundle;
    const CvsChallengeRecord *challenge = run->input->challenge;
    /* Of the kind it says nothing. */
    g_autoptr(GError) unanswered = cvs_refusal_new();
    gboolean answered = challenge && cvs_challenge_check(challenge, bundle, unanswered);
    const CvsVtpmEvidence evidence = {.tee = run->claims,
                                      .binding = run->binding,
                                      .manifest = bundle->manifest,
                                      .hcl = bundle->hcl,
                                      .vtpm_td = bundle->ca_cert != NULL,
                                      .ek = bundle->ek,
                                      .ak = bundle->ak,
                                      .srk_name = &bundle->srk_name,
                                      .challenged =
                                          run->ak_is_fit && (run->input->challenged || answered)};

    cvs_vtpm_classify(&evidence, run->claims, run->refusal);
    cvs_error_add_reasons_of(run->refusal, unanswered);
    if (bundle->user_data)
        cvs_claims_set_hex(run->claims, "vtpm.user_data", g_bytes_get_data(bundle->user_data, NULL),
                           g_bytes_get_size(bundle->user_data));
}

gboolean
cvs_bundle_verify(const CvsBundleInput *input, json_t **ret_claims, GError *refusal, GError **error)
{
    const CvsEvidenceBundle *bundle = input->bundle;
    Run run = {.input = input, .refusal = refusal};
    gboolean ok = FALSE;

    choose_report(&run);
    cvs_binding_compute(input->nonce ? input->nonce : bundle->nonce, &bundle->ak->name,
                        &bundle->srk_name, bundle->user_data, run.binding);
    ok = verify_report(&run, error) && judge_quote(&run, error) &&
         cvs_logs_judge(bundle, run.claims, error) && judge_vtpm_td(&run, error);
    check_nonce(&run);
    check_ak(&run);
    /* Last: what was found against any part says that nothing vouches for the TPM. */
    if (ok)
        classify(&run);
    *ret_claims = run.claims ? run.claims : json_object();
    return ok;
}

CvsVerdict *
cvs_bundle_verdict_new(const CvsBundleInput *input, const CvsProfile *profile, GError **error)
{
    g_autoptr(CvsVerdict) verdict = NULL;
    g_autoptr(json_t) claims = NULL;
    g_autoptr(GError) found = NULL;
    Run run = {.input = input};
    gboolean ok = FALSE;

    choose_report(&run);
    verdict = cvs_verdict_new_empty(run.report.type);
    verdict->test_roots =
        cvs_snp_roots_have_test(input->snp_roots) || cvs_tdx_roots_have_test(input->tdx_roots);
    ok = cvs_bundle_verify(input, &claims, verdict->reasons, &found);
    if (!ok && found->code == CVS_ERROR_STORAGE_ERROR) {
        g_propagate_error(error, g_steal_pointer(&found));
        return NULL;
    }
    json_decref(verdict->claims);
    verdict->claims = g_steal_pointer(&claims);
    if (!ok) {
        cvs_verdict_add_malformed(verdict, found);
        return g_steal_pointer(&verdict);
    }
    cvs_appraise(profile, verdict->claims, input->at, verdict->reasons);
    cvs_vtpm_appraise(profile, verdict->claims, verdict->reasons);
    cvs_logs_appraise(verdict->claims, TRUE, verdict->reasons);
    verdict->kind =
        cvs_refusal_count(verdict->reasons) == 0 ? CVS_VERDICT_ACCEPTED : CVS_VERDICT_REFUSED;
    return g_steal_pointer(&verdict);
}
