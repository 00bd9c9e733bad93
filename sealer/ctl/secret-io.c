/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include "ctl/secret-io.h"
#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* What a user got wrong is his to mend; the rest is the system's. */
static int
code_of_errno(int errnum)
{
    switch (errnum) {
    case ENOENT:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
    case EBADF:
    case ENXIO:
        return CVS_ERROR_INVALID_ARGUMENT;
    default:
        return CVS_ERROR_STORAGE_ERROR;
    }
}

static CvsSecret *
read_all(int fd, gsize max, const char *what, const char *where, GError **error)
{
    /* One byte more than is allowed, to see that there is more. */
    g_autoptr(CvsSecret) secret = cvs_secret_new(max + 1);
    gsize size = 0;

    while (size <= max) {
        gssize n = read(fd, cvs_secret_data(secret) + size, max + 1 - size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            cvs_error_set_errno(error, code_of_errno(errno), errno, "cannot read %s from %s", what,
                                where);
            return NULL;
        }
        if (n == 0)
            break;
        size += (gsize)n;
    }
    if (size == 0) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT, "%s is empty: %s has no bytes",
                    what, where);
        return NULL;
    }
    if (size > max) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE, "%s is larger than %zu bytes", what,
                    max);
        return NULL;
    }
    cvs_secret_truncate(secret, size);
    return g_steal_pointer(&secret);
}

CvsSecret *
cvs_secret_io_read_fd(int fd, gsize max, const char *what, GError **error)
{
    return read_all(fd, max, what, fd == STDIN_FILENO ? "stdin" : "the descriptor", error);
}

CvsSecret *
cvs_secret_io_read_file(const char *path, gsize max, const char *what, GError **error)
{
    CVS_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

    if (fd < 0) {
        cvs_error_set_errno(error, code_of_errno(errno), errno, "cannot open %s", path);
        return NULL;
    }
    return read_all(fd, max, what, path, error);
}

CvsSecret *
cvs_secret_io_read_line(const char *path, gsize max, const char *what, GError **error)
{
    g_autoptr(CvsSecret) secret = cvs_secret_io_read_file(path, max + 2, what, error);
    gsize size = 0;

    if (secret == NULL)
        return NULL;
    size = cvs_secret_size(secret);
    if (size > 0 && cvs_secret_peek(secret)[size - 1] == '\n')
        size--;
    if (size > 0 && cvs_secret_peek(secret)[size - 1] == '\r')
        size--;
    if (size == 0) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT, "%s is empty: %s has no text",
                    what, path);
        return NULL;
    }
    if (size > max) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE, "%s is larger than %zu bytes", what,
                    max);
        return NULL;
    }
    cvs_secret_truncate(secret, size);
    return g_steal_pointer(&secret);
}

/* The folder of a path, which may be reached over links: it is the user's own word. */
static int
open_folder(const char *path, GError **error)
{
    g_autofree char *folder = g_path_get_dirname(path);
    int dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    if (dir < 0)
        cvs_error_set_errno(error, code_of_errno(errno), errno, "cannot open the folder %s",
                            folder);
    return dir;
}

/* g_path_get_basename() forgives a slash at the end; a file's name has none. */
static const char *
file_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static gboolean
check_target(int dir, const char *path, gboolean force, GError **error)
{
    const char *name = file_name(path);
    struct stat st;

    if (*name == '\0' || g_str_equal(name, ".") || g_str_equal(name, "..")) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "\"%s\" is not the name of a file", path);
        return FALSE;
    }
    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        if (errno == ENOENT)
            return TRUE;
        cvs_error_set_errno(error, code_of_errno(errno), errno, "cannot look at %s", path);
        return FALSE;
    }
    if (!S_ISREG(st.st_mode)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "%s is not a regular file; pipes and devices are written through stdout", path);
        return FALSE;
    }
    if (!force) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "%s is there already; --force replaces it", path);
        return FALSE;
    }
    return TRUE;
}

gboolean
cvs_secret_io_check(const char *path, gboolean force, GError **error)
{
    CVS_AUTO_FD int dir = -1;

    if (path == NULL) {
        if (force || !isatty(STDOUT_FILENO))
            return TRUE;
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                            "a secret is not printed to a terminal; use --out FILE or a pipe, or "
                            "--force to see it");
        return FALSE;
    }
    dir = open_folder(path, error);
    return dir >= 0 && check_target(dir, path, force, error);
}

gboolean
cvs_secret_io_write(const char *path, gboolean force, const CvsSecret *secret, const char *tail,
                    GError **error)
{
    CVS_AUTO_FD int dir = -1;
    gsize tail_size = tail ? strlen(tail) : 0;
    g_autoptr(CvsSecret) whole = NULL;
    g_autoptr(GError) local = NULL;

    if (!cvs_secret_io_check(path, force, error))
        return FALSE;
    whole = cvs_secret_new(cvs_secret_size(secret) + tail_size);
    memcpy(cvs_secret_data(whole), cvs_secret_peek(secret), cvs_secret_size(secret));
    if (tail_size > 0)
        memcpy(cvs_secret_data(whole) + cvs_secret_size(secret), tail, tail_size);

    if (path == NULL) {
        if (cvs_write_all(STDOUT_FILENO, cvs_secret_peek(whole), cvs_secret_size(whole)))
            return TRUE;
        cvs_error_set_errno(error, CVS_ERROR_FAILED, errno, "cannot write the secret to stdout");
        return FALSE;
    }

    dir = open_folder(path, error);
    if (dir < 0)
        return FALSE;
    if (cvs_file_write(dir, file_name(path), cvs_secret_peek(whole), cvs_secret_size(whole), 0600,
                       force ? CVS_WRITE_REPLACE : CVS_WRITE_CREATE, &local))
        return TRUE;
    /* KeyExists speaks of keys; here somebody was faster with the file. */
    if (g_error_matches(local, CVS_ERROR, CVS_ERROR_KEY_EXISTS))
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "%s is there already; --force replaces it", path);
    else
        g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

void
cvs_secret_io_remove(const char *path)
{
    CVS_AUTO_FD int dir = open_folder(path, NULL);

    if (dir >= 0)
        (void)cvs_file_remove(dir, file_name(path), NULL);
}
