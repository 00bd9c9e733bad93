/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "release/conditions.h"
#include "release/release.h"
#include "release/slot.h"
#include "vault/recovery.h"

#define NONE G_MAXUINT

/* Opens the key by any slot that matches, else by the recovery key. ret_slot: the tpm2 slot that
 * opened, or NONE. The profile is not asked here: nothing leaves, and a reseal is how a key is
 * brought under a profile that was tightened. */
static gboolean
open_somehow(const CvsRelease *release, CvsKeyFile *key, GArray *order,
             const CvsResealOptions *options, guint *ret_slot, GError **error)
{
    g_autoptr(CvsSecret) recovery_key = NULL;
    g_autoptr(GError) refusal = NULL;

    for (guint i = 0; i < order->len; i++) {
        guint index = g_array_index(order, guint, i);
        g_autoptr(GError) local = NULL;
        gboolean final = FALSE;

        if (cvs_slot_open(release, key, index, options->pin, &local)) {
            *ret_slot = index;
            return TRUE;
        }
        final = cvs_slot_error_is_final(local);
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

/* The newest slot that another can follow. A forged one may claim the last generation there is. */
static guint
newest_slot(const CvsKeyFile *key, const GArray *order)
{
    for (guint i = 0; i < order->len; i++) {
        guint index = g_array_index(order, guint, i);

        if (cvs_key_file_get_tpm2_slot(key, index)->generation < CVS_SLOT_GENERATION_MAX)
            return index;
    }
    return NONE;
}

/* Drops the tpm2 slots but the one to keep; gives the kept one's index no meaning afterwards. */
static void
drop_others(CvsKeyFile *key, guint keep)
{
    for (guint i = cvs_key_file_get_n_slots(key); i > 0; i--) {
        if (i - 1 != keep && cvs_key_file_get_slot_kind(key, i - 1) == CVS_SLOT_TPM2)
            cvs_key_file_remove_slot(key, i - 1);
    }
}

static gboolean
has_recovery_slot(const CvsKeyFile *key)
{
    for (guint i = 0; i < cvs_key_file_get_n_slots(key); i++) {
        if (cvs_key_file_get_slot_kind(key, i) == CVS_SLOT_RECOVERY)
            return TRUE;
    }
    return FALSE;
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
    CvsSlotRequest request = {0};
    guint8 digest[32];
    guint keep = NONE;

    if (!cvs_key_name_check(name, error))
        return FALSE;
    lock = cvs_store_lock(release->store, owner, name, FALSE, release->lock_timeout_ms, error);
    if (lock == NULL)
        return FALSE;
    key = cvs_store_load(release->store, owner, name, error);
    if (key == NULL)
        return FALSE;
    order = cvs_slot_order(key);
    if (!open_somehow(release, key, order, options, &keep, error))
        return FALSE;
    secret = cvs_key_file_decrypt(key, error);
    if (secret == NULL)
        return FALSE;

    /* The new slot is what the one that opened is: that one's text is authenticated by its KEK,
     * while any other slot, newer or not, can have been put into the file. Opened by the recovery
     * key there is no such slot, and the newest is taken at the file's word; the profile's demands
     * come on top. */
    if (keep == NONE)
        keep = newest_slot(key, order);
    if (keep != NONE)
        model = cvs_key_file_get_tpm2_slot(key, keep);
    if (model && cvs_policy_needs_pin(model->policy) && options->pin == NULL) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_PIN_REQUIRED,
                    "the key %s has a PIN, and its new slot wants one too", name);
        return FALSE;
    }
    profile = cvs_profile_load(release->profile_folders,
                               model ? model->profile : CVS_PROFILE_DEFAULT, error);
    if (profile == NULL)
        return FALSE;
    if (model == NULL || !cvs_policy_get_pcr(model->policy, &request.selection, digest))
        request.selection = (CvsPcrSelection){.bank = profile->bank, .mask = profile->pcrs};
    request.selection.mask |= profile->required_pcrs;
    request.profile = profile;
    request.pin =
        model == NULL || cvs_policy_needs_pin(model->policy) || profile->pin == CVS_PROFILE_REQUIRED
            ? options->pin
            : NULL;
    request.allow_unmeasured = options->allow_unmeasured;
    /* The highest, since all other slots but the kept one are dropped. */
    request.generation = model ? model->generation + 1 : 1;
    if (!cvs_conditions_check_sealing(profile, &request.selection, request.pin,
                                      has_recovery_slot(key), error))
        return FALSE;
    if (!cvs_slot_make(release, &request, &made, error))
        return FALSE;

    drop_others(key, keep);
    if (!cvs_key_file_add_tpm2(key, made.slot, made.tpm_secret, error))
        return FALSE;
    file = cvs_key_file_serialise(key, error);
    if (file == NULL ||
        !cvs_slot_prove(file, cvs_key_file_get_n_slots(key) - 1, made.tpm_secret, secret, error))
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
