/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/requests.h"
#include "base/error.h"

struct _CvsRequests {
    gatomicrefcount refs; /* the owner's and the places' */
    guint max_total;
    guint max_per_uid;
    GMutex mutex;
    /* under the mutex */
    guint total;
    gboolean closed;
    GHashTable *by_uid; /* uid -> number, only where it is not 0 */
};

struct _CvsPlace {
    gatomicrefcount refs;
    CvsRequests *requests;
    uid_t uid;
};

CvsRequests *
cvs_requests_new(guint max_total, guint max_per_uid)
{
    CvsRequests *requests = g_new0(CvsRequests, 1);

    g_atomic_ref_count_init(&requests->refs);
    g_mutex_init(&requests->mutex);
    requests->max_total = max_total;
    requests->max_per_uid = max_per_uid;
    requests->by_uid = g_hash_table_new(NULL, NULL);
    return requests;
}

void
cvs_requests_free(CvsRequests *requests)
{
    if (requests == NULL || !g_atomic_ref_count_dec(&requests->refs))
        return;
    g_hash_table_unref(requests->by_uid);
    g_mutex_clear(&requests->mutex);
    g_free(requests);
}

static guint
count_of(const CvsRequests *requests, uid_t uid)
{
    return GPOINTER_TO_UINT(g_hash_table_lookup(requests->by_uid, GUINT_TO_POINTER(uid)));
}

static void
set_count(CvsRequests *requests, uid_t uid, guint count)
{
    if (count == 0)
        g_hash_table_remove(requests->by_uid, GUINT_TO_POINTER(uid));
    else
        g_hash_table_insert(requests->by_uid, GUINT_TO_POINTER(uid), GUINT_TO_POINTER(count));
}

static gboolean
take_place(CvsRequests *requests, uid_t uid, GError **error)
{
    guint of_uid = count_of(requests, uid);
    guint of_others = 0;

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
    of_others = requests->total - count_of(requests, 0);
    if (uid != 0 && of_others >= requests->max_total) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BUSY,
                    "%u requests are in flight, as many as may be: try again", of_others);
        return FALSE;
    }
    set_count(requests, uid, of_uid + 1);
    requests->total++;
    return TRUE;
}

CvsPlace *
cvs_requests_enter(CvsRequests *requests, uid_t uid, GError **error)
{
    CvsPlace *place = NULL;
    gboolean ok = FALSE;

    g_mutex_lock(&requests->mutex);
    ok = take_place(requests, uid, error);
    g_mutex_unlock(&requests->mutex);
    if (!ok)
        return NULL;
    place = g_new0(CvsPlace, 1);
    g_atomic_ref_count_init(&place->refs);
    g_atomic_ref_count_inc(&requests->refs);
    place->requests = requests;
    place->uid = uid;
    return place;
}

CvsPlace *
cvs_place_ref(CvsPlace *place)
{
    g_atomic_ref_count_inc(&place->refs);
    return place;
}

void
cvs_place_unref(CvsPlace *place)
{
    CvsRequests *requests = place ? place->requests : NULL;

    if (place == NULL || !g_atomic_ref_count_dec(&place->refs))
        return;
    g_mutex_lock(&requests->mutex);
    set_count(requests, place->uid, count_of(requests, place->uid) - 1);
    requests->total--;
    g_mutex_unlock(&requests->mutex);
    cvs_requests_free(requests);
    g_free(place);
}

void
cvs_requests_close(CvsRequests *requests)
{
    g_mutex_lock(&requests->mutex);
    requests->closed = TRUE;
    g_mutex_unlock(&requests->mutex);
}

guint
cvs_requests_count(CvsRequests *requests)
{
    guint total = 0;

    g_mutex_lock(&requests->mutex);
    total = requests->total;
    g_mutex_unlock(&requests->mutex);
    return total;
}
