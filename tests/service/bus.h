/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A system bus of the test's own, with the project's policy for it, and a polkitd on it that knows
 * the project's actions and the test's rules. Root only: the bus tells users apart by their uids,
 * and polkitd reads fixed folders, which are laid over in a mount namespace. */

#include <gio/gio.h>

/* NULL if this machine can do it, else why not. */
const char *test_bus_missing(gboolean with_polkit);

typedef struct _TestBus TestBus;

/* dir: where sockets and files go; everybody must be able to enter it. Aborts on failure. */
TestBus *test_bus_new(const char *dir);
void test_bus_free(TestBus *bus);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TestBus, test_bus_free)
const char *test_bus_address(TestBus *bus);
/* Ends the bus itself, under everybody's feet. */
void test_bus_stop(TestBus *bus);

/* Starts polkitd with this rules file (JavaScript) and returns when it serves. */
void test_bus_start_polkit(TestBus *bus, const char *rules);

/* A new connection by that user. */
GDBusConnection *test_bus_connect(TestBus *bus, uid_t uid);
/* Turns the main context until somebody has the name, or (gone) nobody has. */
void test_bus_wait_name(TestBus *bus, const char *name, gboolean gone);

/* What came back from a method call: a body, or an error with its name and reasons. */
typedef struct {
    GVariant *body;   /* NULL for an error */
    GUnixFDList *fds; /* may be NULL */
    char *error;      /* "PcrMismatch"; with its full name if it is not ours; NULL: none */
    char *message;
    GVariant *reasons; /* a(ssss) */
} TestReply;
void test_reply_free(TestReply *reply);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TestReply, test_reply_free)
TestReply *test_reply_from_message(GDBusMessage *message);

/* A call to org.cvmseal1.Manager; takes the arguments if floating, and leaves the fds open. */
TestReply *test_call(GDBusConnection *connection, const char *method, GVariant *arguments,
                     const int *fds, int n_fds);
/* The same without waiting: the serial; test_call_finish() waits. */
typedef struct _TestPending TestPending;
TestPending *test_call_begin(GDBusConnection *connection, const char *method, GVariant *arguments,
                             const int *fds, int n_fds);
TestReply *test_call_finish(TestPending *pending);
gboolean test_call_is_done(TestPending *pending);
/* Of one that is done: the smaller the sooner. */
guint test_call_order(const TestPending *pending);
/* Of a connection that was closed. */
void test_call_abandon(TestPending *pending);
