/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include "ctl/prompt.h"
#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static const int caught[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGTSTP};

/* The handler may run on any thread, so a flag and EINTR would not do: a pipe wakes the poll(). */
static int wake_pipe[2] = {-1, -1};

static void
on_signal(int number)
{
    int saved = errno;
    char byte = (char)number;

    /* The pipe is empty but for what we put there; a full one has a signal to tell already. */
    if (write(wake_pipe[1], &byte, 1) < 0)
        errno = 0;
    errno = saved;
}

static int
open_tty(const char *what, const char *instead, GError **error)
{
    int tty = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);

    if (tty < 0)
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "there is no terminal for %s; use %s", what, instead);
    return tty;
}

gboolean
cvs_prompt_possible(void)
{
    CVS_AUTO_FD int tty = open_tty("", "", NULL);

    return tty >= 0;
}

typedef enum {
    LINE_DONE,
    LINE_SIGNAL,
    LINE_ERROR,
} LineResult;

/* Reads up to the line end. Bytes beyond max are dropped; ret_size tells of them. */
static LineResult
read_line(int tty, CvsSecret *line, gsize max, gsize *ret_size, int *ret_signal, GError **error)
{
    gsize size = 0;

    for (;;) {
        struct pollfd fds[2] = {{.fd = tty, .events = POLLIN},
                                {.fd = wake_pipe[0], .events = POLLIN}};
        char byte = 0;
        gssize n = 0;

        if (poll(fds, 2, -1) < 0 && errno != EINTR) {
            cvs_error_set_errno(error, CVS_ERROR_FAILED, errno, "cannot wait for the terminal");
            return LINE_ERROR;
        }
        if (read(wake_pipe[0], &byte, 1) == 1) {
            *ret_signal = byte;
            return LINE_SIGNAL;
        }
        if ((fds[0].revents & (POLLIN | POLLHUP | POLLERR)) == 0)
            continue;
        n = read(tty, &byte, 1);
        if (n < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (n < 0) {
            cvs_error_set_errno(error, CVS_ERROR_FAILED, errno, "cannot read from the terminal");
            return LINE_ERROR;
        }
        if (n == 0 || byte == '\n')
            break;
        if (size <= max)
            cvs_secret_data(line)[size++] = (guint8)byte;
        cvs_wipe(&byte, 1);
    }
    *ret_size = size;
    return LINE_DONE;
}

/* One try with the echo off; the terminal and the handlers are as before when it returns. */
static LineResult
ask_once(int tty, const char *question, CvsSecret *line, gsize max, gsize *ret_size,
         int *ret_signal, GError **error)
{
    struct sigaction action = {.sa_handler = on_signal};
    struct sigaction before[G_N_ELEMENTS(caught)];
    struct termios shown, hidden;
    LineResult result = LINE_ERROR;

    if (tcgetattr(tty, &shown) < 0) {
        cvs_error_set_errno(error, CVS_ERROR_FAILED, errno, "cannot ask the terminal's settings");
        return LINE_ERROR;
    }
    if (pipe2(wake_pipe, O_CLOEXEC | O_NONBLOCK) < 0) {
        cvs_error_set_errno(error, CVS_ERROR_FAILED, errno, "cannot make a pipe");
        return LINE_ERROR;
    }
    sigemptyset(&action.sa_mask);
    for (gsize i = 0; i < G_N_ELEMENTS(caught); i++) {
        (void)sigaction(caught[i], &action, &before[i]);
        /* What was ignored (nohup) stays so. */
        if (before[i].sa_handler == SIG_IGN)
            (void)sigaction(caught[i], &before[i], NULL);
    }

    hidden = shown;
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHOE | ECHOK | ECHONL);
    hidden.c_lflag |= ICANON | ISIG;
    /* Before the question appears, so that nobody can answer while the echo is on; what was typed
     * ahead was not meant for this question. */
    if (tcsetattr(tty, TCSAFLUSH, &hidden) < 0) {
        cvs_error_set_errno(error, CVS_ERROR_FAILED, errno,
                            "cannot switch the terminal's echo off");
        goto out;
    }
    if (!cvs_write_all(tty, question, strlen(question)))
        cvs_error_set_errno(error, CVS_ERROR_FAILED, errno, "cannot write to the terminal");
    else
        result = read_line(tty, line, max, ret_size, ret_signal, error);
    (void)cvs_write_all(tty, "\n", 1);
    (void)tcsetattr(tty, TCSADRAIN, &shown);

out:
    for (gsize i = 0; i < G_N_ELEMENTS(caught); i++)
        (void)sigaction(caught[i], &before[i], NULL);
    cvs_close_fd(&wake_pipe[0]);
    cvs_close_fd(&wake_pipe[1]);
    return result;
}

static CvsSecret *
ask(int tty, const char *question, gsize max, const char *what, GError **error)
{
    g_autoptr(CvsSecret) line = cvs_secret_new(max + 1);
    LineResult result = LINE_ERROR;
    gsize size = 0;
    int number = 0;

    while ((result = ask_once(tty, question, line, max, &size, &number, error)) == LINE_SIGNAL) {
        cvs_wipe(cvs_secret_data(line), cvs_secret_size(line));
        /* With the handlers of before: this ends the process, or stops it until it goes on. */
        (void)raise(number);
        if (number != SIGTSTP) {
            g_set_error(error, CVS_ERROR, CVS_ERROR_FAILED, "interrupted while asking for %s",
                        what);
            return NULL;
        }
    }
    if (result == LINE_ERROR)
        return NULL;
    if (size == 0) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT, "%s is empty", what);
        return NULL;
    }
    if (size > max) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE, "%s is longer than %zu bytes", what,
                    max);
        return NULL;
    }
    cvs_secret_truncate(line, size);
    return g_steal_pointer(&line);
}

CvsSecret *
cvs_prompt_secret(const char *question, gsize max, const char *what, const char *instead,
                  GError **error)
{
    CVS_AUTO_FD int tty = open_tty(what, instead, error);

    return tty < 0 ? NULL : ask(tty, question, max, what, error);
}

CvsSecret *
cvs_prompt_secret_twice(const char *question, gsize max, const char *what, const char *instead,
                        GError **error)
{
    CVS_AUTO_FD int tty = open_tty(what, instead, error);
    g_autoptr(CvsSecret) first = NULL;
    g_autoptr(CvsSecret) second = NULL;
    g_autofree char *again = g_strconcat("Again: ", question, NULL);

    if (tty < 0)
        return NULL;
    first = ask(tty, question, max, what, error);
    if (first == NULL)
        return NULL;
    second = ask(tty, again, max, what, error);
    if (second == NULL)
        return NULL;
    if (!cvs_secret_equal(first, second)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "%s was not typed the same way twice", what);
        return NULL;
    }
    return g_steal_pointer(&first);
}

gboolean
cvs_prompt_show(const char *before, const CvsSecret *secret, const char *after, const char *instead,
                GError **error)
{
    CVS_AUTO_FD int tty = open_tty("showing it", instead, error);

    if (tty < 0)
        return FALSE;
    if (cvs_write_all(tty, before, strlen(before)) &&
        cvs_write_all(tty, cvs_secret_peek(secret), cvs_secret_size(secret)) &&
        cvs_write_all(tty, after, strlen(after)))
        return TRUE;
    cvs_error_set_errno(error, CVS_ERROR_FAILED, errno, "cannot write to the terminal");
    return FALSE;
}
