/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "base/error.h"
#include "policy/profile.h"

/* A profile that is read keeps what its header promises of it. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsProfile) profile = cvs_profile_parse("fuzz", "fuzz", data, size, &error);
    gboolean any = FALSE;

    g_assert_true((profile == NULL) == (error != NULL));
    if (profile == NULL)
        return 0;
    g_assert_cmphex(profile->pcrs, !=, 0);
    g_assert_cmphex(profile->required_pcrs & ~profile->pcrs, ==, 0);
    for (guint i = 0; i < CVS_TEE_N_KEYS; i++) {
        const CvsTeeRule *rule = &profile->tee.rules[i];

        any |= rule->given;
        g_assert_true(rule->list == NULL || (rule->given && rule->list[0] != NULL));
        g_assert_true(rule->given || rule->number == 0);
    }
    g_assert_true(!any || profile->tee.present);
    g_assert_cmpint(cvs_tee_rules_grace(&profile->tee), >=, 0);
    return 0;
}
