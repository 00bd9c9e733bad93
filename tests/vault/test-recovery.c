/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"
#include "base/error.h"
#include "vault/recovery.h"

#include <string.h>

static const char modhex[] = "cbdefghijklnrtuv";

static void
test_new(void)
{
    g_autoptr(CvsSecret) last = NULL;
    guint seen = 0;

    for (guint round = 0; round < 32; round++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(CvsSecret) key = cvs_recovery_key_new(&error);
        g_autoptr(CvsSecret) same = NULL;
        const char *text = NULL;

        g_assert_no_error(error);
        g_assert_cmpuint(cvs_secret_size(key), ==, CVS_RECOVERY_KEY_LENGTH);
        text = (const char *)cvs_secret_peek(key);
        for (guint i = 0; i < CVS_RECOVERY_KEY_LENGTH; i++) {
            if (i % 9 == 8) {
                g_assert_cmpint(text[i], ==, '-');
            } else {
                const char *at = text[i] != '\0' ? strchr(modhex, text[i]) : NULL;

                g_assert_nonnull(at);
                seen |= 1u << (at - modhex);
            }
        }
        same = cvs_recovery_key_normalise(key, &error);
        g_assert_no_error(error);
        g_assert_true(cvs_secret_equal(key, same));
        g_assert_true(last == NULL || !cvs_secret_equal(last, key));
        cvs_secret_unref(last);
        last = cvs_secret_ref(key);
    }
    /* Of 2048 random letters each of the 16 is there. */
    g_assert_cmphex(seen, ==, 0xffff);
}

static void
check(const char *text, gboolean good)
{
    g_autoptr(CvsSecret) typed = fixture_secret_text(text);
    g_autoptr(CvsSecret) wanted = fixture_secret_text(fixture_recovery_key);
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsSecret) key = cvs_recovery_key_normalise(typed, &error);

    if (good) {
        g_assert_no_error(error);
        g_assert_true(cvs_secret_equal(key, wanted));
    } else {
        g_assert_null(key);
        g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
    }
}

static char *
without_dashes(guint from)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; fixture_recovery_key[i] != '\0'; i++) {
        if (i < from || fixture_recovery_key[i] != '-')
            g_string_append_c(text, fixture_recovery_key[i]);
    }
    return g_string_free(text, FALSE);
}

static void
test_forgiven(void)
{
    g_autofree char *upper = g_ascii_strup(fixture_recovery_key, -1);
    g_autofree char *bare = without_dashes(0);
    g_autofree char *half = without_dashes(30);
    g_autofree char *spaced = g_strdup_printf(" \t%s\r\n", fixture_recovery_key);

    check(fixture_recovery_key, TRUE);
    check(upper, TRUE);
    check(bare, TRUE);
    check(half, TRUE);
    check(spaced, TRUE);
}

static void
test_refused(void)
{
    g_autofree char *bare = without_dashes(0);
    g_autofree char *letter = g_strdup(fixture_recovery_key);
    g_autofree char *space = g_strdup(fixture_recovery_key);
    g_autofree char *more = g_strconcat(fixture_recovery_key, "c", NULL);
    g_autofree char *dash_end = g_strconcat(fixture_recovery_key, "-", NULL);
    g_autofree char *dash_begin = g_strconcat("-", fixture_recovery_key, NULL);
    g_autofree char *two =
        g_strdup_printf("%.9s-%s", fixture_recovery_key, fixture_recovery_key + 9);
    g_autofree char *misplaced = g_strdup_printf("%.4s-%s", bare, bare + 4);
    g_autofree char *less = g_strndup(bare, 63);

    letter[3] = 'a';
    space[8] = ' ';
    check(letter, FALSE);
    check(space, FALSE);
    check(more, FALSE);
    check(less, FALSE);
    check(dash_end, FALSE);
    check(dash_begin, FALSE);
    check(two, FALSE);
    check(misplaced, FALSE);
    check(" ", FALSE);
    check("-", FALSE);
    {
        g_autoptr(CvsSecret) typed = fixture_secret_text(fixture_recovery_key);

        cvs_secret_data(typed)[5] = '\0';
        g_assert_null(cvs_recovery_key_normalise(typed, NULL));
    }
}

/* The message says where, and not what. */
static void
test_message(void)
{
    g_autofree char *text = g_strdup(fixture_recovery_key);
    g_autoptr(CvsSecret) typed = NULL;
    g_autoptr(GError) error = NULL;

    text[12] = '%';
    typed = fixture_secret_text(text);
    g_assert_null(cvs_recovery_key_normalise(typed, &error));
    g_assert_nonnull(strstr(error->message, "position 13 "));
    g_assert_null(strchr(error->message, '%'));
    for (guint i = 0; i + 4 <= strlen(text); i++) {
        g_autofree char *part = g_strndup(text + i, 4);

        /* The alphabet itself is named. */
        if (strstr(modhex, part) == NULL)
            g_assert_null(strstr(error->message, part));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vault/recovery/new", test_new);
    g_test_add_func("/vault/recovery/forgiven", test_forgiven);
    g_test_add_func("/vault/recovery/refused", test_refused);
    g_test_add_func("/vault/recovery/message", test_message);
    return g_test_run();
}
