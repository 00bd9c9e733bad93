/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "base/error.h"
#include "vault/tpm2-slot-scan.h"

/* The canonical form is the only one: what is read is written byte for byte as it was. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsTpm2Slot) slot = cvs_tpm2_slot_parse(bytes, &error);
    g_autoptr(CvsTpm2Slot) brief = cvs_tpm2_slot_scan(bytes);
    g_autoptr(CvsTpm2Slot) full = cvs_tpm2_slot_parse_json(bytes, NULL);
    g_autoptr(GBytes) again = NULL;
    g_autoptr(GBytes) same = NULL;

    /* What the short way reads, the long way reads too, and both mean the same. */
    g_assert_true(brief == NULL || full != NULL || size > CVS_SLOT_MAX);
    g_assert_true((slot == NULL) == (full == NULL));
    g_assert_true((slot == NULL) == (error != NULL));
    if (slot == NULL)
        return 0;
    again = cvs_tpm2_slot_format(slot, &error);
    g_assert_no_error(error);
    g_assert_true(g_bytes_equal(bytes, again));
    same = cvs_tpm2_slot_format(full, &error);
    g_assert_no_error(error);
    g_assert_true(g_bytes_equal(again, same));
    return 0;
}
