/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the methods do, once everything about the caller is settled and all secrets are in: these
 * run in the worker's thread and know nothing of D-Bus but the form of their answers. */

#include "attest/making.h"
#include "base/secret.h"
#include "base/daemon-config.h"
#include "release/release.h"
#include "service/options.h"
#include "service/requests.h"
#include "tpm/tpm.h"
#include "vault/store.h"

typedef struct {
    /* in */
    const CvsConfig *config;
    const char *const *profile_folders;
    const CvsReleaseAttester *attester;
    CvsAttester *machine;
    CvsTeeSource *tee;
    gboolean memory_locked;
    char *name;
    guint32 size;
    uid_t uid; /* the caller's */
    CvsOwner owner;
    gboolean authorized; /* root, or polkit has said yes: more than the owner of the key */
    CvsOptions options;
    CvsSecret *secret;
    CvsSecret *pin;
    CvsSecret *recovery_key;
    GBytes *nonce;
    CvsSecret *challenge_text; /* none, but it comes in as secrets do; NULL: there is none */
    CvsPlace *place;           /* borrowed */
    /* from one try to the next, where TEE or host are asked */
    CvsChallenge *challenge; /* what that says */
    CvsMaking *making;
    CvsTeeKeys *tee_keys;
    gboolean renewed;
    /* out: one of them; the reply is a tuple with a reference (not floating) */
    GVariant *reply;
    CvsSecret *released; /* instead of a reply: goes out through a pipe */
    int reply_fd;        /* handle 0 of the reply; -1: it has none */
    GError *error;
} CvsOperation;

void cvs_operation_clear(CvsOperation *op);

typedef void (*CvsOperationFunc)(CvsTpm *tpm, CvsStore *store, CvsOperation *op);

void cvs_operation_seal(CvsTpm *tpm, CvsStore *store, CvsOperation *op);
void cvs_operation_generate(CvsTpm *tpm, CvsStore *store, CvsOperation *op);
void cvs_operation_unseal(CvsTpm *tpm, CvsStore *store, CvsOperation *op);
void cvs_operation_list(CvsTpm *tpm, CvsStore *store, CvsOperation *op);
void cvs_operation_describe(CvsTpm *tpm, CvsStore *store, CvsOperation *op);
void cvs_operation_explain(CvsTpm *tpm, CvsStore *store, CvsOperation *op);
void cvs_operation_remove(CvsTpm *tpm, CvsStore *store, CvsOperation *op);
void cvs_operation_reseal(CvsTpm *tpm, CvsStore *store, CvsOperation *op);
void cvs_operation_status(CvsTpm *tpm, CvsStore *store, CvsOperation *op);
