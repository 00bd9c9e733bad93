/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/tpm.h"
#include "base/error.h"
#include "config.h"
#include "tpm/crypto-callbacks.h"
#include "tpm/rc.h"
#include "tpm/session.h"
#include "tpm/tpm-private.h"
#include "tpm/wire.h"

#include <tss2/tss2_sys.h>

static void
forget_connection_state(CvsTpm *tpm)
{
    for (guint i = 0; i < CVS_N_SESSIONS; i++)
        cvs_session_forget(tpm, (CvsSessionKind)i);
    tpm->srk = ESYS_TR_NONE;
    tpm->unflushed = ESYS_TR_NONE;
    tpm->srk_checked = FALSE;
    g_clear_pointer(&tpm->srk_name, g_bytes_unref);
}

CvsTpm *
cvs_tpm_new(const char *tcti)
{
    CvsTpm *tpm = g_new0(CvsTpm, 1);

    tpm->conf = g_strdup(tcti ? tcti : CVS_TPM_DEFAULT_TCTI);
    forget_connection_state(tpm);
    return tpm;
}

void
cvs_tpm_free(CvsTpm *tpm)
{
    if (tpm == NULL)
        return;
    cvs_tpm_disconnect(tpm);
    g_clear_pointer(&tpm->pinned_srk, g_bytes_unref);
    g_free(tpm->conf);
    g_free(tpm);
}

gboolean
cvs_tpm_connect(CvsTpm *tpm, GError **error)
{
    g_autoptr(CvsTcti) tcti = NULL;
    ESYS_CONTEXT *esys = NULL;
    TSS2_RC rc = TSS2_RC_SUCCESS;

    if (tpm->esys != NULL)
        return TRUE;
    tcti = cvs_tcti_open(tpm->conf, &tpm->watch, error);
    if (tcti == NULL)
        return FALSE;
    rc = Esys_Initialize(&esys, cvs_tcti_context(tcti), NULL);
    if (rc == TSS2_RC_SUCCESS)
        rc = cvs_crypto_callbacks_install(esys);
    if (rc != TSS2_RC_SUCCESS) {
        Esys_Finalize(&esys);
        cvs_rc_set_error(rc, "connecting to the TPM", error);
        return FALSE;
    }
    tpm->tcti = g_steal_pointer(&tcti);
    tpm->esys = esys;
    return TRUE;
}

void
cvs_tpm_disconnect(CvsTpm *tpm)
{
    forget_connection_state(tpm);
    if (tpm->esys != NULL)
        Esys_Finalize(&tpm->esys);
    g_clear_pointer(&tpm->tcti, cvs_tcti_close);
}

/* The TPM tells how long it takes to forgive one wrong try, not how much of that has passed. */
static void
set_lockout_error(CvsTpm *tpm, const char *doing, GError **error)
{
    CVS_AUTO_ESYS(TPMS_CAPABILITY_DATA) data = NULL;
    TPMI_YES_NO more = TPM2_NO;
    guint32 seconds = 0;
    GError *local = NULL;
    TSS2_RC rc =
        Esys_GetCapability(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                           TPM2_CAP_TPM_PROPERTIES, TPM2_PT_LOCKOUT_INTERVAL, 1, &more, &data);

    if (rc == TSS2_RC_SUCCESS && data->capability == TPM2_CAP_TPM_PROPERTIES &&
        data->data.tpmProperties.count == 1 &&
        data->data.tpmProperties.tpmProperty[0].property == TPM2_PT_LOCKOUT_INTERVAL)
        seconds = data->data.tpmProperties.tpmProperty[0].value;
    else if (rc != TSS2_RC_SUCCESS && cvs_rc_is_fatal(rc))
        cvs_tpm_disconnect(tpm);

    if (seconds > 0)
        local = g_error_new(CVS_ERROR, CVS_ERROR_TPM_LOCKOUT,
                            "%s: too many wrong PINs: the TPM takes the next one in at most %u "
                            "seconds",
                            doing, seconds);
    else
        local = g_error_new(CVS_ERROR, CVS_ERROR_TPM_LOCKOUT,
                            "%s: too many wrong PINs: the TPM takes none until its administrator "
                            "resets it",
                            doing);
    cvs_error_add_reason(local, CVS_REASON_LOCKED_OUT, NULL, NULL,
                         "dictionary-attack protection is active");
    g_propagate_error(error, local);
}

gboolean
cvs_tpm_fail(CvsTpm *tpm, TSS2_RC rc, const char *doing, GError **error)
{
    GError *local = NULL;

    /* Where it can mean a wrong PIN or password the caller asked before. Here it means that the TPM
     * does not have our session's key: what was said on the way was changed, or it is another TPM.
     */
    if (cvs_rc_base(rc) == TPM2_RC_AUTH_FAIL || cvs_rc_base(rc) == TPM2_RC_BAD_AUTH)
        rc = TSS2_ESYS_RC_RSP_AUTH_FAILED;
    tpm->last_rc = rc;
    if (cvs_rc_base(rc) == TPM2_RC_LOCKOUT) {
        set_lockout_error(tpm, doing, error);
        return FALSE;
    }
    cvs_rc_set_error(rc, doing, &local);
    /* What the TPM should never say to us, it says because one of us is wrong about a handle or a
     * session. The next request begins from nothing. */
    if (cvs_rc_is_fatal(rc) || local->code == CVS_ERROR_FAILED)
        cvs_tpm_disconnect(tpm);
    g_propagate_error(error, local);
    return FALSE;
}

gboolean
cvs_tpm_nonsense(CvsTpm *tpm, const char *doing, GError **error)
{
    return cvs_tpm_fail(tpm, TSS2_ESYS_RC_MALFORMED_RESPONSE, doing, error);
}

void
cvs_tpm_flush(CvsTpm *tpm, ESYS_TR *object)
{
    ESYS_TR tr = *object;
    TSS2_RC rc = TSS2_RC_SUCCESS;

    *object = ESYS_TR_NONE;
    if (tr == ESYS_TR_NONE || tpm->esys == NULL)
        return;
    rc = Esys_FlushContext(tpm->esys, tr);
    /* What could not be flushed, or is not where we thought, goes with the connection. */
    if (rc != TSS2_RC_SUCCESS)
        cvs_tpm_disconnect(tpm);
}

void
cvs_tpm_let_go(CvsTpm *tpm, ESYS_TR *object, gboolean transient)
{
    if (transient) {
        cvs_tpm_flush(tpm, object);
        return;
    }
    if (*object != ESYS_TR_NONE && tpm->esys != NULL)
        (void)Esys_TR_Close(tpm->esys, object);
    *object = ESYS_TR_NONE;
}

void
cvs_tpm_wipe_answer(CvsTpm *tpm)
{
    TSS2_SYS_CONTEXT *sys = NULL;
    const guint8 *param = NULL;
    size_t size = 0;

    if (Esys_GetSysContext(tpm->esys, &sys) == TSS2_RC_SUCCESS &&
        Tss2_Sys_GetEncryptParam(sys, &size, &param) == TSS2_RC_SUCCESS)
        cvs_wipe((guint8 *)param, MIN(size, sizeof(TPMU_SENSITIVE_COMPOSITE)));
}

gboolean
cvs_tpm_lacks_key(const CvsTpm *tpm)
{
    /* With another key it gets another salt, and so another session key; or none, if what was
     * encrypted to the right one is no ciphertext for its own. */
    return tpm->last_rc == TSS2_ESYS_RC_RSP_AUTH_FAILED ||
           (cvs_rc_is_from_tpm(tpm->last_rc) && (tpm->last_rc & TPM2_RC_FMT1) &&
            (tpm->last_rc & TPM2_RC_P));
}

void
cvs_tpm_settle(CvsTpm *tpm)
{
    cvs_tpm_flush(tpm, &tpm->unflushed);
}

void
cvs_tpm_idle(CvsTpm *tpm)
{
    cvs_tpm_settle(tpm);
    for (guint i = 0; i < CVS_N_SESSIONS; i++)
        cvs_session_flush(tpm, (CvsSessionKind)i);
}

gboolean
cvs_tpm_holds_sessions(const CvsTpm *tpm)
{
    for (guint i = 0; i < CVS_N_SESSIONS; i++) {
        if (tpm->sessions[i].tr != ESYS_TR_NONE)
            return TRUE;
    }
    return FALSE;
}

gboolean
cvs_tpm_run(CvsTpm *tpm, CvsTpmStep step, gpointer data, GError **error)
{
    g_autoptr(GError) local = NULL;
    gboolean had_srk = FALSE;

    cvs_tpm_settle(tpm);
    had_srk = tpm->srk != ESYS_TR_NONE;
    tpm->last_rc = TSS2_RC_SUCCESS;
    if (step(tpm, data, &local))
        return TRUE;
    if (had_srk && tpm->esys != NULL && cvs_rc_is_session_lost(tpm->last_rc)) {
        /* The handle can also be that of the root key, if its owner removed it or cleared the TPM:
         * then all that is known of this TPM is out of date. */
        if (cvs_rc_base(tpm->last_rc) == TPM2_RC_HANDLE)
            cvs_tpm_disconnect(tpm);
        else
            cvs_tpm_idle(tpm);
        g_clear_error(&local);
        tpm->last_rc = TSS2_RC_SUCCESS;
        if (step(tpm, data, &local))
            return TRUE;
    }
    if (cvs_rc_is_session_lost(tpm->last_rc))
        cvs_tpm_disconnect(tpm);
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}

guint64
cvs_tpm_commands_sent(const CvsTpm *tpm)
{
    return tpm->watch.commands_sent;
}
