/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the tests of attestation share: a TPM behind the multiplexer, with keys that other programs
 * made in it. Each function asserts that it succeeds. */

#include "base/error.h"
#include "sim/test-tpm.h"
#include "tpm/ek.h"
#include "tpm/quote-make.h"

#define assert_refused(error, error_code, reason)                                                  \
    G_STMT_START                                                                                   \
    {                                                                                              \
        g_assert_error((error), CVS_ERROR, CVS_ERROR_##error_code);                                \
        g_assert_true(cvs_error_has_reason((error), (reason)));                                    \
    }                                                                                              \
    G_STMT_END

GBytes *attest_read_file(TestTpm *tpm, const char *name);
void attest_write_file(TestTpm *tpm, const char *name, GBytes *bytes);
/* A file with a TPM2B_PUBLIC, as the tools write it. */
CvsPublicArea *attest_read_public(TestTpm *tpm, const char *name);
/* tpm2_createek with -G; nothing stays in the TPM. */
CvsPublicArea *attest_create_ek(TestTpm *tpm, const char *algorithm);
/* A client of the port "main". */
CvsTpm *attest_open(TestTpm *tpm);
/* The same, pinned to the EK. */
CvsTpm *attest_open_pinned(TestTpm *tpm, const CvsPublicArea *ek);

/* A quote of our own over PCRs 0, 2 and 7 of the SHA-256 bank with the nonce "nonce". */
#define ATTEST_NONCE "nonce"
void attest_quote(CvsTpm *tpm, CvsPublicArea **ret_ak, CvsQuote *ret_quote,
                  CvsQuoteWanted *ret_wanted);
/* The judge refuses it for this reason alone. */
void attest_assert_refused(const CvsQuote *quote, const CvsQuoteWanted *wanted, const char *reason);
