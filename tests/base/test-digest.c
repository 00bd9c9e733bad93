/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/digest.h"
#include "base/hex.h"

#include <gio/gio.h>
#include <string.h>

static const CvsHash all[] = {CVS_SHA1, CVS_SHA256, CVS_SHA384, CVS_SHA512};

static void
assert_hex(const guint8 *data, gsize size, const char *wanted)
{
    g_autofree char *text = cvs_hex_encode(data, size);

    g_assert_cmpstr(text, ==, wanted);
}

/* What the openssl program says to a command line, without white space. */
static char *
openssl(const char *line, const void *input, gsize size)
{
    g_auto(GStrv) argv = NULL;
    g_autoptr(GSubprocess) process = NULL;
    g_autoptr(GBytes) in = g_bytes_new(input, size);
    g_autoptr(GBytes) out = NULL;
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    g_assert_true(g_shell_parse_argv(line, NULL, &argv, NULL));
    process =
        g_subprocess_newv((const char *const *)argv,
                          G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error);
    g_assert_no_error(error);
    g_assert_true(g_subprocess_communicate(process, in, NULL, &out, NULL, &error));
    g_assert_true(g_subprocess_get_successful(process));
    text = g_strndup(g_bytes_get_data(out, NULL), g_bytes_get_size(out));
    return g_strchomp(text);
}

/* FIPS 180-4, the examples of one block. */
static void
test_vectors(void)
{
    static const char *const abc[] = {
        [CVS_SHA1] = "a9993e364706816aba3e25717850c26c9cd0d89d",
        [CVS_SHA256] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
        [CVS_SHA384] = "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
                       "8086072ba1e7cc2358baeca134c825a7",
        [CVS_SHA512] = "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                       "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(all); i++) {
        guint8 digest[CVS_DIGEST_MAX];

        cvs_hash_bytes(all[i], "abc", 3, digest);
        assert_hex(digest, cvs_hash_size(all[i]), abc[all[i]]);
    }
}

static void
test_empty(void)
{
    guint8 digest[CVS_DIGEST_MAX];

    cvs_hash_bytes(CVS_SHA256, NULL, 0, digest);
    assert_hex(digest, 32, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void
test_names(void)
{
    CvsHash hash = CVS_SHA1;

    for (gsize i = 0; i < G_N_ELEMENTS(all); i++) {
        g_assert_true(cvs_hash_from_name(cvs_hash_name(all[i]), &hash));
        g_assert_cmpint(hash, ==, all[i]);
    }
    g_assert_false(cvs_hash_from_name("SHA256", &hash));
    g_assert_false(cvs_hash_from_name("", &hash));
    g_assert_cmpint(hash, ==, CVS_SHA512);
}

/* In parts, cut at every place, and used again after it has finished. */
static void
test_hasher(void)
{
    static const char text[] = "the quick brown fox jumps over the lazy dog, and again over it, "
                               "until more than one block of every hash is full; and then some";

    for (gsize i = 0; i < G_N_ELEMENTS(all); i++) {
        g_autoptr(CvsHasher) hasher = cvs_hasher_new(all[i]);
        guint8 whole[CVS_DIGEST_MAX], parts[CVS_DIGEST_MAX];

        cvs_hash_bytes(all[i], text, strlen(text), whole);
        for (gsize cut = 0; cut <= strlen(text); cut++) {
            cvs_hasher_update(hasher, text, cut);
            cvs_hasher_update(hasher, text + cut, strlen(text) - cut);
            cvs_hasher_finish(hasher, parts);
            g_assert_cmpmem(parts, cvs_hash_size(all[i]), whole, cvs_hash_size(all[i]));
        }
    }
}

/* RFC 4231, test cases 2 and 6 (a key longer than a block). */
static void
test_hmac(void)
{
    guint8 mac[CVS_DIGEST_MAX];
    guint8 key[131];

    cvs_hmac(CVS_SHA256, "Jefe", 4, "what do ya want for nothing?", 28, mac);
    assert_hex(mac, 32, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    cvs_hmac(CVS_SHA384, "Jefe", 4, "what do ya want for nothing?", 28, mac);
    assert_hex(mac, 48,
               "af45d2e376484031617f78d2b58a6b1b9c7ef464f5a01b47e42ec3736322445e"
               "8e2240ca5e69e2c78b3239ecfab21649");
    memset(key, 0xaa, sizeof key);
    cvs_hmac(CVS_SHA256, key, sizeof key, "Test Using Larger Than Block-Size Key - Hash Key First",
             54, mac);
    assert_hex(mac, 32, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

static void
test_hmac_empty(void)
{
    guint8 mac[CVS_DIGEST_MAX];
    g_autofree char *oracle = NULL;

    /* HMAC-SHA-256 of nothing with no key. */
    cvs_hmac(CVS_SHA256, NULL, 0, NULL, 0, mac);
    assert_hex(mac, 32, "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad");
    cvs_hmac(CVS_SHA1, "k", 1, "data", 4, mac);
    oracle = openssl("openssl dgst -sha1 -hmac k -r", "data", 4);
    oracle[40] = '\0';
    assert_hex(mac, 20, oracle);
}

/* RFC 5869, test case 3: no salt, no info. */
static void
test_hkdf(void)
{
    guint8 ikm[22];
    g_autoptr(CvsSecret) secret = NULL;
    g_autoptr(CvsSecret) okm = NULL;

    memset(ikm, 0x0b, sizeof ikm);
    secret = cvs_secret_new_copy(ikm, sizeof ikm);
    okm = cvs_hkdf(CVS_SHA256, secret, NULL, 0, 42);
    assert_hex(cvs_secret_peek(okm), cvs_secret_size(okm),
               "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
               "9d201395faa4b61a96c8");
}

/* With info, against the openssl program. */
static void
test_hkdf_oracle(void)
{
    static const gsize sizes[] = {1, 32, 33, 64, 255};
    g_autoptr(CvsSecret) secret = cvs_secret_new_copy("0123456789abcdef", 16);

    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(CvsSecret) okm = cvs_hkdf(CVS_SHA384, secret, "label\0\1", 7, sizes[i]);
        g_autofree char *line = g_strdup_printf(
            "openssl kdf -keylen %zu -kdfopt digest:SHA384 -kdfopt "
            "hexkey:30313233343536373839616263646566 -kdfopt hexinfo:6c6162656c0001 HKDF",
            sizes[i]);
        g_autofree char *oracle = openssl(line, NULL, 0);
        g_auto(GStrv) bytes = g_strsplit(oracle, ":", -1);
        g_autofree char *joined = g_strjoinv("", bytes);
        g_autofree char *lower = g_ascii_strdown(joined, -1);

        assert_hex(cvs_secret_peek(okm), cvs_secret_size(okm), lower);
    }
}

static void
test_equal(void)
{
    g_assert_true(cvs_equal_bytes("abc", "abd", 2));
    g_assert_false(cvs_equal_bytes("abc", "abd", 3));
    g_assert_true(cvs_equal_bytes("a", "b", 0));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/digest/vectors", test_vectors);
    g_test_add_func("/digest/empty", test_empty);
    g_test_add_func("/digest/names", test_names);
    g_test_add_func("/digest/hasher", test_hasher);
    g_test_add_func("/digest/hmac", test_hmac);
    g_test_add_func("/digest/hmac-empty", test_hmac_empty);
    g_test_add_func("/digest/hkdf", test_hkdf);
    g_test_add_func("/digest/hkdf-oracle", test_hkdf_oracle);
    g_test_add_func("/digest/equal", test_equal);
    return g_test_run();
}
