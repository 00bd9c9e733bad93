/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/manager.h"
#include "base/error.h"
#include "service/attesting.h"
#include "service/bouncer.h"
#include "service/dbus-error.h"
#include "service/manager-interface.h"
#include "service/request.h"

#include "config.h"

#define SEALING_OPTIONS                                                                            \
    (CVS_OPTION_OWNER | CVS_OPTION_PROFILE | CVS_OPTION_PCRS | CVS_OPTION_BANK |                   \
     CVS_OPTION_REPLACE | CVS_OPTION_ALLOW_UNMEASURED | CVS_OPTION_PIN |                           \
     CVS_OPTION_RECOVERY_OUTPUT | CVS_OPTION_RTMRS | CVS_OPTION_REQUIRE | CVS_OPTION_DERIVED_KEY | \
     CVS_OPTION_THIS_BOOT)

static const CvsMethod methods[] = {
    {
        .name = "Seal",
        .takes = CVS_TAKES_NAME | CVS_TAKES_SECRET,
        .options = SEALING_OPTIONS,
        .audit_id = CVS_AUDIT_SEALED,
        .run = cvs_operation_seal,
    },
    {
        .name = "Generate",
        .takes = CVS_TAKES_NAME | CVS_TAKES_SIZE,
        .options = SEALING_OPTIONS,
        .audit_id = CVS_AUDIT_GENERATED,
        .run = cvs_operation_generate,
    },
    {
        .name = "Unseal",
        .takes = CVS_TAKES_NAME,
        .options = CVS_OPTION_OWNER | CVS_OPTION_PIN,
        .audit_id = CVS_AUDIT_RELEASED,
        .run = cvs_operation_unseal,
    },
    {
        .name = "List",
        .options = CVS_OPTION_OWNER | CVS_OPTION_ALL | CVS_OPTION_AFTER | CVS_OPTION_LIMIT,
        .run = cvs_operation_list,
    },
    {
        .name = "Describe",
        .takes = CVS_TAKES_NAME,
        .options = CVS_OPTION_OWNER,
        .run = cvs_operation_describe,
    },
    {
        .name = "Explain",
        .takes = CVS_TAKES_NAME,
        .options = CVS_OPTION_OWNER,
        .run = cvs_operation_explain,
    },
    {
        .name = "Remove",
        .takes = CVS_TAKES_NAME,
        .options = CVS_OPTION_OWNER,
        .audit_id = CVS_AUDIT_REMOVED,
        .run = cvs_operation_remove,
    },
    {
        .name = "Reseal",
        .takes = CVS_TAKES_NAME,
        .options = CVS_OPTION_OWNER | CVS_OPTION_PIN | CVS_OPTION_RECOVERY_KEY |
                   CVS_OPTION_ALLOW_UNMEASURED | CVS_OPTION_TO | CVS_OPTION_KEEP_OTHERS |
                   CVS_OPTION_DROP,
        .audit_id = CVS_AUDIT_RESEALED,
        .run = cvs_operation_reseal,
    },
    {
        .name = "Status",
        .run = cvs_operation_status,
    },
    {
        .name = "Attest",
        .takes = CVS_TAKES_NONCE,
        .options = CVS_OPTION_USER_DATA | CVS_OPTION_CHALLENGE | CVS_OPTION_PROFILE |
                   CVS_OPTION_PCRS | CVS_OPTION_BANK,
        .audit_id = CVS_AUDIT_ATTESTED,
        .run = cvs_operation_attest,
        .patience_s = CVS_ATTESTER_SLOWEST_S,
    },
    {
        .name = "Refresh",
        .audit_id = CVS_AUDIT_REFRESHED,
        .run = cvs_operation_refresh,
    },
};

static const CvsMethod *
find_method(const char *name)
{
    for (gsize i = 0; i < G_N_ELEMENTS(methods); i++) {
        if (g_str_equal(methods[i].name, name))
            return &methods[i];
    }
    return NULL;
}

static void
refuse(GDBusMethodInvocation *invocation, int code, const char *message)
{
    g_autoptr(GError) error = g_error_new_literal(CVS_ERROR, code, message);

    cvs_dbus_error_return(invocation, error, FALSE);
}

static void
on_method_call(GDBusConnection *connection, const char *sender, const char *path,
               const char *interface, const char *name, GVariant *arguments,
               GDBusMethodInvocation *invocation, gpointer data)
{
    CvsService *service = data;
    const CvsMethod *method = find_method(name);

    if (service->stopping)
        refuse(invocation, CVS_ERROR_BUSY, "the service is stopping: try again later");
    else if (method == NULL || cvs_bouncer_method_rule(name) == CVS_BOUNCE_REFUSE)
        refuse(invocation, CVS_ERROR_NOT_AUTHORIZED, "nobody may call this method");
    else
        cvs_request_begin(service, method, invocation);
}

static GVariant *
on_get_property(GDBusConnection *connection, const char *sender, const char *path,
                const char *interface, const char *name, GError **error, gpointer data)
{
    const CvsService *service = data;
    GVariant *value = NULL;

    if (cvs_bouncer_property_rule(name) == CVS_BOUNCE_ANYBODY)
        value = g_str_equal(name, "Version")
                    ? g_variant_ref_sink(g_variant_new_string(CVS_VERSION))
                    : g_variant_lookup_value(service->properties, name, NULL);
    if (value == NULL)
        g_set_error(error, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED,
                    "nobody may read this property");
    return value;
}

void
cvs_manager_set_properties(CvsService *service, GVariant *properties)
{
    g_autoptr(GVariant) before = g_steal_pointer(&service->properties);
    GVariantBuilder changed;
    GVariantIter iter;
    const char *name = NULL;
    GVariant *value = NULL;
    gsize n = 0;

    service->properties = properties;
    g_variant_builder_init(&changed, G_VARIANT_TYPE_VARDICT);
    g_variant_iter_init(&iter, properties);
    while (g_variant_iter_loop(&iter, "{&sv}", &name, &value)) {
        g_autoptr(GVariant) old = g_variant_lookup_value(before, name, NULL);

        if (old && g_variant_equal(old, value))
            continue;
        g_variant_builder_add(&changed, "{sv}", name, value);
        n++;
    }
    /* Fails only when the connection is gone. */
    if (n > 0)
        (void)g_dbus_connection_emit_signal(
            service->connection, NULL, CVS_OBJECT_PATH, "org.freedesktop.DBus.Properties",
            "PropertiesChanged",
            g_variant_new("(sa{sv}as)", org_cvmseal1_manager_interface.name, &changed, NULL), NULL);
    else
        g_variant_builder_clear(&changed);
}

guint
cvs_manager_export(CvsService *service, GError **error)
{
    static const GDBusInterfaceVTable vtable = {
        .method_call = on_method_call,
        .get_property = on_get_property,
    };

    return g_dbus_connection_register_object(service->connection, CVS_OBJECT_PATH,
                                             (GDBusInterfaceInfo *)&org_cvmseal1_manager_interface,
                                             &vtable, service, NULL, error);
}
