/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vault/owner.h"
#include "base/error.h"

#include <string.h>

static const struct {
    const char *text;
    const char *folder;
} good[] = {
    {"system", "system"},
    {"uid:0", "uid-0"},
    {"uid:1000", "uid-1000"},
    {"uid:4294967294", "uid-4294967294"},
    {"unit:foo.service", "unit-foo.service"},
    {"unit:foo@bar-baz.service", "unit-foo@bar-baz.service"},
    {"unit:dev-disk\\x2dby.service", "unit-dev-disk\\x2dby.service"},
};

static void
test_good(void)
{
    for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
        CvsOwner owner, back;
        g_autoptr(GError) error = NULL;
        g_autofree char *text = NULL;
        g_autofree char *folder = NULL;

        g_assert_true(cvs_owner_parse(good[i].text, &owner, &error));
        g_assert_no_error(error);
        text = cvs_owner_format(&owner);
        folder = cvs_owner_folder(&owner);
        g_assert_cmpstr(text, ==, good[i].text);
        g_assert_cmpstr(folder, ==, good[i].folder);
        g_assert_true(cvs_owner_from_folder(folder, &back));
        g_assert_true(cvs_owner_equal(&owner, &back));
    }
}

static void
test_bad(void)
{
    static const char *const bad[] = {
        "",
        "root",
        "System",
        "uid:",
        "uid:-1",
        "uid:01",
        "uid:4294967295",
        "uid:4294967296",
        "uid:1 ",
        "uid: 1",
        "uid-1",
        "uid:18446744073709551617",
        "unit:",
        "unit:.service",
        "unit:foo.socket",
        "unit:foo",
        "unit:a/b.service",
        "unit:../x.service",
        "unit:a b.service",
        "unit-foo.service",
        "systemd",
        "unit:\xc3\xa4.service",
    };

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        CvsOwner owner = {.kind = CVS_OWNER_UID, .uid = 77};
        g_autoptr(GError) error = NULL;

        g_test_message("%s", bad[i]);
        g_assert_false(cvs_owner_parse(bad[i], &owner, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
        g_assert_cmpuint(owner.uid, ==, 77);
    }
}

static void
test_bad_folders(void)
{
    static const char *const bad[] = {"",        ".",       "..",           "uid:1000",   "uid-",
                                      "uid-01",  "uid-1x",  "unit-foo",     "lost+found", "System",
                                      ".system", "system2", "unit-.service"};

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        CvsOwner owner;

        g_assert_false(cvs_owner_from_folder(bad[i], &owner));
    }
}

/* The folder of the longest unit name is a file name that Linux takes. */
static void
test_unit_length(void)
{
    g_autofree char *stem = g_strnfill(CVS_OWNER_UNIT_MAX - strlen(".service"), 'u');
    g_autofree char *fits = g_strdup_printf("unit:%s.service", stem);
    g_autofree char *too_long = g_strdup_printf("unit:u%s.service", stem);
    g_autofree char *folder = NULL;
    CvsOwner owner;

    g_assert_false(cvs_owner_parse(too_long, &owner, NULL));
    g_assert_true(cvs_owner_parse(fits, &owner, NULL));
    folder = cvs_owner_folder(&owner);
    g_assert_cmpuint(strlen(folder), ==, 255);
}

static void
test_compare(void)
{
    static const char *const sorted[] = {"system", "uid:9", "uid:10", "unit:a.service",
                                         "unit:b.service"};

    for (guint i = 0; i < G_N_ELEMENTS(sorted); i++) {
        for (guint j = 0; j < G_N_ELEMENTS(sorted); j++) {
            CvsOwner a, b;

            g_assert_true(cvs_owner_parse(sorted[i], &a, NULL));
            g_assert_true(cvs_owner_parse(sorted[j], &b, NULL));
            g_assert_cmpint(CLAMP(cvs_owner_compare(&a, &b), -1, 1), ==,
                            CLAMP((int)i - (int)j, -1, 1));
            g_assert_cmpint(cvs_owner_equal(&a, &b), ==, i == j);
        }
    }
}

static void
test_key_names(void)
{
    static const char *const names[] = {"a", "A.b_c@d-9", "-x", "_", "@", "a..b"};
    static const char *const bad[] = {"",    ".",    "..",       ".a", "a/b",  "../a",
                                      "a b", "a\nb", "\xc3\xa4", "a*", "a\\b", "a:b"};
    g_autofree char *longest = g_strnfill(CVS_KEY_NAME_MAX, 'n');
    g_autofree char *too_long = g_strnfill(CVS_KEY_NAME_MAX + 1, 'n');
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_assert_true(cvs_key_name_check(names[i], &error));
        g_assert_no_error(error);
    }
    g_assert_true(cvs_key_name_check(longest, &error));
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_assert_false(cvs_key_name_check(bad[i], &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
        g_clear_error(&error);
    }
    g_assert_false(cvs_key_name_check(too_long, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vault/owner/good", test_good);
    g_test_add_func("/vault/owner/bad", test_bad);
    g_test_add_func("/vault/owner/bad-folders", test_bad_folders);
    g_test_add_func("/vault/owner/unit-length", test_unit_length);
    g_test_add_func("/vault/owner/compare", test_compare);
    g_test_add_func("/vault/owner/key-names", test_key_names);
    return g_test_run();
}
