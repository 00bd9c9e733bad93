/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Asks polkit whether a caller may do an action: org.freedesktop.PolicyKit1.Authority, method
 * CheckAuthorization, with the caller's bus name as the subject (a process number could be
 * another's by then). It is asked over the very connection on which the caller's name means
 * something. */

#include <gio/gio.h>

/* interactive: polkit may ask a person through an agent. */
void cvs_polkit_check(GDBusConnection *connection, const char *sender, const char *action,
                      gboolean interactive, GCancellable *cancellable, GAsyncReadyCallback callback,
                      gpointer data);
/* TRUE only if polkit said yes. NotAuthorized if it said no, or if there is no polkit to ask. */
gboolean cvs_polkit_check_finish(GAsyncResult *result, GError **error);
