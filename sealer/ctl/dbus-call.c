/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include "ctl/dbus-call.h"
#include "base/error.h"
#include "base/file.h"
#include "ctl/dbus-error.h"
#include "vault/key-file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define BUS_NAME "org.cvmseal1"
#define OBJECT_PATH "/org/cvmseal1"
/* A person may be asked by polkit meanwhile, and the daemon waits for a TEE up to 300 seconds; ^C
 * ends it sooner. */
#define TIMEOUT_MS (10 * 60 * 1000)

void
cvs_dbus_call_init(CvsDbusCall *call, const char *owner)
{
    g_variant_builder_init(&call->options, G_VARIANT_TYPE_VARDICT);
    call->fds = g_unix_fd_list_new();
    g_variant_builder_add(&call->options, "{sv}", "reasons", g_variant_new_boolean(TRUE));
    if (owner)
        g_variant_builder_add(&call->options, "{sv}", "owner", g_variant_new_string(owner));
}

void
cvs_dbus_call_clear(CvsDbusCall *call)
{
    g_variant_builder_clear(&call->options);
    g_clear_object(&call->fds);
}

int
cvs_dbus_call_add_fd(CvsDbusCall *call, int fd, GError **error)
{
    return g_unix_fd_list_append(call->fds, fd, error);
}

int
cvs_dbus_call_add_secret(CvsDbusCall *call, const CvsSecret *secret, GError **error)
{
    CVS_AUTO_FD int in = -1;
    CVS_AUTO_FD int out = -1;
    int ends[2];
    gssize n = 0;

    if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0) {
        cvs_error_set_errno(error, CVS_ERROR_FAILED, errno, "cannot make a pipe");
        return -1;
    }
    out = ends[0];
    in = ends[1];
    /* All of it has to fit at once, since nobody reads before the message is sent. 64 KiB is the
     * default, but a user with many pipes gets less unless he asks. */
    (void)fcntl(in, F_SETPIPE_SZ, CVS_SECRET_MAX);
    n = write(in, cvs_secret_peek(secret), cvs_secret_size(secret));
    if (n < 0 || (gsize)n != cvs_secret_size(secret)) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_FAILED,
                            "the system's limit for pipes leaves no room for the secret");
        return -1;
    }
    return cvs_dbus_call_add_fd(call, out, error);
}

gboolean
cvs_dbus_call_add_secret_option(CvsDbusCall *call, const char *name, const CvsSecret *secret,
                                GError **error)
{
    int handle = cvs_dbus_call_add_secret(call, secret, error);

    if (handle < 0)
        return FALSE;
    g_variant_builder_add(&call->options, "{sv}", name, g_variant_new_handle(handle));
    return TRUE;
}

GDBusMessage *
cvs_dbus_call_send(GDBusConnection *bus, const char *interface, const char *method, GVariant *body,
                   GUnixFDList *fds, const char *reply_type, GError **error)
{
    g_autoptr(GVariant) sunk = body ? g_variant_ref_sink(body) : NULL;
    g_autoptr(GDBusMessage) message =
        g_dbus_message_new_method_call(BUS_NAME, OBJECT_PATH, interface, method);
    g_autoptr(GDBusMessage) reply = NULL;
    g_autoptr(GError) local = NULL;
    GVariant *answer = NULL;

    if (sunk)
        g_dbus_message_set_body(message, sunk);
    if (fds && g_unix_fd_list_get_length(fds) > 0)
        g_dbus_message_set_unix_fd_list(message, fds);
    g_dbus_message_set_flags(message, G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION);
    reply = g_dbus_connection_send_message_with_reply_sync(
        bus, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, TIMEOUT_MS, NULL, NULL, &local);
    if (reply == NULL) {
        cvs_dbus_error_from_gio(local, error);
        return NULL;
    }
    if (g_dbus_message_get_message_type(reply) == G_DBUS_MESSAGE_TYPE_ERROR) {
        cvs_dbus_error_from_message(g_dbus_message_get_error_name(reply),
                                    g_dbus_message_get_body(reply), error);
        return NULL;
    }
    answer = g_dbus_message_get_body(reply);
    if (!g_str_equal(answer ? g_variant_get_type_string(answer) : "()", reply_type)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "the daemon's answer to %s has the type %s, not %s: is it of another version?",
                    method, answer ? g_variant_get_type_string(answer) : "()", reply_type);
        return NULL;
    }
    return g_steal_pointer(&reply);
}

GDBusMessage *
cvs_dbus_call_method(GDBusConnection *bus, CvsDbusCall *call, const char *method, const char *name,
                     const char *reply_type, GError **error)
{
    GVariant *body = name ? g_variant_new("(sa{sv})", name, &call->options)
                          : g_variant_new("(a{sv})", &call->options);

    return cvs_dbus_call_send(bus, CVS_DBUS_INTERFACE, method, body, call->fds, reply_type, error);
}

int
cvs_dbus_call_take_fd(GDBusMessage *reply, const char *what, GError **error)
{
    GUnixFDList *fds = g_dbus_message_get_unix_fd_list(reply);
    gint32 handle = -1;

    g_variant_get_child(g_dbus_message_get_body(reply), 0, "h", &handle);
    if (fds == NULL || handle < 0 || handle >= g_unix_fd_list_get_length(fds)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "the daemon's answer lacks the descriptor with the %s", what);
        return -1;
    }
    return g_unix_fd_list_get(fds, handle, error);
}

void
cvs_dbus_look_up_text(GVariant *dict, const char *name, char **text)
{
    const char *value = NULL;

    if (g_variant_lookup(dict, name, "&s", &value)) {
        g_free(*text);
        *text = g_strdup(value);
    }
}
