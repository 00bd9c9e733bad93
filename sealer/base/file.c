/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include "base/file.h"
#include "base/error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

/* Names that users choose never start with a dot, so these cannot be taken. */
#define TEMPORARY_PREFIX ".tmp-"
#define READ_BLOCK 65536

void
cvs_close_fd(int *fd)
{
    if (*fd >= 0) {
        int saved = errno;

        (void)close(*fd);
        *fd = -1;
        errno = saved;
    }
}

int
cvs_steal_fd(int *fd)
{
    int stolen = *fd;

    *fd = -1;
    return stolen;
}

gboolean
cvs_write_all(int fd, const void *data, gsize size)
{
    const guint8 *bytes = data;

    while (size > 0) {
        gssize n = write(fd, bytes, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return FALSE;
        bytes += n;
        size -= (gsize)n;
    }
    return TRUE;
}

int
cvs_dir_open_at(int dir, const char *name, gboolean create, mode_t mode, GError **error)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW;
    int fd = openat(dir, name, flags);

    if (fd < 0 && errno == ENOENT && create) {
        if (mkdirat(dir, name, mode) < 0 && errno != EEXIST) {
            cvs_error_set_errno(error, CVS_ERROR_STORAGE_ERROR, errno, "cannot make the folder %s",
                                name);
            return -1;
        }
        fd = openat(dir, name, flags);
        /* The new folder must outlive a crash before anything in it can. */
        if (fd >= 0 && fsync(dir) < 0) {
            cvs_error_set_errno(error, CVS_ERROR_STORAGE_ERROR, errno,
                                "cannot sync the folder that holds %s", name);
            cvs_close_fd(&fd);
            return -1;
        }
    }
    if (fd < 0)
        cvs_error_set_errno(error,
                            errno == ENOENT ? CVS_ERROR_NO_SUCH_KEY : CVS_ERROR_STORAGE_ERROR,
                            errno, "cannot open the folder %s", name);
    return fd;
}

int
cvs_dir_open(const char *path, gboolean create, mode_t mode, GError **error)
{
    g_autofree char *whole = g_canonicalize_filename(path, NULL); /* no slash at its end */
    g_autofree char *parent = g_path_get_dirname(whole);
    g_autofree char *name = g_path_get_basename(whole);
    CVS_AUTO_FD int dir = -1;

    if (!create)
        return cvs_dir_open_at(AT_FDCWD, path, FALSE, mode, error);
    /* Held open, since a new folder lasts only when its parent is synced. */
    dir = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) {
        cvs_error_set_errno(error,
                            errno == ENOENT ? CVS_ERROR_NO_SUCH_KEY : CVS_ERROR_STORAGE_ERROR,
                            errno, "cannot open the folder %s", parent);
        return -1;
    }
    return cvs_dir_open_at(dir, name, TRUE, mode, error);
}

GBytes *
cvs_file_read(int dir, const char *name, gsize max, GError **error)
{
    CVS_AUTO_FD int fd = -1;
    g_autofree guint8 *data = NULL;
    struct stat st;
    gsize size = 0;

    /* NONBLOCK: a FIFO that somebody put there must not stop us. */
    fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        cvs_error_set_errno(error,
                            errno == ENOENT ? CVS_ERROR_NO_SUCH_KEY : CVS_ERROR_STORAGE_ERROR,
                            errno, "cannot open %s", name);
        return NULL;
    }
    if (fstat(fd, &st) < 0) {
        cvs_error_set_errno(error, CVS_ERROR_STORAGE_ERROR, errno, "cannot stat %s", name);
        return NULL;
    }
    if (!S_ISREG(st.st_mode)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s is not a regular file", name);
        return NULL;
    }
    if (st.st_size < 0 || (guint64)st.st_size > max) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE,
                    "%s has %" G_GINT64_FORMAT " bytes; at most %zu are read", name,
                    (gint64)st.st_size, max);
        return NULL;
    }
    /* One byte more than the size, to see whether it grows under our hands. */
    data = g_malloc((gsize)st.st_size + 1);
    while (size <= (gsize)st.st_size) {
        gssize n = read(fd, data + size, (gsize)st.st_size + 1 - size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            cvs_error_set_errno(error, CVS_ERROR_STORAGE_ERROR, errno, "cannot read %s", name);
            return NULL;
        }
        if (n == 0)
            break;
        size += (gsize)n;
    }
    if (size > (gsize)st.st_size) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BUSY, "%s grows while it is read", name);
        return NULL;
    }
    return g_bytes_new_take(g_steal_pointer(&data), size);
}

GBytes *
cvs_file_read_path(const char *path, gsize max, GError **error)
{
    CVS_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autofree guint8 *block = g_malloc(READ_BLOCK);

    for (;;) {
        gssize n = fd < 0 ? -1 : read(fd, block, READ_BLOCK);

        if (n == 0)
            return g_byte_array_free_to_bytes(g_steal_pointer(&bytes));
        if (n < 0 && fd >= 0 && errno == EINTR)
            continue;
        if (n < 0) {
            cvs_error_set_errno(error,
                                errno == ENOENT || errno == ENOTDIR || errno == EISDIR
                                    ? CVS_ERROR_INVALID_ARGUMENT
                                    : CVS_ERROR_STORAGE_ERROR,
                                errno, "%s: cannot be read", path);
            return NULL;
        }
        if ((gsize)n > max - bytes->len) {
            g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                        "%s: longer than %zu bytes, which is all that is read", path, max);
            return NULL;
        }
        g_byte_array_append(bytes, block, (guint)n);
    }
}

gboolean
cvs_file_is_temporary(const char *name)
{
    return g_str_has_prefix(name, TEMPORARY_PREFIX);
}

static int
open_temporary(int dir, mode_t mode, char name[static 32], GError **error)
{
    for (int tries = 0; tries < 100; tries++) {
        guint64 random;
        int fd = -1;

        if (getrandom(&random, sizeof random, 0) != sizeof random)
            continue;
        (void)snprintf(name, 32, TEMPORARY_PREFIX "%016" G_GINT64_MODIFIER "x", random);
        fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
        if (fd >= 0) {
            struct stat st;

            /* Held until it is renamed, so that a sweep leaves it alone. One that came before us
             * holds it now, or has removed it. */
            if (flock(fd, LOCK_EX | LOCK_NB) == 0 && fstat(fd, &st) == 0 && st.st_nlink > 0)
                return fd;
            (void)unlinkat(dir, name, 0);
            cvs_close_fd(&fd);
            continue;
        }
        if (errno != EEXIST)
            break;
    }
    cvs_error_set_errno(error, CVS_ERROR_STORAGE_ERROR, errno, "cannot make a temporary file");
    return -1;
}

gboolean
cvs_file_write(int dir, const char *name, const void *data, gsize size, mode_t mode,
               CvsWriteMode how, GError **error)
{
    CVS_AUTO_FD int fd = -1;
    char temporary[32];
    gboolean ok = FALSE;

    fd = open_temporary(dir, mode, temporary, error);
    if (fd < 0)
        return FALSE;

    if (!cvs_write_all(fd, data, size)) {
        cvs_error_set_errno(error, CVS_ERROR_STORAGE_ERROR, errno, "cannot write %s", name);
        goto out;
    }
    if (fsync(fd) < 0) {
        cvs_error_set_errno(error, CVS_ERROR_STORAGE_ERROR, errno, "cannot sync %s", name);
        goto out;
    }
    if (renameat2(dir, temporary, dir, name, how == CVS_WRITE_CREATE ? RENAME_NOREPLACE : 0) < 0) {
        if (errno == EEXIST)
            g_set_error(error, CVS_ERROR, CVS_ERROR_KEY_EXISTS, "%s is there already", name);
        else
            cvs_error_set_errno(error, CVS_ERROR_STORAGE_ERROR, errno, "cannot name %s", name);
        goto out;
    }
    temporary[0] = '\0';
    if (fsync(dir) < 0) {
        cvs_error_set_errno(error, CVS_ERROR_STORAGE_ERROR, errno,
                            "%s is written, but its folder cannot be synced: after a crash the "
                            "old content may be back",
                            name);
        goto out;
    }
    ok = TRUE;

out:
    if (temporary[0] != '\0')
        (void)unlinkat(dir, temporary, 0);
    return ok;
}

gboolean
cvs_file_remove(int dir, const char *name, GError **error)
{
    if (unlinkat(dir, name, 0) < 0) {
        cvs_error_set_errno(error,
                            errno == ENOENT ? CVS_ERROR_NO_SUCH_KEY : CVS_ERROR_STORAGE_ERROR,
                            errno, "cannot remove %s", name);
        return FALSE;
    }
    if (fsync(dir) < 0) {
        cvs_error_set_errno(error, CVS_ERROR_STORAGE_ERROR, errno,
                            "%s is removed, but its folder cannot be synced: after a crash it may "
                            "be back",
                            name);
        return FALSE;
    }
    return TRUE;
}

void
cvs_file_sweep_one(int dir, const char *name)
{
    CVS_AUTO_FD int fd = openat(dir, name, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

    if (fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) == 0)
        (void)unlinkat(dir, name, 0);
}

void
cvs_file_sweep(int dir)
{
    int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *entry = NULL;

    if (stream == NULL) {
        cvs_close_fd(&copy);
        return;
    }
    while ((entry = readdir(stream)) != NULL) {
        if (cvs_file_is_temporary(entry->d_name))
            cvs_file_sweep_one(dir, entry->d_name);
    }
    (void)closedir(stream);
}
