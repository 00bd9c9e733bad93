/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/secret-out.h"
#include "base/error.h"
#include "base/file.h"
#include "service/fds.h"

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

/* In place of a pipe: a socket's buffer belongs to nobody's sum. */
static gboolean
make_socket(int *ret_read, int *ret_write, GError **error)
{
    int ends[2] = {-1, -1};

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) < 0) {
        cvs_error_set_errno(error, CVS_ERROR_BUSY, errno, "no socket for the secret");
        return FALSE;
    }
    *ret_read = ends[0];
    *ret_write = ends[1];
    /* One way only, as a pipe; and never to wait for a reader. */
    if (shutdown(ends[0], SHUT_WR) < 0 || fcntl(ends[1], F_SETFL, O_NONBLOCK) < 0) {
        cvs_error_set_errno(error, CVS_ERROR_FAILED, errno, "cannot prepare the socket");
        cvs_close_fd(ret_read);
        cvs_close_fd(ret_write);
        return FALSE;
    }
    return TRUE;
}

int
cvs_secret_out_pipe(const CvsSecret *secret, GError **error)
{
    CVS_AUTO_FD int rd = -1;
    CVS_AUTO_FD int wr = -1;

    /* Whoever does not read what he asked for keeps its pages, and with enough of them nobody would
     * get a pipe of more than a page. */
    if (!make_pipe(cvs_secret_size(secret), &rd, &wr, NULL) && !make_socket(&rd, &wr, error))
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

static gboolean
check_kind(int fd, GError **error)
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

static gboolean
write_to(int fd, const CvsSecret *secret, GError **error)
{
    g_autoptr(GError) local = NULL;
    gsize size = cvs_secret_size(secret);
    struct stat st;
    gssize done = -1;

    if (!check_kind(fd, error))
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

/* What the thread that writes shares with the one that waits for it. */
typedef struct {
    gatomicrefcount refs;
    int fd;
    CvsSecret *secret;
    CvsPlace *place;
    GMutex mutex;
    GCond changed;
    /* under the mutex */
    gboolean ended;
    GError *error;
} Output;

static void
output_unref(Output *output)
{
    if (!g_atomic_ref_count_dec(&output->refs))
        return;
    cvs_fds_bury(&output->fd);
    cvs_secret_unref(output->secret);
    cvs_place_unref(output->place);
    g_mutex_clear(&output->mutex);
    g_cond_clear(&output->changed);
    g_clear_error(&output->error);
    g_free(output);
}

static gpointer
output_main(gpointer data)
{
    Output *output = data;
    GError *error = NULL;

    (void)write_to(output->fd, output->secret, &error);
    cvs_close_fd(&output->fd);
    g_clear_pointer(&output->secret, cvs_secret_unref);
    g_mutex_lock(&output->mutex);
    output->error = error;
    output->ended = TRUE;
    g_cond_signal(&output->changed);
    g_mutex_unlock(&output->mutex);
    output_unref(output);
    return NULL;
}

static void
wait_for_output(Output *output, guint timeout_ms, GError **error)
{
    gint64 until = g_get_monotonic_time() + timeout_ms * G_TIME_SPAN_MILLISECOND;

    g_mutex_lock(&output->mutex);
    while (!output->ended && g_cond_wait_until(&output->changed, &output->mutex, until))
        ;
    if (output->ended)
        *error = g_steal_pointer(&output->error);
    else
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "the descriptor for the recovery key did not take it within %u ms: somebody "
                    "holds it up",
                    timeout_ms);
    g_mutex_unlock(&output->mutex);
}

gboolean
cvs_secret_out_write(int fd, const CvsSecret *secret, guint timeout_ms, CvsPlace *place,
                     GError **error)
{
    Output *output = NULL;
    GThread *thread = NULL;
    GError *local = NULL;

    g_return_val_if_fail(cvs_secret_size(secret) <= SMALL_MAX, FALSE);

    output = g_new0(Output, 1);
    g_atomic_ref_count_init(&output->refs);
    g_atomic_ref_count_inc(&output->refs);
    output->fd = fd;
    output->secret = cvs_secret_new_copy(cvs_secret_peek(secret), cvs_secret_size(secret));
    output->place = place ? cvs_place_ref(place) : NULL;
    g_mutex_init(&output->mutex);
    g_cond_init(&output->changed);
    thread = g_thread_try_new("cvs-output", output_main, output, NULL);
    if (thread) {
        g_thread_unref(thread);
        wait_for_output(output, timeout_ms, &local);
    } else {
        output_unref(output);
        g_set_error(&local, CVS_ERROR, CVS_ERROR_BUSY, "no thread to write the recovery key");
    }
    output_unref(output);
    if (local)
        g_propagate_error(error, local);
    return local == NULL;
}
