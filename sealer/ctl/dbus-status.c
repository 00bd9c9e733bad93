/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/dbus-status.h"
#include "ctl/dbus-call.h"

static char *
get_version(GDBusConnection *bus, GError **error)
{
    g_autoptr(GDBusMessage) reply = NULL;
    g_autoptr(GVariant) value = NULL;

    reply = cvs_dbus_call_send(bus, "org.freedesktop.DBus.Properties", "Get",
                               g_variant_new("(ss)", CVS_DBUS_INTERFACE, "Version"), NULL, "(v)",
                               error);
    if (reply == NULL)
        return NULL;
    g_variant_get(g_dbus_message_get_body(reply), "(v)", &value);
    return g_strdup(g_variant_is_of_type(value, G_VARIANT_TYPE_STRING)
                        ? g_variant_get_string(value, NULL)
                        : "of an unknown version");
}

CvsStatusInfo *
cvs_dbus_status(GDBusConnection *bus, GError **error)
{
    g_auto(CvsDbusCall) call = {0};
    g_autoptr(CvsStatusInfo) info = cvs_status_info_new();
    g_autoptr(GDBusMessage) reply = NULL;
    g_autoptr(GVariant) dict = NULL;
    g_autofree char *version = get_version(bus, error);
    g_autofree const char **banks = NULL;

    if (version == NULL)
        return NULL;
    cvs_dbus_call_init(&call, NULL);
    reply = cvs_dbus_call_method(bus, &call, "Status", NULL, "(a{sv})", error);
    if (reply == NULL)
        return NULL;
    g_free(info->server);
    info->server = g_strdup_printf("cvmseald %s", version);
    dict = g_variant_get_child_value(g_dbus_message_get_body(reply), 0);
    cvs_dbus_look_up_text(dict, "tpm-error", &info->tpm_error);
    cvs_dbus_look_up_text(dict, "tpm-manufacturer", &info->tpm_manufacturer);
    cvs_dbus_look_up_text(dict, "tpm-srk-name", &info->tpm_srk_name);
    (void)g_variant_lookup(dict, "tpm-available", "b", &info->tpm_available);
    (void)g_variant_lookup(dict, "tpm-firmware", "t", &info->tpm_firmware);
    (void)g_variant_lookup(dict, "tpm-in-lockout", "b", &info->tpm_in_lockout);
    (void)g_variant_lookup(dict, "tpm-lockout-counter", "u", &info->tpm_lockout_counter);
    (void)g_variant_lookup(dict, "tpm-lockout-max", "u", &info->tpm_lockout_max);
    (void)g_variant_lookup(dict, "memory-locked", "b", &info->memory_locked);
    cvs_dbus_look_up_text(dict, "lock2", &info->lock2);
    (void)g_variant_lookup(dict, "test-roots", "b", &info->test_roots);
    if (g_variant_lookup(dict, "tpm-banks", "^a&s", &banks)) {
        g_free(info->tpm_banks);
        info->tpm_banks = g_strjoinv(", ", (char **)banks);
    }
    return g_steal_pointer(&info);
}
