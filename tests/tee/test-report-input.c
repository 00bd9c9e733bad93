/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reports as files have them: bytes or digits, and which kind they are. */

#include "tee/report-input.h"
#include "base/error.h"

#include <string.h>

static GBytes *
decode(const char *text, gsize size, GError **error)
{
    g_autoptr(GBytes) input = g_bytes_new(text, size);

    return cvs_report_decode(input, "FILE", error);
}

static void
check_digits(const char *text, const char *wanted, gsize size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = decode(text, strlen(text), &error);

    g_assert_no_error(error);
    g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), wanted, size);
    g_assert_true(cvs_report_is_hex_text(text, strlen(text)));
}

static void
test_digits(void)
{
    check_digits("0102fF", "\1\2\xff", 3);
    check_digits("0x0102fF", "\1\2\xff", 3);
    check_digits("0X0102fF", "\1\2\xff", 3);
    check_digits("\n 0x01 02\r\n\tFf \n", "\1\2\xff", 3);
    check_digits("0 1 0 2", "\1\2", 2);
    check_digits("00", "\0", 1);
}

static void
check_refused(const char *text, const char *words)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = decode(text, strlen(text), &error);

    g_assert_null(bytes);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    g_assert_true(g_str_has_prefix(error->message, "FILE: byte "));
    if (strstr(error->message, words) == NULL)
        g_error("\"%s\" is not in: %s", words, error->message);
    g_assert_false(cvs_report_is_hex_text(text, strlen(text)) && strstr(words, "hexadecimal ('"));
}

static void
test_no_digits(void)
{
    check_refused("0102f", "byte 5: the text ends after 5 hexadecimal digits");
    check_refused("0x", "byte 2: the text ends after 0 ");
    check_refused(" \n", "byte 2: the text ends after 0 ");
    check_refused("01g2", "byte 2: text that is not hexadecimal digits ('g')");
    check_refused("01 0x02", "byte 4: text that is not hexadecimal digits ('x')");
    check_refused("<html>404</html>", "byte 0: text that is not hexadecimal digits ('<')");
}

/* What is not all printable is bytes, whatever they begin with. */
static void
test_bytes(void)
{
    static const char *const inputs[] = {"12\x01", "\x80", "\0\0"};

    for (gsize i = 0; i < G_N_ELEMENTS(inputs); i++) {
        gsize size = i == 2 ? 2 : strlen(inputs[i]);
        g_autoptr(GBytes) bytes = decode(inputs[i], size, NULL);

        g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), inputs[i], size);
        g_assert_false(cvs_report_is_hex_text(inputs[i], size));
    }
    {
        g_autoptr(GBytes) empty = decode("", 0, NULL);

        g_assert_cmpuint(g_bytes_get_size(empty), ==, 0);
    }
}

static void
check_type(const char *start, gsize start_size, gsize size, CvsReportType wanted)
{
    g_autofree char *bytes = g_malloc0(size + 1);

    memcpy(bytes, start, MIN(start_size, size));
    g_assert_cmpint(cvs_report_type_detect(bytes, size), ==, wanted);
}

static void
test_types(void)
{
    check_type("HCLA", 4, 2600, CVS_REPORT_HCL);
    check_type("HCLA", 4, 4, CVS_REPORT_HCL);
    check_type("\2\0\0\0", 4, 1184, CVS_REPORT_SNP);
    check_type("\5\0\0\0", 4, 1184, CVS_REPORT_SNP);
    /* cut, or with something behind it, it is still what it was */
    check_type("\3\0\0\0", 4, 100, CVS_REPORT_SNP);
    check_type("\3\0\0\0", 4, 4000, CVS_REPORT_SNP);
    /* versions to come, and no version at all */
    check_type("\6\0\0\0", 4, 1184, CVS_REPORT_SNP);
    check_type("\0\0\0\0", 4, 1184, CVS_REPORT_SNP);
    check_type("\6\0\0\0", 4, 1183, CVS_REPORT_UNKNOWN);
    check_type("\4\0\2\0\x81\0\0\0", 8, 5006, CVS_REPORT_TDX);
    check_type("\5\0\2\0\x81\0\0\0", 8, 8, CVS_REPORT_TDX);
    check_type("\3\0\2\0\0\0\0\0", 8, 4600, CVS_REPORT_UNKNOWN);
    check_type("\4\0\2\0\0\0\0\0", 8, 4600, CVS_REPORT_UNKNOWN);
    g_assert_true(cvs_report_is_quote("\3\0\2\0\0\0\0\0", 8));
    g_assert_false(cvs_report_is_quote("\3\0\2\0\0\0\0", 7));
    check_type("\x81\0\0\0", 4, 1024, CVS_REPORT_TDREPORT);
    check_type("\x81\0\1\0", 4, 1000, CVS_REPORT_TDREPORT);
    check_type("\x81\1\0\0", 4, 1024, CVS_REPORT_TDREPORT);
    check_type("\x0f\0\0\0", 4, 1024, CVS_REPORT_UNKNOWN);
    check_type("", 0, 0, CVS_REPORT_UNKNOWN);
    check_type("\2\0\0", 3, 3, CVS_REPORT_UNKNOWN);
    check_type("\xd9\xd9\xf7", 3, 9000, CVS_REPORT_UNKNOWN); /* CBOR */
}

static void
test_names(void)
{
    for (int type = CVS_REPORT_SNP; type <= CVS_REPORT_TDREPORT; type++)
        g_assert_cmpint(cvs_report_type_from_name(cvs_report_type_name((CvsReportType)type)), ==,
                        type);
    g_assert_null(cvs_report_type_name(CVS_REPORT_UNKNOWN));
    g_assert_cmpint(cvs_report_type_from_name("sgx"), ==, CVS_REPORT_UNKNOWN);
    g_assert_cmpint(cvs_report_type_from_name(""), ==, CVS_REPORT_UNKNOWN);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tee/report-input/digits", test_digits);
    g_test_add_func("/tee/report-input/no-digits", test_no_digits);
    g_test_add_func("/tee/report-input/bytes", test_bytes);
    g_test_add_func("/tee/report-input/types", test_types);
    g_test_add_func("/tee/report-input/names", test_names);
    return g_test_run();
}
