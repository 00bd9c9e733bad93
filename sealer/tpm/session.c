/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/session.h"
#include "base/error.h"
#include "tpm/srk.h"
#include "tpm/tpm-private.h"

static const TPMT_SYM_DEF aes_128_cfb = {
    .algorithm = TPM2_ALG_AES,
    .keyBits.aes = 128,
    .mode.aes = TPM2_ALG_CFB,
};

static const struct {
    TPM2_SE type;
    TPMA_SESSION attributes;
} kinds[] = {
    [CVS_SESSION_HMAC] = {TPM2_SE_HMAC, TPMA_SESSION_CONTINUESESSION | TPMA_SESSION_DECRYPT |
                                            TPMA_SESSION_ENCRYPT | TPMA_SESSION_AUDIT},
    [CVS_SESSION_POLICY] = {TPM2_SE_POLICY, TPMA_SESSION_CONTINUESESSION | TPMA_SESSION_ENCRYPT},
};

gboolean
cvs_session_start(CvsTpm *tpm, CvsSessionKind kind, ESYS_TR key, ESYS_TR *ret_session,
                  GError **error)
{
    ESYS_TR tr = ESYS_TR_NONE;
    TSS2_RC rc = Esys_StartAuthSession(tpm->esys, key, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                       ESYS_TR_NONE, NULL, kinds[kind].type, &aes_128_cfb,
                                       TPM2_ALG_SHA256, &tr);

    if (rc == TSS2_RC_SUCCESS)
        rc = Esys_TRSess_SetAttributes(tpm->esys, tr, kinds[kind].attributes, 0xff);
    if (rc != TSS2_RC_SUCCESS)
        return cvs_tpm_fail(tpm, rc, "starting a session with the TPM", error);
    *ret_session = tr;
    return TRUE;
}

static gboolean
start(CvsTpm *tpm, CvsSessionKind kind, GError **error)
{
    ESYS_TR tr = ESYS_TR_NONE;

    if (!cvs_session_start(tpm, kind, tpm->srk, &tr, error))
        return FALSE;
    tpm->sessions[kind] = (CvsSession){.tr = tr};
    return TRUE;
}

/* A key that sessions cannot be salted to fails here in many ways; its public area, read without a
 * session, tells whether that is why. Takes the error. */
static void
explain_failed_start(CvsTpm *tpm, GError *failed, GError **error)
{
    g_autoptr(GError) start_error = failed;
    g_autoptr(GError) local = NULL;

    cvs_tpm_disconnect(tpm);
    if (tpm->pinned_srk != NULL) {
        if (cvs_tpm_lacks_key(tpm))
            cvs_srk_set_changed_error(tpm, NULL, error);
        else
            g_propagate_error(error, g_steal_pointer(&start_error));
        return;
    }
    if (cvs_tpm_connect(tpm, NULL) && cvs_srk_find(tpm, FALSE, NULL) &&
        !cvs_srk_check(tpm, ESYS_TR_NONE, &local) &&
        g_error_matches(local, CVS_ERROR, CVS_ERROR_TPM_REPLACED))
        g_propagate_error(error, g_steal_pointer(&local));
    else
        g_propagate_error(error, g_steal_pointer(&start_error));
}

static gboolean
set_encrypt(CvsTpm *tpm, gboolean encrypt, GError **error)
{
    TSS2_RC rc =
        Esys_TRSess_SetAttributes(tpm->esys, tpm->sessions[CVS_SESSION_POLICY].tr,
                                  encrypt ? TPMA_SESSION_ENCRYPT : 0, TPMA_SESSION_ENCRYPT);

    return rc == TSS2_RC_SUCCESS || cvs_tpm_fail(tpm, rc, "preparing a session", error);
}

ESYS_TR
cvs_session_open(CvsTpm *tpm, CvsSessionKind kind, gboolean make_srk, GError **error)
{
    GError *local = NULL;

    if (!cvs_tpm_connect(tpm, error))
        return ESYS_TR_NONE;
    if (tpm->srk == ESYS_TR_NONE && !cvs_srk_find(tpm, make_srk, error))
        return ESYS_TR_NONE;
    if (tpm->sessions[kind].tr == ESYS_TR_NONE && !start(tpm, kind, &local)) {
        if (tpm->srk_checked)
            g_propagate_error(error, local);
        else
            explain_failed_start(tpm, local, error);
        return ESYS_TR_NONE;
    }
    /* It did not encrypt for a PIN; the TPM takes no session that is there for nothing. */
    if (tpm->sessions[kind].with_pin && !set_encrypt(tpm, TRUE, error))
        return ESYS_TR_NONE;
    tpm->sessions[kind].with_pin = FALSE;
    if (!tpm->srk_checked && !cvs_session_prove(tpm, kind, &local)) {
        /* The key is the pinned one, and whoever answers does not have its private part. */
        if (tpm->pinned_srk != NULL && cvs_tpm_lacks_key(tpm)) {
            g_error_free(local);
            cvs_srk_set_changed_error(tpm, NULL, error);
        } else {
            g_propagate_error(error, local);
        }
        return ESYS_TR_NONE;
    }
    tpm->sessions[kind].spare = FALSE;
    return tpm->sessions[kind].tr;
}

void
cvs_session_not_needed(CvsTpm *tpm, CvsSessionKind kind)
{
    if (tpm->sessions[kind].spare)
        cvs_session_flush(tpm, kind);
    else
        tpm->sessions[kind].spare = tpm->sessions[kind].tr != ESYS_TR_NONE;
}

gboolean
cvs_session_prove(CvsTpm *tpm, CvsSessionKind kind, GError **error)
{
    if (tpm->sessions[kind].proven && tpm->srk_checked)
        return TRUE;
    if (!cvs_srk_check(tpm, tpm->sessions[kind].tr, error))
        return FALSE;
    tpm->sessions[kind].proven = TRUE;
    return TRUE;
}

ESYS_TR
cvs_session_open_policy(CvsTpm *tpm, gboolean with_pin, gboolean sends_auth_value, GError **error)
{
    CvsSession *session = &tpm->sessions[CVS_SESSION_POLICY];

    if (session->auth_value && !sends_auth_value)
        cvs_session_flush(tpm, CVS_SESSION_POLICY);
    if (cvs_session_open(tpm, CVS_SESSION_POLICY, FALSE, error) == ESYS_TR_NONE)
        return ESYS_TR_NONE;
    if (session->dirty) {
        TSS2_RC rc =
            Esys_PolicyRestart(tpm->esys, session->tr, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE);

        if (rc != TSS2_RC_SUCCESS) {
            (void)cvs_tpm_fail(tpm, rc, "starting a policy anew", error);
            return ESYS_TR_NONE;
        }
    }
    if (with_pin && !cvs_session_prove(tpm, CVS_SESSION_POLICY, error))
        return ESYS_TR_NONE;
    if (!set_encrypt(tpm, !with_pin, error))
        return ESYS_TR_NONE;
    session->dirty = TRUE;
    session->with_pin = with_pin;
    return session->tr;
}

ESYS_TR
cvs_session_restart_policy(CvsTpm *tpm, GError **error)
{
    return cvs_session_open_policy(tpm, tpm->sessions[CVS_SESSION_POLICY].with_pin, FALSE, error);
}

void
cvs_session_sent_auth_value(CvsTpm *tpm, ESYS_TR session)
{
    if (session == tpm->sessions[CVS_SESSION_POLICY].tr)
        tpm->sessions[CVS_SESSION_POLICY].auth_value = TRUE;
}

void
cvs_session_policy_was_used(CvsTpm *tpm)
{
    tpm->sessions[CVS_SESSION_POLICY].dirty = FALSE;
    tpm->sessions[CVS_SESSION_POLICY].proven = TRUE;
}

void
cvs_session_flush(CvsTpm *tpm, CvsSessionKind kind)
{
    ESYS_TR tr = tpm->sessions[kind].tr;

    cvs_session_forget(tpm, kind);
    cvs_tpm_flush(tpm, &tr);
}

void
cvs_session_forget(CvsTpm *tpm, CvsSessionKind kind)
{
    tpm->sessions[kind] = (CvsSession){.tr = ESYS_TR_NONE};
}
