/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "base/error.h"
#include "vault/jwe-scan.h"
#include "vault/key-file.h"
#include "vault/slot-mac.h"

#include <string.h>

/* What the short way reads, the long way reads too, and both mean the same. */
static void
compare_ways(const guint8 *data, gsize size)
{
    g_autoptr(CvsJwe) brief = cvs_jwe_scan(data, size);
    g_autoptr(CvsJwe) full = NULL;
    g_autoptr(GBytes) first = NULL;
    g_autoptr(GBytes) second = NULL;

    if (brief == NULL)
        return;
    full = cvs_jwe_parse_json(data, size, NULL);
    g_assert_nonnull(full);
    first = cvs_jwe_serialise(brief);
    second = cvs_jwe_serialise(full);
    g_assert_cmpmem(g_bytes_get_data(first, NULL), g_bytes_get_size(first), data, size);
    g_assert_true(g_bytes_equal(first, second));
}

/* No MAC of a file is right for a CEK that was made up here; one that is made for it is, and lasts
 * through writing and reading. */
static void
check_macs(const guint8 *data, gsize size)
{
    g_autoptr(CvsSecret) cek = cvs_secret_new(CVS_JWE_CEK_SIZE);
    g_autoptr(json_t) header = NULL;
    g_autoptr(json_t) header_again = NULL;
    g_autoptr(CvsJwe) jwe = cvs_jwe_parse(data, size, &header, NULL);
    g_autoptr(CvsJwe) again = NULL;
    g_autoptr(CvsSecret) mac_key = NULL;
    g_autoptr(GBytes) written = NULL;

    if (jwe == NULL)
        return;
    mac_key = cvs_slot_mac_key(jwe, cek);
    for (guint i = 0; i < jwe->recipients->len; i++) {
        CvsJweRecipient *recipient = g_ptr_array_index(jwe->recipients, i);

        g_assert_false(cvs_slot_mac_holds(recipient, mac_key));
        cvs_slot_mac(recipient, mac_key, recipient->mac);
    }
    written = cvs_jwe_serialise(jwe);
    again = cvs_jwe_parse(g_bytes_get_data(written, NULL), g_bytes_get_size(written), &header_again,
                          NULL);
    g_assert_nonnull(again);
    for (guint i = 0; i < again->recipients->len; i++)
        g_assert_true(cvs_slot_mac_holds(g_ptr_array_index(again->recipients, i), mac_key));
}

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

    compare_ways(data, size);
    check_macs(data, size);
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
