/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "base/error.h"
#include "vault/tpm2-slot.h"

/* The canonical form is the only one: what is read is written byte for byte as it was. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsTpm2Slot) slot = cvs_tpm2_slot_parse(bytes, &error);
    g_autoptr(GBytes) again = NULL;

    g_assert_true((slot == NULL) == (error != NULL));
    if (slot == NULL)
        return 0;
    again = cvs_tpm2_slot_format(slot, &error);
    g_assert_no_error(error);
    g_assert_true(g_bytes_equal(bytes, again));
    return 0;
}
