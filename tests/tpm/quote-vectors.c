/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/quote-vectors.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/writer.h"
#include "tee/captures.h"

#include <openssl/core_names.h>
#include <string.h>
#include <tss2/tss2_tpm2_types.h>

#define CLAIMS_AT 1236 /* in the paravisor's report */

/* HCLAkPub of a paravisor's report. */
EVP_PKEY *
quote_vectors_azure_ak(const char *name)
{
    g_autoptr(GBytes) report = captures_read(name), n_bytes = NULL;
    const guint8 *data = g_bytes_get_data(report, NULL);
    g_autoptr(json_t) claims = NULL;
    const char *n = NULL;
    g_autofree guint8 *le = NULL;
    guint8 e[] = {1, 0, 1};
    OSSL_PARAM params[3];
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
    EVP_PKEY *key = NULL;
    size_t i = 0;
    json_t *jwk = NULL;

    claims = json_loadb((const char *)data + CLAIMS_AT, g_bytes_get_size(report) - CLAIMS_AT,
                        JSON_DISABLE_EOF_CHECK, NULL);
    g_assert_nonnull(claims);
    json_array_foreach (json_object_get(claims, "keys"), i, jwk) {
        if (g_str_equal(json_string_value(json_object_get(jwk, "kid")), "HCLAkPub"))
            n = json_string_value(json_object_get(jwk, "n"));
    }
    n_bytes = cvs_base64url_decode(n, -1, NULL);
    g_assert_cmpuint(g_bytes_get_size(n_bytes), ==, 256);
    /* OSSL_PARAM has numbers in the machine's order. */
    le = g_malloc(256);
    for (gsize j = 0; j < 256; j++)
        le[j] = ((const guint8 *)g_bytes_get_data(n_bytes, NULL))[255 - j];
    params[0] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, le, 256);
    params[1] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_E, e, sizeof e);
    params[2] = OSSL_PARAM_construct_end();
    g_assert_cmpint(EVP_PKEY_fromdata_init(ctx), ==, 1);
    g_assert_cmpint(EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params), ==, 1);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

/* A raw RSASSA signature with SHA-256, as a TPMT_SIGNATURE. */
static GBytes *
wrap_signature(const guint8 *raw, gsize size)
{
    g_auto(CvsWriter) writer = {0};

    cvs_writer_init(&writer);
    cvs_writer_u16_be(&writer, TPM2_ALG_RSASSA);
    cvs_writer_u16_be(&writer, TPM2_ALG_SHA256);
    cvs_writer_u16_be(&writer, (guint16)size);
    cvs_writer_bytes(&writer, raw, size);
    return cvs_writer_steal(&writer);
}

static void
take_pcrs(CvsQuote *quote, const guint8 *bytes, gsize size)
{
    g_assert_cmpuint(size, ==, 24 * 32);
    quote->values.selection = (CvsPcrSelection){.bank = CVS_SHA256, .mask = CVS_PCR_MASK_ALL};
    for (guint pcr = 0; pcr < 24; pcr++)
        memcpy(quote->values.value[pcr], bytes + 32 * pcr, 32);
}

/* Signature, attestation structure and PCRs, each with its number of bytes or of PCRs before it. */
void
quote_vectors_read_bincode(const char *name, CvsQuote *ret_quote)
{
    g_autoptr(GBytes) file = captures_read(name);
    CvsReader reader = {0};
    const guint8 *at = NULL;
    gsize size = 0;

    cvs_reader_init(&reader, g_bytes_get_data(file, NULL), g_bytes_get_size(file));
    size = cvs_reader_u64_le(&reader);
    ret_quote->signature = wrap_signature(cvs_reader_bytes(&reader, size), size);
    size = cvs_reader_u64_le(&reader);
    at = cvs_reader_bytes(&reader, size);
    ret_quote->attest = g_bytes_new(at, size);
    g_assert_cmpuint(cvs_reader_u64_le(&reader), ==, 24);
    size = cvs_reader_left(&reader);
    /* Of some files each PCR has a size too; here they are arrays. */
    take_pcrs(ret_quote, cvs_reader_bytes(&reader, size), size);
}

void
quote_vectors_read_parts(const char *msg, const char *sig, const char *pcrs, CvsQuote *ret_quote)
{
    g_autoptr(GBytes) signature = captures_read(sig), values = captures_read(pcrs);

    ret_quote->attest = captures_read(msg);
    ret_quote->signature =
        wrap_signature(g_bytes_get_data(signature, NULL), g_bytes_get_size(signature));
    take_pcrs(ret_quote, g_bytes_get_data(values, NULL), g_bytes_get_size(values));
}
