/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "base/error.h"
#include "tpm/policy.h"

#include <string.h>

/* A policy that is read is written as one that has the same digest. The array stands in an object,
 * as it does in a slot. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(json_t) json = cvs_json_parse(data, size, "fuzz", NULL);
    g_autoptr(CvsPolicy) policy = NULL;
    g_autoptr(CvsPolicy) again = NULL;
    g_autoptr(json_t) written = NULL;
    g_autoptr(GError) error = NULL;
    guint8 first[CVS_POLICY_DIGEST_SIZE], second[CVS_POLICY_DIGEST_SIZE];

    if (json == NULL || json_object_get(json, "policy") == NULL)
        return 0;
    policy = cvs_policy_from_json(json_object_get(json, "policy"), &error);
    g_assert_true((policy == NULL) == (error != NULL));
    if (policy == NULL)
        return 0;
    written = cvs_policy_to_json(policy);
    again = cvs_policy_from_json(written, &error);
    g_assert_no_error(error);
    cvs_policy_calculate(policy, first);
    cvs_policy_calculate(again, second);
    g_assert_cmpmem(first, sizeof first, second, sizeof second);
    return 0;
}
