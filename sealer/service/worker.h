/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The one thread that uses the TPM and the vault. Jobs queue and run one at a time; each user has a
 * lane of his own, and the lanes take turns, so that one who asks much waits for himself only.
 * After each job what it left in the TPM is flushed (cvs_tpm_settle()), beside whatever its result
 * does meanwhile. When no job came for CVS_TPM_IDLE_MS the TPM's sessions are given back. */

#include "tpm/tpm.h"
#include "vault/store.h"

typedef struct _CvsWorker CvsWorker;

/* Takes both. Results come back in the main context that is the thread's default one here. */
CvsWorker *cvs_worker_new(CvsTpm *tpm, CvsStore *store);

/* work runs in the thread, then done in the main context. */
typedef void (*CvsWorkFunc)(CvsTpm *tpm, CvsStore *store, gpointer data);
typedef void (*CvsDoneFunc)(gpointer data);
void cvs_worker_push(CvsWorker *worker, guint lane, CvsWorkFunc work, CvsDoneFunc done,
                     gpointer data);

/* For how long the present job has been running, in microseconds; 0 if there is none. */
gint64 cvs_worker_busy_for(CvsWorker *worker);

/* Runs what is queued, gives back the TPM's sessions, ends the thread and frees. The last jobs'
 * done functions are left in the main context. NULL is allowed. */
void cvs_worker_stop(CvsWorker *worker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsWorker, cvs_worker_stop)
