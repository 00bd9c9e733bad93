/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One call of the daemon over D-Bus, which blocks. Errors are the daemon's, with its reasons. */

#include "base/secret.h"

#include <gio/gio.h>
#include <gio/gunixfdlist.h>

#define CVS_DBUS_INTERFACE "org.cvmseal1.Manager"

/* A call with its descriptors, which are put in as options or arguments of type h. */
typedef struct {
    GVariantBuilder options;
    GUnixFDList *fds;
} CvsDbusCall;

/* With the option "reasons", and "owner" unless it is NULL. */
void cvs_dbus_call_init(CvsDbusCall *call, const char *owner);
void cvs_dbus_call_clear(CvsDbusCall *call);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CvsDbusCall, cvs_dbus_call_clear)

/* The handle; the list keeps its own copy of the descriptor. -1 on error. */
int cvs_dbus_call_add_fd(CvsDbusCall *call, int fd, GError **error);
/* A pipe that already holds the secret and whose write end is closed: the read end's handle. */
int cvs_dbus_call_add_secret(CvsDbusCall *call, const CvsSecret *secret, GError **error);
gboolean cvs_dbus_call_add_secret_option(CvsDbusCall *call, const char *name,
                                         const CvsSecret *secret, GError **error);

/* Sends and waits. The reply has a body of that type, or the error is set. body: floating or NULL.
 */
GDBusMessage *cvs_dbus_call_send(GDBusConnection *bus, const char *interface, const char *method,
                                 GVariant *body, GUnixFDList *fds, const char *reply_type,
                                 GError **error);
/* What most methods are: a name (NULL: none) and options. */
GDBusMessage *cvs_dbus_call_method(GDBusConnection *bus, CvsDbusCall *call, const char *method,
                                   const char *name, const char *reply_type, GError **error);

/* The descriptor that a reply begins with; what: what is to be in it. -1 on error. */
int cvs_dbus_call_take_fd(GDBusMessage *reply, const char *what, GError **error);
/* Replaces *text, if the dictionary has a text of that name. */
void cvs_dbus_look_up_text(GVariant *dict, const char *name, char **text);
