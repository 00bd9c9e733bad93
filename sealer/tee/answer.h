/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Whether what came is what was asked for. That is no verification: it tells a race with another
 * program, or a source that gives anything but an answer, before anybody looks at signatures. */

#include "tee/tdreport.h"

#include <glib.h>

/* The report data, all 64 bytes. AttestationFailed with the reason AnswerDiffers; what: "the SNP
 * report". */
gboolean cvs_answer_check_data(const guint8 seen[static 64], const guint8 wanted[static 64],
                               const char *what, GError **error);
/* An SNP report of the right form, for this report data; vmpl: and of this VMPL, where it is not
 * negative. Errors of snp-report.h too; AttestationFailed with the reason AnswerEmpty for one
 * without bytes. */
gboolean cvs_answer_check_snp(GBytes *report, const guint8 wanted[static 64], int vmpl,
                              GError **error);
/* A report of an SVSM for this nonce and manifest: report data = SHA-512(nonce ‖ manifest). Errors
 * as above; AnswerEmpty for a manifest without bytes. */
gboolean cvs_answer_check_svsm(GBytes *report, GBytes *manifest, const guint8 nonce[static 64],
                               GError **error);
/* A TD quote of the right form for this report data. Errors of tdx-quote.h too; AttestationFailed
 * with the reason AnswerEmpty for one without bytes. */
gboolean cvs_answer_check_quote(GBytes *quote, const guint8 wanted[static 64], GError **error);
/* A quote and a TDREPORT of the same TD in the same state: all that both say. AttestationFailed
 * with a reason QuoteMismatch for each field. */
gboolean cvs_answer_check_pair(GBytes *quote, const CvsTdReport *report, GError **error);
