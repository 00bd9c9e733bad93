/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vault/jwe-cipher.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <string.h>

typedef struct {
    EVP_CIPHER *wrap;
    EVP_CIPHER *gcm;
} Fetched;

static EVP_CIPHER *
fetch(const char *name)
{
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(NULL, name, NULL);

    if (cipher == NULL)
        g_error("OpenSSL has no %s", name);
    return cipher;
}

static const Fetched *
fetched(void)
{
    static Fetched all;
    static gsize once;

    if (g_once_init_enter(&once)) {
        all.wrap = fetch("AES-256-WRAP");
        all.gcm = fetch("AES-256-GCM");
        g_once_init_leave(&once, 1);
    }
    return &all;
}

static EVP_CIPHER_CTX *
context_new(void)
{
    EVP_CIPHER_CTX *ctx = EVP_CIPHER_CTX_new();

    if (ctx == NULL)
        g_error("out of memory for a cipher");
    return ctx;
}

/* OpenSSL notes failures in a queue of the thread, where the next one to look for an error of its
 * own would find them. */
static CvsSecret *
end(EVP_CIPHER_CTX *ctx, gboolean ok, CvsSecret *secret)
{
    EVP_CIPHER_CTX_free(ctx);
    if (ok)
        return secret;
    ERR_clear_error();
    cvs_secret_unref(secret);
    return NULL;
}

CvsSecret *
cvs_jwe_cipher_unwrap(const CvsSecret *kek, const guint8 wrapped[static CVS_JWE_WRAPPED_SIZE])
{
    /* Room for a block more than goes in, which is what EVP_DecryptUpdate() reserves to itself. */
    CvsSecret *cek = NULL;
    EVP_CIPHER_CTX *ctx = NULL;
    int size = 0;
    gboolean ok = FALSE;

    g_return_val_if_fail(cvs_secret_size(kek) == CVS_KEK_SIZE, NULL);

    cek = cvs_secret_new(CVS_JWE_WRAPPED_SIZE + EVP_MAX_BLOCK_LENGTH);
    ctx = context_new();
    EVP_CIPHER_CTX_set_flags(ctx, EVP_CIPHER_CTX_FLAG_WRAP_ALLOW);
    ok = EVP_DecryptInit_ex2(ctx, fetched()->wrap, cvs_secret_peek(kek), NULL, NULL) > 0 &&
         EVP_DecryptUpdate(ctx, cvs_secret_data(cek), &size, wrapped, CVS_JWE_WRAPPED_SIZE) > 0 &&
         size == CVS_JWE_CEK_SIZE;
    if (ok)
        cvs_secret_truncate(cek, CVS_JWE_CEK_SIZE);
    return end(ctx, ok, cek);
}

CvsSecret *
cvs_jwe_cipher_decrypt(const CvsJwe *jwe, const CvsSecret *cek)
{
    CvsSecret *plaintext = NULL;
    EVP_CIPHER_CTX *ctx = NULL;
    gsize size = 0;
    const guint8 *ciphertext = g_bytes_get_data(jwe->ciphertext, &size);
    gsize header_size = strlen(jwe->protected_text);
    int n = 0, last = 0;
    gboolean ok = FALSE;

    g_return_val_if_fail(cvs_secret_size(cek) == CVS_JWE_CEK_SIZE, NULL);
    g_return_val_if_fail(size > 0 && size <= G_MAXINT && header_size <= G_MAXINT, NULL);

    plaintext = cvs_secret_new(size);
    ctx = context_new();
    ok = EVP_DecryptInit_ex2(ctx, fetched()->gcm, cvs_secret_peek(cek), jwe->iv, NULL) > 0 &&
         EVP_DecryptUpdate(ctx, NULL, &n, (const guint8 *)jwe->protected_text, (int)header_size) >
             0 &&
         EVP_DecryptUpdate(ctx, cvs_secret_data(plaintext), &n, ciphertext, (int)size) > 0 &&
         (gsize)n == size &&
         EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_AEAD_SET_TAG, CVS_JWE_TAG_SIZE, (void *)jwe->tag) > 0 &&
         EVP_DecryptFinal_ex(ctx, cvs_secret_data(plaintext) + size, &last) > 0 && last == 0;
    return end(ctx, ok, plaintext);
}
