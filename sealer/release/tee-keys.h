/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The keys that the TEE derives (tee/tee-key.h) for one request, which asks for each of them once,
 * however many slots want it and however often it is tried.
 *
 * The host may keep a request for a key for ever. Whoever cannot wait for it says so: a thread asks
 * then, one at a time, and until it is answered a call is Busy with the reason AttestationUnderWay.
 * What comes when the request is gone is wiped, and given to nobody. */

#include "attest/errand.h"
#include "tee/tee-key.h"

/* Who asks, for all requests. Any thread. */
typedef struct _CvsTeeAsker CvsTeeAsker;

/* A reference to the source is taken. timeout_ms: for the turn of each request to the TEE (0: as
 * tee/source.h has it). back is called in a thread when one that has asked is answered; it must be
 * quick. NULL: the calling thread waits itself. */
CvsTeeAsker *cvs_tee_asker_new(CvsTeeSource *source, guint timeout_ms, CvsErrandFunc back,
                               gpointer back_data);
/* back is not called from now on. A thread that asks goes on. NULL is allowed. */
void cvs_tee_asker_free(CvsTeeAsker *asker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsTeeAsker, cvs_tee_asker_free)

/* One request's; one thread at a time. */
typedef struct _CvsTeeKeys CvsTeeKeys;

CvsTeeKeys *cvs_tee_keys_new(CvsTeeAsker *asker);
void cvs_tee_keys_free(CvsTeeKeys *keys);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsTeeKeys, cvs_tee_keys_free)

/* A key for the TEE as it is now, the same again at each call; cvs_tee_key_new()'s errors. Busy
 * with the reason AttestationUnderWay: call it again when back was called. */
CvsSecret *cvs_tee_keys_make(CvsTeeKeys *keys, CvsTeeKeyParams *ret_params, GError **error);
/* The key of these parameters; errors of cvs_tee_key_derive() and cvs_tee_key_check(), and Busy as
 * above. */
CvsSecret *cvs_tee_keys_derive(CvsTeeKeys *keys, const CvsTeeKeyParams *params, GError **error);
