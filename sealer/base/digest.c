/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/digest.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <string.h>

static const struct {
    const char *name;
    const char *openssl_name;
    gsize size;
} hashes[] = {
    [CVS_SHA1] = {"sha1", "SHA1", 20},
    [CVS_SHA256] = {"sha256", "SHA256", 32},
    [CVS_SHA384] = {"sha384", "SHA384", 48},
    [CVS_SHA512] = {"sha512", "SHA512", 64},
};

struct _CvsHasher {
    CvsHash hash;
    EVP_MD_CTX *ctx;
};

/* OpenSSL can only run out of memory in what this file asks of it. */
static void
must(int ok, const char *what)
{
    if (ok <= 0)
        g_error("OpenSSL failed at %s", what);
}

/* Fetching an algorithm costs more than hashing a page with it. */
static EVP_MD *
fetched(CvsHash hash)
{
    static EVP_MD *mds[G_N_ELEMENTS(hashes)];
    static gsize once;

    if (g_once_init_enter(&once)) {
        for (gsize i = 0; i < G_N_ELEMENTS(hashes); i++) {
            mds[i] = EVP_MD_fetch(NULL, hashes[i].openssl_name, NULL);
            must(mds[i] != NULL, hashes[i].openssl_name);
        }
        g_once_init_leave(&once, 1);
    }
    return mds[hash];
}

gsize
cvs_hash_size(CvsHash hash)
{
    return hashes[hash].size;
}

const char *
cvs_hash_name(CvsHash hash)
{
    return hashes[hash].name;
}

gboolean
cvs_hash_from_name(const char *name, CvsHash *ret_hash)
{
    for (gsize i = 0; i < G_N_ELEMENTS(hashes); i++) {
        if (g_str_equal(hashes[i].name, name)) {
            *ret_hash = (CvsHash)i;
            return TRUE;
        }
    }
    return FALSE;
}

void
cvs_hash_bytes(CvsHash hash, const void *data, gsize size, guint8 *digest)
{
    must(EVP_Digest(data, size, digest, NULL, fetched(hash), NULL), "a digest");
}

CvsHasher *
cvs_hasher_new(CvsHash hash)
{
    CvsHasher *hasher = g_new0(CvsHasher, 1);

    hasher->hash = hash;
    hasher->ctx = EVP_MD_CTX_new();
    must(hasher->ctx != NULL, "a digest context");
    must(EVP_DigestInit_ex2(hasher->ctx, fetched(hash), NULL), "a digest");
    return hasher;
}

void
cvs_hasher_update(CvsHasher *hasher, const void *data, gsize size)
{
    must(EVP_DigestUpdate(hasher->ctx, data, size), "a digest");
}

void
cvs_hasher_finish(CvsHasher *hasher, guint8 *digest)
{
    must(EVP_DigestFinal_ex(hasher->ctx, digest, NULL), "a digest");
    must(EVP_DigestInit_ex2(hasher->ctx, fetched(hasher->hash), NULL), "a digest");
}

void
cvs_hasher_free(CvsHasher *hasher)
{
    EVP_MD_CTX_free(hasher->ctx);
    g_free(hasher);
}

/* A context for each hash that has no key yet: copying one costs less than to tell HMAC by name
 * which hash it is to use. */
static const EVP_MAC_CTX *
prepared_mac(CvsHash hash)
{
    static EVP_MAC_CTX *macs[G_N_ELEMENTS(hashes)];
    static gsize once;

    if (g_once_init_enter(&once)) {
        EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);

        for (gsize i = 0; i < G_N_ELEMENTS(hashes); i++) {
            OSSL_PARAM params[] = {
                OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                                 (char *)hashes[i].openssl_name, 0),
                OSSL_PARAM_construct_end(),
            };

            macs[i] = EVP_MAC_CTX_new(hmac);
            must(macs[i] != NULL && EVP_MAC_CTX_set_params(macs[i], params) > 0, "HMAC");
        }
        EVP_MAC_free(hmac);
        g_once_init_leave(&once, 1);
    }
    return macs[hash];
}

/* The pointer is to nothing but an OpenSSL context. */
static EVP_MAC_CTX *
mac_ctx(CvsMac *self)
{
    return (EVP_MAC_CTX *)(void *)self;
}

CvsMac *
cvs_mac_new(CvsHash hash, const void *key, gsize key_size)
{
    EVP_MAC_CTX *ctx = EVP_MAC_CTX_dup(prepared_mac(hash));

    must(ctx != NULL, "an HMAC context");
    /* To OpenSSL no key at all means the key of before. */
    must(EVP_MAC_init(ctx, key_size > 0 ? key : "", key_size, NULL), "an HMAC");
    return (CvsMac *)(void *)ctx;
}

void
cvs_mac_update(CvsMac *self, const void *data, gsize size)
{
    must(EVP_MAC_update(mac_ctx(self), data, size), "an HMAC");
}

void
cvs_mac_finish(CvsMac *self, guint8 *mac)
{
    gsize size = 0;

    must(EVP_MAC_final(mac_ctx(self), mac, &size, CVS_DIGEST_MAX), "an HMAC");
}

void
cvs_mac_free(CvsMac *self)
{
    EVP_MAC_CTX_free(mac_ctx(self));
}

void
cvs_hmac(CvsHash hash, const void *key, gsize key_size, const void *data, gsize size, guint8 *mac)
{
    g_autoptr(CvsMac) self = cvs_mac_new(hash, key, key_size);

    cvs_mac_update(self, data, size);
    cvs_mac_finish(self, mac);
}

/* No salt is a salt of zeros, and HMAC fills up its key with those. */
CvsMac *
cvs_hkdf_extract(CvsHash hash)
{
    return cvs_mac_new(hash, NULL, 0);
}

CvsSecret *
cvs_hkdf_expand(CvsHash hash, CvsMac *extract, const void *info, gsize info_size, gsize size)
{
    g_autoptr(CvsSecret) okm = cvs_secret_new(size);
    gsize block_size = hashes[hash].size;
    guint8 block[CVS_DIGEST_MAX];
    CVS_WIPE_ON_RETURN(block);
    guint8 prk[CVS_DIGEST_MAX];
    CVS_WIPE_ON_RETURN(prk);

    g_return_val_if_fail(size <= 255 * block_size, NULL);

    cvs_mac_finish(extract, prk);
    for (gsize done = 0; done < size; done += block_size) {
        g_autoptr(CvsMac) mac = cvs_mac_new(hash, prk, block_size);
        guint8 counter = (guint8)(done / block_size + 1);

        if (done > 0)
            cvs_mac_update(mac, block, block_size);
        cvs_mac_update(mac, info, info_size);
        cvs_mac_update(mac, &counter, 1);
        cvs_mac_finish(mac, block);
        memcpy(cvs_secret_data(okm) + done, block, MIN(block_size, size - done));
    }
    return g_steal_pointer(&okm);
}

CvsSecret *
cvs_hkdf(CvsHash hash, const CvsSecret *ikm, const void *info, gsize info_size, gsize size)
{
    g_autoptr(CvsMac) extract = cvs_hkdf_extract(hash);

    cvs_mac_update(extract, cvs_secret_peek(ikm), cvs_secret_size(ikm));
    return cvs_hkdf_expand(hash, extract, info, info_size, size);
}

gboolean
cvs_equal_bytes(const void *a, const void *b, gsize size)
{
    return CRYPTO_memcmp(a, b, size) == 0;
}
