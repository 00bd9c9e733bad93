/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/policy-element.h"
#include "base/error.h"
#include "tpm/rc.h"

/* TPM2_PolicySecret (Part 3, 23.4) of the endorsement hierarchy, without a policyRef: the use of an
 * endorsement key of the low range. It has no form in JSON, since nothing is sealed under it. */

static void
secret_calculate(const CvsPolicyElement *element, guint8 digest[static 32])
{
    const guint32 hierarchy = GUINT32_TO_BE(TPM2_RH_ENDORSEMENT);

    cvs_policy_extend(digest, TPM2_CC_PolicySecret, &hierarchy, sizeof hierarchy);
    /* policyDigest = H(policyDigest ‖ policyRef), which is empty */
    cvs_hash_bytes(CVS_SHA256, digest, CVS_POLICY_DIGEST_SIZE, digest);
}

static gboolean
secret_execute(const CvsPolicyElement *element, CvsPolicyRun *run, const guint8 before[static 32],
               GError **error)
{
    TSS2_RC rc =
        Esys_PolicySecret(run->tpm->esys, ESYS_TR_RH_ENDORSEMENT, run->session, ESYS_TR_PASSWORD,
                          ESYS_TR_NONE, ESYS_TR_NONE, NULL, NULL, NULL, 0, NULL, NULL);

    if (cvs_rc_base(rc) == TPM2_RC_BAD_AUTH || cvs_rc_base(rc) == TPM2_RC_AUTH_FAIL) {
        run->tpm->last_rc = rc;
        g_set_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                    "the endorsement key cannot be used: the endorsement hierarchy has a password");
        return FALSE;
    }
    return rc == TSS2_RC_SUCCESS ||
           cvs_tpm_fail(run->tpm, rc, "asking for the use of the endorsement key", error);
}

static void
secret_free(CvsPolicyElement *element)
{
    g_free(element);
}

const CvsPolicyElementClass cvs_policy_secret_class = {
    .type = "endorsement-secret",
    .calculate = secret_calculate,
    .execute = secret_execute,
    .free = secret_free,
};

void
cvs_policy_add_endorsement_secret(CvsPolicy *policy)
{
    CvsPolicyElement *element = g_new0(CvsPolicyElement, 1);

    element->class = &cvs_policy_secret_class;
    cvs_policy_add(policy, element);
}
