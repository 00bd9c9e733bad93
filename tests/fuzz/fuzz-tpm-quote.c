/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "fuzz.h"
#include "tpm/quote.h"

#include <openssl/rsa.h>

/* A byte for the kind of key, the attestation structure's size, the structure, the signature.
 * Nobody has the keys' private parts by then, so nothing is accepted, and something is said to be
 * wrong. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    static EVP_PKEY *keys[3];
    CvsQuoteWanted wanted = {.nonce = "challenge",
                             .nonce_size = 9,
                             .name_alg = CVS_SHA256,
                             .selection = {.bank = CVS_SHA256, .mask = CVS_PCR_MASK_ALL}};
    g_autoptr(GBytes) attest = NULL, signature = NULL;
    g_autoptr(GError) error = NULL;
    CvsReader reader = {0};
    CvsReader part = {0};
    CvsQuoteFacts facts = {0};
    CvsQuote quote = {.values.selection = wanted.selection};

    if (keys[0] == NULL) {
        keys[0] = EVP_RSA_gen(2048);
        keys[1] = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");
        keys[2] = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384");
    }
    cvs_reader_init(&reader, data, size);
    wanted.ak = keys[cvs_reader_u8(&reader) % G_N_ELEMENTS(keys)];
    part = cvs_reader_sub(&reader, cvs_reader_u16_be(&reader));
    if (!cvs_reader_ok(&reader))
        return 0;
    attest = g_bytes_new(part.data, part.size);
    signature = g_bytes_new(data + cvs_reader_pos(&reader), cvs_reader_left(&reader));
    quote.attest = attest;
    quote.signature = signature;
    g_assert_false(cvs_quote_judge(&quote, &wanted, &facts, &error));
    g_assert_cmpuint(cvs_error_get_reasons(error)->len, >, 0);
    return 0;
}
