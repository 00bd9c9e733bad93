/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "tpm/seal.h"
#include "tpm/swtpm-fixture.h"
#include "tpm/tpm-private.h"

static CvsPolicy *
present_policy(CvsTpm *tpm, const char *pcrs, CvsHash bank)
{
    CvsPolicy *policy = cvs_policy_new();
    CvsPcrSelection selection = {.bank = bank};
    CvsPcrValues values;
    guint8 digest[32];
    g_autoptr(GError) error = NULL;

    g_assert_true(cvs_pcr_mask_parse(pcrs, &selection.mask, &error));
    g_assert_true(cvs_tpm_read_pcrs(tpm, &selection, &values, &error));
    g_assert_no_error(error);
    cvs_pcr_values_digest(&values, digest);
    cvs_policy_add_pcr(policy, &selection, digest);
    return policy;
}

static void
test_seal_and_unseal(void)
{
    g_autoptr(Swtpm) swtpm = swtpm_new();
    g_autoptr(CvsTpm) tpm = cvs_tpm_new(swtpm_tcti(swtpm));
    g_autoptr(CvsPolicy) policy = present_policy(tpm, "0+2+7", CVS_SHA256);
    g_autoptr(CvsSecret) secret = cvs_secret_new_copy("0123456789abcdef", 16);
    g_autoptr(CvsSecret) out = NULL, again = NULL;
    g_auto(CvsSealedObject) object = {0};
    g_autoptr(GError) error = NULL;
    guint64 before = 0;

    g_assert_true(cvs_tpm_seal(tpm, policy, secret, NULL, &object, &error));
    g_assert_no_error(error);
    out = cvs_tpm_unseal(tpm, policy, &object, NULL, &error);
    g_assert_no_error(error);
    g_assert_true(cvs_secret_equal(out, secret));
    before = cvs_tpm_commands_sent(tpm);
    again = cvs_tpm_unseal(tpm, policy, &object, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(cvs_tpm_commands_sent(tpm) - before, ==, 4);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tpm/seal/seal-and-unseal", test_seal_and_unseal);
    return g_test_run();
}
