/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE /* memmem() */
#include "fuzz.h"
#include "tee/tdx-collateral.h"

#include <string.h>

/* What is signed is a part of what was sent, byte by byte, and an object. */
static void
check_raw(const CvsCollateral *base, const guint8 *data, gsize size)
{
    gsize raw_size = 0;
    const guint8 *raw = g_bytes_get_data(base->raw, &raw_size);

    g_assert_cmpuint(raw_size, >=, 2);
    g_assert_true(raw[0] == '{' && raw[raw_size - 1] == '}');
    g_assert_nonnull(memmem(data, size, raw, raw_size));
}

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(CvsTcbInfo) info = cvs_tcb_info_parse(data, size, NULL);
    g_autoptr(CvsQeIdentity) identity = cvs_qe_identity_parse(data, size, NULL);

    if (info) {
        check_raw(&info->base, data, size);
        g_assert_cmpuint(info->levels->len, >, 0);
    }
    if (identity) {
        check_raw(&identity->base, data, size);
        g_assert_cmpuint(identity->levels->len, >, 0);
    }
    return 0;
}
