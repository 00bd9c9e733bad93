/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A refusal as a D-Bus error: org.cvmseal1.Error.NAME. Its body is (s), the message with the
 * details of the reasons, unless the call asked for the reasons: then it is (s a(ssss)), the
 * message, and of each reason code, detail, seen, wanted. Not always the latter, since GDBus gives
 * its users the message only if it is alone (g_dbus_message_to_gerror()). */

#include <gio/gio.h>

#define CVS_DBUS_ERROR_PREFIX "org.cvmseal1.Error."

/* The error's name; errors of other domains than CVS_ERROR are …Failed. */
char *cvs_dbus_error_name(const GError *error);
/* The reasons, a(ssss) as above; floating. NULL: none. */
GVariant *cvs_dbus_error_reasons(const GError *error);
/* The body; floating. */
GVariant *cvs_dbus_error_body(const GError *error, gboolean with_reasons);

/* Answers the call with the error; consumes the invocation. */
void cvs_dbus_error_return(GDBusMethodInvocation *invocation, const GError *error,
                           gboolean with_reasons);
