/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Secrets in and out by descriptors of every kind. */
#include "base/error.h"
#include "base/file.h"
#include "service/fds.h"
#include "held.h"
#include "service/secret-in.h"
#include "service/secret-out.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define LIMIT 65536 /* bytes */

typedef struct {
    CvsSecret *secret;
    GError *error;
    gboolean done;
} Result;

static void
on_read(GObject *source, GAsyncResult *result, gpointer data)
{
    Result *to = data;

    to->secret = cvs_secret_in_read_finish(result, &to->error);
    to->done = TRUE;
}

static void
turn_until(gboolean *done)
{
    while (!*done)
        g_main_context_iteration(NULL, TRUE);
}

static void
assert_reads(int fd, const void *data, gsize size)
{
    Result result = {0};

    cvs_secret_in_read(fd, "secret", LIMIT, 30, NULL, NULL, on_read, &result);
    turn_until(&result.done);
    g_assert_no_error(result.error);
    g_assert_cmpmem(cvs_secret_peek(result.secret), cvs_secret_size(result.secret), data, size);
    cvs_secret_unref(result.secret);
    g_assert_cmpuint(cvs_secret_count_alive(), ==, 0);
}

static void
assert_read_fails(int fd, gsize max, guint timeout_s, int code)
{
    Result result = {0};

    cvs_secret_in_read(fd, "secret", max, timeout_s, NULL, NULL, on_read, &result);
    turn_until(&result.done);
    g_assert_null(result.secret);
    g_assert_error(result.error, CVS_ERROR, code);
    g_error_free(result.error);
    g_assert_cmpuint(cvs_secret_count_alive(), ==, 0);
}

static void
make_pipe(int ends[2])
{
    g_assert_true(g_unix_open_pipe(ends, FD_CLOEXEC, NULL));
}

static int
filled_pipe(const void *data, gsize size)
{
    int ends[2] = {-1, -1};

    make_pipe(ends);
    if (size > LIMIT)
        g_assert_cmpint(fcntl(ends[1], F_SETPIPE_SZ, 2 * LIMIT), >=, 0);
    g_assert_true(cvs_write_all(ends[1], data, size));
    close(ends[1]);
    return ends[0];
}

static void
test_pipe_sizes(void)
{
    g_autofree guint8 *data = g_malloc(LIMIT + 1);

    for (gsize i = 0; i <= LIMIT; i++)
        data[i] = (guint8)(i * 31);
    assert_reads(filled_pipe(data, 1), data, 1);
    assert_reads(filled_pipe(data, 4097), data, 4097);
    assert_reads(filled_pipe(data, LIMIT), data, LIMIT);
    assert_read_fails(filled_pipe(data, 0), LIMIT, 30, CVS_ERROR_INVALID_ARGUMENT);
    assert_read_fails(filled_pipe(data, LIMIT + 1), LIMIT, 30, CVS_ERROR_TOO_LARGE);
    assert_read_fails(filled_pipe(data, 11), 10, 30, CVS_ERROR_TOO_LARGE);
}

/* A blocking pipe into which somebody writes now and then: the reader must come back in between. */
static void
test_pipe_in_parts(void)
{
    Result result = {0};
    int ends[2] = {-1, -1};

    make_pipe(ends);
    cvs_secret_in_read(ends[0], "secret", LIMIT, 30, NULL, NULL, on_read, &result);
    g_assert_true(cvs_write_all(ends[1], "one ", 4));
    while (g_main_context_iteration(NULL, FALSE))
        ;
    g_assert_false(result.done);
    /* Many writes of one byte, one page of the pipe each. */
    for (int i = 0; i < 40; i++) {
        g_assert_true(cvs_write_all(ends[1], "x", 1));
        g_main_context_iteration(NULL, FALSE);
    }
    g_assert_false(result.done);
    close(ends[1]);
    turn_until(&result.done);
    g_assert_no_error(result.error);
    g_assert_cmpuint(cvs_secret_size(result.secret), ==, 44);
    g_assert_cmpmem(cvs_secret_peek(result.secret), 5, "one x", 5);
    cvs_secret_unref(result.secret);
}

static void
test_deadline(void)
{
    int ends[2] = {-1, -1};
    gint64 before = g_get_monotonic_time();

    make_pipe(ends);
    g_assert_true(cvs_write_all(ends[1], "half", 4));
    assert_read_fails(ends[0], LIMIT, 1, CVS_ERROR_INVALID_ARGUMENT);
    g_assert_cmpint(g_get_monotonic_time() - before, >=, G_USEC_PER_SEC / 2);
    close(ends[1]);
}

static void
test_cancel(void)
{
    g_autoptr(GCancellable) cancellable = g_cancellable_new();
    Result result = {0};
    int ends[2] = {-1, -1};

    make_pipe(ends);
    cvs_secret_in_read(ends[0], "secret", LIMIT, 30, NULL, cancellable, on_read, &result);
    g_cancellable_cancel(cancellable);
    turn_until(&result.done);
    g_assert_error(result.error, CVS_ERROR, CVS_ERROR_BUSY);
    g_error_free(result.error);
    close(ends[1]);
    g_assert_cmpuint(cvs_secret_count_alive(), ==, 0);
}

static int
memfd(const void *data, gsize size)
{
    int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    g_assert_cmpint(fd, >=, 0);
    g_assert_true(cvs_write_all(fd, data, size));
    return fd;
}

static void
test_memfd_and_socket(void)
{
    static const char data[] = "in memory";
    g_autofree guint8 *large = g_malloc0(LIMIT + 1);
    int ends[2] = {-1, -1};
    int read_only = -1;

    /* The position is at the end and does not matter. */
    assert_reads(memfd(data, sizeof data), data, sizeof data);
    assert_read_fails(memfd(data, 0), LIMIT, 30, CVS_ERROR_INVALID_ARGUMENT);
    assert_read_fails(memfd(large, LIMIT + 1), LIMIT, 30, CVS_ERROR_TOO_LARGE);
    read_only = memfd(data, sizeof data);
    g_assert_cmpint(fcntl(read_only, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK), ==, 0);
    assert_reads(read_only, data, sizeof data);

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    g_assert_true(cvs_write_all(ends[1], data, sizeof data));
    g_assert_cmpint(shutdown(ends[1], SHUT_WR), ==, 0);
    assert_reads(ends[0], data, sizeof data);
    close(ends[1]);
}

static int
must_open(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600);

    g_assert_cmpint(fd, >=, 0);
    return fd;
}

static void
test_kinds_refused(void)
{
    g_autofree char *dir = g_dir_make_tmp("cvs-XXXXXX", NULL);
    g_autofree char *file = g_build_filename(dir, "file", NULL);
    g_autofree char *in_shm = g_strdup_printf("/dev/shm/cvs-test-%d", getpid());
    const int code = CVS_ERROR_INVALID_ARGUMENT;
    int ends[2] = {-1, -1};

    g_assert_true(g_file_set_contents(file, "secret", -1, NULL));
    assert_read_fails(must_open(file, O_RDONLY), LIMIT, 30, code);
    assert_read_fails(must_open(dir, O_RDONLY | O_DIRECTORY), LIMIT, 30, code);
    assert_read_fails(must_open("/dev/null", O_RDONLY), LIMIT, 30, code);
    assert_read_fails(must_open("/dev/zero", O_RDONLY), LIMIT, 30, code);
    assert_read_fails(must_open("/proc/self/status", O_RDONLY), LIMIT, 30, code);
    if (access("/dev/ptmx", R_OK) == 0)
        assert_read_fails(must_open("/dev/ptmx", O_RDWR | O_NOCTTY), LIMIT, 30, code);
    /* A file with a name in a tmpfs has seals too. */
    if (access("/dev/shm", W_OK) == 0) {
        g_assert_true(g_file_set_contents(in_shm, "secret", -1, NULL));
        assert_read_fails(must_open(in_shm, O_RDONLY), LIMIT, 30, code);
        g_unlink(in_shm);
    }
    make_pipe(ends);
    assert_read_fails(ends[1], LIMIT, 30, code);
    assert_read_fails(ends[0], LIMIT, 30, code); /* no writer: the end at once, and nothing in it */
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    assert_read_fails(ends[0], LIMIT, 30, code);
    close(ends[1]);
    assert_read_fails(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), LIMIT, 30, code);
    make_pipe(ends);
    g_free(in_shm);
    in_shm = g_strdup_printf("/proc/self/fd/%d", ends[0]);
    assert_read_fails(must_open(in_shm, O_PATH), LIMIT, 30, code);
    close(ends[0]);
    close(ends[1]);
    g_unlink(file);
    g_rmdir(dir);
}

/* The peer's descriptor shares its flags with ours; they stay as they are, and nothing waits. */
static void
test_flags_untouched(void)
{
    Result result = {0};
    int ends[2] = {-1, -1};
    int copy = -1;

    make_pipe(ends);
    copy = dup(ends[0]);
    cvs_secret_in_read(ends[0], "secret", LIMIT, 30, NULL, NULL, on_read, &result);
    g_assert_cmpint(fcntl(copy, F_GETFL) & O_NONBLOCK, ==, 0);
    close(ends[1]);
    turn_until(&result.done);
    g_assert_error(result.error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
    g_error_free(result.error);
    close(copy);
}

static void
test_out_pipe(void)
{
    static const gsize sizes[] = {1, 4096, 4097, LIMIT};

    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(CvsSecret) secret = cvs_secret_new_random(sizes[i], &error);
        g_autofree guint8 *copy = g_memdup2(cvs_secret_peek(secret), sizes[i]);
        int fd = cvs_secret_out_pipe(secret, &error);

        g_assert_no_error(error);
        g_assert_cmpint(fcntl(fd, F_GETFL) & (O_NONBLOCK | O_ACCMODE), ==, O_RDONLY);
        g_assert_cmpint(fcntl(fd, F_GETPIPE_SZ), <, (int)sizes[i] + 4096);
        g_clear_pointer(&secret, cvs_secret_unref);
        assert_reads(fd, copy, sizes[i]);
    }
}

static gboolean
write_out(int fd, const CvsSecret *secret, GError **error)
{
    return cvs_secret_out_write(dup(fd), secret, 30000, NULL, error);
}

/* Somebody has not read what he asked for, until the kernel gives the user no pipe that is larger
 * than a page. A process that may do anything is not bound by that. */
static void
test_out_no_pipes(void)
{
    struct rlimit files = {4096, 4096};
    g_autoptr(CvsSecret) secret = cvs_secret_new(LIMIT);
    g_autoptr(GError) error = NULL;
    g_autofree guint8 *seen = g_malloc(LIMIT + 1);
    gsize n = 0;
    gssize more = 0;
    guint pipes = 0;
    int fd = -1;

    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
        g_test_trap_assert_passed();
        return;
    }
    memset(cvs_secret_data(secret), 0x5a, LIMIT);
    if (geteuid() == 0) {
        g_assert_cmpint(setrlimit(RLIMIT_NOFILE, &files), ==, 0);
        g_assert_cmpint(setresuid(61234, 61234, 61234), ==, 0);
    }
    for (int ends[2]; pipes < 2000; pipes++) {
        g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
        if (fcntl(ends[1], F_SETPIPE_SZ, LIMIT) < LIMIT)
            break;
    }
    g_assert_cmpuint(pipes, <, 2000);
    fd = cvs_secret_out_pipe(secret, &error);
    g_assert_no_error(error);
    do {
        n += (gsize)more;
        more = read(fd, seen + n, LIMIT + 1 - n);
    } while (more > 0);
    g_assert_cmpint(more, ==, 0);
    g_assert_cmpmem(seen, n, cvs_secret_peek(secret), LIMIT);
    g_assert_cmpint(send(fd, "x", 1, MSG_NOSIGNAL), ==, -1);
    close(fd);
}

static void
test_out_write(void)
{
    g_autoptr(CvsSecret) secret = cvs_secret_new_copy("recovery", 8);
    g_autoptr(GError) error = NULL;
    char buffer[9] = "";
    int ends[2] = {-1, -1};

    make_pipe(ends);
    g_assert_true(write_out(ends[1], secret, &error));
    g_assert_no_error(error);
    g_assert_cmpint(read(ends[0], buffer, 8), ==, 8);
    g_assert_cmpstr(buffer, ==, "recovery");
    /* A full pipe that would block for ever. */
    g_assert_cmpint(fcntl(ends[1], F_SETPIPE_SZ, 4096), ==, 4096);
    for (int i = 0; i < 4096; i++)
        g_assert_cmpint(write(ends[1], "x", 1), ==, 1);
    g_assert_false(write_out(ends[1], secret, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
    g_clear_error(&error);
    g_assert_false(write_out(ends[0], secret, &error));
    g_clear_error(&error);
    close(ends[0]);
    /* Nobody reads any more. */
    g_assert_false(write_out(ends[1], secret, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
    g_clear_error(&error);
    close(ends[1]);

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    g_assert_true(write_out(ends[1], secret, &error));
    g_assert_cmpint(read(ends[0], buffer, 8), ==, 8);
    close(ends[0]);
    g_assert_false(write_out(ends[1], secret, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
    g_clear_error(&error);
    close(ends[1]);

    ends[0] = must_open("/dev/null", O_WRONLY);
    g_assert_false(write_out(ends[0], secret, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
    close(ends[0]);
}

static void
test_fds(void)
{
    g_autoptr(GUnixFDList) list = g_unix_fd_list_new();
    g_autoptr(GError) error = NULL;
    CvsFds *fds = NULL;
    char byte = 0;
    int ends[2] = {-1, -1};
    int taken = -1;

    make_pipe(ends);
    g_unix_fd_list_append(list, ends[0], NULL);
    g_unix_fd_list_append(list, ends[1], NULL);
    close(ends[0]);
    close(ends[1]);
    fds = cvs_fds_new(list);
    g_assert_cmpint(fds->n, ==, 2);
    taken = cvs_fds_take(fds, 0, "secret", &error);
    g_assert_cmpint(taken, >=, 0);
    g_assert_cmpint(cvs_fds_take(fds, 0, "secret", &error), ==, -1);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
    g_clear_error(&error);
    g_assert_cmpint(cvs_fds_take(fds, 2, "secret", &error), ==, -1);
    g_clear_error(&error);
    g_assert_cmpint(cvs_fds_take(fds, -1, "secret", &error), ==, -1);
    g_clear_error(&error);
    cvs_fds_free(fds);
    /* What was left was the write end: the end comes when it is closed. */
    g_assert_cmpint(read(taken, &byte, 1), ==, 0);
    close(taken);
    fds = cvs_fds_new(NULL);
    g_assert_cmpint(cvs_fds_take(fds, 0, "secret", &error), ==, -1);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
    cvs_fds_free(fds);
}

static CvsPlace *
enter(CvsRequests *requests)
{
    g_autoptr(GError) error = NULL;
    CvsPlace *place = cvs_requests_enter(requests, 1, &error);

    g_assert_no_error(error);
    return place;
}

/* Gives the test's own part of the place back; the thread's goes when it has been let go. */
static void
assert_place_is_kept(CvsRequests *requests, CvsPlace *place, Held *held)
{
    cvs_place_unref(place);
    g_assert_cmpuint(cvs_requests_count(requests), ==, 1);
    held_release(held);
    while (cvs_requests_count(requests) > 0) {
        g_main_context_iteration(NULL, FALSE);
        g_thread_yield();
    }
    g_assert_cmpuint(cvs_secret_count_alive(), ==, 0);
}

static gboolean
can_hold(void)
{
    const char *missing = held_missing();

    if (missing)
        g_test_skip(missing);
    return missing == NULL;
}

/* Neither the thread's wait for the lock nor the loop's for the thread lasts beyond the deadline.
 */
static void
test_held_in(gconstpointer socket)
{
    g_autoptr(CvsRequests) requests = cvs_requests_new(1, 1);
    CvsPlace *place = enter(requests);
    Result result = {0};
    Held *held = NULL;

    if (!can_hold()) {
        cvs_place_unref(place);
        return;
    }
    held = socket ? held_socket_new() : held_pipe_new();
    cvs_secret_in_read(dup(held->fd), "secret", LIMIT, 1, place, NULL, on_read, &result);
    turn_until(&result.done);
    g_assert_error(result.error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
    g_assert_nonnull(strstr(result.error->message, "did not end within 1 seconds"));
    g_error_free(result.error);
    assert_place_is_kept(requests, place, held);
}

static void
test_held_out(void)
{
    g_autoptr(CvsRequests) requests = cvs_requests_new(1, 1);
    g_autoptr(CvsSecret) secret = cvs_secret_new_copy("recovery", 8);
    g_autoptr(GError) error = NULL;
    CvsPlace *place = enter(requests);
    Held *held = NULL;

    if (!can_hold()) {
        cvs_place_unref(place);
        return;
    }
    held = held_pipe_new();
    g_assert_false(cvs_secret_out_write(dup(held->busy_fd), secret, 10, place, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
    g_assert_nonnull(strstr(error->message, "within 10 ms"));
    g_clear_pointer(&secret, cvs_secret_unref);
    assert_place_is_kept(requests, place, held);
}

/* Even the last close() of such a pipe waits, and what is buried later does not wait for it. */
static void
test_held_burial(void)
{
    int ends[2] = {-1, -1};
    char byte = 0;
    Held *held = NULL;

    if (!can_hold())
        return;
    held = held_pipe_new();
    cvs_fds_bury(&held->fd);
    g_assert_cmpint(held->fd, ==, -1);
    make_pipe(ends);
    cvs_fds_bury(&ends[1]);
    g_assert_cmpint(read(ends[0], &byte, 1), ==, 0);
    close(ends[0]);
    held_release(held);
}

/* Where no thread comes back nothing more is taken, until one does. */
static void
test_held_burials(void)
{
    Held *held[CVS_FDS_DIGGERS_MAX + 1];
    g_autoptr(GError) error = NULL;

    if (!can_hold())
        return;
    for (guint i = 0; i < G_N_ELEMENTS(held); i++) {
        held[i] = held_pipe_new();
        g_assert_true(cvs_fds_can_bury(&error));
        cvs_fds_bury(&held[i]->fd);
    }
    while (cvs_fds_can_bury(&error))
        g_usleep(10000);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BUSY);
    /* One of these two is not the one that waits, so that its thread comes back for that. */
    held_release(held[0]);
    held_release(held[1]);
    while (!cvs_fds_can_bury(NULL))
        g_usleep(10000);
    for (guint i = 2; i < G_N_ELEMENTS(held); i++)
        held_release(held[i]);
}

/* The other end of a connection of ours, a bare socket: the client's part of the greeting is sent
 * before the server asks for it. */
static int
make_peer(GDBusConnection **ret_connection)
{
    g_autofree char *uid = g_strdup_printf("%u", (guint)geteuid());
    g_autofree char *guid = g_dbus_generate_guid();
    g_autoptr(GString) greeting = g_string_new_len("", 1);
    g_autoptr(GSocket) socket = NULL;
    g_autoptr(GSocketConnection) stream = NULL;
    g_autoptr(GError) error = NULL;
    int ends[2] = {-1, -1};

    g_string_append(greeting, "AUTH EXTERNAL ");
    for (const char *p = uid; *p; p++)
        g_string_append_printf(greeting, "%02x", *p);
    g_string_append(greeting, "\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n");
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    g_assert_true(cvs_write_all(ends[1], greeting->str, greeting->len));
    socket = g_socket_new_from_fd(ends[0], &error);
    g_assert_no_error(error);
    stream = g_socket_connection_factory_create_connection(socket);
    *ret_connection = g_dbus_connection_new_sync(G_IO_STREAM(stream), guid,
                                                 G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER,
                                                 NULL, NULL, &error);
    g_assert_no_error(error);
    return ends[1];
}

/* Sends a call of Ping with this descriptor and closes it, before there is a whole message that the
 * receiver could be done with: the last one to close it is he. fd -1: none. */
static void
ping_with(int peer, guint32 serial, int fd)
{
    g_autoptr(GDBusMessage) message =
        g_dbus_message_new_method_call(NULL, "/", "org.freedesktop.DBus.Peer", "Ping");
    g_autofree guint8 *blob = NULL;
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct iovec start = {.iov_len = 16};
    struct msghdr first = {.msg_iov = &start, .msg_iovlen = 1};
    gsize size = 0;

    g_dbus_message_set_serial(message, serial);
    if (fd >= 0) {
        g_autoptr(GUnixFDList) list = g_unix_fd_list_new();

        g_assert_cmpint(g_unix_fd_list_append(list, fd, NULL), ==, 0);
        g_dbus_message_set_unix_fd_list(message, list);
        first.msg_control = &control;
        first.msg_controllen = sizeof control;
        control.header = (struct cmsghdr){CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS};
        memcpy(CMSG_DATA(&control.header), &fd, sizeof fd);
    }
    blob = g_dbus_message_to_blob(message, &size, G_DBUS_CAPABILITY_FLAGS_UNIX_FD_PASSING, NULL);
    g_assert_nonnull(blob);
    g_clear_object(&message);
    start.iov_base = blob;
    g_assert_cmpint(sendmsg(peer, &first, 0), ==, 16);
    cvs_close_fd(&fd);
    g_assert_true(cvs_write_all(peer, blob + 16, size - 16));
}

/* Turns the main context until the server has said this. */
static gboolean
on_answer(int fd, GIOCondition condition, gpointer data)
{
    GByteArray *seen = data;
    guint8 bytes[4096];
    gssize n = read(fd, bytes, sizeof bytes);

    g_assert_cmpint(n, >, 0);
    g_byte_array_append(seen, bytes, (guint)n);
    return G_SOURCE_CONTINUE;
}

static void
await_answer(GByteArray *seen, guint32 serial)
{
    /* The header field of a reply: code 5, type u, the serial. */
    const guint8 field[] = {5, 1, 'u', 0, (guint8)serial, 0, 0, 0};

    while (seen->len == 0 || memmem(seen->data, seen->len, field, sizeof field) == NULL)
        g_main_context_iteration(NULL, TRUE);
}

/* GDBus closes what a message brought and nobody took, in its own thread or in the main loop: not
 * here. */
static void
test_guard(void)
{
    g_autoptr(GDBusConnection) connection = NULL;
    g_autoptr(GByteArray) seen = g_byte_array_new();
    Held *held = NULL;
    guint source = 0;
    int peer = -1;

    if (!can_hold())
        return;
    peer = make_peer(&connection);
    cvs_fds_guard(connection);
    source = g_unix_fd_add(peer, G_IO_IN, on_answer, seen);
    held = held_pipe_new();
    ping_with(peer, 1, cvs_steal_fd(&held->fd));
    await_answer(seen, 1);
    for (guint32 serial = 2; serial < 20; serial++) {
        ping_with(peer, serial, -1);
        await_answer(seen, serial);
    }
    held_release(held);
    g_source_remove(source);
    close(peer);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    signal(SIGPIPE, SIG_IGN);
    g_test_add_func("/service/secret-in/pipe-sizes", test_pipe_sizes);
    g_test_add_func("/service/secret-in/pipe-in-parts", test_pipe_in_parts);
    g_test_add_func("/service/secret-in/deadline", test_deadline);
    g_test_add_func("/service/secret-in/cancel", test_cancel);
    g_test_add_func("/service/secret-in/memfd-and-socket", test_memfd_and_socket);
    g_test_add_func("/service/secret-in/kinds-refused", test_kinds_refused);
    g_test_add_func("/service/secret-in/flags-untouched", test_flags_untouched);
    g_test_add_func("/service/secret-out/pipe", test_out_pipe);
    g_test_add_func("/service/secret-out/no-pipes", test_out_no_pipes);
    g_test_add_func("/service/secret-out/write", test_out_write);
    g_test_add_data_func("/service/secret-in/held/pipe", NULL, test_held_in);
    g_test_add_data_func("/service/secret-in/held/socket", "", test_held_in);
    g_test_add_func("/service/secret-out/held", test_held_out);
    g_test_add_func("/service/fds/guard", test_guard);
    g_test_add_func("/service/fds/held", test_held_burial);
    g_test_add_func("/service/fds/held-by-many", test_held_burials);
    g_test_add_func("/service/fds/take", test_fds);
    return g_test_run();
}
