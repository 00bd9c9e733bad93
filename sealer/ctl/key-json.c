/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/key-json.h"

static json_t *
slot_to_json(const CvsSlotInfo *slot)
{
    if (!g_str_equal(slot->kind, "tpm2"))
        return json_pack("{s:s}", "kind", slot->kind);
    return json_pack("{s:s, s:I, s:s, s:s, s:s, s:b, s:s, s:s, s:b, s:b, s:b, s:b}", "kind",
                     slot->kind, "generation", (json_int_t)slot->generation, "profile",
                     slot->profile, "pcrs", slot->pcrs, "bank", slot->bank, "pin", (int)slot->pin,
                     "claims", slot->claims, "rtmrs", slot->rtmrs, "store-key",
                     (int)slot->store_key, "tee-key", (int)slot->tee_key, "pcrs-bind-host",
                     (int)slot->pcrs_bind_host, "predicted", (int)slot->predicted);
}

json_t *
cvs_key_info_to_json(const CvsKeyInfo *info, gboolean slots)
{
    g_autofree char *name = g_utf8_make_valid(info->name, -1);
    json_t *json = NULL;

    if (info->error) {
        g_autofree char *message = g_utf8_make_valid(info->error, -1);

        return json_pack("{s:s, s:s, s:s}", "name", name, "owner", info->owner, "error", message);
    }
    json = json_pack("{s:s, s:s, s:s, s:I, s:I, s:s, s:s, s:b, s:b, s:s, s:s, s:s, s:b, s:b, s:b}",
                     "name", name, "owner", info->owner, "id", info->id, "size",
                     (json_int_t)info->size, "created", (json_int_t)info->created, "pcrs",
                     info->pcrs, "bank", info->bank, "pin", (int)info->pin, "recovery",
                     (int)info->recovery, "profile", info->profile, "claims", info->claims, "rtmrs",
                     info->rtmrs, "store-key", (int)info->store_key, "tee-key", (int)info->tee_key,
                     "pcrs-bind-host", (int)info->pcrs_bind_host);
    if (slots) {
        json_t *array = json_array();

        for (guint i = 0; i < info->slots->len; i++)
            (void)json_array_append_new(array, slot_to_json(g_ptr_array_index(info->slots, i)));
        (void)json_object_set_new(json, "slots", array);
    }
    return json;
}
