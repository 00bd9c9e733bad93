/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Errors that come over the bus, as CvsError. */

#include <gio/gio.h>

#define CVS_DBUS_ERROR_PREFIX "org.cvmseal1.Error."

/* An error message's name and body (NULL: none). Ours have the body (s a(ssss)), message and
 * reasons; for those of the bus itself the message says what is wrong with the daemon. An error of
 * ours that this program does not know is Failed with its name in the message. */
void cvs_dbus_error_from_message(const char *name, GVariant *body, GError **error);
/* What GIO says when there was no answer at all. */
void cvs_dbus_error_from_gio(const GError *gio, GError **error);
/* TRUE if the error means that no daemon answers, for the remedy. */
gboolean cvs_dbus_error_is_no_daemon(const GError *error);
