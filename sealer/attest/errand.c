/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attest/errand.h"
#include "base/error.h"

struct _CvsErrand {
    gatomicrefcount refs; /* the thread's, and those of whoever waits */
    CvsErrandKind kind;
    gpointer data;
    GMutex mutex;
    /* under the mutex */
    gboolean over;
    gboolean silent;
};

CvsErrand *
cvs_errand_ref(CvsErrand *errand)
{
    g_atomic_ref_count_inc(&errand->refs);
    return errand;
}

void
cvs_errand_unref(CvsErrand *errand)
{
    if (errand == NULL || !g_atomic_ref_count_dec(&errand->refs))
        return;
    errand->kind.free_data(errand->data);
    g_mutex_clear(&errand->mutex);
    g_free(errand);
}

static gpointer
errand_main(gpointer data)
{
    CvsErrand *errand = data;

    errand->kind.run(errand->data);
    g_mutex_lock(&errand->mutex);
    errand->over = TRUE;
    if (errand->kind.back && !errand->silent)
        errand->kind.back(errand->kind.back_data);
    g_mutex_unlock(&errand->mutex);
    cvs_errand_unref(errand);
    return NULL;
}

CvsErrand *
cvs_errand_new(const CvsErrandKind *kind, gpointer data, GError **error)
{
    g_autoptr(CvsErrand) errand = g_new0(CvsErrand, 1);
    g_autoptr(GError) local = NULL;
    GThread *thread = NULL;

    g_atomic_ref_count_init(&errand->refs);
    g_mutex_init(&errand->mutex);
    errand->kind = *kind;
    errand->data = data;
    if (kind->back == NULL) {
        errand_main(cvs_errand_ref(errand));
        return g_steal_pointer(&errand);
    }
    thread = g_thread_try_new("cvs-errand", errand_main, cvs_errand_ref(errand), &local);
    if (thread == NULL) {
        cvs_errand_unref(errand);
        g_set_error(error, CVS_ERROR, CVS_ERROR_BUSY, "no thread to wait for the host: %s",
                    local->message);
        return NULL;
    }
    g_thread_unref(thread);
    return g_steal_pointer(&errand);
}

gpointer
cvs_errand_get(CvsErrand *errand)
{
    gboolean over = FALSE;

    g_mutex_lock(&errand->mutex);
    over = errand->over;
    g_mutex_unlock(&errand->mutex);
    return over ? errand->data : NULL;
}

void
cvs_errand_silence(CvsErrand *errand)
{
    g_mutex_lock(&errand->mutex);
    errand->silent = TRUE;
    g_mutex_unlock(&errand->mutex);
}
