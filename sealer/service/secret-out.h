/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a secret leaves: the read end of a pipe that already holds all of it and whose write end is
 * closed, so that nobody waits for anybody. The caller closes it. Busy if the kernel has no more
 * pipe buffers for us, Failed otherwise; -1 on error. */

#include "base/secret.h"

int cvs_secret_out_pipe(const CvsSecret *secret, GError **error);

/* Writes a small secret (at most 4096 bytes) to a pipe or a UNIX stream socket of the peer's, all
 * of it at once or nothing, without ever waiting: a peer that lets its pipe fill up gets an error.
 * InvalidArgument for another kind of descriptor, or if it does not take the bytes now. */
gboolean cvs_secret_out_write(int fd, const CvsSecret *secret, GError **error);
/* The check alone, so that it can be made before there is a secret. */
gboolean cvs_secret_out_check(int fd, GError **error);
