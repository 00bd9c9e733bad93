/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the parts of the multiplexer share: tpm-mux.c (life, counts, power), tpm-mux-serve.c
 * (sockets and the thread), tpm-mux-fault.c (what is made to fail). Everything here is used with
 * the lock held. */

#include "sim/tpm-mux.h"
#include "sim/tpm-space.h"

#define TPM_HEADER_SIZE 10

typedef struct {
    char *name;
    char *tcti;
    char *path;
    char *ctrl_path;
    TpmMuxPortKind kind;
    int fd;
    int ctrl_fd;
    GHashTable *sent; /* code to count */
} Port;

typedef struct {
    guint number;
    Port *port;
    pid_t pid; /* 0 on a connection port */
    int pidfd;
    guint commands;
    TpmSpace *space;
} Client;

typedef enum {
    NOT_HELD,
    HELD_BEFORE, /* in has the command */
    HELD_AFTER,  /* out has the answer */
} Held;

typedef struct {
    guint64 id;
    Port *port;
    gboolean is_ctrl;
    int fd;
    pid_t pid;
    Client *client; /* on a connection port from the start, else while a command is held */
    GByteArray *in;
    GByteArray *out;
    Held held;
} Conn;

typedef struct {
    guint number;
    TpmMuxFault fault;
    char *port;
    guint matched;
    guint fired;
} Rule;

struct _TpmMux {
    GMutex lock;
    GCond hung_changed;
    GThread *thread;
    int wake_fd;
    gboolean stopping;
    char *dir;
    TpmMuxFlags flags;

    Swtpm *swtpm;
    GHashTable *attributes;
    guint tpm;

    GPtrArray *ports;   /* Port */
    GPtrArray *clients; /* Client */
    GPtrArray *conns;   /* Conn */
    guint last_client;
    guint64 last_conn;

    GPtrArray *rules; /* Rule */
    TpmMuxHook hook;
    gpointer hook_data;
};

Port *mux_find_port(TpmMux *mux, const char *name);

/* The fault that this command is to meet, or NULL; counts the match. */
Rule *mux_match_fault(TpmMux *mux, const Client *client, guint32 code);
/* Changes the answer as the fault says; FALSE if it does not apply to this one. *ret_close: the
 * connection is closed behind it. */
gboolean mux_spoil(const TpmMuxFault *fault, GByteArray *response, gboolean *ret_close);
/* TRUE for kinds that change an answer, and so cannot come before it. */
gboolean mux_fault_needs_answer(TpmMuxFaultKind kind);
/* Makes the answer a bare response code. */
void mux_set_code(GByteArray *response, guint32 rc);
void mux_rule_free(gpointer rule);

/* Sockets. */
gpointer mux_serve(gpointer mux);
void mux_wake(TpmMux *mux);
/* Sees to connections and processes that have ended. */
void mux_settle(TpmMux *mux);
void mux_end_client(TpmMux *mux, Client *client);
void mux_drop_conn(TpmMux *mux, Conn *conn);
void mux_release_conn(TpmMux *mux, Conn *conn);
guint mux_count_held(const TpmMux *mux);
