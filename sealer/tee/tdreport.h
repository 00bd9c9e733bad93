/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* TDREPORT_STRUCT (TDX Module ABI 1.5), what TDG.MR.REPORT gives. Its MAC is symmetric, with a key
 * that never leaves the CPU, and Linux does not offer the check: away from its machine it proves
 * nothing, and on it only as much as the way it was read. What can be proven is a quote. */

#include "tee/td-body.h"

#define CVS_TDREPORT_SIZE 1024

typedef struct {
    guint8 version; /* of REPORTTYPE: 0, or 1 with service TDs bound */
    guint8 cpu_svn[16];
    guint8 mac[32];
    guint64 tcb_info_valid; /* VALID of TEE_TCB_INFO */
    CvsTdBody body;
} CvsTdReport;

/* Exactly CVS_TDREPORT_SIZE bytes. BadFormat for another type, for a version that is not known and
 * for what must be zero and is not; with the reason TdReportHash where one of the two hashes in it
 * is not that of the part that it stands for: an edited or damaged report. */
gboolean cvs_tdreport_parse(const void *data, gsize size, CvsTdReport *ret_report, GError **error);
