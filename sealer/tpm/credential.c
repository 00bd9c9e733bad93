/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/credential.h"
#include "base/error.h"
#include "base/writer.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rsa.h>
#include <string.h>
#include <tss2/tss2_tpm2_types.h>

#define COORDINATE_MAX 48
#define RSA_MAX 512

/* Labels with the zero at their end, which belongs to them (Part 1, 11.4.10). */
static const char identity_label[] = "IDENTITY";
static const char storage_label[] = "STORAGE";
static const char integrity_label[] = "INTEGRITY";

void
cvs_credential_clear(CvsCredential *credential)
{
    g_clear_pointer(&credential->id_object, g_bytes_unref);
    g_clear_pointer(&credential->encrypted_secret, g_bytes_unref);
}

static const char *
hash_for_openssl(CvsHash hash)
{
    switch (hash) {
    case CVS_SHA384:
        return "SHA384";
    case CVS_SHA512:
        return "SHA512";
    default:
        return "SHA256";
    }
}

/* KDFa (Part 1, 11.4.10.2) for at most one digest, which is all that is needed here. */
static CvsSecret *
kdf_a(CvsHash hash, const CvsSecret *key, const char *label, gsize label_size,
      const CvsName *context, gsize size)
{
    CvsSecret *out = cvs_secret_new(cvs_hash_size(hash));
    g_auto(CvsWriter) data = {0};

    cvs_writer_init(&data);
    cvs_writer_u32_be(&data, 1);
    cvs_writer_bytes(&data, label, label_size);
    if (context != NULL)
        cvs_writer_bytes(&data, context->bytes, context->size);
    cvs_writer_u32_be(&data, (guint32)(8 * size));
    cvs_hmac(hash, cvs_secret_peek(key), cvs_secret_size(key), cvs_writer_data(&data),
             cvs_writer_size(&data), cvs_secret_data(out));
    cvs_secret_truncate(out, size);
    return out;
}

/* KDFe (Part 1, 11.4.10.3) for one digest. */
static CvsSecret *
kdf_e(CvsHash hash, const CvsSecret *z, const guint8 *party_u, const guint8 *party_v,
      gsize coordinate_size)
{
    static const guint8 counter[4] = {0, 0, 0, 1};
    g_autoptr(CvsHasher) hasher = cvs_hasher_new(hash);
    CvsSecret *out = cvs_secret_new(cvs_hash_size(hash));

    cvs_hasher_update(hasher, counter, sizeof counter);
    cvs_hasher_update(hasher, cvs_secret_peek(z), cvs_secret_size(z));
    cvs_hasher_update(hasher, identity_label, sizeof identity_label);
    cvs_hasher_update(hasher, party_u, coordinate_size);
    cvs_hasher_update(hasher, party_v, coordinate_size);
    cvs_hasher_finish(hasher, cvs_secret_data(out));
    return out;
}

static gboolean
fail_openssl(GError **error)
{
    ERR_clear_error();
    g_set_error(error, CVS_ERROR, CVS_ERROR_FAILED,
                "OpenSSL cannot encrypt to the endorsement key");
    return FALSE;
}

/* Part 1, B.10.4: a random seed, by OAEP with the key's own hash. */
static gboolean
share_rsa(const CvsPublicArea *ek, CvsSecret **ret_seed, CvsWriter *encrypted, GError **error)
{
    const char *hash = hash_for_openssl(ek->name_alg);
    g_autoptr(CvsSecret) seed = cvs_secret_new_random(cvs_hash_size(ek->name_alg), error);
    EVP_PKEY_CTX *ctx = NULL;
    guint8 out[RSA_MAX];
    size_t size = sizeof out;
    void *label = NULL;
    gboolean ok = FALSE;

    if (seed == NULL)
        return FALSE;
    ctx = EVP_PKEY_CTX_new_from_pkey(NULL, ek->key, NULL);
    label = OPENSSL_memdup(identity_label, sizeof identity_label);
    ok = ctx != NULL && label != NULL && EVP_PKEY_encrypt_init(ctx) == 1 &&
         EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_OAEP_PADDING) == 1 &&
         EVP_PKEY_CTX_set_rsa_oaep_md_name(ctx, hash, NULL) == 1 &&
         EVP_PKEY_CTX_set_rsa_mgf1_md_name(ctx, hash, NULL) == 1;
    if (ok && EVP_PKEY_CTX_set0_rsa_oaep_label(ctx, label, sizeof identity_label) == 1)
        label = NULL; /* the context's now */
    ok = ok && label == NULL &&
         EVP_PKEY_encrypt(ctx, out, &size, cvs_secret_peek(seed), cvs_secret_size(seed)) == 1;
    OPENSSL_free(label);
    EVP_PKEY_CTX_free(ctx);
    if (!ok)
        return fail_openssl(error);
    cvs_writer_u16_be(encrypted, (guint16)size);
    cvs_writer_bytes(encrypted, out, size);
    *ret_seed = g_steal_pointer(&seed);
    return TRUE;
}

static gboolean
get_coordinate(EVP_PKEY *key, const char *param, guint8 *dest, gsize size)
{
    BIGNUM *number = NULL;
    gboolean ok = EVP_PKEY_get_bn_param(key, param, &number) == 1 &&
                  BN_bn2binpad(number, dest, (int)size) == (int)size;

    BN_free(number);
    return ok;
}

static CvsSecret *
derive(EVP_PKEY *own, EVP_PKEY *peer, gsize size)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_pkey(NULL, own, NULL);
    g_autoptr(CvsSecret) z = cvs_secret_new(size);
    size_t got = size;
    gboolean ok = ctx != NULL && EVP_PKEY_derive_init(ctx) == 1 &&
                  EVP_PKEY_derive_set_peer(ctx, peer) == 1 &&
                  EVP_PKEY_derive(ctx, cvs_secret_data(z), &got) == 1 && got == size;

    EVP_PKEY_CTX_free(ctx);
    return ok ? g_steal_pointer(&z) : NULL;
}

/* Part 1, C.6.4: ECDH with a key that is made for this once. */
static gboolean
share_ecc(const CvsPublicArea *ek, CvsSecret **ret_seed, CvsWriter *encrypted, GError **error)
{
    guint8 x[COORDINATE_MAX], y[COORDINATE_MAX], ek_x[COORDINATE_MAX];
    gsize size = (gsize)(EVP_PKEY_get_bits(ek->key) + 7) / 8;
    g_autoptr(CvsSecret) z = NULL;
    EVP_PKEY *ephemeral = NULL;
    char group[32] = "";
    gboolean ok =
        size <= COORDINATE_MAX && EVP_PKEY_get_group_name(ek->key, group, sizeof group, NULL) == 1;

    if (ok)
        ephemeral = EVP_PKEY_Q_keygen(NULL, NULL, "EC", group);
    ok = ephemeral != NULL && get_coordinate(ephemeral, OSSL_PKEY_PARAM_EC_PUB_X, x, size) &&
         get_coordinate(ephemeral, OSSL_PKEY_PARAM_EC_PUB_Y, y, size) &&
         get_coordinate(ek->key, OSSL_PKEY_PARAM_EC_PUB_X, ek_x, size);
    if (ok)
        z = derive(ephemeral, ek->key, size);
    EVP_PKEY_free(ephemeral);
    if (z == NULL)
        return fail_openssl(error);
    /* TPM2B around a TPMS_ECC_POINT */
    cvs_writer_u16_be(encrypted, (guint16)(2 * (2 + size)));
    cvs_writer_u16_be(encrypted, (guint16)size);
    cvs_writer_bytes(encrypted, x, size);
    cvs_writer_u16_be(encrypted, (guint16)size);
    cvs_writer_bytes(encrypted, y, size);
    *ret_seed = kdf_e(ek->name_alg, z, x, ek_x, size);
    return TRUE;
}

/* AES-CFB from an initialization vector of zeros: the key is used once. */
static gboolean
encrypt(const CvsSecret *key, const CvsSecret *plain, guint8 *ret_cipher)
{
    static const guint8 zeros[16];
    g_autofree char *name = g_strdup_printf("AES-%zu-CFB", 8 * cvs_secret_size(key));
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();
    int size = 0;
    gboolean ok = cipher != NULL && ctx != NULL &&
                  EVP_EncryptInit_ex2(ctx, cipher, cvs_secret_peek(key), zeros, NULL) == 1 &&
                  EVP_EncryptUpdate(ctx, ret_cipher, &size, cvs_secret_peek(plain),
                                    (int)cvs_secret_size(plain)) == 1 &&
                  size == (int)cvs_secret_size(plain);

    EVP_CIPHER_CTX_free(ctx);
    EVP_CIPHER_free(cipher);
    return ok;
}

/* TPM2B_ID_OBJECT: the HMAC and the encrypted TPM2B_DIGEST (Part 1, 24.4 and 24.5). */
static gboolean
wrap(const CvsPublicArea *ek, const CvsName *name, const CvsSecret *seed, const CvsSecret *secret,
     CvsWriter *object, GError **error)
{
    const gsize hash_size = cvs_hash_size(ek->name_alg), size = cvs_secret_size(secret);
    g_autoptr(CvsSecret) key =
        kdf_a(ek->name_alg, seed, storage_label, sizeof storage_label, name, ek->aes_bits / 8u);
    g_autoptr(CvsSecret) hmac_key =
        kdf_a(ek->name_alg, seed, integrity_label, sizeof integrity_label, NULL, hash_size);
    g_autoptr(CvsSecret) plain = cvs_secret_new(2 + size);
    guint8 cipher[2 + CVS_DIGEST_MAX], mac[CVS_DIGEST_MAX];
    g_auto(CvsWriter) signed_part = {0};

    cvs_secret_data(plain)[1] = (guint8)size;
    memcpy(cvs_secret_data(plain) + 2, cvs_secret_peek(secret), size);
    if (!encrypt(key, plain, cipher))
        return fail_openssl(error);
    cvs_writer_init(&signed_part);
    cvs_writer_bytes(&signed_part, cipher, 2 + size);
    cvs_writer_bytes(&signed_part, name->bytes, name->size);
    cvs_hmac(ek->name_alg, cvs_secret_peek(hmac_key), hash_size, cvs_writer_data(&signed_part),
             cvs_writer_size(&signed_part), mac);
    cvs_writer_u16_be(object, (guint16)(2 + hash_size + 2 + size));
    cvs_writer_u16_be(object, (guint16)hash_size);
    cvs_writer_bytes(object, mac, hash_size);
    cvs_writer_bytes(object, cipher, 2 + size);
    return TRUE;
}

gboolean
cvs_credential_make(const CvsPublicArea *ek, const CvsName *name, const CvsSecret *secret,
                    CvsCredential *ret_credential, GError **error)
{
    const guint32 needed = TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT;
    g_auto(CvsWriter) object = {0}, encrypted = {0};
    g_autoptr(CvsSecret) seed = NULL;

    if ((ek->attributes & needed) != needed || ek->aes_bits == 0) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "the endorsement key is no storage key: no challenge can be made for it");
        return FALSE;
    }
    if (cvs_secret_size(secret) > cvs_hash_size(ek->name_alg)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "a challenge for this endorsement key holds at most %zu bytes, not %zu",
                    cvs_hash_size(ek->name_alg), cvs_secret_size(secret));
        return FALSE;
    }
    cvs_writer_init(&object);
    cvs_writer_init(&encrypted);
    if (!(ek->type == TPM2_ALG_RSA ? share_rsa(ek, &seed, &encrypted, error)
                                   : share_ecc(ek, &seed, &encrypted, error)) ||
        !wrap(ek, name, seed, secret, &object, error))
        return FALSE;
    ret_credential->id_object = cvs_writer_steal(&object);
    ret_credential->encrypted_secret = cvs_writer_steal(&encrypted);
    return TRUE;
}
