/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"
#include "base/error.h"
#include "vault/store-key.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char content[] = "0123456789abcdef0123456789abcdef";

static char *
write_key(const char *dir, const char *data, gsize size, mode_t mode)
{
    char *path = g_build_filename(dir, "store-key", NULL);
    g_autoptr(GError) error = NULL;

    (void)g_file_set_contents(path, data, (gssize)size, &error);
    g_assert_no_error(error);
    g_assert_cmpint(g_chmod(path, mode), ==, 0);
    return path;
}

static void
refuse(const char *path, const char *message)
{
    g_autoptr(CvsSecret) key = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_false(cvs_store_key_load(path, &key, &error));
    g_assert_null(key);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_STORAGE_ERROR);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_STORE_KEY_UNFIT));
    g_assert_nonnull(strstr(error->message, path));
    if (strstr(error->message, message) == NULL)
        g_error("\"%s\" does not say %s", error->message, message);
}

static void
test_good(void)
{
    char *dir = fixture_dir_new();
    g_autofree char *path = write_key(dir, content, 32, 0400);
    g_autoptr(CvsSecret) key = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(cvs_store_key_load(path, &key, &error));
    g_assert_no_error(error);
    g_assert_cmpmem(cvs_secret_peek(key), cvs_secret_size(key), content, 32);
    fixture_dir_remove(dir);
}

static void
test_none(void)
{
    char *dir = fixture_dir_new();
    g_autofree char *path = g_build_filename(dir, "none", NULL);
    g_autofree char *below = g_build_filename(path, "none", NULL);
    CvsSecret *key = (CvsSecret *)1;
    g_autoptr(GError) error = NULL;

    g_assert_true(cvs_store_key_load(path, &key, &error));
    g_assert_null(key);
    g_assert_true(cvs_store_key_load(below, &key, &error));
    g_assert_null(key);
    fixture_dir_remove(dir);
}

static void
test_sizes_and_modes(void)
{
    static const gsize sizes[] = {0, 31, 33};
    static const mode_t modes[] = {0440, 0404, 0600, 0500, 04400, 01400};

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        char *dir = fixture_dir_new();
        g_autofree char *path = write_key(dir, "0123456789abcdef0123456789abcdef0", sizes[i], 0400);

        refuse(path, "bytes, and must have 32");
        fixture_dir_remove(dir);
    }
    for (guint i = 0; i < G_N_ELEMENTS(modes); i++) {
        char *dir = fixture_dir_new();
        g_autofree char *path = write_key(dir, content, 32, modes[i]);

        refuse(path, "and must be 0400");
        fixture_dir_remove(dir);
    }
}

static void
test_zero(void)
{
    static const char zero[32] = {0};
    char *dir = fixture_dir_new();
    g_autofree char *path = write_key(dir, zero, sizeof zero, 0400);

    refuse(path, "all its bytes are zero");
    fixture_dir_remove(dir);
}

static void
test_owner(void)
{
    char *dir = fixture_dir_new();
    g_autofree char *path = write_key(dir, content, 32, 0400);

    if (geteuid() != 0 || chown(path, 1, (gid_t)-1) != 0)
        g_test_skip("giving a file away needs root");
    else
        refuse(path, "belongs to uid 1");
    fixture_dir_remove(dir);
}

/* Whatever leads elsewhere, or is no file, is no store key; a FIFO makes nobody wait. */
static void
test_links_and_kinds(void)
{
    char *dir = fixture_dir_new();
    g_autofree char *path = write_key(dir, content, 32, 0400);
    g_autofree char *link_path = g_build_filename(dir, "link", NULL);
    g_autofree char *folder = g_build_filename(dir, "folder", NULL);
    g_autofree char *through = g_build_filename(folder, "store-key", NULL);
    g_autofree char *fifo = g_build_filename(dir, "fifo", NULL);
    g_autofree char *hard = g_build_filename(dir, "hard", NULL);

    g_assert_cmpint(symlink(path, link_path), ==, 0);
    refuse(link_path, "symbolic link");
    g_assert_cmpint(symlink(dir, folder), ==, 0);
    refuse(through, "symbolic link");
    g_assert_cmpint(unlink(folder), ==, 0);
    g_assert_cmpint(mkfifo(fifo, 0400), ==, 0);
    refuse(fifo, "regular file");
    refuse(dir, "regular file");
    g_assert_cmpint(link(path, hard), ==, 0);
    refuse(path, "2 names");
    fixture_dir_remove(dir);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vault/store-key/good", test_good);
    g_test_add_func("/vault/store-key/none", test_none);
    g_test_add_func("/vault/store-key/sizes-and-modes", test_sizes_and_modes);
    g_test_add_func("/vault/store-key/zero", test_zero);
    g_test_add_func("/vault/store-key/owner", test_owner);
    g_test_add_func("/vault/store-key/links-and-kinds", test_links_and_kinds);
    return g_test_run();
}
