/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a tpm2 slot says, as JSON in canonical form (compact, members sorted), at most CVS_SLOT_MAX
 * bytes. Every byte of it enters the KEK. Members, all required but the last three:
 *
 *   "version": 1, "type": "tpm2"
 *   "srk", "public", "private"   base64url: the sealed object (tpm/seal.h)
 *   "policy"                     the policy's elements (tpm/policy.h)
 *   "factors"                    "tpm2", then "store-key", then "tee-key": what the KEK is derived
 *                                from, in this order; the first always
 *   "generation"                 1 to 2^31 - 1: the highest is the newest
 *   "profile"                    a profile's name
 *   "conditions"                 the key's own conditions (vault/slot-conditions.h); {}: none
 *   "tee_key"                    how the TEE derives its key (tee/tee-key.h); there if and only if
 *                                that is a factor
 *   "predicted"                  true: for a state that was to come when the slot was made, and has
 *                                not opened the key since
 *   "state"                      base64url: SHA-256 of the state record beside the key
 *
 * Reading refuses what this list does not have: a condition that is not understood must not count
 * as fulfilled. */

#include "tee/tee-key.h"
#include "tpm/seal.h"
#include "vault/slot-conditions.h"

#include <glib.h>

#define CVS_SLOT_MAX 2048
#define CVS_SLOT_VERSION 1
#define CVS_SLOT_STATE_SIZE 32 /* SHA-256 */
/* Part 1 of the TPM 2.0 Library specification, section 16: a Name is a u16 of the hash and the
 * digest, of 32 to 64 bytes with the hashes that can be a nameAlg today. */
#define CVS_SLOT_SRK_NAME_MIN 34
#define CVS_SLOT_SRK_NAME_MAX 66
#define CVS_SLOT_GENERATION_MAX G_MAXINT32

/* Factors of the KEK, in the fixed order in which they enter it. A slot lists those it uses. */
typedef enum {
    CVS_FACTOR_TPM2 = 1 << 0,      /* the secret in the sealed object */
    CVS_FACTOR_STORE_KEY = 1 << 1, /* the store key (vault/store-key.h) */
    CVS_FACTOR_TEE_KEY = 1 << 2,   /* the key that the TEE derives (tee/tee-key.h) */
} CvsFactors;

typedef struct {
    CvsSealedObject object;
    CvsPolicy *policy;
    CvsFactors factors;
    guint32 generation; /* 1 at sealing; one more with a reseal, and when a predicted one opens */
    CvsTeeKeyParams tee_key; /* if it is among the factors */
    char *profile;           /* the profile's name */
    CvsSlotConditions conditions;
    gboolean predicted;
    GBytes *state; /* SHA-256 of the state record beside the key; NULL if there is none */
} CvsTpm2Slot;

/* Frees what it holds; it can be used again. */
void cvs_tpm2_slot_clear(CvsTpm2Slot *slot);
void cvs_tpm2_slot_free(CvsTpm2Slot *slot);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CvsTpm2Slot, cvs_tpm2_slot_clear)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsTpm2Slot, cvs_tpm2_slot_free)

/* BadFormat naming the member; TooLarge. */
CvsTpm2Slot *cvs_tpm2_slot_parse(GBytes *json, GError **error);
/* The long way of reading (see vault/tpm2-slot-scan.h). */
CvsTpm2Slot *cvs_tpm2_slot_parse_json(GBytes *json, GError **error);
/* TooLarge. What it gives, cvs_tpm2_slot_parse() takes if the slot is complete. */
GBytes *cvs_tpm2_slot_format(const CvsTpm2Slot *slot, GError **error);
