/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/secret-out.h"
#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define SMALL_MAX 4096

/* A pipe that holds size bytes without a reader. It is also made no larger than that: the pipe's
 * pages count against our user until the caller has read it, and the kernel bounds their sum. */
static gboolean
make_pipe(gsize size, int *ret_read, int *ret_write, GError **error)
{
    CVS_AUTO_FD int rd = -1;
    CVS_AUTO_FD int wr = -1;
    int ends[2] = {-1, -1};

    if (pipe2(ends, O_CLOEXEC) < 0) {
        cvs_error_set_errno(error, CVS_ERROR_BUSY, errno, "no pipe for the secret");
        return FALSE;
    }
    rd = ends[0];
    wr = ends[1];
    if (fcntl(wr, F_SETPIPE_SZ, (int)size) < (int)size) {
        cvs_error_set_errno(error, CVS_ERROR_BUSY, EBUSY, "no pipe of %zu bytes for the secret",
                            size);
        return FALSE;
    }
    /* Only our end: the reader's must not change its meaning for him. */
    if (fcntl(wr, F_SETFL, O_NONBLOCK) < 0) {
        cvs_error_set_errno(error, CVS_ERROR_FAILED, errno, "cannot prepare the pipe");
        return FALSE;
    }
    *ret_read = cvs_steal_fd(&rd);
    *ret_write = cvs_steal_fd(&wr);
    return TRUE;
}

int
cvs_secret_out_pipe(const CvsSecret *secret, GError **error)
{
    CVS_AUTO_FD int rd = -1;
    CVS_AUTO_FD int wr = -1;

    if (!make_pipe(cvs_secret_size(secret), &rd, &wr, error))
        return -1;
    if (!cvs_write_all(wr, cvs_secret_peek(secret), cvs_secret_size(secret))) {
        cvs_error_set_errno(error, CVS_ERROR_FAILED, errno, "cannot fill the secret's pipe");
        return -1;
    }
    return cvs_steal_fd(&rd);
}

static gboolean
is_stream_socket(int fd)
{
    int domain = 0;
    int type = 0;
    socklen_t size = sizeof domain;

    if (getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &size) < 0)
        return FALSE;
    size = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &size) == 0 && domain == AF_UNIX &&
           type == SOCK_STREAM;
}

gboolean
cvs_secret_out_check(int fd, GError **error)
{
    struct stat st;
    int flags = fcntl(fd, F_GETFL);

    if (fstat(fd, &st) == 0 && flags >= 0 && !(flags & O_PATH) && (flags & O_ACCMODE) != O_RDONLY &&
        (S_ISFIFO(st.st_mode) || (S_ISSOCK(st.st_mode) && is_stream_socket(fd))))
        return TRUE;
    g_set_error(
        error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
        "the recovery key is written to the write end of a pipe or a UNIX stream socket, and "
        "this descriptor is neither");
    return FALSE;
}

/* splice() is told by its own flag not to wait, whatever flags the peer has on his pipe. What it
 * takes in part is lost to us, so a pipe that has not room for all is refused by the count. */
static gssize
write_to_pipe(int fd, const CvsSecret *secret, GError **error)
{
    gsize size = cvs_secret_size(secret);
    CVS_AUTO_FD int rd = -1;
    CVS_AUTO_FD int wr = -1;

    if (!make_pipe(size, &rd, &wr, error))
        return -1;
    if (!cvs_write_all(wr, cvs_secret_peek(secret), size)) {
        cvs_error_set_errno(error, CVS_ERROR_FAILED, errno, "cannot fill the recovery key's pipe");
        return -1;
    }
    return splice(rd, NULL, fd, NULL, size, SPLICE_F_NONBLOCK);
}

gboolean
cvs_secret_out_write(int fd, const CvsSecret *secret, GError **error)
{
    g_autoptr(GError) local = NULL;
    gsize size = cvs_secret_size(secret);
    struct stat st;
    gssize done = -1;

    g_return_val_if_fail(size <= SMALL_MAX, FALSE);

    if (!cvs_secret_out_check(fd, error))
        return FALSE;
    if (fstat(fd, &st) == 0 && S_ISFIFO(st.st_mode))
        done = write_to_pipe(fd, secret, &local);
    else
        done = send(fd, cvs_secret_peek(secret), size, MSG_DONTWAIT | MSG_NOSIGNAL);
    if (local) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    if (done != (gssize)size) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "the descriptor for the recovery key does not take it now: it is full, or its "
                    "reader is gone");
        return FALSE;
    }
    return TRUE;
}
