/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>
#include <utmp.h>

#define PATIENCE_MS 30000

#define GO_ON 'g'
#define END 'e'

/* The leader stands in for the shell: the terminal hangs up when it ends, so it lives as long as
 * the test looks at it. */
struct _Pty {
    int master;
    int slave; /* kept, so that the settings can be asked for */
    pid_t leader;
    pid_t job;
    int orders;   /* GO_ON or END */
    int statuses; /* wait statuses from the leader */
    GString *seen;
    gsize expected; /* behind what was waited for */
};

static void
lead(int slave, int orders, int statuses, int (*function)(gpointer), gpointer data)
{
    pid_t job = -1;
    int status = 0;
    char byte = 0;

    /* The end of the orders alone does not tell: a leader that is made later holds the pipe too. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || login_tty(slave) < 0)
        _exit(126);
    (void)signal(SIGTTOU, SIG_IGN);
    job = fork();
    if (job == 0) {
        (void)setpgid(0, 0);
        (void)tcsetpgrp(STDIN_FILENO, getpgrp());
        (void)signal(SIGTTOU, SIG_DFL);
        (void)close(orders);
        (void)close(statuses);
        _exit(function(data));
    }
    (void)setpgid(job, job);
    (void)tcsetpgrp(STDIN_FILENO, job);
    if (write(statuses, &job, sizeof job) != sizeof job)
        _exit(126);
    while (waitpid(job, &status, WUNTRACED) == job) {
        if (write(statuses, &status, sizeof status) != sizeof status || !WIFSTOPPED(status))
            break;
        if (read(orders, &byte, 1) != 1 || byte != GO_ON)
            break;
        (void)kill(-job, SIGCONT);
    }
    while (byte != END && read(orders, &byte, 1) == 1)
        continue;
    (void)kill(-job, SIGKILL);
    _exit(0);
}

Pty *
pty_run(int (*function)(gpointer data), gpointer data)
{
    Pty *pty = g_new0(Pty, 1);
    struct winsize size = {.ws_row = 24, .ws_col = 80};
    int orders[2], statuses[2];

    pty->seen = g_string_new(NULL);
    g_assert_cmpint(openpty(&pty->master, &pty->slave, NULL, NULL, &size), ==, 0);
    g_assert_cmpint(pipe2(orders, O_CLOEXEC), ==, 0);
    g_assert_cmpint(pipe2(statuses, O_CLOEXEC), ==, 0);
    pty->leader = fork();
    g_assert_cmpint(pty->leader, >=, 0);
    if (pty->leader == 0) {
        (void)close(pty->master);
        (void)close(orders[1]);
        (void)close(statuses[0]);
        lead(pty->slave, orders[0], statuses[1], function, data);
    }
    (void)close(orders[0]);
    (void)close(statuses[1]);
    pty->orders = orders[1];
    pty->statuses = statuses[0];
    g_assert_cmpint(read(pty->statuses, &pty->job, sizeof pty->job), ==, sizeof pty->job);
    g_assert_cmpint(fcntl(pty->master, F_SETFL, O_NONBLOCK), ==, 0);
    return pty;
}

void
pty_free(Pty *pty)
{
    if (pty == NULL)
        return;
    g_assert_cmpint(write(pty->orders, &(char){END}, 1), ==, 1);
    (void)close(pty->orders);
    (void)waitpid(pty->leader, NULL, 0);
    (void)close(pty->statuses);
    (void)close(pty->master);
    (void)close(pty->slave);
    g_string_free(pty->seen, TRUE);
    g_free(pty);
}

/* Takes what is there. */
static void
take(Pty *pty)
{
    char buffer[4096];
    gssize n;

    while ((n = read(pty->master, buffer, sizeof buffer)) > 0)
        g_string_append_len(pty->seen, buffer, n);
}

void
pty_expect(Pty *pty, const char *text)
{
    gint64 deadline = g_get_monotonic_time() + PATIENCE_MS * 1000;

    for (;;) {
        struct pollfd fd = {.fd = pty->master, .events = POLLIN};
        const char *found = NULL;

        take(pty);
        found = strstr(pty->seen->str + pty->expected, text);
        if (found) {
            pty->expected = (gsize)(found - pty->seen->str) + strlen(text);
            return;
        }
        if (g_get_monotonic_time() > deadline || poll(&fd, 1, PATIENCE_MS) <= 0)
            g_error("\"%s\" was not shown, but: %s", text, pty->seen->str);
    }
}

void
pty_type(Pty *pty, const char *text)
{
    g_assert_cmpint(write(pty->master, text, strlen(text)), ==, strlen(text));
}

gboolean
pty_echoes(Pty *pty)
{
    struct termios settings;

    g_assert_cmpint(tcgetattr(pty->slave, &settings), ==, 0);
    return (settings.c_lflag & ECHO) != 0;
}

int
pty_wait(Pty *pty)
{
    gint64 deadline = g_get_monotonic_time() + PATIENCE_MS * 1000;
    int status = 0;

    /* What it shows has to be taken meanwhile, or it waits for us. */
    for (;;) {
        struct pollfd fds[2] = {{.fd = pty->statuses, .events = POLLIN},
                                {.fd = pty->master, .events = POLLIN}};

        if (poll(fds, 2, PATIENCE_MS) <= 0 || g_get_monotonic_time() > deadline)
            g_error("the process does not end; it showed: %s", pty->seen->str);
        take(pty);
        if (fds[0].revents & POLLIN)
            break;
    }
    g_assert_cmpint(read(pty->statuses, &status, sizeof status), ==, sizeof status);
    take(pty);
    return status;
}

void
pty_continue(Pty *pty)
{
    g_assert_cmpint(write(pty->orders, &(char){GO_ON}, 1), ==, 1);
}

GPid
pty_pid(Pty *pty)
{
    return pty->job;
}

const char *
pty_seen(Pty *pty)
{
    take(pty);
    return pty->seen->str;
}
