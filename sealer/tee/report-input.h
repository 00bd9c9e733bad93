/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A report as a file has it: bytes, or the same in hexadecimal digits; and of which kind. */

#include <glib.h>

/* Bytes of a file, in whatever form: twice the longest quote, and blanks. */
#define CVS_REPORT_INPUT_MAX (16u << 20)

typedef enum {
    CVS_REPORT_UNKNOWN,
    CVS_REPORT_SNP,      /* snp-report.h */
    CVS_REPORT_TDX,      /* a TD quote, tdx-quote.h */
    CVS_REPORT_HCL,      /* of Azure's paravisor, hcl-report.h */
    CVS_REPORT_TDREPORT, /* tdreport.h */
} CvsReportType;

/* "snp", "tdx", "hcl", "tdreport"; NULL for UNKNOWN. */
const char *cvs_report_type_name(CvsReportType type);
/* UNKNOWN if there is no type of that name. */
CvsReportType cvs_report_type_from_name(const char *name);

/* Nothing but hexadecimal digits of either case and white space, perhaps with 0x in front. */
gboolean cvs_report_is_hex_text(const void *data, gsize size);
/* The bytes themselves, or those that hexadecimal text stands for. What is text and yet no digits,
 * or an odd number of them, is BadFormat with the offset: no report is all printable. Errors begin
 * with what. */
GBytes *cvs_report_decode(GBytes *input, const char *what, GError **error);

/* By the first bytes and the size, so that what is cut or damaged behind them is still known for
 * what it was. SGX quotes and everything else are UNKNOWN. */
CvsReportType cvs_report_type_detect(const void *data, gsize size);
/* The first bytes are those of an ECDSA quote, of a TD or an SGX enclave. */
gboolean cvs_report_is_quote(const void *data, gsize size);
