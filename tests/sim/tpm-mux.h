/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Many clients on one swtpm, each behind what the kernel's resource manager would give it
 * (tpm-space.h), with every command counted and any command made to fail.
 *
 * Clients connect to ports, unix sockets with the protocol of swtpm, by the TCTI of that name. That
 * TCTI connects anew for each command, so on a process port a client is not a connection but a
 * process, from its first command to its end; and it begins anew (with its handles flushed, as by
 * close() of /dev/tpmrm0) when the process opens another TCTI, which sets the locality. So a
 * process with two TCTIs at a time needs two ports. Closing a TCTI alone is not seen: handles that
 * were not flushed before it stay in the counts, which is what a test for leaks wants. On a
 * connection port each connection is a client.
 *
 * All functions may be called from any thread, but a hook may call none of them. */

#include <glib.h>

typedef enum {
    TPM_MUX_DEFAULT = 0,
    TPM_MUX_NO_RM = 1 << 0, /* as /dev/tpm0: all clients share the handles of the TPM */
} TpmMuxFlags;

typedef enum {
    TPM_MUX_PROCESS,
    TPM_MUX_CONNECTION,
} TpmMuxPortKind;

typedef struct _TpmMux TpmMux;

/* Sockets and states lie in the directory, which must be there and short enough for a socket's
 * address. Starts the TPM and a thread. */
TpmMux *tpm_mux_new(const char *dir, TpmMuxFlags flags, GError **error);
/* Ends clients, thread and TPM, and removes the sockets; the states stay. */
void tpm_mux_free(TpmMux *mux);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TpmMux, tpm_mux_free)

/* Opens the port DIR/NAME and DIR/NAME.ctrl for anybody; returns the TCTI string, owned by the
 * mux. */
const char *tpm_mux_add_port(TpmMux *mux, const char *name, TpmMuxPortKind kind, GError **error);
/* The socket's path for programs that speak by themselves; owned by the mux. */
const char *tpm_mux_port_path(TpmMux *mux, const char *name);
/* Ends all clients of the port, as if they had closed. */
void tpm_mux_end_clients(TpmMux *mux, const char *port);

/* One command of the test bed's own, straight to the TPM: not counted, no fault applies. */
gboolean tpm_mux_transact(TpmMux *mux, const void *command, gsize size, GByteArray *response);

/* Counting. Where a port is asked for, NULL is all of them; where a code is, 0 is all of them. */
guint64 tpm_mux_sent(TpmMux *mux, const char *port, guint32 code); /* by clients */
guint64 tpm_mux_seen(TpmMux *mux, guint32 code); /* by the TPM: with loads, saves and flushes */
void tpm_mux_reset_counts(TpmMux *mux);
/* Lines "CODE SENT SEEN", sorted by code, of what was sent or seen. */
char *tpm_mux_describe_counts(TpmMux *mux);

typedef struct {
    guint clients;
    guint objects;  /* transient */
    guint sessions; /* of the clients; without resource manager all of the TPM's */
} TpmMuxHandles;
/* What is alive now. Clients that have ended are seen to have ended. */
TpmMuxHandles tpm_mux_handles(TpmMux *mux, const char *port);

/* Scripted faults. */
typedef enum {
    TPM_MUX_DROP,    /* the connection is closed */
    TPM_MUX_RC,      /* the answer is this response code alone */
    TPM_MUX_CUT,     /* value bytes of the answer, then the connection is closed */
    TPM_MUX_SHRINK,  /* the same, but the header gives that size: at least 10 bytes */
    TPM_MUX_GARBAGE, /* as many bytes as the answer has, all different; the size stays */
    TPM_MUX_FLIP,    /* the lowest bit of byte number value of the answer is turned over */
    TPM_MUX_HANG,    /* no answer until tpm_mux_release() */
} TpmMuxFaultKind;

typedef struct {
    const char *port; /* NULL: any */
    guint client;     /* 0: any; else its number, counted from 1 in order of appearance */
    guint32 code;     /* 0: any */
    guint nth;        /* which of the commands that match, from 1, counted since it was added;
                       * 0: each of them */
    TpmMuxFaultKind kind;
    gboolean after; /* the TPM carries the command out (kinds that change an answer: always so) */
    guint32 value;
} TpmMuxFault;

/* Returns the number of the fault. */
guint tpm_mux_add_fault(TpmMux *mux, const TpmMuxFault *fault);
/* How often it changed something: a cut or flip behind the end of the answer does not. */
guint tpm_mux_fault_fired(TpmMux *mux, guint number);
/* All of them; what hangs goes on hanging. */
void tpm_mux_clear_faults(TpmMux *mux);
/* Waits until n commands hang; FALSE after the time. */
gboolean tpm_mux_wait_hung(TpmMux *mux, guint n, guint timeout_ms);
/* Lets go what hangs: answered, or carried out and answered. */
void tpm_mux_release(TpmMux *mux);

/* A function of the test's that looks at every command of a client and may change it. */
typedef enum {
    TPM_MUX_PASS,   /* go on with what is in command and response */
    TPM_MUX_ANSWER, /* before: response is the answer, the TPM is not asked */
    TPM_MUX_CLOSE,  /* close the connection */
} TpmMuxVerdict;

typedef struct {
    const char *port;
    guint client;
    guint number;        /* of the command among the client's, from 1 */
    guint32 code;        /* as the client sent it */
    gboolean after;      /* called twice: before (response is empty) and after */
    GByteArray *command; /* with the client's handles */
    GByteArray *response;
} TpmMuxEvent;

typedef TpmMuxVerdict (*TpmMuxHook)(TpmMuxEvent *event, gpointer data);
/* NULL: none. Returns when the former one is not running any more. */
void tpm_mux_set_hook(TpmMux *mux, TpmMuxHook hook, gpointer data);

/* Power. Each number is a TPM with a state of its own; the mux starts with 0. A number that was not
 * used before is a TPM fresh from the factory. While it is off, clients' connections are closed at
 * their first command. */
void tpm_mux_power_off(TpmMux *mux);
/* As swtpm_set_hcrtm(): from the next start on. */
void tpm_mux_set_hcrtm(TpmMux *mux, GBytes *data);
gboolean tpm_mux_power_on(TpmMux *mux, guint tpm, GError **error);
/* Off without a word to the TPM, and on again with the same state. */
gboolean tpm_mux_power_cycle(TpmMux *mux, GError **error);
/* The same with TPM2_Shutdown first, as an orderly reboot. */
gboolean tpm_mux_reboot(TpmMux *mux, GError **error);
