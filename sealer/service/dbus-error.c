/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/dbus-error.h"
#include "base/error.h"

#define DETAILS_MAX 8

/* A message may hold what came from outside; D-Bus takes UTF-8 only. */
static GVariant *
text(const char *string)
{
    return g_variant_new_take_string(g_utf8_make_valid(string, -1));
}

char *
cvs_dbus_error_name(const GError *error)
{
    return g_strconcat(CVS_DBUS_ERROR_PREFIX,
                       cvs_error_name(error->domain == CVS_ERROR ? error->code : CVS_ERROR_FAILED),
                       NULL);
}

/* For those who get the message only. */
static GVariant *
message_with_details(const GError *error)
{
    const GPtrArray *reasons = cvs_error_get_reasons(error);
    g_autoptr(GString) message = g_string_new(error->message);

    for (guint i = 0; reasons && i < MIN(reasons->len, DETAILS_MAX); i++) {
        const CvsReason *reason = g_ptr_array_index(reasons, i);

        g_string_append_printf(message, "%s%s", i == 0 ? ": " : "; ", reason->detail);
    }
    if (reasons && reasons->len > DETAILS_MAX)
        g_string_append_printf(message, "; and %u more", reasons->len - DETAILS_MAX);
    return text(message->str);
}

GVariant *
cvs_dbus_error_reasons(const GError *error)
{
    const GPtrArray *reasons = error ? cvs_error_get_reasons(error) : NULL;
    GVariantBuilder list;

    g_variant_builder_init(&list, G_VARIANT_TYPE("a(ssss)"));
    for (guint i = 0; reasons && i < reasons->len; i++) {
        const CvsReason *reason = g_ptr_array_index(reasons, i);

        g_variant_builder_add(&list, "(@s@s@s@s)", text(reason->code), text(reason->detail),
                              text(reason->seen), text(reason->wanted));
    }
    return g_variant_builder_end(&list);
}

GVariant *
cvs_dbus_error_body(const GError *error, gboolean with_reasons)
{
    if (!with_reasons)
        return g_variant_new("(@s)", message_with_details(error));
    return g_variant_new("(@s@a(ssss))", text(error->message), cvs_dbus_error_reasons(error));
}

/* GDBus's own way to return an error sends the message only, so the reply is made by hand. */
void
cvs_dbus_error_return(GDBusMethodInvocation *invocation, const GError *error, gboolean with_reasons)
{
    GDBusMessage *call = g_dbus_method_invocation_get_message(invocation);

    if (!(g_dbus_message_get_flags(call) & G_DBUS_MESSAGE_FLAGS_NO_REPLY_EXPECTED)) {
        g_autofree char *name = cvs_dbus_error_name(error);
        g_autoptr(GDBusMessage) reply = g_dbus_message_new_method_error_literal(call, name, "");

        g_dbus_message_set_body(reply, cvs_dbus_error_body(error, with_reasons));
        /* Fails only when the connection is gone, and then so is the caller. */
        (void)g_dbus_connection_send_message(g_dbus_method_invocation_get_connection(invocation),
                                             reply, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL);
    }
    g_object_unref(invocation);
}
