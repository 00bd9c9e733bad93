/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include "base/error.h"
#include "base/file.h"
#include "ctl/secret-io.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <signal.h>
#include <unistd.h>

typedef struct {
    char *dir;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
    fixture->dir = g_dir_make_tmp("cvs-secret-io-XXXXXX", NULL);
    g_assert_nonnull(fixture->dir);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GDir) dir = g_dir_open(fixture->dir, 0, NULL);
    const char *name = NULL;

    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *path = g_build_filename(fixture->dir, name, NULL);

        g_assert_cmpint(g_remove(path), ==, 0);
    }
    g_assert_cmpint(g_rmdir(fixture->dir), ==, 0);
    g_free(fixture->dir);
}

static guint
count_files(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    guint n = 0;

    while (g_dir_read_name(dir))
        n++;
    return n;
}

static char *
file_with(const Fixture *fixture, const char *name, const char *data, gssize size)
{
    char *path = g_build_filename(fixture->dir, name, NULL);

    g_assert_true(g_file_set_contents(path, data, size, NULL));
    return path;
}

static void
assert_secret(const CvsSecret *secret, const void *data, gsize size)
{
    g_assert_nonnull(secret);
    g_assert_cmpmem(cvs_secret_peek(secret), cvs_secret_size(secret), data, size);
}

static void
test_read_sizes(Fixture *fixture, gconstpointer data)
{
    static const struct {
        gsize size;
        int code; /* -1: it is read */
    } cases[] = {
        {0, CVS_ERROR_INVALID_ARGUMENT}, {1, -1}, {8, -1}, {9, CVS_ERROR_TOO_LARGE},
        {10000, CVS_ERROR_TOO_LARGE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *bytes = g_malloc0(cases[i].size + 1);
        g_autofree char *path = file_with(fixture, "f", bytes, (gssize)cases[i].size);
        g_autoptr(GError) error = NULL;
        g_autoptr(CvsSecret) secret = cvs_secret_io_read_file(path, 8, "the secret", &error);

        if (cases[i].code < 0) {
            g_assert_no_error(error);
            assert_secret(secret, bytes, cases[i].size);
        } else {
            g_assert_error(error, CVS_ERROR, cases[i].code);
            g_assert_null(secret);
        }
    }
}

static void
test_read_places(Fixture *fixture, gconstpointer data)
{
    g_autofree char *missing = g_build_filename(fixture->dir, "missing", NULL);
    g_autofree char *file = file_with(fixture, "file", "abc", -1);
    g_autofree char *below = g_build_filename(file, "x", NULL);
    g_autofree char *link = g_build_filename(fixture->dir, "link", NULL);
    const char *const wrong[] = {missing, fixture->dir, below};
    g_autoptr(CvsSecret) linked = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(cvs_secret_io_read_file(wrong[i], 8, "the secret", &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
        g_assert_nonnull(strstr(error->message, wrong[i]));
    }
    /* A link is the user's own. */
    g_assert_cmpint(symlink("file", link), ==, 0);
    linked = cvs_secret_io_read_file(link, 8, "the secret", NULL);
    assert_secret(linked, "abc", 3);
}

static void
test_read_fd(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsSecret) secret = NULL;
    int ends[2];

    /* In two parts, as pipes do. */
    g_assert_cmpint(pipe(ends), ==, 0);
    if (fork() == 0) {
        (void)!write(ends[1], "ab", 2);
        (void)!write(ends[1], "cd", 2);
        _exit(0);
    }
    (void)close(ends[1]);
    secret = cvs_secret_io_read_fd(ends[0], 8, "the secret", &error);
    g_assert_no_error(error);
    assert_secret(secret, "abcd", 4);
    (void)close(ends[0]);
    (void)wait(NULL);

    g_assert_null(cvs_secret_io_read_fd(ends[0], 8, "the secret", &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
}

static void
test_read_line(Fixture *fixture, gconstpointer data)
{
    static const struct {
        const char *text;
        const char *line; /* NULL: refused */
        int code;
    } cases[] = {
        {"1234", "1234", 0},
        {"1234\n", "1234", 0},
        {"1234\r\n", "1234", 0},
        {"12\n34\n", "12\n34", 0},
        {"1234\n\n", "1234\n", 0},
        {"12345678\r\n", "12345678", 0},
        {"123456789", NULL, CVS_ERROR_TOO_LARGE},
        {"123456789\n", NULL, CVS_ERROR_TOO_LARGE},
        {"", NULL, CVS_ERROR_INVALID_ARGUMENT},
        {"\n", NULL, CVS_ERROR_INVALID_ARGUMENT},
        {"\r\n", NULL, CVS_ERROR_INVALID_ARGUMENT},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *path = file_with(fixture, "pin", cases[i].text, -1);
        g_autoptr(GError) error = NULL;
        g_autoptr(CvsSecret) secret = cvs_secret_io_read_line(path, 8, "the PIN", &error);

        if (cases[i].line) {
            g_assert_no_error(error);
            assert_secret(secret, cases[i].line, strlen(cases[i].line));
        } else {
            g_assert_error(error, CVS_ERROR, cases[i].code);
        }
    }
}

static void
test_write(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = g_build_filename(fixture->dir, "out", NULL);
    g_autoptr(CvsSecret) secret = cvs_secret_new_copy("a\0b", 3);
    g_autoptr(CvsSecret) other = cvs_secret_new_copy("other", 5);
    g_autoptr(CvsSecret) back = NULL;
    g_autoptr(CvsSecret) replaced = NULL;
    g_autoptr(GError) error = NULL;
    struct stat st;

    g_assert_true(cvs_secret_io_check(path, FALSE, &error));
    g_assert_true(cvs_secret_io_write(path, FALSE, secret, NULL, &error));
    g_assert_no_error(error);
    back = cvs_secret_io_read_file(path, 8, "it", NULL);
    assert_secret(back, "a\0b", 3);
    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpint(st.st_mode & 07777, ==, 0600);

    /* What is there stays, unless force says otherwise. */
    g_assert_false(cvs_secret_io_check(path, FALSE, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
    g_clear_error(&error);
    g_assert_false(cvs_secret_io_write(path, FALSE, other, NULL, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
    g_assert_nonnull(strstr(error->message, "--force"));
    g_clear_error(&error);
    g_assert_true(cvs_secret_io_write(path, TRUE, other, "\n", &error));
    g_assert_no_error(error);
    replaced = cvs_secret_io_read_file(path, 8, "it", NULL);
    assert_secret(replaced, "other\n", 6);
    g_assert_cmpuint(count_files(fixture->dir), ==, 1);

    cvs_secret_io_remove(path);
    g_assert_cmpuint(count_files(fixture->dir), ==, 0);
    cvs_secret_io_remove(path);
}

static void
test_write_places(Fixture *fixture, gconstpointer data)
{
    g_autofree char *target = file_with(fixture, "target", "kept", -1);
    g_autofree char *link = g_build_filename(fixture->dir, "link", NULL);
    g_autofree char *fifo = g_build_filename(fixture->dir, "fifo", NULL);
    g_autofree char *slash = g_build_filename(fixture->dir, "new/", NULL);
    g_autofree char *nowhere = g_build_filename(fixture->dir, "no", "file", NULL);
    const char *const wrong[] = {link, fifo, slash, nowhere, fixture->dir, "", "/"};
    g_autoptr(CvsSecret) secret = cvs_secret_new_copy("s", 1);
    g_autofree char *text = NULL;

    g_assert_cmpint(symlink("target", link), ==, 0);
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        /* force replaces regular files only. */
        for (int force = 0; force < 2; force++) {
            g_autoptr(GError) error = NULL;

            g_assert_false(cvs_secret_io_write(wrong[i], force, secret, NULL, &error));
            g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
        }
    }
    g_assert_true(g_file_get_contents(target, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "kept");
    g_assert_cmpuint(count_files(fixture->dir), ==, 3);
}

/* A disk that is full, as far as this process is concerned. */
static void
test_write_full(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = file_with(fixture, "out", "old", -1);
    g_autofree char *text = NULL;
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        const struct rlimit limit = {16, 16};
        g_autoptr(CvsSecret) secret = cvs_secret_new(100);
        g_autoptr(GError) error = NULL;

        (void)signal(SIGXFSZ, SIG_IGN);
        (void)setrlimit(RLIMIT_FSIZE, &limit);
        _exit(!cvs_secret_io_write(path, TRUE, secret, NULL, &error) &&
                      g_error_matches(error, CVS_ERROR, CVS_ERROR_STORAGE_ERROR)
                  ? 0
                  : 1);
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "old");
    g_assert_cmpuint(count_files(fixture->dir), ==, 1);
}

static void
add(const char *path, void (*test)(Fixture *, gconstpointer))
{
    g_test_add(path, Fixture, NULL, set_up, test, tear_down);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add("/secret-io/read-sizes", test_read_sizes);
    add("/secret-io/read-places", test_read_places);
    g_test_add_func("/secret-io/read-fd", test_read_fd);
    add("/secret-io/read-line", test_read_line);
    add("/secret-io/write", test_write);
    add("/secret-io/write-places", test_write_places);
    add("/secret-io/write-full", test_write_full);
    return g_test_run();
}
