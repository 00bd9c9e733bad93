/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/secret-in.h"
#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

typedef enum {
    KIND_REFUSED,
    KIND_FIFO,
    KIND_SOCKET,
    KIND_MEMFD,
} Kind;

typedef struct {
    int fd;
    int drain_read; /* our own pipe, through which a FIFO is read */
    int drain_write;
    Kind kind;
    char *what;
    gsize max;
    gsize filled;
    CvsSecret *buffer; /* max + 1 bytes: one more than allowed shows that there are too many */
    guint timeout_s;
    GSource *ready;
    GSource *deadline;
    GSource *cancelled;
} Intake;

static void
drop_source(GSource **source)
{
    if (*source == NULL)
        return;
    g_source_destroy(*source);
    g_clear_pointer(source, g_source_unref);
}

static void
intake_stop(Intake *intake)
{
    drop_source(&intake->ready);
    drop_source(&intake->deadline);
    drop_source(&intake->cancelled);
    cvs_close_fd(&intake->fd);
    cvs_close_fd(&intake->drain_read);
    cvs_close_fd(&intake->drain_write);
}

static void
intake_free(gpointer data)
{
    Intake *intake = data;

    intake_stop(intake);
    cvs_secret_unref(intake->buffer);
    g_free(intake->what);
    g_free(intake);
}

static gboolean
is_unix_stream(int fd)
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

static Kind
kind_of(int fd)
{
    struct stat st;
    int flags = fcntl(fd, F_GETFL);

    if (flags < 0 || (flags & O_PATH) || (flags & O_ACCMODE) == O_WRONLY || fstat(fd, &st) < 0)
        return KIND_REFUSED;
    if (S_ISFIFO(st.st_mode))
        return KIND_FIFO;
    if (S_ISSOCK(st.st_mode))
        return is_unix_stream(fd) ? KIND_SOCKET : KIND_REFUSED;
    /* Only files that live in memory have seals; without the link count, files with a name in a
     * tmpfs would pass too. */
    if (S_ISREG(st.st_mode) && st.st_nlink == 0 && fcntl(fd, F_GET_SEALS) >= 0)
        return KIND_MEMFD;
    return KIND_REFUSED;
}

static Kind
check_kind(int fd, const char *what, GError **error)
{
    Kind kind = kind_of(fd);

    if (kind == KIND_REFUSED)
        g_set_error(
            error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
            "the %s is read from the read end of a pipe, a UNIX stream socket or a memfd, and "
            "this descriptor is none of them",
            what);
    return kind;
}

gboolean
cvs_secret_in_check(int fd, const char *what, GError **error)
{
    return check_kind(fd, what, error) != KIND_REFUSED;
}

/* Moves what is in the peer's pipe into our own, which no flag or reader of the peer's can make
 * wait, and reads it there. Reopening by /proc/self/fd would need rights over the peer's inode. */
static gssize
read_fifo(Intake *intake, guint8 *to, gsize room)
{
    gssize moved = splice(intake->fd, NULL, intake->drain_write, NULL, room, SPLICE_F_NONBLOCK);
    gssize taken = 0;

    while (taken < moved) {
        gssize n = read(intake->drain_read, to + taken, (gsize)(moved - taken));

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            errno = EIO;
            return -1;
        }
        taken += n;
    }
    return moved;
}

static gssize
read_some(Intake *intake)
{
    guint8 *to = cvs_secret_data(intake->buffer) + intake->filled;
    gsize room = intake->max + 1 - intake->filled;

    switch (intake->kind) {
    case KIND_FIFO:
        return read_fifo(intake, to, room);
    case KIND_SOCKET:
        return recv(intake->fd, to, room, MSG_DONTWAIT);
    case KIND_MEMFD:
        return pread(intake->fd, to, room, (off_t)intake->filled);
    case KIND_REFUSED:
        break;
    }
    errno = EBADF;
    return -1;
}

typedef enum {
    STEP_WAIT,
    STEP_END,
    STEP_FAILED,
} Step;

/* Reads until there is nothing now, the end, or too much. */
static Step
intake_step(Intake *intake, GError **error)
{
    while (intake->filled <= intake->max) {
        gssize n = read_some(intake);

        if (n == 0)
            break;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return STEP_WAIT;
        if (n < 0) {
            cvs_error_set_errno(error, CVS_ERROR_FAILED, errno, "cannot read the %s", intake->what);
            return STEP_FAILED;
        }
        intake->filled += (gsize)n;
    }
    if (intake->filled == 0) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "the %s is empty: nothing was written before the end", intake->what);
        return STEP_FAILED;
    }
    if (intake->filled > intake->max) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE, "the %s has more than %zu bytes",
                    intake->what, intake->max);
        return STEP_FAILED;
    }
    return STEP_END;
}

/* Consumes the reference that the sources shared. */
static void
finish(GTask *task, GError *error)
{
    Intake *intake = g_task_get_task_data(task);

    intake_stop(intake);
    if (error) {
        g_task_return_error(task, error);
    } else {
        cvs_secret_truncate(intake->buffer, intake->filled);
        g_task_return_pointer(task, g_steal_pointer(&intake->buffer),
                              (GDestroyNotify)cvs_secret_unref);
    }
    g_object_unref(task);
}

static gboolean
on_ready(int fd, GIOCondition condition, gpointer data)
{
    GTask *task = data;
    Intake *intake = g_task_get_task_data(task);
    GError *error = NULL;

    if (intake_step(intake, &error) != STEP_WAIT)
        finish(task, error);
    return G_SOURCE_CONTINUE;
}

static gboolean
on_deadline(gpointer data)
{
    GTask *task = data;
    Intake *intake = g_task_get_task_data(task);

    finish(task, g_error_new(CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                             "the %s did not end within %u seconds: write it and close the "
                             "descriptor's other end",
                             intake->what, intake->timeout_s));
    return G_SOURCE_CONTINUE;
}

static gboolean
on_cancelled(GCancellable *cancellable, gpointer data)
{
    GTask *task = data;

    finish(task,
           g_error_new(CVS_ERROR, CVS_ERROR_BUSY, "the service is stopping: try again later"));
    return G_SOURCE_CONTINUE;
}

static GSource *
attach(GSource *source, GSourceFunc callback, GTask *task)
{
    g_source_set_callback(source, callback, task, NULL);
    g_source_attach(source, g_task_get_context(task));
    return source;
}

static gboolean
open_drain(Intake *intake, GError **error)
{
    int ends[2] = {-1, -1};

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
        cvs_error_set_errno(error, CVS_ERROR_BUSY, errno, "no pipe to read the %s", intake->what);
        return FALSE;
    }
    intake->drain_read = ends[0];
    intake->drain_write = ends[1];
    return TRUE;
}

void
cvs_secret_in_read(int fd, const char *what, gsize max, guint timeout_s, GCancellable *cancellable,
                   GAsyncReadyCallback callback, gpointer data)
{
    g_autoptr(GTask) task = g_task_new(NULL, NULL, callback, data);
    Intake *intake = g_new0(Intake, 1);
    GError *error = NULL;

    intake->fd = fd;
    intake->drain_read = -1;
    intake->drain_write = -1;
    intake->what = g_strdup(what);
    intake->max = max;
    intake->timeout_s = timeout_s;
    intake->buffer = cvs_secret_new(max + 1);
    g_task_set_task_data(task, intake, intake_free);

    intake->kind = check_kind(fd, what, &error);
    if (intake->kind == KIND_REFUSED ||
        (intake->kind == KIND_FIFO && !open_drain(intake, &error)) ||
        intake_step(intake, &error) != STEP_WAIT) {
        finish(g_steal_pointer(&task), error);
        return;
    }
    intake->ready = attach(g_unix_fd_source_new(fd, G_IO_IN | G_IO_HUP | G_IO_ERR),
                           G_SOURCE_FUNC(on_ready), task);
    intake->deadline = attach(g_timeout_source_new_seconds(timeout_s), on_deadline, task);
    if (cancellable)
        intake->cancelled =
            attach(g_cancellable_source_new(cancellable), G_SOURCE_FUNC(on_cancelled), task);
    /* Owned by the sources from here; the one that finishes drops it. */
    g_steal_pointer(&task);
}

CvsSecret *
cvs_secret_in_read_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
