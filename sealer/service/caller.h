/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who calls: the uid that the bus took from the caller's socket, and the systemd service of the
 * process, if the bus hands out a pidfd for it (ProcessFD of GetConnectionCredentials: dbus 1.15.8,
 * dbus-broker 34). The bare process number is not used: it can have gone to another process. */

#include <gio/gio.h>
#include <sys/types.h>

typedef struct {
    gatomicrefcount refs;
    uid_t uid;
    char *unit;            /* NULL: none, or not known */
    gboolean unit_unclear; /* it could not be found out; the next call tries again */
    gboolean has_pidfd;    /* FALSE: this bus does not tell, so that unit says nothing */
} CvsCaller;

CvsCaller *cvs_caller_ref(CvsCaller *caller);
void cvs_caller_unref(CvsCaller *caller);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsCaller, cvs_caller_unref)

/* Asks the bus, and remembers the last answers: a unique name is never given out twice in a bus's
 * life, and the credentials are those of the moment when the connection was made. */
typedef struct _CvsCallers CvsCallers;

/* proc: "/proc", or a test's own. The connection must outlive the object. */
CvsCallers *cvs_callers_new(GDBusConnection *connection, const char *proc);
void cvs_callers_free(CvsCallers *callers);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsCallers, cvs_callers_free)

/* Takes ownership of nothing; fds may be NULL. Reads an answer of GetConnectionCredentials, a{sv}.
 * NotAuthorized if it does not say the uid. */
CvsCaller *cvs_caller_from_credentials(GVariant *credentials, GUnixFDList *fds, const char *proc,
                                       GError **error);

/* Calls of one sender that wait for the answer share one question; more than
 * CVS_CALLERS_WAITING_MAX of them are Busy. NotAuthorized if the bus does not know the caller any
 * more. */
#define CVS_CALLERS_WAITING_MAX 64
typedef void (*CvsCallerFunc)(CvsCaller *caller, const GError *error, gpointer data);
void cvs_callers_identify(CvsCallers *callers, const char *sender, CvsCallerFunc callback,
                          gpointer data);
