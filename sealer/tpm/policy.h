/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* TPM policies as lists of elements. Each kind of element has its own file, policy-KIND.c, with the
 * two twins: *calculate* extends a digest by the rules of Part 3 of the TPM 2.0 Library
 * specification, without a TPM; *execute* issues the TPM's command in a policy session. A test
 * holds them against each other, and against tpm2_createpolicy. The list is run in order.
 *
 * Policies use SHA-256 (nameAlg of what we seal); the PCR bank is another matter. */

#include "base/json.h"
#include "base/secret.h"
#include "tpm/pcr.h"

#include <glib.h>

#define CVS_POLICY_DIGEST_SIZE 32

typedef struct _CvsPolicy CvsPolicy;

CvsPolicy *cvs_policy_new(void);
CvsPolicy *cvs_policy_ref(CvsPolicy *policy);
void cvs_policy_unref(CvsPolicy *policy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsPolicy, cvs_policy_unref)

/* TPM2_PolicyPCR: the selected PCRs have the values whose digest this is. */
void cvs_policy_add_pcr(CvsPolicy *policy, const CvsPcrSelection *selection,
                        const guint8 pcr_digest[static 32]);
/* TPM2_PolicyAuthValue: whoever unseals knows the object's auth value, the PIN. */
void cvs_policy_add_auth_value(CvsPolicy *policy);
/* TPM2_PolicySecret: whoever uses the object knows the auth value of the endorsement hierarchy,
 * which is empty. It is the policy of endorsement keys (PolicyA of the TCG EK Credential Profile),
 * and no part of a policy that anything is sealed under: it cannot be written as JSON. */
void cvs_policy_add_endorsement_secret(CvsPolicy *policy);
/* TPM2_PolicyOR over 2 to 8 branches (CvsPolicy*), to which references are taken; the array stays
 * the caller's. An unseal takes the first branch in which no PCR differs. A PIN that any branch
 * asks for is needed for all. InvalidArgument for another number of branches. */
gboolean cvs_policy_add_or(CvsPolicy *policy, GPtrArray *branches, GError **error);

/* True if any element (in any branch) is of that kind. */
gboolean cvs_policy_needs_pin(const CvsPolicy *policy);
/* The first PolicyPCR element of the list (not inside a branch); FALSE if there is none. */
gboolean cvs_policy_get_pcr(const CvsPolicy *policy, CvsPcrSelection *ret_selection,
                            guint8 ret_digest[static 32]);

/* The calculate twin: the digest that an object under this policy has as its authPolicy. */
void cvs_policy_calculate(const CvsPolicy *policy, guint8 ret_digest[static 32]);

/* The list as JSON, an array of {"type": …} objects, and back. Bounded in depth, in number, and in
 * the ways through its branches, of which an unseal tries one after the other; BadFormat names the
 * element. */
json_t *cvs_policy_to_json(const CvsPolicy *policy);
CvsPolicy *cvs_policy_from_json(const json_t *json, GError **error);
