/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "fuzz.h"
#include "policy/verdict.h"

/* A file as verify-report has it, digits or bytes, with nothing that would vouch for it. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    static CvsSnpRoots *snp_roots;
    static CvsTdxRoots *tdx_roots;
    static CvsEvidence *evidence;
    static CvsProfile *profile;
    g_autoptr(GBytes) input = g_bytes_new(data, size);
    g_autoptr(GBytes) report = cvs_report_decode(input, "input", NULL);
    g_autoptr(CvsVerdict) verdict = NULL;
    g_autoptr(json_t) json = NULL;
    CvsReportInput given = {.name = "input", .report = report, .at = 1782864000};

    if (snp_roots == NULL) {
        snp_roots = cvs_snp_roots_new();
        tdx_roots = cvs_tdx_roots_new();
        evidence = cvs_evidence_new();
        profile = cvs_profile_strict_new();
    }
    if (report == NULL)
        return 0;
    given.snp_roots = snp_roots;
    given.tdx_roots = tdx_roots;
    given.evidence = evidence;
    verdict = cvs_verdict_new(&given, profile, NULL);
    g_assert_nonnull(verdict);
    g_assert_cmpint(verdict->kind, !=, CVS_VERDICT_ACCEPTED);
    g_assert_cmpuint(cvs_error_get_reasons(verdict->reasons)->len, >, 0);
    json = cvs_verdict_to_json(verdict);
    g_assert_nonnull(json);
    g_assert_cmpuint(json_array_size(json_object_get(json, "reasons")), ==,
                     cvs_error_get_reasons(verdict->reasons)->len);
    return 0;
}
