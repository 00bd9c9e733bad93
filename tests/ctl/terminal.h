/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A program under a pseudo terminal of its own: its controlling terminal, as a shell's foreground
 * job, so that ^C and ^Z do what they do to a person's commands. */

#include <glib.h>

typedef struct _Pty Pty;

/* Runs function(data) in a process of its own with the terminal as /dev/tty, stdin, stdout and
 * stderr; what it returns is the exit code. */
Pty *pty_run(int (*function)(gpointer data), gpointer data);
/* Ends what still runs. */
void pty_free(Pty *pty);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Pty, pty_free)

/* Waits until the text was shown after what the last call of this waited for. Fails the test if it
 * does not come within 30 seconds. */
void pty_expect(Pty *pty, const char *text);
void pty_type(Pty *pty, const char *text);
gboolean pty_echoes(Pty *pty);

/* Waits until the process ended or stopped, and gives its wait status. */
int pty_wait(Pty *pty);
/* Lets a stopped process go on. */
void pty_continue(Pty *pty);

/* The process under the terminal. */
GPid pty_pid(Pty *pty);

/* All that was shown so far, also after the end of the process. */
const char *pty_seen(Pty *pty);
