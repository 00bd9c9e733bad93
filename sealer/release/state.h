/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The state record of a slot: what `explain` needs and the release does not, the register values at
 * sealing and the events that led there. It lies beside the key, and the slot names it by its
 * SHA-256, so that it is as trustworthy as the slot. Losing it loses an explanation, never a key.
 *
 *   "version"    2; 1 had no trails
 *   "registers"  the PCRs (tpm/pcr.h); those of RTMRs are in the slot's conditions
 *   "trails"     of these and of the slot's RTMRs (tee/trail.h), as far as the logs led to their
 *                values and CVS_STATE_TRAILS_MAX bytes were enough, lowest register first; where
 *                they are not, texts are left out before events are */

#include "release/attested.h"
#include "tee/boot-logs.h"

#define CVS_STATE_TRAILS_MAX (64 * 1024)

typedef struct {
    CvsPcrValues pcrs;
    GPtrArray *trails; /* CvsTrail*, each of which leads to the value that the slot was sealed to */
} CvsState;
void cvs_state_clear(CvsState *state);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CvsState, cvs_state_clear)

/* JSON text of the record. conditions and logs may be NULL. */
char *cvs_state_record(const CvsPcrValues *pcrs, const CvsSlotConditions *conditions,
                       const CvsBootLogs *logs);
/* The SHA-256 by which a slot names it. */
GBytes *cvs_state_digest(const char *record);

/* The state that a slot was sealed to. NoSuchKey if the slot has no record or it is lost, BadFormat
 * if it is damaged, or of other PCR values than the slot's policy has. A trail that does not lead
 * to the sealed value is not in it. */
gboolean cvs_state_load(const CvsRelease *release, const CvsKeyFile *key, const CvsTpm2Slot *slot,
                        CvsState *ret_state, GError **error);

/* Adds to the error why the slot's PCRs do not match: PcrDiffers for each PCR with both values, and
 * after these the event of each (release/events.h); or PcrStateUnknown with both digests where the
 * record is lost, or PcrBankMissing for each that this TPM has not. Adds nothing if the PCRs match.
 * FALSE with an error if the TPM could not be read. ret_matches and events may be NULL. */
gboolean cvs_state_explain_pcrs(const CvsRelease *release, const CvsKeyFile *key,
                                const CvsTpm2Slot *slot, GError *refusal, json_t *events,
                                gboolean *ret_matches, GError **error);
/* Adds to the error, which has a reason RtmrDiffers for each RTMR of the slot's that differs, the
 * event of each. To another it adds nothing. events may be NULL. */
void cvs_state_explain_rtmrs(const CvsAttested *attested, const CvsKeyFile *key,
                             const CvsTpm2Slot *slot, GError *refusal, json_t *events);
