/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/crash.h"
#include "sim/test-tpm.h"
#include "base/file.h"

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* More calls than the writer makes in its folder; a loop that comes this far has lost count. */
#define CALLS_MAX 2000

typedef struct {
    char *dir;
    char *file;
    char *program;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    fixture->dir = g_dir_make_tmp("cvs-crash-XXXXXX", &error);
    g_assert_no_error(error);
    fixture->file = g_build_filename(fixture->dir, "key", NULL);
    fixture->program = g_test_build_filename(G_TEST_BUILT, "sim", "crash-writer", NULL);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    test_remove_tree(fixture->dir);
    g_free(fixture->dir);
    g_free(fixture->file);
    g_free(fixture->program);
}

static gboolean
skip_if_impossible(void)
{
    const char *why = crash_is_impossible();

    if (why)
        g_test_skip(why);
    return why != NULL;
}

static void
put(Fixture *fixture, const char *content)
{
    g_autoptr(GError) error = NULL;

    if (content)
        g_assert_true(g_file_set_contents(fixture->file, content, -1, &error));
    else
        (void)g_unlink(fixture->file);
    g_assert_no_error(error);
}

/* NULL if it is not there. */
static char *
get(Fixture *fixture)
{
    char *content = NULL;

    (void)g_file_get_contents(fixture->file, &content, NULL, NULL);
    return content;
}

/* Nothing lies in the folder but the file, and what a sweep takes away. */
static void
assert_tidy(Fixture *fixture)
{
    g_autoptr(GError) error = NULL;
    CVS_AUTO_FD int dir = cvs_dir_open(fixture->dir, FALSE, 0, &error);
    g_autoptr(GDir) listing = NULL;
    const char *name = NULL;

    g_assert_no_error(error);
    cvs_file_sweep(dir);
    listing = g_dir_open(fixture->dir, 0, &error);
    g_assert_no_error(error);
    while ((name = g_dir_read_name(listing)) != NULL)
        g_assert_cmpstr(name, ==, "key");
}

/* Kills the writer at each call, before or after; each time the file is as before or as after, and
 * both are seen. */
static void
crash_everywhere(Fixture *fixture, const char *option, const char *how, const char *old,
                 const char *new, guint clean_runs)
{
    const char *const argv[] = {fixture->program, option, fixture->dir, "key",
                                new ? new : "-",  how,    NULL};
    const CrashOptions options = {.from_path = fixture->dir};

    for (CrashWhen when = CRASH_BEFORE; when <= CRASH_AFTER; when++) {
        guint n_old = 0, n_new = 0, n_clean = 0, n = 1;

        for (;; n++) {
            g_auto(CrashResult) result = {0};
            g_autofree char *content = NULL;

            g_assert_cmpuint(n, <, CALLS_MAX);
            put(fixture, old);
            result = crash_run(argv, when, n, &options);
            content = get(fixture);
            assert_tidy(fixture);
            if (!result.crashed) {
                g_assert_true(WIFEXITED(result.status));
                g_assert_cmpint(WEXITSTATUS(result.status), ==, 0);
                g_assert_cmpstr(content, ==, new);
                if (++n_clean == clean_runs)
                    break;
                continue;
            }
            g_assert_true(WIFSIGNALED(result.status));
            g_assert_cmpint(WTERMSIG(result.status), ==, SIGKILL);
            if (g_strcmp0(content, old) == 0)
                n_old++;
            else if (g_strcmp0(content, new) == 0)
                n_new++;
            else
                g_error("neither old nor new after %u: %s", n, content);
        }
        g_test_message("%s %s: %u times old, %u times new",
                       when == CRASH_BEFORE ? "before" : "after", how, n_old, n_new);
        g_assert_cmpuint(n_old, >, 0);
        g_assert_cmpuint(n_new, >, 0);
    }
}

static void
test_replace(Fixture *fixture, gconstpointer data)
{
    if (!skip_if_impossible())
        crash_everywhere(fixture, "--", "replace", "the old content", "new", 1);
}

static void
test_create(Fixture *fixture, gconstpointer data)
{
    if (!skip_if_impossible())
        crash_everywhere(fixture, "--", "create", NULL, "new", 1);
}

static void
test_remove(Fixture *fixture, gconstpointer data)
{
    if (!skip_if_impossible())
        crash_everywhere(fixture, "--", "remove", "the old content", NULL, 1);
}

/* How many calls are counted is not the same each time here, since the threads race: so one run
 * without a crash does not mean that the end was reached. */
static void
test_threads(Fixture *fixture, gconstpointer data)
{
    if (!skip_if_impossible())
        crash_everywhere(fixture, "--thread", "replace", "the old content", "new", 30);
}

/* A kill before a call keeps it from being carried out; one after it does not. */
static void
test_exact(Fixture *fixture, gconstpointer data)
{
    const char *const argv[] = {fixture->program, fixture->dir, "key", "new", NULL};
    const CrashOptions options = {.from_path = fixture->dir};
    g_auto(CrashResult) whole = {0};
    guint rename_number;
    int at;

    if (skip_if_impossible())
        return;
    whole = crash_run(argv, CRASH_NEVER, 0, &options);
    g_assert_cmpint(whole.status, ==, 0);
    g_assert_false(whole.crashed);
    at = crash_find(&whole, 0, "rename*", "*/key");
    g_assert_cmpint(at, >=, 0);
    rename_number = ((const CrashCall *)g_ptr_array_index(whole.trace, (guint)at))->number;

    for (guint late = 0; late < 2; late++) {
        g_auto(CrashResult) result = {0};
        g_autofree char *content = NULL;

        put(fixture, "old");
        result = crash_run(argv, late ? CRASH_AFTER : CRASH_BEFORE, rename_number, &options);
        g_assert_true(result.crashed);
        g_assert_cmpuint(result.calls, ==, rename_number);
        content = get(fixture);
        g_assert_cmpstr(content, ==, late ? "new" : "old");
        g_assert_cmpint(crash_find(&result, 0, "rename*", "*") >= 0, ==, late);
    }
}

/* write, fsync, rename, fsync of the folder. */
static void
test_order(Fixture *fixture, gconstpointer data)
{
    const char *const argv[] = {fixture->program, fixture->dir, "key", "new", NULL};
    const CrashOptions options = {.from_path = fixture->dir};
    g_auto(CrashResult) result = {0};
    g_autofree char *text = NULL;
    int opened, written, synced, renamed, folder_synced;
    const CrashCall *call = NULL;

    if (skip_if_impossible())
        return;
    result = crash_run(argv, CRASH_NEVER, 0, &options);
    text = crash_describe(&result);
    g_test_message("%s", text);
    opened = crash_find(&result, 0, "openat", "*/.tmp-*");
    written = crash_find(&result, opened, "write", "*/.tmp-*");
    synced = crash_find(&result, written, "fsync", "*/.tmp-*");
    renamed = crash_find(&result, synced, "rename*", fixture->file);
    folder_synced = crash_find(&result, renamed, "fsync", fixture->dir);
    g_assert_cmpint(opened, >=, 0);
    g_assert_cmpint(written, >, opened);
    g_assert_cmpint(synced, >, written);
    g_assert_cmpint(renamed, >, synced);
    g_assert_cmpint(folder_synced, >, renamed);
    /* Nothing is written behind the sync. */
    g_assert_cmpint(crash_find(&result, synced, "write", "*/.tmp-*"), ==, -1);
    call = g_ptr_array_index(result.trace, (guint)written);
    g_assert_cmpint(call->result, ==, 3);
    call = g_ptr_array_index(result.trace, (guint)renamed);
    g_assert_true(g_str_has_prefix(call->path, fixture->dir));
    g_assert_nonnull(strstr(call->path, "/.tmp-"));
}

static GSubprocess *
start_waiting(Fixture *fixture, const char *content)
{
    g_autoptr(GError) error = NULL;
    GSubprocess *process =
        g_subprocess_new(G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error,
                         fixture->program, "--wait", fixture->dir, "key", content, NULL);

    g_assert_no_error(error);
    return process;
}

/* One request to the waiting writer: '+', '-', or 0 if it died over it. */
static char
request(GSubprocess *process)
{
    char answer = 0;

    (void)g_output_stream_write(g_subprocess_get_stdin_pipe(process), "x", 1, NULL, NULL);
    if (g_input_stream_read(g_subprocess_get_stdout_pipe(process), &answer, 1, NULL, NULL) != 1)
        return 0;
    return answer;
}

static void
test_attach(Fixture *fixture, gconstpointer data)
{
    guint n_old = 0, n_new = 0;

    if (skip_if_impossible())
        return;
    for (guint n = 1;; n++) {
        g_autoptr(GSubprocess) process = start_waiting(fixture, "new");
        g_auto(CrashResult) result = {0};
        g_autofree char *content = NULL;
        Crash *crash = NULL;
        char answer;

        g_assert_cmpuint(n, <, CALLS_MAX);
        g_assert_cmpint(request(process), ==, '+');
        put(fixture, "old");
        crash = crash_attach((pid_t)atoi(g_subprocess_get_identifier(process)), CRASH_BEFORE, n,
                             &(CrashOptions){.from_path = fixture->dir});
        answer = request(process);
        if (answer == 0)
            g_assert_true(crash_wait(crash, 10000));
        result = crash_finish(crash);
        content = get(fixture);
        assert_tidy(fixture);
        /* Who died over the request gave no answer; but who answered may still be killed at the
         * call after it, his wait for the next request. */
        g_assert_true(answer != 0 || result.crashed);
        if (answer != 0)
            g_assert_cmpstr(content, ==, "new");
        if (!result.crashed) {
            g_assert_cmpuint(result.calls, >, 5);
            /* It was let go and lives. */
            g_assert_cmpint(request(process), ==, '+');
            (void)g_output_stream_close(g_subprocess_get_stdin_pipe(process), NULL, NULL);
            g_assert_true(g_subprocess_wait_check(process, NULL, NULL));
            break;
        }
        g_assert_true(g_subprocess_wait(process, NULL, NULL));
        g_assert_true(g_subprocess_get_if_signaled(process));
        if (g_strcmp0(content, "old") == 0)
            n_old++;
        else if (g_strcmp0(content, "new") == 0)
            n_new++;
        else
            g_error("neither old nor new after %u: %s", n, content);
    }
    g_assert_cmpuint(n_old, >, 0);
    g_assert_cmpuint(n_new, >, 0);
}

/* A process that waits for something is let go too. */
static void
test_detach_idle(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GSubprocess) process = start_waiting(fixture, "new");
    g_auto(CrashResult) result = {0};
    Crash *crash = NULL;

    if (skip_if_impossible())
        return;
    g_assert_cmpint(request(process), ==, '+');
    crash = crash_attach((pid_t)atoi(g_subprocess_get_identifier(process)), CRASH_NEVER, 0, NULL);
    g_assert_false(crash_wait(crash, 1));
    result = crash_finish(crash);
    g_assert_false(result.crashed);
    g_assert_cmpint(request(process), ==, '+');
    (void)g_output_stream_close(g_subprocess_get_stdin_pipe(process), NULL, NULL);
    g_assert_true(g_subprocess_wait_check(process, NULL, NULL));
}

/* The writer that the harness must catch: it writes in place. */
static void
test_catches_a_bad_writer(Fixture *fixture, gconstpointer data)
{
    g_autofree char *script =
        g_strdup_printf("printf one > %s; printf two >> %s", fixture->file, fixture->file);
    const char *const argv[] = {"sh", "-c", script, NULL};
    const CrashOptions options = {.from_path = fixture->dir};
    guint n_torn = 0;

    if (skip_if_impossible())
        return;
    for (guint n = 1;; n++) {
        g_auto(CrashResult) result = {0};
        g_autofree char *content = NULL;

        g_assert_cmpuint(n, <, CALLS_MAX);
        put(fixture, "old");
        result = crash_run(argv, CRASH_BEFORE, n, &options);
        content = get(fixture);
        n_torn += g_strcmp0(content, "old") != 0 && g_strcmp0(content, "onetwo") != 0;
        if (!result.crashed)
            break;
    }
    g_assert_cmpuint(n_torn, >, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    /* A writer that was killed leaves a pipe without a reader. */
    (void)signal(SIGPIPE, SIG_IGN);
#define ADD(path, function) g_test_add("/crash/" path, Fixture, NULL, set_up, function, tear_down)
    ADD("exact", test_exact);
    ADD("order", test_order);
    ADD("replace", test_replace);
    ADD("create", test_create);
    ADD("remove", test_remove);
    ADD("threads", test_threads);
    ADD("attach", test_attach);
    ADD("detach-idle", test_detach_idle);
    ADD("catches-a-bad-writer", test_catches_a_bad_writer);
#undef ADD
    return g_test_run();
}
