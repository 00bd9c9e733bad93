/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include "vault/store-key.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

#define MODE 0400

static gboolean unfit(GError **error, const char *path, const char *format, ...)
    G_GNUC_PRINTF(3, 4);

static gboolean
unfit(GError **error, const char *path, const char *format, ...)
{
    g_autoptr(GError) refusal = NULL;
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    refusal = g_error_new(CVS_ERROR, CVS_ERROR_STORAGE_ERROR, "the store key %s: %s", path, text);
    cvs_error_add_reason(refusal, CVS_REASON_STORE_KEY_UNFIT, NULL, NULL, "%s: %s", path, text);
    g_propagate_error(error, g_steal_pointer(&refusal));
    return FALSE;
}

/* One folder of the path. Sets errno. */
static int
open_folder(int parent, const char *name)
{
    CVS_AUTO_FD int fd = openat(parent, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return -1;
    if (!S_ISDIR(st.st_mode)) {
        errno = S_ISLNK(st.st_mode) ? ELOOP : ENOTDIR;
        return -1;
    }
    return cvs_steal_fd(&fd);
}

/* Step by step: openat2() could do it at once, but is kept from a service that RestrictSUIDSGID=
 * holds. Does not wait for the other end of a FIFO. Sets errno. */
static int
open_without_links(const char *path)
{
    g_auto(GStrv) names = g_strsplit(path, "/", -1);
    CVS_AUTO_FD int folder = open_folder(AT_FDCWD, path[0] == '/' ? "/" : ".");
    guint last = g_strv_length(names) - 1;

    for (guint i = 0; folder >= 0 && i < last; i++) {
        int next = -1;
        int saved = 0;

        if (names[i][0] == '\0')
            continue;
        next = open_folder(folder, names[i]);
        saved = errno;
        cvs_close_fd(&folder);
        errno = saved;
        folder = next;
    }
    if (folder < 0)
        return -1;
    return openat(folder, names[last], O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | O_NOFOLLOW);
}

static gboolean
check_file(int fd, const char *path, GError **error)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return unfit(error, path, "%s", g_strerror(errno));
    if (!S_ISREG(st.st_mode))
        return unfit(error, path, "not a regular file");
    if (st.st_uid != geteuid())
        return unfit(error, path, "it belongs to uid %u, not to %u", st.st_uid, geteuid());
    if ((st.st_mode & 07777) != MODE)
        return unfit(error, path, "its mode is %04o, and must be %04o", st.st_mode & 07777, MODE);
    if (st.st_nlink != 1)
        return unfit(error, path, "it has %ju names, and must have one", (uintmax_t)st.st_nlink);
    if (st.st_size != CVS_STORE_KEY_SIZE)
        return unfit(error, path, "it has %jd bytes, and must have %d", (intmax_t)st.st_size,
                     CVS_STORE_KEY_SIZE);
    return TRUE;
}

gboolean
cvs_store_key_load(const char *path, CvsSecret **ret_key, GError **error)
{
    static const guint8 zero[CVS_STORE_KEY_SIZE] = {0};
    CVS_AUTO_FD int fd = open_without_links(path);
    g_autoptr(CvsSecret) key = NULL;
    gssize n = 0;

    if (fd < 0 && errno == ENOENT) {
        *ret_key = NULL;
        return TRUE;
    }
    if (fd < 0 && errno == EACCES)
        return unfit(error, path,
                     "it may not be read by uid %u, and without it nothing tells whether it is "
                     "needed: run as root, or use a configuration in which StoreKeyFile= names "
                     "another file",
                     geteuid());
    if (fd < 0)
        return unfit(error, path, "%s",
                     errno == ELOOP ? "there is a symbolic link in its path" : g_strerror(errno));
    if (!check_file(fd, path, error))
        return FALSE;
    key = cvs_secret_new(CVS_STORE_KEY_SIZE);
    do
        n = pread(fd, cvs_secret_data(key), CVS_STORE_KEY_SIZE, 0);
    while (n < 0 && errno == EINTR);
    if (n != CVS_STORE_KEY_SIZE)
        return unfit(error, path, "%s", n < 0 ? g_strerror(errno) : "it was cut short");
    /* What a file has that was made and never written. */
    if (cvs_equal_bytes(cvs_secret_peek(key), zero, sizeof zero))
        return unfit(error, path, "all its bytes are zero");
    *ret_key = g_steal_pointer(&key);
    return TRUE;
}
