/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/secret-in.h"
#include "base/error.h"
#include "base/file.h"
#include "service/fds.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* For a thread that was told to stop to say that it has: one that is not held up does so at once.
 */
#define GRACE_MS 1000

typedef enum {
    KIND_REFUSED,
    KIND_FIFO,
    KIND_SOCKET,
    KIND_MEMFD,
} Kind;

typedef struct {
    gatomicrefcount refs; /* the thread's, and the loop's until it has answered */
    char *what;
    gsize max;
    int stop_fd; /* an eventfd, readable once the thread is to end */
    CvsPlace *place;
    GMainContext *context;
    /* the thread's until it has ended */
    int fd;
    int drain_read; /* our own pipe, through which a FIFO is read */
    int drain_write;
    Kind kind;
    gsize filled;
    CvsSecret *buffer; /* max + 1 bytes: one more than allowed shows that there are too many */
    GError *error;
    /* the loop's */
    GTask *task; /* NULL once it has answered */
    guint timeout_s;
    GError *stopped; /* why the thread was told to end */
    GSource *timer;
    GSource *cancelled;
} Intake;

static void
intake_unref(Intake *intake)
{
    if (!g_atomic_ref_count_dec(&intake->refs))
        return;
    cvs_place_unref(intake->place);
    cvs_close_fd(&intake->stop_fd);
    cvs_secret_unref(intake->buffer);
    g_clear_error(&intake->error);
    g_clear_error(&intake->stopped);
    g_main_context_unref(intake->context);
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
intake_step(Intake *intake)
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
            cvs_error_set_errno(&intake->error, CVS_ERROR_FAILED, errno, "cannot read the %s",
                                intake->what);
            return STEP_FAILED;
        }
        intake->filled += (gsize)n;
    }
    if (intake->filled == 0) {
        g_set_error(&intake->error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "the %s is empty: nothing was written before the end", intake->what);
        return STEP_FAILED;
    }
    if (intake->filled > intake->max) {
        g_set_error(&intake->error, CVS_ERROR, CVS_ERROR_TOO_LARGE,
                    "the %s has more than %zu bytes", intake->what, intake->max);
        return STEP_FAILED;
    }
    return STEP_END;
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

/* FALSE if the thread is to end. */
static gboolean
wait_for_more(Intake *intake)
{
    struct pollfd fds[] = {
        {.fd = intake->stop_fd, .events = POLLIN},
        {.fd = intake->fd, .events = POLLIN},
    };

    while (poll(fds, G_N_ELEMENTS(fds), -1) < 0) {
        if (errno != EINTR) {
            cvs_error_set_errno(&intake->error, CVS_ERROR_FAILED, errno, "cannot await the %s",
                                intake->what);
            return FALSE;
        }
    }
    return fds[0].revents == 0;
}

/* TRUE if the buffer has all of the secret. */
static gboolean
intake_run(Intake *intake)
{
    Step step = STEP_WAIT;

    intake->kind = check_kind(intake->fd, intake->what, &intake->error);
    if (intake->kind == KIND_REFUSED ||
        (intake->kind == KIND_FIFO && !open_drain(intake, &intake->error)))
        return FALSE;
    do
        step = intake_step(intake);
    while (step == STEP_WAIT && wait_for_more(intake));
    return step == STEP_END;
}

static gboolean on_ended(gpointer data);

static gpointer
intake_main(gpointer data)
{
    Intake *intake = data;
    g_autoptr(GSource) ended = g_idle_source_new();

    if (intake_run(intake))
        cvs_secret_truncate(intake->buffer, intake->filled);
    else
        g_clear_pointer(&intake->buffer, cvs_secret_unref);
    cvs_close_fd(&intake->fd);
    cvs_close_fd(&intake->drain_read);
    cvs_close_fd(&intake->drain_write);
    g_source_set_priority(ended, G_PRIORITY_DEFAULT);
    g_source_set_callback(ended, on_ended, intake, NULL);
    g_source_attach(ended, intake->context);
    return NULL;
}

static void
drop_source(GSource **source)
{
    if (*source == NULL)
        return;
    g_source_destroy(*source);
    g_clear_pointer(source, g_source_unref);
}

static GSource *
attach(const Intake *intake, GSource *source, GSourceFunc callback, gpointer data)
{
    g_source_set_callback(source, callback, data, NULL);
    g_source_attach(source, intake->context);
    return source;
}

/* The loop has nothing to do with the intake any more. */
static void
answer(Intake *intake, GError *error)
{
    g_autoptr(GTask) task = g_steal_pointer(&intake->task);

    drop_source(&intake->timer);
    drop_source(&intake->cancelled);
    if (error)
        g_task_return_error(task, error);
    else
        g_task_return_pointer(task, g_steal_pointer(&intake->buffer),
                              (GDestroyNotify)cvs_secret_unref);
    intake_unref(intake);
}

/* The thread's last word, which brings its reference. */
static gboolean
on_ended(gpointer data)
{
    Intake *intake = data;

    if (intake->task && intake->stopped)
        answer(intake, g_steal_pointer(&intake->stopped));
    else if (intake->task)
        answer(intake, g_steal_pointer(&intake->error));
    intake_unref(intake);
    return G_SOURCE_REMOVE;
}

/* It is held up by something, and keeps its place and what it has read until that ends. */
static gboolean
on_grace(gpointer data)
{
    Intake *intake = data;

    answer(intake, g_steal_pointer(&intake->stopped));
    return G_SOURCE_REMOVE;
}

static void
stop(Intake *intake, GError *why)
{
    const guint64 one = 1;

    intake->stopped = why;
    drop_source(&intake->timer);
    drop_source(&intake->cancelled);
    /* Cannot fail: the counter is 0. */
    (void)!write(intake->stop_fd, &one, sizeof one);
    intake->timer = attach(intake, g_timeout_source_new(GRACE_MS), on_grace, intake);
}

static gboolean
on_deadline(gpointer data)
{
    Intake *intake = data;

    stop(intake, g_error_new(CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                             "the %s did not end within %u seconds: write it and close the "
                             "descriptor's other end",
                             intake->what, intake->timeout_s));
    return G_SOURCE_REMOVE;
}

static gboolean
on_cancelled(GCancellable *cancellable, gpointer data)
{
    stop(data, g_error_new(CVS_ERROR, CVS_ERROR_BUSY, "the service is stopping: try again later"));
    return G_SOURCE_REMOVE;
}

/* Starts the thread; nothing of the intake but its descriptors is to be freed on FALSE. */
static gboolean
start(Intake *intake, GError **error)
{
    g_autoptr(GError) local = NULL;
    GThread *thread = NULL;

    intake->stop_fd = eventfd(0, EFD_CLOEXEC);
    if (intake->stop_fd < 0) {
        cvs_error_set_errno(error, CVS_ERROR_BUSY, errno, "cannot read the %s", intake->what);
        return FALSE;
    }
    g_atomic_ref_count_inc(&intake->refs);
    thread = g_thread_try_new("cvs-intake", intake_main, intake, &local);
    if (thread == NULL) {
        (void)g_atomic_ref_count_dec(&intake->refs);
        g_set_error(error, CVS_ERROR, CVS_ERROR_BUSY, "no thread to read the %s: %s", intake->what,
                    local->message);
        return FALSE;
    }
    g_thread_unref(thread);
    return TRUE;
}

void
cvs_secret_in_read(int fd, const char *what, gsize max, guint timeout_s, CvsPlace *place,
                   GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data)
{
    Intake *intake = g_new0(Intake, 1);
    GError *error = NULL;

    g_atomic_ref_count_init(&intake->refs);
    intake->what = g_strdup(what);
    intake->max = max;
    intake->stop_fd = -1;
    intake->place = place ? cvs_place_ref(place) : NULL;
    intake->context = g_main_context_ref_thread_default();
    intake->fd = fd;
    intake->drain_read = -1;
    intake->drain_write = -1;
    intake->buffer = cvs_secret_new(max + 1);
    intake->task = g_task_new(NULL, NULL, callback, data);
    intake->timeout_s = timeout_s;
    if (!start(intake, &error)) {
        cvs_fds_bury(&intake->fd);
        answer(intake, error);
        return;
    }
    intake->timer = attach(intake, g_timeout_source_new_seconds(timeout_s), on_deadline, intake);
    if (cancellable)
        intake->cancelled = attach(intake, g_cancellable_source_new(cancellable),
                                   G_SOURCE_FUNC(on_cancelled), intake);
}

CvsSecret *
cvs_secret_in_read_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_pointer(G_TASK(result), error);
}
