/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/dbus-status.h"
#include "ctl/dbus-call.h"

static void
take_reasons(GVariant *properties, CvsStatusInfo *info)
{
    g_autoptr(GVariant) reasons =
        g_variant_lookup_value(properties, "AttestationReasons", G_VARIANT_TYPE("a(ssss)"));
    const char *code, *detail, *seen, *wanted;
    GVariantIter iter;

    if (reasons == NULL)
        return;
    g_variant_iter_init(&iter, reasons);
    while (g_variant_iter_next(&iter, "(&s&s&s&s)", &code, &detail, &seen, &wanted))
        (void)json_array_append_new(info->attestation_reasons,
                                    json_pack("{s:s, s:s, s:s, s:s}", "code", code, "detail",
                                              detail, "seen", seen, "wanted", wanted));
}

static void
take_registers(GVariant *properties, CvsStatusInfo *info)
{
    g_autoptr(GVariant) registers =
        g_variant_lookup_value(properties, "Registers", G_VARIANT_TYPE("a{ss}"));
    const char *name, *value;
    GVariantIter iter;

    if (registers == NULL)
        return;
    g_variant_iter_init(&iter, registers);
    while (g_variant_iter_next(&iter, "{&s&s}", &name, &value))
        (void)json_object_set_new(info->registers, name, json_string(value));
}

static gboolean
get_properties(GDBusConnection *bus, CvsStatusInfo *info, GError **error)
{
    g_autoptr(GDBusMessage) reply =
        cvs_dbus_call_send(bus, "org.freedesktop.DBus.Properties", "GetAll",
                           g_variant_new("(s)", CVS_DBUS_INTERFACE), NULL, "(a{sv})", error);
    g_autoptr(GVariant) properties = NULL;
    const char *version = "of an unknown version";

    if (reply == NULL)
        return FALSE;
    properties = g_variant_get_child_value(g_dbus_message_get_body(reply), 0);
    (void)g_variant_lookup(properties, "Version", "&s", &version);
    g_free(info->server);
    info->server = g_strdup_printf("cvmseald %s", version);
    cvs_dbus_look_up_text(properties, "AttestationState", &info->attestation);
    cvs_dbus_look_up_text(properties, "TeeType", &info->tee_type);
    cvs_dbus_look_up_text(properties, "VtpmKind", &info->vtpm_kind);
    take_reasons(properties, info);
    take_registers(properties, info);
    return TRUE;
}

CvsStatusInfo *
cvs_dbus_status(GDBusConnection *bus, GError **error)
{
    g_auto(CvsDbusCall) call = {0};
    g_autoptr(CvsStatusInfo) info = cvs_status_info_new();
    g_autoptr(GDBusMessage) reply = NULL;
    g_autoptr(GVariant) dict = NULL;
    g_autofree const char **banks = NULL;

    if (!get_properties(bus, info, error))
        return NULL;
    cvs_dbus_call_init(&call, NULL);
    reply = cvs_dbus_call_method(bus, &call, "Status", NULL, "(a{sv})", error);
    if (reply == NULL)
        return NULL;
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
