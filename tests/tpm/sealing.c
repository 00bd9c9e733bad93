/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/sealing.h"

#include <string.h>

CvsPcrValues
read_pcrs(CvsTpm *tpm, const char *pcrs, CvsHash bank)
{
    CvsPcrSelection selection = {.bank = bank};
    CvsPcrValues values;
    g_autoptr(GError) error = NULL;

    (void)cvs_pcr_mask_parse(pcrs, &selection.mask, &error);
    g_assert_no_error(error);
    (void)cvs_tpm_read_pcrs(tpm, &selection, &values, &error);
    g_assert_no_error(error);
    return values;
}

CvsPolicy *
present_policy(CvsTpm *tpm, const char *pcrs, CvsHash bank)
{
    CvsPolicy *policy = cvs_policy_new();
    CvsPcrValues values = read_pcrs(tpm, pcrs, bank);
    guint8 digest[32];

    cvs_pcr_values_digest(&values, digest);
    cvs_policy_add_pcr(policy, &values.selection, digest);
    return policy;
}

CvsSecret *
secret_of(const char *text)
{
    return text ? cvs_secret_new_copy(text, strlen(text)) : NULL;
}

void
seal_text(CvsTpm *tpm, const CvsPolicy *policy, const char *text, const char *pin,
          CvsSealedObject *ret_object)
{
    g_autoptr(CvsSecret) secret = secret_of(text);
    g_autoptr(CvsSecret) pin_secret = secret_of(pin);
    g_autoptr(GError) error = NULL;

    (void)cvs_tpm_seal(tpm, policy, secret, pin_secret, ret_object, &error);
    g_assert_no_error(error);
}

void
assert_unseals(CvsTpm *tpm, const CvsPolicy *policy, const CvsSealedObject *object, const char *pin,
               const char *text)
{
    g_autoptr(CvsSecret) wanted = secret_of(text);
    g_autoptr(CvsSecret) pin_secret = secret_of(pin);
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsSecret) secret = cvs_tpm_unseal(tpm, policy, object, pin_secret, &error);

    g_assert_no_error(error);
    g_assert_true(cvs_secret_equal(secret, wanted));
    /* As whoever gives it out does, so that each call's commands are its own. */
    cvs_tpm_settle(tpm);
}

GError *
refusal(CvsTpm *tpm, const CvsPolicy *policy, const CvsSealedObject *object, const char *pin)
{
    g_autoptr(CvsSecret) pin_secret = secret_of(pin);
    GError *error = NULL;

    g_assert_null(cvs_tpm_unseal(tpm, policy, object, pin_secret, &error));
    g_assert_nonnull(error);
    cvs_tpm_settle(tpm);
    return error;
}

void
write_file(Swtpm *swtpm, const char *name, GBytes *bytes)
{
    g_autofree char *path = swtpm_path(swtpm, name);

    g_assert_true(g_file_set_contents(path, g_bytes_get_data(bytes, NULL),
                                      (gssize)g_bytes_get_size(bytes), NULL));
}

GBytes *
read_file(Swtpm *swtpm, const char *name)
{
    g_autofree char *path = swtpm_path(swtpm, name);
    char *data = NULL;
    gsize size = 0;

    g_assert_true(g_file_get_contents(path, &data, &size, NULL));
    return g_bytes_new_take(data, size);
}
