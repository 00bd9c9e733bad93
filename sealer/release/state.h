/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The state record of a slot: what `explain` needs and the release does not, the register values at
 * sealing. It lies beside the key, and the slot names it by its SHA-256, so that it is as
 * trustworthy as the slot. Losing it loses an explanation, never a key. */

#include "release/release.h"

/* JSON text of the record. */
char *cvs_state_record(const CvsPcrValues *pcrs);
/* The SHA-256 by which a slot names it. */
GBytes *cvs_state_digest(const char *record);

/* The PCR values that a slot was sealed to. NoSuchKey if the slot has no record or it is lost,
 * BadFormat if it is damaged or of another selection than the slot's. */
gboolean cvs_state_load_pcrs(const CvsRelease *release, const CvsKeyFile *key,
                             const CvsTpm2Slot *slot, CvsPcrValues *ret_values, GError **error);

/* Adds to the error why the slot's PCRs do not match: PcrDiffers for each PCR with both values, or
 * PcrStateUnknown with both digests where the record is lost, or PcrBankMissing for each that this
 * TPM has not. Adds nothing if the PCRs match. FALSE with an error if the TPM could not be read.
 * ret_matches may be NULL. */
gboolean cvs_state_explain_pcrs(const CvsRelease *release, const CvsKeyFile *key,
                                const CvsTpm2Slot *slot, GError *refusal, gboolean *ret_matches,
                                GError **error);
