/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attest/proof.h"
#include "attest/binding.h"
#include "attest/judge.h"
#include "attest/logs.h"
#include "tee/refusal.h"
#include "tpm/ak.h"
#include "tpm/credential-activate.h"
#include "tpm/ek.h"
#include "tpm/quote-make.h"

#define SECRET_SIZE 32

guint32
cvs_proof_ak_handle(const CvsEvidenceBundle *bundle)
{
    return bundle->hcl ? CVS_AK_AZURE : CVS_AK_OWN;
}

gboolean
cvs_proof_keys(CvsTpm *tpm, const CvsEvidenceBundle *bundle, gboolean *ret_challenged,
               GError **error)
{
    g_autoptr(CvsSecret) secret = NULL;
    g_autoptr(CvsSecret) answer = NULL;
    g_auto(CvsCredential) credential = {0};

    *ret_challenged = FALSE;
    if (bundle->ek == NULL)
        return TRUE;
    if (!cvs_tpm_pin_ek(tpm, bundle->ek, FALSE, error) ||
        !cvs_tpm_check_srk_name(tpm, &bundle->srk_name, error))
        return FALSE;
    secret = cvs_secret_new_random(SECRET_SIZE, error);
    if (secret == NULL ||
        !cvs_credential_make(bundle->ek, &bundle->ak->name, secret, &credential, error))
        return FALSE;
    answer = cvs_tpm_activate_credential(tpm, bundle->ek, cvs_proof_ak_handle(bundle), &credential,
                                         error);
    if (answer == NULL)
        return FALSE;
    *ret_challenged = cvs_secret_equal(secret, answer);
    return TRUE;
}

gboolean
cvs_proof_quote(const CvsAttesterConfig *config, CvsEvidenceBundle *bundle,
                const CvsPcrSelection *selection, GError **error)
{
    guint8 binding[CVS_BINDING_SIZE];
    guint8 nonce[CVS_BINDING_QUOTE_NONCE_SIZE];
    CvsQuoteFacts facts = {0};

    g_clear_pointer(&bundle->tpm_log, g_bytes_unref);
    g_clear_pointer(&bundle->cc_log, g_bytes_unref);
    g_clear_pointer(&bundle->measured_log, g_bytes_unref);
    /* Before the registers are quoted, so that these have all that the logs have. */
    cvs_logs_collect(cvs_tee_source_paths(config->source), bundle);
    cvs_binding_compute(bundle->nonce, &bundle->ak->name, &bundle->srk_name, bundle->user_data,
                        binding);
    cvs_binding_quote_nonce(binding, bundle->hcl ? bundle->hcl : bundle->report, nonce);
    cvs_quote_clear(&bundle->quote);
    return cvs_tpm_quote(config->tpm, cvs_proof_ak_handle(bundle), bundle->ak, selection, nonce,
                         sizeof nonce, &bundle->quote, &facts, error);
}

static CvsCollateralStore *
open_store(const CvsAttesterConfig *config, GError **error)
{
    if (config->collateral_dir == NULL || !g_file_test(config->collateral_dir, G_FILE_TEST_IS_DIR))
        return NULL;
    return cvs_collateral_store_open(config->collateral_dir, FALSE, config->snp_roots,
                                     config->tdx_roots, error);
}

gboolean
cvs_proof_verify(const CvsAttesterConfig *config, const CvsEvidenceBundle *bundle,
                 const CvsPcrSelection *selection, gboolean challenged, gint64 at,
                 json_t **ret_claims, GError **error)
{
    g_autoptr(CvsEvidence) evidence = cvs_evidence_new();
    g_autoptr(GError) local = NULL;
    g_autoptr(CvsCollateralStore) store = open_store(config, &local);
    g_autoptr(json_t) claims = NULL;
    GError *refusal = NULL;
    CvsBundleInput input = {.bundle = bundle,
                            .name = "the attestation",
                            .nonce = bundle->nonce,
                            .selection = selection,
                            .challenged = challenged,
                            .evidence = evidence,
                            .store = store,
                            .snp_roots = config->snp_roots,
                            .tdx_roots = config->tdx_roots,
                            .at = at,
                            .grace = CVS_TEE_SPAN_MAX};

    if (local) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    refusal = cvs_refusal_new();
    if (!cvs_bundle_verify(&input, &claims, refusal, error)) {
        g_error_free(refusal);
        return FALSE;
    }
    if (!cvs_refusal_end(refusal, "the attestation", error))
        return FALSE;
    if (ret_claims)
        *ret_claims = g_steal_pointer(&claims);
    return TRUE;
}
