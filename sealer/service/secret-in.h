/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How a secret comes in: all bytes of a descriptor up to its end, straight into a CvsSecret. The
 * descriptor is the peer's: its kind is checked, its flags are never relied on and never changed,
 * and it is read by calls that are told each time not to wait. They wait all the same if the peer
 * holds the lock of the pipe or the socket, or answers for its file system (fds.h), so each intake
 * has a thread of its own, which owns descriptor and buffer; the main loop only waits for its word,
 * and no longer than the deadline.
 *
 * Allowed are the read end of a FIFO, a UNIX stream socket, and a memfd (read from its start,
 * whatever its position). Refused: regular files, directories, terminals, devices, everything else.
 */

#include "base/secret.h"
#include "service/requests.h"

#include <gio/gio.h>

/* Takes fd and reads 1 to max bytes. what: "secret", "PIN". place: held until the thread has ended
 * and fd is closed, which after a deadline may be never; NULL is allowed. Errors: InvalidArgument
 * (kind, empty, or no end within timeout_s seconds), TooLarge, Busy (cancelled, or neither pipe nor
 * thread to be had), Failed. */
void cvs_secret_in_read(int fd, const char *what, gsize max, guint timeout_s, CvsPlace *place,
                        GCancellable *cancellable, GAsyncReadyCallback callback, gpointer data);
CvsSecret *cvs_secret_in_read_finish(GAsyncResult *result, GError **error);
