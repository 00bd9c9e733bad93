/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/wire.h"
#include "base/error.h"

#include <string.h>
#include <tss2/tss2_mu.h>

static const struct {
    CvsHash hash;
    TPM2_ALG_ID alg;
} hashes[] = {
    {CVS_SHA1, TPM2_ALG_SHA1},
    {CVS_SHA256, TPM2_ALG_SHA256},
    {CVS_SHA384, TPM2_ALG_SHA384},
    {CVS_SHA512, TPM2_ALG_SHA512},
};

void
cvs_esys_free(void *pointer_to_pointer)
{
    void **pointer = pointer_to_pointer;

    Esys_Free(*pointer);
    *pointer = NULL;
}

TPM2_ALG_ID
cvs_hash_to_tpm(CvsHash hash)
{
    for (gsize i = 0; i < G_N_ELEMENTS(hashes); i++) {
        if (hashes[i].hash == hash)
            return hashes[i].alg;
    }
    g_return_val_if_reached(TPM2_ALG_NULL);
}

gboolean
cvs_hash_from_tpm(TPM2_ALG_ID alg, CvsHash *ret_hash)
{
    for (gsize i = 0; i < G_N_ELEMENTS(hashes); i++) {
        if (hashes[i].alg == alg) {
            *ret_hash = hashes[i].hash;
            return TRUE;
        }
    }
    return FALSE;
}

void
cvs_pcr_selection_to_tpm(const CvsPcrSelection *selection, TPML_PCR_SELECTION *ret_list)
{
    *ret_list = (TPML_PCR_SELECTION){
        .count = 1,
        .pcrSelections[0] =
            {
                .hash = cvs_hash_to_tpm(selection->bank),
                .sizeofSelect = CVS_PCR_COUNT / 8,
                .pcrSelect =
                    {
                        (guint8)selection->mask,
                        (guint8)(selection->mask >> 8),
                        (guint8)(selection->mask >> 16),
                    },
            },
    };
}

gboolean
cvs_pcr_mask_from_tpm(const TPML_PCR_SELECTION *list, CvsHash bank, guint32 *ret_mask)
{
    guint32 mask = 0;

    if (list->count > G_N_ELEMENTS(list->pcrSelections))
        return FALSE;
    for (guint i = 0; i < list->count; i++) {
        const TPMS_PCR_SELECTION *entry = &list->pcrSelections[i];
        guint32 octets = 0;

        if (entry->sizeofSelect > CVS_PCR_COUNT / 8)
            return FALSE;
        for (guint j = 0; j < entry->sizeofSelect; j++)
            octets |= (guint32)entry->pcrSelect[j] << (8 * j);
        if (entry->hash == cvs_hash_to_tpm(bank))
            mask |= octets;
        else if (octets != 0)
            return FALSE;
    }
    *ret_mask = mask;
    return TRUE;
}

static gboolean
name_from_digest(TPM2_ALG_ID alg, const guint8 *data, gsize size, TPM2B_NAME *ret_name)
{
    CvsHash hash = CVS_SHA256;

    if (!cvs_hash_from_tpm(alg, &hash))
        return FALSE;
    ret_name->size = (UINT16)(2 + cvs_hash_size(hash));
    ret_name->name[0] = (guint8)(alg >> 8);
    ret_name->name[1] = (guint8)alg;
    cvs_hash_bytes(hash, data, size, ret_name->name + 2);
    return TRUE;
}

gboolean
cvs_tpm_name_of(const TPMT_PUBLIC *area, TPM2B_NAME *ret_name)
{
    guint8 buffer[sizeof(TPMT_PUBLIC)];
    gsize size = 0;

    if (Tss2_MU_TPMT_PUBLIC_Marshal(area, buffer, sizeof buffer, &size) != TSS2_RC_SUCCESS)
        return FALSE;
    return name_from_digest(area->nameAlg, buffer, size, ret_name);
}

gboolean
cvs_tpm_primary_qualified_name(TPM2_HANDLE hierarchy, const TPM2B_NAME *name, TPM2B_NAME *ret_name)
{
    guint8 buffer[4 + sizeof name->name];
    guint32 handle = GUINT32_TO_BE(hierarchy);

    if (name->size < 2 || name->size > sizeof name->name)
        return FALSE;
    memcpy(buffer, &handle, 4);
    memcpy(buffer + 4, name->name, name->size);
    return name_from_digest((TPM2_ALG_ID)(name->name[0] << 8 | name->name[1]), buffer,
                            4u + name->size, ret_name);
}

gboolean
cvs_tpm_name_equal(const TPM2B_NAME *a, const TPM2B_NAME *b)
{
    return a->size == b->size && a->size <= sizeof a->name &&
           memcmp(a->name, b->name, a->size) == 0;
}

/* As IESYSC_KEY_RSRC of tpm2-tss, which is part of what is written. */
#define ESYS_KIND_KEY 1u

static gboolean
parse_serialized(const guint8 *data, gsize size, TPM2B_PUBLIC *ret_public)
{
    CvsReader reader = {0};
    guint32 kind = 0;
    gsize offset = 0;

    cvs_reader_init(&reader, data, size);
    (void)cvs_reader_u32_be(&reader);
    (void)cvs_reader_skip(&reader, cvs_reader_u16_be(&reader));
    kind = cvs_reader_u32_be(&reader);
    offset = cvs_reader_pos(&reader);
    return cvs_reader_ok(&reader) && kind == ESYS_KIND_KEY &&
           Tss2_MU_TPM2B_PUBLIC_Unmarshal(data, size, &offset, ret_public) == TSS2_RC_SUCCESS &&
           offset == size;
}

gboolean
cvs_esys_public_of(ESYS_CONTEXT *esys, ESYS_TR key, TPM2B_PUBLIC *ret_public, TPM2B_NAME *ret_name)
{
    CVS_AUTO_ESYS(guint8) serialized = NULL;
    size_t size = 0;

    return Esys_TR_Serialize(esys, key, &serialized, &size) == TSS2_RC_SUCCESS &&
           parse_serialized(serialized, size, ret_public) &&
           cvs_tpm_name_of(&ret_public->publicArea, ret_name);
}

CvsPublicArea *
cvs_public_area_from_tpm(const TPMT_PUBLIC *area, const char *what, GError **error)
{
    guint8 buffer[sizeof(TPMT_PUBLIC)];
    gsize size = 0;

    if (Tss2_MU_TPMT_PUBLIC_Marshal(area, buffer, sizeof buffer, &size) != TSS2_RC_SUCCESS) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: not a public area", what);
        return NULL;
    }
    return cvs_public_area_parse(buffer, size, what, error);
}

gboolean
cvs_public_area_to_tpm(const CvsPublicArea *area, TPM2B_PUBLIC *ret_public)
{
    gsize size = g_bytes_get_size(area->bytes), offset = 0;

    *ret_public = (TPM2B_PUBLIC){0};
    return Tss2_MU_TPMT_PUBLIC_Unmarshal(g_bytes_get_data(area->bytes, NULL), size, &offset,
                                         &ret_public->publicArea) == TSS2_RC_SUCCESS &&
           offset == size;
}
