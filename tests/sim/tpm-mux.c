/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include "sim/tpm-mux-private.h"
#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

static void
port_free(gpointer data)
{
    Port *port = data;

    if (port->fd >= 0)
        (void)unlink(port->path);
    if (port->ctrl_fd >= 0)
        (void)unlink(port->ctrl_path);
    cvs_close_fd(&port->fd);
    cvs_close_fd(&port->ctrl_fd);
    g_hash_table_unref(port->sent);
    g_free(port->name);
    g_free(port->tcti);
    g_free(port->path);
    g_free(port->ctrl_path);
    g_free(port);
}

static void
conn_free(gpointer data)
{
    Conn *conn = data;

    cvs_close_fd(&conn->fd);
    g_byte_array_unref(conn->in);
    g_byte_array_unref(conn->out);
    g_free(conn);
}

static gboolean
power_on(TpmMux *mux, guint tpm, GError **error)
{
    g_autofree char *state = g_strdup_printf("%s/tpm-%u", mux->dir, tpm);

    mux->tpm = tpm;
    for (guint i = 0; mux->clients && i < mux->clients->len; i++) {
        const Client *client = g_ptr_array_index(mux->clients, i);

        tpm_space_lose_power(client->space);
    }
    if (!swtpm_start(mux->swtpm, state, error))
        return FALSE;
    swtpm_set_quiet(mux->swtpm, TRUE);
    g_clear_pointer(&mux->attributes, g_hash_table_unref);
    mux->attributes = tpm_attributes_read(mux->swtpm);
    swtpm_set_quiet(mux->swtpm, FALSE);
    if (mux->attributes == NULL) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_FAILED, "swtpm does not tell its commands");
        return FALSE;
    }
    return TRUE;
}

TpmMux *
tpm_mux_new(const char *dir, TpmMuxFlags flags, GError **error)
{
    g_autoptr(TpmMux) mux = g_new0(TpmMux, 1);

    g_mutex_init(&mux->lock);
    g_cond_init(&mux->hung_changed);
    mux->dir = g_strdup(dir);
    mux->flags = flags;
    mux->swtpm = swtpm_new();
    mux->ports = g_ptr_array_new_with_free_func(port_free);
    mux->clients = g_ptr_array_new();
    mux->conns = g_ptr_array_new_with_free_func(conn_free);
    mux->rules = g_ptr_array_new_with_free_func(mux_rule_free);
    mux->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (mux->wake_fd < 0) {
        cvs_error_set_errno(error, CVS_ERROR_FAILED, errno, "cannot make an eventfd");
        return NULL;
    }
    if (!power_on(mux, 0, error))
        return NULL;
    mux->thread = g_thread_new("tpm-mux", mux_serve, mux);
    return g_steal_pointer(&mux);
}

void
tpm_mux_free(TpmMux *mux)
{
    if (mux->thread) {
        g_mutex_lock(&mux->lock);
        mux->stopping = TRUE;
        g_mutex_unlock(&mux->lock);
        mux_wake(mux);
        g_thread_join(mux->thread);
    }
    while (mux->clients->len > 0)
        mux_end_client(mux, g_ptr_array_index(mux->clients, 0));
    g_ptr_array_unref(mux->clients);
    g_ptr_array_unref(mux->conns);
    g_ptr_array_unref(mux->ports);
    g_ptr_array_unref(mux->rules);
    swtpm_free(mux->swtpm);
    g_clear_pointer(&mux->attributes, g_hash_table_unref);
    cvs_close_fd(&mux->wake_fd);
    g_mutex_clear(&mux->lock);
    g_cond_clear(&mux->hung_changed);
    g_free(mux->dir);
    g_free(mux);
}

Port *
mux_find_port(TpmMux *mux, const char *name)
{
    for (guint i = 0; i < mux->ports->len; i++) {
        Port *port = g_ptr_array_index(mux->ports, i);

        if (g_str_equal(port->name, name))
            return port;
    }
    return NULL;
}

static int
listen_at(const char *path, GError **error)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    CVS_AUTO_FD int fd = -1;

    if (g_strlcpy(address.sun_path, path, sizeof address.sun_path) >= sizeof address.sun_path) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "%s is too long for a socket's address", path);
        return -1;
    }
    (void)unlink(path);
    fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        chmod(path, 0666) < 0 || listen(fd, 128) < 0) {
        cvs_error_set_errno(error, CVS_ERROR_FAILED, errno, "cannot listen at %s", path);
        return -1;
    }
    return cvs_steal_fd(&fd);
}

const char *
tpm_mux_add_port(TpmMux *mux, const char *name, TpmMuxPortKind kind, GError **error)
{
    Port *port = g_new0(Port, 1);
    const char *tcti = NULL;

    port->name = g_strdup(name);
    port->kind = kind;
    port->path = g_build_filename(mux->dir, name, NULL);
    port->ctrl_path = g_strconcat(port->path, ".ctrl", NULL);
    port->tcti = g_strconcat("swtpm:path=", port->path, NULL);
    port->sent = g_hash_table_new(NULL, NULL);
    port->ctrl_fd = -1;
    port->fd = listen_at(port->path, error);
    if (port->fd >= 0)
        port->ctrl_fd = listen_at(port->ctrl_path, error);
    if (port->ctrl_fd < 0) {
        port_free(port);
        return NULL;
    }
    tcti = port->tcti;
    g_mutex_lock(&mux->lock);
    g_ptr_array_add(mux->ports, port);
    g_mutex_unlock(&mux->lock);
    mux_wake(mux);
    return tcti;
}

const char *
tpm_mux_port_path(TpmMux *mux, const char *name)
{
    const Port *port = NULL;

    g_mutex_lock(&mux->lock);
    port = mux_find_port(mux, name);
    g_mutex_unlock(&mux->lock);
    return port ? port->path : NULL;
}

static gboolean
is_of(const Port *port, const char *name)
{
    return name == NULL || g_str_equal(port->name, name);
}

void
tpm_mux_end_clients(TpmMux *mux, const char *port)
{
    g_mutex_lock(&mux->lock);
    for (guint i = mux->clients->len; i > 0; i--) {
        Client *client = g_ptr_array_index(mux->clients, i - 1);

        if (is_of(client->port, port))
            mux_end_client(mux, client);
    }
    g_mutex_unlock(&mux->lock);
    mux_wake(mux);
}

static gboolean
transact(TpmMux *mux, const void *command, gsize size, GByteArray *response)
{
    gboolean ok;

    swtpm_set_quiet(mux->swtpm, TRUE);
    ok = swtpm_send(mux->swtpm, command, size, response);
    swtpm_set_quiet(mux->swtpm, FALSE);
    return ok;
}

gboolean
tpm_mux_transact(TpmMux *mux, const void *command, gsize size, GByteArray *response)
{
    gboolean ok;

    g_mutex_lock(&mux->lock);
    ok = transact(mux, command, size, response);
    g_mutex_unlock(&mux->lock);
    return ok;
}

static guint64
sent(TpmMux *mux, const char *name, guint32 code)
{
    guint64 n = 0;

    for (guint i = 0; i < mux->ports->len; i++) {
        const Port *port = g_ptr_array_index(mux->ports, i);
        GHashTableIter iter;
        gpointer key, value;

        if (!is_of(port, name))
            continue;
        g_hash_table_iter_init(&iter, port->sent);
        while (g_hash_table_iter_next(&iter, &key, &value)) {
            if (code == 0 || code == GPOINTER_TO_UINT(key))
                n += GPOINTER_TO_UINT(value);
        }
    }
    return n;
}

guint64
tpm_mux_sent(TpmMux *mux, const char *port, guint32 code)
{
    guint64 n;

    g_mutex_lock(&mux->lock);
    n = sent(mux, port, code);
    g_mutex_unlock(&mux->lock);
    return n;
}

guint64
tpm_mux_seen(TpmMux *mux, guint32 code)
{
    guint64 n;

    g_mutex_lock(&mux->lock);
    n = swtpm_seen(mux->swtpm, code);
    g_mutex_unlock(&mux->lock);
    return n;
}

void
tpm_mux_reset_counts(TpmMux *mux)
{
    g_mutex_lock(&mux->lock);
    swtpm_reset_seen(mux->swtpm);
    for (guint i = 0; i < mux->ports->len; i++) {
        Port *port = g_ptr_array_index(mux->ports, i);

        g_hash_table_remove_all(port->sent);
    }
    g_mutex_unlock(&mux->lock);
}

static gint
compare_codes(gconstpointer a, gconstpointer b)
{
    guint32 left = GPOINTER_TO_UINT(a), right = GPOINTER_TO_UINT(b);

    return left < right ? -1 : left > right;
}

char *
tpm_mux_describe_counts(TpmMux *mux)
{
    GString *text = g_string_new(NULL);
    g_autoptr(GList) codes = NULL;

    g_mutex_lock(&mux->lock);
    codes = g_hash_table_get_keys(swtpm_seen_table(mux->swtpm));
    for (guint i = 0; i < mux->ports->len; i++) {
        const Port *port = g_ptr_array_index(mux->ports, i);
        GHashTableIter iter;
        gpointer key;

        g_hash_table_iter_init(&iter, port->sent);
        while (g_hash_table_iter_next(&iter, &key, NULL)) {
            if (g_list_find(codes, key) == NULL)
                codes = g_list_prepend(codes, key);
        }
    }
    codes = g_list_sort(codes, compare_codes);
    for (const GList *at = codes; at; at = at->next) {
        guint32 code = GPOINTER_TO_UINT(at->data);

        g_string_append_printf(text, "0x%x %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT "\n", code,
                               sent(mux, NULL, code), swtpm_seen(mux->swtpm, code));
    }
    g_mutex_unlock(&mux->lock);
    return g_string_free(text, FALSE);
}

/* Handles of one kind that the TPM itself lists. */
static guint
count_in_tpm(TpmMux *mux, guint32 first)
{
    guint8 command[22] = {0x80, 0x01, 0, 0, 0, sizeof command};
    g_autoptr(GByteArray) response = g_byte_array_new();

    tpm_put_u32(command + 6, TPM2_CC_GetCapability);
    tpm_put_u32(command + 10, TPM2_CAP_HANDLES);
    tpm_put_u32(command + 14, first);
    tpm_put_u32(command + 18, TPM2_MAX_CAP_HANDLES);
    if (!transact(mux, command, sizeof command, response) || response->len < TPM_HEADER_SIZE + 9)
        return 0;
    return tpm_get_u32(response->data + TPM_HEADER_SIZE + 5);
}

TpmMuxHandles
tpm_mux_handles(TpmMux *mux, const char *port)
{
    TpmMuxHandles handles = {0};

    g_mutex_lock(&mux->lock);
    mux_settle(mux);
    for (guint i = 0; i < mux->clients->len; i++) {
        const Client *client = g_ptr_array_index(mux->clients, i);

        if (!is_of(client->port, port))
            continue;
        handles.clients++;
        handles.objects += tpm_space_count_objects(client->space);
        handles.sessions += tpm_space_count_sessions(client->space);
    }
    if (mux->flags & TPM_MUX_NO_RM) {
        handles.objects = count_in_tpm(mux, TPM_TRANSIENT_FIRST);
        handles.sessions = count_in_tpm(mux, TPM2_LOADED_SESSION_FIRST) +
                           count_in_tpm(mux, TPM2_ACTIVE_SESSION_FIRST);
    }
    g_mutex_unlock(&mux->lock);
    return handles;
}

void
tpm_mux_power_off(TpmMux *mux)
{
    g_mutex_lock(&mux->lock);
    swtpm_kill(mux->swtpm);
    g_mutex_unlock(&mux->lock);
}

void
tpm_mux_set_hcrtm(TpmMux *mux, GBytes *data)
{
    g_mutex_lock(&mux->lock);
    swtpm_set_hcrtm(mux->swtpm, data);
    g_mutex_unlock(&mux->lock);
}

gboolean
tpm_mux_power_on(TpmMux *mux, guint tpm, GError **error)
{
    gboolean ok;

    g_mutex_lock(&mux->lock);
    ok = power_on(mux, tpm, error);
    g_mutex_unlock(&mux->lock);
    return ok;
}

gboolean
tpm_mux_power_cycle(TpmMux *mux, GError **error)
{
    gboolean ok;

    g_mutex_lock(&mux->lock);
    swtpm_kill(mux->swtpm);
    ok = power_on(mux, mux->tpm, error);
    g_mutex_unlock(&mux->lock);
    return ok;
}

gboolean
tpm_mux_reboot(TpmMux *mux, GError **error)
{
    gboolean ok;

    g_mutex_lock(&mux->lock);
    swtpm_stop(mux->swtpm);
    ok = power_on(mux, mux->tpm, error);
    g_mutex_unlock(&mux->lock);
    return ok;
}
