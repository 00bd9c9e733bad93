/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/dbus-error.h"
#include "base/error.h"

#include <string.h>

#define NO_DAEMON "cvmseald does not run"

/* What the bus itself answers, or a library in the daemon's name. */
static const struct {
    const char *name;
    int code;
    const char *message;
} foreign[] = {
    {"org.freedesktop.DBus.Error.ServiceUnknown", CVS_ERROR_FAILED, NO_DAEMON},
    {"org.freedesktop.DBus.Error.NameHasNoOwner", CVS_ERROR_FAILED, NO_DAEMON},
    {"org.freedesktop.DBus.Error.Spawn.", CVS_ERROR_FAILED, NO_DAEMON " and could not be started"},
    {"org.freedesktop.systemd1.", CVS_ERROR_FAILED, NO_DAEMON " and could not be started"},
    {"org.freedesktop.DBus.Error.TimedOut", CVS_ERROR_FAILED, "cvmseald does not answer"},
    {"org.freedesktop.DBus.Error.NoReply", CVS_ERROR_FAILED, "cvmseald ended without an answer"},
    {"org.freedesktop.DBus.Error.Disconnected", CVS_ERROR_FAILED, "the bus ended the connection"},
    {"org.freedesktop.DBus.Error.AccessDenied", CVS_ERROR_NOT_AUTHORIZED,
     "the bus does not let this user talk to cvmseald"},
    {"org.freedesktop.DBus.Error.UnknownMethod", CVS_ERROR_NOT_SUPPORTED,
     "cvmseald is of another version and does not know this"},
    {"org.freedesktop.DBus.Error.UnknownInterface", CVS_ERROR_NOT_SUPPORTED,
     "cvmseald is of another version and does not know this"},
    {"org.freedesktop.DBus.Error.UnknownObject", CVS_ERROR_NOT_SUPPORTED,
     "cvmseald is of another version and does not know this"},
    {"org.freedesktop.DBus.Error.LimitsExceeded", CVS_ERROR_BUSY, "a limit of the bus is reached"},
    {"org.freedesktop.DBus.Error.InvalidArgs", CVS_ERROR_INVALID_ARGUMENT,
     "cvmseald refuses the arguments"},
};

/* A name, or a family of names where the entry ends with a dot. */
static gboolean
name_matches(const char *entry, const char *name)
{
    return g_str_has_suffix(entry, ".") ? g_str_has_prefix(name, entry) : g_str_equal(name, entry);
}

static void
add_reasons(GVariant *reasons, GError *error)
{
    GVariantIter iter;
    const char *code, *detail, *seen, *wanted;

    g_variant_iter_init(&iter, reasons);
    while (g_variant_iter_next(&iter, "(&s&s&s&s)", &code, &detail, &seen, &wanted))
        cvs_error_add_reason(error, code, seen, wanted, "%s", detail);
}

static char *
message_of(GVariant *body)
{
    g_autoptr(GVariant) first = NULL;

    if (body == NULL || !g_variant_is_of_type(body, G_VARIANT_TYPE_TUPLE) ||
        g_variant_n_children(body) == 0)
        return NULL;
    first = g_variant_get_child_value(body, 0);
    return g_variant_is_of_type(first, G_VARIANT_TYPE_STRING) ? g_variant_dup_string(first, NULL)
                                                              : NULL;
}

static void
from_ours(const char *name, const char *message, GVariant *body, GError **error)
{
    GError *local = NULL;
    int code = CVS_ERROR_FAILED;

    if (cvs_error_from_name(name, &code))
        local = g_error_new_literal(CVS_ERROR, code, message ? message : cvs_error_summary(code));
    else
        local = g_error_new(CVS_ERROR, code, "%s: %s", name, message ? message : "no message");
    if (body && g_variant_is_of_type(body, G_VARIANT_TYPE("(sa(ssss))"))) {
        g_autoptr(GVariant) reasons = g_variant_get_child_value(body, 1);

        add_reasons(reasons, local);
    }
    g_propagate_error(error, local);
}

void
cvs_dbus_error_from_message(const char *name, GVariant *body, GError **error)
{
    g_autofree char *message = message_of(body);

    if (name && g_str_has_prefix(name, CVS_DBUS_ERROR_PREFIX)) {
        from_ours(name + strlen(CVS_DBUS_ERROR_PREFIX), message, body, error);
        return;
    }
    for (gsize i = 0; name && i < G_N_ELEMENTS(foreign); i++) {
        if (name_matches(foreign[i].name, name)) {
            g_set_error(error, CVS_ERROR, foreign[i].code, "%s%s%s%s", foreign[i].message,
                        message ? " (" : "", message ? message : "", message ? ")" : "");
            return;
        }
    }
    g_set_error(error, CVS_ERROR, CVS_ERROR_FAILED, "%s: %s", name ? name : "error without a name",
                message ? message : "no message");
}

void
cvs_dbus_error_from_gio(const GError *gio, GError **error)
{
    if (g_error_matches(gio, G_IO_ERROR, G_IO_ERROR_TIMED_OUT))
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_FAILED, "cvmseald does not answer");
    else if (g_error_matches(gio, G_IO_ERROR, G_IO_ERROR_CLOSED))
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_FAILED, "the bus ended the connection");
    else
        g_set_error(error, CVS_ERROR, CVS_ERROR_FAILED, "the bus failed: %s", gio->message);
}

gboolean
cvs_dbus_error_is_no_daemon(const GError *error)
{
    return g_error_matches(error, CVS_ERROR, CVS_ERROR_FAILED) &&
           strstr(error->message, NO_DAEMON) != NULL;
}
