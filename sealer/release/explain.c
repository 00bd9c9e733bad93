/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/hex.h"
#include "base/json.h"
#include "release/conditions.h"
#include "release/release.h"
#include "release/slot.h"
#include "release/state.h"

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

static void
copy_reasons(GError *to, const GError *from)
{
    const GPtrArray *reasons = cvs_error_get_reasons(from);

    for (guint i = 0; reasons && i < reasons->len; i++) {
        const CvsReason *reason = g_ptr_array_index(reasons, i);

        cvs_error_add_reason(to, reason->code, reason->seen, reason->wanted, "%s", reason->detail);
    }
}

/* Everything that would refuse this slot, short of unsealing it. */
static gboolean
judge_slot(const CvsRelease *release, const CvsKeyFile *key, const CvsTpm2Slot *slot,
           GError *refusal, GError **error)
{
    g_autoptr(GError) profile_error = NULL;
    GBytes *srk_name = cvs_tpm_get_srk_name(release->tpm, FALSE, error);

    if (srk_name == NULL)
        return FALSE;
    if (!g_bytes_equal(srk_name, slot->object.srk_name)) {
        g_autofree char *seen =
            cvs_hex_encode(g_bytes_get_data(srk_name, NULL), g_bytes_get_size(srk_name));
        g_autofree char *wanted = cvs_hex_encode(g_bytes_get_data(slot->object.srk_name, NULL),
                                                 g_bytes_get_size(slot->object.srk_name));

        cvs_error_add_reason(refusal, CVS_REASON_SRK_CHANGED, seen, wanted,
                             "the key was sealed with another TPM, or this one was cleared");
    }
    if (!cvs_conditions_check_slot(release, slot, &profile_error))
        copy_reasons(refusal, profile_error);
    return cvs_state_explain_pcrs(release, key, slot, refusal, NULL, error);
}

static json_t *
slot_to_json(const CvsRelease *release, const CvsKeyFile *key, guint index, gboolean *opens,
             GError **error)
{
    const CvsTpm2Slot *slot = cvs_key_file_get_tpm2_slot(key, index);
    g_autoptr(GError) refusal =
        g_error_new_literal(CVS_ERROR, CVS_ERROR_TEE_REFUSED, "the slot does not open");
    g_autofree char *pcrs = NULL;
    CvsPcrSelection selection = {.bank = CVS_SHA256};
    guint8 digest[32];
    gboolean matches;

    if (slot == NULL)
        return json_pack("{s:i, s:s}", "slot", (int)index, "kind", "recovery");
    if (!judge_slot(release, key, slot, refusal, error))
        return NULL;
    (void)cvs_policy_get_pcr(slot->policy, &selection, digest);
    pcrs = cvs_pcr_mask_format(selection.mask);
    matches = cvs_error_get_reasons(refusal)->len == 0;
    *opens |= matches;
    return json_pack("{s:i, s:s, s:I, s:s, s:b, s:s, s:s, s:b, s:o}", "slot", (int)index, "kind",
                     "tpm2", "generation", (json_int_t)slot->generation, "profile", slot->profile,
                     "pin", (int)cvs_policy_needs_pin(slot->policy), "pcrs", pcrs, "bank",
                     cvs_hash_name(selection.bank), "matches", (int)matches, "reasons",
                     reasons_to_json(refusal));
}

char *
cvs_release_explain(const CvsRelease *release, const CvsOwner *owner, const char *name,
                    GError **error)
{
    g_autoptr(CvsKeyFile) key = NULL;
    g_autoptr(json_t) explanation = NULL;
    g_autoptr(json_t) slots = NULL;
    g_autofree char *owner_text = cvs_owner_format(owner);
    gboolean opens = FALSE;

    if (!cvs_key_name_check(name, error))
        return NULL;
    key = cvs_store_load(release->store, owner, name, error);
    if (key == NULL)
        return NULL;
    slots = json_array();
    for (guint i = 0; i < cvs_key_file_get_n_slots(key); i++) {
        json_t *slot = slot_to_json(release, key, i, &opens, error);

        if (slot == NULL)
            return NULL;
        (void)json_array_append_new(slots, slot);
    }
    explanation = json_pack("{s:s, s:s, s:b, s:O}", "name", name, "owner", owner_text, "opens",
                            (int)opens, "slots", slots);
    return cvs_json_canonical(explanation);
}
