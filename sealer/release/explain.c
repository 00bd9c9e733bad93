/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/hex.h"
#include "base/json.h"
#include "release/conditions.h"
#include "release/release.h"
#include "release/slot.h"
#include "release/state.h"
#include "tpm/sealed-public.h"

static json_t *
reasons_to_json(const GError *refusal)
{
    const GPtrArray *reasons = cvs_error_get_reasons(refusal);
    json_t *array = json_array();

    for (guint i = 0; reasons && i < reasons->len; i++) {
        const CvsReason *reason = g_ptr_array_index(reasons, i);

        (void)json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:s}", "code", reason->code,
                                                     "detail", reason->detail, "seen", reason->seen,
                                                     "wanted", reason->wanted));
    }
    return array;
}

/* The sealed object is of the kind that a release takes, and under the policy that the slot tells
 * of.
 */
static void
judge_object(const CvsTpm2Slot *slot, GError *refusal)
{
    g_autoptr(GError) error = NULL;
    guint8 digest[CVS_POLICY_DIGEST_SIZE];
    TPM2B_PUBLIC public_area;

    cvs_policy_calculate(slot->policy, digest);
    if (cvs_sealed_public_parse(g_bytes_get_data(slot->object.public_area, NULL),
                                g_bytes_get_size(slot->object.public_area), digest,
                                cvs_policy_needs_pin(slot->policy), &public_area, &error))
        return;
    if (cvs_error_get_reasons(error)->len > 0)
        cvs_error_add_reasons_of(refusal, error);
    else
        cvs_error_add_reason(refusal, CVS_REASON_SLOT_ALTERED, NULL, NULL, "%s", error->message);
}

/* Everything that would refuse this slot, short of unsealing it. */
static gboolean
judge_slot(CvsAttested *attested, const CvsKeyFile *key, const CvsTpm2Slot *slot, GError *refusal,
           json_t *events, GError **error)
{
    const CvsRelease *release = attested->release;
    g_autoptr(GError) profile_error = NULL;
    g_autoptr(GError) store_error = NULL;
    g_autoptr(GError) tee_error = NULL;
    g_autoptr(GError) srk_error = NULL;
    GBytes *srk_name = NULL; /* the TPM's own, so that it is not kept over what may attest */

    if (!cvs_conditions_check_slot(attested, slot, &profile_error))
        cvs_error_add_reasons_of(refusal, profile_error);
    cvs_state_explain_rtmrs(attested, key, slot, refusal, events);
    if (!cvs_slot_check_store_key(release, slot, &store_error))
        cvs_error_add_reasons_of(refusal, store_error);
    if (!cvs_slot_check_tee_key(release, slot, &tee_error)) {
        /* What is not known yet is no reason. */
        if (cvs_error_has_reason(tee_error, CVS_REASON_ATTESTATION_UNDER_WAY)) {
            g_propagate_error(error, g_steal_pointer(&tee_error));
            return FALSE;
        }
        if (cvs_error_get_reasons(tee_error)->len > 0)
            cvs_error_add_reasons_of(refusal, tee_error);
        else
            cvs_error_add_reason(refusal, CVS_REASON_DERIVED_KEY_UNAVAILABLE, NULL, NULL, "%s",
                                 tee_error->message);
    }
    judge_object(slot, refusal);
    srk_name = cvs_tpm_read_srk_name(release->tpm, &srk_error);
    if (srk_name == NULL) {
        /* The PCRs are not looked at then: there is no key to authenticate what is read. */
        if (g_error_matches(srk_error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED)) {
            cvs_error_add_reason(refusal, CVS_REASON_SRK_CHANGED, NULL, NULL,
                                 "the TPM has no storage root key: it is another TPM, or was "
                                 "cleared");
        } else if (g_error_matches(srk_error, CVS_ERROR, CVS_ERROR_TPM_REPLACED)) {
            cvs_error_add_reasons_of(refusal, srk_error);
        } else {
            g_propagate_error(error, g_steal_pointer(&srk_error));
            return FALSE;
        }
        return TRUE;
    }
    if (!g_bytes_equal(srk_name, slot->object.srk_name)) {
        g_autofree char *seen =
            cvs_hex_encode(g_bytes_get_data(srk_name, NULL), g_bytes_get_size(srk_name));
        g_autofree char *wanted = cvs_hex_encode(g_bytes_get_data(slot->object.srk_name, NULL),
                                                 g_bytes_get_size(slot->object.srk_name));

        cvs_error_add_reason(refusal, CVS_REASON_SRK_CHANGED, seen, wanted,
                             "the key was sealed with another TPM, or this one was cleared");
    }
    return cvs_state_explain_pcrs(release, key, slot, refusal, events, NULL, error);
}

/* What a reseal by the present profile would not do unasked. Without a profile that can be read the
 * slot does not open, for that reason. */
static json_t *
forbidden_to_json(const CvsRelease *release, const CvsTpm2Slot *slot)
{
    g_autoptr(CvsProfile) profile = cvs_profile_load(release->profile_folders, slot->profile, NULL);
    g_autoptr(GError) refusal = NULL;

    if (profile)
        (void)cvs_conditions_check_forbidden(profile, slot, 0, &refusal);
    return reasons_to_json(refusal);
}

static json_t *
slot_to_json(CvsAttested *attested, const CvsKeyFile *key, guint index, gboolean *opens,
             GError **error)
{
    const CvsTpm2Slot *slot = cvs_key_file_get_tpm2_slot(key, index);
    g_autoptr(GError) refusal =
        g_error_new_literal(CVS_ERROR, CVS_ERROR_TEE_REFUSED, "the slot does not open");
    g_autoptr(json_t) events = json_array();
    g_autofree char *pcrs = NULL;
    CvsPcrSelection selection = {.bank = CVS_SHA256};
    guint8 digest[32];
    gboolean matches;

    if (slot == NULL)
        return json_pack("{s:i, s:s}", "slot", (int)index, "kind", "recovery");
    if (!judge_slot(attested, key, slot, refusal, events, error))
        return NULL;
    (void)cvs_policy_get_pcr(slot->policy, &selection, digest);
    pcrs = cvs_pcr_mask_format(selection.mask);
    matches = cvs_error_get_reasons(refusal)->len == 0;
    *opens |= matches;
    return json_pack(
        "{s:i, s:s, s:I, s:s, s:b, s:s, s:s, s:o, s:b, s:b, s:b, s:b, s:b, s:o, s:o, s:O}", "slot",
        (int)index, "kind", "tpm2", "generation", (json_int_t)slot->generation, "profile",
        slot->profile, "pin", (int)cvs_policy_needs_pin(slot->policy), "pcrs", pcrs, "bank",
        cvs_hash_name(selection.bank), "conditions", cvs_slot_conditions_to_json(&slot->conditions),
        "store_key", (slot->factors & CVS_FACTOR_STORE_KEY) != 0, "tee_key",
        (slot->factors & CVS_FACTOR_TEE_KEY) != 0, "pcrs_bind_host",
        (int)cvs_slot_pcrs_bind_host(slot), "predicted", (int)slot->predicted, "matches",
        (int)matches, "reasons", reasons_to_json(refusal), "forbidden",
        forbidden_to_json(attested->release, slot), "events", events);
}

char *
cvs_release_explain(const CvsRelease *release, const CvsOwner *owner, const char *name,
                    GError **error)
{
    g_autoptr(CvsKeyFile) key = NULL;
    g_autoptr(json_t) explanation = NULL;
    g_autoptr(json_t) slots = NULL;
    g_autofree char *owner_text = cvs_owner_format(owner);
    g_auto(CvsAttested) attested = {.release = release};
    gboolean opens = FALSE;

    if (!cvs_key_name_check(name, error))
        return NULL;
    key = cvs_store_load(release->store, owner, name, error);
    if (key == NULL)
        return NULL;
    slots = json_array();
    for (guint i = 0; i < cvs_key_file_get_n_slots(key); i++) {
        json_t *slot = slot_to_json(&attested, key, i, &opens, error);

        if (slot == NULL)
            return NULL;
        (void)json_array_append_new(slots, slot);
    }
    /* What is not known yet is no reason why a key does not open. */
    if (cvs_error_has_reason(attested.failure, CVS_REASON_ATTESTATION_UNDER_WAY)) {
        g_propagate_error(error, g_error_copy(attested.failure));
        return NULL;
    }
    explanation = json_pack("{s:s, s:s, s:b, s:O}", "name", name, "owner", owner_text, "opens",
                            (int)opens, "slots", slots);
    if (release->test_roots)
        (void)json_object_set_new(explanation, "test_roots", json_true());
    return cvs_json_canonical(explanation);
}
