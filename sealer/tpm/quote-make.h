/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Has a TPM make a quote. */

#include "tpm/ak.h"
#include "tpm/quote.h"
#include "tpm/tpm.h"

/* A quote by the attestation key that cvs_tpm_read_ak() gave for the handle, with PCR values that
 * are those quoted: they are read in the salted session, and both again, a bounded number of times,
 * if a PCR was extended in between (then Busy). It has passed cvs_quote_judge() for this selection
 * and nonce (1 to CVS_QUOTE_NONCE_MAX bytes). PcrUnmeasured as of cvs_tpm_read_pcrs(); TpmReplaced
 * with reason EkChanged if the key is another by now. */
gboolean cvs_tpm_quote(CvsTpm *tpm, guint32 handle, const CvsPublicArea *ak,
                       const CvsPcrSelection *selection, const void *nonce, gsize nonce_size,
                       CvsQuote *ret_quote, CvsQuoteFacts *ret_facts, GError **error);
