/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Quotes among the real captures (tee/captures.h), all of PCRs 0 to 23 of the SHA-256 bank. */

#include "tpm/quote.h"

#include <openssl/evp.h>

/* HCLAkPub of a paravisor's report. */
EVP_PKEY *quote_vectors_azure_ak(const char *name);
void quote_vectors_read_bincode(const char *name, CvsQuote *ret_quote);
void quote_vectors_read_parts(const char *msg, const char *sig, const char *pcrs,
                              CvsQuote *ret_quote);
