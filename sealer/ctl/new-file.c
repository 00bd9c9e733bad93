/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/new-file.h"
#include "base/error.h"
#include "base/file.h"

#include <string.h>

gboolean
cvs_new_file_check(const char *path, const char *option, GError **error)
{
    if (!g_file_test(path, G_FILE_TEST_EXISTS) && !g_file_test(path, G_FILE_TEST_IS_SYMLINK))
        return TRUE;
    g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT, "%s: %s is there already", option,
                path);
    return FALSE;
}

gboolean
cvs_new_file_write(const char *path, const char *text, mode_t mode, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    g_autofree char *name = g_path_get_basename(path);
    CVS_AUTO_FD int dir = cvs_dir_open(folder, FALSE, 0, error);

    return dir >= 0 && cvs_file_write(dir, name, text, strlen(text), mode, CVS_WRITE_CREATE, error);
}
