/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a profile asks of a key: of one that is about to be sealed, and, since a profile can be
 * tightened later, of each slot again when it is to be released; and what the slot asks itself. */

#include "release/attested.h"

/* At sealing, of all but the TEE (release/pinning.h). pin, recovery and derived_key say whether the
 * new key has them. InvalidArgument or TeeRefused with the reasons. */
gboolean cvs_conditions_check_sealing(const CvsProfile *profile, const CvsPcrSelection *selection,
                                      const CvsSecret *pin, gboolean recovery, gboolean derived_key,
                                      GError **error);

/* A profile can have come to forbid what a slot has: a PIN, a derived key. That opens it still; but
 * a slot without is weaker, and nobody makes one unasked. drop: what may go. TeeRefused with
 * PinForbidden, DerivedKeyForbidden. */
gboolean cvs_conditions_check_forbidden(const CvsProfile *profile, const CvsTpm2Slot *slot,
                                        CvsDrop drop, GError **error);

/* A profile that says of the TPM that it is new at each boot (Persistent=no) lets keys be sealed
 * for this boot only: NotSupported with TpmEphemeral unless that is what the caller wants. The same
 * where the key is sealed to a vTPM that is a TD of its own, which has its state in its memory
 * alone, unless the profile says Persistent=yes. */
gboolean cvs_conditions_check_persistent(const CvsProfile *profile,
                                         const CvsSlotConditions *conditions, gboolean this_boot,
                                         GError **error);

/* At release: the profile's rules about the TEE and the key, then the slot's claims and floors,
 * then its RTMRs. The error is that of the first which does not hold, with every reason of all. */
gboolean cvs_conditions_check_slot(CvsAttested *attested, const CvsTpm2Slot *slot, GError **error);

/* What the present profile asks of the key itself (PCRs, PIN), and nothing of the TEE: FALSE for
 * one that was sealed under laxer rules. */
gboolean cvs_conditions_check_key(const CvsRelease *release, const CvsTpm2Slot *slot,
                                  GError **error);

/* The slot's own conditions alone, whatever the profile says: for a reseal. */
gboolean cvs_conditions_check_own(CvsAttested *attested, const CvsTpm2Slot *slot, GError **error);

/* The floors of the newest slot that came before the one that has opened, which was for a state to
 * come: whoever prepared it could not know of what was raised since. key is open. */
gboolean cvs_conditions_check_former_floors(CvsAttested *attested, const CvsKeyFile *key,
                                            guint opened, GError **error);
