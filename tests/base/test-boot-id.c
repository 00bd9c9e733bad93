/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/boot-id.h"

#include <glib.h>
#include <string.h>

static void
test_kernel(void)
{
    g_autofree char *id = cvs_boot_id();
    g_autofree char *text = NULL;
    g_auto(GStrv) parts = NULL;
    g_autofree char *wanted = NULL;

    if (!g_file_get_contents("/proc/sys/kernel/random/boot_id", &text, NULL, NULL)) {
        g_test_skip("the kernel's boot id cannot be read here");
        return;
    }
    parts = g_strsplit(g_strchomp(text), "-", -1);
    wanted = g_strjoinv("", parts);
    g_assert_cmpstr(id, ==, wanted);
    /* Whoever can read it is told by nobody. */
    g_assert_true(g_setenv(CVS_BOOT_ID_ENV, "00000000000000000000000000000000", TRUE));
    g_free(id);
    id = cvs_boot_id();
    g_assert_cmpstr(id, ==, wanted);
}

/* Where the file is hidden; the wrapped function says so. */
static gboolean hidden;
gboolean __real_g_file_get_contents(const char *path, char **text, gsize *size, GError **error);
gboolean __wrap_g_file_get_contents(const char *path, char **text, gsize *size, GError **error);

gboolean
__wrap_g_file_get_contents(const char *path, char **text, gsize *size, GError **error)
{
    return !hidden && __real_g_file_get_contents(path, text, size, error);
}

static void
test_told(void)
{
    static const struct {
        const char *told, *id;
    } cases[] = {
        {"0123456789abcdef0123456789ABCDEF", "0123456789abcdef0123456789abcdef"},
        {"01234567-89ab-cdef-0123-456789abcdef", "0123456789abcdef0123456789abcdef"},
        {"0123456789abcdef0123456789abcde", ""},
        {"0123456789abcdef0123456789abcdef0", ""},
        {"%b", ""},
        {"", ""},
    };

    hidden = TRUE;
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *id = NULL;

        g_assert_true(g_setenv(CVS_BOOT_ID_ENV, cases[i].told, TRUE));
        id = cvs_boot_id();
        g_assert_cmpstr(id, ==, cases[i].id);
    }
    g_unsetenv(CVS_BOOT_ID_ENV);
    {
        g_autofree char *id = cvs_boot_id();

        g_assert_cmpstr(id, ==, "");
    }
    hidden = FALSE;
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/boot-id/kernel", test_kernel);
    g_test_add_func("/boot-id/told", test_told);
    return g_test_run();
}
