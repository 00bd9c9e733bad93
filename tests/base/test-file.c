/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include "base/error.h"
#include "base/file.h"
#include "sim/test-tpm.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mount.h>
#include <sys/resource.h>
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

    fixture->path = g_dir_make_tmp("cvs-file-XXXXXX", &error);
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
count_files(int dir)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fd/%d", dir);
    g_autoptr(GDir) listing = g_dir_open(path, 0, NULL);
    guint n = 0;

    g_assert_nonnull(listing);
    while (g_dir_read_name(listing))
        n++;
    return n;
}

static gboolean
put(int dir, const char *name, const char *content, CvsWriteMode how, GError **error)
{
    return cvs_file_write(dir, name, content, strlen(content), 0600, how, error);
}

static void
assert_content(int dir, const char *name, const char *wanted)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = cvs_file_read(dir, name, 1024, &error);

    g_assert_no_error(error);
    g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), wanted, strlen(wanted));
}

static void
test_write(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    struct stat st;

    g_assert_true(put(fixture->dir, "key", "one", CVS_WRITE_CREATE, &error));
    g_assert_no_error(error);
    assert_content(fixture->dir, "key", "one");
    g_assert_cmpint(fstatat(fixture->dir, "key", &st, 0), ==, 0);
    g_assert_cmpint(st.st_mode & 07777, ==, 0600);
    g_assert_cmpuint(st.st_nlink, ==, 1);

    g_assert_false(put(fixture->dir, "key", "two", CVS_WRITE_CREATE, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_KEY_EXISTS);
    g_clear_error(&error);
    assert_content(fixture->dir, "key", "one");
    g_assert_true(put(fixture->dir, "key", "two", CVS_WRITE_REPLACE, &error));
    assert_content(fixture->dir, "key", "two");
    g_assert_true(put(fixture->dir, "new", "", CVS_WRITE_REPLACE, &error));
    assert_content(fixture->dir, "new", "");
    g_assert_cmpuint(count_files(fixture->dir), ==, 2);
}

/* One who reads an open file goes on with the old content. */
static void
test_replace_is_new(Fixture *fixture, gconstpointer data)
{
    CVS_AUTO_FD int fd = -1;
    char content[8] = {0};

    g_assert_true(put(fixture->dir, "key", "one", CVS_WRITE_CREATE, NULL));
    fd = openat(fixture->dir, "key", O_RDONLY | O_CLOEXEC);
    g_assert_true(put(fixture->dir, "key", "two", CVS_WRITE_REPLACE, NULL));
    g_assert_cmpint(read(fd, content, sizeof content), ==, 3);
    g_assert_cmpstr(content, ==, "one");
}

static void
test_read_bound(Fixture *fixture, gconstpointer data)
{
    g_autofree char *big = g_strnfill(70000, 'x');

    for (gsize size = 0; size <= 70000; size += 35000) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GBytes) exact = NULL;

        g_assert_true(
            cvs_file_write(fixture->dir, "key", big, size, 0600, CVS_WRITE_REPLACE, &error));
        exact = cvs_file_read(fixture->dir, "key", size, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(g_bytes_get_size(exact), ==, size);
        if (size == 0)
            continue;
        g_assert_null(cvs_file_read(fixture->dir, "key", size - 1, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE);
    }
}

/* What is not a file of ours is an error at once, whatever it is: no waiting, no following. */
static void
test_read_others(Fixture *fixture, gconstpointer data)
{
    static const struct {
        const char *name;
        int code;
    } wanted[] = {
        {"missing", CVS_ERROR_NO_SUCH_KEY},    {"fifo", CVS_ERROR_BAD_FORMAT},
        {"folder", CVS_ERROR_BAD_FORMAT},      {"link", CVS_ERROR_STORAGE_ERROR},
        {"dangling", CVS_ERROR_STORAGE_ERROR},
    };

    g_assert_true(put(fixture->dir, "key", "one", CVS_WRITE_CREATE, NULL));
    g_assert_cmpint(mkfifoat(fixture->dir, "fifo", 0600), ==, 0);
    g_assert_cmpint(mkdirat(fixture->dir, "folder", 0700), ==, 0);
    g_assert_cmpint(symlinkat("key", fixture->dir, "link"), ==, 0);
    g_assert_cmpint(symlinkat("nothing", fixture->dir, "dangling"), ==, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(wanted); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(cvs_file_read(fixture->dir, wanted[i].name, 1024, &error));
        g_assert_error(error, CVS_ERROR, wanted[i].code);
        g_assert_nonnull(strstr(error->message, wanted[i].name));
    }
}

/* A write takes the place of a FIFO or a link, and never goes through it; a folder it leaves. */
static void
test_write_over_others(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    struct stat st;

    g_assert_true(put(fixture->dir, "target", "keep", CVS_WRITE_CREATE, NULL));
    g_assert_cmpint(mkfifoat(fixture->dir, "fifo", 0600), ==, 0);
    g_assert_cmpint(mkdirat(fixture->dir, "folder", 0700), ==, 0);
    g_assert_cmpint(symlinkat("target", fixture->dir, "link"), ==, 0);
    g_assert_cmpint(symlinkat("nothing", fixture->dir, "dangling"), ==, 0);

    g_assert_false(put(fixture->dir, "dangling", "x", CVS_WRITE_CREATE, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_KEY_EXISTS);
    g_clear_error(&error);
    g_assert_false(put(fixture->dir, "folder", "x", CVS_WRITE_REPLACE, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_STORAGE_ERROR);
    g_clear_error(&error);
    g_assert_true(put(fixture->dir, "fifo", "new", CVS_WRITE_REPLACE, &error));
    g_assert_true(put(fixture->dir, "link", "new", CVS_WRITE_REPLACE, &error));
    g_assert_no_error(error);
    assert_content(fixture->dir, "fifo", "new");
    assert_content(fixture->dir, "link", "new");
    assert_content(fixture->dir, "target", "keep");
    g_assert_cmpint(fstatat(fixture->dir, "nothing", &st, AT_SYMLINK_NOFOLLOW), !=, 0);
    /* No failure left anything. */
    g_assert_cmpuint(count_files(fixture->dir), ==, 5);
}

static void
test_remove(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(put(fixture->dir, "key", "one", CVS_WRITE_CREATE, NULL));
    g_assert_true(cvs_file_remove(fixture->dir, "key", &error));
    g_assert_no_error(error);
    g_assert_false(cvs_file_remove(fixture->dir, "key", &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY);
    g_clear_error(&error);
    g_assert_cmpint(mkdirat(fixture->dir, "folder", 0700), ==, 0);
    g_assert_false(cvs_file_remove(fixture->dir, "folder", &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_STORAGE_ERROR);
}

static void
test_sweep(Fixture *fixture, gconstpointer data)
{
    CVS_AUTO_FD int held = -1;

    g_assert_true(put(fixture->dir, "key", "one", CVS_WRITE_CREATE, NULL));
    g_assert_true(put(fixture->dir, ".tmp-0123456789abcdef", "left", CVS_WRITE_CREATE, NULL));
    g_assert_true(put(fixture->dir, ".tmp-fedcba9876543210", "held", CVS_WRITE_CREATE, NULL));
    g_assert_true(put(fixture->dir, ".other", "not ours", CVS_WRITE_CREATE, NULL));
    g_assert_cmpint(symlinkat("key", fixture->dir, ".tmp-link"), ==, 0);
    g_assert_cmpint(mkfifoat(fixture->dir, ".tmp-fifo", 0600), ==, 0);
    held = openat(fixture->dir, ".tmp-fedcba9876543210", O_WRONLY | O_CLOEXEC);
    g_assert_cmpint(flock(held, LOCK_EX | LOCK_NB), ==, 0);

    cvs_file_sweep(fixture->dir);
    g_assert_cmpint(faccessat(fixture->dir, ".tmp-0123456789abcdef", F_OK, 0), !=, 0);
    assert_content(fixture->dir, "key", "one");
    assert_content(fixture->dir, ".other", "not ours");
    assert_content(fixture->dir, ".tmp-fedcba9876543210", "held");
    cvs_close_fd(&held);
    cvs_file_sweep(fixture->dir);
    g_assert_cmpint(faccessat(fixture->dir, ".tmp-fedcba9876543210", F_OK, 0), !=, 0);
    /* The caller's own position in the folder is his. */
    g_assert_cmpuint(count_files(fixture->dir), ==, 4);

    g_assert_true(cvs_file_is_temporary(".tmp-0123456789abcdef"));
    g_assert_false(cvs_file_is_temporary("key"));
    g_assert_false(cvs_file_is_temporary(".lock.key"));
}

static gpointer
sweep_until_told(gpointer data)
{
    gint *stop = ((gpointer *)data)[0];
    int dir = GPOINTER_TO_INT(((gpointer *)data)[1]);

    while (!g_atomic_int_get(stop))
        cvs_file_sweep(dir);
    return NULL;
}

/* Sweeping beside writing takes nothing away from a writer. */
static void
test_sweep_beside_writer(Fixture *fixture, gconstpointer data)
{
    gint stop = 0;
    gpointer arguments[] = {&stop, GINT_TO_POINTER(fixture->dir)};
    GThread *sweeper = g_thread_new("sweeper", sweep_until_told, arguments);

    for (int i = 0; i < 150; i++) {
        g_autoptr(GError) error = NULL;

        (void)put(fixture->dir, "key", "content", CVS_WRITE_REPLACE, &error);
        g_assert_no_error(error);
    }
    g_atomic_int_set(&stop, 1);
    (void)g_thread_join(sweeper);
    assert_content(fixture->dir, "key", "content");
    g_assert_cmpuint(count_files(fixture->dir), ==, 1);
}

static void
test_folders(Fixture *fixture, gconstpointer data)
{
    g_autofree char *made = g_build_filename(fixture->path, "made/", NULL);
    g_autofree char *deep = g_build_filename(fixture->path, "no", "way", NULL);
    g_autofree char *file = g_build_filename(fixture->path, "key", NULL);
    g_autofree char *link = g_build_filename(fixture->path, "link", NULL);
    g_autoptr(GError) error = NULL;
    struct stat st;
    int fd;

    g_assert_cmpint(cvs_dir_open(made, FALSE, 0700, &error), ==, -1);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY);
    g_clear_error(&error);
    for (int i = 0; i < 2; i++) {
        fd = cvs_dir_open(made, TRUE, 0700, &error);
        g_assert_no_error(error);
        g_assert_cmpint(fstat(fd, &st), ==, 0);
        g_assert_true(S_ISDIR(st.st_mode));
        g_assert_cmpint(st.st_mode & 0777, ==, 0700);
        cvs_close_fd(&fd);
    }
    g_assert_cmpuint(count_files(fixture->dir), ==, 1);
    fd = cvs_dir_open_at(fixture->dir, "at", TRUE, 0700, &error);
    g_assert_no_error(error);
    cvs_close_fd(&fd);

    /* Only the last one is made; what is no folder, or a link to one, is refused. */
    g_assert_cmpint(cvs_dir_open(deep, TRUE, 0700, &error), ==, -1);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY);
    g_clear_error(&error);
    g_assert_true(put(fixture->dir, "key", "one", CVS_WRITE_CREATE, NULL));
    g_assert_cmpint(cvs_dir_open(file, TRUE, 0700, &error), ==, -1);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_STORAGE_ERROR);
    g_clear_error(&error);
    g_assert_cmpint(symlink("made", link), ==, 0);
    g_assert_cmpint(cvs_dir_open(link, TRUE, 0700, &error), ==, -1);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_STORAGE_ERROR);
}

static void
test_fds(Fixture *fixture, gconstpointer data)
{
    int fd = fcntl(fixture->dir, F_DUPFD_CLOEXEC, 0);
    int copy = fd, stolen;

    stolen = cvs_steal_fd(&fd);
    g_assert_cmpint(stolen, ==, copy);
    g_assert_cmpint(fd, ==, -1);
    errno = E2BIG;
    cvs_close_fd(&stolen);
    g_assert_cmpint(stolen, ==, -1);
    g_assert_cmpint(errno, ==, E2BIG);
    g_assert_cmpint(fcntl(copy, F_GETFD), ==, -1);
    cvs_close_fd(&stolen);
}

/* Through short writes: a pipe takes 64 KiB at a time. */
static gpointer
drain(gpointer data)
{
    gsize total = 0;
    char buffer[4096];
    gssize n;

    while ((n = read(GPOINTER_TO_INT(data), buffer, sizeof buffer)) > 0)
        total += (gsize)n;
    return GSIZE_TO_POINTER(total);
}

static void
test_write_all(Fixture *fixture, gconstpointer data)
{
    g_autofree char *big = g_strnfill(1000000, 'x');
    GThread *reader = NULL;
    int fds[2];

    g_assert_cmpint(pipe2(fds, O_CLOEXEC), ==, 0);
    reader = g_thread_new("reader", drain, GINT_TO_POINTER(fds[0]));
    g_assert_true(cvs_write_all(fds[1], big, 1000000));
    cvs_close_fd(&fds[1]);
    g_assert_cmpuint(GPOINTER_TO_SIZE(g_thread_join(reader)), ==, 1000000);
    g_assert_false(cvs_write_all(fds[0], "x", 1));
    g_assert_cmpint(errno, ==, EBADF);
    cvs_close_fd(&fds[0]);
}

/* The rest changes what the whole process is, so it happens in a child. */
static void
in_child(void)
{
    g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
    g_test_trap_assert_passed();
}

/* A folder that the process may not write to, and one that it may not search. */
static void
test_denied(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    if (!g_test_subprocess()) {
        in_child();
        return;
    }
    g_assert_true(put(fixture->dir, "key", "one", CVS_WRITE_CREATE, NULL));
    g_assert_cmpint(fchmodat(fixture->dir, "key", 0644, 0), ==, 0);
    g_assert_cmpint(fchmod(fixture->dir, 0555), ==, 0);
    if (geteuid() == 0)
        g_assert_cmpint(seteuid(65534), ==, 0);
    g_assert_false(put(fixture->dir, "key", "two", CVS_WRITE_REPLACE, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED);
    g_clear_error(&error);
    g_assert_false(cvs_file_remove(fixture->dir, "key", &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED);
    g_clear_error(&error);
    cvs_file_sweep(fixture->dir);
    assert_content(fixture->dir, "key", "one");
    if (getuid() == 0)
        g_assert_cmpint(seteuid(0), ==, 0);
    g_assert_cmpint(fchmod(fixture->dir, 0700), ==, 0);
}

/* Files may grow no more: the write fails half-way, without a signal that ends the process. */
static void
test_size_limit(Fixture *fixture, gconstpointer data)
{
    const struct rlimit limit = {1000, 1000};
    g_autofree char *big = g_strnfill(5000, 'x');
    g_autoptr(GError) error = NULL;

    if (!g_test_subprocess()) {
        in_child();
        return;
    }
    (void)signal(SIGXFSZ, SIG_IGN);
    g_assert_true(put(fixture->dir, "key", "one", CVS_WRITE_CREATE, NULL));
    g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
    g_assert_false(cvs_file_write(fixture->dir, "key", big, 5000, 0600, CVS_WRITE_REPLACE, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_STORAGE_ERROR);
    g_assert_nonnull(strstr(error->message, g_strerror(EFBIG)));
    assert_content(fixture->dir, "key", "one");
    g_assert_cmpuint(count_files(fixture->dir), ==, 1);
}

static gboolean
mount_small(const char *path)
{
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("small", path, "tmpfs", 0, "size=64k") == 0;
}

/* Tried out in a process of its own, so that a skip is seen in this one. */
static gboolean
can_mount(const char *path)
{
    int status = -1;
    pid_t child = fork();

    if (child == 0)
        _exit(mount_small(path) ? 0 : 1);
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    return status == 0;
}

/* A disk of 64 KiB that is full, and then read-only. */
static void
test_full_disk(Fixture *fixture, gconstpointer data)
{
    g_autofree char *big = g_strnfill(60000, 'x');
    g_autoptr(GError) error = NULL;
    CVS_AUTO_FD int dir = -1;

    if (!g_test_subprocess()) {
        if (can_mount(fixture->path))
            in_child();
        else
            g_test_skip("needs root and the right to mount a small disk in a namespace");
        return;
    }
    g_assert_true(mount_small(fixture->path));
    dir = cvs_dir_open(fixture->path, FALSE, 0, &error);
    g_assert_no_error(error);
    g_assert_true(cvs_file_write(dir, "key", big, 40000, 0600, CVS_WRITE_CREATE, &error));
    g_assert_false(cvs_file_write(dir, "key", big, 60000, 0600, CVS_WRITE_REPLACE, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_STORAGE_ERROR);
    g_assert_nonnull(strstr(error->message, g_strerror(ENOSPC)));
    g_clear_error(&error);
    {
        g_autoptr(GBytes) old = cvs_file_read(dir, "key", 65536, &error);

        g_assert_no_error(error);
        g_assert_cmpuint(g_bytes_get_size(old), ==, 40000);
    }
    g_assert_cmpuint(count_files(dir), ==, 1);
    /* Room again, once the large one is gone. */
    g_assert_true(cvs_file_remove(dir, "key", &error));
    g_assert_true(put(dir, "key", "one", CVS_WRITE_CREATE, &error));
    g_assert_no_error(error);

    g_assert_cmpint(mount("small", fixture->path, NULL, MS_REMOUNT | MS_RDONLY, NULL), ==, 0);
    g_assert_false(put(dir, "key", "two", CVS_WRITE_REPLACE, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_STORAGE_ERROR);
    g_assert_nonnull(strstr(error->message, g_strerror(EROFS)));
    g_clear_error(&error);
    g_assert_false(cvs_file_remove(dir, "key", &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_STORAGE_ERROR);
    assert_content(dir, "key", "one");
    cvs_close_fd(&dir);
    g_assert_cmpint(umount2(fixture->path, MNT_DETACH), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, function) g_test_add("/file/" path, Fixture, NULL, set_up, function, tear_down)
    ADD("write", test_write);
    ADD("replace-is-new", test_replace_is_new);
    ADD("read-bound", test_read_bound);
    ADD("read-others", test_read_others);
    ADD("write-over-others", test_write_over_others);
    ADD("remove", test_remove);
    ADD("sweep", test_sweep);
    ADD("sweep-beside-writer", test_sweep_beside_writer);
    ADD("folders", test_folders);
    ADD("fds", test_fds);
    ADD("write-all", test_write_all);
    ADD("denied", test_denied);
    ADD("size-limit", test_size_limit);
    ADD("full-disk", test_full_disk);
#undef ADD
    return g_test_run();
}
