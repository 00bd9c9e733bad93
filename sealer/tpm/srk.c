/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/srk.h"
#include "base/error.h"
#include "base/hex.h"
#include "tpm/rc.h"
#include "tpm/session.h"
#include "tpm/wire.h"

#include <string.h>

static const TPM2B_PUBLIC ecc_template = {
    .publicArea =
        {
            .type = TPM2_ALG_ECC,
            .nameAlg = TPM2_ALG_SHA256,
            .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                                TPMA_OBJECT_NODA | TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT,
            .parameters.eccDetail =
                {
                    .symmetric = {.algorithm = TPM2_ALG_AES,
                                  .keyBits.aes = 128,
                                  .mode.aes = TPM2_ALG_CFB},
                    .scheme.scheme = TPM2_ALG_NULL,
                    .curveID = TPM2_ECC_NIST_P256,
                    .kdf.scheme = TPM2_ALG_NULL,
                },
            /* 32 zero bytes each, so that every program that follows the template has this key. */
            .unique.ecc = {.x.size = 32, .y.size = 32},
        },
};

static gboolean
make_persistent(CvsTpm *tpm, ESYS_TR primary, GError **error)
{
    TSS2_RC rc = Esys_EvictControl(tpm->esys, ESYS_TR_RH_OWNER, primary, ESYS_TR_PASSWORD,
                                   ESYS_TR_NONE, ESYS_TR_NONE, CVS_TPM_SRK_HANDLE, &tpm->srk);

    if (rc == TSS2_RC_SUCCESS)
        return TRUE;
    tpm->srk = ESYS_TR_NONE;
    /* Somebody else made one in between: theirs is as good, if it passes the check. */
    if (cvs_rc_base(rc) == TPM2_RC_NV_DEFINED)
        return cvs_srk_find(tpm, FALSE, error);
    return cvs_tpm_fail(tpm, rc, "making the storage root key persistent", error);
}

static gboolean
make_srk(CvsTpm *tpm, GError **error)
{
    static const TPM2B_SENSITIVE_CREATE no_sensitive = {0};
    static const TPM2B_DATA no_data = {0};
    static const TPML_PCR_SELECTION no_pcrs = {0};
    ESYS_TR primary = ESYS_TR_NONE;
    gboolean ok = FALSE;
    TSS2_RC rc = Esys_CreatePrimary(tpm->esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE,
                                    ESYS_TR_NONE, &no_sensitive, &ecc_template, &no_data, &no_pcrs,
                                    &primary, NULL, NULL, NULL, NULL);

    if (cvs_rc_base(rc) == TPM2_RC_BAD_AUTH || cvs_rc_base(rc) == TPM2_RC_AUTH_FAIL) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                    "the TPM has no storage root key, and its owner hierarchy has a password: make "
                    "the key at 0x%x with the owner's tools",
                    CVS_TPM_SRK_HANDLE);
        return FALSE;
    }
    if (rc != TSS2_RC_SUCCESS)
        return cvs_tpm_fail(tpm, rc, "making the storage root key", error);
    ok = make_persistent(tpm, primary, error);
    cvs_tpm_flush(tpm, &primary);
    if (ok && tpm->esys == NULL)
        return cvs_tpm_connect(tpm, error) && cvs_srk_find(tpm, FALSE, error);
    return ok;
}

void
cvs_srk_set_changed_error(CvsTpm *tpm, const TPM2B_NAME *seen, GError **error)
{
    g_autofree char *seen_hex = seen ? cvs_hex_encode(seen->name, seen->size) : NULL;
    g_autofree char *wanted_hex =
        cvs_hex_encode(g_bytes_get_data(tpm->pinned_srk, NULL), g_bytes_get_size(tpm->pinned_srk));
    GError *local = g_error_new(CVS_ERROR, CVS_ERROR_TPM_REPLACED,
                                "this is not the TPM that was attested, or it was cleared since");

    cvs_error_add_reason(local, CVS_REASON_SRK_CHANGED, seen_hex, wanted_hex, "%s",
                         seen_hex ? "the storage root key has another Name"
                                  : "the TPM does not hold the attested storage root key");
    g_propagate_error(error, local);
}

/* Before anything is said to it. */
static gboolean
check_salting_key(CvsTpm *tpm, GError **error)
{
    TPM2B_PUBLIC area = {0};
    TPM2B_NAME name = {0};

    if (!cvs_esys_public_of(tpm->esys, tpm->srk, &area, &name))
        return cvs_tpm_nonsense(tpm, "looking for the storage root key", error);
    if (tpm->pinned_srk == NULL ||
        (g_bytes_get_size(tpm->pinned_srk) == name.size &&
         memcmp(g_bytes_get_data(tpm->pinned_srk, NULL), name.name, name.size) == 0))
        return TRUE;
    cvs_srk_set_changed_error(tpm, &name, error);
    cvs_tpm_disconnect(tpm);
    return FALSE;
}

gboolean
cvs_srk_find(CvsTpm *tpm, gboolean make, GError **error)
{
    TSS2_RC rc = Esys_TR_FromTPMPublic(tpm->esys, CVS_TPM_SRK_HANDLE, ESYS_TR_NONE, ESYS_TR_NONE,
                                       ESYS_TR_NONE, &tpm->srk);

    if (rc == TSS2_RC_SUCCESS)
        return check_salting_key(tpm, error);
    tpm->srk = ESYS_TR_NONE;
    if (cvs_rc_base(rc) != TPM2_RC_HANDLE)
        return cvs_tpm_fail(tpm, rc, "looking for the storage root key", error);
    if (tpm->pinned_srk != NULL) {
        cvs_srk_set_changed_error(tpm, NULL, error);
        return FALSE;
    }
    if (make)
        return make_srk(tpm, error);
    g_set_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                "the TPM has no storage root key at 0x%x", CVS_TPM_SRK_HANDLE);
    return FALSE;
}

/* What the key lacks, or NULL. */
static const char *
unfit(const TPM2B_PUBLIC *area, const TPM2B_NAME *qualified_name)
{
    static const struct {
        TPMA_OBJECT bit;
        gboolean set;
        const char *lack;
    } wanted[] = {
        {TPMA_OBJECT_FIXEDTPM, TRUE, "fixedTPM is clear: it can be moved to another TPM"},
        {TPMA_OBJECT_FIXEDPARENT, TRUE, "fixedParent is clear: it can be moved"},
        {TPMA_OBJECT_SENSITIVEDATAORIGIN, TRUE,
         "sensitiveDataOrigin is clear: its private part came from outside of the TPM"},
        {TPMA_OBJECT_RESTRICTED, TRUE, "restricted is clear"},
        {TPMA_OBJECT_DECRYPT, TRUE, "decrypt is clear: it is no storage key"},
        {TPMA_OBJECT_SIGN_ENCRYPT, FALSE, "it is a signing key"},
        {TPMA_OBJECT_USERWITHAUTH, TRUE, "userWithAuth is clear: its use needs a policy"},
    };
    TPM2B_NAME name = {0}, expected = {0};

    if (area->publicArea.type != TPM2_ALG_ECC && area->publicArea.type != TPM2_ALG_RSA)
        return "it is neither an ECC nor an RSA key";
    for (gsize i = 0; i < G_N_ELEMENTS(wanted); i++) {
        if (!!(area->publicArea.objectAttributes & wanted[i].bit) != wanted[i].set)
            return wanted[i].lack;
    }
    if (!cvs_tpm_name_of(&area->publicArea, &name) ||
        !cvs_tpm_primary_qualified_name(TPM2_RH_OWNER, &name, &expected) ||
        !cvs_tpm_name_equal(&expected, qualified_name))
        return "it is no primary key of the owner hierarchy";
    return NULL;
}

/* What was read of the key without a session may be wrong: the next request has to look again. */
static void
forget_unchecked(CvsTpm *tpm)
{
    if (!tpm->srk_checked)
        cvs_tpm_disconnect(tpm);
}

gboolean
cvs_srk_check(CvsTpm *tpm, ESYS_TR session, GError **error)
{
    static const char doing[] = "checking the storage root key";
    CVS_AUTO_ESYS(TPM2B_PUBLIC) area = NULL;
    CVS_AUTO_ESYS(TPM2B_NAME) name = NULL;
    CVS_AUTO_ESYS(TPM2B_NAME) qualified_name = NULL;
    TPM2B_PUBLIC salted_to_area = {0};
    TPM2B_NAME computed = {0}, salted_to = {0};
    const char *lack = NULL;
    TSS2_RC rc = Esys_ReadPublic(tpm->esys, tpm->srk, session, ESYS_TR_NONE, ESYS_TR_NONE, &area,
                                 &name, &qualified_name);

    if (rc != TSS2_RC_SUCCESS) {
        (void)cvs_tpm_fail(tpm, rc, doing, error);
        forget_unchecked(tpm);
        return FALSE;
    }

    lack = unfit(area, qualified_name);
    if (lack != NULL) {
        GError *local =
            g_error_new(CVS_ERROR, CVS_ERROR_TPM_REPLACED,
                        "the key at 0x%x is not a storage root key: %s", CVS_TPM_SRK_HANDLE, lack);

        cvs_error_add_reason(local, CVS_REASON_SRK_UNFIT, NULL, NULL, "%s", lack);
        g_propagate_error(error, local);
        tpm->srk_checked = FALSE;
        forget_unchecked(tpm);
        return FALSE;
    }
    if (!cvs_tpm_name_of(&area->publicArea, &computed) || !cvs_tpm_name_equal(&computed, name) ||
        !cvs_esys_public_of(tpm->esys, tpm->srk, &salted_to_area, &salted_to) ||
        !cvs_tpm_name_equal(&computed, &salted_to))
        return cvs_tpm_nonsense(tpm, doing, error);
    if (session != ESYS_TR_NONE) {
        g_clear_pointer(&tpm->srk_name, g_bytes_unref);
        tpm->srk_name = g_bytes_new(name->name, name->size);
        tpm->srk_checked = TRUE;
    }
    return TRUE;
}

GBytes *
cvs_tpm_get_srk_name(CvsTpm *tpm, gboolean make, GError **error)
{
    /* In the session that unseals: who asks for the Name mostly wants that next. */
    if (!tpm->srk_checked && cvs_session_open(tpm, CVS_SESSION_POLICY, make, error) == ESYS_TR_NONE)
        return NULL;
    return tpm->srk_name;
}

static gboolean
read_step(CvsTpm *tpm, gpointer data, GError **error)
{
    gboolean known = tpm->srk_checked;
    ESYS_TR session = cvs_session_open(tpm, CVS_SESSION_POLICY, FALSE, error);

    return session != ESYS_TR_NONE && (!known || cvs_srk_check(tpm, session, error));
}

GBytes *
cvs_tpm_read_srk_name(CvsTpm *tpm, GError **error)
{
    return cvs_tpm_run(tpm, read_step, NULL, error) ? tpm->srk_name : NULL;
}

gboolean
cvs_tpm_check_srk_name(CvsTpm *tpm, const CvsName *wanted, GError **error)
{
    GBytes *seen = cvs_tpm_get_srk_name(tpm, FALSE, error);
    g_autofree char *seen_hex = NULL;
    g_autofree char *wanted_hex = NULL;
    GError *refusal = NULL;
    gsize size = 0;
    const void *data = NULL;

    if (seen == NULL)
        return FALSE;
    data = g_bytes_get_data(seen, &size);
    if (size == wanted->size && memcmp(data, wanted->bytes, size) == 0)
        return TRUE;
    seen_hex = cvs_hex_encode(data, size);
    wanted_hex = cvs_hex_encode(wanted->bytes, wanted->size);
    refusal = g_error_new_literal(CVS_ERROR, CVS_ERROR_TPM_REPLACED,
                                  "the TPM was another when its keys were read, or it was cleared "
                                  "since");
    cvs_error_add_reason(refusal, CVS_REASON_SRK_CHANGED, seen_hex, wanted_hex,
                         "the storage root key has another Name");
    g_propagate_error(error, refusal);
    return FALSE;
}

void
cvs_tpm_pin_srk(CvsTpm *tpm, GBytes *name)
{
    (void)g_bytes_ref(name);
    g_clear_pointer(&tpm->pinned_srk, g_bytes_unref);
    tpm->pinned_srk = name;
    /* What is open was opened to whatever was there. */
    if (tpm->srk_name == NULL || !g_bytes_equal(tpm->srk_name, name))
        cvs_tpm_disconnect(tpm);
}
