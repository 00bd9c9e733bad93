/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "base/error.h"
#include "policy/appraisal.h"
#include "tee/refusal.h"

#include <string.h>

static gboolean
allows(const CvsProfile *profile, CvsTeeKey key)
{
    return profile->tee.rules[key].number == 1;
}

/* A profile, a NUL, and claims as JSON text; without the NUL the claims alone, judged by the
 * built-in profile. Accepted is only what says of itself that it was verified and is not open to
 * the host, and the same arguments have the same outcome. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    const guint8 *nul = size > 0 ? memchr(data, 0, size) : NULL;
    const guint8 *text = nul ? nul + 1 : data;
    g_autoptr(CvsProfile) profile =
        nul ? cvs_profile_parse("fuzz", "fuzz", data, (gsize)(nul - data), NULL)
            : cvs_profile_strict_new();
    g_autoptr(json_t) claims = cvs_json_parse(text, size - (gsize)(text - data), "fuzz", NULL);
    g_autoptr(GError) refusal = cvs_refusal_new();
    g_autoptr(GError) again = cvs_refusal_new();
    const char *type = json_string_value(json_object_get(claims, "tee.type"));

    if (profile == NULL || claims == NULL)
        return 0;
    cvs_appraise(profile, claims, 1782864000, refusal);
    cvs_appraise(profile, claims, 1782864000, again);
    g_assert_cmpuint(cvs_refusal_count(refusal), ==, cvs_refusal_count(again));
    if (cvs_refusal_count(refusal) > 0)
        return 0;
    g_assert_nonnull(type);
    g_assert_true(cvs_tee_rules_take_type(&profile->tee, type));
    if (g_str_equal(type, "none"))
        return 0;
    g_assert_true(json_is_true(json_object_get(claims, "tee.verified")));
    g_assert_true(allows(profile, CVS_TEE_ALLOW_DEBUG) ||
                  json_is_false(json_object_get(claims, "tee.policy.debug")));
    g_assert_true(allows(profile, CVS_TEE_ALLOW_MIGRATION) ||
                  json_is_false(json_object_get(claims, "tee.policy.migrate_ma")));
    g_assert_true(allows(profile, CVS_TEE_ALLOW_TEST_ROOTS) ||
                  json_is_false(json_object_get(claims, "tee.test_roots")));
    return 0;
}
