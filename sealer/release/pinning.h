/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The conditions of a new slot, from what the TEE is now.
 *
 * What is pinned whenever there is an attestation, as far as it is there: tee.type,
 * tee.policy.debug, vtpm.kind; and tee.tcb.evaluation as a floor, so that nobody brings back old
 * collateral. Besides that what the request names, else what the profile's Claims= names, else
 * tee.measurement. */

#include "release/attested.h"

typedef struct {
    guint32 rtmrs;                   /* a mask; 0: as the profile says */
    const char *const *claims;       /* of cvs_pinnable_parse(); NULL: as the profile says */
    const CvsSlotConditions *former; /* of a slot that is to be superseded: the same claims,
                                      * registers and floors are pinned again, with their present
                                      * values; NULL or empty: none */
    gboolean derived_key;            /* a key that the TEE derives will be a factor */
    const CvsPredicted *predicted;   /* the RTMRs to pin instead of the present ones, or NULL */
} CvsPinning;

/* Nothing is asked of the TEE, and *ret_conditions is empty, where neither profile nor request nor
 * the former slot want anything of it. Else
 *
 *   the errors of cvs_attested_appraise()
 *   VtpmNotTrusted, VtpmNotBound    the TPM is the host's, which can set its PCRs as it likes:
 *                                   a guest of SNP needs a key that the TEE derives, and elsewhere
 *                                   a profile takes that or not
 *   NotSupported, ClaimMissing      a claim that is to be pinned is not there
 *   NotSupported, RtmrsMissing      an RTMR is to be pinned, and this is no TD;
 *                 RtmrsUnused       all RTMRs are zero here: they describe nothing; or all of
 *                                   those that are to be pinned are, or are predicted to be;
 *                 CcelMissing       or there is no log that would explain them
 *   InvalidArgument, RegisterNotPredicted   an RTMR is not among the predicted ones
 *   TcbTooOld                       something is below a floor of the former slot */
gboolean cvs_pinning_make(CvsAttested *attested, const CvsProfile *profile,
                          const CvsPinning *pinning, CvsSlotConditions *ret_conditions,
                          GError **error);
