/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A pipe or a socket whose lock somebody holds: a thread of ours is inside write() or recv() and
 * waits there for a page of memory that comes when held_release() brings it (userfaultfd). Whoever
 * else uses that pipe or socket waits too, also with O_NONBLOCK, SPLICE_F_NONBLOCK or MSG_DONTWAIT.
 */

#include <glib.h>

typedef struct {
    int fd; /* the end for others: the read end of the pipe, or what held_..._new() says */
    int uffd;
    void *page;
    int busy_fd; /* what the thread is in; for a pipe its write end */
    gboolean receives;
    GThread *thread;
} Held;

/* NULL if this machine can do it, else why not. */
const char *held_missing(void);

Held *held_pipe_new(void);
/* fd and busy_fd are one end; the other end is closed, so that all has been written. */
Held *held_socket_new(void);
/* Lets the thread go and closes what is left; a byte was written to the pipe, or read. */
void held_release(Held *held);
