/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include "sim/tpm-mux-private.h"
#include "base/file.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

/* The control channel of swtpm: a command in four bytes, its parameters, and four bytes back. */
#define CMD_SET_LOCALITY 5
#define CTRL_OK 0
#define CTRL_FAILED 9

/* What the kernel answers itself for a command that the TPM does not have: the code of the TPM with
 * the layer of a resource manager. */
#define RC_NO_SUCH_COMMAND (11u << 16 | TPM2_RC_COMMAND_CODE)

void
mux_wake(TpmMux *mux)
{
    guint64 one = 1;

    (void)cvs_write_all(mux->wake_fd, &one, sizeof one);
}

/* The connection is only marked here and taken out by sweep(), so that loops over all connections
 * may drop any. */
void
mux_drop_conn(TpmMux *mux, Conn *conn)
{
    Client *client = conn->client;

    if (conn->fd < 0)
        return;
    cvs_close_fd(&conn->fd);
    conn->held = NOT_HELD;
    conn->client = NULL;
    g_cond_broadcast(&mux->hung_changed);
    if (client && conn->port->kind == TPM_MUX_CONNECTION)
        mux_end_client(mux, client);
}

static void
sweep(TpmMux *mux)
{
    for (guint i = mux->conns->len; i > 0; i--) {
        const Conn *conn = g_ptr_array_index(mux->conns, i - 1);

        if (conn->fd < 0)
            g_ptr_array_remove_index(mux->conns, i - 1);
    }
}

static Client *
client_new(TpmMux *mux, Port *port, pid_t pid)
{
    Client *client = g_new0(Client, 1);

    client->number = ++mux->last_client;
    client->port = port;
    client->pid = pid;
    client->pidfd = -1;
    client->space = tpm_space_new();
    /* Fails for a process that is gone already, and under valgrind: see has_exited(). */
    if (port->kind == TPM_MUX_PROCESS)
        client->pidfd = pidfd_open(pid, 0);
    g_ptr_array_add(mux->clients, client);
    return client;
}

void
mux_end_client(TpmMux *mux, Client *client)
{
    if (!g_ptr_array_remove(mux->clients, client))
        return;
    for (guint i = 0; i < mux->conns->len; i++) {
        Conn *conn = g_ptr_array_index(mux->conns, i);

        if (conn->client == client) {
            conn->client = NULL;
            mux_drop_conn(mux, conn);
        }
    }
    tpm_space_close(client->space, mux->swtpm);
    tpm_space_free(client->space);
    cvs_close_fd(&client->pidfd);
    g_free(client);
}

static Client *
find_client(TpmMux *mux, const Port *port, pid_t pid)
{
    for (guint i = 0; i < mux->clients->len; i++) {
        Client *client = g_ptr_array_index(mux->clients, i);

        if (client->port == port && client->pid == pid)
            return client;
    }
    return NULL;
}

static gboolean
reply(TpmMux *mux, Conn *conn, const guint8 *data, gsize size)
{
    while (size > 0) {
        gssize n = send(conn->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            mux_drop_conn(mux, conn);
            return FALSE;
        }
        data += n;
        size -= (gsize)n;
    }
    return TRUE;
}

/* The command as the kernel would carry it out for this client; FALSE where the kernel's write or
 * read would fail. */
static gboolean
carry_out(TpmMux *mux, Client *client, const GByteArray *command, GByteArray *response)
{
    g_autoptr(GByteArray) mapped = g_byte_array_new();
    guint32 code = tpm_get_u32(command->data + 6);

    g_byte_array_append(mapped, command->data, command->len);
    if (mux->flags & TPM_MUX_NO_RM)
        return swtpm_send(mux->swtpm, mapped->data, mapped->len, response);
    if (!swtpm_is_running(mux->swtpm))
        return FALSE;
    if (!g_hash_table_contains(mux->attributes, GUINT_TO_POINTER(code))) {
        mux_set_code(response, RC_NO_SUCH_COMMAND);
        return TRUE;
    }
    return tpm_space_prepare(client->space, mux->swtpm, mux->attributes, mapped) &&
           swtpm_send(mux->swtpm, mapped->data, mapped->len, response) &&
           tpm_space_commit(client->space, mux->swtpm, mux->attributes, code, response);
}

static void
hold(TpmMux *mux, Conn *conn, Held held, const GByteArray *bytes)
{
    conn->held = held;
    g_byte_array_set_size(conn->out, 0);
    g_byte_array_append(conn->out, bytes->data, bytes->len);
    g_cond_broadcast(&mux->hung_changed);
}

static TpmMuxVerdict
ask_hook(TpmMux *mux, const Client *client, guint32 code, gboolean after, GByteArray *command,
         GByteArray *response)
{
    TpmMuxEvent event = {
        .port = client->port->name,
        .client = client->number,
        .number = client->commands,
        .code = code,
        .after = after,
        .command = command,
        .response = response,
    };

    return mux->hook ? mux->hook(&event, mux->hook_data) : TPM_MUX_PASS;
}

static void
serve_command(TpmMux *mux, Conn *conn, Client *client, GByteArray *command)
{
    g_autoptr(GByteArray) response = g_byte_array_new();
    guint32 code = tpm_get_u32(command->data + 6);
    Rule *rule = mux_match_fault(mux, client, code);
    TpmMuxVerdict verdict;
    gboolean before, after, close_it = FALSE;

    before = rule && !rule->fault.after && !mux_fault_needs_answer(rule->fault.kind);
    after = rule && !before;

    verdict = ask_hook(mux, client, code, FALSE, command, response);
    if (verdict == TPM_MUX_CLOSE || command->len < TPM_HEADER_SIZE) {
        mux_drop_conn(mux, conn);
        return;
    }
    if (before) {
        rule->fired++;
        if (rule->fault.kind == TPM_MUX_HANG) {
            hold(mux, conn, HELD_BEFORE, command);
            return;
        }
        (void)mux_spoil(&rule->fault, response, &close_it);
    } else if (verdict != TPM_MUX_ANSWER && !carry_out(mux, client, command, response)) {
        mux_drop_conn(mux, conn);
        return;
    }
    if (ask_hook(mux, client, code, TRUE, command, response) == TPM_MUX_CLOSE)
        close_it = TRUE;
    if (after && rule->fault.kind == TPM_MUX_HANG) {
        rule->fired++;
        hold(mux, conn, HELD_AFTER, response);
        return;
    }
    if (after)
        rule->fired += mux_spoil(&rule->fault, response, &close_it);

    if (reply(mux, conn, response->data, response->len) && close_it)
        mux_drop_conn(mux, conn);
}

void
mux_release_conn(TpmMux *mux, Conn *conn)
{
    g_autoptr(GByteArray) response = g_byte_array_new();
    gboolean ok = TRUE;

    if (conn->held == HELD_BEFORE)
        ok = carry_out(mux, conn->client, conn->out, response);
    else
        g_byte_array_append(response, conn->out->data, conn->out->len);
    conn->held = NOT_HELD;
    if (ok)
        (void)reply(mux, conn, response->data, response->len);
    else
        mux_drop_conn(mux, conn);
}

static void
serve_data(TpmMux *mux, Conn *conn)
{
    while (conn->fd >= 0 && conn->held == NOT_HELD && conn->in->len >= TPM_HEADER_SIZE) {
        guint32 size = tpm_get_u32(conn->in->data + 2);
        g_autoptr(GByteArray) command = NULL;
        gpointer code = NULL;

        if (size < TPM_HEADER_SIZE || size > SWTPM_MESSAGE_MAX) {
            mux_drop_conn(mux, conn);
            return;
        }
        if (conn->in->len < size)
            return;
        command = g_byte_array_sized_new(size);
        g_byte_array_append(command, conn->in->data, size);
        g_byte_array_remove_range(conn->in, 0, size);

        if (conn->client == NULL)
            conn->client = find_client(mux, conn->port, conn->pid);
        if (conn->client == NULL)
            conn->client = client_new(mux, conn->port, conn->pid);
        conn->client->commands++;
        code = GUINT_TO_POINTER(tpm_get_u32(command->data + 6));
        g_hash_table_insert(
            conn->port->sent, code,
            GUINT_TO_POINTER(GPOINTER_TO_UINT(g_hash_table_lookup(conn->port->sent, code)) + 1));
        serve_command(mux, conn, conn->client, command);
    }
}

static void
serve_ctrl(TpmMux *mux, Conn *conn)
{
    guint8 answer[4];
    guint32 code;
    gboolean ok;

    if (conn->in->len < 4)
        return;
    code = tpm_get_u32(conn->in->data);
    if (code == CMD_SET_LOCALITY && conn->in->len < 5)
        return;
    /* Another locality would be another privilege; nobody here has it. */
    ok = code == CMD_SET_LOCALITY && conn->in->data[4] == 0;
    if (ok && conn->port->kind == TPM_MUX_PROCESS) {
        Client *old = find_client(mux, conn->port, conn->pid);

        if (old)
            mux_end_client(mux, old);
    }
    tpm_put_u32(answer, ok ? CTRL_OK : CTRL_FAILED);
    g_byte_array_set_size(conn->in, 0);
    (void)reply(mux, conn, answer, sizeof answer);
}

static void
receive(TpmMux *mux, Conn *conn)
{
    guint8 buffer[SWTPM_MESSAGE_MAX];
    gssize n = recv(conn->fd, buffer, sizeof buffer, MSG_DONTWAIT);

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n <= 0) {
        mux_drop_conn(mux, conn);
        return;
    }
    g_byte_array_append(conn->in, buffer, (guint)n);
    if (conn->is_ctrl)
        serve_ctrl(mux, conn);
    else
        serve_data(mux, conn);
}

static void
accept_all(TpmMux *mux, Port *port, int listener)
{
    int fd;

    while ((fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0) {
        Conn *conn = g_new0(Conn, 1);
        struct ucred peer = {0};
        socklen_t size = sizeof peer;

        (void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &size);
        conn->id = ++mux->last_conn;
        conn->port = port;
        conn->is_ctrl = listener == port->ctrl_fd;
        conn->fd = fd;
        conn->pid = port->kind == TPM_MUX_PROCESS ? peer.pid : 0;
        conn->in = g_byte_array_new();
        conn->out = g_byte_array_new();
        g_ptr_array_add(mux->conns, conn);
        if (!conn->is_ctrl && port->kind == TPM_MUX_CONNECTION)
            conn->client = client_new(mux, port, 0);
    }
}

static void
add_poll(GArray *polls, int fd, short events)
{
    struct pollfd poll_fd = {.fd = fd, .events = events};

    g_array_append_val(polls, poll_fd);
}

/* In this order: the wake-up, the listeners, the clients' processes, the connections. */
static GArray *
collect_polls(const TpmMux *mux)
{
    GArray *polls = g_array_new(FALSE, FALSE, sizeof(struct pollfd));

    add_poll(polls, mux->wake_fd, POLLIN);
    for (guint i = 0; i < mux->ports->len; i++) {
        const Port *port = g_ptr_array_index(mux->ports, i);

        add_poll(polls, port->fd, POLLIN);
        add_poll(polls, port->ctrl_fd, POLLIN);
    }
    for (guint i = 0; i < mux->clients->len; i++) {
        const Client *client = g_ptr_array_index(mux->clients, i);

        add_poll(polls, client->pidfd, POLLIN);
    }
    for (guint i = 0; i < mux->conns->len; i++) {
        const Conn *conn = g_ptr_array_index(mux->conns, i);

        add_poll(polls, conn->fd, conn->held == NOT_HELD ? POLLIN : 0);
    }
    return polls;
}

/* valgrind 3.19 knows no pidfds: by them every process would be gone after its first command, and
 * its sessions with it. */
static gboolean
has_exited(const Client *client)
{
    struct pollfd process = {.fd = client->pidfd, .events = POLLIN};

    return client->pidfd >= 0 ? poll(&process, 1, 0) > 0 : kill(client->pid, 0) < 0;
}

/* After the connections were served: a command of a process that has just been killed makes a
 * client again, which must not stay. */
static void
end_exited(TpmMux *mux)
{
    for (guint i = mux->clients->len; i > 0; i--) {
        Client *client = g_ptr_array_index(mux->clients, i - 1);

        if (client->port->kind == TPM_MUX_PROCESS && has_exited(client))
            mux_end_client(mux, client);
    }
}

void
mux_settle(TpmMux *mux)
{
    guint n_clients = mux->clients->len;
    guint n_conns = mux->conns->len;
    g_autoptr(GArray) polls = collect_polls(mux);
    const struct pollfd *at = (const struct pollfd *)(void *)polls->data;

    if (poll((struct pollfd *)(void *)polls->data, polls->len, 0) <= 0)
        return;
    at++;
    for (guint i = 0; i < mux->ports->len; i++) {
        Port *port = g_ptr_array_index(mux->ports, i);

        if (at++->revents)
            accept_all(mux, port, port->fd);
        if (at++->revents)
            accept_all(mux, port, port->ctrl_fd);
    }
    at += n_clients;
    for (guint i = 0; i < n_conns; i++, at++) {
        Conn *conn = g_ptr_array_index(mux->conns, i);

        if (at->revents == 0 || conn->fd < 0)
            continue;
        if (conn->held != NOT_HELD && (at->revents & (POLLHUP | POLLERR)))
            mux_drop_conn(mux, conn);
        else if (conn->held == NOT_HELD)
            receive(mux, conn);
    }
    end_exited(mux);
    sweep(mux);
}

gpointer
mux_serve(gpointer data)
{
    TpmMux *mux = data;

    for (;;) {
        g_autoptr(GArray) polls = NULL;
        guint64 ignored;

        g_mutex_lock(&mux->lock);
        polls = collect_polls(mux);
        g_mutex_unlock(&mux->lock);

        (void)poll((struct pollfd *)(void *)polls->data, polls->len, -1);

        g_mutex_lock(&mux->lock);
        if (mux->stopping) {
            g_mutex_unlock(&mux->lock);
            return NULL;
        }
        mux_settle(mux);
        g_mutex_unlock(&mux->lock);
        if (((struct pollfd *)(void *)polls->data)->revents)
            (void)!read(mux->wake_fd, &ignored, sizeof ignored);
    }
}
