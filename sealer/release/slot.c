/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/slot.h"
#include "attest/vtpm.h"
#include "base/error.h"
#include "release/conditions.h"
#include "release/state.h"
#include "vault/store-key.h"

#include <string.h>

/* A boot that still measures can change a PCR between our reading and our sealing; it does not do
 * so for long. */
#define TRIES 4
#define TPM_SECRET_SIZE 32

void
cvs_new_slot_clear(CvsNewSlot *made)
{
    g_clear_pointer(&made->slot, cvs_tpm2_slot_free);
    g_clear_pointer(&made->tpm_secret, cvs_secret_unref);
    g_clear_pointer(&made->store_key, cvs_secret_unref);
    g_clear_pointer(&made->tee_key, cvs_secret_unref);
    g_clear_pointer(&made->record, g_free);
}

/* NULL if there is none and it is not needed. */
static gboolean
load_store_key(const CvsRelease *release, gboolean needed, CvsSecret **ret_key, GError **error)
{
    g_autoptr(CvsSecret) key = NULL;
    g_autoptr(GError) missing = NULL;

    if (release->store_key_file && !cvs_store_key_load(release->store_key_file, &key, error))
        return FALSE;
    if (key || !needed) {
        *ret_key = g_steal_pointer(&key);
        return TRUE;
    }
    missing = g_error_new(CVS_ERROR, CVS_ERROR_TEE_REFUSED,
                          "the key was sealed with the store key, which is not here (%s): it comes "
                          "when the machine has booted as it should",
                          release->store_key_file ? release->store_key_file : "none is configured");
    cvs_error_add_reason(missing, CVS_REASON_STORE_KEY_MISSING, NULL, NULL, "%s", missing->message);
    g_propagate_error(error, g_steal_pointer(&missing));
    return FALSE;
}

static gboolean
check_has_tee(const CvsRelease *release, GError **error)
{
    GError *refusal = NULL;

    if (release->tee_keys)
        return TRUE;
    refusal = g_error_new_literal(CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                                  "nothing here derives a key from a TEE");
    cvs_error_add_reason(refusal, CVS_REASON_DERIVED_KEY_UNAVAILABLE, NULL, NULL, "%s",
                         refusal->message);
    g_propagate_error(error, refusal);
    return FALSE;
}

static gboolean
make_tee_key(const CvsRelease *release, CvsNewSlot *made, GError **error)
{
    if (!check_has_tee(release, error))
        return FALSE;
    made->tee_key = cvs_tee_keys_make(release->tee_keys, &made->slot->tee_key, error);
    if (made->tee_key == NULL)
        return FALSE;
    made->slot->factors |= CVS_FACTOR_TEE_KEY;
    return TRUE;
}

/* The slot's PCRs at the time for which it is made. present: read now. */
static gboolean
get_pcrs(const CvsRelease *release, const CvsSlotRequest *request, CvsPcrValues *present,
         CvsPcrValues *ret_pcrs, GError **error)
{
    const CvsPredicted *predicted = request->predicted;

    if (predicted == NULL) {
        *ret_pcrs = *present;
        return TRUE;
    }
    return cvs_predicted_get_pcrs(predicted, &request->selection,
                                  predicted->keep_others ? present : NULL, ret_pcrs, error);
}

static CvsPolicy *
make_policy(const CvsSlotRequest *request, const CvsPcrValues *pcrs)
{
    CvsPolicy *policy = cvs_policy_new();
    guint8 digest[32];

    cvs_pcr_values_digest(pcrs, digest);
    cvs_policy_add_pcr(policy, &request->selection, digest);
    if (request->pin)
        cvs_policy_add_auth_value(policy);
    return policy;
}

/* Seals something and unseals it again. */
static gboolean
prove_present(const CvsRelease *release, const CvsPolicy *policy, const CvsSecret *secret,
              const CvsSecret *pin, CvsSealedObject *ret_object, GError **error)
{
    g_autoptr(CvsSecret) back = NULL;

    if (!cvs_tpm_seal(release->tpm, policy, secret, pin, ret_object, error))
        return FALSE;
    back = cvs_tpm_unseal(release->tpm, policy, ret_object, pin, error);
    if (back == NULL)
        return FALSE;
    if (cvs_secret_equal(back, secret))
        return TRUE;
    g_set_error_literal(error, CVS_ERROR, CVS_ERROR_TPM_UNAVAILABLE,
                        "the TPM gave back something else than was sealed in it; nothing was "
                        "written");
    return FALSE;
}

/* What can be proven of a slot that does not open now: a twin of it, which is thrown away, does. */
static gboolean
prove_predicted(const CvsRelease *release, const CvsSlotRequest *request,
                const CvsPcrValues *present, const CvsNewSlot *made, GError **error)
{
    g_autoptr(CvsPolicy) policy = make_policy(request, present);
    g_autoptr(CvsSecret) secret = cvs_secret_new_random(TPM_SECRET_SIZE, error);
    g_auto(CvsSealedObject) twin = {0};

    return secret && prove_present(release, policy, secret, request->pin, &twin, error) &&
           cvs_tpm_check_sealed(release->tpm, made->slot->policy, &made->slot->object, error);
}

/* One try; PcrMismatch if a PCR changed under it. */
static gboolean
make_once(const CvsRelease *release, const CvsSlotRequest *request, CvsNewSlot *ret_made,
          GError **error)
{
    g_auto(CvsNewSlot) made = {0};
    g_autoptr(CvsBootLogs) logs = NULL;
    CvsPcrValues present, pcrs;
    gboolean ok = FALSE;

    if (!cvs_tpm_read_pcrs(release->tpm, &request->selection, &present, error) ||
        !get_pcrs(release, request, &present, &pcrs, error))
        return FALSE;
    if (!request->allow_unmeasured && !request->profile->allow_unmeasured &&
        !cvs_pcr_values_check_measured(&pcrs, error))
        return FALSE;

    made.slot = g_new0(CvsTpm2Slot, 1);
    made.slot->policy = make_policy(request, &pcrs);
    if (!load_store_key(release, request->needs_store_key || release->require_store_key,
                        &made.store_key, error))
        return FALSE;
    made.slot->factors = CVS_FACTOR_TPM2 | (made.store_key ? CVS_FACTOR_STORE_KEY : 0);
    if (request->derived_key && !make_tee_key(release, &made, error))
        return FALSE;
    made.slot->generation = request->generation;
    made.slot->predicted = request->predicted != NULL;
    made.slot->profile = g_strdup(request->profile->name);
    if (request->conditions)
        cvs_slot_conditions_copy(request->conditions, &made.slot->conditions);
    if (release->tee_paths)
        logs = cvs_boot_logs_read(release->tee_paths);
    made.record = cvs_state_record(&pcrs, request->conditions, logs);
    made.slot->state = cvs_state_digest(made.record);

    made.tpm_secret = cvs_secret_new_random(TPM_SECRET_SIZE, error);
    if (made.tpm_secret == NULL)
        return FALSE;
    if (request->predicted)
        ok = cvs_tpm_seal(release->tpm, made.slot->policy, made.tpm_secret, request->pin,
                          &made.slot->object, error) &&
             prove_predicted(release, request, &present, &made, error);
    else
        ok = prove_present(release, made.slot->policy, made.tpm_secret, request->pin,
                           &made.slot->object, error);
    if (!ok)
        return FALSE;
    *ret_made = made;
    memset(&made, 0, sizeof made);
    return TRUE;
}

gboolean
cvs_slot_make(const CvsRelease *release, const CvsSlotRequest *request, CvsNewSlot *ret_made,
              GError **error)
{
    for (int i = 0; i < TRIES; i++) {
        g_autoptr(GError) local = NULL;

        if (make_once(release, request, ret_made, &local))
            return TRUE;
        if (!g_error_matches(local, CVS_ERROR, CVS_ERROR_PCR_MISMATCH)) {
            g_propagate_error(error, g_steal_pointer(&local));
            return FALSE;
        }
    }
    g_set_error_literal(error, CVS_ERROR, CVS_ERROR_BUSY,
                        "the PCRs change while the key is sealed; try again when the boot is over");
    return FALSE;
}

static gboolean
check_tries(const CvsRelease *release, GError **error)
{
    GError *local = NULL;
    guint32 failed = 0;
    guint32 max = 0;

    if (!release->spares_tries)
        return TRUE;
    if (!cvs_tpm_read_tries(release->tpm, &failed, &max, &local)) {
        /* A TPM without a root key has no use for a PIN, and unsealing says what it is. */
        if (g_error_matches(local, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED)) {
            g_error_free(local);
            return TRUE;
        }
        g_propagate_error(error, local);
        return FALSE;
    }
    /* When none is left the TPM says so itself, and for how long. */
    if (failed < (max + 1) / 2 || failed >= max)
        return TRUE;
    local = g_error_new(CVS_ERROR, CVS_ERROR_TPM_LOCKOUT,
                        "too many wrong PINs: the TPM has noted %u and locks itself at %u, and the "
                        "tries that are left are root's; it forgets one after the other",
                        failed, max);
    cvs_error_add_reason(local, CVS_REASON_LOCKED_OUT, NULL, NULL,
                         "half of the tries that the TPM allows are used up");
    g_propagate_error(error, local);
    return FALSE;
}

/* What the slot needs of it, or NULL. */
static gboolean
take_store_key(const CvsRelease *release, const CvsTpm2Slot *slot, CvsSecret **ret_key,
               GError **error)
{
    g_autoptr(GError) refusal = NULL;

    if (slot->factors & CVS_FACTOR_STORE_KEY)
        return load_store_key(release, TRUE, ret_key, error);
    *ret_key = NULL;
    if (!release->require_store_key)
        return TRUE;
    refusal =
        g_error_new_literal(CVS_ERROR, CVS_ERROR_TEE_REFUSED,
                            "the key was sealed without the store key, which RequireStoreKey= "
                            "wants: anybody with access to the TPM can have sealed it");
    cvs_error_add_reason(refusal, CVS_REASON_STORE_KEY_MISSING, NULL, NULL, "%s", refusal->message);
    g_propagate_error(error, g_steal_pointer(&refusal));
    return FALSE;
}

gboolean
cvs_slot_check_store_key(const CvsRelease *release, const CvsTpm2Slot *slot, GError **error)
{
    g_autoptr(CvsSecret) store_key = NULL;

    return take_store_key(release, slot, &store_key, error);
}

static gboolean
load_tee_key(const CvsRelease *release, const CvsTpm2Slot *slot, CvsSecret **ret_key,
             GError **error)
{
    *ret_key = NULL;
    if (!(slot->factors & CVS_FACTOR_TEE_KEY))
        return TRUE;
    if (check_has_tee(release, error))
        *ret_key = cvs_tee_keys_derive(release->tee_keys, &slot->tee_key, error);
    return *ret_key != NULL;
}

gboolean
cvs_slot_check_tee_key(const CvsRelease *release, const CvsTpm2Slot *slot, GError **error)
{
    g_autoptr(CvsSecret) tee_key = NULL;

    return load_tee_key(release, slot, &tee_key, error);
}

/* If it cannot be noted the key has opened all the same, and the slot waits on. */
static void
note_arrival(CvsKeyFile *key, guint slot, const CvsSecret *tpm_secret)
{
    g_autoptr(GArray) genuine = cvs_slot_genuine(key);
    const CvsTpm2Slot *newest = cvs_key_file_get_tpm2_slot(key, g_array_index(genuine, guint, 0));
    const guint former = cvs_slot_newest_that_came(key, slot);
    const json_t *floors =
        former == G_MAXUINT ? NULL : cvs_key_file_get_tpm2_slot(key, former)->conditions.floors;
    g_auto(CvsSlotConditions) conditions = {0};
    const char *name = NULL;
    json_t *value = NULL;

    cvs_slot_conditions_copy(&cvs_key_file_get_tpm2_slot(key, slot)->conditions, &conditions);
    /* The former one goes, and what was raised since this one was made is not to go with it. */
    json_object_foreach ((json_t *)(gsize)floors, name, value)
        (void)cvs_slot_conditions_raise(&conditions, name, floors);
    (void)cvs_key_file_set_arrived(key, slot, &conditions,
                                   MIN(newest->generation + 1, CVS_SLOT_GENERATION_MAX), tpm_secret,
                                   NULL);
}

gboolean
cvs_slot_open(CvsAttested *attested, CvsKeyFile *key, guint slot, const CvsSecret *pin,
              GError **error)
{
    const CvsRelease *release = attested->release;
    const CvsTpm2Slot *tpm2 = cvs_key_file_get_tpm2_slot(key, slot);
    gboolean needs_pin = cvs_policy_needs_pin(tpm2->policy);
    g_autoptr(CvsSecret) store_key = NULL;
    g_autoptr(CvsSecret) tpm_secret = NULL;
    g_autoptr(CvsSecret) tee_key = NULL;
    g_autoptr(GError) local = NULL;

    if ((tpm2->factors & CVS_FACTOR_TEE_KEY) && !check_has_tee(release, error))
        return FALSE;
    if (!take_store_key(release, tpm2, &store_key, error))
        return FALSE;
    if (needs_pin && pin == NULL) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_PIN_REQUIRED, "the key %s wants a PIN",
                    cvs_key_file_get_name(key));
        return FALSE;
    }
    if (needs_pin && !check_tries(release, error))
        return FALSE;
    tpm_secret =
        cvs_tpm_unseal(release->tpm, tpm2->policy, &tpm2->object, needs_pin ? pin : NULL, &local);
    if (tpm_secret == NULL) {
        /* A refusal stands whether it can be explained or not. */
        if (g_error_matches(local, CVS_ERROR, CVS_ERROR_PCR_MISMATCH))
            (void)cvs_state_explain_pcrs(release, key, tpm2, local, NULL, NULL, NULL);
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    /* Last: there is one request in two seconds, for all. */
    if (!load_tee_key(release, tpm2, &tee_key, error))
        return FALSE;
    cvs_key_file_set_store_key(key, store_key);
    cvs_key_file_set_tee_key(key, tee_key);
    if (!cvs_key_file_open_tpm2(key, slot, tpm_secret, error))
        return FALSE;
    if (!tpm2->predicted)
        return TRUE;
    if (!cvs_conditions_check_former_floors(attested, key, slot, error))
        return FALSE;
    note_arrival(key, slot, tpm_secret);
    return TRUE;
}

const char *
cvs_release_lock2(const char *store_key_file)
{
    g_autoptr(CvsSecret) key = NULL;

    if (store_key_file && !cvs_store_key_load(store_key_file, &key, NULL))
        return "unfit";
    return key ? "store-key" : "unmeasured";
}

gboolean
cvs_slot_error_is_final(const GError *error)
{
    return g_error_matches(error, CVS_ERROR, CVS_ERROR_PIN_WRONG) ||
           g_error_matches(error, CVS_ERROR, CVS_ERROR_TPM_UNAVAILABLE) ||
           cvs_error_has_reason(error, CVS_REASON_ATTESTATION_UNDER_WAY);
}

GArray *
cvs_slot_order(const CvsKeyFile *key)
{
    GArray *order = g_array_new(FALSE, FALSE, sizeof(guint));

    for (guint i = 0; i < cvs_key_file_get_n_slots(key); i++) {
        const CvsTpm2Slot *slot = cvs_key_file_get_tpm2_slot(key, i);
        guint at = 0;

        if (slot == NULL)
            continue;
        while (at < order->len &&
               cvs_key_file_get_tpm2_slot(key, g_array_index(order, guint, at))->generation >=
                   slot->generation)
            at++;
        g_array_insert_val(order, at, i);
    }
    return order;
}

GArray *
cvs_slot_genuine(const CvsKeyFile *key)
{
    GArray *order = cvs_slot_order(key);

    for (guint i = order->len; i > 0; i--) {
        if (!cvs_key_file_slot_is_genuine(key, g_array_index(order, guint, i - 1)))
            g_array_remove_index(order, i - 1);
    }
    return order;
}

gboolean
cvs_slot_pcrs_bind_host(const CvsTpm2Slot *slot)
{
    const char *kind = json_string_value(json_object_get(slot->conditions.claims, "vtpm.kind"));

    return kind == NULL || g_str_equal(kind, "none") || cvs_vtpm_kind_binds_host(kind);
}

guint
cvs_slot_newest_that_came(const CvsKeyFile *key, guint except)
{
    g_autoptr(GArray) genuine = cvs_slot_genuine(key);

    for (guint i = 0; i < genuine->len; i++) {
        guint index = g_array_index(genuine, guint, i);

        if (index != except && !cvs_key_file_get_tpm2_slot(key, index)->predicted)
            return index;
    }
    return G_MAXUINT;
}

gboolean
cvs_slots_are_for_one_state(const CvsTpm2Slot *a, const CvsTpm2Slot *b)
{
    guint8 digest_a[CVS_POLICY_DIGEST_SIZE], digest_b[CVS_POLICY_DIGEST_SIZE];

    cvs_policy_calculate(a->policy, digest_a);
    cvs_policy_calculate(b->policy, digest_b);
    return memcmp(digest_a, digest_b, sizeof digest_a) == 0 && a->factors == b->factors &&
           g_bytes_equal(a->object.srk_name, b->object.srk_name) &&
           cvs_tee_key_params_equal(&a->tee_key, &b->tee_key) &&
           cvs_slot_conditions_equal(&a->conditions, &b->conditions);
}

gboolean
cvs_slot_prove(GBytes *file, guint slot, const CvsNewSlot *made, const CvsSecret *secret,
               GError **error)
{
    g_autoptr(CvsKeyFile) key = NULL;
    g_autoptr(CvsSecret) back = NULL;

    key = cvs_key_file_parse(g_bytes_get_data(file, NULL), g_bytes_get_size(file), error);
    if (key == NULL)
        return FALSE;
    cvs_key_file_set_store_key(key, made->store_key);
    cvs_key_file_set_tee_key(key, made->tee_key);
    if (!cvs_key_file_open_tpm2(key, slot, made->tpm_secret, error))
        return FALSE;
    back = cvs_key_file_decrypt(key, error);
    if (back == NULL)
        return FALSE;
    if (!cvs_secret_equal(back, secret)) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_FAILED,
                            "what was to be written does not give the secret back; nothing was "
                            "written");
        return FALSE;
    }
    return TRUE;
}
