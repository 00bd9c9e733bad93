/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "release/conditions.h"
#include "release/pinning.h"
#include "release/release.h"
#include "release/slot.h"
#include "vault/recovery.h"

/* The cheap half of what cvs_store_save() asks under the lock: spares the TPM the work. */
static gboolean
check_name_is_free(const CvsRelease *release, const CvsOwner *owner, const char *name,
                   GError **error)
{
    g_autoptr(CvsKeyFile) old = NULL;
    g_autoptr(GError) local = NULL;

    old = cvs_store_load(release->store, owner, name, &local);
    if (old == NULL && g_error_matches(local, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY))
        return TRUE;
    /* A damaged key is one; where nothing could be read nobody knows. */
    if (old == NULL && (g_error_matches(local, CVS_ERROR, CVS_ERROR_STORAGE_ERROR) ||
                        g_error_matches(local, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED))) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    g_set_error(error, CVS_ERROR, CVS_ERROR_KEY_EXISTS,
                "there is a key %s already; replace it with --replace", name);
    return FALSE;
}

gboolean
cvs_release_seal(const CvsRelease *release, const CvsOwner *owner, const char *name,
                 const CvsSecret *secret, const CvsSealOptions *options, char **ret_id,
                 GError **error)
{
    g_autoptr(CvsProfile) profile = NULL;
    g_autoptr(CvsKeyFile) key = NULL;
    g_autoptr(CvsKeyLock) lock = NULL;
    g_autoptr(CvsSecret) recovery_key = NULL;
    g_autoptr(GBytes) file = NULL;
    g_autoptr(GBytes) state = NULL;
    g_auto(CvsNewSlot) made = {0};
    g_auto(CvsAttested) attested = {.release = release};
    g_auto(CvsSlotConditions) conditions = {0};
    CvsPinning pinning = {.rtmrs = options->rtmrs, .claims = options->claims};
    CvsSlotRequest request = {0};
    gboolean recovery = options->want_recovery_key;
    gboolean derived_key = FALSE;

    if (!cvs_key_name_check(name, error))
        return FALSE;
    if (cvs_secret_size(secret) > CVS_SECRET_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE, "a secret has at most %u bytes",
                    CVS_SECRET_MAX);
        return FALSE;
    }
    profile = cvs_profile_load(release->profile_folders,
                               options->profile ? options->profile : CVS_PROFILE_DEFAULT, error);
    if (profile == NULL)
        return FALSE;
    derived_key = options->derived_key || profile->derived_key == CVS_PROFILE_REQUIRED;
    pinning.derived_key = derived_key;
    request = (CvsSlotRequest){
        .profile = profile,
        .selection = {.bank = options->bank ? *options->bank : profile->bank,
                      .mask = options->pcrs ? options->pcrs : profile->pcrs},
        .pin = options->pin,
        .conditions = &conditions,
        .allow_unmeasured = options->allow_unmeasured,
        .derived_key = derived_key,
        .generation = 1,
    };
    if (!cvs_conditions_check_sealing(profile, &request.selection, options->pin, recovery,
                                      derived_key, error))
        return FALSE;
    if (!options->replace && !check_name_is_free(release, owner, name, error))
        return FALSE;

    if (!cvs_pinning_make(&attested, profile, &pinning, &conditions, error) ||
        !cvs_conditions_check_persistent(profile, &conditions, options->this_boot, error) ||
        !cvs_slot_make(release, &request, &made, error))
        return FALSE;
    key = cvs_key_file_new(name, owner, CVS_STAGE_SYSTEM, secret, error);
    if (key == NULL)
        return FALSE;
    cvs_key_file_set_store_key(key, made.store_key);
    cvs_key_file_set_tee_key(key, made.tee_key);
    if (!cvs_key_file_add_tpm2(key, made.slot, made.tpm_secret, error))
        return FALSE;
    if (recovery) {
        recovery_key = cvs_recovery_key_new(error);
        if (recovery_key == NULL || !cvs_key_file_add_recovery(key, recovery_key, error))
            return FALSE;
    }
    file = cvs_key_file_serialise(key, error);
    if (file == NULL || !cvs_slot_prove(file, 0, &made, secret, error))
        return FALSE;
    if (recovery && !options->deliver_recovery_key(recovery_key, options->deliver_data, error)) {
        g_prefix_error(error, "the recovery key could not be delivered, so nothing was sealed: ");
        return FALSE;
    }

    /* Only now does anything touch the disk. */
    lock = cvs_store_lock(release->store, owner, name, TRUE, release->lock_timeout_ms, error);
    if (lock == NULL)
        return FALSE;
    state = cvs_store_save_state(release->store, lock, made.record, error);
    if (state == NULL || !cvs_store_save(release->store, lock, key, options->replace, error))
        return FALSE;
    *ret_id = g_strdup(cvs_key_file_get_id(key));
    return TRUE;
}
