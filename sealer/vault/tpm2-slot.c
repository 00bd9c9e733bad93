/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vault/tpm2-slot.h"
#include "base/error.h"
#include "base/json.h"
#include "policy/profile.h"
#include "vault/tpm2-slot-scan.h"

#include <string.h>

#define WHAT "tpm2 slot"

static const struct {
    CvsFactors factor;
    const char *name;
} factors[] = {
    {CVS_FACTOR_TPM2, "tpm2"},
    {CVS_FACTOR_STORE_KEY, "store-key"},
    {CVS_FACTOR_TEE_KEY, "tee-key"},
};

void
cvs_tpm2_slot_clear(CvsTpm2Slot *slot)
{
    cvs_sealed_object_clear(&slot->object);
    g_clear_pointer(&slot->policy, cvs_policy_unref);
    g_clear_pointer(&slot->profile, g_free);
    g_clear_pointer(&slot->state, g_bytes_unref);
    cvs_slot_conditions_clear(&slot->conditions);
    memset(slot, 0, sizeof *slot);
}

void
cvs_tpm2_slot_free(CvsTpm2Slot *slot)
{
    if (slot == NULL)
        return;
    cvs_tpm2_slot_clear(slot);
    g_free(slot);
}

static gboolean
bad(GError **error, const char *text)
{
    g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, WHAT ": %s", text);
    return FALSE;
}

static gboolean
parse_factors(const json_t *json, CvsFactors *ret_factors, GError **error)
{
    CvsFactors found = 0;
    gsize index = 0;
    json_t *value = NULL;

    json_array_foreach (json, index, value) {
        const char *name = json_string_value(value);
        CvsFactors factor = 0;

        for (gsize i = 0; name != NULL && i < G_N_ELEMENTS(factors); i++) {
            if (g_str_equal(factors[i].name, name))
                factor = factors[i].factor;
        }
        if (factor == 0)
            return bad(error, "a factor that this version does not know");
        /* Rising bits: in order, and each once. */
        if (factor <= found)
            return bad(error, "factors out of order");
        found |= factor;
    }
    if ((found & CVS_FACTOR_TPM2) == 0)
        return bad(error, "the factor \"tpm2\" is missing");
    *ret_factors = found;
    return TRUE;
}

static gboolean
parse_tee_key(const json_t *json, CvsTpm2Slot *slot, GError **error)
{
    gboolean is_factor = (slot->factors & CVS_FACTOR_TEE_KEY) != 0;
    json_t *value = NULL;

    if ((json_object_get(json, "tee_key") != NULL) != is_factor)
        return bad(error, "member \"tee_key\" is there without the factor, or the other way round");
    if (!is_factor)
        return TRUE;
    value = cvs_json_get_object(json, "tee_key", WHAT, error);
    return value && cvs_tee_key_params_parse(value, WHAT ": tee_key", &slot->tee_key, error);
}

static gboolean
parse_members(const json_t *json, CvsTpm2Slot *slot, GError **error)
{
    const char *text = NULL;
    json_t *value = NULL;
    gint64 number = 0;

    if (!cvs_json_only(json, WHAT, error, "version", "type", "srk", "public", "private", "policy",
                       "factors", "generation", "profile", "conditions", "state", "tee_key",
                       "predicted", NULL))
        return FALSE;
    if (!cvs_json_get_int(json, "version", CVS_SLOT_VERSION, CVS_SLOT_VERSION, WHAT, &number,
                          error))
        return FALSE;
    text = cvs_json_get_string(json, "type", WHAT, error);
    if (text == NULL)
        return FALSE;
    if (!g_str_equal(text, "tpm2"))
        return bad(error, "the type is not \"tpm2\"");

    slot->object.srk_name =
        cvs_json_get_bytes(json, "srk", CVS_SLOT_SRK_NAME_MIN, CVS_SLOT_SRK_NAME_MAX, WHAT, error);
    if (slot->object.srk_name == NULL)
        return FALSE;
    slot->object.public_area = cvs_json_get_bytes(json, "public", 1, CVS_SLOT_MAX, WHAT, error);
    if (slot->object.public_area == NULL)
        return FALSE;
    slot->object.private_area = cvs_json_get_bytes(json, "private", 1, CVS_SLOT_MAX, WHAT, error);
    if (slot->object.private_area == NULL)
        return FALSE;

    value = cvs_json_get_array(json, "policy", WHAT, error);
    if (value == NULL)
        return FALSE;
    slot->policy = cvs_policy_from_json(value, error);
    if (slot->policy == NULL) {
        g_prefix_error(error, WHAT ": ");
        return FALSE;
    }

    value = cvs_json_get_array(json, "factors", WHAT, error);
    if (value == NULL || !parse_factors(value, &slot->factors, error))
        return FALSE;
    if (!parse_tee_key(json, slot, error))
        return FALSE;
    if (!cvs_json_get_int(json, "generation", 1, CVS_SLOT_GENERATION_MAX, WHAT, &number, error))
        return FALSE;
    slot->generation = (guint32)number;
    text = cvs_json_get_string(json, "profile", WHAT, error);
    if (text == NULL)
        return FALSE;
    if (!cvs_profile_name_is_valid(text))
        return bad(error, "member \"profile\" is not a profile's name");
    slot->profile = g_strdup(text);
    value = cvs_json_get_object(json, "conditions", WHAT, error);
    if (value == NULL || !cvs_slot_conditions_parse(value, &slot->conditions, error))
        return FALSE;
    value = json_object_get(json, "predicted");
    if (value != NULL && !json_is_true(value))
        return bad(error, "member \"predicted\" is not true");
    slot->predicted = value != NULL;
    if (json_object_get(json, "state") != NULL) {
        slot->state = cvs_json_get_bytes(json, "state", CVS_SLOT_STATE_SIZE, CVS_SLOT_STATE_SIZE,
                                         WHAT, error);
        if (slot->state == NULL)
            return FALSE;
    }
    return TRUE;
}

CvsTpm2Slot *
cvs_tpm2_slot_parse(GBytes *bytes, GError **error)
{
    CvsTpm2Slot *slot = g_bytes_get_size(bytes) <= CVS_SLOT_MAX ? cvs_tpm2_slot_scan(bytes) : NULL;

    return slot != NULL ? slot : cvs_tpm2_slot_parse_json(bytes, error);
}

CvsTpm2Slot *
cvs_tpm2_slot_parse_json(GBytes *bytes, GError **error)
{
    g_autoptr(CvsTpm2Slot) slot = g_new0(CvsTpm2Slot, 1);
    g_autoptr(json_t) json = NULL;
    gsize size = 0;
    const char *text = g_bytes_get_data(bytes, &size);

    if (size > CVS_SLOT_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE, WHAT ": %zu bytes, at most %d are read",
                    size, CVS_SLOT_MAX);
        return NULL;
    }
    json = cvs_json_parse(text, size, WHAT, error);
    if (json == NULL || !parse_members(json, slot, error))
        return NULL;
    if (!cvs_json_is_canonical(json, text, size)) {
        (void)bad(error, "not in the canonical form");
        return NULL;
    }
    return g_steal_pointer(&slot);
}

static void
set_bytes(json_t *json, const char *name, GBytes *bytes)
{
    gsize size = 0;
    const void *data = g_bytes_get_data(bytes, &size);

    cvs_json_set_bytes(json, name, data, size);
}

GBytes *
cvs_tpm2_slot_format(const CvsTpm2Slot *slot, GError **error)
{
    g_autoptr(json_t) json = NULL;
    g_autofree char *text = NULL;
    json_t *names = json_array();
    gsize size = 0;

    for (gsize i = 0; i < G_N_ELEMENTS(factors); i++) {
        if ((slot->factors & factors[i].factor) != 0)
            (void)json_array_append_new(names, json_string(factors[i].name));
    }
    json = json_pack("{s:i, s:s, s:o, s:o, s:I, s:s, s:o}", "version", CVS_SLOT_VERSION, "type",
                     "tpm2", "policy", cvs_policy_to_json(slot->policy), "factors", names,
                     "generation", (json_int_t)slot->generation, "profile", slot->profile,
                     "conditions", cvs_slot_conditions_to_json(&slot->conditions));
    set_bytes(json, "srk", slot->object.srk_name);
    set_bytes(json, "public", slot->object.public_area);
    set_bytes(json, "private", slot->object.private_area);
    if (slot->predicted)
        (void)json_object_set_new(json, "predicted", json_true());
    if (slot->state != NULL)
        set_bytes(json, "state", slot->state);
    if ((slot->factors & CVS_FACTOR_TEE_KEY) != 0)
        (void)json_object_set_new(json, "tee_key", cvs_tee_key_params_to_json(&slot->tee_key));

    text = cvs_json_canonical(json);
    size = strlen(text);
    if (size > CVS_SLOT_MAX) {
        g_set_error(
            error, CVS_ERROR, CVS_ERROR_TOO_LARGE,
            WHAT ": %zu bytes, and at most %d fit; a shorter policy or fewer conditions are needed",
            size, CVS_SLOT_MAX);
        return NULL;
    }
    return g_bytes_new_take(g_steal_pointer(&text), size);
}
