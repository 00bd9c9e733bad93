/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Verifies a report of any kind with what evidence there is: for a verifier that is handed files.
 * The kinds' own verifications are snp-verify.h, tdx-verify.h, hcl-report.h and tdreport.h. */

#include "tee/claims.h"
#include "tee/collateral-store.h"
#include "tee/evidence.h"
#include "tee/report-input.h"
#include "tee/snp-roots.h"
#include "tee/tdx-roots.h"

#define CVS_REPORT_DATA_SIZE 64

typedef struct {
    CvsReportType type; /* UNKNOWN: found from the bytes */
    GBytes *report;     /* as cvs_report_decode() gives it */
    const char *name;   /* the file, for messages */
    GBytes *quote; /* the TD quote that goes with a TDREPORT, bare or in an HCL report; or NULL */
    const char *quote_name;
    const CvsEvidence *evidence;
    CvsSnpRoots *snp_roots;
    CvsTdxRoots *tdx_roots;
    gint64 at;                 /* seconds since 1970 */
    gint64 grace;              /* as in snp-verify.h and tdx-verify.h */
    const guint8 *report_data; /* CVS_REPORT_DATA_SIZE bytes that REPORT_DATA must be; or NULL */
} CvsReportInput;

/* The kind that the input is, or is said to be; UNKNOWN where nothing is recognised. */
CvsReportType cvs_report_input_type(const CvsReportInput *input);

/* TRUE: well-formed, and the refusal has a reason for everything that was found against it: those
 * of the verification by its kind, and
 *
 *   NotVerifiable       a TDREPORT without its quote
 *   QuoteMissing        an HCL report of a TD without its quote
 *   QuoteMismatch       that quote is of another TD, or of another report
 *   HclBinding          the paravisor's claims are not those that the report was made for
 *   HclVmpl             an HCL report's SNP report was not made at VMPL 0: any guest could have
 *   ReportDataMismatch  REPORT_DATA (of the hardware report) is not the wanted one
 *
 * Claims of an HCL report of a TD come from its quote where there is one, else from its TDREPORT;
 * tee.verified is true only if there was no reason up to ReportDataMismatch.
 *
 * FALSE: malformed, and the error says "FILE: …" with offset and field. ret_claims is set whenever
 * the report itself parses, also when FALSE is returned because of its quote; else NULL.
 * InvalidArgument if there is a quote and the report is none that has one. */
gboolean cvs_report_verify(const CvsReportInput *input, json_t **ret_claims, GError *refusal,
                           GError **error);

/* Adds to the evidence what the store has for the report: of its chip, or its platform. evidence
 * may be the input's own. Errors of the store alone: what cannot be parsed has no collateral. */
gboolean cvs_report_collect(const CvsReportInput *input, CvsCollateralStore *store,
                            CvsEvidence *evidence, GError **error);
