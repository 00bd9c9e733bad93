/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attest/challenge-answer.h"
#include "base/error.h"
#include "tpm/credential-activate.h"

/* Before anything is sent to the TPM: a challenge that is none of ours is nobody's to answer. */
static gboolean
is_ours(const CvsChallenge *challenge, const CvsEvidenceBundle *bundle, GError **error)
{
    GError *refusal = NULL;

    if (bundle->ek == NULL) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                            "nothing vouches for this TPM's endorsement key, so that no challenge "
                            "to it says anything");
        return FALSE;
    }
    if (cvs_name_equal(&bundle->ek->name, &challenge->ek_name) &&
        cvs_name_equal(&bundle->ak->name, &challenge->ak_name))
        return TRUE;
    refusal = g_error_new_literal(CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED,
                                  "the challenge was made for the keys of another TPM");
    cvs_error_add_reason(refusal, CVS_REASON_CREDENTIAL_REFUSED, NULL, NULL, "%s",
                         refusal->message);
    g_propagate_error(error, refusal);
    return FALSE;
}

gboolean
cvs_challenge_answer(const CvsChallenge *challenge, CvsTpm *tpm, guint32 ak_handle,
                     CvsEvidenceBundle *bundle, GError **error)
{
    guint8 answer[CVS_CHALLENGE_ANSWER_SIZE];
    g_autoptr(CvsSecret) secret = NULL;

    if (!is_ours(challenge, bundle, error))
        return FALSE;
    secret = cvs_tpm_activate_credential(tpm, bundle->ek, ak_handle, &challenge->credential, error);
    if (secret == NULL)
        return FALSE;
    cvs_challenge_compute_answer(challenge, secret, answer);
    bundle->answer = g_bytes_new(answer, sizeof answer);
    return TRUE;
}
