/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/fds.h"
#include "base/error.h"
#include "base/file.h"

#include <unistd.h>

#define MESSAGE_KEY "cvs-fds"
#define BUS "org.freedesktop.DBus"

/* Of the whole process, since messages die in every thread. */
static GMutex mutex;
static GArray *unburied; /* int */
static guint diggers;
static gint64 waits_since; /* monotonic: for a digger, while none comes back; 0: nothing waits */

static int
next_or_end(void)
{
    int fd = -1;

    g_mutex_lock(&mutex);
    if (unburied->len > 0) {
        fd = g_array_index(unburied, int, unburied->len - 1);
        g_array_set_size(unburied, unburied->len - 1);
    } else {
        diggers--;
    }
    waits_since = unburied->len > 0 && waits_since > 0 ? g_get_monotonic_time() : 0;
    g_mutex_unlock(&mutex);
    return fd;
}

static gpointer
dig(gpointer data)
{
    int fd = -1;

    while ((fd = next_or_end()) >= 0)
        (void)close(fd);
    return NULL;
}

/* A thread for each burial: those that there are may never come back. If there can be no more, what
 * waits is closed by the next one that can. */
static void
bury(const int *fds, int n)
{
    GThread *thread = NULL;

    g_mutex_lock(&mutex);
    if (unburied == NULL)
        unburied = g_array_new(FALSE, FALSE, sizeof(int));
    for (int i = 0; i < n; i++) {
        if (fds[i] >= 0)
            g_array_append_val(unburied, fds[i]);
    }
    if (unburied->len > 0 && diggers < CVS_FDS_DIGGERS_MAX)
        thread = g_thread_try_new("cvs-digger", dig, NULL, NULL);
    if (thread) {
        diggers++;
        g_thread_unref(thread);
    } else if (unburied->len > 0 && waits_since == 0) {
        waits_since = g_get_monotonic_time();
    }
    g_mutex_unlock(&mutex);
}

gboolean
cvs_fds_can_bury(GError **error)
{
    gint64 since = 0;

    g_mutex_lock(&mutex);
    since = waits_since;
    g_mutex_unlock(&mutex);
    if (since == 0 || g_get_monotonic_time() - since < CVS_FDS_PATIENCE_S * G_TIME_SPAN_SECOND)
        return TRUE;
    g_set_error(
        error, CVS_ERROR, CVS_ERROR_BUSY,
        "descriptors that came with %d calls or more cannot be closed, since somebody holds "
        "them: no call that brings one is taken until they are let go",
        CVS_FDS_DIGGERS_MAX);
    return FALSE;
}

void
cvs_fds_bury(int *fd)
{
    if (*fd >= 0)
        bury(fd, 1);
    *fd = -1;
}

CvsFds *
cvs_fds_new(GUnixFDList *list)
{
    CvsFds *fds = g_new0(CvsFds, 1);

    if (list)
        fds->fds = g_unix_fd_list_steal_fds(list, &fds->n);
    return fds;
}

void
cvs_fds_free(CvsFds *fds)
{
    if (fds == NULL)
        return;
    bury(fds->fds, fds->n);
    g_free(fds->fds);
    g_free(fds);
}

int
cvs_fds_take(CvsFds *fds, gint32 handle, const char *what, GError **error)
{
    if (fds == NULL || handle < 0 || handle >= fds->n || fds->fds[handle] < 0) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "%s: the message has no such descriptor, or it is named twice", what);
        return -1;
    }
    return cvs_steal_fd(&fds->fds[handle]);
}

static void
free_fds(gpointer data)
{
    cvs_fds_free(data);
}

/* Runs in GDBus's thread. The bus's own answers bring pidfds and are read where they are awaited.
 */
static GDBusMessage *
take_from_message(GDBusConnection *connection, GDBusMessage *message, gboolean incoming,
                  gpointer data)
{
    GUnixFDList *list = incoming ? g_dbus_message_get_unix_fd_list(message) : NULL;

    if (list && g_strcmp0(g_dbus_message_get_sender(message), BUS) != 0)
        g_object_set_data_full(G_OBJECT(message), MESSAGE_KEY, cvs_fds_new(list), free_fds);
    return message;
}

void
cvs_fds_guard(GDBusConnection *connection)
{
    (void)g_dbus_connection_add_filter(connection, take_from_message, NULL, NULL);
}

CvsFds *
cvs_fds_of(GDBusMessage *message)
{
    return g_object_steal_data(G_OBJECT(message), MESSAGE_KEY);
}
