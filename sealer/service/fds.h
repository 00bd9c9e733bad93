/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The descriptors that come with messages. They are their senders': a pipe's lock can be held for
 * as long as somebody likes, and a FUSE file answers when its server does, so that fstat(),
 * splice(), recv() with MSG_DONTWAIT and even close() can wait for ever. Nothing of the kind is
 * done in the main loop, in GDBus's thread or in the worker: whoever reads or writes one has a
 * thread for it (secret-in.h, secret-out.h), and what is left over is closed in threads that do
 * nothing else.
 */

#include <gio/gio.h>
#include <gio/gunixfdlist.h>

typedef struct {
    int *fds; /* -1 where it was taken */
    int n;
} CvsFds;

/* Takes them out of the list, which may be NULL. */
CvsFds *cvs_fds_new(GUnixFDList *list);
/* Buries what was not taken. NULL is allowed, here and below. */
void cvs_fds_free(CvsFds *fds);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsFds, cvs_fds_free)
/* The descriptor of a handle, now the caller's to bury. InvalidArgument if there is none, or if it
 * was taken before. what: for the message. */
int cvs_fds_take(CvsFds *fds, gint32 handle, const char *what, GError **error);

/* From now on descriptors of incoming messages that are not the bus's own are kept with their
 * messages in this form, so that GDBus closes none of them; fds_of() takes them, NULL if there are
 * none. */
void cvs_fds_guard(GDBusConnection *connection);
CvsFds *cvs_fds_of(GDBusMessage *message);

/* Closes *fd if it is not negative, without waiting, and sets it to -1. Any thread. There is a
 * thread for each, at most CVS_FDS_DIGGERS_MAX: while none of them comes back, what is buried stays
 * open. */
#define CVS_FDS_DIGGERS_MAX 64
void cvs_fds_bury(int *fd);

/* FALSE with Busy if that has been so for CVS_FDS_PATIENCE_S: what brings descriptors is not to be
 * begun then. Those that a message has brought stay open all the same, since nothing but close()
 * gives one up; who goes on sending such takes all that a process may have. */
#define CVS_FDS_PATIENCE_S 1
gboolean cvs_fds_can_bury(GError **error);
