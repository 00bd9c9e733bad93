/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "fuzz.h"
#include "tpm/quote.h"

#include <string.h>

/* An RSA key that nobody made: to make one takes a sanitizer too long. */
static EVP_PKEY *
rsa_key(void)
{
    guint8 area[24 + 256] = {0, 1, 0, 0x0b, 0, 5, 4, 0x72, 0, 0, 0, 0x10, 0, 0x14, 0, 0x0b, 8, 0};
    g_autoptr(CvsPublicArea) parsed = NULL;

    area[22] = 1; /* 256 bytes */
    memset(area + 24, 0xff, sizeof area - 24);
    parsed = cvs_public_area_parse(area, sizeof area, "key", NULL);
    g_assert_nonnull(parsed);
    g_assert_cmpint(EVP_PKEY_up_ref(parsed->key), ==, 1);
    return parsed->key;
}

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
        keys[0] = rsa_key();
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
