/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/tsm-folder.h"
#include "base/error.h"
#include "base/file.h"
#include "tee/pseudo-file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME_SIZE 80
#define TEXT_MAX 4096

struct _CvsTsmFolder {
    int parent;
    int dir;
    char name[NAME_SIZE]; /* "" until it is made */
    guint64 writes;
};

/* When a process was started, in ticks since the boot; 0 if there is no such process. */
static guint64
start_of(gint64 pid)
{
    g_autofree char *path = g_strdup_printf("/proc/%" G_GINT64_FORMAT "/stat", pid);
    g_autoptr(GBytes) bytes = cvs_pseudo_file_read_path(path, TEXT_MAX, NULL);
    g_autofree char *text = NULL;
    const char *end = NULL;
    guint64 start = 0;

    if (bytes == NULL)
        return 0;
    text = g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
    /* proc(5): the name, in parentheses, may have anything in it; the start is field 22. */
    end = strrchr(text, ')');
    if (end == NULL ||
        sscanf(end + 1,
               " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d "
               "%" G_GUINT64_FORMAT,
               &start) != 1)
        return 0;
    return start;
}

static gboolean
make_name(char name[static NAME_SIZE], GError **error)
{
    guint64 random[2];

    if (getrandom(random, sizeof random, 0) != sizeof random) {
        cvs_error_set_errno(error, CVS_ERROR_FAILED, errno, "no random bytes");
        return FALSE;
    }
    (void)g_snprintf(name, NAME_SIZE,
                     CVS_TSM_FOLDER_PREFIX "%d-%" G_GUINT64_FORMAT "-%016" G_GINT64_MODIFIER
                                           "x%016" G_GINT64_MODIFIER "x",
                     (int)getpid(), start_of(getpid()), random[0], random[1]);
    return TRUE;
}

static void
explain_mkdir(int errnum, const char *path, GError **error)
{
    if (errnum == ENXIO)
        g_set_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                    "%s has no TEE behind it: neither of the drivers sev-guest and tdx_guest is "
                    "loaded, or this is no confidential VM",
                    path);
    else if (errnum == EROFS)
        g_set_error(error, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED,
                    "%s is mounted read-only here: the sandbox of the service does not let it ask "
                    "the TEE",
                    path);
    else
        cvs_error_set_errno(error, CVS_ERROR_ATTESTATION_FAILED, errnum,
                            "cannot make a request in %s", path);
}

CvsTsmFolder *
cvs_tsm_folder_new(const char *path, GError **error)
{
    g_autoptr(CvsTsmFolder) folder = g_new0(CvsTsmFolder, 1);
    char name[NAME_SIZE];

    folder->dir = -1;
    folder->parent = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder->parent < 0) {
        cvs_error_set_errno(
            error, errno == ENOENT ? CVS_ERROR_NOT_SUPPORTED : CVS_ERROR_ATTESTATION_FAILED, errno,
            "cannot open %s", path);
        return NULL;
    }
    if (!make_name(name, error))
        return NULL;
    if (mkdirat(folder->parent, name, 0700) < 0) {
        explain_mkdir(errno, path, error);
        return NULL;
    }
    memcpy(folder->name, name, sizeof name);
    folder->dir = openat(folder->parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    if (folder->dir < 0) {
        cvs_error_set_errno(error, CVS_ERROR_ATTESTATION_FAILED, errno,
                            "cannot open our request in %s", path);
        return NULL;
    }
    return g_steal_pointer(&folder);
}

void
cvs_tsm_folder_free(CvsTsmFolder *folder)
{
    if (folder == NULL)
        return;
    cvs_close_fd(&folder->dir);
    /* If it cannot be removed, the next request tries again. */
    if (folder->name[0] != '\0')
        (void)unlinkat(folder->parent, folder->name, AT_REMOVEDIR);
    cvs_close_fd(&folder->parent);
    g_free(folder);
}

gboolean
cvs_tsm_folder_has(const CvsTsmFolder *folder, const char *name)
{
    return faccessat(folder->dir, name, F_OK, 0) == 0;
}

int
cvs_tsm_folder_read(const CvsTsmFolder *folder, const char *name, gsize max, GBytes **ret_bytes)
{
    return cvs_pseudo_file_read(folder->dir, name, max, ret_bytes);
}

static void
set_attribute_errno(GError **error, int errnum, const char *doing, const char *name)
{
    cvs_error_set_errno(error,
                        errnum == ENOENT ? CVS_ERROR_NOT_SUPPORTED : CVS_ERROR_ATTESTATION_FAILED,
                        errnum, "cannot %s %s of the request to the TEE", doing, name);
}

char *
cvs_tsm_folder_get(const CvsTsmFolder *folder, const char *name, GError **error)
{
    g_autoptr(GBytes) bytes = NULL;
    g_autofree char *text = NULL;
    gsize size = 0;
    int errnum = 0;

    do
        errnum = cvs_tsm_folder_read(folder, name, TEXT_MAX, &bytes);
    while (errnum == EINTR);
    if (errnum != 0) {
        set_attribute_errno(error, errnum, "read", name);
        return NULL;
    }
    size = g_bytes_get_size(bytes);
    text = g_strndup(size ? g_bytes_get_data(bytes, NULL) : "", size);
    if (strlen(text) != size || !g_str_is_ascii(text)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "%s of the request to the TEE is not text", name);
        return NULL;
    }
    return g_strdup(g_strchomp(text));
}

gboolean
cvs_tsm_folder_get_number(const CvsTsmFolder *folder, const char *name, guint64 max,
                          guint64 *ret_value, GError **error)
{
    g_autofree char *text = cvs_tsm_folder_get(folder, name, error);

    if (text == NULL)
        return FALSE;
    if (g_ascii_string_to_unsigned(text, 10, 0, max, ret_value, NULL))
        return TRUE;
    g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                "%s of the request to the TEE is \"%.32s\", no number up to %" G_GUINT64_FORMAT,
                name, text, max);
    return FALSE;
}

gboolean
cvs_tsm_folder_write(CvsTsmFolder *folder, const char *name, const void *data, gsize size,
                     GError **error)
{
    CVS_AUTO_FD int fd = openat(folder->dir, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW);
    gssize n = 0;

    if (fd < 0) {
        set_attribute_errno(error, errno, "open", name);
        return FALSE;
    }
    do
        n = write(fd, data, size);
    while (n < 0 && errno == EINTR);
    if (n >= 0 && (gsize)n == size) {
        folder->writes++;
        return TRUE;
    }
    set_attribute_errno(error, n < 0 ? errno : EIO, "write", name);
    return FALSE;
}

guint64
cvs_tsm_folder_writes(const CvsTsmFolder *folder)
{
    return folder->writes;
}

static gboolean
is_left_over(const char *name)
{
    int pid = 0;
    guint64 start = 0;
    int end = 0;

    if (sscanf(name, CVS_TSM_FOLDER_PREFIX "%d-%" G_GUINT64_FORMAT "-%n", &pid, &start, &end) !=
            2 ||
        end == 0)
        return FALSE;
    return start == 0 || start_of(pid) != start;
}

void
cvs_tsm_folder_sweep(const char *path)
{
    DIR *stream = opendir(path);
    struct dirent *entry = NULL;

    if (stream == NULL)
        return;
    while ((entry = readdir(stream)) != NULL) {
        if (is_left_over(entry->d_name))
            (void)unlinkat(dirfd(stream), entry->d_name, AT_REMOVEDIR);
    }
    (void)closedir(stream);
}
