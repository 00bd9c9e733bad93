/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A whole daemon on a bus of its own, a TPM, an empty vault, and sockets of the test's own in place
 * of the journal's and the service manager's. */

#include "base/secret.h"
#include "bus.h"
#include "sim/test-tpm.h"

/* Users that every Debian has under these numbers (dbus-daemon refuses those without a name) and as
 * whom hardly anything runs: daemon, bin, sys. ADMIN may do org.cvmseal1.manage by the test's
 * polkit rules. */
#define ALICE 1
#define BOB 2
#define ADMIN 3
/* games: polkit wants a password for it, and no agent runs that could ask. */
#define ASKED 5
/* sync: may do org.cvmseal1.attest, and nothing else. */
#define ATTESTER 4

/* A sanitizer keeps what was freed, so memory is not measured under one. */
#if defined(__SANITIZE_ADDRESS__)
#define BED_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define BED_SANITIZED 1
#endif
#endif
#ifndef BED_SANITIZED
#define BED_SANITIZED 0
#endif

typedef struct {
    char *dir;
    char *vault;
    TestTpm *tpm;
    TestBus *bus;
    GPid pid; /* of the daemon; 0: it does not run */
    int stderr_fd;
    int journal_fd;
    int notify_fd;
    GThread *reader;
    int stop_fd; /* ends the reader */
    GMutex mutex;
    GCond arrived;
    GByteArray *log;    /* stderr and all journal records */
    GPtrArray *records; /* of the journal, char* with newlines between fields */
    GPtrArray *notices; /* char* sent to the service manager */
    GDBusConnection *alice;
    GDBusConnection *bob;
    GDBusConnection *admin;
    GDBusConnection *root;
} Bed;

/* Another build of the daemon than the installed one, for all beds from now on. */
void bed_use_program(const char *program);

/* NULL if this machine cannot do it; then the plan of a skipped program was printed, and main()
 * ends. config: lines for [Daemon], may be NULL. */
Bed *bed_new(const char *config, gboolean with_polkit);
void bed_free(Bed *bed);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Bed, bed_free)

/* Starts the daemon (bed_new() does it once) and waits for READY=1; watchdog_ms 0: none. */
void bed_start(Bed *bed, guint watchdog_ms);
/* Waits for its end and gives the exit status; signal 0: sends none. */
int bed_stop(Bed *bed, int signal);

/* Waits for a notice of that text, or a record that has all these "FIELD=value" (NULL-terminated);
 * searches from the beginning. The record is the caller's. */
void bed_wait_notice(Bed *bed, const char *text);
guint bed_count_notices(Bed *bed, const char *text);
char *bed_wait_record(Bed *bed, const char *field, ...) G_GNUC_NULL_TERMINATED;

/* The read end of a pipe that holds the bytes, all written and closed. */
int bed_pipe(const void *data, gsize size);
/* Reads to the end. */
GBytes *bed_read_all(int fd);

/* Calls with the usual arguments. options: text of GVariant's form without type, "{}" for none, in
 * which handles count from the secret's (0). */
GVariant *bed_options(const char *text);
TestReply *bed_seal(GDBusConnection *who, const char *name, const void *data, gsize size,
                    const char *options);
TestReply *bed_unseal(GDBusConnection *who, const char *name, const char *options);
void bed_assert_sealed(GDBusConnection *who, const char *name, const void *data, gsize size,
                       const char *options);
/* Unseals and compares. */
void bed_assert_opens(GDBusConnection *who, const char *name, const void *data, gsize size,
                      const char *options);
/* The reply is that error; frees it. */
void bed_assert_error(TestReply *reply, const char *error);
guint bed_count_reasons(const TestReply *reply, const char *code);
/* KiB of the daemon: "VmRSS", "VmLck". */
guint64 bed_memory(Bed *bed, const char *field);
/* What all threads of the daemon have used until now. */
double bed_processor_seconds(Bed *bed);
/* Descriptors of the daemon. An answer comes before the daemon has closed what went out with it, so
 * wait_fds gives it some seconds to come down to that number, and then fails. */
guint bed_count_fds(Bed *bed);
void bed_wait_fds(Bed *bed, guint at_most);
