/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/pseudo-file.h"
#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define CHUNK 16384

int
cvs_pseudo_file_read(int dir, const char *name, gsize max, GBytes **ret_bytes)
{
    CVS_AUTO_FD int fd = -1;
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    guint8 chunk[CHUNK];
    struct stat st;

    /* NONBLOCK: a FIFO at a configured path must not stop us; the kernel's files do not care. */
    fd = openat(dir, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return errno;
    if (fstat(fd, &st) < 0)
        return errno;
    if (!S_ISREG(st.st_mode))
        return EINVAL;
    for (;;) {
        gssize n = read(fd, chunk, sizeof chunk);

        if (n < 0)
            return errno;
        if (n == 0)
            break;
        if ((gsize)n > max - bytes->len)
            return EFBIG;
        g_byte_array_append(bytes, chunk, (guint)n);
    }
    *ret_bytes = g_byte_array_free_to_bytes(g_steal_pointer(&bytes));
    return 0;
}

GBytes *
cvs_pseudo_file_read_path(const char *path, gsize max, GError **error)
{
    GBytes *bytes = NULL;
    int errnum = 0;

    do
        errnum = cvs_pseudo_file_read(AT_FDCWD, path, max, &bytes);
    while (errnum == EINTR);
    if (errnum == 0)
        return bytes;
    if (errnum == EFBIG)
        g_set_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE, "%s has more than %zu bytes", path, max);
    else
        cvs_error_set_errno(error, errnum == ENOENT ? CVS_ERROR_NOT_SUPPORTED : CVS_ERROR_FAILED,
                            errnum, "cannot read %s", path);
    return NULL;
}
