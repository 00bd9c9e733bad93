/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/hex.h"
#include "tpm/ak-private.h"
#include "tpm/ak-public.h"
#include "tpm/rc.h"
#include "tpm/session.h"
#include "tpm/wire.h"

#include <string.h>

static const TPM2B_PUBLIC own_template = {
    .publicArea =
        {
            .type = TPM2_ALG_ECC,
            .nameAlg = TPM2_ALG_SHA256,
            .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                                TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED |
                                TPMA_OBJECT_SIGN_ENCRYPT,
            .parameters.eccDetail =
                {
                    .symmetric.algorithm = TPM2_ALG_NULL,
                    .scheme = {.scheme = TPM2_ALG_ECDSA, .details.ecdsa.hashAlg = TPM2_ALG_SHA256},
                    .curveID = TPM2_ECC_NIST_P256,
                    .kdf.scheme = TPM2_ALG_NULL,
                },
        },
};

static gboolean
refuse(guint32 handle, const char *lack, GError **error)
{
    GError *local = g_error_new(CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED,
                                "the key at 0x%x is not an attestation key: %s", handle, lack);

    cvs_error_add_reason(local, CVS_REASON_AK_UNFIT, NULL, NULL, "%s", lack);
    g_propagate_error(error, local);
    return FALSE;
}

static gboolean
check(const CvsPublicArea *area, guint32 handle, GError **error)
{
    const char *lack = cvs_ak_lacks(area);

    return lack == NULL || refuse(handle, lack, error);
}

/* The hierarchy is used by the session's HMAC: so the answer is of the TPM that it is salted to. */
static gboolean
make_own(CvsTpm *tpm, ESYS_TR session, CvsAk *ak, GError **error)
{
    static const char doing[] = "making the attestation key";
    static const TPM2B_SENSITIVE_CREATE no_sensitive = {0};
    static const TPM2B_DATA no_data = {0};
    static const TPML_PCR_SELECTION no_pcrs = {0};
    const guint32 hierarchy = GUINT32_TO_BE(TPM2_RH_ENDORSEMENT);
    CVS_AUTO_ESYS(TPM2B_PUBLIC) area = NULL;
    TSS2_RC rc = Esys_CreatePrimary(tpm->esys, ESYS_TR_RH_ENDORSEMENT, session, ESYS_TR_NONE,
                                    ESYS_TR_NONE, &no_sensitive, &own_template, &no_data, &no_pcrs,
                                    &ak->tr, &area, NULL, NULL, NULL);

    if (rc != TSS2_RC_SUCCESS)
        ak->tr = ESYS_TR_NONE;
    ak->transient = TRUE;
    if (cvs_rc_base(rc) == TPM2_RC_HIERARCHY) {
        tpm->last_rc = rc;
        g_set_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                    "%s: the endorsement hierarchy is disabled", doing);
        return FALSE;
    }
    /* The session is the right one, or nothing was answered in it before: a password then. */
    if (cvs_rc_base(rc) == TPM2_RC_BAD_AUTH || cvs_rc_base(rc) == TPM2_RC_AUTH_FAIL) {
        tpm->last_rc = rc;
        g_set_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                    "%s: the endorsement hierarchy has a password", doing);
        return FALSE;
    }
    if (rc != TSS2_RC_SUCCESS)
        return cvs_tpm_fail(tpm, rc, doing, error);
    ak->area = cvs_public_area_from_tpm(&area->publicArea, "attestation key", NULL);
    if (ak->area == NULL)
        return cvs_tpm_nonsense(tpm, doing, error);
    cvs_name_qualify(&hierarchy, sizeof hierarchy, ak->area, &ak->qualified);
    return TRUE;
}

/* Once without the session, so that ESYS knows the Name that goes into the HMAC, and once in it. */
static gboolean
read_persistent(CvsTpm *tpm, ESYS_TR session, guint32 handle, CvsAk *ak, GError **error)
{
    static const char doing[] = "reading the attestation key";
    CVS_AUTO_ESYS(TPM2B_PUBLIC) area = NULL;
    CVS_AUTO_ESYS(TPM2B_NAME) name = NULL;
    CVS_AUTO_ESYS(TPM2B_NAME) qualified = NULL;
    g_autoptr(GError) local = NULL;
    TSS2_RC rc =
        Esys_TR_FromTPMPublic(tpm->esys, handle, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &ak->tr);

    ak->transient = FALSE;
    if (rc != TSS2_RC_SUCCESS)
        ak->tr = ESYS_TR_NONE;
    if (cvs_rc_base(rc) == TPM2_RC_HANDLE) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                    "the TPM has no attestation key at 0x%x", handle);
        return FALSE;
    }
    if (rc == TSS2_RC_SUCCESS)
        rc = Esys_ReadPublic(tpm->esys, ak->tr, session, ESYS_TR_NONE, ESYS_TR_NONE, &area, &name,
                             &qualified);
    if (rc != TSS2_RC_SUCCESS)
        return cvs_tpm_fail(tpm, rc, doing, error);
    ak->area = cvs_public_area_from_tpm(&area->publicArea, "attestation key", &local);
    if (ak->area == NULL)
        return refuse(handle, local->message, error);
    if (name->size != ak->area->name.size || qualified->size > sizeof ak->qualified.bytes ||
        !cvs_equal_bytes(name->name, ak->area->name.bytes, name->size))
        return cvs_tpm_nonsense(tpm, doing, error);
    ak->qualified.size = qualified->size;
    memcpy(ak->qualified.bytes, qualified->name, qualified->size);
    return TRUE;
}

gboolean
cvs_ak_load(CvsTpm *tpm, ESYS_TR session, guint32 handle, CvsAk *ret_ak, GError **error)
{
    CvsAk ak = {.tr = ESYS_TR_NONE};

    if ((handle == CVS_AK_OWN ? make_own(tpm, session, &ak, error)
                              : read_persistent(tpm, session, handle, &ak, error)) &&
        check(ak.area, handle, error)) {
        *ret_ak = ak;
        return TRUE;
    }
    cvs_ak_unload(tpm, &ak);
    return FALSE;
}

gboolean
cvs_ak_load_same(CvsTpm *tpm, ESYS_TR session, guint32 handle, const CvsPublicArea *area,
                 CvsAk *ret_ak, GError **error)
{
    g_autofree char *seen = NULL, *wanted = NULL;
    GError *local = NULL;
    CvsAk ak = {.tr = ESYS_TR_NONE};

    if (!cvs_ak_load(tpm, session, handle, &ak, error))
        return FALSE;
    if (cvs_public_area_equal(ak.area, area)) {
        *ret_ak = ak;
        return TRUE;
    }
    seen = cvs_hex_encode(ak.area->name.bytes, ak.area->name.size);
    wanted = cvs_hex_encode(area->name.bytes, area->name.size);
    local = g_error_new(CVS_ERROR, CVS_ERROR_TPM_REPLACED,
                        "the TPM's attestation key is another than before");
    cvs_error_add_reason(local, CVS_REASON_EK_CHANGED, seen, wanted,
                         "the attestation key has another Name");
    g_propagate_error(error, local);
    cvs_ak_unload(tpm, &ak);
    return FALSE;
}

void
cvs_ak_unload(CvsTpm *tpm, CvsAk *ak)
{
    cvs_tpm_let_go(tpm, &ak->tr, ak->transient);
    g_clear_pointer(&ak->area, cvs_public_area_free);
}

typedef struct {
    guint32 handle;
    CvsPublicArea *area;
    CvsName qualified;
} Reading;

static gboolean
read_step(CvsTpm *tpm, gpointer data, GError **error)
{
    Reading *reading = data;
    ESYS_TR session = cvs_session_open(tpm, CVS_SESSION_HMAC, FALSE, error);
    CvsAk ak = {.tr = ESYS_TR_NONE};

    if (session == ESYS_TR_NONE || !cvs_ak_load(tpm, session, reading->handle, &ak, error))
        return FALSE;
    reading->area = g_steal_pointer(&ak.area);
    reading->qualified = ak.qualified;
    cvs_ak_unload(tpm, &ak);
    return TRUE;
}

CvsPublicArea *
cvs_tpm_read_ak(CvsTpm *tpm, guint32 handle, CvsName *ret_qualified, GError **error)
{
    Reading reading = {.handle = handle};

    if (!cvs_tpm_run(tpm, read_step, &reading, error))
        return NULL;
    if (ret_qualified != NULL)
        *ret_qualified = reading.qualified;
    return reading.area;
}
