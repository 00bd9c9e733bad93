/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a secret leaves: the read end of a pipe that already holds all of it and whose write end is
 * closed, so that nobody waits for anybody. Where the kernel has no more pipe buffers for us, it is
 * that of a UNIX stream socket, which reads the same. The caller closes it. Busy if there is not
 * even that, Failed otherwise; -1 on error. */

#include "base/secret.h"
#include "service/requests.h"

int cvs_secret_out_pipe(const CvsSecret *secret, GError **error);

/* Takes fd and writes a small secret (at most 4096 bytes) to it, a pipe or a UNIX stream socket of
 * the peer's, all of it at once or nothing: a peer that lets its pipe fill up gets an error. It is
 * written by a thread, since the peer can hold the pipe's lock (fds.h), and this one waits for it
 * for timeout_ms; what is still held up then gets the secret or nothing at some later time, and
 * keeps its place until that. InvalidArgument for another kind of descriptor, or if it does not
 * take the bytes now; Busy without a pipe or a thread. place: NULL is allowed. */
gboolean cvs_secret_out_write(int fd, const CvsSecret *secret, guint timeout_ms, CvsPlace *place,
                              GError **error);
