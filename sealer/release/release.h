/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The only code that returns a secret, and what shares its rules: sealing, resealing, explaining.
 * No D-Bus, no main loop: the daemon's worker thread, the CLI with --direct and, later, the key
 * server of the boot call these functions and nothing below them.
 *
 * Every function is bounded in time by the TPM and the disk, and changes nothing on an error. Busy
 * with the reason AttestationUnderWay, where TEE or host are asked in threads: call it again, with
 * the same tee_keys, when they have answered. */

#include "policy/profile.h"
#include "release/drop.h"
#include "release/predicted.h"
#include "release/tee-keys.h"
#include "tee/tee-paths.h"
#include "tpm/tpm.h"
#include "vault/store.h"

/* What knows the TEE: attest/attester.h. */
typedef struct {
    /* The claims of this boot's attestation, in which a TD's registers are those of now, appraised
     * by the profile: cvs_attester_appraise(). *ret_claims is also set where the profile refuses;
     * else there is no attestation. */
    gboolean (*appraise)(gpointer data, const CvsProfile *profile, json_t **ret_claims,
                         GError **error);
    /* A TD's registers now: cvs_attester_read_rtmrs(). */
    gboolean (*read_rtmrs)(gpointer data, guint8 ret_rtmr[static CVS_TD_RTMRS][CVS_TD_MR_SIZE],
                           GError **error);
    gpointer data;
} CvsReleaseAttester;

/* What a release works with; all borrowed, one thread at a time. */
typedef struct {
    CvsTpm *tpm;
    CvsStore *store;
    const char *const *profile_folders; /* NULL-terminated, most important first */
    guint lock_timeout_ms;              /* how long a writer waits for a key's lock */
    /* Wrong PINs lock the whole TPM, for whoever else has one: half of the tries are not for this
     * caller. */
    gboolean spares_tries;
    const char *store_key_file; /* vault/store-key.h: its bytes are a factor of each key that
                                 * is sealed while it is there; NULL: there is none */
    /* A key without that factor is neither sealed nor released: whoever has the TPM could have made
     * it, and put it in the place of another. */
    gboolean require_store_key;
    const CvsReleaseAttester *attester; /* NULL: nothing is attested, and what asks for a TEE is
                                         * refused (NotAttested) */
    CvsTeeKeys *tee_keys; /* what the TEE derives for this request; NULL: nothing derives keys
                           * (DerivedKeyUnavailable) */
    const CvsTeePaths *tee_paths; /* where the logs of the registers are; NULL: none are */
    gboolean test_roots;          /* the attester takes roots that are not the vendors' */
} CvsRelease;

/* How to seal. NULL and 0 mean: as the profile says. */
typedef struct {
    const char *profile;       /* NULL: CVS_PROFILE_DEFAULT */
    guint32 pcrs;              /* a mask; 0: the profile's */
    const CvsHash *bank;       /* NULL: the profile's */
    guint32 rtmrs;             /* a mask; 0: the profile's */
    const char *const *claims; /* of cvs_pinnable_parse(): what is pinned; NULL: the profile's */
    gboolean allow_unmeasured;
    /* A key that the TEE derives is to be a factor (tee/tee-key.h); also if the profile requires
     * it. Each release costs a request to the firmware then, of which there is one in two seconds.
     */
    gboolean derived_key;
    gboolean this_boot; /* also in a TPM that is new at each boot */
    gboolean replace;
    const CvsSecret *pin;       /* NULL: none */
    gboolean want_recovery_key; /* also if the profile requires one */
    /* Called before the key is written: a recovery key that nobody received is worth nothing, so if
     * this fails nothing is sealed. Needed if want_recovery_key. */
    gboolean (*deliver_recovery_key)(const CvsSecret *recovery_key, gpointer data, GError **error);
    gpointer deliver_data;
} CvsSealOptions;

/* Seals a secret to the present state: has the TEE attested if that is asked for, and pins what the
 * key is to be sealed to (release/pinning.h); reads the PCRs, seals, unseals and compares, then
 * writes. ret_id: the key's id. */
gboolean cvs_release_seal(const CvsRelease *release, const CvsOwner *owner, const char *name,
                          const CvsSecret *secret, const CvsSealOptions *options, char **ret_id,
                          GError **error);

/* THE function that returns a secret. Load the key; each tpm2 slot in turn, newest generation
 * first: the present profile accepts the TEE and the slot, the slot's own conditions hold, the
 * TPM's policy holds, the KEK opens the slot. The
 * error is that of the newest slot, with the reasons of all. A wrong PIN and
 * a TPM that fails when it is to unseal end the search, and theirs is the error. A slot that is not
 * the key's own does not keep another from opening, and is named in a warning (SlotForged). When
 * the newest of the key's own slots opens, the other tpm2 slots are dropped from the file (best
 * effort: a disk that cannot be written to does not stop a release), but for those of the key's own
 * that are for another state to come: whatever opens, they wait. One for a state to come becomes
 * the newest of the others when it opens, and waits no longer. */
CvsSecret *cvs_release_unseal(const CvsRelease *release, const CvsOwner *owner, const char *name,
                              const CvsSecret *pin, GError **error);

typedef struct {
    const CvsSecret *pin; /* needed if the key has one, and becomes the new slot's */
    /* Opens the key if the state does not, in any form that vault/recovery.h forgives; NULL: none.
     */
    const CvsSecret *recovery_key;
    gboolean allow_unmeasured;
    /* The caller may say what is a good state: an administrator. */
    gboolean authorized;
    const CvsPredicted *to; /* the state to seal to; NULL: the present one */
    CvsDrop drop;           /* 0: nothing is left behind */
} CvsResealOptions;

/* Moves a key to the present state: opens it (by a slot that matches, or by the recovery key) and
 * adds a slot for the present state with the profile, the PIN, the PCRs, claims and RTMRs of the
 * newest slot that is the key's own, and what the profile has come to require. A PIN or a derived
 * key that it has come to forbid is TeeRefused with PinForbidden or DerivedKeyForbidden, unless
 * drop says that it may go.
 *
 * A slot opens the key only if its own conditions hold too: else whoever may reseal
 * could move a key to a TEE that may not have it. What nothing vouches for needs somebody who says
 * that it is good now, else NotAuthorized with ResealNotAuthorized. That is a slot that the profile
 * refuses, because it has come to require more PCRs or a PIN; and a PCR, a claim or an RTMR that
 * the new slot has, since the profile has come to ask for it or the newest slot does, and the slot
 * that opened has not. Somebody is who is authorized, or has given the recovery key. However the
 * key was opened, its MACs tell which slots are its own (vault/slot-mac.h).
 *
 * Slots that are not the key's own are dropped, recovery slots among them. The key's own stay, also
 * those that do not open now, until the newest has opened in a release; and those for a state to
 * come until that has. Whoever reseals in a state that does not come again can still go back. Of
 * several for one state the newest stays, and the one that opened; where there is no room for all,
 * the oldest goes. The one that opened, recovery slots and those for states to come do not go:
 * where there is no room for these, TooLarge with SlotsFull.
 *
 * With options->to the new slot is for a state that is to come, and what was there is kept beside
 * it by the same rule, but one for the very same state, whose place it takes. The claims about the
 * TEE are pinned as they are now. All registers that the
 * new slot has must be known (RegisterNotPredicted); PCRs that would say nothing are refused as
 * PcrUnmeasured is, and RTMRs as RtmrsUnused.
 *
 * InvalidArgument for what is no recovery key, NotAuthorized for one that is not this key's;
 * BadFormat with the reason SlotForged if no slot is left that says what the key was sealed to. */
gboolean cvs_release_reseal(const CvsRelease *release, const CvsOwner *owner, const char *name,
                            const CvsResealOptions *options, GError **error);

gboolean cvs_release_remove(const CvsRelease *release, const CvsOwner *owner, const char *name,
                            GError **error);

/* What makes lock 2 hold (DESIGN: two locks): "store-key" while there is one, "unmeasured" without,
 * "unfit" if the file is not as it must be, so that nothing is sealed. */
const char *cvs_release_lock2(const char *store_key_file);

/* Why a key opens or does not, without opening it: JSON text
 * {"name", "owner", "opens": bool, "slots": [{"slot", "kind", "generation", "profile", "pin": bool,
 *   "pcrs": "0+2+7", "bank", "conditions": as in the slot, "store_key": bool, "tee_key": bool,
 *   "pcrs_bind_host": bool, "predicted": bool, "matches": bool,
 *   "reasons": [{"code", "detail", "seen", "wanted"}],
 *   "forbidden": the same, for what the profile has come to forbid: the slot opens, but a reseal
 *     wants to be told that it may go,
 *   "events": one for each register that differs (release/events.h)}]}
 * and "test_roots": true where they are allowed. */
char *cvs_release_explain(const CvsRelease *release, const CvsOwner *owner, const char *name,
                          GError **error);
