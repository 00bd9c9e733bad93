/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/requests.h"
#include "base/error.h"

struct _CvsRequests {
    guint max_total;
    guint max_per_uid;
    guint total;
    gboolean closed;
    GHashTable *by_uid; /* uid -> number, only where it is not 0 */
};

CvsRequests *
cvs_requests_new(guint max_total, guint max_per_uid)
{
    CvsRequests *requests = g_new0(CvsRequests, 1);

    requests->max_total = max_total;
    requests->max_per_uid = max_per_uid;
    requests->by_uid = g_hash_table_new(NULL, NULL);
    return requests;
}

void
cvs_requests_free(CvsRequests *requests)
{
    if (requests == NULL)
        return;
    g_hash_table_unref(requests->by_uid);
    g_free(requests);
}

static guint
count_of(const CvsRequests *requests, uid_t uid)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(requests->by_uid, GUINT_TO_POINTER(uid)));
}

gboolean
cvs_requests_enter(CvsRequests *requests, uid_t uid, GError **error)
{
    guint of_uid = count_of(requests, uid);

    if (requests->closed) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BUSY, "the service is stopping: try again later");
        return FALSE;
    }
    if (of_uid >= requests->max_per_uid) {
        g_set_error(
            error, CVS_ERROR, CVS_ERROR_BUSY,
            "uid %u has %u requests in flight, as many as one user may: wait for one to end", uid,
            of_uid);
        return FALSE;
    }
    if (requests->total >= requests->max_total) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BUSY,
                    "%u requests are in flight, as many as may be: try again", requests->total);
        return FALSE;
    }
    g_hash_table_insert(requests->by_uid, GUINT_TO_POINTER(uid), GUINT_TO_POINTER(of_uid + 1));
    requests->total++;
    return TRUE;
}

void
cvs_requests_leave(CvsRequests *requests, uid_t uid)
{
    guint of_uid = count_of(requests, uid);

    g_return_if_fail(of_uid > 0 && requests->total > 0);

    if (of_uid == 1)
        g_hash_table_remove(requests->by_uid, GUINT_TO_POINTER(uid));
    else
        g_hash_table_insert(requests->by_uid, GUINT_TO_POINTER(uid), GUINT_TO_POINTER(of_uid - 1));
    requests->total--;
}

void
cvs_requests_close(CvsRequests *requests)
{
    requests->closed = TRUE;
}

guint
cvs_requests_count(const CvsRequests *requests)
{
    return requests->total;
}
