/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The TD quote of a paravisor's TDREPORT. On Azure only a service of the host's at an address of
 * its own gives it (IMDS, POST /acc/tdquote), and we have no network. So the TDREPORT is laid down
 * in a folder, and somebody else brings the quote (cvmseal-td-quote.path, or an administrator):
 *
 *   RUN/td-quote/tdreport   1024 bytes, written by us
 *   RUN/td-quote/quote      the quote itself, written by whoever brings it, best by rename
 *
 * Nobody has to be trusted with it: it is taken only if it is of this TDREPORT in every field, and
 * verified by the judge as any other. */

#include "tee/pace.h"

#include <glib.h>

#define CVS_TD_QUOTE_FOLDER "td-quote"
/* How long is waited for a quote that was not asked for before. */
#define CVS_TD_QUOTE_WAIT_US (G_GINT64_CONSTANT(5000) * 1000)

/* The folder is made if it is not there. Waits only where this TDREPORT was not there yet, so that
 * one that nobody answers holds up the first request and no other; but every half minute it is
 * written anew, as one that failed to bring the quote wants, and waited for once more.
 * AttestationFailed with the reason QuoteMissing, which says where the quote is wanted;
 * StorageError, NotAuthorized. */
GBytes *cvs_td_quote_get(const char *run_dir, GBytes *tdreport, const CvsPaceClock *clock,
                         GError **error);
