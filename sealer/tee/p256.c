/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/p256.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include <string.h>

EVP_PKEY *
cvs_p256_key_new(const guint8 point[static 64])
{
    guint8 uncompressed[65] = {0x04};
    char group[] = "prime256v1";
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, uncompressed,
                                          sizeof(uncompressed)),
        OSSL_PARAM_construct_end(),
    };
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    EVP_PKEY *key = NULL;

    /* fromdata checks that the point is on the curve. */
    memcpy(uncompressed + 1, point, 64);
    if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
        EVP_PKEY_fromdata(ctx, &key, EVP_PKEY_PUBLIC_KEY, params) != 1) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    EVP_PKEY_CTX_free(ctx);
    ERR_clear_error();
    return key;
}

gboolean
cvs_p256_is_key(const EVP_PKEY *key)
{
    char group[32] = "";

    return key && EVP_PKEY_is_a(key, "EC") &&
           EVP_PKEY_get_group_name(key, group, sizeof(group), NULL) == 1 &&
           g_str_equal(group, "prime256v1");
}

/* SEQUENCE { INTEGER r, INTEGER s } */
static gsize
encode_signature(const guint8 *raw, guint8 der[static 72])
{
    gsize size = 2;

    for (guint i = 0; i < 2; i++) {
        const guint8 *number = raw + 32 * i;
        gsize length = 32;

        while (length > 1 && *number == 0) {
            number++;
            length--;
        }
        der[size++] = 0x02;
        der[size++] = (guint8)(length + (*number >> 7));
        if (*number & 0x80)
            der[size++] = 0;
        memcpy(der + size, number, length);
        size += length;
    }
    der[0] = 0x30;
    der[1] = (guint8)(size - 2);
    return size;
}

gboolean
cvs_p256_verify(EVP_PKEY *key, const void *data, gsize size, const guint8 signature[static 64])
{
    guint8 der[72];
    gsize der_size = encode_signature(signature, der);
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    gboolean good = FALSE;

    good = ctx && cvs_p256_is_key(key) &&
           EVP_DigestVerifyInit_ex(ctx, NULL, "SHA256", NULL, NULL, key, NULL) == 1 &&
           EVP_DigestVerify(ctx, der, der_size, data, size) == 1;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return good;
}
