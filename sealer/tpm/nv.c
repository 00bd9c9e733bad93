/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/nv.h"
#include "base/error.h"
#include "tpm/rc.h"
#include "tpm/session.h"
#include "tpm/wire.h"

#include <string.h>

/* What every TPM writes at once (TPM_PT_NV_BUFFER_MAX, PC Client Platform TPM Profile). */
#define WRITE_MAX 512

typedef struct {
    guint32 index;
    ESYS_TR session;
    ESYS_TR tr; /* ESYS_TR_NONE: there is no such index */
    TPMA_NV attributes;
    guint16 size;
    GByteArray *bytes; /* of a read */
    const void *data;  /* of a write */
    gsize data_size;
} Access;

static gboolean
refuse(guint32 index, const char *reason, const char *detail, GError **error)
{
    GError *local =
        g_error_new(CVS_ERROR, CVS_ERROR_NOT_SUPPORTED, "NV index 0x%x: %s", index, detail);

    cvs_error_add_reason(local, reason, NULL, NULL, "NV index 0x%x: %s", index, detail);
    g_propagate_error(error, local);
    return FALSE;
}

static gboolean
fail(CvsTpm *tpm, const Access *access, TSS2_RC rc, const char *doing, GError **error)
{
    switch (cvs_rc_base(rc)) {
    case TPM2_RC_BAD_AUTH:
    case TPM2_RC_AUTH_FAIL:
        tpm->last_rc = rc;
        return refuse(access->index, CVS_REASON_NV_UNFIT, "it has a password, or its owner has",
                      error);
    case TPM2_RC_NV_LOCKED:
        tpm->last_rc = rc;
        return refuse(access->index, CVS_REASON_NV_UNFIT, "it is locked", error);
    case TPM2_RC_NV_UNINITIALIZED:
        tpm->last_rc = rc;
        return refuse(access->index, CVS_REASON_NV_MISSING, "nothing was written to it yet", error);
    default:
        return cvs_tpm_fail(tpm, rc, doing, error);
    }
}

/* Once without the session, so that ESYS knows the Name that goes into the HMAC, and once in it. */
static gboolean
look(CvsTpm *tpm, Access *access, GError **error)
{
    static const char doing[] = "looking at an NV index";
    CVS_AUTO_ESYS(TPM2B_NV_PUBLIC) area = NULL;
    TSS2_RC rc = Esys_TR_FromTPMPublic(tpm->esys, access->index, ESYS_TR_NONE, ESYS_TR_NONE,
                                       ESYS_TR_NONE, &access->tr);

    if (rc != TSS2_RC_SUCCESS)
        access->tr = ESYS_TR_NONE;
    if (cvs_rc_base(rc) == TPM2_RC_HANDLE)
        return TRUE;
    if (rc == TSS2_RC_SUCCESS)
        rc = Esys_NV_ReadPublic(tpm->esys, access->tr, access->session, ESYS_TR_NONE, ESYS_TR_NONE,
                                &area, NULL);
    if (rc != TSS2_RC_SUCCESS)
        return cvs_tpm_fail(tpm, rc, doing, error);
    if (area->nvPublic.nvIndex != access->index)
        return cvs_tpm_nonsense(tpm, doing, error);
    access->attributes = area->nvPublic.attributes;
    access->size = area->nvPublic.dataSize;
    return TRUE;
}

static gboolean
is_ordinary(const Access *access)
{
    return (access->attributes & TPMA_NV_TPM2_NT_MASK) >> TPMA_NV_TPM2_NT_SHIFT == TPM2_NT_ORDINARY;
}

/* Bytes that the TPM gives at once. */
static gboolean
get_piece(CvsTpm *tpm, const Access *access, guint16 *ret_piece, GError **error)
{
    static const char doing[] = "asking how much the TPM reads at once";
    CVS_AUTO_ESYS(TPMS_CAPABILITY_DATA) data = NULL;
    const TPML_TAGGED_TPM_PROPERTY *list = NULL;
    TPMI_YES_NO more = TPM2_NO;
    TSS2_RC rc =
        Esys_GetCapability(tpm->esys, access->session, ESYS_TR_NONE, ESYS_TR_NONE,
                           TPM2_CAP_TPM_PROPERTIES, TPM2_PT_NV_BUFFER_MAX, 1, &more, &data);

    if (rc != TSS2_RC_SUCCESS)
        return cvs_tpm_fail(tpm, rc, doing, error);
    list = &data->data.tpmProperties;
    if (data->capability != TPM2_CAP_TPM_PROPERTIES || list->count != 1 ||
        list->tpmProperty[0].property != TPM2_PT_NV_BUFFER_MAX || list->tpmProperty[0].value == 0)
        return cvs_tpm_nonsense(tpm, doing, error);
    *ret_piece = (guint16)MIN(list->tpmProperty[0].value, TPM2_MAX_NV_BUFFER_SIZE);
    return TRUE;
}

static gboolean
read_all(CvsTpm *tpm, Access *access, ESYS_TR authorization, GError **error)
{
    static const char doing[] = "reading an NV index";
    guint16 piece = 0;

    if (!get_piece(tpm, access, &piece, error))
        return FALSE;
    while (access->bytes->len < access->size) {
        CVS_AUTO_ESYS(TPM2B_MAX_NV_BUFFER) data = NULL;
        guint16 offset = (guint16)access->bytes->len;
        guint16 want = MIN(piece, (guint16)(access->size - offset));
        TSS2_RC rc = Esys_NV_Read(tpm->esys, authorization, access->tr, access->session,
                                  ESYS_TR_NONE, ESYS_TR_NONE, want, offset, &data);

        if (rc != TSS2_RC_SUCCESS)
            return fail(tpm, access, rc, doing, error);
        if (data->size != want)
            return cvs_tpm_nonsense(tpm, doing, error);
        g_byte_array_append(access->bytes, data->buffer, data->size);
    }
    return TRUE;
}

static gboolean
read_found(CvsTpm *tpm, Access *access, GError **error)
{
    if (access->tr == ESYS_TR_NONE)
        return refuse(access->index, CVS_REASON_NV_MISSING, "the TPM has no such index", error);
    if (!is_ordinary(access))
        return refuse(access->index, CVS_REASON_NV_UNFIT, "it does not hold data", error);
    if (access->size > CVS_NV_MAX)
        return refuse(access->index, CVS_REASON_NV_UNFIT, "it is larger than what is read", error);
    if (access->attributes & TPMA_NV_AUTHREAD)
        return read_all(tpm, access, access->tr, error);
    if (access->attributes & TPMA_NV_OWNERREAD)
        return read_all(tpm, access, ESYS_TR_RH_OWNER, error);
    return refuse(access->index, CVS_REASON_NV_UNFIT,
                  "neither its auth value nor the owner's lets it be read", error);
}

static gboolean
open_access(CvsTpm *tpm, Access *access, GError **error)
{
    access->tr = ESYS_TR_NONE;
    access->session = cvs_session_open(tpm, CVS_SESSION_HMAC, FALSE, error);
    return access->session != ESYS_TR_NONE && look(tpm, access, error);
}

static gboolean
read_step(CvsTpm *tpm, gpointer data, GError **error)
{
    Access *access = data;
    gboolean ok = FALSE;

    g_byte_array_set_size(access->bytes, 0);
    ok = open_access(tpm, access, error) && read_found(tpm, access, error);
    cvs_tpm_let_go(tpm, &access->tr, FALSE);
    return ok;
}

GBytes *
cvs_tpm_nv_read(CvsTpm *tpm, guint32 index, GError **error)
{
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    Access access = {.index = index, .bytes = bytes};

    if (!cvs_tpm_run(tpm, read_step, &access, error))
        return NULL;
    return g_byte_array_free_to_bytes(g_steal_pointer(&bytes));
}

static gboolean
define(CvsTpm *tpm, Access *access, GError **error)
{
    static const TPM2B_AUTH no_auth = {.size = 0};
    const TPM2B_NV_PUBLIC area = {
        .nvPublic =
            {
                .nvIndex = access->index,
                .nameAlg = TPM2_ALG_SHA256,
                .attributes = TPMA_NV_OWNERWRITE | TPMA_NV_OWNERREAD | TPMA_NV_AUTHWRITE |
                              TPMA_NV_AUTHREAD | TPMA_NV_NO_DA,
                .dataSize = (UINT16)access->data_size,
            },
    };
    TSS2_RC rc = Esys_NV_DefineSpace(tpm->esys, ESYS_TR_RH_OWNER, access->session, ESYS_TR_NONE,
                                     ESYS_TR_NONE, &no_auth, &area, &access->tr);

    if (rc == TSS2_RC_SUCCESS)
        return TRUE;
    access->tr = ESYS_TR_NONE;
    if (cvs_rc_base(rc) == TPM2_RC_NV_SPACE) {
        tpm->last_rc = rc;
        return refuse(access->index, CVS_REASON_NV_MISSING, "the TPM has no room for it", error);
    }
    return fail(tpm, access, rc, "defining an NV index", error);
}

static gboolean
write_found(CvsTpm *tpm, Access *access, GError **error)
{
    TPM2B_MAX_NV_BUFFER buffer = {.size = (UINT16)access->data_size};
    TSS2_RC rc = TSS2_RC_SUCCESS;

    if (access->tr == ESYS_TR_NONE) {
        if (!define(tpm, access, error))
            return FALSE;
    } else if (!is_ordinary(access) || access->size != access->data_size ||
               !(access->attributes & TPMA_NV_OWNERWRITE)) {
        return refuse(access->index, CVS_REASON_NV_UNFIT,
                      "there is one of another kind or size: remove it (tpm2_nvundefine)", error);
    }
    memcpy(buffer.buffer, access->data, access->data_size);
    rc = Esys_NV_Write(tpm->esys, ESYS_TR_RH_OWNER, access->tr, access->session, ESYS_TR_NONE,
                       ESYS_TR_NONE, &buffer, 0);
    return rc == TSS2_RC_SUCCESS || fail(tpm, access, rc, "writing an NV index", error);
}

static gboolean
write_step(CvsTpm *tpm, gpointer data, GError **error)
{
    Access *access = data;
    gboolean ok = open_access(tpm, access, error) && write_found(tpm, access, error);

    cvs_tpm_let_go(tpm, &access->tr, FALSE);
    return ok;
}

gboolean
cvs_tpm_nv_write(CvsTpm *tpm, guint32 index, const void *data, gsize size, GError **error)
{
    Access access = {.index = index, .data = data, .data_size = size};

    g_return_val_if_fail(size > 0 && size <= WRITE_MAX, FALSE);
    return cvs_tpm_run(tpm, write_step, &access, error);
}
