/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/scan.h"

#include <string.h>

static CvsScan
over(const char *text)
{
    return (CvsScan){text, text + strlen(text)};
}

static void
test_pieces(void)
{
    CvsScan scan = over("{\"a\":12,\"b\":\"AQID\",\"c\":\"x-y\"}");
    g_autoptr(GBytes) bytes = NULL;
    g_autofree char *word = NULL;
    guint32 number = 0;

    g_assert_false(cvs_scan_literal(&scan, "{\"b\""));
    g_assert_true(cvs_scan_literal(&scan, "{\"a\":"));
    g_assert_true(cvs_scan_number(&scan, 1, 99, &number));
    g_assert_cmpuint(number, ==, 12);
    g_assert_true(cvs_scan_literal(&scan, ",\"b\":\""));
    bytes = cvs_scan_bytes(&scan, 3, 3);
    g_assert_nonnull(bytes);
    g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), "\1\2\3", 3);
    g_assert_true(cvs_scan_literal(&scan, "\",\"c\":\""));
    word = cvs_scan_word(&scan, "-", 3);
    g_assert_cmpstr(word, ==, "x-y");
    g_assert_true(cvs_scan_literal(&scan, "\"}"));
    g_assert_true(scan.at == scan.end);
    g_assert_false(cvs_scan_literal(&scan, "x"));
}

static void
test_numbers(void)
{
    static const char *const bad[] = {"",  "x",  "-1", "+1", "01",         "00",
                                      "0", "41", "4",  " 5", "4294967301", "18446744073709551621"};
    guint32 number = 7;

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        CvsScan scan = over(bad[i]);

        g_assert_false(cvs_scan_number(&scan, 5, 40, &number));
    }
    g_assert_cmpuint(number, ==, 7);
    for (guint i = 0; i < 2; i++) {
        CvsScan scan = over(i ? "4294967295" : "0");

        g_assert_true(cvs_scan_number(&scan, 0, G_MAXUINT32, &number));
        g_assert_cmpuint(number, ==, i ? G_MAXUINT32 : 0);
    }
}

static void
test_words_and_bytes(void)
{
    static const char nul[] = "a\0b\"";
    CvsScan with_nul = {nul, nul + sizeof nul - 1};
    CvsScan no_quote = over("abc"), escape = over("a\\\""), longer = over("abcd\""),
            few = over("AQ\""), many = over("AQIDBA\"");

    g_assert_null(cvs_scan_word(&with_nul, "-", 9));
    g_assert_null(cvs_scan_word(&no_quote, "-", 9));
    g_assert_null(cvs_scan_word(&escape, "-", 9));
    g_assert_null(cvs_scan_word(&longer, "-", 3));
    g_assert_null(cvs_scan_bytes(&few, 2, 3));
    g_assert_null(cvs_scan_bytes(&many, 2, 3));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/base/scan/pieces", test_pieces);
    g_test_add_func("/base/scan/numbers", test_numbers);
    g_test_add_func("/base/scan/words-and-bytes", test_words_and_bytes);
    return g_test_run();
}
