/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Lock 2: what the TEE has to be before the TPM is asked. A profile that has rules about a TEE, and
 * a slot that has conditions of its own (vault/slot-conditions.h), each want an attestation of this
 * boot; where there is none nothing is released, and nothing is ever passed over. */

#include "release/release.h"

/* What one request finds out only once: an attestation that fails may have cost seconds, and a key
 * may have many slots. */
typedef struct {
    const CvsRelease *release;
    GError *failure; /* why there is no attestation; NULL: there may be one */
} CvsAttested;

void cvs_attested_clear(CvsAttested *attested);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CvsAttested, cvs_attested_clear)

gboolean cvs_attested_is_needed(const CvsProfile *profile, const CvsSlotConditions *conditions);

/* The claims of this boot, accepted by the profile; of a profile without rules about a TEE, by
 * those that hold by default. Where it is the profile that refuses, its error, and *ret_claims is
 * set all the same. Where there is no attestation, the error of the attempt with its reasons behind
 * a reason NotAttested. */
gboolean cvs_attested_appraise(CvsAttested *attested, const CvsProfile *profile,
                               json_t **ret_claims, GError **error);

/* The slot's claims and floors. TeeRefused with a reason for each that does not hold: ClaimDiffers;
 * for floors TcbBelowFloor, GuestSvnTooLow, TcbDateTooOld, CollateralRollback. TcbTooOld if it is
 * floors alone. */
gboolean cvs_attested_check_claims(const CvsSlotConditions *conditions, const json_t *claims,
                                   GError **error);

/* The slot's RTMRs, against the registers read now. RegisterMismatch with a reason RtmrDiffers for
 * each; if they cannot be read, the error of that with the reason NotAttested. */
gboolean cvs_attested_check_rtmrs(const CvsAttested *attested, const CvsSlotConditions *conditions,
                                  GError **error);
/* The registers now, with that same error. Only after claims were had. */
gboolean cvs_attested_read_rtmrs(const CvsAttested *attested,
                                 guint8 ret_rtmr[static CVS_TD_RTMRS][CVS_TD_MR_SIZE],
                                 GError **error);
