/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/describe.h"
#include "base/error.h"
#include "release/slot.h"

/* Without a format string to read for each of the many members of a long listing. */
static void
add(GVariantBuilder *dict, const char *name, GVariant *value)
{
    g_variant_builder_add_value(
        dict, g_variant_new_dict_entry(g_variant_new_string(name), g_variant_new_variant(value)));
}

static void
add_string(GVariantBuilder *dict, const char *name, const char *value)
{
    add(dict, name, g_variant_new_take_string(g_utf8_make_valid(value, -1)));
}

static void
add_owner(GVariantBuilder *dict, const CvsOwner *owner)
{
    g_autofree char *text = cvs_owner_format(owner);

    add_string(dict, "owner", text);
}

/* The slot that a release tries first. */
static const CvsTpm2Slot *
newest_slot(const CvsKeyFile *key)
{
    const CvsTpm2Slot *newest = NULL;

    for (guint i = 0; i < cvs_key_file_get_n_slots(key); i++) {
        const CvsTpm2Slot *slot = cvs_key_file_get_tpm2_slot(key, i);

        if (slot && (newest == NULL || slot->generation > newest->generation))
            newest = slot;
    }
    return newest;
}

static gboolean
has_recovery(const CvsKeyFile *key)
{
    for (guint i = 0; i < cvs_key_file_get_n_slots(key); i++) {
        if (cvs_key_file_get_slot_kind(key, i) == CVS_SLOT_RECOVERY)
            return TRUE;
    }
    return FALSE;
}

static void
add_tee_conditions(GVariantBuilder *dict, const CvsSlotConditions *conditions)
{
    g_autofree char *claims = cvs_slot_conditions_names(conditions);
    g_autofree char *rtmrs = cvs_pcr_mask_format(conditions->rtmrs);

    add_string(dict, "claims", claims);
    add_string(dict, "rtmrs", rtmrs);
}

static void
add_conditions(GVariantBuilder *dict, const CvsTpm2Slot *slot)
{
    CvsPcrSelection selection = {0};
    guint8 digest[CVS_POLICY_DIGEST_SIZE];
    gboolean has_pcrs = cvs_policy_get_pcr(slot->policy, &selection, digest);
    g_autofree char *pcrs = has_pcrs ? cvs_pcr_mask_format(selection.mask) : g_strdup("");

    add_string(dict, "pcrs", pcrs);
    add_string(dict, "bank", has_pcrs ? cvs_hash_name(selection.bank) : "");
    add(dict, "pin", g_variant_new_boolean(cvs_policy_needs_pin(slot->policy)));
    add_string(dict, "profile", slot->profile);
    if (!cvs_slot_conditions_is_empty(&slot->conditions))
        add_tee_conditions(dict, &slot->conditions);
    if (slot->factors & CVS_FACTOR_STORE_KEY)
        add(dict, "store-key", g_variant_new_boolean(TRUE));
    if (slot->factors & CVS_FACTOR_TEE_KEY)
        add(dict, "tee-key", g_variant_new_boolean(TRUE));
    if (!cvs_slot_pcrs_bind_host(slot))
        add(dict, "pcrs-bind-host", g_variant_new_boolean(FALSE));
}

static void
add_key(GVariantBuilder *dict, const CvsKeyFile *key)
{
    const CvsTpm2Slot *slot = newest_slot(key);

    add_string(dict, "name", cvs_key_file_get_name(key));
    add_owner(dict, cvs_key_file_get_owner(key));
    add_string(dict, "id", cvs_key_file_get_id(key));
    add(dict, "size", g_variant_new_uint64(cvs_key_file_get_secret_size(key)));
    add(dict, "created", g_variant_new_int64(cvs_key_file_get_created(key)));
    add(dict, "recovery", g_variant_new_boolean(has_recovery(key)));
    if (slot)
        add_conditions(dict, slot);
}

GVariant *
cvs_describe_entry(const CvsStoreEntry *entry)
{
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    if (entry->key) {
        add_key(&dict, entry->key);
    } else {
        add_string(&dict, "name", entry->name);
        add_owner(&dict, &entry->owner);
        add_string(&dict, "error", entry->error->message);
    }
    return g_variant_builder_end(&dict);
}

static GVariant *
describe_slot(const CvsKeyFile *key, guint i)
{
    const CvsTpm2Slot *slot = cvs_key_file_get_tpm2_slot(key, i);
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    if (slot) {
        add_string(&dict, "kind", "tpm2");
        add(&dict, "generation", g_variant_new_uint32(slot->generation));
        add(&dict, "predicted", g_variant_new_boolean(slot->predicted));
        add_conditions(&dict, slot);
    } else {
        add_string(&dict, "kind", "recovery");
    }
    return g_variant_builder_end(&dict);
}

GVariant *
cvs_describe_key(const CvsKeyFile *key)
{
    GVariantBuilder slots;
    GVariantBuilder dict;

    g_variant_builder_init(&slots, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < cvs_key_file_get_n_slots(key); i++)
        g_variant_builder_add_value(&slots, describe_slot(key, i));
    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    add_key(&dict, key);
    add(&dict, "slots", g_variant_builder_end(&slots));
    return g_variant_builder_end(&dict);
}
