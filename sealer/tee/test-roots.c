/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/test-roots.h"
#include "base/error.h"
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEST_FILES_MAX 64

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The names of the regular files, sorted, so that an error is the same in every run. */
static GPtrArray *
list_files(int dir, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *entry = NULL;

    if (stream == NULL) {
        cvs_error_set_errno(error, CVS_ERROR_STORAGE_ERROR, errno, "cannot list the test roots");
        cvs_close_fd(&copy);
        return NULL;
    }
    while ((entry = readdir(stream)) != NULL) {
        struct stat st;

        if (entry->d_name[0] != '.' && fstatat(dir, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode))
            g_ptr_array_add(names, g_strdup(entry->d_name));
    }
    (void)closedir(stream);
    if (names->len > TEST_FILES_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE,
                    "the folder of test roots holds more than %d files", TEST_FILES_MAX);
        return NULL;
    }
    g_ptr_array_sort(names, compare_names);
    return g_steal_pointer(&names);
}

static gboolean
check_owner(const struct stat *st, const char *what, GError **error)
{
    if (st->st_uid != 0 && st->st_uid != geteuid()) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_STORAGE_ERROR, "%s belongs to uid %u, not to root",
                    what, st->st_uid);
        return FALSE;
    }
    if (st->st_mode & (S_IWGRP | S_IWOTH)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_STORAGE_ERROR,
                    "others than its owner may write to %s (mode %04o)", what, st->st_mode & 07777);
        return FALSE;
    }
    return TRUE;
}

gboolean
cvs_test_roots_check_owners(const char *path, GError **error)
{
    g_autoptr(GPtrArray) names = NULL;
    CVS_AUTO_FD int dir = cvs_dir_open(path, FALSE, 0, error);
    struct stat st = {0};

    if (dir < 0)
        return FALSE;
    if (fstat(dir, &st) < 0) {
        cvs_error_set_errno(error, CVS_ERROR_STORAGE_ERROR, errno, "cannot look at %s", path);
        return FALSE;
    }
    if (!check_owner(&st, path, error))
        return FALSE;
    names = list_files(dir, error);
    for (guint i = 0; names && i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        g_autofree char *file = g_build_filename(path, name, NULL);

        if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
            cvs_error_set_errno(error, CVS_ERROR_STORAGE_ERROR, errno, "cannot look at %s", file);
            return FALSE;
        }
        if (!check_owner(&st, file, error))
            return FALSE;
    }
    return names != NULL;
}

GPtrArray *
cvs_test_roots_load(const char *path, GError **error)
{
    g_autoptr(GPtrArray) all = cvs_x509_certs_new();
    g_autoptr(GPtrArray) names = NULL;
    CVS_AUTO_FD int dir = cvs_dir_open(path, FALSE, 0, error);

    if (dir < 0)
        return NULL;
    names = list_files(dir, error);
    if (names == NULL)
        return NULL;
    for (guint i = 0; i < names->len; i++) {
        const char *name = g_ptr_array_index(names, i);
        g_autoptr(GPtrArray) crls = cvs_x509_crls_new();
        g_autoptr(GBytes) bytes = cvs_file_read(dir, name, CVS_X509_INPUT_MAX, error);

        if (bytes == NULL || !cvs_x509_load(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes),
                                            name, all, crls, error)) {
            g_prefix_error(error, "test roots in %s: ", path);
            return NULL;
        }
    }
    return g_steal_pointer(&all);
}
