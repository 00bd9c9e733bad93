/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"
#include "vault/jwe-cipher.h"

#include <openssl/err.h>
#include <string.h>

/* RFC 3394, section 4.6: 256 bits of key data under a KEK of 256 bits. */
static const guint8 rfc_wrapped[CVS_JWE_WRAPPED_SIZE] = {
    0x28, 0xc9, 0xf4, 0x04, 0xc4, 0xb8, 0x10, 0xf4, 0xcb, 0xcc, 0xb3, 0x5c, 0xfb, 0x87,
    0xf8, 0x26, 0x3f, 0x57, 0x86, 0xe2, 0xd8, 0x0e, 0xd3, 0x26, 0xcb, 0xc7, 0xf0, 0xe7,
    0x1a, 0x99, 0xf4, 0x3b, 0xfb, 0x98, 0x8b, 0x9b, 0x7a, 0x02, 0xdd, 0x21,
};
static const guint8 rfc_key_data[CVS_JWE_CEK_SIZE] = {
    0x00, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff,
    0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07, 0x08, 0x09, 0x0a, 0x0b, 0x0c, 0x0d, 0x0e, 0x0f,
};

static CvsSecret *
rfc_kek(void)
{
    CvsSecret *kek = cvs_secret_new(CVS_KEK_SIZE);

    for (guint i = 0; i < CVS_KEK_SIZE; i++)
        cvs_secret_data(kek)[i] = (guint8)i;
    return kek;
}

static void
test_unwrap(void)
{
    g_autoptr(CvsSecret) kek = rfc_kek();
    g_autoptr(CvsSecret) cek = cvs_jwe_cipher_unwrap(kek, rfc_wrapped);

    g_assert_nonnull(cek);
    g_assert_cmpmem(cvs_secret_peek(cek), cvs_secret_size(cek), rfc_key_data, sizeof rfc_key_data);
}

/* Nothing, and nothing in OpenSSL's queue for somebody else to find. */
static void
assert_nothing(CvsSecret *secret)
{
    g_assert_null(secret);
    g_assert_cmpuint(ERR_peek_error(), ==, 0);
}

/* Each bit of KEK and wrapped key counts. */
static void
test_unwrap_changed(void)
{
    guint alive = cvs_secret_count_alive();

    for (guint bit = 0; bit < 8 * CVS_JWE_WRAPPED_SIZE; bit++) {
        g_autoptr(CvsSecret) kek = rfc_kek();
        guint8 wrapped[CVS_JWE_WRAPPED_SIZE];

        memcpy(wrapped, rfc_wrapped, sizeof wrapped);
        wrapped[bit / 8] ^= (guint8)(1u << bit % 8);
        assert_nothing(cvs_jwe_cipher_unwrap(kek, wrapped));
        if (bit >= 8 * CVS_KEK_SIZE)
            continue;
        cvs_secret_data(kek)[bit / 8] ^= (guint8)(1u << bit % 8);
        assert_nothing(cvs_jwe_cipher_unwrap(kek, rfc_wrapped));
    }
    g_assert_cmpuint(cvs_secret_count_alive(), ==, alive);
}

static CvsJwe *
encrypted(const CvsSecret *cek, const CvsSecret *plaintext)
{
    g_autoptr(json_t) header = json_pack("{s:s}", "name", "a");
    g_autoptr(GError) error = NULL;
    CvsJwe *jwe = cvs_jwe_encrypt(header, cek, plaintext, &error);

    g_assert_no_error(error);
    return jwe;
}

/* Of what libjose encrypted. */
static void
test_decrypt(void)
{
    static const gsize sizes[] = {1, 15, 16, 17, 32, 4096, 65536};
    g_autoptr(CvsSecret) cek = rfc_kek();

    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(CvsSecret) plaintext = fixture_secret(sizes[i]);
        g_autoptr(CvsJwe) jwe = encrypted(cek, plaintext);
        g_autoptr(CvsSecret) back = cvs_jwe_cipher_decrypt(jwe, cek);

        g_assert_nonnull(back);
        g_assert_true(cvs_secret_equal(back, plaintext));
    }
}

static void
flip(gpointer data, gsize bit)
{
    ((guint8 *)data)[bit / 8] ^= (guint8)(1u << bit % 8);
}

static void
test_decrypt_changed(void)
{
    g_autoptr(CvsSecret) cek = rfc_kek();
    g_autoptr(CvsSecret) plaintext = fixture_secret(33);
    g_autoptr(CvsJwe) jwe = encrypted(cek, plaintext);
    const struct {
        gpointer data;
        gsize size;
    } parts[] = {
        {jwe->iv, sizeof jwe->iv},
        {jwe->tag, sizeof jwe->tag},
        {(gpointer)g_bytes_get_data(jwe->ciphertext, NULL), g_bytes_get_size(jwe->ciphertext)},
        {jwe->protected_text, strlen(jwe->protected_text)},
        {cvs_secret_data(cek), cvs_secret_size(cek)},
    };
    g_autoptr(CvsSecret) back = NULL;
    guint alive = cvs_secret_count_alive();

    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        for (gsize bit = 0; bit < 8 * parts[i].size; bit++) {
            flip(parts[i].data, bit);
            assert_nothing(cvs_jwe_cipher_decrypt(jwe, cek));
            flip(parts[i].data, bit);
        }
    }
    g_assert_cmpuint(cvs_secret_count_alive(), ==, alive);
    back = cvs_jwe_cipher_decrypt(jwe, cek);
    g_assert_nonnull(back);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vault/jwe-cipher/unwrap", test_unwrap);
    g_test_add_func("/vault/jwe-cipher/unwrap-changed", test_unwrap_changed);
    g_test_add_func("/vault/jwe-cipher/decrypt", test_decrypt);
    g_test_add_func("/vault/jwe-cipher/decrypt-changed", test_decrypt_changed);
    return g_test_run();
}
