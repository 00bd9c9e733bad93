/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/worker.h"

#include <malloc.h>

typedef struct {
    CvsWorkFunc work;
    CvsDoneFunc done;
    gpointer data;
} Job;

/* The jobs of one user. */
typedef struct {
    guint number;
    GQueue jobs;
} Lane;

struct _CvsWorker {
    CvsTpm *tpm;
    CvsStore *store;
    GMainContext *context;
    GThread *thread;
    GMutex mutex;
    GCond changed;
    /* under the mutex */
    GHashTable *lanes; /* number -> Lane that has jobs */
    GQueue turns;      /* the same lanes, the next one first */
    gboolean stopping;
    gint64 job_began; /* monotonic; 0: none runs */
};

static gboolean
run_done(gpointer data)
{
    Job *job = data;

    job->done(job->data);
    return G_SOURCE_REMOVE;
}

static void
push_job(CvsWorker *worker, guint number, Job *job)
{
    Lane *lane = g_hash_table_lookup(worker->lanes, GUINT_TO_POINTER(number));

    if (lane == NULL) {
        lane = g_new0(Lane, 1);
        lane->number = number;
        g_queue_init(&lane->jobs);
        g_hash_table_insert(worker->lanes, GUINT_TO_POINTER(number), lane);
        g_queue_push_tail(&worker->turns, lane);
    }
    g_queue_push_tail(&lane->jobs, job);
}

static Job *
pop_job(CvsWorker *worker)
{
    Lane *lane = g_queue_pop_head(&worker->turns);
    Job *job = lane ? g_queue_pop_head(&lane->jobs) : NULL;

    if (lane && g_queue_is_empty(&lane->jobs)) {
        g_hash_table_remove(worker->lanes, GUINT_TO_POINTER(lane->number));
        g_free(lane);
    } else if (lane) {
        g_queue_push_tail(&worker->turns, lane);
    }
    return job;
}

/* With the mutex held; NULL at the end. Waits for ever only once the TPM has been let go. */
static Job *
wait_for_job(CvsWorker *worker)
{
    gboolean rested = FALSE;

    while (g_queue_is_empty(&worker->turns) && !worker->stopping) {
        gint64 until = g_get_monotonic_time() + CVS_TPM_IDLE_MS * G_TIME_SPAN_MILLISECOND;

        if (rested) {
            g_cond_wait(&worker->changed, &worker->mutex);
        } else if (!g_cond_wait_until(&worker->changed, &worker->mutex, until)) {
            rested = TRUE;
            worker->job_began = g_get_monotonic_time();
            g_mutex_unlock(&worker->mutex);
            cvs_tpm_idle(worker->tpm);
            /* A long listing leaves much behind that only the allocator still holds. */
            malloc_trim(0);
            g_mutex_lock(&worker->mutex);
            worker->job_began = 0;
        }
    }
    return pop_job(worker);
}

static gpointer
worker_main(gpointer data)
{
    CvsWorker *worker = data;
    Job *job = NULL;

    g_mutex_lock(&worker->mutex);
    while ((job = wait_for_job(worker)) != NULL) {
        worker->job_began = g_get_monotonic_time();
        g_mutex_unlock(&worker->mutex);
        job->work(worker->tpm, worker->store, job->data);
        g_main_context_invoke_full(worker->context, G_PRIORITY_DEFAULT, run_done, job, g_free);
        cvs_tpm_settle(worker->tpm);
        g_mutex_lock(&worker->mutex);
        worker->job_began = 0;
    }
    g_mutex_unlock(&worker->mutex);
    return NULL;
}

CvsWorker *
cvs_worker_new(CvsTpm *tpm, CvsStore *store)
{
    CvsWorker *worker = g_new0(CvsWorker, 1);

    worker->tpm = tpm;
    worker->store = store;
    worker->context = g_main_context_ref_thread_default();
    g_mutex_init(&worker->mutex);
    g_cond_init(&worker->changed);
    worker->lanes = g_hash_table_new(NULL, NULL);
    g_queue_init(&worker->turns);
    worker->thread = g_thread_new("cvs-worker", worker_main, worker);
    return worker;
}

void
cvs_worker_push(CvsWorker *worker, guint lane, CvsWorkFunc work, CvsDoneFunc done, gpointer data)
{
    Job *job = g_new0(Job, 1);

    job->work = work;
    job->done = done;
    job->data = data;
    g_mutex_lock(&worker->mutex);
    push_job(worker, lane, job);
    g_mutex_unlock(&worker->mutex);
    /* Not under the mutex, which is what it awakes to take. */
    g_cond_signal(&worker->changed);
}

gint64
cvs_worker_busy_for(CvsWorker *worker)
{
    gint64 began = 0;

    g_mutex_lock(&worker->mutex);
    began = worker->job_began;
    g_mutex_unlock(&worker->mutex);
    return began == 0 ? 0 : g_get_monotonic_time() - began;
}

void
cvs_worker_stop(CvsWorker *worker)
{
    if (worker == NULL)
        return;
    g_mutex_lock(&worker->mutex);
    worker->stopping = TRUE;
    g_cond_signal(&worker->changed);
    g_mutex_unlock(&worker->mutex);
    g_thread_join(worker->thread);
    cvs_tpm_free(worker->tpm);
    cvs_store_close(worker->store);
    g_hash_table_unref(worker->lanes);
    g_main_context_unref(worker->context);
    g_mutex_clear(&worker->mutex);
    g_cond_clear(&worker->changed);
    g_free(worker);
}
