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
    CvsTeeAsker *tee_asker;
    CvsAttester *attester; /* the worker's thread uses it, as the TPM */
    CvsReleaseAttester release_attester;
    guint attester_change; /* the worker's thread: of the attester's state that was told last */
    GVariant *properties;  /* of the attestation; a{sv} */
    CvsCallers *callers;
    CvsRequests *requests;
    CvsAudit *audit;
    const CvsPaceClock *clock; /* by which TEE and host are waited for */
    GQueue waiting;            /* requests that wait for an answer of TEE or host */
    guint patient;             /* how many requests may wait for longer than most */
    guint answers;             /* how often TEE or host have answered */
    GCancellable *hurry;       /* cancelled when requests that wait for their callers must end */
    gboolean stopping;         /* new calls are Busy */
    guint open;                /* calls that have no answer yet */
    void (*drained)(gpointer data); /* called when stopping and the last open one ends */
    gpointer drained_data;
} CvsService;
