/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include "base/error.h"
#include "base/file.h"
#include "ctl/backend.h"
#include "ctl/dbus-attest.h"
#include "ctl/dbus-call.h"
#include "ctl/dbus-status.h"
#include "ctl/secret-io.h"
#include "vault/key-file.h"
#include "vault/recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    CvsBackend parent;
    GDBusConnection *connection;
} Dbus;

static void
dbus_free(CvsBackend *backend)
{
    Dbus *dbus = (Dbus *)backend;

    g_object_unref(dbus->connection);
    g_free(dbus);
}

static gboolean
add_seal_options(CvsDbusCall *call, const CvsSealRequest *request, GError **error)
{
    if (request->profile)
        g_variant_builder_add(&call->options, "{sv}", "profile",
                              g_variant_new_string(request->profile));
    if (request->pcrs != 0)
        g_variant_builder_add(&call->options, "{sv}", "pcrs",
                              g_variant_new_take_string(cvs_pcr_mask_format(request->pcrs)));
    if (request->bank)
        g_variant_builder_add(&call->options, "{sv}", "bank",
                              g_variant_new_string(cvs_hash_name(*request->bank)));
    if (request->rtmrs != 0)
        g_variant_builder_add(&call->options, "{sv}", "rtmrs",
                              g_variant_new_take_string(cvs_pcr_mask_format(request->rtmrs)));
    if (request->claims)
        g_variant_builder_add(&call->options, "{sv}", "require",
                              g_variant_new_take_string(g_strjoinv(",", (char **)request->claims)));
    if (request->replace)
        g_variant_builder_add(&call->options, "{sv}", "replace", g_variant_new_boolean(TRUE));
    if (request->allow_unmeasured)
        g_variant_builder_add(&call->options, "{sv}", "allow-unmeasured",
                              g_variant_new_boolean(TRUE));
    if (request->derived_key)
        g_variant_builder_add(&call->options, "{sv}", "derived-key", g_variant_new_boolean(TRUE));
    if (request->this_boot)
        g_variant_builder_add(&call->options, "{sv}", "this-boot", g_variant_new_boolean(TRUE));
    return request->pin == NULL ||
           cvs_dbus_call_add_secret_option(call, "pin", request->pin, error);
}

/* Makes the pipe into which the daemon writes the recovery key; *ret_fd is our end of it. */
static gboolean
add_recovery_output(CvsDbusCall *call, int *ret_fd, GError **error)
{
    CVS_AUTO_FD int theirs = -1;
    CVS_AUTO_FD int ours = -1;
    int ends[2];
    int handle = -1;

    if (pipe2(ends, O_CLOEXEC) < 0) {
        cvs_error_set_errno(error, CVS_ERROR_FAILED, errno, "cannot make a pipe");
        return FALSE;
    }
    ours = ends[0];
    theirs = ends[1];
    /* The daemon has written before it answers, so a read that would wait has nothing to wait for.
     */
    if (fcntl(ours, F_SETFL, O_NONBLOCK) < 0) {
        cvs_error_set_errno(error, CVS_ERROR_FAILED, errno, "cannot set up a pipe");
        return FALSE;
    }
    handle = cvs_dbus_call_add_fd(call, theirs, error);
    if (handle < 0)
        return FALSE;
    g_variant_builder_add(&call->options, "{sv}", "recovery-output", g_variant_new_handle(handle));
    *ret_fd = cvs_steal_fd(&ours);
    return TRUE;
}

static gboolean
deliver_recovery_key(const CvsSealRequest *request, int fd, GError **error)
{
    g_autoptr(CvsSecret) key = cvs_secret_new(CVS_RECOVERY_KEY_LENGTH);
    gsize size = 0;

    while (size < CVS_RECOVERY_KEY_LENGTH) {
        gssize n = read(fd, cvs_secret_data(key) + size, CVS_RECOVERY_KEY_LENGTH - size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            g_set_error_literal(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                                "the key is sealed, but the daemon gave no recovery key");
            return FALSE;
        }
        size += (gsize)n;
    }
    if (request->deliver_recovery_key(key, request->deliver_data, error))
        return TRUE;
    g_prefix_error(error, "the key is sealed, but its recovery key is lost (seal it again with "
                          "--replace): ");
    return FALSE;
}

/* Seal and Generate differ in their second argument: a handle or a number. */
static gboolean
seal_or_generate(Dbus *dbus, const char *method, const char *owner, const char *name,
                 const CvsSecret *secret, guint32 size, const CvsSealRequest *request,
                 char **ret_id, GError **error)
{
    g_auto(CvsDbusCall) call = {0};
    CVS_AUTO_FD int recovery_fd = -1;
    g_autoptr(GDBusMessage) reply = NULL;
    GVariant *body = NULL;
    int handle = -1;

    cvs_dbus_call_init(&call, owner);
    if (secret) {
        handle = cvs_dbus_call_add_secret(&call, secret, error);
        if (handle < 0)
            return FALSE;
    }
    if (!add_seal_options(&call, request, error) ||
        (request->deliver_recovery_key && !add_recovery_output(&call, &recovery_fd, error)))
        return FALSE;
    body = secret ? g_variant_new("(sha{sv})", name, handle, &call.options)
                  : g_variant_new("(sua{sv})", name, size, &call.options);
    reply = cvs_dbus_call_send(dbus->connection, CVS_DBUS_INTERFACE, method, body, call.fds, "(s)",
                               error);
    if (reply == NULL) {
        /* The key may be there all the same, and then nobody else has this. */
        if (recovery_fd >= 0 && error &&
            g_error_matches(*error, CVS_ERROR, CVS_ERROR_STORAGE_ERROR))
            (void)deliver_recovery_key(request, recovery_fd, NULL);
        return FALSE;
    }
    if (recovery_fd >= 0 && !deliver_recovery_key(request, recovery_fd, error))
        return FALSE;
    g_variant_get(g_dbus_message_get_body(reply), "(s)", ret_id);
    return TRUE;
}

static gboolean
dbus_seal(CvsBackend *backend, const char *owner, const char *name, const CvsSecret *secret,
          const CvsSealRequest *request, char **ret_id, GError **error)
{
    return seal_or_generate((Dbus *)backend, "Seal", owner, name, secret, 0, request, ret_id,
                            error);
}

static gboolean
dbus_generate(CvsBackend *backend, const char *owner, const char *name, guint32 size,
              const CvsSealRequest *request, char **ret_id, GError **error)
{
    return seal_or_generate((Dbus *)backend, "Generate", owner, name, NULL, size, request, ret_id,
                            error);
}

static CvsSecret *
dbus_unseal(CvsBackend *backend, const char *owner, const char *name, const CvsSecret *pin,
            GError **error)
{
    g_auto(CvsDbusCall) call = {0};
    g_autoptr(GDBusMessage) reply = NULL;
    CVS_AUTO_FD int fd = -1;

    cvs_dbus_call_init(&call, owner);
    if (pin && !cvs_dbus_call_add_secret_option(&call, "pin", pin, error))
        return NULL;
    reply =
        cvs_dbus_call_method(((Dbus *)backend)->connection, &call, "Unseal", name, "(h)", error);
    if (reply == NULL)
        return NULL;
    fd = cvs_dbus_call_take_fd(reply, "secret", error);
    return fd < 0 ? NULL : cvs_secret_io_read_fd(fd, CVS_SECRET_MAX, "the secret", error);
}

static void
add_slot(CvsKeyInfo *info, GVariant *dict)
{
    CvsSlotInfo *slot = cvs_key_info_add_slot(info, "");

    cvs_dbus_look_up_text(dict, "kind", &slot->kind);
    cvs_dbus_look_up_text(dict, "profile", &slot->profile);
    cvs_dbus_look_up_text(dict, "pcrs", &slot->pcrs);
    cvs_dbus_look_up_text(dict, "bank", &slot->bank);
    cvs_dbus_look_up_text(dict, "claims", &slot->claims);
    cvs_dbus_look_up_text(dict, "rtmrs", &slot->rtmrs);
    (void)g_variant_lookup(dict, "store-key", "b", &slot->store_key);
    (void)g_variant_lookup(dict, "tee-key", "b", &slot->tee_key);
    (void)g_variant_lookup(dict, "pcrs-bind-host", "b", &slot->pcrs_bind_host);
    (void)g_variant_lookup(dict, "generation", "u", &slot->generation);
    (void)g_variant_lookup(dict, "predicted", "b", &slot->predicted);
    (void)g_variant_lookup(dict, "pin", "b", &slot->pin);
}

static CvsKeyInfo *
key_info_from_dict(GVariant *dict)
{
    CvsKeyInfo *info = cvs_key_info_new("", "");
    g_autoptr(GVariant) slots = g_variant_lookup_value(dict, "slots", G_VARIANT_TYPE("aa{sv}"));

    cvs_dbus_look_up_text(dict, "name", &info->name);
    cvs_dbus_look_up_text(dict, "owner", &info->owner);
    cvs_dbus_look_up_text(dict, "error", &info->error);
    cvs_dbus_look_up_text(dict, "id", &info->id);
    cvs_dbus_look_up_text(dict, "pcrs", &info->pcrs);
    cvs_dbus_look_up_text(dict, "bank", &info->bank);
    cvs_dbus_look_up_text(dict, "profile", &info->profile);
    cvs_dbus_look_up_text(dict, "claims", &info->claims);
    cvs_dbus_look_up_text(dict, "rtmrs", &info->rtmrs);
    (void)g_variant_lookup(dict, "store-key", "b", &info->store_key);
    (void)g_variant_lookup(dict, "tee-key", "b", &info->tee_key);
    (void)g_variant_lookup(dict, "pcrs-bind-host", "b", &info->pcrs_bind_host);
    (void)g_variant_lookup(dict, "size", "t", &info->size);
    (void)g_variant_lookup(dict, "created", "x", &info->created);
    (void)g_variant_lookup(dict, "pin", "b", &info->pin);
    (void)g_variant_lookup(dict, "recovery", "b", &info->recovery);
    for (gsize i = 0; slots && i < g_variant_n_children(slots); i++) {
        g_autoptr(GVariant) slot = g_variant_get_child_value(slots, i);

        add_slot(info, slot);
    }
    return info;
}

static void
free_info(gpointer data)
{
    cvs_key_info_free(data);
}

/* Adds the keys of one page. *next: where it begins, NULL for the first; then where the next one
 * does, NULL if there is none. */
static gboolean
list_page(Dbus *dbus, const char *owner, GPtrArray *list, char **next, GError **error)
{
    g_auto(CvsDbusCall) call = {0};
    g_autoptr(GDBusMessage) reply = NULL;
    g_autoptr(GVariant) keys = NULL;
    g_autofree char *after = g_steal_pointer(next);
    const char *place = NULL;

    cvs_dbus_call_init(&call, owner);
    if (owner == NULL)
        g_variant_builder_add(&call.options, "{sv}", "all", g_variant_new_boolean(TRUE));
    if (after)
        g_variant_builder_add(&call.options, "{sv}", "after", g_variant_new_string(after));
    reply = cvs_dbus_call_method(dbus->connection, &call, "List", NULL, "(aa{sv}s)", error);
    if (reply == NULL)
        return FALSE;
    g_variant_get(g_dbus_message_get_body(reply), "(@aa{sv}&s)", &keys, &place);
    if (g_strcmp0(place, after) == 0) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                            "the daemon gives the same part of the list again and again");
        return FALSE;
    }
    for (gsize i = 0; i < g_variant_n_children(keys); i++) {
        g_autoptr(GVariant) dict = g_variant_get_child_value(keys, i);

        g_ptr_array_add(list, key_info_from_dict(dict));
    }
    *next = *place != '\0' ? g_strdup(place) : NULL;
    return TRUE;
}

static GPtrArray *
dbus_list(CvsBackend *backend, const char *owner, GError **error)
{
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(free_info);
    g_autofree char *next = NULL;

    do {
        if (!list_page((Dbus *)backend, owner, list, &next, error))
            return NULL;
    } while (next);
    return g_steal_pointer(&list);
}

static CvsKeyInfo *
dbus_describe(CvsBackend *backend, const char *owner, const char *name, GError **error)
{
    g_auto(CvsDbusCall) call = {0};
    g_autoptr(GDBusMessage) reply = NULL;
    g_autoptr(GVariant) dict = NULL;

    cvs_dbus_call_init(&call, owner);
    reply = cvs_dbus_call_method(((Dbus *)backend)->connection, &call, "Describe", name, "(a{sv})",
                                 error);
    if (reply == NULL)
        return NULL;
    dict = g_variant_get_child_value(g_dbus_message_get_body(reply), 0);
    return key_info_from_dict(dict);
}

static char *
dbus_explain(CvsBackend *backend, const char *owner, const char *name, GError **error)
{
    g_auto(CvsDbusCall) call = {0};
    g_autoptr(GDBusMessage) reply = NULL;
    char *text = NULL;

    cvs_dbus_call_init(&call, owner);
    reply =
        cvs_dbus_call_method(((Dbus *)backend)->connection, &call, "Explain", name, "(s)", error);
    if (reply == NULL)
        return NULL;
    g_variant_get(g_dbus_message_get_body(reply), "(s)", &text);
    return text;
}

static gboolean
dbus_reseal(CvsBackend *backend, const char *owner, const char *name,
            const CvsResealRequest *request, GError **error)
{
    g_auto(CvsDbusCall) call = {0};
    g_autoptr(GDBusMessage) reply = NULL;

    cvs_dbus_call_init(&call, owner);
    if (request->allow_unmeasured)
        g_variant_builder_add(&call.options, "{sv}", "allow-unmeasured",
                              g_variant_new_boolean(TRUE));
    if (request->drop)
        g_variant_builder_add(&call.options, "{sv}", "drop",
                              g_variant_new_take_string(cvs_drop_format(request->drop)));
    if (request->to) {
        g_autofree char *to = cvs_predicted_to_json(request->to);

        g_variant_builder_add(&call.options, "{sv}", "to", g_variant_new_string(to));
        g_variant_builder_add(&call.options, "{sv}", "keep-others",
                              g_variant_new_boolean(request->to->keep_others));
    }
    if ((request->pin && !cvs_dbus_call_add_secret_option(&call, "pin", request->pin, error)) ||
        (request->recovery_key &&
         !cvs_dbus_call_add_secret_option(&call, "recovery-key", request->recovery_key, error)))
        return FALSE;
    reply = cvs_dbus_call_method(((Dbus *)backend)->connection, &call, "Reseal", name, "()", error);
    return reply != NULL;
}

static gboolean
dbus_remove(CvsBackend *backend, const char *owner, const char *name, GError **error)
{
    g_auto(CvsDbusCall) call = {0};
    g_autoptr(GDBusMessage) reply = NULL;

    cvs_dbus_call_init(&call, owner);
    reply = cvs_dbus_call_method(((Dbus *)backend)->connection, &call, "Remove", name, "()", error);
    return reply != NULL;
}

static char *
dbus_attest(CvsBackend *backend, const CvsAttestRequest *request, gboolean *ret_test_roots,
            GError **error)
{
    return cvs_dbus_attest(((Dbus *)backend)->connection, request, ret_test_roots, error);
}

static CvsStatusInfo *
dbus_status(CvsBackend *backend, GError **error)
{
    return cvs_dbus_status(((Dbus *)backend)->connection, error);
}

static gboolean
dbus_refresh(CvsBackend *backend, GError **error)
{
    g_auto(CvsDbusCall) call = {0};
    g_autoptr(GDBusMessage) reply = NULL;

    cvs_dbus_call_init(&call, NULL);
    reply =
        cvs_dbus_call_method(((Dbus *)backend)->connection, &call, "Refresh", NULL, "()", error);
    return reply != NULL;
}

static const CvsBackendClass dbus_class = {
    .free = dbus_free,
    .seal = dbus_seal,
    .generate = dbus_generate,
    .unseal = dbus_unseal,
    .list = dbus_list,
    .describe = dbus_describe,
    .explain = dbus_explain,
    .reseal = dbus_reseal,
    .remove = dbus_remove,
    .attest = dbus_attest,
    .status = dbus_status,
    .refresh = dbus_refresh,
};

CvsBackend *
cvs_backend_dbus_new(const char *bus, GError **error)
{
    g_autoptr(GDBusConnection) connection = NULL;
    g_autoptr(GError) local = NULL;
    Dbus *dbus = NULL;

    if (g_str_equal(bus, "system"))
        connection = g_bus_get_sync(G_BUS_TYPE_SYSTEM, NULL, &local);
    else if (g_str_equal(bus, "session"))
        connection = g_bus_get_sync(G_BUS_TYPE_SESSION, NULL, &local);
    else
        connection = g_dbus_connection_new_for_address_sync(
            bus,
            G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
            NULL, NULL, &local);
    if (connection == NULL) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_FAILED, "cannot reach the %s%s: %s",
                    strchr(bus, ':') ? "bus at " : bus, strchr(bus, ':') ? bus : " bus",
                    local->message);
        return NULL;
    }
    /* The end of the bus is an error of the call that waits, not of the process. */
    g_dbus_connection_set_exit_on_close(connection, FALSE);
    dbus = g_new0(Dbus, 1);
    dbus->parent.class = &dbus_class;
    dbus->connection = g_steal_pointer(&connection);
    return &dbus->parent;
}
