/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One attestation in the making, for attester.c: keys read, TEE asked, keys proven, PCRs quoted,
 * all of it verified. Where the answer of TEE or host is awaited by a thread of its own, it stops
 * there and is gone on with later. */

#include "attest/attester.h"
#include "attest/errand.h"

/* What the makings of one attester have in common. */
typedef struct {
    /* The errand that is under way or was the last, since there is never more than one; NULL: none
     * yet. A reference. */
    CvsErrand *out;
    GMutex mutex; /* of what follows, since a making may be freed by any thread */
    /* Whose user data the paravisor has, which it puts into every report: another's would spoil
     * this one's. NULL: nobody's. */
    const CvsMaking *owner;
    gint64 owned_until; /* on the clock: nobody may have gone on with it since */
    gboolean wanted;    /* by another, which is to be told when it is free */
} CvsMakings;

/* config, and what it names, are borrowed, as is all, which outlives the making. */
CvsMaking *cvs_making_new(const CvsAttesterConfig *config, CvsMakings *all, GBytes *nonce,
                          GBytes *user_data, const CvsPcrSelection *selection, gint64 at);
void cvs_making_free(CvsMaking *making);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsMaking, cvs_making_free)

/* Its evidence answers this challenge, whose nonce it has; borrowed. */
void cvs_making_set_challenge(CvsMaking *making, const CvsChallenge *challenge);

/* Goes on with it to its end, and then ret_claims (may be NULL) are the claims, verified but for
 * dates. Busy with the reason AttestationUnderWay: call it again when config->back was called,
 * which is also done, in the calling thread, when one that others waited for is over or freed.
 * Whatever else fails is the end of this one. */
gboolean cvs_making_go_on(CvsMaking *making, json_t **ret_claims, GError **error);

/* TEE or paravisor were asked on behalf of it. */
gboolean cvs_making_has_asked(const CvsMaking *making);
gint64 cvs_making_at(const CvsMaking *making);
/* Of one that is complete. */
const CvsEvidenceBundle *cvs_making_bundle(const CvsMaking *making);
CvsEvidenceBundle *cvs_making_steal_bundle(CvsMaking *making);
