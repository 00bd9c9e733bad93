/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/answer.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/hex.h"
#include "tee/refusal.h"
#include "tee/snp-report.h"
#include "tee/tdx-quote.h"

gboolean
cvs_answer_check_data(const guint8 seen[static 64], const guint8 wanted[static 64],
                      const char *what, GError **error)
{
    g_autofree char *seen_hex = NULL;
    g_autofree char *wanted_hex = NULL;

    if (cvs_equal_bytes(seen, wanted, 64))
        return TRUE;
    g_set_error(error, CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED,
                "%s is not for the report data that were asked for: it belongs to another request, "
                "or the source does not do what it says",
                what);
    if (error) {
        seen_hex = cvs_hex_encode(seen, 64);
        wanted_hex = cvs_hex_encode(wanted, 64);
        cvs_error_add_reason(*error, CVS_REASON_ANSWER_DIFFERS, seen_hex, wanted_hex,
                             "%s has other report data", what);
    }
    return FALSE;
}

static gboolean
check_not_empty(GBytes *bytes, const char *what, const char *who, GError **error)
{
    if (g_bytes_get_size(bytes) > 0)
        return TRUE;
    g_set_error(error, CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED,
                "%s is empty: the host's %s gave nothing; its administrator has to look at it",
                what, who);
    if (error)
        cvs_error_add_reason(*error, CVS_REASON_ANSWER_EMPTY, NULL, NULL, "%s is empty", what);
    return FALSE;
}

gboolean
cvs_answer_check_snp(GBytes *report, const guint8 wanted[static 64], int vmpl, GError **error)
{
    CvsSnpReport parsed;
    g_autofree char *seen = NULL;
    g_autofree char *asked = NULL;

    if (!check_not_empty(report, "the SNP report", "secure processor or hypervisor", error) ||
        !cvs_snp_report_parse(g_bytes_get_data(report, NULL), g_bytes_get_size(report), &parsed,
                              error) ||
        !cvs_answer_check_data(parsed.report_data, wanted, "the SNP report", error))
        return FALSE;
    if (vmpl < 0 || parsed.vmpl == (guint)vmpl)
        return TRUE;
    g_set_error(error, CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED,
                "the SNP report is of VMPL %u, and VMPL %d was asked for", parsed.vmpl, vmpl);
    if (error) {
        seen = g_strdup_printf("%u", parsed.vmpl);
        asked = g_strdup_printf("%d", vmpl);
        cvs_error_add_reason(*error, CVS_REASON_ANSWER_DIFFERS, seen, asked,
                             "the SNP report is of another VMPL");
    }
    return FALSE;
}

gboolean
cvs_answer_check_svsm(GBytes *report, GBytes *manifest, const guint8 nonce[static 64],
                      GError **error)
{
    g_autoptr(CvsHasher) hasher = cvs_hasher_new(CVS_SHA512);
    guint8 wanted[64];

    if (g_bytes_get_size(manifest) == 0) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED,
                            "the SVSM gave no manifest: its report vouches for nothing");
        if (error)
            cvs_error_add_reason(*error, CVS_REASON_ANSWER_EMPTY, NULL, NULL,
                                 "the SVSM's manifest is empty");
        return FALSE;
    }
    cvs_hasher_update(hasher, nonce, 64);
    cvs_hasher_update(hasher, g_bytes_get_data(manifest, NULL), g_bytes_get_size(manifest));
    cvs_hasher_finish(hasher, wanted);
    return cvs_answer_check_snp(report, wanted, -1, error);
}

gboolean
cvs_answer_check_quote(GBytes *quote, const guint8 wanted[static 64], GError **error)
{
    g_autoptr(CvsTdxQuote) parsed = NULL;

    if (!check_not_empty(quote, "the TD quote", "quoting service", error))
        return FALSE;
    parsed = cvs_tdx_quote_parse(quote, error);
    return parsed && cvs_answer_check_data(parsed->body.report_data, wanted, "the TD quote", error);
}

gboolean
cvs_answer_check_pair(GBytes *quote, const CvsTdReport *report, GError **error)
{
    g_autoptr(CvsTdxQuote) parsed = cvs_tdx_quote_parse(quote, error);
    GError *refusal = NULL;

    if (parsed == NULL)
        return FALSE;
    refusal = cvs_refusal_new();
    cvs_td_body_compare(&report->body, &parsed->body, refusal);
    return cvs_refusal_end(refusal, "the TD quote", error);
}
