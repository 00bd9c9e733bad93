/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/crypto-callbacks.h"
#include "config.h"

#if CVS_HAVE_ESYS_CRYPTO_CALLBACKS

#include "base/digest.h"
#include "tpm/wire.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/rsa.h>
#include <string.h>
#include <sys/random.h>
#include <tss2/tss2_mu.h>

#define FIELD_MAX 66 /* bytes of a coordinate on the largest curve, P-521 */

/* What OpenSSL can prepare once. */
typedef struct {
    EVP_CIPHER *aes_128_cfb;
    EVP_CIPHER *aes_256_cfb;
} Prepared;

/* With its own library context missing an algorithm, OpenSSL can only be broken or out of memory.
 */
static void *
needed(void *pointer, const char *what)
{
    if (pointer == NULL)
        g_error("OpenSSL has no %s", what);
    return pointer;
}

static const Prepared *
prepared(void)
{
    static Prepared all;
    static gsize once;

    if (g_once_init_enter(&once)) {
        all.aes_128_cfb = needed(EVP_CIPHER_fetch(NULL, "AES-128-CFB", NULL), "AES-128-CFB");
        all.aes_256_cfb = needed(EVP_CIPHER_fetch(NULL, "AES-256-CFB", NULL), "AES-256-CFB");
        g_once_init_leave(&once, 1);
    }
    return &all;
}

/* ESYS's opaque contexts: one type for both, so that nothing is cast to the wrong one. */
typedef struct {
    CvsHash hash;
    CvsHasher *hasher; /* of a hash */
    CvsMac *mac;       /* of an HMAC */
} Context;

static Context *
context_cast(ESYS_CRYPTO_CONTEXT_BLOB *blob)
{
    return (Context *)(void *)blob;
}

static void
context_abort(ESYS_CRYPTO_CONTEXT_BLOB **blob, void *userdata)
{
    Context *context = blob ? context_cast(*blob) : NULL;

    if (context == NULL)
        return;
    g_clear_pointer(&context->hasher, cvs_hasher_free);
    g_clear_pointer(&context->mac, cvs_mac_free);
    g_free(context);
    *blob = NULL;
}

static TSS2_RC
context_new(ESYS_CRYPTO_CONTEXT_BLOB **blob, TPM2_ALG_ID alg)
{
    CvsHash hash = CVS_SHA256;
    Context *context = NULL;

    if (!cvs_hash_from_tpm(alg, &hash))
        return TSS2_ESYS_RC_NOT_IMPLEMENTED;
    context = g_new0(Context, 1);
    context->hash = hash;
    *blob = (ESYS_CRYPTO_CONTEXT_BLOB *)(void *)context;
    return TSS2_RC_SUCCESS;
}

static TSS2_RC
hash_start(ESYS_CRYPTO_CONTEXT_BLOB **blob, TPM2_ALG_ID alg, void *userdata)
{
    TSS2_RC rc = context_new(blob, alg);

    if (rc == TSS2_RC_SUCCESS)
        context_cast(*blob)->hasher = cvs_hasher_new(context_cast(*blob)->hash);
    return rc;
}

static TSS2_RC
hash_update(ESYS_CRYPTO_CONTEXT_BLOB *blob, const uint8_t *data, size_t size, void *userdata)
{
    cvs_hasher_update(context_cast(blob)->hasher, data, size);
    return TSS2_RC_SUCCESS;
}

static TSS2_RC
hash_finish(ESYS_CRYPTO_CONTEXT_BLOB **blob, uint8_t *digest, size_t *size, void *userdata)
{
    Context *context = context_cast(*blob);

    cvs_hasher_finish(context->hasher, digest);
    *size = cvs_hash_size(context->hash);
    context_abort(blob, NULL);
    return TSS2_RC_SUCCESS;
}

static TSS2_RC
hmac_start(ESYS_CRYPTO_CONTEXT_BLOB **blob, TPM2_ALG_ID alg, const uint8_t *key, size_t size,
           void *userdata)
{
    TSS2_RC rc = context_new(blob, alg);

    if (rc == TSS2_RC_SUCCESS)
        context_cast(*blob)->mac = cvs_mac_new(context_cast(*blob)->hash, key, size);
    return rc;
}

static TSS2_RC
hmac_update(ESYS_CRYPTO_CONTEXT_BLOB *blob, const uint8_t *data, size_t size, void *userdata)
{
    cvs_mac_update(context_cast(blob)->mac, data, size);
    return TSS2_RC_SUCCESS;
}

static TSS2_RC
hmac_finish(ESYS_CRYPTO_CONTEXT_BLOB **blob, uint8_t *digest, size_t *size, void *userdata)
{
    Context *context = context_cast(*blob);

    cvs_mac_finish(context->mac, digest);
    *size = cvs_hash_size(context->hash);
    context_abort(blob, NULL);
    return TSS2_RC_SUCCESS;
}

static TSS2_RC
get_random(TPM2B_NONCE *nonce, size_t size, void *userdata)
{
    if (size == 0)
        size = sizeof nonce->buffer;
    if (size > sizeof nonce->buffer)
        return TSS2_ESYS_RC_BAD_VALUE;
    /* Up to 256 bytes come whole, once the kernel's generator has been seeded. */
    if (getrandom(nonce->buffer, size, 0) != (gssize)size)
        return TSS2_ESYS_RC_GENERAL_FAILURE;
    nonce->size = (UINT16)size;
    return TSS2_RC_SUCCESS;
}

static TSS2_RC
aes_cfb(int encrypt, const guint8 *key, TPM2_ALG_ID alg, TPMI_AES_KEY_BITS bits, TPM2_ALG_ID mode,
        guint8 *data, gsize size, const guint8 *iv)
{
    const EVP_CIPHER *cipher = bits == 128   ? prepared()->aes_128_cfb
                               : bits == 256 ? prepared()->aes_256_cfb
                                             : NULL;
    EVP_CIPHER_CTX *ctx = NULL;
    int n = 0;
    gboolean ok = FALSE;

    if (alg != TPM2_ALG_AES || mode != TPM2_ALG_CFB || cipher == NULL || size > G_MAXINT)
        return TSS2_ESYS_RC_NOT_IMPLEMENTED;
    ctx = needed(EVP_CIPHER_CTX_new(), "cipher context");
    ok = EVP_CipherInit_ex2(ctx, cipher, key, iv, encrypt, NULL) > 0 &&
         EVP_CipherUpdate(ctx, data, &n, data, (int)size) > 0 && (gsize)n == size;
    EVP_CIPHER_CTX_free(ctx);
    return ok ? TSS2_RC_SUCCESS : TSS2_ESYS_RC_GENERAL_FAILURE;
}

static TSS2_RC
aes_encrypt(uint8_t *key, TPM2_ALG_ID alg, TPMI_AES_KEY_BITS bits, TPM2_ALG_ID mode, uint8_t *data,
            size_t size, uint8_t *iv, void *userdata)
{
    return aes_cfb(1, key, alg, bits, mode, data, size, iv);
}

static TSS2_RC
aes_decrypt(uint8_t *key, TPM2_ALG_ID alg, TPMI_AES_KEY_BITS bits, TPM2_ALG_ID mode, uint8_t *data,
            size_t size, uint8_t *iv, void *userdata)
{
    return aes_cfb(0, key, alg, bits, mode, data, size, iv);
}

/* Our sessions never ask for SM4, but ESYS wants the callback. */
static TSS2_RC
no_sm4(uint8_t *key, TPM2_ALG_ID alg, TPMI_SM4_KEY_BITS bits, TPM2_ALG_ID mode, uint8_t *data,
       size_t size, uint8_t *iv, void *userdata)
{
    return TSS2_ESYS_RC_NOT_IMPLEMENTED;
}

static const struct {
    TPM2_ECC_CURVE id;
    const char *name;
    gsize field_size;
} curves[] = {
    {TPM2_ECC_NIST_P256, "P-256", 32},
    {TPM2_ECC_NIST_P384, "P-384", 48},
    {TPM2_ECC_NIST_P521, "P-521", 66},
};

/* A coordinate, with the leading zeros that a TPM may leave out. */
static gboolean
pad_coordinate(const TPM2B_ECC_PARAMETER *value, guint8 *out, gsize size)
{
    if (value->size > size)
        return FALSE;
    memset(out, 0, size - value->size);
    memcpy(out + size - value->size, value->buffer, value->size);
    return TRUE;
}

static EVP_PKEY *
ec_public_key(const char *curve, const TPMS_ECC_POINT *point, gsize field_size)
{
    guint8 encoded[1 + 2 * FIELD_MAX] = {POINT_CONVERSION_UNCOMPRESSED};
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, (char *)curve, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, encoded, 1 + 2 * field_size),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY *key = NULL;
    EVP_PKEY_CTX *ctx = NULL;

    if (!pad_coordinate(&point->x, encoded + 1, field_size) ||
        !pad_coordinate(&point->y, encoded + 1 + field_size, field_size))
        return NULL;
    ctx = needed(EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL), "EC");
    /* Refuses a point that is not on the curve. */
    if (EVP_PKEY_fromdata_init(ctx) <= 0 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) <= 0)
        key = NULL;
    EVP_PKEY_CTX_free(ctx);
    return key;
}

static gboolean
derive(EVP_PKEY *own, EVP_PKEY *peer, gsize field_size, TPM2B_ECC_PARAMETER *ret_z)
{
    EVP_PKEY_CTX *ctx = needed(EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL), "ECDH");
    gsize size = field_size;
    gboolean ok = EVP_PKEY_derive_init(ctx) > 0 && EVP_PKEY_derive_set_peer(ctx, peer) > 0 &&
                  EVP_PKEY_derive(ctx, ret_z->buffer, &size) > 0 && size == field_size;

    EVP_PKEY_CTX_free(ctx);
    ret_z->size = (UINT16)field_size;
    return ok;
}

static gboolean
public_point(EVP_PKEY *key, gsize field_size, TPMS_ECC_POINT *ret_point)
{
    guint8 encoded[1 + 2 * FIELD_MAX];
    gsize size = 0;

    if (EVP_PKEY_get_octet_string_param(key, OSSL_PKEY_PARAM_PUB_KEY, encoded, sizeof encoded,
                                        &size) <= 0 ||
        size != 1 + 2 * field_size || encoded[0] != POINT_CONVERSION_UNCOMPRESSED)
        return FALSE;
    ret_point->x.size = (UINT16)field_size;
    memcpy(ret_point->x.buffer, encoded + 1, field_size);
    ret_point->y.size = (UINT16)field_size;
    memcpy(ret_point->y.buffer, encoded + 1 + field_size, field_size);
    return TRUE;
}

/* One-pass ECDH with an ephemeral key (Part 1, annex C.6.1): Z, the ephemeral public point Q, and Q
 * marshalled. */
static TSS2_RC
get_ecdh_point(TPM2B_PUBLIC *key, size_t max_size, TPM2B_ECC_PARAMETER *ret_z,
               TPMS_ECC_POINT *ret_q, BYTE *out, size_t *ret_size, void *userdata)
{
    const TPMT_PUBLIC *area = &key->publicArea;
    EVP_PKEY *peer = NULL, *own = NULL;
    TSS2_RC rc = TSS2_ESYS_RC_GENERAL_FAILURE;
    gsize offset = 0;
    gsize i = 0;

    while (i < G_N_ELEMENTS(curves) && curves[i].id != area->parameters.eccDetail.curveID)
        i++;
    if (i == G_N_ELEMENTS(curves))
        return TSS2_ESYS_RC_NOT_IMPLEMENTED;

    peer = ec_public_key(curves[i].name, &area->unique.ecc, curves[i].field_size);
    own = peer ? EVP_EC_gen(curves[i].name) : NULL;
    if (own != NULL && derive(own, peer, curves[i].field_size, ret_z) &&
        public_point(own, curves[i].field_size, ret_q))
        rc = Tss2_MU_TPMS_ECC_POINT_Marshal(ret_q, out, max_size, &offset);
    if (rc == TSS2_RC_SUCCESS)
        *ret_size = offset;
    EVP_PKEY_free(own);
    EVP_PKEY_free(peer);
    return rc;
}

static EVP_PKEY *
rsa_public_key(const TPMT_PUBLIC *area)
{
    guint32 exponent = area->parameters.rsaDetail.exponent;
    EVP_PKEY_CTX *ctx = needed(EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL), "RSA");
    OSSL_PARAM_BLD *builder = needed(OSSL_PARAM_BLD_new(), "parameters");
    BIGNUM *n = needed(BN_bin2bn(area->unique.rsa.buffer, area->unique.rsa.size, NULL), "numbers");
    OSSL_PARAM *params = NULL;
    EVP_PKEY *key = NULL;

    /* 0 stands for the default (Part 2, 12.2.3.5). */
    if (OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) > 0 &&
        OSSL_PARAM_BLD_push_uint32(builder, OSSL_PKEY_PARAM_RSA_E,
                                   exponent != 0 ? exponent : 65537) > 0)
        params = OSSL_PARAM_BLD_to_param(builder);
    if (params == NULL || EVP_PKEY_fromdata_init(ctx) <= 0 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) <= 0)
        key = NULL;
    OSSL_PARAM_free(params);
    BN_free(n);
    OSSL_PARAM_BLD_free(builder);
    EVP_PKEY_CTX_free(ctx);
    return key;
}

/* RSAES-OAEP with the key's name algorithm; the label ends in its NUL (Part 1, annex B.4). ESYS
 * asks for it alone, to encrypt a salt. */
static TSS2_RC
rsa_encrypt(TPM2B_PUBLIC *key, size_t in_size, BYTE *in, size_t max_size, BYTE *out,
            size_t *ret_size, const char *label, void *userdata)
{
    const TPMT_PUBLIC *area = &key->publicArea;
    CvsHash hash = CVS_SHA256;
    gsize label_size = strlen(label) + 1;
    EVP_PKEY *pkey = NULL;
    EVP_PKEY_CTX *ctx = NULL;
    gsize size = max_size;
    gboolean ok = FALSE;

    if (area->parameters.rsaDetail.scheme.scheme != TPM2_ALG_OAEP ||
        !cvs_hash_from_tpm(area->nameAlg, &hash))
        return TSS2_ESYS_RC_NOT_IMPLEMENTED;
    pkey = rsa_public_key(area);
    if (pkey == NULL)
        return TSS2_ESYS_RC_GENERAL_FAILURE;
    ctx = needed(EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL), "RSA");
    if (EVP_PKEY_encrypt_init(ctx) > 0 &&
        EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) > 0 &&
        EVP_PKEY_CTX_set_rsa_oaep_md_name(ctx, cvs_hash_name(hash), NULL) > 0) {
        void *copy = OPENSSL_memdup(label, label_size); /* the context frees it */

        if (EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, copy, (int)label_size) > 0)
            ok = EVP_PKEY_encrypt(ctx, out, &size, in, in_size) > 0;
        else
            OPENSSL_free(copy);
    }
    EVP_PKEY_CTX_free(ctx);
    EVP_PKEY_free(pkey);
    if (!ok)
        return TSS2_ESYS_RC_GENERAL_FAILURE;
    *ret_size = size;
    return TSS2_RC_SUCCESS;
}

static TSS2_RC
init(void *userdata)
{
    (void)prepared();
    return TSS2_RC_SUCCESS;
}

TSS2_RC
cvs_crypto_callbacks_install(ESYS_CONTEXT *esys)
{
    ESYS_CRYPTO_CALLBACKS callbacks = {
        .rsa_pk_encrypt = rsa_encrypt,
        .hash_start = hash_start,
        .hash_update = hash_update,
        .hash_finish = hash_finish,
        .hash_abort = context_abort,
        .hmac_start = hmac_start,
        .hmac_update = hmac_update,
        .hmac_finish = hmac_finish,
        .hmac_abort = context_abort,
        .get_random2b = get_random,
        .get_ecdh_point = get_ecdh_point,
        .aes_encrypt = aes_encrypt,
        .aes_decrypt = aes_decrypt,
        .sm4_encrypt = no_sm4,
        .sm4_decrypt = no_sm4,
        .init = init,
    };

    return Esys_SetCryptoCallbacks(esys, &callbacks);
}

#else

TSS2_RC
cvs_crypto_callbacks_install(ESYS_CONTEXT *esys)
{
    return TSS2_RC_SUCCESS;
}

#endif
