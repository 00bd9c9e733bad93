/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "base/error.h"
#include "vault/key-file.h"

/* What is read is written as something that is read again and written the same; a slot that made-up
 * secrets open is a finding. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsKeyFile) key = cvs_key_file_parse(data, size, &error);
    g_autoptr(CvsKeyFile) again = NULL;
    g_autoptr(GBytes) first = NULL;
    g_autoptr(GBytes) second = NULL;
    g_autoptr(CvsSecret) secret = NULL;

    g_assert_true((key == NULL) == (error != NULL));
    if (key == NULL)
        return 0;
    first = cvs_key_file_serialise(key, &error);
    g_assert_no_error(error);
    again = cvs_key_file_parse(g_bytes_get_data(first, NULL), g_bytes_get_size(first), &error);
    g_assert_no_error(error);
    second = cvs_key_file_serialise(again, &error);
    g_assert_no_error(error);
    g_assert_true(g_bytes_equal(first, second));

    secret = cvs_secret_new(32);
    for (guint i = 0; i < cvs_key_file_get_n_slots(key); i++) {
        if (cvs_key_file_get_slot_kind(key, i) == CVS_SLOT_TPM2)
            g_assert_false(cvs_key_file_open_tpm2(key, i, secret, NULL));
    }
    return 0;
}
