/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/public-area.h"
#include "base/error.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/params.h>
#include <string.h>
#include <tss2/tss2_tpm2_types.h>

#define RSA_MODULUS_MAX 512
#define COORDINATE_MAX 48

static const struct {
    guint16 alg;
    CvsHash hash;
} hashes[] = {
    {TPM2_ALG_SHA256, CVS_SHA256},
    {TPM2_ALG_SHA384, CVS_SHA384},
    {TPM2_ALG_SHA512, CVS_SHA512},
};

static const struct {
    guint16 curve;
    const char *group;
    gsize size;
} curves[] = {
    {TPM2_ECC_NIST_P256, "prime256v1", 32},
    {TPM2_ECC_NIST_P384, "secp384r1", 48},
};

static gboolean
unfit(const char *what, const char *field, guint value, GError **error)
{
    g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: %s 0x%x is not allowed", what, field,
                value);
    return FALSE;
}

/* TPMT_SYM_DEF_OBJECT: none, or the only one that a storage key may have here. */
static gboolean
read_symmetric(CvsReader *reader, CvsPublicArea *area, const char *what, GError **error)
{
    guint16 symmetric = cvs_reader_u16_be(reader), mode = 0;

    if (symmetric == TPM2_ALG_NULL || !cvs_reader_ok(reader))
        return TRUE;
    area->aes_bits = cvs_reader_u16_be(reader);
    mode = cvs_reader_u16_be(reader);
    if (!cvs_reader_ok(reader))
        return TRUE;
    if (symmetric != TPM2_ALG_AES)
        return unfit(what, "the symmetric cipher", symmetric, error);
    if (area->aes_bits != 128 && area->aes_bits != 192 && area->aes_bits != 256)
        return unfit(what, "AES of bits", area->aes_bits, error);
    return mode == TPM2_ALG_CFB || unfit(what, "the cipher's mode", mode, error);
}

/* TPMT_RSA_SCHEME, TPMT_ECC_SCHEME */
static gboolean
read_scheme(CvsReader *reader, CvsPublicArea *area, const char *what, GError **error)
{
    area->scheme = cvs_reader_u16_be(reader);
    area->scheme_hash = TPM2_ALG_NULL;
    switch (area->scheme) {
    case TPM2_ALG_NULL:
    case TPM2_ALG_RSAES:
        return TRUE;
    case TPM2_ALG_RSASSA:
    case TPM2_ALG_RSAPSS:
    case TPM2_ALG_OAEP:
    case TPM2_ALG_ECDSA:
    case TPM2_ALG_ECDH:
        area->scheme_hash = cvs_reader_u16_be(reader);
        return TRUE;
    default:
        return !cvs_reader_ok(reader) || unfit(what, "the scheme", area->scheme, error);
    }
}

static EVP_PKEY *
key_from_params(const char *type, OSSL_PARAM *params)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    EVP_PKEY *key = NULL;

    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();
    return key;
}

static EVP_PKEY *
rsa_key(const guint8 *modulus, gsize size)
{
    BIGNUM *n = BN_bin2bn(modulus, (int)size, NULL), *e = BN_new();
    OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    OSSL_PARAM *params = NULL;
    EVP_PKEY *key = NULL;

    if (n != NULL && e != NULL && builder != NULL && BN_set_word(e, 65537) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, n) == 1 &&
        OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_E, e) == 1)
        params = OSSL_PARAM_BLD_to_param(builder);
    if (params != NULL)
        key = key_from_params("RSA", params);
    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(builder);
    BN_free(n);
    BN_free(e);
    return key;
}

/* TPMS_RSA_PARMS and TPM2B_PUBLIC_KEY_RSA */
static gboolean
read_rsa(CvsReader *reader, CvsPublicArea *area, const char *what, GError **error)
{
    guint16 bits = 0, size = 0;
    guint32 exponent = 0;
    const guint8 *modulus = NULL;

    if (!read_symmetric(reader, area, what, error) || !read_scheme(reader, area, what, error))
        return FALSE;
    bits = cvs_reader_u16_be(reader);
    exponent = cvs_reader_u32_be(reader);
    area->unique_at = cvs_reader_pos(reader);
    size = cvs_reader_u16_be(reader);
    modulus = cvs_reader_bytes(reader, size);
    if (!cvs_reader_finish(reader, what, error))
        return FALSE;
    if (bits != 2048 && bits != 3072 && bits != 4096)
        return unfit(what, "a key of bits", bits, error);
    /* 0: the TPM's default, which is the same. */
    if (exponent != 0 && exponent != 65537)
        return unfit(what, "the exponent", exponent, error);
    /* Of full length and odd, as every product of two large primes that a TPM makes. */
    if (size != bits / 8 || !(modulus[0] & 0x80) || !(modulus[size - 1] & 1))
        return unfit(what, "a modulus of bytes", size, error);
    area->key = rsa_key(modulus, size);
    return area->key != NULL || unfit(what, "a modulus of bytes", size, error);
}

static EVP_PKEY *
ecc_key(const char *group_name, const guint8 *point, gsize size)
{
    char *group = g_strdup(group_name);
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, (guint8 *)point, size),
        OSSL_PARAM_construct_end(),
    };
    /* Checks that the point is on the curve. */
    EVP_PKEY *key = key_from_params("EC", params);

    g_free(group);
    return key;
}

/* A TPM2B_ECC_PARAMETER, right-aligned: some TPMs leave zeros at its start out. */
static gboolean
read_coordinate(CvsReader *reader, guint8 *dest, gsize size)
{
    guint16 got = cvs_reader_u16_be(reader);

    if (got > size) {
        (void)cvs_reader_skip(reader, got);
        return FALSE;
    }
    return cvs_reader_copy(reader, dest + size - got, got) && got > 0;
}

/* TPMS_ECC_PARMS and TPMS_ECC_POINT */
static gboolean
read_ecc(CvsReader *reader, CvsPublicArea *area, const char *what, GError **error)
{
    guint8 point[1 + 2 * COORDINATE_MAX] = {0x04};
    guint16 curve = 0, kdf = 0;
    gboolean good = FALSE;
    gsize i = 0;

    if (!read_symmetric(reader, area, what, error) || !read_scheme(reader, area, what, error))
        return FALSE;
    curve = cvs_reader_u16_be(reader);
    kdf = cvs_reader_u16_be(reader);
    area->unique_at = cvs_reader_pos(reader);
    for (i = 0; i < G_N_ELEMENTS(curves) && curves[i].curve != curve; i++)
        ;
    if (cvs_reader_ok(reader) && i == G_N_ELEMENTS(curves))
        return unfit(what, "the curve", curve, error);
    /* Part 2, 11.2.3.3: there is none for a key that encrypts for storage, signs, or attests. */
    if (cvs_reader_ok(reader) && kdf != TPM2_ALG_NULL)
        return unfit(what, "the KDF", kdf, error);
    if (cvs_reader_ok(reader)) {
        good = read_coordinate(reader, point + 1, curves[i].size);
        good = read_coordinate(reader, point + 1 + curves[i].size, curves[i].size) && good;
    }
    if (!cvs_reader_finish(reader, what, error))
        return FALSE;
    if (good)
        area->key = ecc_key(curves[i].group, point, 1 + 2 * curves[i].size);
    return area->key != NULL || unfit(what, "a point that is not on the curve", curve, error);
}

static gboolean
set_name_alg(CvsPublicArea *area, guint16 name_alg)
{
    for (gsize i = 0; i < G_N_ELEMENTS(hashes); i++) {
        if (hashes[i].alg == name_alg) {
            area->name_alg = hashes[i].hash;
            return TRUE;
        }
    }
    return FALSE;
}

static void
set_name(CvsName *name, CvsHash hash, CvsHasher *hasher)
{
    for (gsize i = 0; i < G_N_ELEMENTS(hashes); i++) {
        if (hashes[i].hash == hash) {
            name->bytes[0] = (guint8)(hashes[i].alg >> 8);
            name->bytes[1] = (guint8)hashes[i].alg;
        }
    }
    cvs_hasher_finish(hasher, name->bytes + 2);
    name->size = 2 + cvs_hash_size(hash);
}

CvsPublicArea *
cvs_public_area_parse(const void *data, gsize size, const char *what, GError **error)
{
    g_autoptr(CvsPublicArea) area = g_new0(CvsPublicArea, 1);
    g_autoptr(CvsHasher) hasher = NULL;
    guint16 name_alg = 0, policy_size = 0;
    CvsReader reader = {0};
    gboolean ok = FALSE;

    cvs_reader_init(&reader, data, size);
    area->type = cvs_reader_u16_be(&reader);
    name_alg = cvs_reader_u16_be(&reader);
    area->attributes = cvs_reader_u32_be(&reader);
    policy_size = cvs_reader_u16_be(&reader);
    (void)cvs_reader_skip(&reader, policy_size);
    if (!cvs_reader_ok(&reader)) {
        (void)cvs_reader_finish(&reader, what, error);
        return NULL;
    }
    if (!set_name_alg(area, name_alg)) {
        (void)unfit(what, "the Name's algorithm", name_alg, error);
        return NULL;
    }
    if (policy_size != 0 && policy_size != cvs_hash_size(area->name_alg)) {
        (void)unfit(what, "a policy of bytes", policy_size, error);
        return NULL;
    }
    if (area->type == TPM2_ALG_RSA)
        ok = read_rsa(&reader, area, what, error);
    else if (area->type == TPM2_ALG_ECC)
        ok = read_ecc(&reader, area, what, error);
    else
        ok = unfit(what, "the type", area->type, error);
    if (!ok)
        return NULL;
    area->bytes = g_bytes_new(data, size);
    hasher = cvs_hasher_new(area->name_alg);
    cvs_hasher_update(hasher, data, size);
    set_name(&area->name, area->name_alg, hasher);
    return g_steal_pointer(&area);
}

CvsPublicArea *
cvs_public_area_read(CvsReader *reader, const char *what, GError **error)
{
    guint16 size = cvs_reader_u16_be(reader);
    const guint8 *data = cvs_reader_bytes(reader, size);

    if (data == NULL) {
        (void)cvs_reader_finish(reader, what, error);
        return NULL;
    }
    return cvs_public_area_parse(data, size, what, error);
}

CvsPublicArea *
cvs_public_area_copy(const CvsPublicArea *area)
{
    CvsPublicArea *copy = g_memdup2(area, sizeof *area);

    (void)g_bytes_ref(copy->bytes);
    (void)EVP_PKEY_up_ref(copy->key);
    return copy;
}

void
cvs_public_area_free(CvsPublicArea *area)
{
    if (area == NULL)
        return;
    g_clear_pointer(&area->bytes, g_bytes_unref);
    EVP_PKEY_free(area->key);
    g_free(area);
}

gboolean
cvs_public_area_equal(const CvsPublicArea *a, const CvsPublicArea *b)
{
    gsize size = g_bytes_get_size(a->bytes);

    return size == g_bytes_get_size(b->bytes) &&
           cvs_equal_bytes(g_bytes_get_data(a->bytes, NULL), g_bytes_get_data(b->bytes, NULL),
                           size);
}

void
cvs_name_qualify(const void *parent, gsize parent_size, const CvsPublicArea *area,
                 CvsName *ret_qualified)
{
    g_autoptr(CvsHasher) hasher = cvs_hasher_new(area->name_alg);

    cvs_hasher_update(hasher, parent, parent_size);
    cvs_hasher_update(hasher, area->name.bytes, area->name.size);
    set_name(ret_qualified, area->name_alg, hasher);
}

gboolean
cvs_name_from_json(const json_t *object, const char *name, const char *what, CvsName *ret_name,
                   GError **error)
{
    g_autoptr(GBytes) bytes = cvs_json_get_bytes(object, name, 3, CVS_NAME_MAX, what, error);

    if (bytes == NULL)
        return FALSE;
    ret_name->size = g_bytes_get_size(bytes);
    memcpy(ret_name->bytes, g_bytes_get_data(bytes, NULL), ret_name->size);
    return TRUE;
}

gboolean
cvs_name_equal(const CvsName *a, const CvsName *b)
{
    return a->size > 0 && a->size == b->size && cvs_equal_bytes(a->bytes, b->bytes, a->size);
}
