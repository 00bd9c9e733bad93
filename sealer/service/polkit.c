/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/polkit.h"
#include "base/error.h"

#define ALLOW_INTERACTION 1u /* CheckAuthorizationFlags */
#define ASK_TIMEOUT_MS 25000
/* As long as a person may take over a password. */
#define PERSON_TIMEOUT_MS (5 * 60 * 1000)

/* What is kept of a question until its answer. */
typedef struct {
    char *action;
    gboolean interactive;
} Asked;

static void
asked_free(gpointer data)
{
    Asked *asked = data;

    g_free(asked->action);
    g_free(asked);
}

static void
on_answer(GObject *source, GAsyncResult *result, gpointer data)
{
    g_autoptr(GTask) task = data;
    const Asked *asked = g_task_get_task_data(task);
    const char *action = asked->action;
    g_autoptr(GError) local = NULL;
    g_autoptr(GVariant) reply =
        g_dbus_connection_call_finish(G_DBUS_CONNECTION(source), result, &local);
    gboolean authorized = FALSE;
    gboolean challenge = FALSE;

    if (reply == NULL) {
        g_dbus_error_strip_remote_error(local);
        g_task_return_new_error(task, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED,
                                "polkit could not be asked about %s: %s", action, local->message);
        return;
    }
    g_variant_get(reply, "((bb@a{ss}))", &authorized, &challenge, NULL);
    if (authorized)
        g_task_return_boolean(task, TRUE);
    else if (challenge && asked->interactive)
        g_task_return_new_error(task, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED,
                                "polkit wants a password for %s, and no agent runs that could ask "
                                "for it: start pkttyagent, or call as root",
                                action);
    else if (challenge)
        g_task_return_new_error(task, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED,
                                "polkit wants a password for %s: call again and allow interactive "
                                "authorization",
                                action);
    else
        g_task_return_new_error(task, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED,
                                "polkit does not allow %s to this caller", action);
}

void
cvs_polkit_check(GDBusConnection *connection, const char *sender, const char *action,
                 gboolean interactive, GCancellable *cancellable, GAsyncReadyCallback callback,
                 gpointer data)
{
    GTask *task = g_task_new(NULL, cancellable, callback, data);
    GVariantBuilder subject;
    Asked *asked = g_new0(Asked, 1);

    asked->action = g_strdup(action);
    asked->interactive = interactive;
    g_task_set_task_data(task, asked, asked_free);
    g_variant_builder_init(&subject, G_VARIANT_TYPE("a{sv}"));
    g_variant_builder_add(&subject, "{sv}", "name", g_variant_new_string(sender));
    g_dbus_connection_call(
        connection, "org.freedesktop.PolicyKit1", "/org/freedesktop/PolicyKit1/Authority",
        "org.freedesktop.PolicyKit1.Authority", "CheckAuthorization",
        g_variant_new("((sa{sv})sa{ss}us)", "system-bus-name", &subject, action, NULL,
                      interactive ? ALLOW_INTERACTION : 0u, ""),
        G_VARIANT_TYPE("((bba{ss}))"), G_DBUS_CALL_FLAGS_NONE,
        interactive ? PERSON_TIMEOUT_MS : ASK_TIMEOUT_MS, cancellable, on_answer, task);
}

gboolean
cvs_polkit_check_finish(GAsyncResult *result, GError **error)
{
    return g_task_propagate_boolean(G_TASK(result), error);
}
