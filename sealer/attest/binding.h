/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What ties report and quote to each other, and both to a request: computed here by who makes
 * evidence and by who judges it. Fields have their lengths before them and begin with a domain of
 * their own, so that no other use of the same keys gives the same bytes.
 *
 * The report is asked for the binding: who asked, which keys the TPM has, what the guest had to
 * say. The quote's extraData is over the binding and the whole report. So each refers to the other,
 * and where nobody can choose the hardware report's data (a paravisor's), the quote still says all
 * of it. */

#include "tpm/public-area.h"

#define CVS_BINDING_SIZE 64
#define CVS_BINDING_QUOTE_NONCE_SIZE 32

/* SHA-512(domain, nonce, AK Name, SRK Name, user data): the report data; for an SVSM its nonce.
 * user_data NULL: the same as empty. */
void cvs_binding_compute(GBytes *nonce, const CvsName *ak, const CvsName *srk, GBytes *user_data,
                         guint8 ret_binding[static CVS_BINDING_SIZE]);

/* SHA-256(domain, binding, SHA-256(report)): the quote's extraData. report: the SNP report or the
 * TD quote; a paravisor's report, all of it; NULL where there is no TEE. */
void cvs_binding_quote_nonce(const guint8 binding[static CVS_BINDING_SIZE], GBytes *report,
                             guint8 ret_nonce[static CVS_BINDING_QUOTE_NONCE_SIZE]);

/* SHA-512(nonce ‖ manifest): the report data that an SVSM asks for (AMD 58019). */
void cvs_binding_svsm(const guint8 nonce[static CVS_BINDING_SIZE], GBytes *manifest,
                      guint8 ret_report_data[static CVS_BINDING_SIZE]);
