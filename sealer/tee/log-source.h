/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where Linux keeps the firmware's event logs; eventlog.h reads what these give.
 *
 * A confidential VM without a TPM has the ACPI table CCEL (ACPI 6.5; UEFI 2.10, section 38.4.1): 56
 * bytes, with the CC type at 36 (1 SEV, 2 TDX), the log's area length u64 at 40 and its address at
 * 48; the area itself is the file data/CCEL. A TPM's log is securityfs' binary_bios_measurements.
 * A paravisor may have set the PCRs and given no log at all. */

#include <glib.h>

typedef enum {
    CVS_CC_SEV = 1,
    CVS_CC_TDX = 2,
} CvsCcType;

/* The CCEL's area, with its unused part. NotSupported if there is no such table, NotAuthorized;
 * BadFormat naming offset and field for a table that is not one, or with the reason LogTruncated
 * for an area shorter than the table says; TooLarge beyond CVS_EVENT_LOG_MAX. */
GBytes *cvs_log_source_read_ccel(const char *table, const char *data, CvsCcType *ret_type,
                                 GError **error);
/* The TPM's log. NotSupported if there is none, or an empty one. */
GBytes *cvs_log_source_read_tpm(const char *path, GError **error);
