/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A sealed key as a file: a JWE in the general JSON serialisation (RFC 7516, section 7.2.1), `enc`
 * A256GCM. Its protected header says what the key is and never changes; each recipient is a slot
 * that opens it in its own way. In the protected header, beside "enc" and "typ":
 *
 *   "cvmseal": {"version": 1, "id": 32 hex digits, "name", "owner": "uid:1000",
 *               "stage": "boot" or "system", "created": seconds since 1970}
 *
 * Any `jose` opens the file by its recovery slot. The allow-list of what is read stands in
 * vault/jwe.h, the slot's JSON in vault/tpm2-slot.h, the key-encryption key in vault/kek.h, the MAC
 * of a slot in vault/slot-mac.h.
 *
 * Reading is an allow-list: what this file does not know is refused with BadFormat, never skipped.
 * Limits: CVS_KEY_FILE_MAX bytes, CVS_SECRET_MAX bytes of secret, CVS_SLOTS_MAX slots. */

#include "base/secret.h"
#include "vault/owner.h"
#include "vault/tpm2-slot.h"

#include <glib.h>

#define CVS_KEY_FILE_MAX (1024 * 1024)
#define CVS_SECRET_MAX 65536
#define CVS_SLOTS_MAX 32
#define CVS_KEY_FILE_VERSION 1

/* When a key is released (DESIGN: stages): 0 in the initrd, 1 by the system. */
typedef enum {
    CVS_STAGE_BOOT = 0,
    CVS_STAGE_SYSTEM = 1,
} CvsStage;

typedef enum {
    CVS_SLOT_TPM2,
    CVS_SLOT_RECOVERY,
} CvsSlotKind;

typedef struct _CvsKeyFile CvsKeyFile;
void cvs_key_file_free(CvsKeyFile *key);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsKeyFile, cvs_key_file_free)

/* What the protected header says. Authenticated only once a slot has opened. */
const char *cvs_key_file_get_name(const CvsKeyFile *key);
const CvsOwner *cvs_key_file_get_owner(const CvsKeyFile *key);
CvsStage cvs_key_file_get_stage(const CvsKeyFile *key);
const char *cvs_key_file_get_id(const CvsKeyFile *key);    /* 32 hex digits, random */
gint64 cvs_key_file_get_created(const CvsKeyFile *key);    /* seconds since 1970, UTC */
gsize cvs_key_file_get_secret_size(const CvsKeyFile *key); /* of the ciphertext, A256GCM */

/* A new key with a new id and no slots: encrypts the secret (1 to CVS_SECRET_MAX bytes) under a new
 * CEK, which stays with the object until it is freed so that slots can be added. */
CvsKeyFile *cvs_key_file_new(const char *name, const CvsOwner *owner, CvsStage stage,
                             const CvsSecret *secret, GError **error);

/* Parses; opens nothing. BadFormat, TooLarge. */
CvsKeyFile *cvs_key_file_parse(const void *data, gsize size, GError **error);
/* At least one slot. */
GBytes *cvs_key_file_serialise(const CvsKeyFile *key, GError **error);

guint cvs_key_file_get_n_slots(const CvsKeyFile *key);
CvsSlotKind cvs_key_file_get_slot_kind(const CvsKeyFile *key, guint slot);
/* Borrowed; NULL if the slot is of another kind. */
const CvsTpm2Slot *cvs_key_file_get_tpm2_slot(const CvsKeyFile *key, guint slot);

/* The store key, for slots that are opened and added from now on; a reference is taken. NULL: none.
 */
void cvs_key_file_set_store_key(CvsKeyFile *key, CvsSecret *store_key);

/* The key that the TEE derives, for the slot that is opened or added next: each has parameters of
 * its own. A reference is taken. NULL: none. */
void cvs_key_file_set_tee_key(CvsKeyFile *key, CvsSecret *tee_key);

/* Opens the key: the CEK is unwrapped and kept in the object. Slots that are not the key's own are
 * then known, and named in a warning with the code SlotForged; they do not keep a genuine one from
 * opening. The slot that opens needs no MAC to prove it: one that was changed is put right in the
 * object, named in the warning too, and written with the next change of the key. BadFormat with
 * reason SlotAltered if the KEK does not fit the slot; TeeRefused with reason StoreKeyMissing if
 * the slot wants a store key and none was set, or
 * DerivedKeyUnavailable likewise. tpm_secret: what the TPM unsealed for this very
 * slot. */
gboolean cvs_key_file_open_tpm2(CvsKeyFile *key, guint slot, const CvsSecret *tpm_secret,
                                GError **error);
/* By a recovery key in its written form (see vault/recovery.h), trying every recovery slot.
 * NotAuthorized if none opens. */
gboolean cvs_key_file_open_recovery(CvsKeyFile *key, const CvsSecret *recovery_key, GError **error);
gboolean cvs_key_file_is_open(const CvsKeyFile *key);
/* Of an open key: FALSE for a slot that it does not vouch for, and whose text says nothing then. */
gboolean cvs_key_file_slot_is_genuine(const CvsKeyFile *key, guint slot);
/* Of an open key: TRUE if both are genuine and the same to the last byte. */
gboolean cvs_key_file_slots_are_copies(const CvsKeyFile *key, guint a, guint b);

/* The secret of an open key. BadFormat if the ciphertext does not authenticate. */
CvsSecret *cvs_key_file_decrypt(const CvsKeyFile *key, GError **error);

/* Adds a slot to an open key; the CEK and the other slots stay as they are. The slot's KEK is
 * derived from the secret that is sealed in it, and the store key and the TEE's if it lists them.
 * On success the slot's contents are moved into the key and *slot is empty; on an error it is
 * untouched. BadFormat, TooLarge (slot or number of slots). */
gboolean cvs_key_file_add_tpm2(CvsKeyFile *key, CvsTpm2Slot *slot, const CvsSecret *tpm_secret,
                               GError **error);
/* Of an open key: the state that a slot was made for has come. In the same place, with the same
 * object of the TPM, it is one for the present state then, with these conditions and of that
 * generation. The factors are as for cvs_key_file_open_tpm2(). On an error nothing is changed. */
gboolean cvs_key_file_set_arrived(CvsKeyFile *key, guint slot, const CvsSlotConditions *conditions,
                                  guint32 generation, const CvsSecret *tpm_secret, GError **error);
/* recovery_key: in its written form, InvalidArgument otherwise. */
gboolean cvs_key_file_add_recovery(CvsKeyFile *key, const CvsSecret *recovery_key, GError **error);
void cvs_key_file_remove_slot(CvsKeyFile *key, guint slot);
