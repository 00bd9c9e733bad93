/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "tee/hcl-report.h"
#include "tee/refusal.h"

/* A report that parses names an attestation key, and its parts lie inside of it. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    g_autoptr(CvsHclReport) report = cvs_hcl_report_parse(bytes, NULL);
    const guint8 *start = g_bytes_get_data(bytes, NULL);
    GError *refusal = NULL;

    if (report == NULL)
        return 0;
    g_assert_nonnull(report->ak.n);
    g_assert_true(report->claims >= start &&
                  report->claims + report->claims_size <= start + g_bytes_get_size(bytes));
    refusal = cvs_refusal_new();
    cvs_hcl_report_check_binding(report, refusal);
    g_error_free(refusal);
    return 0;
}
