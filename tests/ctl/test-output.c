/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "ctl/output.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const CvsOutput plain = {.utf8 = TRUE};
static const CvsOutput ascii = {.utf8 = FALSE};
static const CvsOutput coloured = {.tty = TRUE, .colour = TRUE, .utf8 = TRUE, .width = 80};

static void
test_safe(void)
{
    static const char *const cases[][2] = {
        {"db-1.key@x", "db-1.key@x"},
        {"größe …", "größe …"},
        {"a\033[31mb", "a\\x1b[31mb"},
        {"a\nb\tc\r", "a\\x0ab\\x09c\\x0d"},
        {"\x7f", "\\x7f"},
        {"\xc2\x9b"
         "31m",
         "\\xc2\\x9b"
         "31m"}, /* C1 CSI */
        {"\xe2\x80\xae"
         "gpj",
         "\\xe2\\x80\\xae"
         "gpj"}, /* right-to-left override */
        {"\xe2\x80\xa8"
         "x",
         "\\xe2\\x80\\xa8"
         "x"}, /* line separator */
        {"a\xff\xfe"
         "b",
         "a\\xff\\xfe"
         "b"},                      /* not UTF-8 */
        {"\xe2\x80", "\\xe2\\x80"}, /* cut short */
        {"", ""},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *safe = cvs_text_safe(cases[i][0]);

        g_assert_cmpstr(safe, ==, cases[i][1]);
    }
}

static void
test_size(void)
{
    static const struct {
        guint64 size;
        const char *text;
    } cases[] = {
        {0, "0 B"},
        {32, "32 B"},
        {1023, "1023 B"},
        {1024, "1 KiB"},
        {1536, "1.5 KiB"},
        {65536, "64 KiB"},
        {65535, "63.9 KiB"},
        {1048576, "1 MiB"},
        {150 * 1024 + 512, "150 KiB"},
        {G_MAXUINT64, "16777215 TiB"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = cvs_text_size(cases[i].size);

        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

static void
test_date(void)
{
    /* 2026-11-22 21:40:22 UTC */
    const gint64 now = 1795383622;
    static const struct {
        gint64 ago;
        const char *text;
    } cases[] = {
        {0, "today 22:40"},
        {22 * 3600, "today 00:40"},
        {23 * 3600, "yesterday 23:40"},
        {46 * 3600, "yesterday 00:40"},
        {47 * 3600, "Nov 20 23:40"},
        {20 * 86400, "Nov  2 22:40"},
        {365 * 86400, "2025-11-22"},
        {-86400, "2026-11-23"},
    };
    g_autoptr(GTimeZone) zone = g_time_zone_new_offset(3600);

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = cvs_text_date(now - cases[i].ago, now, zone);

        g_assert_cmpstr(text, ==, cases[i].text);
    }
}

static void
test_date_long(void)
{
    const gint64 now = 1795383622;
    static const struct {
        gint64 ago;
        const char *text;
    } cases[] = {
        {0, "2026-11-22 22:40:22 +0100 (just now)"},
        {60, "2026-11-22 22:39:22 +0100 (1 minute ago)"},
        {7200, "2026-11-22 20:40:22 +0100 (2 hours ago)"},
        {40 * 86400, "2026-10-13 22:40:22 +0100 (1 month ago)"},
        {-60, "2026-11-22 22:41:22 +0100 (in the future)"},
    };
    g_autoptr(GTimeZone) zone = g_time_zone_new_offset(3600);
    g_autofree char *absurd = cvs_text_date_long(G_MAXINT64, now, zone);

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = cvs_text_date_long(now - cases[i].ago, now, zone);

        g_assert_cmpstr(text, ==, cases[i].text);
    }
    g_assert_cmpstr(absurd, ==, "?");
}

static void
test_shorten(void)
{
    g_autofree char *whole = cvs_text_shorten(&plain, "abcdef", 6);
    g_autofree char *cut = cvs_text_shorten(&plain, "äbcdef", 5);
    g_autofree char *cut_ascii = cvs_text_shorten(&ascii, "abcdef", 5);
    g_autofree char *tiny = cvs_text_shorten(&ascii, "abcdef", 2);

    g_assert_cmpstr(whole, ==, "abcdef");
    g_assert_cmpstr(cut, ==, "äbcd…");
    g_assert_cmpstr(cut_ascii, ==, "ab...");
    g_assert_cmpstr(tiny, ==, "ab");
}

static const CvsColumn columns[] = {
    {"NAME", FALSE, 6},
    {"EMPTY", FALSE, 0},
    {"SIZE", TRUE, 0},
    {"NOTE", FALSE, 4},
};

static CvsTable *
make_table(void)
{
    CvsTable *table = cvs_table_new(columns, G_N_ELEMENTS(columns));

    cvs_table_add(table, CVS_STYLE_PLAIN, (const char *[]){"a-rather-long-name", NULL, "1 B", "x"});
    cvs_table_add(table, CVS_STYLE_BAD, (const char *[]){"b", "", "100 B", "note\033"});
    return table;
}

static void
test_table(void)
{
    g_autoptr(CvsTable) table = make_table();
    g_autoptr(GString) text = g_string_new(NULL);

    cvs_table_format(table, &plain, text);
    g_assert_cmpstr(text->str, ==,
                    "NAME                 SIZE  NOTE\n"
                    "a-rather-long-name    1 B  x\n"
                    "b                   100 B  note\\x1b\n");
}

static void
test_table_narrow(void)
{
    g_autoptr(CvsTable) table = make_table();
    g_autoptr(GString) text = g_string_new(NULL);
    g_autoptr(GString) tiny = g_string_new(NULL);
    CvsOutput narrow = plain;

    narrow.width = 25;
    cvs_table_format(table, &narrow, text);
    g_assert_cmpstr(text->str, ==,
                    "NAME       SIZE  NOTE\n"
                    "a-rathe…    1 B  x\n"
                    "b         100 B  note\\x1b\n");
    /* No further than the columns allow. */
    narrow.width = 5;
    cvs_table_format(table, &narrow, tiny);
    g_assert_cmpstr(tiny->str, ==,
                    "NAME     SIZE  NOTE\n"
                    "a-rat…    1 B  x\n"
                    "b       100 B  not…\n");
}

static void
test_table_colour(void)
{
    g_autoptr(CvsTable) table = make_table();
    g_autoptr(GString) text = g_string_new(NULL);

    cvs_table_format(table, &coloured, text);
    g_assert_cmpstr(text->str, ==,
                    "\033[1mNAME                 SIZE  NOTE\033[0m\n"
                    "a-rather-long-name    1 B  x\n"
                    "\033[31mb                   100 B  note\\x1b\033[0m\n");
}

static void
test_init(void)
{
    CvsOutput output;
    int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

    cvs_output_init(&output, null);
    g_assert_false(output.tty);
    g_assert_false(output.colour);
    g_assert_cmpuint(output.width, ==, 0);
    (void)close(null);
}

static void
test_write(void)
{
    g_autoptr(GError) error = NULL;
    int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
    int ends[2];

    g_assert_false(cvs_output_write(full, "text", &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_FAILED);
    g_assert_false(cvs_output_is_broken_pipe(error));
    g_clear_error(&error);
    (void)close(full);

    g_assert_cmpint(pipe(ends), ==, 0);
    (void)close(ends[0]);
    g_assert_false(cvs_output_write(ends[1], "text", &error));
    g_assert_true(cvs_output_is_broken_pipe(error));
    g_assert_cmpint(cvs_error_exit_code(error), ==, CVS_EXIT_FAILED);
    (void)close(ends[1]);
}

int
main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN);
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/output/safe", test_safe);
    g_test_add_func("/output/size", test_size);
    g_test_add_func("/output/date", test_date);
    g_test_add_func("/output/date-long", test_date_long);
    g_test_add_func("/output/shorten", test_shorten);
    g_test_add_func("/output/table", test_table);
    g_test_add_func("/output/table-narrow", test_table_narrow);
    g_test_add_func("/output/table-colour", test_table_colour);
    g_test_add_func("/output/init", test_init);
    g_test_add_func("/output/write", test_write);
    return g_test_run();
}
