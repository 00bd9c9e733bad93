/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include "base/error.h"
#include "base/file.h"
#include "base/lock.h"
#include "sim/test-tpm.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
    char *path;
    int dir;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    fixture->path = g_dir_make_tmp("cvs-lock-XXXXXX", &error);
    g_assert_no_error(error);
    fixture->dir = cvs_dir_open(fixture->path, FALSE, 0, &error);
    g_assert_no_error(error);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    cvs_close_fd(&fixture->dir);
    test_remove_tree(fixture->path);
    g_free(fixture->path);
}

static guint
count_files(Fixture *fixture)
{
    g_autoptr(GDir) listing = g_dir_open(fixture->path, 0, NULL);
    guint n = 0;

    while (g_dir_read_name(listing))
        n++;
    return n;
}

static void
test_one(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    CvsLock *lock = cvs_lock_take(fixture->dir, "key", 0, &error);
    CvsLock *other = NULL;

    g_assert_no_error(error);
    g_assert_nonnull(lock);
    g_assert_cmpuint(count_files(fixture), ==, 1);
    /* A second one of the same process waits too; another name does not. */
    g_assert_null(cvs_lock_take(fixture->dir, "key", 0, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BUSY);
    g_clear_error(&error);
    g_assert_null(cvs_lock_take(fixture->dir, "key", 20, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BUSY);
    g_clear_error(&error);
    other = cvs_lock_take(fixture->dir, "key2", 0, &error);
    g_assert_no_error(error);
    cvs_lock_release(other);
    cvs_lock_release(lock);
    cvs_lock_release(NULL);
    g_assert_cmpuint(count_files(fixture), ==, 0);
    lock = cvs_lock_take(fixture->dir, "key", 0, &error);
    g_assert_no_error(error);
    cvs_lock_release(lock);
}

typedef struct {
    int fds[2];
    CvsLock *lock;
} Holder;

static gpointer
release_when_told(gpointer data)
{
    Holder *holder = data;
    char byte;

    (void)!read(holder->fds[0], &byte, 1);
    cvs_lock_release(holder->lock);
    return NULL;
}

static void
test_waits(Fixture *fixture, gconstpointer data)
{
    Holder holder = {.lock = cvs_lock_take(fixture->dir, "key", 0, NULL)};
    g_autoptr(GError) error = NULL;
    GThread *thread = NULL;
    CvsLock *lock = NULL;

    g_assert_nonnull(holder.lock);
    g_assert_cmpint(pipe2(holder.fds, O_CLOEXEC), ==, 0);
    thread = g_thread_new("holder", release_when_told, &holder);
    g_assert_null(cvs_lock_take(fixture->dir, "key", 0, NULL));
    g_assert_cmpint(write(holder.fds[1], "", 1), ==, 1);
    lock = cvs_lock_take(fixture->dir, "key", 10000, &error);
    g_assert_no_error(error);
    g_assert_nonnull(lock);
    (void)g_thread_join(thread);
    cvs_lock_release(lock);
    cvs_close_fd(&holder.fds[0]);
    cvs_close_fd(&holder.fds[1]);
}

/* A holder that is killed does not hold any more, though its file stays. */
static void
test_killed_holder(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    CvsLock *lock = NULL;
    int fds[2];
    char byte = 0;
    pid_t child;

    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    child = fork();
    if (child == 0) {
        lock = cvs_lock_take(fixture->dir, "key", 0, NULL);
        (void)!write(fds[1], lock ? "+" : "-", 1);
        for (;;)
            (void)pause();
    }
    g_assert_cmpint(read(fds[0], &byte, 1), ==, 1);
    g_assert_cmpint(byte, ==, '+');
    g_assert_null(cvs_lock_take(fixture->dir, "key", 0, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BUSY);
    g_clear_error(&error);
    (void)kill(child, SIGKILL);
    g_assert_cmpint(waitpid(child, NULL, 0), ==, child);
    g_assert_cmpuint(count_files(fixture), ==, 1);
    lock = cvs_lock_take(fixture->dir, "key", 0, &error);
    g_assert_no_error(error);
    cvs_lock_release(lock);
    g_assert_cmpuint(count_files(fixture), ==, 0);
    (void)close(fds[0]);
    (void)close(fds[1]);
}

#define ROUNDS 300

/* Adds one to a number in a file, ROUNDS times, by reading and writing: two who do it at a time
 * lose counts. */
static int
count_up(int dir)
{
    for (int i = 0; i < ROUNDS; i++) {
        CvsLock *lock = cvs_lock_take(dir, "number", 60000, NULL);
        CVS_AUTO_FD int fd = -1;
        char text[16] = {0};
        int number;

        if (lock == NULL)
            return 1;
        fd = openat(dir, "number", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fd < 0 || pread(fd, text, sizeof text - 1, 0) < 0)
            return 2;
        number = atoi(text);
        g_thread_yield();
        (void)g_snprintf(text, sizeof text, "%d\n", number + 1);
        if (pwrite(fd, text, sizeof text, 0) < 0)
            return 3;
        cvs_lock_release(lock);
    }
    return 0;
}

static void
test_processes(Fixture *fixture, gconstpointer data)
{
    enum { PROCESSES = 4 };
    pid_t children[PROCESSES];
    g_autoptr(GBytes) bytes = NULL;

    for (int i = 0; i < PROCESSES; i++) {
        children[i] = fork();
        if (children[i] == 0)
            _exit(count_up(fixture->dir));
    }
    for (int i = 0; i < PROCESSES; i++) {
        int status = -1;

        g_assert_cmpint(waitpid(children[i], &status, 0), ==, children[i]);
        g_assert_cmpint(status, ==, 0);
    }
    bytes = cvs_file_read(fixture->dir, "number", 16, NULL);
    g_assert_nonnull(bytes);
    g_assert_cmpint(atoi(g_bytes_get_data(bytes, NULL)), ==, PROCESSES * ROUNDS);
    g_assert_cmpuint(count_files(fixture), ==, 1);
}

static void
test_obstacles(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    /* A link is not followed, a folder is no lock. */
    g_assert_cmpint(symlinkat("elsewhere", fixture->dir, ".lock.link"), ==, 0);
    g_assert_null(cvs_lock_take(fixture->dir, "link", 0, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_STORAGE_ERROR);
    g_clear_error(&error);
    g_assert_cmpint(faccessat(fixture->dir, "elsewhere", F_OK, 0), !=, 0);
    g_assert_cmpint(mkdirat(fixture->dir, ".lock.folder", 0700), ==, 0);
    g_assert_null(cvs_lock_take(fixture->dir, "folder", 0, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_STORAGE_ERROR);
}

static void
test_names(Fixture *fixture, gconstpointer data)
{
    g_assert_true(cvs_lock_is_lock_file(".lock.key"));
    g_assert_false(cvs_lock_is_lock_file("key"));
    g_assert_false(cvs_lock_is_lock_file(".locked"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, function) g_test_add("/lock/" path, Fixture, NULL, set_up, function, tear_down)
    ADD("one", test_one);
    ADD("waits", test_waits);
    ADD("killed-holder", test_killed_holder);
    ADD("processes", test_processes);
    ADD("obstacles", test_obstacles);
    ADD("names", test_names);
#undef ADD
    return g_test_run();
}
