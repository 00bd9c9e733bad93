/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/backend.h"

static void
slot_info_free(gpointer data)
{
    CvsSlotInfo *slot = data;

    g_free(slot->kind);
    g_free(slot->profile);
    g_free(slot->pcrs);
    g_free(slot->bank);
    g_free(slot->claims);
    g_free(slot->rtmrs);
    g_free(slot);
}

CvsKeyInfo *
cvs_key_info_new(const char *name, const char *owner)
{
    CvsKeyInfo *info = g_new0(CvsKeyInfo, 1);

    info->name = g_strdup(name);
    info->owner = g_strdup(owner);
    info->id = g_strdup("");
    info->pcrs = g_strdup("");
    info->bank = g_strdup("");
    info->profile = g_strdup("");
    info->claims = g_strdup("");
    info->rtmrs = g_strdup("");
    info->pcrs_bind_host = TRUE;
    info->slots = g_ptr_array_new_with_free_func(slot_info_free);
    return info;
}

CvsSlotInfo *
cvs_key_info_add_slot(CvsKeyInfo *info, const char *kind)
{
    CvsSlotInfo *slot = g_new0(CvsSlotInfo, 1);

    slot->kind = g_strdup(kind);
    slot->profile = g_strdup("");
    slot->pcrs = g_strdup("");
    slot->bank = g_strdup("");
    slot->claims = g_strdup("");
    slot->rtmrs = g_strdup("");
    slot->pcrs_bind_host = TRUE;
    g_ptr_array_add(info->slots, slot);
    return slot;
}

void
cvs_key_info_free(CvsKeyInfo *info)
{
    if (info == NULL)
        return;
    g_free(info->name);
    g_free(info->owner);
    g_free(info->id);
    g_free(info->pcrs);
    g_free(info->bank);
    g_free(info->profile);
    g_free(info->claims);
    g_free(info->rtmrs);
    g_free(info->error);
    g_ptr_array_unref(info->slots);
    g_free(info);
}

CvsStatusInfo *
cvs_status_info_new(void)
{
    CvsStatusInfo *info = g_new0(CvsStatusInfo, 1);

    info->server = g_strdup("");
    info->tpm_error = g_strdup("");
    info->tpm_manufacturer = g_strdup("");
    info->tpm_banks = g_strdup("");
    info->tpm_srk_name = g_strdup("");
    info->lock2 = g_strdup("");
    info->attestation = g_strdup("");
    info->attestation_reasons = json_array();
    info->tee_type = g_strdup("");
    info->vtpm_kind = g_strdup("");
    info->registers = json_object();
    return info;
}

void
cvs_status_info_free(CvsStatusInfo *info)
{
    if (info == NULL)
        return;
    g_free(info->server);
    g_free(info->tpm_error);
    g_free(info->tpm_manufacturer);
    g_free(info->tpm_banks);
    g_free(info->tpm_srk_name);
    g_free(info->lock2);
    g_free(info->attestation);
    json_decref(info->attestation_reasons);
    g_free(info->tee_type);
    g_free(info->vtpm_kind);
    json_decref(info->registers);
    g_free(info);
}

void
cvs_backend_free(CvsBackend *backend)
{
    if (backend)
        backend->class->free(backend);
}
