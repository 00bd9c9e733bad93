/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "base/error.h"
#include "policy/pinnable.h"
#include "policy/profile.h"

/* A profile that is read keeps what its header promises of it. */
static void
check_own(const CvsProfile *profile)
{
    guint32 resettable = (profile->pcrs | profile->required_pcrs) & CVS_PCR_MASK_RESETTABLE;

    /* Without PCRs it is for reports, and then it has rules about them. */
    g_assert_true(profile->pcrs != 0 || profile->tee.present);
    g_assert_cmphex(profile->pcrs & ~CVS_PCR_MASK_ALL, ==, 0);
    g_assert_cmphex(profile->required_pcrs & ~profile->pcrs, ==, 0);
    g_assert_true(resettable == 0 || profile->allow_unmeasured);
    g_assert_cmphex(profile->rtmrs & ~CVS_RTMR_MASK_ALL, ==, 0);
    g_assert_true(profile->claims == NULL || profile->claims[0] != NULL);
    g_assert_cmpuint(profile->pin_min_length, >=, 1);
    g_assert_cmpuint(profile->pin_min_length, <=, 32);
    g_assert_true(g_utf8_validate(profile->description, -1, NULL));
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsProfile) profile = cvs_profile_parse("fuzz", "fuzz", data, size, &error);
    gboolean any = FALSE;

    g_assert_true((profile == NULL) == (error != NULL));
    if (profile == NULL)
        return 0;
    check_own(profile);
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
