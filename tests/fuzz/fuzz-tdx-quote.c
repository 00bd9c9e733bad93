/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "base/error.h"
#include "tee/tdx-verify.h"

/* A quote that parses has its claims, and without collateral it is never verified. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    static CvsTdxVerifier *verifier;
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    CvsTdxEvidence evidence = {.quote = bytes, .at = 1782864000};
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) claims = NULL;

    if (verifier == NULL) {
        g_autoptr(CvsTdxRoots) roots = cvs_tdx_roots_new();

        verifier = cvs_tdx_verifier_new(roots);
    }
    g_assert_false(cvs_tdx_verify(verifier, &evidence, &claims, &error));
    g_assert_nonnull(error);
    if (claims == NULL)
        return 0;
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_COLLATERAL_MISSING));
    g_assert_true(json_is_false(json_object_get(claims, "tee.verified")));
    return 0;
}
