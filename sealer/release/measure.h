/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Measuring a text into a register, with a record of it (tee/measure-log.h) so that replaying the
 * logs still explains the register.
 *
 * The record is written first, with the register's value before; then the register is extended. If
 * we die in between, the register tells that it did not happen, and the next to measure takes the
 * record back. The other way round, an extension without a record would leave the register without
 * an explanation until the next boot. */

#include "tee/source.h"
#include "tpm/tpm.h"

#include "tee/measure-log.h"

/* The registers that are open to anybody. Not to: PCRs 0 to 7, which are the firmware's, and 10,
 * the kernel's own (IMA); 8 and 9, the boot loader's; 16 and 23, which can be reset; 17 to 22, of a
 * dynamic launch. RTMRs 0 and 1 are the firmware's. */
#define CVS_MEASURE_PCRS (1u << 11 | 1u << 12 | 1u << 13 | 1u << 14 | 1u << 15)
#define CVS_MEASURE_RTMRS (1u << 2 | 1u << 3)

typedef struct {
    CvsTpm *tpm; /* NULL: only for RTMRs */
    CvsTeeSource *source;
    guint lock_timeout_ms; /* how long to wait for others who measure */
} CvsMeasurer;

/* InvalidArgument for another register, or a text that is empty, too long (CVS_MEASURE_TEXT_MAX) or
 * not UTF-8; NotSupported without such a register; NotAuthorized, StorageError for the log;
 * BadFormat if it is damaged, and then nothing is measured; Busy. Failed if the register is then
 * not what it should be: another program extended it at the same moment, and the logs may not
 * explain it. *ret_record is what was written, to be freed. */
gboolean cvs_measure(const CvsMeasurer *measurer, gboolean rtmr, guint index, const char *text,
                     CvsMeasured **ret_record, GError **error);
