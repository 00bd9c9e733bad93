/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "base/error.h"
#include "tee/snp-verify.h"

#include <string.h>

/* A report that parses has its claims, and without a certificate it is never verified. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    static CvsSnpVerifier *verifier;
    CvsSnpEvidence evidence = {.report = data, .report_size = size, .at = 1782864000};
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) claims = NULL;
    CvsSnpReport report;

    if (verifier == NULL) {
        g_autoptr(CvsSnpRoots) roots = cvs_snp_roots_new();

        verifier = cvs_snp_verifier_new(roots);
    }
    g_assert_false(cvs_snp_verify(verifier, &evidence, &report, &claims, &error));
    g_assert_nonnull(error);
    if (g_error_matches(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT)) {
        g_assert_null(claims);
        return 0;
    }
    g_assert_cmpuint(size, ==, CVS_SNP_REPORT_SIZE);
    g_assert_true(report.version >= CVS_SNP_VERSION_MIN && report.version <= CVS_SNP_VERSION_MAX);
    g_assert_true((report.policy & CVS_SNP_POLICY_MUST_BE_ONE) != 0);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_COLLATERAL_MISSING));
    g_assert_true(json_is_false(json_object_get(claims, "tee.verified")));
    return 0;
}
