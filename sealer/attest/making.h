/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One attestation in the making, for attester.c: keys read, TEE asked, keys proven, PCRs quoted,
 * all of it verified. Where the answer of TEE or host is awaited by a thread of its own, it stops
 * there and is gone on with later. */

#include "attest/attester.h"
#include "attest/errand.h"

/* config, and what it names, are borrowed, as is out: the errand of this attester that is under way
 * or was the last, since there is never more than one (NULL at first; a reference is kept there).
 */
CvsMaking *cvs_making_new(const CvsAttesterConfig *config, CvsErrand **out, GBytes *nonce,
                          GBytes *user_data, const CvsPcrSelection *selection, gint64 at);
void cvs_making_free(CvsMaking *making);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsMaking, cvs_making_free)

/* Its evidence answers this challenge, whose nonce it has; borrowed. */
void cvs_making_set_challenge(CvsMaking *making, const CvsChallenge *challenge);

/* Goes on with it to its end, and then ret_claims (may be NULL) are the claims, verified but for
 * dates. Busy with the reason AttestationUnderWay: call it again when config->back was called.
 * Whatever else fails is the end of this one. */
gboolean cvs_making_go_on(CvsMaking *making, json_t **ret_claims, GError **error);

/* TEE or paravisor were asked on behalf of it. */
gboolean cvs_making_has_asked(const CvsMaking *making);
gint64 cvs_making_at(const CvsMaking *making);
/* Of one that is complete. */
const CvsEvidenceBundle *cvs_making_bundle(const CvsMaking *making);
CvsEvidenceBundle *cvs_making_steal_bundle(CvsMaking *making);
