/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include "base/error.h"
#include "ctl/prompt.h"
#include "terminal.h"

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define QUESTION "PIN for \"db\": "

/* What the process under the terminal tells by its exit code. */
enum {
    GOT_EXPECTED = 0,
    GOT_OTHER = 10,
    GOT_INVALID = 11,
    GOT_TOO_LARGE = 12,
    GOT_ERROR = 13,
};

typedef struct {
    const char *expected;
    gsize max;
    gboolean twice;
} Ask;

static int
ask(gpointer data)
{
    const Ask *what = data;
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsSecret) secret = NULL;

    secret = what->twice ? cvs_prompt_secret_twice(QUESTION, what->max, "the PIN", "X", &error)
                         : cvs_prompt_secret(QUESTION, what->max, "the PIN", "X", &error);
    if (secret == NULL)
        return g_error_matches(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT) ? GOT_INVALID
               : g_error_matches(error, CVS_ERROR, CVS_ERROR_TOO_LARGE)      ? GOT_TOO_LARGE
                                                                             : GOT_ERROR;
    return cvs_secret_size(secret) == strlen(what->expected) &&
                   memcmp(cvs_secret_peek(secret), what->expected, strlen(what->expected)) == 0
               ? GOT_EXPECTED
               : GOT_OTHER;
}

static void
assert_exit(int status, int code)
{
    g_assert_true(WIFEXITED(status));
    g_assert_cmpint(WEXITSTATUS(status), ==, code);
}

static void
test_no_echo(void)
{
    Ask what = {"hunter2 and more", 64, FALSE};
    g_autoptr(Pty) pty = pty_run(ask, &what);

    pty_expect(pty, QUESTION);
    g_assert_false(pty_echoes(pty));
    pty_type(pty, "hunter2 and more\n");
    assert_exit(pty_wait(pty), GOT_EXPECTED);
    g_assert_true(pty_echoes(pty));
    g_assert_null(strstr(pty_seen(pty), "hunter2"));
}

/* What was typed before the question is not its answer, and is shown as the terminal does. */
static void
test_typed_ahead(void)
{
    Ask what = {"right", 64, TRUE};
    g_autoptr(Pty) pty = pty_run(ask, &what);

    pty_expect(pty, QUESTION);
    pty_type(pty, "right\nwrong\n");
    pty_expect(pty, "Again: " QUESTION);
    pty_type(pty, "right\n");
    assert_exit(pty_wait(pty), GOT_EXPECTED);
}

static void
test_twice(void)
{
    Ask what = {"same", 64, TRUE};
    g_autoptr(Pty) same = pty_run(ask, &what);
    g_autoptr(Pty) other = pty_run(ask, &what);

    pty_expect(same, QUESTION);
    pty_type(same, "same\n");
    pty_expect(same, "Again: ");
    pty_type(same, "same\n");
    assert_exit(pty_wait(same), GOT_EXPECTED);

    pty_expect(other, QUESTION);
    pty_type(other, "same\n");
    pty_expect(other, "Again: ");
    pty_type(other, "sane\n");
    assert_exit(pty_wait(other), GOT_INVALID);
}

static void
test_bounds(void)
{
    static const struct {
        const char *typed;
        const char *expected;
        int code;
    } cases[] = {
        {"12345678\n", "12345678", GOT_EXPECTED},
        {"123456789\n", "", GOT_TOO_LARGE},
        {"123456789012345678901234567890\n", "", GOT_TOO_LARGE},
        {"\n", "", GOT_INVALID},
        {"\004", "", GOT_INVALID}, /* ^D */
        {"1\r", "1", GOT_EXPECTED},
        {"12x\1773\n", "123", GOT_EXPECTED}, /* the line can be edited */
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        Ask what = {cases[i].expected, 8, FALSE};
        g_autoptr(Pty) pty = pty_run(ask, &what);

        pty_expect(pty, QUESTION);
        pty_type(pty, cases[i].typed);
        assert_exit(pty_wait(pty), cases[i].code);
        g_assert_true(pty_echoes(pty));
    }
}

static void
test_signals(void)
{
    static const struct {
        const char *typed;
        int signal;
    } cases[] = {{"half\003", SIGINT}, {"half\034", SIGQUIT}};

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        Ask what = {"", 64, FALSE};
        g_autoptr(Pty) pty = pty_run(ask, &what);
        int status = 0;

        pty_expect(pty, QUESTION);
        g_assert_false(pty_echoes(pty));
        pty_type(pty, cases[i].typed);
        status = pty_wait(pty);
        g_assert_true(WIFSIGNALED(status));
        g_assert_cmpint(WTERMSIG(status), ==, cases[i].signal);
        g_assert_true(pty_echoes(pty));
        g_assert_null(strstr(pty_seen(pty), "half"));
    }
}

/* A signal that a program sends, from another process. */
static int
ask_and_tell_pid(gpointer data)
{
    Ask what = {"", 64, FALSE};

    g_print("pid %d.", (int)getpid());
    return ask(&what);
}

static int
ask_ignoring(gpointer data)
{
    Ask what = {"secret", 64, FALSE};

    (void)signal(SIGHUP, SIG_IGN);
    g_print("pid %d.", (int)getpid());
    return ask(&what);
}

/* As under nohup: what was ignored before does not end the question. */
static void
test_ignored_signal(void)
{
    g_autoptr(Pty) pty = pty_run(ask_ignoring, NULL);

    pty_expect(pty, QUESTION);
    kill((pid_t)g_ascii_strtoll(strstr(pty_seen(pty), "pid ") + 4, NULL, 10), SIGHUP);
    pty_type(pty, "secret\n");
    assert_exit(pty_wait(pty), 0);
    g_assert_true(pty_echoes(pty));
}

static void
test_sent_signals(void)
{
    static const int signals[] = {SIGTERM, SIGHUP};

    for (gsize i = 0; i < G_N_ELEMENTS(signals); i++) {
        g_autoptr(Pty) pty = pty_run(ask_and_tell_pid, NULL);
        int status = 0;

        pty_expect(pty, QUESTION);
        g_assert_false(pty_echoes(pty));
        kill((pid_t)g_ascii_strtoll(strstr(pty_seen(pty), "pid ") + 4, NULL, 10), signals[i]);
        status = pty_wait(pty);
        g_assert_true(WIFSIGNALED(status));
        g_assert_cmpint(WTERMSIG(status), ==, signals[i]);
        g_assert_true(pty_echoes(pty));
    }
}

static void
test_stop(void)
{
    Ask what = {"whole", 64, FALSE};
    g_autoptr(Pty) pty = pty_run(ask, &what);
    int status = 0;

    pty_expect(pty, QUESTION);
    pty_type(pty, "hal\032");
    status = pty_wait(pty);
    g_assert_true(WIFSTOPPED(status));
    g_assert_true(pty_echoes(pty));
    pty_continue(pty);
    pty_expect(pty, QUESTION);
    g_assert_false(pty_echoes(pty));
    pty_type(pty, "whole\n");
    assert_exit(pty_wait(pty), GOT_EXPECTED);
    g_assert_true(pty_echoes(pty));
}

static int
show(gpointer data)
{
    g_autoptr(CvsSecret) secret = cvs_secret_new_copy("cbde-fghi", 9);

    return cvs_prompt_show("before ", secret, " after\n", "X", NULL) ? GOT_EXPECTED : GOT_ERROR;
}

static void
test_show(void)
{
    g_autoptr(Pty) pty = pty_run(show, NULL);

    pty_expect(pty, "before cbde-fghi after");
    assert_exit(pty_wait(pty), GOT_EXPECTED);
}

/* Without a controlling terminal: a new session has none. */
static void
test_no_terminal(void)
{
    pid_t child = fork();
    int status = 0;

    if (child == 0) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GError) show_error = NULL;
        g_autoptr(CvsSecret) secret = cvs_secret_new_copy("x", 1);

        (void)setsid();
        if (cvs_prompt_possible())
            _exit(1);
        if (cvs_prompt_secret(QUESTION, 8, "the PIN", "--pin-file FILE", &error) != NULL ||
            !g_error_matches(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT) ||
            strstr(error->message, "--pin-file FILE") == NULL)
            _exit(2);
        if (cvs_prompt_show("", secret, "", "--out FILE", &show_error) ||
            !g_error_matches(show_error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT) ||
            strstr(show_error->message, "--out FILE") == NULL)
            _exit(3);
        _exit(0);
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    assert_exit(status, 0);
}

int
main(int argc, char **argv)
{
    static const int signals[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};

    g_test_init(&argc, &argv, NULL);
    /* Whoever started us may have ignored them: nohup does, and a shell for what runs behind it. */
    for (gsize i = 0; i < G_N_ELEMENTS(signals); i++)
        (void)signal(signals[i], SIG_DFL);
    g_test_add_func("/prompt/no-echo", test_no_echo);
    g_test_add_func("/prompt/typed-ahead", test_typed_ahead);
    g_test_add_func("/prompt/twice", test_twice);
    g_test_add_func("/prompt/bounds", test_bounds);
    g_test_add_func("/prompt/signals", test_signals);
    g_test_add_func("/prompt/sent-signals", test_sent_signals);
    g_test_add_func("/prompt/ignored-signal", test_ignored_signal);
    g_test_add_func("/prompt/stop", test_stop);
    g_test_add_func("/prompt/show", test_show);
    g_test_add_func("/prompt/no-terminal", test_no_terminal);
    return g_test_run();
}
