/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/hex.h"

#include <string.h>

static void
assert_bytes(GBytes *bytes, const void *wanted, gsize size)
{
    g_assert_nonnull(bytes);
    g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), wanted, size);
}

static void
test_hex(void)
{
    g_autofree char *text = cvs_hex_encode("\x00\x9f\xff\x10", 4);
    g_autofree char *empty = cvs_hex_encode(NULL, 0);
    g_autoptr(GBytes) lower = cvs_hex_decode("009fff10", -1, NULL);
    g_autoptr(GBytes) upper = cvs_hex_decode("009FFF10rest", 8, NULL);
    g_autoptr(GBytes) none = cvs_hex_decode("", -1, NULL);

    g_assert_cmpstr(text, ==, "009fff10");
    g_assert_cmpstr(empty, ==, "");
    assert_bytes(lower, "\x00\x9f\xff\x10", 4);
    assert_bytes(upper, "\x00\x9f\xff\x10", 4);
    assert_bytes(none, "", 0);
}

static void
test_hex_bad(void)
{
    static const char *const bad[] = {"0", "012", "0g", "g0", " 00", "0x00", "00 0", "-100", "+1"};

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(cvs_hex_decode(bad[i], -1, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
    }
    g_assert_null(cvs_hex_decode("0\0", 2, NULL));
}

/* RFC 4648, section 10, without the padding; GLib's base64 as the oracle for everything else. */
static void
test_base64url(void)
{
    static const char *const vectors[][2] = {
        {"", ""},           {"f", "Zg"},          {"fo", "Zm8"},          {"foo", "Zm9v"},
        {"foob", "Zm9vYg"}, {"fooba", "Zm9vYmE"}, {"foobar", "Zm9vYmFy"},
    };
    guint8 bytes[256];

    for (gsize i = 0; i < G_N_ELEMENTS(vectors); i++) {
        g_autofree char *text = cvs_base64url_encode(vectors[i][0], strlen(vectors[i][0]));
        g_autoptr(GBytes) back = cvs_base64url_decode(vectors[i][1], -1, NULL);

        g_assert_cmpstr(text, ==, vectors[i][1]);
        assert_bytes(back, vectors[i][0], strlen(vectors[i][0]));
    }
    for (guint i = 0; i < sizeof bytes; i++)
        bytes[i] = (guint8)(i * 167 + 250);
    for (gsize size = 0; size <= sizeof bytes; size++) {
        g_autofree char *text = cvs_base64url_encode(bytes, size);
        g_autofree char *oracle = g_base64_encode(bytes, size);
        g_autoptr(GBytes) back = cvs_base64url_decode(text, -1, NULL);

        g_strdelimit(oracle, "+", '-');
        g_strdelimit(oracle, "/", '_');
        oracle[strcspn(oracle, "=")] = '\0';
        g_assert_cmpstr(text, ==, oracle);
        assert_bytes(back, bytes, size);
    }
}

static void
test_base64url_bad(void)
{
    static const char *const bad[] = {
        "Zg==", "Zg=",  "Z",  "Zm9vY", "Zm9v ",  " Zm9v", "Zm\n9v",
        "Zm+v", "Zm/v", "Zh", "Zm9",   "Zm9vZh", "Zm8.",  "\xc3\xa4Zg",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        if (cvs_base64url_decode(bad[i], -1, &error) != NULL)
            g_error("decoded: %s", bad[i]);
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    }
    g_assert_null(cvs_base64url_decode("Zg\0g", 4, NULL));
}

/* One value has one text: of all texts of two and three characters, exactly those decode that
 * encoding gives. */
static void
test_base64url_unique(void)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    guint two = 0, three = 0;

    for (guint i = 0; i < 64 * 64 * 64; i++) {
        const char text[] = {alphabet[i >> 12], alphabet[i >> 6 & 63], alphabet[i & 63], '\0'};
        g_autoptr(GBytes) bytes = cvs_base64url_decode(text, 3, NULL);

        three += bytes != NULL;
        if (i < 64 * 64) {
            g_autoptr(GBytes) shorter = cvs_base64url_decode(text + 1, 2, NULL);

            two += shorter != NULL;
        }
    }
    g_assert_cmpuint(two, ==, 256);
    g_assert_cmpuint(three, ==, 65536);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/hex/good", test_hex);
    g_test_add_func("/hex/bad", test_hex_bad);
    g_test_add_func("/base64url/good", test_base64url);
    g_test_add_func("/base64url/bad", test_base64url_bad);
    g_test_add_func("/base64url/unique", test_base64url_unique);
    return g_test_run();
}
