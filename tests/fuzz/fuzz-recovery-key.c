/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "base/error.h"
#include "vault/recovery.h"

/* What is understood has one written form, which is understood as itself. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(CvsSecret) text = size > 0 ? cvs_secret_new_copy(data, size) : NULL;
    g_autoptr(CvsSecret) key = NULL;
    g_autoptr(CvsSecret) again = NULL;
    g_autoptr(GError) error = NULL;

    if (text == NULL)
        return 0;
    key = cvs_recovery_key_normalise(text, &error);
    g_assert_true((key == NULL) == (error != NULL));
    if (key == NULL)
        return 0;
    g_assert_cmpuint(cvs_secret_size(key), ==, CVS_RECOVERY_KEY_LENGTH);
    again = cvs_recovery_key_normalise(key, &error);
    g_assert_no_error(error);
    g_assert_true(cvs_secret_equal(key, again));
    return 0;
}
