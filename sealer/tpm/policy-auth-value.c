/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/policy-element.h"
#include "tpm/session.h"

/* TPM2_PolicyAuthValue (Part 3, 23.17). */

static void
auth_value_calculate(const CvsPolicyElement *element, guint8 digest[static 32])
{
    cvs_policy_extend(digest, TPM2_CC_PolicyAuthValue, NULL, 0);
}

static gboolean
auth_value_execute(const CvsPolicyElement *element, CvsPolicyRun *run,
                   const guint8 before[static 32], GError **error)
{
    TSS2_RC rc = Esys_PolicyAuthValue(run->tpm->esys, run->session, ESYS_TR_NONE, ESYS_TR_NONE,
                                      ESYS_TR_NONE);

    if (rc != TSS2_RC_SUCCESS)
        return cvs_tpm_fail(run->tpm, rc, "asking for a PIN in a policy", error);
    cvs_session_sent_auth_value(run->tpm, run->session);
    return TRUE;
}

static gboolean
auth_value_needs_pin(const CvsPolicyElement *element)
{
    return TRUE;
}

static CvsPolicyElement *
auth_value_new(void)
{
    CvsPolicyElement *element = g_new0(CvsPolicyElement, 1);

    element->class = &cvs_policy_auth_value_class;
    return element;
}

static CvsPolicyElement *
auth_value_from_json(const json_t *json, const char *what, guint depth, GError **error)
{
    return cvs_json_only(json, what, error, "type", NULL) ? auth_value_new() : NULL;
}

static void
auth_value_free(CvsPolicyElement *element)
{
    g_free(element);
}

const CvsPolicyElementClass cvs_policy_auth_value_class = {
    .type = "auth-value",
    .calculate = auth_value_calculate,
    .execute = auth_value_execute,
    .needs_pin = auth_value_needs_pin,
    .from_json = auth_value_from_json,
    .free = auth_value_free,
};

void
cvs_policy_add_auth_value(CvsPolicy *policy)
{
    cvs_policy_add(policy, auth_value_new());
}
