/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/caller.h"
#include "base/error.h"
#include "base/file.h"
#include "service/unit.h"

#include <gio/gunixfdlist.h>
#include <string.h>

#define CACHE_MAX 256
#define ASK_TIMEOUT_MS 25000

typedef struct {
    CvsCallerFunc callback;
    gpointer data;
} Waiter;

/* One question under way. */
typedef struct {
    CvsCallers *callers; /* NULL once it was freed */
    char *sender;
    GArray *waiters; /* of Waiter */
    GCancellable *cancellable;
} Question;

struct _CvsCallers {
    GDBusConnection *connection;
    char *proc;
    GHashTable *known;     /* sender -> CvsCaller */
    GQueue order;          /* the keys of known, oldest first; borrowed */
    GHashTable *questions; /* sender -> Question, borrowed: the pending call owns it */
};

CvsCaller *
cvs_caller_ref(CvsCaller *caller)
{
    g_atomic_ref_count_inc(&caller->refs);
    return caller;
}

void
cvs_caller_unref(CvsCaller *caller)
{
    if (caller == NULL || !g_atomic_ref_count_dec(&caller->refs))
        return;
    g_free(caller->unit);
    g_free(caller);
}

static void
question_free(Question *question)
{
    g_free(question->sender);
    g_array_unref(question->waiters);
    g_object_unref(question->cancellable);
    g_free(question);
}

CvsCallers *
cvs_callers_new(GDBusConnection *connection, const char *proc)
{
    CvsCallers *callers = g_new0(CvsCallers, 1);

    callers->connection = connection;
    callers->proc = g_strdup(proc);
    callers->known =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)cvs_caller_unref);
    callers->questions = g_hash_table_new(g_str_hash, g_str_equal);
    g_queue_init(&callers->order);
    return callers;
}

void
cvs_callers_free(CvsCallers *callers)
{
    GHashTableIter iter;
    gpointer question = NULL;

    if (callers == NULL)
        return;
    g_hash_table_iter_init(&iter, callers->questions);
    while (g_hash_table_iter_next(&iter, NULL, &question)) {
        ((Question *)question)->callers = NULL;
        g_cancellable_cancel(((Question *)question)->cancellable);
    }
    g_hash_table_unref(callers->questions);
    g_queue_clear(&callers->order);
    g_hash_table_unref(callers->known);
    g_free(callers->proc);
    g_free(callers);
}

static void
remember(CvsCallers *callers, const char *sender, CvsCaller *caller)
{
    char *key = g_strdup(sender);

    if (g_queue_get_length(&callers->order) >= CACHE_MAX)
        g_hash_table_remove(callers->known, g_queue_pop_head(&callers->order));
    g_hash_table_insert(callers->known, key, cvs_caller_ref(caller));
    g_queue_push_tail(&callers->order, key);
}

static gboolean
unit_from_fd_list(GUnixFDList *fds, gint32 handle, const char *proc, char **ret_unit)
{
    CVS_AUTO_FD int pidfd = -1;

    if (fds == NULL || handle < 0 || handle >= g_unix_fd_list_get_length(fds))
        return FALSE;
    pidfd = g_unix_fd_list_get(fds, handle, NULL);
    return pidfd >= 0 && cvs_unit_from_pidfd(pidfd, proc, ret_unit);
}

CvsCaller *
cvs_caller_from_credentials(GVariant *credentials, GUnixFDList *fds, const char *proc,
                            GError **error)
{
    g_autoptr(CvsCaller) caller = g_new0(CvsCaller, 1);
    guint32 uid = 0;
    gint32 handle = -1;

    g_atomic_ref_count_init(&caller->refs);
    /* (uid_t)-1 means "nobody said" in the kernel's own calls. */
    if (!g_variant_lookup(credentials, "UnixUserID", "u", &uid) || uid == (guint32)-1) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED,
                    "the bus does not say which user the caller is");
        return NULL;
    }
    caller->uid = uid;
    caller->has_pidfd = g_variant_lookup(credentials, "ProcessFD", "h", &handle);
    if (caller->has_pidfd)
        caller->unit_unclear = !unit_from_fd_list(fds, handle, proc, &caller->unit);
    return g_steal_pointer(&caller);
}

static void
on_credentials(GObject *source, GAsyncResult *result, gpointer data)
{
    Question *question = data;
    g_autoptr(GUnixFDList) fds = NULL;
    g_autoptr(GError) local = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsCaller) caller = NULL;
    g_autoptr(GVariant) reply = g_dbus_connection_call_with_unix_fd_list_finish(
        G_DBUS_CONNECTION(source), &fds, result, &local);

    if (reply == NULL) {
        g_set_error(&error, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED,
                    "the bus does not know the caller: %s", local->message);
    } else if (question->callers) {
        g_autoptr(GVariant) credentials = g_variant_get_child_value(reply, 0);

        caller = cvs_caller_from_credentials(credentials, fds, question->callers->proc, &error);
    } else {
        g_set_error(&error, CVS_ERROR, CVS_ERROR_BUSY, "the service is stopping: try again later");
    }
    if (question->callers) {
        g_hash_table_remove(question->callers->questions, question->sender);
        if (caller && !caller->unit_unclear)
            remember(question->callers, question->sender, caller);
    }
    for (guint i = 0; i < question->waiters->len; i++) {
        const Waiter *waiter = &g_array_index(question->waiters, Waiter, i);

        waiter->callback(caller, error, waiter->data);
    }
    question_free(question);
}

static Question *
ask(CvsCallers *callers, const char *sender)
{
    Question *question = g_new0(Question, 1);

    question->callers = callers;
    question->sender = g_strdup(sender);
    question->waiters = g_array_new(FALSE, FALSE, sizeof(Waiter));
    question->cancellable = g_cancellable_new();
    g_hash_table_insert(callers->questions, question->sender, question);
    g_dbus_connection_call_with_unix_fd_list(
        callers->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus",
        "org.freedesktop.DBus", "GetConnectionCredentials", g_variant_new("(s)", sender),
        G_VARIANT_TYPE("(a{sv})"), G_DBUS_CALL_FLAGS_NONE, ASK_TIMEOUT_MS, NULL,
        question->cancellable, on_credentials, question);
    return question;
}

void
cvs_callers_identify(CvsCallers *callers, const char *sender, CvsCallerFunc callback, gpointer data)
{
    CvsCaller *caller = g_hash_table_lookup(callers->known, sender);
    Question *question = NULL;
    Waiter waiter = {callback, data};

    if (caller) {
        g_autoptr(CvsCaller) held = cvs_caller_ref(caller);

        callback(held, NULL, data);
        return;
    }
    question = g_hash_table_lookup(callers->questions, sender);
    if (question == NULL)
        question = ask(callers, sender);
    if (question->waiters->len >= CVS_CALLERS_WAITING_MAX) {
        g_autoptr(GError) busy = g_error_new(CVS_ERROR, CVS_ERROR_BUSY,
                                             "too many calls of one connection at once: try again");

        callback(NULL, busy, data);
        return;
    }
    g_array_append_val(question->waiters, waiter);
}
