/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a running daemon consists of. Made by main.c, used in its main context only. */

#include "service/audit.h"
#include "service/caller.h"
#include "base/daemon-config.h"
#include "release/attester.h"
#include "service/requests.h"
#include "service/worker.h"

typedef struct {
    GDBusConnection *connection;
    CvsConfig *config;
    const char *const *profile_folders;
    gboolean memory_locked;
    CvsWorker *worker;
    CvsTeeSource *tee;
    CvsAttester *attester; /* the worker's thread uses it, as the TPM */
    CvsReleaseAttester release_attester;
    CvsCallers *callers;
    CvsRequests *requests;
    CvsAudit *audit;
    GQueue waiting;      /* requests that wait for an attestation that is under way */
    guint answers;       /* how often TEE or host have answered */
    GCancellable *hurry; /* cancelled when requests that wait for their callers must end */
    gboolean stopping;   /* new calls are Busy */
    guint open;          /* calls that have no answer yet */
    void (*drained)(gpointer data); /* called when stopping and the last open one ends */
    gpointer drained_data;
} CvsService;
