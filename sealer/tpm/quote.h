/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A quote: what TPM2_Quote (Part 3, 18.4) gives, with the values of the PCRs that it is about; and
 * the judge of it, which needs no TPM. */

#include "base/reader.h"
#include "tpm/clock.h"
#include "tpm/pcr.h"
#include "tpm/public-area.h"

#include <glib.h>

typedef struct {
    GBytes *attest;      /* TPMS_ATTEST (Part 2, 10.12.12) */
    GBytes *signature;   /* TPMT_SIGNATURE over it (Part 2, 11.3.4) */
    CvsPcrValues values; /* of the PCRs quoted */
} CvsQuote;

void cvs_quote_clear(CvsQuote *quote);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CvsQuote, cvs_quote_clear)

/* Bytes of extraData that a TPM takes with any algorithm (TPM2B_DATA, Part 2, 10.4.3, for SHA-256
 * as the largest hash it has). */
#define CVS_QUOTE_NONCE_MAX 32

/* What the quote has to be. */
typedef struct {
    EVP_PKEY *ak; /* the attestation key, for which something else has to vouch */
    /* The key's qualified Name (cvs_name_qualify()): the signature proves that the key signed;
     * this, that the TPM holds it right under that parent, as the object whose public area the Name
     * is of. Of no size where only the key or its Name is known: then the signer is who has the
     * key's private part, wherever in the TPM it stands, and name_alg has to fit. */
    CvsName qualified;
    CvsHash name_alg;
    const void *nonce;
    gsize nonce_size;
    CvsPcrSelection selection;
} CvsQuoteWanted;

/* What a quote says beyond what was wanted of it. */
typedef struct {
    CvsClock clock;
    guint64 firmware; /* as the signer's hierarchy lets it show */
} CvsQuoteFacts;

/* Judges a quote. Adds a reason for each fault that is found:
 *   TpmQuoteMalformed  the attestation structure or the signature breaks its format (alone)
 *   TpmQuoteMagic      it was not made by a TPM: any key can have signed it
 *   TpmQuoteType       it is no quote
 *   TpmQuoteSigner     the signer's qualified Name is another
 *   TpmQuoteNonce      extraData is not the nonce: it is an old quote, or one made for others
 *   TpmQuoteSelection  it is about other PCRs or another bank than those asked for, or the values
 *                      are, or the bank is not SHA-256 or SHA-384
 *   TpmQuoteDigest     the values are not those that were quoted
 *   TpmQuoteSignature  the key did not sign it, or by an algorithm that is not accepted: RSASSA,
 *                      RSAPSS or ECDSA with SHA-256 or SHA-384, RSA from 2048 bits, P-256 and P-384
 * The error is BadFormat for the first, else AttestationFailed. Nothing is compared in a time that
 * depends on where it differs. */
gboolean cvs_quote_judge(const CvsQuote *quote, const CvsQuoteWanted *wanted,
                         CvsQuoteFacts *ret_facts, GError **error);
