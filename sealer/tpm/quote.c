/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/quote.h"
#include "base/error.h"
#include "base/hex.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <string.h>
#include <tss2/tss2_tpm2_types.h>

#define RSA_SIGNATURE_MAX 512
#define ECDSA_NUMBER_MAX 48

/* TPMS_ATTEST with TPMS_QUOTE_INFO in it (Part 2, 10.12.1); pointers into the bytes. */
typedef struct {
    guint32 magic;
    guint16 type;
    CvsReader signer;
    CvsReader extra;
    CvsClock clock;
    guint64 firmware;
    gboolean is_quote; /* what follows was read */
    guint32 n_selections;
    guint16 bank;
    guint32 mask;
    gboolean mask_fits; /* no PCR beyond those that there are */
    CvsReader digest;
} Attest;

/* TPMT_SIGNATURE */
typedef struct {
    guint16 scheme;
    guint16 hash;
    CvsReader r; /* RSA: all of it */
    CvsReader s;
} Signature;

void
cvs_quote_clear(CvsQuote *quote)
{
    g_clear_pointer(&quote->attest, g_bytes_unref);
    g_clear_pointer(&quote->signature, g_bytes_unref);
}

/* TPML_PCR_SELECTION. Of more than one entry only the number counts: nobody asked for them. */
static void
read_selections(CvsReader *reader, Attest *attest)
{
    attest->n_selections = cvs_reader_u32_be(reader);
    attest->mask_fits = TRUE;
    for (guint i = 0; i < attest->n_selections && cvs_reader_ok(reader); i++) {
        guint8 size = 0;

        attest->bank = cvs_reader_u16_be(reader);
        attest->mask = 0;
        size = cvs_reader_u8(reader);
        for (guint j = 0; j < size; j++) {
            guint8 octet = cvs_reader_u8(reader);

            if (j < CVS_PCR_COUNT / 8)
                attest->mask |= (guint32)octet << (8 * j);
            else if (octet != 0)
                attest->mask_fits = FALSE;
        }
    }
}

static gboolean
read_attest(GBytes *bytes, Attest *attest, GError **error)
{
    CvsReader reader = {0};
    guint8 safe = 0;

    *attest = (Attest){0};
    cvs_reader_init(&reader, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
    attest->magic = cvs_reader_u32_be(&reader);
    attest->type = cvs_reader_u16_be(&reader);
    attest->signer = cvs_reader_sub(&reader, cvs_reader_u16_be(&reader));
    attest->extra = cvs_reader_sub(&reader, cvs_reader_u16_be(&reader));
    attest->clock.clock_ms = cvs_reader_u64_be(&reader);
    attest->clock.reset_count = cvs_reader_u32_be(&reader);
    attest->clock.restart_count = cvs_reader_u32_be(&reader);
    safe = cvs_reader_u8(&reader);
    attest->clock.safe = safe != 0;
    attest->firmware = cvs_reader_u64_be(&reader);
    if (cvs_reader_ok(&reader) && safe > 1) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "attestation structure: \"safe\" is neither yes nor no");
        return FALSE;
    }
    attest->is_quote =
        attest->magic == TPM2_GENERATED_VALUE && attest->type == TPM2_ST_ATTEST_QUOTE;
    /* Of other types another structure follows. */
    if (cvs_reader_ok(&reader) && !attest->is_quote)
        return TRUE;
    read_selections(&reader, attest);
    attest->digest = cvs_reader_sub(&reader, cvs_reader_u16_be(&reader));
    return cvs_reader_finish(&reader, "attestation structure", error);
}

static gboolean
read_signature(GBytes *bytes, Signature *signature, GError **error)
{
    CvsReader reader = {0};

    *signature = (Signature){0};
    cvs_reader_init(&reader, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
    signature->scheme = cvs_reader_u16_be(&reader);
    switch (signature->scheme) {
    case TPM2_ALG_RSASSA:
    case TPM2_ALG_RSAPSS:
        signature->hash = cvs_reader_u16_be(&reader);
        signature->r = cvs_reader_sub(&reader, cvs_reader_u16_be(&reader));
        break;
    case TPM2_ALG_ECDSA:
        signature->hash = cvs_reader_u16_be(&reader);
        signature->r = cvs_reader_sub(&reader, cvs_reader_u16_be(&reader));
        signature->s = cvs_reader_sub(&reader, cvs_reader_u16_be(&reader));
        break;
    default:
        /* Others have other structures: refused for what they are. */
        if (cvs_reader_ok(&reader))
            return TRUE;
    }
    return cvs_reader_finish(&reader, "signature of the quote", error);
}

static gboolean
reader_equals(const CvsReader *reader, const void *data, gsize size)
{
    return reader->size == size && cvs_equal_bytes(reader->data, data, size);
}

static void
add_bytes_reason(GError *refusal, const char *code, const CvsReader *seen, const void *wanted,
                 gsize wanted_size, const char *detail)
{
    g_autofree char *seen_hex = cvs_hex_encode(seen->data, MIN(seen->size, 2 * CVS_DIGEST_MAX));
    g_autofree char *wanted_hex = cvs_hex_encode(wanted, wanted_size);

    cvs_error_add_reason(refusal, code, seen_hex, wanted_hex, "%s", detail);
}

static guint16
hash_to_alg(CvsHash hash)
{
    static const guint16 algs[] = {
        [CVS_SHA1] = TPM2_ALG_SHA1,
        [CVS_SHA256] = TPM2_ALG_SHA256,
        [CVS_SHA384] = TPM2_ALG_SHA384,
        [CVS_SHA512] = TPM2_ALG_SHA512,
    };

    return algs[hash];
}

static void
judge_signer(const Attest *attest, const CvsQuoteWanted *wanted, GError *refusal)
{
    CvsReader reader = attest->signer;

    if (wanted->qualified.size > 0) {
        if (!reader_equals(&attest->signer, wanted->qualified.bytes, wanted->qualified.size))
            add_bytes_reason(refusal, CVS_REASON_TPM_QUOTE_SIGNER, &attest->signer,
                             wanted->qualified.bytes, wanted->qualified.size,
                             "the quote was signed as another key than the attestation key");
        return;
    }
    if (reader.size != 2 + cvs_hash_size(wanted->name_alg) ||
        cvs_reader_u16_be(&reader) != hash_to_alg(wanted->name_alg))
        add_bytes_reason(refusal, CVS_REASON_TPM_QUOTE_SIGNER, &attest->signer, NULL, 0,
                         "the quote's signer has no Name such as the attestation key's");
}

static void
add_selection_reason(GError *refusal, const char *detail, const Attest *attest,
                     const CvsPcrSelection *wanted)
{
    g_autofree char *seen_mask = cvs_pcr_mask_format(attest->mask);
    g_autofree char *wanted_mask = cvs_pcr_mask_format(wanted->mask);
    g_autofree char *seen = g_strdup_printf("0x%x:%s", attest->bank, seen_mask);
    g_autofree char *asked = g_strdup_printf("0x%x:%s", hash_to_alg(wanted->bank), wanted_mask);

    cvs_error_add_reason(refusal, CVS_REASON_TPM_QUOTE_SELECTION, seen, asked, "%s", detail);
}

static void
judge_selection(const Attest *attest, const CvsQuote *quote, const CvsQuoteWanted *wanted,
                GError *refusal)
{
    const CvsPcrSelection *asked = &wanted->selection, *given = &quote->values.selection;

    if (asked->bank != CVS_SHA256 && asked->bank != CVS_SHA384)
        add_selection_reason(refusal, "PCRs of this bank are not accepted", attest, asked);
    if (attest->n_selections != 1 || !attest->mask_fits || attest->mask != asked->mask ||
        asked->mask == 0 || attest->bank != hash_to_alg(asked->bank))
        add_selection_reason(refusal, "the quote is about other PCRs than those asked for", attest,
                             asked);
    if (given->bank != asked->bank || given->mask != asked->mask)
        add_selection_reason(refusal, "the PCR values are not of those asked for", attest, asked);
}

/* The hash of the signature's scheme (Part 3, 18.4.1). */
static void
judge_digest(const Attest *attest, const Signature *signature, const CvsPcrValues *values,
             GError *refusal)
{
    CvsHash hash = signature->hash == TPM2_ALG_SHA384 ? CVS_SHA384 : CVS_SHA256;
    g_autoptr(CvsHasher) hasher = cvs_hasher_new(hash);
    guint8 digest[CVS_DIGEST_MAX];

    for (guint pcr = 0; pcr < CVS_PCR_COUNT; pcr++) {
        if (values->selection.mask & 1u << pcr)
            cvs_hasher_update(hasher, values->value[pcr], cvs_hash_size(values->selection.bank));
    }
    cvs_hasher_finish(hasher, digest);
    if (!reader_equals(&attest->digest, digest, cvs_hash_size(hash)))
        add_bytes_reason(refusal, CVS_REASON_TPM_QUOTE_DIGEST, &attest->digest, digest,
                         cvs_hash_size(hash), "the PCR values are not those that were quoted");
}

/* A number of a TPM's ECDSA signature may lack zeros at its start. */
static gboolean
der_of_ecdsa(const Signature *signature, guint8 **ret_der, int *ret_size)
{
    ECDSA_SIG *pair = ECDSA_SIG_new();
    BIGNUM *r = NULL, *s = NULL;
    gboolean ok = FALSE;

    if (pair != NULL && signature->r.size <= ECDSA_NUMBER_MAX &&
        signature->s.size <= ECDSA_NUMBER_MAX) {
        r = BN_bin2bn(signature->r.data, (int)signature->r.size, NULL);
        s = BN_bin2bn(signature->s.data, (int)signature->s.size, NULL);
    }
    if (r != NULL && s != NULL && ECDSA_SIG_set0(pair, r, s) == 1) {
        r = s = NULL; /* the pair's now */
        *ret_size = i2d_ECDSA_SIG(pair, ret_der);
        ok = *ret_size > 0;
    }
    BN_free(r);
    BN_free(s);
    ECDSA_SIG_free(pair);
    return ok;
}

/* What is wrong with key and algorithm, or NULL. */
static const char *
unfit_algorithm(EVP_PKEY *key, const Signature *signature)
{
    char group[32] = "";

    if (signature->hash != TPM2_ALG_SHA256 && signature->hash != TPM2_ALG_SHA384)
        return "the quote is signed over a hash that is not accepted";
    switch (signature->scheme) {
    case TPM2_ALG_RSASSA:
    case TPM2_ALG_RSAPSS:
        if (!EVP_PKEY_is_a(key, "RSA"))
            return "the quote is signed by RSA, and the attestation key is none";
        return EVP_PKEY_get_bits(key) >= 2048 ? NULL : "the attestation key is too short";
    case TPM2_ALG_ECDSA:
        if (!EVP_PKEY_is_a(key, "EC"))
            return "the quote is signed by ECDSA, and the attestation key is none for it";
        if (EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1 ||
            (!g_str_equal(group, "prime256v1") && !g_str_equal(group, "secp384r1")))
            return "the attestation key is of a curve that is not accepted";
        return NULL;
    default:
        return "the quote is signed by an algorithm that is not accepted";
    }
}

static gboolean
verify(EVP_PKEY *key, const Signature *signature, GBytes *data)
{
    const char *hash = signature->hash == TPM2_ALG_SHA384 ? "SHA384" : "SHA256";
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key_ctx = NULL; /* the other's */
    const guint8 *bytes = signature->r.data;
    gsize size = signature->r.size;
    guint8 *der = NULL;
    int der_size = 0;
    gboolean ok =
        ctx != NULL && EVP_DigestVerifyInit_ex(ctx, &key_ctx, hash, NULL, NULL, key, NULL) == 1;

    if (ok && signature->scheme == TPM2_ALG_RSAPSS)
        ok = EVP_PKEY_CTX_set_rsa_padding(key_ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
             EVP_PKEY_CTX_set_rsa_pss_saltlen(key_ctx, RSA_PSS_SALTLEN_AUTO) == 1;
    if (ok && signature->scheme == TPM2_ALG_ECDSA) {
        ok = der_of_ecdsa(signature, &der, &der_size);
        bytes = der;
        size = (gsize)der_size;
    }
    ok = ok && EVP_DigestVerify(ctx, bytes, size, g_bytes_get_data(data, NULL),
                                g_bytes_get_size(data)) == 1;
    OPENSSL_free(der);
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return ok;
}

static void
judge_signature(const CvsQuote *quote, const Signature *signature, EVP_PKEY *key, GError *refusal)
{
    const char *lack = unfit_algorithm(key, signature);

    if (lack == NULL && !verify(key, signature, quote->attest))
        lack = "the attestation key did not sign the quote";
    if (lack != NULL)
        cvs_error_add_reason(refusal, CVS_REASON_TPM_QUOTE_SIGNATURE, NULL, NULL, "%s", lack);
}

static gboolean
fail_malformed(GError *parsing, GError **error)
{
    cvs_error_add_reason(parsing, CVS_REASON_TPM_QUOTE_MALFORMED, NULL, NULL, "%s",
                         parsing->message);
    g_propagate_prefixed_error(error, parsing, "the TPM's quote: ");
    return FALSE;
}

static gboolean
end(GError *refusal, GError **error)
{
    const GPtrArray *reasons = cvs_error_get_reasons(refusal);
    const CvsReason *first = NULL;

    if (reasons->len == 0) {
        g_error_free(refusal);
        return TRUE;
    }
    first = g_ptr_array_index(reasons, 0);
    g_free(refusal->message);
    if (reasons->len == 1)
        refusal->message = g_strdup_printf("the TPM's quote is refused: %s", first->detail);
    else
        refusal->message = g_strdup_printf("the TPM's quote is refused: %s (and %u more)",
                                           first->detail, reasons->len - 1);
    g_propagate_error(error, refusal);
    return FALSE;
}

gboolean
cvs_quote_judge(const CvsQuote *quote, const CvsQuoteWanted *wanted, CvsQuoteFacts *ret_facts,
                GError **error)
{
    GError *refusal = NULL, *parsing = NULL;
    Signature signature = {0};
    Attest attest = {0};

    if (!read_attest(quote->attest, &attest, &parsing) ||
        !read_signature(quote->signature, &signature, &parsing))
        return fail_malformed(parsing, error);

    refusal = g_error_new_literal(CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED, "");
    if (attest.magic != TPM2_GENERATED_VALUE)
        cvs_error_add_reason(refusal, CVS_REASON_TPM_QUOTE_MAGIC, NULL, NULL,
                             "what was signed was not made by a TPM");
    if (attest.type != TPM2_ST_ATTEST_QUOTE)
        cvs_error_add_reason(refusal, CVS_REASON_TPM_QUOTE_TYPE, NULL, NULL,
                             "what was signed is no quote");
    judge_signer(&attest, wanted, refusal);
    if (!reader_equals(&attest.extra, wanted->nonce, wanted->nonce_size))
        add_bytes_reason(refusal, CVS_REASON_TPM_QUOTE_NONCE, &attest.extra, wanted->nonce,
                         wanted->nonce_size, "the quote is not the answer to this request");
    if (attest.is_quote) {
        judge_selection(&attest, quote, wanted, refusal);
        judge_digest(&attest, &signature, &quote->values, refusal);
    }
    judge_signature(quote, &signature, wanted->ak, refusal);
    if (!end(refusal, error))
        return FALSE;
    *ret_facts = (CvsQuoteFacts){.clock = attest.clock, .firmware = attest.firmware};
    return TRUE;
}
