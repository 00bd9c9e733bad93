/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include "ctl/new-folder.h"
#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    char *name;
    GBytes *bytes;
} File;

static void
file_free(gpointer data)
{
    File *file = data;

    g_free(file->name);
    g_bytes_unref(file->bytes);
    g_free(file);
}

GPtrArray *
cvs_new_folder_files(void)
{
    return g_ptr_array_new_with_free_func(file_free);
}

void
cvs_new_folder_add(GPtrArray *files, const char *name, GBytes *bytes)
{
    File *file = NULL;

    if (bytes == NULL)
        return;
    file = g_new0(File, 1);
    file->name = g_strdup(name);
    file->bytes = g_bytes_ref(bytes);
    g_ptr_array_add(files, file);
}

const char *
cvs_new_folder_name(const GPtrArray *files, guint number)
{
    const File *file = g_ptr_array_index(files, number);

    return file->name;
}

static gboolean
taken(const char *path, GError **error)
{
    g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                "%s is there already; --out makes a new folder", path);
    return FALSE;
}

gboolean
cvs_new_folder_check(const char *path, GError **error)
{
    g_autofree char *whole = g_canonicalize_filename(path, NULL);
    g_autofree char *parent = g_path_get_dirname(whole);
    struct stat st;

    if (lstat(whole, &st) == 0)
        return taken(path, error);
    if (access(parent, W_OK) == 0)
        return TRUE;
    cvs_error_set_errno(error,
                        errno == ENOENT || errno == ENOTDIR ? CVS_ERROR_INVALID_ARGUMENT
                                                            : CVS_ERROR_STORAGE_ERROR,
                        errno, "cannot make %s", path);
    return FALSE;
}

static void
remove_folder(int parent, const char *name, int dir, const GPtrArray *files)
{
    for (guint i = 0; dir >= 0 && i < files->len; i++)
        (void)unlinkat(dir, cvs_new_folder_name(files, i), 0);
    (void)unlinkat(parent, name, AT_REMOVEDIR);
}

static gboolean
write_files(int dir, const GPtrArray *files, GError **error)
{
    for (guint i = 0; i < files->len; i++) {
        const File *file = g_ptr_array_index(files, i);

        if (!cvs_file_write(dir, file->name, g_bytes_get_data(file->bytes, NULL),
                            g_bytes_get_size(file->bytes), 0644, CVS_WRITE_CREATE, error))
            return FALSE;
    }
    return TRUE;
}

gboolean
cvs_new_folder_write(const char *path, const GPtrArray *files, GError **error)
{
    g_autofree char *whole = g_canonicalize_filename(path, NULL);
    g_autofree char *parent_path = g_path_get_dirname(whole);
    g_autofree char *name = g_path_get_basename(whole);
    CVS_AUTO_FD int parent = cvs_dir_open(parent_path, FALSE, 0, error);
    CVS_AUTO_FD int dir = -1;
    guint64 random = 0;
    char temporary[40];

    if (parent < 0)
        return FALSE;
    if (getrandom(&random, sizeof random, 0) != sizeof random) {
        cvs_error_set_errno(error, CVS_ERROR_FAILED, errno, "no random bytes");
        return FALSE;
    }
    (void)g_snprintf(temporary, sizeof temporary, ".cvmseal-%016" G_GINT64_MODIFIER "x", random);
    if (mkdirat(parent, temporary, 0755) < 0) {
        cvs_error_set_errno(error, CVS_ERROR_STORAGE_ERROR, errno, "cannot make %s", path);
        return FALSE;
    }
    dir = cvs_dir_open_at(parent, temporary, FALSE, 0, error);
    if (dir < 0 || !write_files(dir, files, error))
        goto failed;
    if (renameat2(parent, temporary, parent, name, RENAME_NOREPLACE) < 0) {
        if (errno == EEXIST)
            (void)taken(path, error);
        else
            cvs_error_set_errno(error, CVS_ERROR_STORAGE_ERROR, errno, "cannot name %s", path);
        goto failed;
    }
    if (fsync(parent) < 0) {
        cvs_error_set_errno(error, CVS_ERROR_STORAGE_ERROR, errno,
                            "%s is written, but the folder that holds it cannot be synced: after a "
                            "crash it may be gone",
                            path);
        return FALSE;
    }
    return TRUE;

failed:
    remove_folder(parent, temporary, dir, files);
    return FALSE;
}
