/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One tpm2 slot: made for the present state, and opened. */

#include "release/attested.h"

/* What a new slot is to be. */
typedef struct {
    const CvsProfile *profile;
    CvsPcrSelection selection;
    const CvsSecret *pin;                /* NULL: none */
    const CvsSlotConditions *conditions; /* NULL: none */
    const CvsPredicted *predicted;       /* NULL: for the present state */
    gboolean allow_unmeasured;
    gboolean needs_store_key; /* refused without it */
    gboolean derived_key;     /* likewise */
    guint32 generation;
} CvsSlotRequest;

/* A slot for the present state, proven: what was sealed was unsealed again and compared. Of one for
 * a state that is to come less can be proven: cvs_tpm_check_sealed(), and that the TPM gives back
 * what is sealed in the same way, with the same PIN, to the same PCRs as they are now. record is
 * the text of its state record, which the caller stores before the key. */
typedef struct {
    CvsTpm2Slot *slot;
    CvsSecret *tpm_secret;
    CvsSecret *store_key; /* NULL: no factor */
    CvsSecret *tee_key;   /* NULL: no factor */
    char *record;
} CvsNewSlot;
void cvs_new_slot_clear(CvsNewSlot *made);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CvsNewSlot, cvs_new_slot_clear)

/* Nothing is written to the disk. PcrUnmeasured, TPM errors; Busy if the PCRs keep changing;
 * TeeRefused with StoreKeyMissing, StorageError with StoreKeyUnfit; errors of tee/tee-key.h. */
gboolean cvs_slot_make(const CvsRelease *release, const CvsSlotRequest *request,
                       CvsNewSlot *ret_made, GError **error);

/* The store key is there, if the slot lists it. */
gboolean cvs_slot_check_store_key(const CvsRelease *release, const CvsTpm2Slot *slot,
                                  GError **error);

/* The TEE derives the key that the slot was sealed with, if the slot lists that. */
gboolean cvs_slot_check_tee_key(const CvsRelease *release, const CvsTpm2Slot *slot, GError **error);

/* Opens the key by one slot: the store key is there if the slot lists it, the TPM's policy holds
 * and the KEK fits. On PcrMismatch the reasons say which PCRs. The profile is not asked here. A
 * slot that was made for a state to come opens only if the floors of the newest one that came hold
 * too (cvs_conditions_check_former_floors()). In the object it has those then, and is the newest of
 * the ones for the present: its state has come. */
gboolean cvs_slot_open(CvsAttested *attested, CvsKeyFile *key, guint slot, const CvsSecret *pin,
                       GError **error);

/* True if the other slots are not to be tried after this error: a wrong PIN would count against the
 * TPM's limit once for each, and a TPM that fails now does so for all, as does a TEE whose turn
 * did not come: each slot would wait as long. */
gboolean cvs_slot_error_is_final(const GError *error);

/* The tpm2 slots of a key, newest generation first: guint indices. */
GArray *cvs_slot_order(const CvsKeyFile *key);
/* The same of an open key, without those that are not the key's own. */
GArray *cvs_slot_genuine(const CvsKeyFile *key);

/* FALSE where the slot was sealed with a TPM that was not shown to be in the TEE: its PCRs, and
 * what is sealed in it, are the host's. TRUE also where the TEE was not looked at. */
gboolean cvs_slot_pcrs_bind_host(const CvsTpm2Slot *slot);
/* The newest genuine slot of an open key that is not for a state to come, but for the one except;
 * G_MAXUINT: there is none. */
guint cvs_slot_newest_that_came(const CvsKeyFile *key, guint except);

/* True if they differ in nothing that decides when they open, but in being for a state to come. */
gboolean cvs_slots_are_for_one_state(const CvsTpm2Slot *a, const CvsTpm2Slot *b);

/* Proves that what would be written gives the secret back by the new slot: parses the bytes, opens
 * them with the slot's factors and compares. */
gboolean cvs_slot_prove(GBytes *file, guint slot, const CvsNewSlot *made, const CvsSecret *secret,
                        GError **error);
