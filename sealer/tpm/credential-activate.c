/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/credential-activate.h"
#include "base/error.h"
#include "tpm/ak-private.h"
#include "tpm/ek-private.h"
#include "tpm/policy-element.h"
#include "tpm/rc.h"
#include "tpm/session.h"

static const char doing[] = "answering the challenge";

typedef struct {
    const CvsPublicArea *ek_area;
    guint32 ak_handle;
    TPM2B_ID_OBJECT id_object;
    TPM2B_ENCRYPTED_SECRET encrypted_secret;
    CvsEk ek;
    CvsAk ak;
    CvsSecret *secret;
} Activation;

static gboolean
parse_2b(GBytes *bytes, const char *what, UINT16 *ret_size, guint8 *dest, gsize max, GError **error)
{
    CvsReader reader = {0};

    cvs_reader_init(&reader, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
    *ret_size = cvs_reader_u16_be(&reader);
    if (*ret_size > max) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "%s: %u bytes are more than a TPM takes", what, *ret_size);
        return FALSE;
    }
    (void)cvs_reader_copy(&reader, dest, *ret_size);
    return cvs_reader_finish(&reader, what, error);
}

/* The authorization of the endorsement key's use: by its password, which is empty, where it has
 * one, else by its policy. Either session encrypts the answer. */
static ESYS_TR
authorize(CvsTpm *tpm, const Activation *activation, GError **error)
{
    g_autoptr(CvsPolicy) policy = NULL;
    ESYS_TR session = ESYS_TR_NONE;

    if (activation->ek_area->attributes & TPMA_OBJECT_USERWITHAUTH)
        return tpm->sessions[CVS_SESSION_HMAC].tr;
    policy = cvs_policy_new();
    cvs_policy_add_endorsement_secret(policy);
    session = cvs_session_open_policy(tpm, FALSE, FALSE, error);
    if (session == ESYS_TR_NONE ||
        !cvs_policy_execute(policy, tpm, session, (const guint8[]){0}, 1, error))
        return ESYS_TR_NONE;
    return session;
}

static gboolean
take_secret(CvsTpm *tpm, TPM2B_DIGEST *data, CvsSecret **ret_secret, GError **error)
{
    gboolean ok = data->size > 0 && data->size <= sizeof data->buffer;

    if (ok)
        *ret_secret = cvs_secret_new_copy(data->buffer, data->size);
    cvs_wipe(data, sizeof *data);
    Esys_Free(data);
    return ok || cvs_tpm_nonsense(tpm, doing, error);
}

static gboolean
activate(CvsTpm *tpm, Activation *activation, ESYS_TR session, GError **error)
{
    TPM2B_DIGEST *data = NULL;
    TSS2_RC rc = Esys_ActivateCredential(
        tpm->esys, activation->ak.tr, activation->ek.tr, ESYS_TR_PASSWORD, session, ESYS_TR_NONE,
        &activation->id_object, &activation->encrypted_secret, &data);

    if (rc == TSS2_RC_SUCCESS) {
        cvs_tpm_wipe_answer(tpm);
        if (session == tpm->sessions[CVS_SESSION_POLICY].tr)
            cvs_session_policy_was_used(tpm);
        return take_secret(tpm, data, &activation->secret, error);
    }
    if (cvs_rc_is_from_tpm(rc) && (rc & TPM2_RC_FMT1) && (rc & TPM2_RC_P)) {
        GError *local = g_error_new(CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED,
                                    "the challenge was not made for this TPM's endorsement and "
                                    "attestation keys, or was changed");

        tpm->last_rc = rc;
        cvs_error_add_reason(local, CVS_REASON_CREDENTIAL_REFUSED, NULL, NULL,
                             "the TPM refuses the challenge");
        g_propagate_error(error, local);
        return FALSE;
    }
    return cvs_tpm_fail(tpm, rc, doing, error);
}

/* The policy before the objects, so that a resource manager need not swap them around it. */
static gboolean
activate_step(CvsTpm *tpm, gpointer data, GError **error)
{
    Activation *activation = data;
    ESYS_TR session = cvs_session_open(tpm, CVS_SESSION_HMAC, FALSE, error);
    ESYS_TR authorization = ESYS_TR_NONE;
    gboolean ok = FALSE;

    activation->ek = (CvsEk){.tr = ESYS_TR_NONE};
    activation->ak = (CvsAk){.tr = ESYS_TR_NONE};
    if (session == ESYS_TR_NONE)
        return FALSE;
    authorization = authorize(tpm, activation, error);
    ok = authorization != ESYS_TR_NONE &&
         cvs_ek_load(tpm, activation->ek_area, &activation->ek, error) &&
         cvs_ak_load(tpm, session, activation->ak_handle, &activation->ak, error) &&
         activate(tpm, activation, authorization, error);
    cvs_ak_unload(tpm, &activation->ak);
    cvs_tpm_let_go(tpm, &activation->ek.tr, activation->ek.transient);
    return ok;
}

CvsSecret *
cvs_tpm_activate_credential(CvsTpm *tpm, const CvsPublicArea *ek, guint32 ak_handle,
                            const CvsCredential *credential, GError **error)
{
    Activation activation = {.ek_area = ek, .ak_handle = ak_handle};

    if (!parse_2b(credential->id_object, "challenge", &activation.id_object.size,
                  activation.id_object.credential, sizeof activation.id_object.credential, error) ||
        !parse_2b(credential->encrypted_secret, "challenge's secret",
                  &activation.encrypted_secret.size, activation.encrypted_secret.secret,
                  sizeof activation.encrypted_secret.secret, error))
        return NULL;
    return cvs_tpm_run(tpm, activate_step, &activation, error) ? activation.secret : NULL;
}
