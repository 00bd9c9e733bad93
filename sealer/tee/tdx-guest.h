/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The TDREPORT by ioctl: /dev/tdx_guest, include/uapi/linux/tdx-guest.h. It is made by the TDX
 * module on the spot, without host and firmware, and shows the registers as they are now. */

#include "tee/tdreport.h"

/* *ret_bytes (may be NULL): the CVS_TDREPORT_SIZE bytes; *ret_report: the same, parsed and found to
 * be for the report data. NotSupported if there is no such device, NotAuthorized; AttestationFailed
 * if the module refuses, with the reason AnswerDiffers if the report is for other data. BadFormat.
 */
gboolean cvs_tdx_guest_get_report(const char *device, const guint8 report_data[static 64],
                                  GBytes **ret_bytes, CvsTdReport *ret_report, GError **error);
