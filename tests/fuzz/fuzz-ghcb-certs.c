/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "base/error.h"
#include "tee/ghcb-certs.h"
#include "tee/x509.h"

/* All or nothing: an error leaves no leaf behind. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(GPtrArray) leaves = cvs_x509_certs_new();
    g_autoptr(GError) error = NULL;
    gboolean ok = cvs_ghcb_certs_load(data, size, leaves, &error);

    g_assert_true(ok == (error == NULL));
    if (!ok)
        g_assert_cmpuint(leaves->len, ==, 0);
    (void)cvs_ghcb_certs_detect(data, size);
    return 0;
}
