/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "release/conditions.h"
#include "release/pinning.h"
#include "release/release.h"
#include "release/slot.h"
#include "vault/recovery.h"

#include <string.h>

#define NONE G_MAXUINT

static gboolean
check_authorized(const CvsRelease *release, const CvsTpm2Slot *slot,
                 const CvsResealOptions *options, GError **error)
{
    g_autoptr(GError) refusal = NULL;
    GError *denied = NULL;

    if (options->authorized || cvs_conditions_check_key(release, slot, &refusal))
        return TRUE;
    denied = g_error_new(CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED,
                         "%s: its owner may not, since nothing tells whether what the profile has "
                         "come to require is as it should be now",
                         refusal->message);
    cvs_error_add_reason(denied, CVS_REASON_RESEAL_NOT_AUTHORIZED, NULL, slot->profile,
                         "profile %s was tightened after the key was sealed", slot->profile);
    cvs_error_add_reasons_of(denied, refusal);
    g_propagate_error(error, denied);
    return FALSE;
}

/* Opens the key by any slot that matches, else by the recovery key. ret_slot: the tpm2 slot that
 * opened, or NONE. What the profile asks of the TEE is not asked here: nothing leaves, and a reseal
 * is how a key is brought under a profile that was tightened. The slot's own conditions are: with
 * the same PCRs they alone may be what keeps a key shut. */
static gboolean
open_somehow(CvsAttested *attested, CvsKeyFile *key, GArray *order, const CvsResealOptions *options,
             guint *ret_slot, GError **error)
{
    g_autoptr(CvsSecret) recovery_key = NULL;
    g_autoptr(GError) refusal = NULL;

    for (guint i = 0; i < order->len; i++) {
        guint index = g_array_index(order, guint, i);
        g_autoptr(GError) local = NULL;
        gboolean holds =
            cvs_conditions_check_own(attested, cvs_key_file_get_tpm2_slot(key, index), &local);
        gboolean final = FALSE;

        if (holds &&
            check_authorized(attested->release, cvs_key_file_get_tpm2_slot(key, index), options,
                             &local) &&
            cvs_slot_open(attested->release, key, index, options->pin, &local)) {
            *ret_slot = index;
            return TRUE;
        }
        final = holds && cvs_slot_error_is_final(local);
        if (final)
            g_clear_error(&refusal);
        if (refusal == NULL)
            refusal = g_steal_pointer(&local);
        if (final)
            break;
    }
    if (options->recovery_key) {
        recovery_key = cvs_recovery_key_normalise(options->recovery_key, error);
        if (recovery_key == NULL || !cvs_key_file_open_recovery(key, recovery_key, error))
            return FALSE;
        *ret_slot = NONE;
        return TRUE;
    }
    if (refusal == NULL)
        refusal = g_error_new(CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                              "the key has no slot for a TPM; give its recovery key");
    g_propagate_prefixed_error(
        error, g_steal_pointer(&refusal),
        "cannot reseal %s: it does not open, and no recovery key was given: ",
        cvs_key_file_get_name(key));
    return FALSE;
}

static gboolean
is_genuine_recovery(const CvsKeyFile *key, guint slot)
{
    return cvs_key_file_get_slot_kind(key, slot) == CVS_SLOT_RECOVERY &&
           cvs_key_file_slot_is_genuine(key, slot);
}

static gboolean
are_for_one_state(const CvsTpm2Slot *a, const CvsTpm2Slot *b)
{
    guint8 digest_a[CVS_POLICY_DIGEST_SIZE], digest_b[CVS_POLICY_DIGEST_SIZE];

    cvs_policy_calculate(a->policy, digest_a);
    cvs_policy_calculate(b->policy, digest_b);
    return memcmp(digest_a, digest_b, sizeof digest_a) == 0 && a->factors == b->factors &&
           g_bytes_equal(a->object.srk_name, b->object.srk_name) &&
           cvs_tee_key_params_equal(&a->tee_key, &b->tee_key) &&
           cvs_slot_conditions_equal(&a->conditions, &b->conditions);
}

/* A recovery slot is either the same or another one; a tpm2 slot has no use beside one of the same
 * TPM, PCRs, conditions, factors and demand for a PIN. */
static gboolean
is_doubled(const CvsKeyFile *key, guint slot, const GArray *kept)
{
    const CvsTpm2Slot *tpm2 = cvs_key_file_get_tpm2_slot(key, slot);

    for (guint i = 0; i < kept->len; i++) {
        guint other = g_array_index(kept, guint, i);
        const CvsTpm2Slot *other_tpm2 = cvs_key_file_get_tpm2_slot(key, other);

        if (tpm2 && other_tpm2 ? are_for_one_state(tpm2, other_tpm2)
                               : cvs_key_file_slots_are_copies(key, slot, other))
            return TRUE;
    }
    return FALSE;
}

static void
keep_unless_doubled(const CvsKeyFile *key, guint slot, GArray *kept)
{
    /* One place is for the slot that is to come. */
    if (kept->len < CVS_SLOTS_MAX - 1 && !is_doubled(key, slot, kept))
        g_array_append_val(kept, slot);
}

/* Removes what is not the key's own, and all but one of those that say the same; where there is no
 * room for all, the oldest. What cannot be opened in this state stays. */
static void
tidy(CvsKeyFile *key, guint opened)
{
    g_autoptr(GArray) genuine = cvs_slot_genuine(key);
    g_autoptr(GArray) kept = g_array_new(FALSE, FALSE, sizeof(guint));

    if (opened != NONE)
        g_array_append_val(kept, opened);
    for (guint i = 0; i < cvs_key_file_get_n_slots(key); i++) {
        if (is_genuine_recovery(key, i))
            keep_unless_doubled(key, i, kept);
    }
    for (guint i = 0; i < genuine->len; i++)
        keep_unless_doubled(key, g_array_index(genuine, guint, i), kept);
    for (guint i = cvs_key_file_get_n_slots(key); i > 0; i--) {
        gboolean stays = FALSE;

        for (guint j = 0; j < kept->len; j++)
            stays |= g_array_index(kept, guint, j) == i - 1;
        if (!stays)
            cvs_key_file_remove_slot(key, i - 1);
    }
}

static gboolean
has_recovery_slot(const CvsKeyFile *key)
{
    for (guint i = 0; i < cvs_key_file_get_n_slots(key); i++) {
        if (is_genuine_recovery(key, i))
            return TRUE;
    }
    return FALSE;
}

/* What the key was sealed to last, as far as the key itself vouches for it. Without that a reseal
 * would have to make something up, and what it makes up could be laxer. */
static const CvsTpm2Slot *
find_model(const CvsKeyFile *key, GError **error)
{
    g_autoptr(GArray) genuine = cvs_slot_genuine(key);
    GError *refusal = NULL;

    if (genuine->len > 0)
        return cvs_key_file_get_tpm2_slot(key, g_array_index(genuine, guint, 0));
    refusal = g_error_new(CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                          "cannot reseal %s: the file was changed, and no slot is left that says "
                          "what the key was sealed to; get the secret with cvmseal recover, and "
                          "seal it again",
                          cvs_key_file_get_name(key));
    cvs_error_add_reason(refusal, CVS_REASON_SLOT_FORGED, NULL, NULL,
                         "every slot for a TPM was taken out of the file or is not of this key");
    g_propagate_error(error, refusal);
    return NULL;
}

/* The newest slot, when it opens, ends those before it. One for the present state must not be that
 * while another waits for a state to come: it takes its place beside the slot that opened. */
static guint32
next_generation(const CvsKeyFile *key, guint opened, const CvsTpm2Slot *newest,
                const CvsPredicted *to)
{
    const CvsTpm2Slot *slot = opened != NONE ? cvs_key_file_get_tpm2_slot(key, opened) : NULL;

    return slot && to == NULL && newest->predicted && slot->generation < newest->generation
               ? slot->generation
               : newest->generation + 1;
}

gboolean
cvs_release_reseal(const CvsRelease *release, const CvsOwner *owner, const char *name,
                   const CvsResealOptions *options, GError **error)
{
    g_autoptr(CvsKeyLock) lock = NULL;
    g_autoptr(CvsKeyFile) key = NULL;
    g_autoptr(CvsProfile) profile = NULL;
    g_autoptr(CvsSecret) secret = NULL;
    g_autoptr(GArray) order = NULL;
    g_autoptr(GBytes) file = NULL;
    g_autoptr(GBytes) state = NULL;
    g_auto(CvsNewSlot) made = {0};
    const CvsTpm2Slot *model = NULL;
    g_auto(CvsAttested) attested = {.release = release};
    g_auto(CvsSlotConditions) conditions = {0};
    CvsPinning pinning = {0};
    CvsSlotRequest request = {0};
    guint8 digest[32];
    gboolean has_pin = FALSE;
    gboolean derived_key = FALSE;
    guint opened = NONE;

    if (!cvs_key_name_check(name, error))
        return FALSE;
    lock = cvs_store_lock(release->store, owner, name, FALSE, release->lock_timeout_ms, error);
    if (lock == NULL)
        return FALSE;
    key = cvs_store_load(release->store, owner, name, error);
    if (key == NULL)
        return FALSE;
    order = cvs_slot_order(key);
    if (!open_somehow(&attested, key, order, options, &opened, error))
        return FALSE;
    secret = cvs_key_file_decrypt(key, error);
    if (secret == NULL)
        return FALSE;

    model = find_model(key, error);
    if (model == NULL)
        return FALSE;
    profile = cvs_profile_load(release->profile_folders, model->profile, error);
    if (profile == NULL)
        return FALSE;
    /* A PIN that the profile has come to forbid opens the key this once more, and goes. */
    has_pin = cvs_policy_needs_pin(model->policy) && profile->pin != CVS_PROFILE_FORBIDDEN;
    if (has_pin && options->pin == NULL) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_PIN_REQUIRED,
                    "the key %s has a PIN, and its new slot wants one too", name);
        return FALSE;
    }
    if (!cvs_policy_get_pcr(model->policy, &request.selection, digest))
        request.selection = (CvsPcrSelection){.bank = profile->bank, .mask = profile->pcrs};
    request.selection.mask |= profile->required_pcrs;
    request.profile = profile;
    request.pin = has_pin || profile->pin == CVS_PROFILE_REQUIRED ? options->pin : NULL;
    derived_key = profile->derived_key == CVS_PROFILE_REQUIRED ||
                  ((model->factors & CVS_FACTOR_TEE_KEY) != 0 &&
                   profile->derived_key != CVS_PROFILE_FORBIDDEN);
    request.derived_key = derived_key;
    request.predicted = options->to;
    request.allow_unmeasured = options->allow_unmeasured;
    request.generation = next_generation(key, opened, model, options->to);
    if (!cvs_conditions_check_sealing(profile, &request.selection, request.pin,
                                      has_recovery_slot(key), derived_key, error))
        return FALSE;
    pinning.former = &model->conditions;
    pinning.predicted = options->to;
    pinning.derived_key = derived_key;
    if (!cvs_pinning_make(&attested, profile, &pinning, &conditions, error))
        return FALSE;
    request.conditions = &conditions;
    request.needs_store_key = (model->factors & CVS_FACTOR_STORE_KEY) != 0;
    if (!cvs_slot_make(release, &request, &made, error))
        return FALSE;

    tidy(key, opened);
    cvs_key_file_set_store_key(key, made.store_key);
    cvs_key_file_set_tee_key(key, made.tee_key);
    if (!cvs_key_file_add_tpm2(key, made.slot, made.tpm_secret, error))
        return FALSE;
    file = cvs_key_file_serialise(key, error);
    if (file == NULL ||
        !cvs_slot_prove(file, cvs_key_file_get_n_slots(key) - 1, &made, secret, error))
        return FALSE;

    state = cvs_store_save_state(release->store, lock, made.record, error);
    return state != NULL && cvs_store_save(release->store, lock, key, TRUE, error);
}

gboolean
cvs_release_remove(const CvsRelease *release, const CvsOwner *owner, const char *name,
                   GError **error)
{
    g_autoptr(CvsKeyLock) lock = NULL;

    if (!cvs_key_name_check(name, error))
        return FALSE;
    lock = cvs_store_lock(release->store, owner, name, FALSE, release->lock_timeout_ms, error);
    return lock != NULL && cvs_store_remove(release->store, lock, error);
}
