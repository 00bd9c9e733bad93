/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attest/svsm-manifest.h"
#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsSvsmManifest) manifest = cvs_svsm_manifest_parse(data, size, &error);

    g_assert_true((manifest == NULL) == (error != NULL));
    if (manifest) {
        g_assert_nonnull(manifest->ek);
        g_assert_true((manifest->version == 1) == (manifest->ak != NULL));
    }
    return 0;
}
