/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/report-verify.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/hex.h"
#include "tee/hcl-claims.h"
#include "tee/refusal.h"
#include "tee/snp-verify.h"
#include "tee/tdx-claims.h"
#include "tee/tdx-verify.h"

#include <string.h>

typedef struct {
    const CvsReportInput *input;
    GError *refusal;
    json_t *claims; /* or NULL */
} Run;

CvsReportType
cvs_report_input_type(const CvsReportInput *input)
{
    return input->type != CVS_REPORT_UNKNOWN
               ? input->type
               : cvs_report_type_detect(g_bytes_get_data(input->report, NULL),
                                        g_bytes_get_size(input->report));
}

/* What a verification found. TRUE if it is a matter of reasons; else the bytes are malformed. */
static gboolean
take_result(Run *run, GError *found, const char *name, GError **error)
{
    if (found == NULL)
        return TRUE;
    if (cvs_error_get_reasons(found)->len > 0 && found->code != CVS_ERROR_BAD_FORMAT) {
        cvs_error_add_reasons_of(run->refusal, found);
        return TRUE;
    }
    g_propagate_prefixed_error(error, g_error_copy(found), "%s: ", name);
    return FALSE;
}

static gboolean
verify_snp(Run *run, const void *report, gsize size, GError **error)
{
    const CvsReportInput *input = run->input;
    g_autoptr(CvsSnpVerifier) verifier = cvs_snp_verifier_new(input->snp_roots);
    CvsSnpEvidence evidence = {.report = report,
                               .report_size = size,
                               .certs = input->evidence->certs,
                               .host_leaves = input->evidence->host_leaves,
                               .crls = input->evidence->crls,
                               .at = input->at,
                               .grace = input->grace};
    g_autoptr(GError) found = NULL;

    (void)cvs_snp_verify(verifier, &evidence, NULL, &run->claims, &found);
    return take_result(run, found, input->name, error);
}

/* By what the verification itself takes for the platform's. */
static const CvsTcbInfo *
choose_tcb_info(const Run *run, CvsTdxVerifier *verifier, const CvsTdxEvidence *evidence)
{
    const CvsEvidence *from = run->input->evidence;
    g_autoptr(json_t) claims = NULL;
    g_autoptr(GBytes) fmspc = NULL;
    const char *text = NULL;

    if (from->tcb_infos->len > 1) {
        (void)cvs_tdx_verify(verifier, evidence, &claims, NULL);
        text = json_string_value(json_object_get(claims, "tee.fmspc"));
        fmspc = text ? cvs_hex_decode(text, -1, NULL) : NULL;
    }
    return cvs_evidence_find_tcb_info(from, fmspc ? g_bytes_get_data(fmspc, NULL) : NULL,
                                      evidence->at);
}

static gboolean
verify_tdx(Run *run, GBytes *quote, const char *name, GError **error)
{
    const CvsReportInput *input = run->input;
    g_autoptr(CvsTdxVerifier) verifier = cvs_tdx_verifier_new(input->tdx_roots);
    CvsTdxEvidence evidence = {.quote = quote,
                               .certs = input->evidence->certs,
                               .crls = input->evidence->crls,
                               .at = input->at,
                               .grace = input->grace,
                               .evaluation_seen = input->evidence->evaluation_seen};
    g_autoptr(json_t) claims = NULL;
    g_autoptr(GError) found = NULL;

    evidence.qe_identity = cvs_evidence_find_qe_identity(input->evidence, input->at);
    evidence.tcb_info = choose_tcb_info(run, verifier, &evidence);
    (void)cvs_tdx_verify(verifier, &evidence, &claims, &found);
    if (claims) {
        json_decref(run->claims);
        run->claims = g_steal_pointer(&claims);
    }
    return take_result(run, found, name, error);
}

/* A TDREPORT and the quote that must be of it. missing: the reason where there is none. */
static gboolean
verify_td(Run *run, const CvsTdReport *report, const char *missing, const char *detail,
          GError **error)
{
    const CvsReportInput *input = run->input;
    g_autoptr(CvsTdxQuote) quote = NULL;

    run->claims = cvs_td_claims_new(&report->body, "tdreport");
    cvs_claims_set_bool(run->claims, "tee.verified", FALSE);
    cvs_claims_set_bool(run->claims, "tee.test_roots", cvs_tdx_roots_have_test(input->tdx_roots));
    if (input->quote == NULL) {
        cvs_error_add_reason(run->refusal, missing, NULL, NULL, "%s", detail);
        return TRUE;
    }
    quote = cvs_tdx_quote_parse(input->quote, error);
    if (quote == NULL) {
        g_prefix_error(error, "%s: ", input->quote_name);
        return FALSE;
    }
    if (!verify_tdx(run, input->quote, input->quote_name, error))
        return FALSE;
    cvs_td_body_compare(&report->body, &quote->body, run->refusal);
    return TRUE;
}

static void
check_vmpl(Run *run)
{
    const json_t *vmpl = json_object_get(run->claims, "tee.vmpl");
    g_autofree char *seen = NULL;

    if (json_integer_value(vmpl) == 0)
        return;
    seen = g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(vmpl));
    cvs_error_add_reason(run->refusal, CVS_REASON_HCL_VMPL, seen, "0",
                         "the hardware report was made for VMPL %s; the paravisor's are for VMPL 0",
                         seen);
}

static gboolean
verify_hcl(Run *run, GError **error)
{
    const CvsReportInput *input = run->input;
    g_autoptr(CvsHclReport) report = cvs_hcl_report_parse(input->report, error);
    guint before = 0;
    gboolean bound = FALSE;
    gboolean ok = FALSE;

    if (report == NULL) {
        g_prefix_error(error, "%s: ", input->name);
        return FALSE;
    }
    if (report->type == CVS_HCL_SNP && input->quote) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "%s is the HCL report of an SNP guest, and no quote goes with it", input->name);
        return FALSE;
    }
    before = cvs_refusal_count(run->refusal);
    cvs_hcl_report_check_binding(report, run->refusal);
    bound = cvs_refusal_count(run->refusal) == before;
    if (report->type == CVS_HCL_SNP) {
        ok = verify_snp(run, report->hardware, report->hardware_size, error);
        if (ok)
            check_vmpl(run);
    } else {
        ok = verify_td(run, &report->td, CVS_REASON_QUOTE_MISSING,
                       "the HCL report of a TD proves nothing without the TD's quote", error);
    }
    if (run->claims)
        cvs_hcl_claims_add(run->claims, report, bound);
    return ok;
}

static gboolean
verify_tdreport(Run *run, GError **error)
{
    const CvsReportInput *input = run->input;
    CvsTdReport report;

    if (!cvs_tdreport_parse(g_bytes_get_data(input->report, NULL), g_bytes_get_size(input->report),
                            &report, error)) {
        g_prefix_error(error, "%s: ", input->name);
        return FALSE;
    }
    return verify_td(run, &report, CVS_REASON_NOT_VERIFIABLE,
                     "a TDREPORT proves nothing away from its machine: its quote would", error);
}

static gboolean
refuse_unknown(const CvsReportInput *input, GError **error)
{
    gsize size = 0;
    const void *data = g_bytes_get_data(input->report, &size);

    /* Its parser knows best what such a quote is. */
    if (cvs_report_is_quote(data, size)) {
        g_autoptr(CvsTdxQuote) quote = cvs_tdx_quote_parse(input->report, error);

        if (quote == NULL) {
            g_prefix_error(error, "%s: ", input->name);
            return FALSE;
        }
    }
    g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                size == 0 ? "%s: byte 0: the file is empty"
                          : "%s: byte 0: its beginning is none of an SNP report, a TD quote, a "
                            "TDREPORT or an HCL report",
                input->name);
    return FALSE;
}

static void
check_report_data(Run *run)
{
    const char *seen = json_string_value(json_object_get(run->claims, "tee.report_data"));
    g_autofree char *wanted = cvs_hex_encode(run->input->report_data, CVS_REPORT_DATA_SIZE);

    if (g_strcmp0(seen, wanted) == 0)
        return;
    cvs_error_add_reason(run->refusal, CVS_REASON_REPORT_DATA_MISMATCH, seen, wanted,
                         "the report was made for other report data");
}

gboolean
cvs_report_verify(const CvsReportInput *input, json_t **ret_claims, GError *refusal, GError **error)
{
    Run run = {.input = input, .refusal = refusal};
    CvsReportType type = cvs_report_input_type(input);
    gboolean ok = FALSE;

    if (input->quote && (type == CVS_REPORT_SNP || type == CVS_REPORT_TDX)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "%s is itself what is verified, and no quote goes with it", input->name);
        *ret_claims = NULL;
        return FALSE;
    }
    switch (type) {
    case CVS_REPORT_SNP:
        ok = verify_snp(&run, g_bytes_get_data(input->report, NULL),
                        g_bytes_get_size(input->report), error);
        break;
    case CVS_REPORT_TDX:
        ok = verify_tdx(&run, input->report, input->name, error);
        break;
    case CVS_REPORT_HCL:
        ok = verify_hcl(&run, error);
        break;
    case CVS_REPORT_TDREPORT:
        ok = verify_tdreport(&run, error);
        break;
    case CVS_REPORT_UNKNOWN:
        ok = refuse_unknown(input, error);
        break;
    }
    if (run.claims) {
        cvs_claims_set_bool(run.claims, "tee.verified", ok && cvs_refusal_count(refusal) == 0);
        if (ok && input->report_data)
            check_report_data(&run);
    }
    *ret_claims = run.claims;
    return ok;
}

/* The SNP report in the input; FALSE if there is none. */
static gboolean
find_snp_report(const CvsReportInput *input, CvsSnpReport *ret_report)
{
    CvsReportType type = cvs_report_input_type(input);
    g_autoptr(CvsHclReport) hcl = NULL;

    if (type == CVS_REPORT_SNP)
        return cvs_snp_report_parse(g_bytes_get_data(input->report, NULL),
                                    g_bytes_get_size(input->report), ret_report, NULL);
    hcl = type == CVS_REPORT_HCL ? cvs_hcl_report_parse(input->report, NULL) : NULL;
    return hcl && hcl->type == CVS_HCL_SNP &&
           cvs_snp_report_parse(hcl->hardware, hcl->hardware_size, ret_report, NULL);
}

gboolean
cvs_report_collect(const CvsReportInput *input, CvsCollateralStore *store, CvsEvidence *evidence,
                   GError **error)
{
    g_autoptr(GError) refusal = cvs_refusal_new();
    g_autoptr(json_t) claims = NULL;
    g_autoptr(GBytes) fmspc = NULL;
    const char *text = NULL;
    CvsSnpReport report;

    if (find_snp_report(input, &report))
        return cvs_collateral_store_collect_snp(store, &report, evidence, error);
    (void)cvs_report_verify(input, &claims, refusal, NULL);
    text = json_string_value(json_object_get(claims, "tee.fmspc"));
    fmspc = text ? cvs_hex_decode(text, -1, NULL) : NULL;
    return cvs_collateral_store_collect_tdx(store, fmspc ? g_bytes_get_data(fmspc, NULL) : NULL,
                                            evidence, error);
}
