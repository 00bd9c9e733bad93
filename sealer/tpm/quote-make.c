/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/quote-make.h"
#include "base/error.h"
#include "tpm/ak-private.h"
#include "tpm/session.h"
#include "tpm/wire.h"

#include <string.h>
#include <tss2/tss2_mu.h>

/* How often PCRs and quote are made anew because a PCR was extended in between. */
#define TRIES_MAX 16

static const char doing[] = "quoting";

typedef struct {
    guint32 handle;
    const CvsPublicArea *ak;
    const void *nonce;
    gsize nonce_size;
    CvsQuote quote; /* its selection is what is asked for */
    CvsName qualified;
} Quoting;

static GBytes *
marshal_signature(const TPMT_SIGNATURE *signature)
{
    guint8 buffer[sizeof(TPMT_SIGNATURE)];
    gsize size = 0;

    if (Tss2_MU_TPMT_SIGNATURE_Marshal(signature, buffer, sizeof buffer, &size) != TSS2_RC_SUCCESS)
        return NULL;
    return g_bytes_new(buffer, size);
}

/* The key is used by the session's HMAC. */
static gboolean
quote_step(CvsTpm *tpm, gpointer data, GError **error)
{
    static const TPMT_SIG_SCHEME scheme_of_key = {.scheme = TPM2_ALG_NULL};
    Quoting *quoting = data;
    ESYS_TR session = cvs_session_open(tpm, CVS_SESSION_HMAC, FALSE, error);
    CVS_AUTO_ESYS(TPM2B_ATTEST) attest = NULL;
    CVS_AUTO_ESYS(TPMT_SIGNATURE) signature = NULL;
    TPM2B_DATA extra = {.size = (UINT16)quoting->nonce_size};
    TPML_PCR_SELECTION selection = {0};
    CvsAk ak = {.tr = ESYS_TR_NONE};
    TSS2_RC rc = TSS2_RC_SUCCESS;

    if (session == ESYS_TR_NONE ||
        !cvs_ak_load_same(tpm, session, quoting->handle, quoting->ak, &ak, error))
        return FALSE;
    memcpy(extra.buffer, quoting->nonce, quoting->nonce_size);
    cvs_pcr_selection_to_tpm(&quoting->quote.values.selection, &selection);
    rc = Esys_Quote(tpm->esys, ak.tr, session, ESYS_TR_NONE, ESYS_TR_NONE, &extra, &scheme_of_key,
                    &selection, &attest, &signature);
    quoting->qualified = ak.qualified;
    if (rc != TSS2_RC_SUCCESS)
        (void)cvs_tpm_fail(tpm, rc, doing, error);
    cvs_ak_unload(tpm, &ak);
    if (rc != TSS2_RC_SUCCESS)
        return FALSE;
    if (attest->size <= sizeof attest->attestationData) {
        quoting->quote.attest = g_bytes_new(attest->attestationData, attest->size);
        quoting->quote.signature = marshal_signature(signature);
    }
    return quoting->quote.signature != NULL || cvs_tpm_nonsense(tpm, doing, error);
}

/* One quote and its values, which may be of another moment. */
static gboolean
make(CvsTpm *tpm, const CvsPcrSelection *selection, Quoting *quoting, GError **error)
{
    cvs_quote_clear(&quoting->quote);
    return cvs_tpm_read_pcrs(tpm, selection, &quoting->quote.values, error) &&
           cvs_tpm_run(tpm, quote_step, quoting, error);
}

static gboolean
differs_in_digest_alone(const GError *refusal)
{
    return cvs_error_has_reason(refusal, CVS_REASON_TPM_QUOTE_DIGEST) &&
           cvs_error_get_reasons(refusal)->len == 1;
}

gboolean
cvs_tpm_quote(CvsTpm *tpm, guint32 handle, const CvsPublicArea *ak,
              const CvsPcrSelection *selection, const void *nonce, gsize nonce_size,
              CvsQuote *ret_quote, CvsQuoteFacts *ret_facts, GError **error)
{
    Quoting quoting = {.handle = handle, .ak = ak, .nonce = nonce, .nonce_size = nonce_size};
    g_autoptr(GError) refusal = NULL;

    g_return_val_if_fail(nonce_size > 0 && nonce_size <= CVS_QUOTE_NONCE_MAX, FALSE);

    for (guint tries = 0; tries < TRIES_MAX; tries++) {
        CvsQuoteWanted wanted = {
            .ak = ak->key, .nonce = nonce, .nonce_size = nonce_size, .selection = *selection};

        g_clear_error(&refusal);
        if (!make(tpm, selection, &quoting, error)) {
            cvs_quote_clear(&quoting.quote);
            return FALSE;
        }
        wanted.qualified = quoting.qualified;
        if (cvs_quote_judge(&quoting.quote, &wanted, ret_facts, &refusal)) {
            *ret_quote = quoting.quote;
            return TRUE;
        }
        if (!differs_in_digest_alone(refusal))
            break;
    }
    cvs_quote_clear(&quoting.quote);
    if (!differs_in_digest_alone(refusal)) {
        g_propagate_error(error, g_steal_pointer(&refusal));
        return FALSE;
    }
    g_set_error(error, CVS_ERROR, CVS_ERROR_BUSY,
                "PCRs are being extended all the time: try again");
    return FALSE;
}
