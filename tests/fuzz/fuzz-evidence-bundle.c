/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attest/judge.h"
#include "fuzz.h"
#include "tee/refusal.h"

#include <string.h>

/* What is taken is written as it was read, and judged without an accident; no random bytes are
 * signed by anybody. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(CvsEvidenceBundle) bundle = cvs_evidence_bundle_parse(data, size, NULL);
    g_autoptr(CvsEvidenceBundle) again = NULL;
    g_autoptr(CvsEvidence) evidence = NULL;
    g_autoptr(CvsSnpRoots) snp_roots = NULL;
    g_autoptr(CvsTdxRoots) tdx_roots = NULL;
    g_autoptr(json_t) claims = NULL;
    g_autoptr(GError) refusal = NULL;
    g_autofree char *text = NULL, *same = NULL;
    CvsBundleInput input = {.bundle = bundle, .name = "fuzz", .at = 1767225600};

    if (bundle == NULL)
        return 0;
    text = cvs_evidence_bundle_format(bundle);
    again = cvs_evidence_bundle_parse(text, strlen(text), NULL);
    g_assert_nonnull(again);
    same = cvs_evidence_bundle_format(again);
    g_assert_cmpstr(text, ==, same);

    input.evidence = evidence = cvs_evidence_new();
    input.snp_roots = snp_roots = cvs_snp_roots_new();
    input.tdx_roots = tdx_roots = cvs_tdx_roots_new();
    refusal = cvs_refusal_new();
    (void)cvs_bundle_verify(&input, &claims, refusal, NULL);
    g_assert_true(json_is_object(claims));
    return 0;
}
