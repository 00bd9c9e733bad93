/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A refusal as a D-Bus error: org.cvmseal1.Error.NAME with the body (s a(ssss)): the message, and
 * the reasons as code, detail, seen, wanted. A client that knows only the usual body takes its
 * first string, the message. */

#include <gio/gio.h>

#define CVS_DBUS_ERROR_PREFIX "org.cvmseal1.Error."

/* The error's name; errors of other domains than CVS_ERROR are …Failed. */
char *cvs_dbus_error_name(const GError *error);
/* The body; floating. */
GVariant *cvs_dbus_error_body(const GError *error);

/* Answers the call with the error; consumes the invocation. */
void cvs_dbus_error_return(GDBusMethodInvocation *invocation, const GError *error);
