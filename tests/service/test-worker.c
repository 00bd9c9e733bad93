/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The worker's order of jobs, its rest and its end, with a TPM and a vault that only note what is
 * done to them. */
#include "service/worker.h"

#include <string.h>

static gint idles;
static gint freed;
static GMutex gate;
static GString *order;

void
cvs_tpm_idle(CvsTpm *tpm)
{
    g_atomic_int_inc(&idles);
}

/* It comes after a job, and before the next. */
void
cvs_tpm_settle(CvsTpm *tpm)
{
    g_string_append(order, ".");
}

void
cvs_tpm_free(CvsTpm *tpm)
{
    g_atomic_int_inc(&freed);
}

void
cvs_store_close(CvsStore *store)
{
    g_atomic_int_inc(&freed);
}

typedef struct {
    const char *name;
    guint *left;
} Step;

static void
work(CvsTpm *tpm, CvsStore *store, gpointer data)
{
    Step *step = data;

    g_string_append(order, step->name);
}

static void
work_behind_gate(CvsTpm *tpm, CvsStore *store, gpointer data)
{
    g_mutex_lock(&gate);
    g_mutex_unlock(&gate);
    work(tpm, store, data);
}

static void
done(gpointer data)
{
    Step *step = data;

    (*step->left)--;
}

static CvsWorker *
worker_new(void)
{
    static int nothing;

    g_string_truncate(order, 0);
    freed = 0;
    return cvs_worker_new((CvsTpm *)&nothing, (CvsStore *)&nothing);
}

/* One user's long queue does not keep another's first job waiting behind all of it. */
static void
test_lanes_take_turns(void)
{
    CvsWorker *worker = worker_new();
    guint left = 6;
    Step steps[] = {{"a", &left}, {"b", &left}, {"c", &left},
                    {"d", &left}, {"x", &left}, {"y", &left}};

    g_mutex_lock(&gate);
    cvs_worker_push(worker, 1, work_behind_gate, done, &steps[0]);
    /* The first runs, so that the rest is queued while nothing is taken out. */
    while (cvs_worker_busy_for(worker) == 0)
        g_thread_yield();
    cvs_worker_push(worker, 1, work, done, &steps[1]);
    cvs_worker_push(worker, 1, work, done, &steps[2]);
    cvs_worker_push(worker, 1, work, done, &steps[3]);
    cvs_worker_push(worker, 2, work, done, &steps[4]);
    cvs_worker_push(worker, 2, work, done, &steps[5]);
    g_mutex_unlock(&gate);
    while (left > 0)
        g_main_context_iteration(NULL, TRUE);
    cvs_worker_stop(worker);
    g_assert_cmpstr(order->str, ==, "a.b.x.c.y.d.");
}

static void
test_stop_drains(void)
{
    CvsWorker *worker = worker_new();
    guint left = 3;
    Step steps[] = {{"a", &left}, {"b", &left}, {"c", &left}};

    g_mutex_lock(&gate);
    cvs_worker_push(worker, 1, work_behind_gate, done, &steps[0]);
    cvs_worker_push(worker, 1, work, done, &steps[1]);
    cvs_worker_push(worker, 2, work, done, &steps[2]);
    g_mutex_unlock(&gate);
    cvs_worker_stop(worker);
    g_assert_cmpuint(strlen(order->str), ==, 6);
    g_assert_cmpint(freed, ==, 2);
    while (left > 0)
        g_main_context_iteration(NULL, TRUE);
}

/* After the idle time the TPM's sessions go, once. */
static void
test_rest(void)
{
    CvsWorker *worker = NULL;
    gint64 began = g_get_monotonic_time();

    idles = 0;
    worker = worker_new();
    while (g_atomic_int_get(&idles) == 0)
        g_usleep(1000);
    g_assert_cmpint(g_get_monotonic_time() - began, >=, CVS_TPM_IDLE_MS * G_TIME_SPAN_MILLISECOND);
    cvs_worker_stop(worker);
    g_assert_cmpint(idles, ==, 1);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    order = g_string_new(NULL);
    g_test_add_func("/service/worker/lanes-take-turns", test_lanes_take_turns);
    g_test_add_func("/service/worker/stop-drains", test_stop_drains);
    g_test_add_func("/service/worker/rest", test_rest);
    return g_test_run();
}
