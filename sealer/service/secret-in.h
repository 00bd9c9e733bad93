/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a secret comes in: all bytes of a descriptor up to its end, straight into a CvsSecret,
 * without ever blocking the main loop. The descriptor is the peer's: its kind is checked, its flags
 * are never relied on and never changed, and it is read by calls that are told each time not to
 * wait.
 *
 * Allowed are the read end of a FIFO, a UNIX stream socket, and a memfd (read from its start,
 * whatever its position). Refused: regular files, directories, terminals, devices, everything else.
 */

#include "base/secret.h"

#include <gio/gio.h>

/* InvalidArgument if the descriptor is of a kind that is refused. what: "secret", "PIN". */
gboolean cvs_secret_in_check(int fd, const char *what, GError **error);

/* Takes fd and reads 1 to max bytes. Errors: InvalidArgument (kind, empty, or no end within
 * timeout_s seconds), TooLarge, Busy (cancelled, or no pipe to be had), Failed. */
void cvs_secret_in_read(int fd, const char *what, gsize max, guint timeout_s,
                        GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
CvsSecret *cvs_secret_in_read_finish(GAsyncResult *result, GError **error);
