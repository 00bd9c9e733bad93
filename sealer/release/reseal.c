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

static gboolean
open_by_recovery_key(CvsKeyFile *key, const CvsResealOptions *options, GError **error)
{
    g_autoptr(CvsSecret) recovery_key = cvs_recovery_key_normalise(options->recovery_key, error);

    return recovery_key && cvs_key_file_open_recovery(key, recovery_key, error);
}

/* Opens the key by any slot that matches, else by the recovery key. ret_slot: the tpm2 slot that
 * opened, or NONE. What the profile asks of the TEE is not asked here: nothing leaves, and a reseal
 * is how a key is brought under a profile that was tightened. The slot's own conditions are: with
 * the same PCRs they alone may be what keeps a key shut. */
static gboolean
open_somehow(CvsAttested *attested, CvsKeyFile *key, GArray *order, const CvsResealOptions *options,
             guint *ret_slot, GError **error)
{
    g_autoptr(GError) refusal = NULL;
    gboolean waits = FALSE;

    for (guint i = 0; i < order->len; i++) {
        guint index = g_array_index(order, guint, i);
        g_autoptr(GError) local = NULL;
        gboolean predicted = cvs_key_file_get_tpm2_slot(key, index)->predicted;
        gboolean holds =
            cvs_conditions_check_own(attested, cvs_key_file_get_tpm2_slot(key, index), &local);
        gboolean final = FALSE;

        if (holds &&
            check_authorized(attested->release, cvs_key_file_get_tpm2_slot(key, index), options,
                             &local) &&
            cvs_slot_open(attested, key, index, options->pin, &local)) {
            *ret_slot = index;
            return TRUE;
        }
        final = holds && cvs_slot_error_is_final(local);
        /* The state that a slot waits for is not meant to be here: why the newest of the others
         * does not open says more. */
        if (final || (waits && !predicted))
            g_clear_error(&refusal);
        if (refusal == NULL) {
            refusal = g_steal_pointer(&local);
            waits = predicted;
        }
        if (final)
            break;
    }
    if (options->recovery_key) {
        *ret_slot = NONE;
        return open_by_recovery_key(key, options, error);
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

/* A recovery slot is either the same or another one; a tpm2 slot has no use beside one of the same
 * TPM, PCRs, conditions, factors and demand for a PIN, but that one waits for what the other has.
 */
static gboolean
is_doubled(const CvsKeyFile *key, guint slot, const GArray *kept)
{
    const CvsTpm2Slot *tpm2 = cvs_key_file_get_tpm2_slot(key, slot);

    for (guint i = 0; i < kept->len; i++) {
        guint other = g_array_index(kept, guint, i);
        const CvsTpm2Slot *other_tpm2 = cvs_key_file_get_tpm2_slot(key, other);

        if (tpm2 && other_tpm2 ? tpm2->predicted == other_tpm2->predicted &&
                                     cvs_slots_are_for_one_state(tpm2, other_tpm2)
                               : cvs_key_file_slots_are_copies(key, slot, other))
            return TRUE;
    }
    return FALSE;
}

static void
keep_unless_doubled(const CvsKeyFile *key, guint slot, GArray *kept)
{
    if (!is_doubled(key, slot, kept))
        g_array_append_val(kept, slot);
}

/* Those of the key's own that are, or are not, for a state to come; newest first, at most max. One
 * for the state of the slot that is added gives way to it, if that is to come. */
static void
keep_some(const CvsKeyFile *key, const GArray *genuine, const CvsTpm2Slot *added,
          gboolean predicted, guint max, GArray *kept)
{
    for (guint i = 0; i < genuine->len && kept->len < max; i++) {
        guint index = g_array_index(genuine, guint, i);
        const CvsTpm2Slot *slot = cvs_key_file_get_tpm2_slot(key, index);

        if (slot->predicted == predicted &&
            !(predicted && added->predicted && cvs_slots_are_for_one_state(slot, added)))
            keep_unless_doubled(key, index, kept);
    }
}

static gboolean
refuse_full(const CvsKeyFile *key, GError **error)
{
    GError *refusal = g_error_new(
        CVS_ERROR, CVS_ERROR_TOO_LARGE,
        "cannot reseal %s: of the %d slots that a key has room for, those for states to come leave "
        "none; let them go with --drop prepared",
        cvs_key_file_get_name(key), CVS_SLOTS_MAX);

    cvs_error_add_reason(refusal, CVS_REASON_SLOTS_FULL, NULL, NULL, "%s", refusal->message);
    g_propagate_error(error, refusal);
    return FALSE;
}

/* Removes what is not the key's own, and all but one of those that say the same. What cannot be
 * opened in this state stays; but where there is no room for all, the oldest of those that are not
 * for a state to come go. */
static gboolean
tidy(CvsKeyFile *key, guint opened, const CvsTpm2Slot *added, CvsDrop drop, GError **error)
{
    /* One place is for the slot that is added. */
    const guint max = CVS_SLOTS_MAX - 1;
    g_autoptr(GArray) genuine = cvs_slot_genuine(key);
    g_autoptr(GArray) kept = g_array_new(FALSE, FALSE, sizeof(guint));

    /* And the newest, which may open when that one does not. */
    if (opened != NONE)
        g_array_append_val(kept, opened);
    if (opened == NONE || opened != cvs_slot_newest_that_came(key, NONE))
        keep_some(key, genuine, added, FALSE, kept->len + 1, kept);
    for (guint i = 0; i < cvs_key_file_get_n_slots(key); i++) {
        if (is_genuine_recovery(key, i))
            keep_unless_doubled(key, i, kept);
    }
    if (!(drop & CVS_DROP_PREPARED))
        keep_some(key, genuine, added, TRUE, G_MAXUINT, kept);
    if (kept->len > max)
        return refuse_full(key, error);
    keep_some(key, genuine, added, FALSE, max, kept);

    for (guint i = cvs_key_file_get_n_slots(key); i > 0; i--) {
        gboolean stays = FALSE;

        for (guint j = 0; j < kept->len; j++)
            stays |= g_array_index(kept, guint, j) == i - 1;
        if (!stays)
            cvs_key_file_remove_slot(key, i - 1);
    }
    return TRUE;
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

/* The new slot is not to have what the slot that opened did not vouch for, unless somebody says
 * that it is good: nobody has compared it with anything. */
static gboolean
check_vouched(CvsKeyFile *key, guint opened, const CvsPcrSelection *selection,
              const CvsSlotConditions *conditions, const CvsResealOptions *options, GError **error)
{
    const CvsTpm2Slot *slot = cvs_key_file_get_tpm2_slot(key, opened);
    guint32 rtmrs = conditions->rtmrs & ~slot->conditions.rtmrs;
    g_autoptr(GError) denied = g_error_new(
        CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED,
        "cannot reseal %s: its owner may not, since the slot that opens it vouches for less than "
        "the new one would be sealed to, and nothing tells whether the rest is as it should be "
        "now; an "
        "administrator may, or whoever has its recovery key",
        cvs_key_file_get_name(key));
    CvsPcrSelection vouched = {0};
    guint8 digest[32];
    json_t *value = NULL;
    const char *name = NULL;

    if (!cvs_policy_get_pcr(slot->policy, &vouched, digest) || vouched.bank != selection->bank)
        vouched.mask = 0;
    for (guint pcr = 0; pcr < CVS_PCR_COUNT; pcr++) {
        if (selection->mask & ~vouched.mask & 1u << pcr)
            cvs_error_add_reason(denied, CVS_REASON_RESEAL_NOT_AUTHORIZED, NULL, NULL,
                                 "nothing vouches for PCR %u (%s)", pcr, cvs_pcr_title(pcr));
    }
    json_object_foreach (conditions->claims, name, value) {
        if (json_object_get(slot->conditions.claims, name) == NULL)
            cvs_error_add_reason(denied, CVS_REASON_RESEAL_NOT_AUTHORIZED, NULL, NULL,
                                 "nothing vouches for the claim %s", name);
    }
    for (guint i = 0; i < CVS_TD_RTMRS; i++) {
        if (rtmrs & 1u << i)
            cvs_error_add_reason(denied, CVS_REASON_RESEAL_NOT_AUTHORIZED, NULL, NULL,
                                 "nothing vouches for RTMR %u", i);
    }
    if (cvs_error_get_reasons(denied)->len == 0)
        return TRUE;
    if (options->recovery_key)
        return open_by_recovery_key(key, options, error);
    g_propagate_error(error, g_steal_pointer(&denied));
    return FALSE;
}

/* What the model has, the slot that opened, and the newest that came: the model alone may be one
 * for a state to come, for which something was dropped. */
static gboolean
look_at_factors(const CvsProfile *profile, const CvsKeyFile *key, const CvsTpm2Slot *model,
                guint opened, CvsDrop drop, gboolean *ret_pin, gboolean *ret_derived_key,
                GError **error)
{
    const guint came = cvs_slot_newest_that_came(key, NONE);
    const CvsTpm2Slot *const slots[] = {
        model, opened == NONE ? model : cvs_key_file_get_tpm2_slot(key, opened),
        came == NONE ? model : cvs_key_file_get_tpm2_slot(key, came)};
    gboolean pin = FALSE, derived_key = FALSE;

    for (gsize i = 0; i < G_N_ELEMENTS(slots); i++) {
        if (!cvs_conditions_check_forbidden(profile, slots[i], drop, error))
            return FALSE;
        pin |= cvs_policy_needs_pin(slots[i]->policy);
        derived_key |= (slots[i]->factors & CVS_FACTOR_TEE_KEY) != 0;
    }
    *ret_pin = pin && !(drop & CVS_DROP_PIN);
    *ret_derived_key = derived_key && !(drop & CVS_DROP_DERIVED_KEY);
    return TRUE;
}

/* What the new slot is to be, but for its conditions. */
static gboolean
make_request(const CvsProfile *profile, const CvsKeyFile *key, const CvsTpm2Slot *model,
             guint opened, const CvsResealOptions *options, CvsSlotRequest *request, GError **error)
{
    gboolean has_pin = FALSE, has_derived_key = FALSE;
    guint8 digest[32];

    if (!look_at_factors(profile, key, model, opened, options->drop, &has_pin, &has_derived_key,
                         error))
        return FALSE;
    if (has_pin && options->pin == NULL) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_PIN_REQUIRED,
                    "the key %s has a PIN, and its new slot wants one too",
                    cvs_key_file_get_name(key));
        return FALSE;
    }
    if (!cvs_policy_get_pcr(model->policy, &request->selection, digest))
        request->selection = (CvsPcrSelection){.bank = profile->bank, .mask = profile->pcrs};
    request->selection.mask |= profile->required_pcrs;
    request->profile = profile;
    if (!(options->drop & CVS_DROP_PIN))
        request->pin = has_pin || profile->pin == CVS_PROFILE_REQUIRED ? options->pin : NULL;
    if (!(options->drop & CVS_DROP_DERIVED_KEY))
        request->derived_key = profile->derived_key == CVS_PROFILE_REQUIRED || has_derived_key;
    request->predicted = options->to;
    request->allow_unmeasured = options->allow_unmeasured;
    request->needs_store_key = (model->factors & CVS_FACTOR_STORE_KEY) != 0;
    request->generation = MIN(model->generation + 1, CVS_SLOT_GENERATION_MAX);
    return cvs_conditions_check_sealing(profile, &request->selection, request->pin,
                                        has_recovery_slot(key), request->derived_key, error);
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
    if (!make_request(profile, key, model, opened, options, &request, error))
        return FALSE;
    pinning.former = &model->conditions;
    pinning.predicted = options->to;
    pinning.derived_key = request.derived_key;
    if (!cvs_pinning_make(&attested, profile, &pinning, &conditions, error))
        return FALSE;
    if (opened != NONE && !options->authorized &&
        !check_vouched(key, opened, &request.selection, &conditions, options, error))
        return FALSE;
    request.conditions = &conditions;
    if (!cvs_slot_make(release, &request, &made, error) ||
        !tidy(key, opened, made.slot, options->drop, error))
        return FALSE;

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
