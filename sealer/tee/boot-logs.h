/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* All that this machine has of logs of what was measured since it started: the firmware's for the
 * TPM and for a TD's registers, and those of programs of the running system, ours and systemd's. */

#include "tee/measure-log.h"
#include "tee/tee-paths.h"

#define CVS_MEASURE_LOG_NAME "measure.log" /* ours, in the RunPath= */

typedef struct {
    CvsEventLog *tpm;    /* NULL: there is none, or none that can be read */
    CvsEventLog *cc;     /* likewise */
    GPtrArray *measured; /* CvsMeasured* of all files; may be empty */
} CvsBootLogs;

/* Never fails: a log that is damaged or not there explains nothing, which is all that can be said
 * of it. */
CvsBootLogs *cvs_boot_logs_read(const CvsTeePaths *paths);
void cvs_boot_logs_free(CvsBootLogs *logs);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsBootLogs, cvs_boot_logs_free)

/* What leads a register to this value: a PCR's (of the bank) or an RTMR's (SHA-384). The steps
 * after which it is reached, the last time; what a log has beyond them is not in the register and
 * left out. NULL if the logs do not lead there. */
CvsTrail *cvs_boot_logs_explain(const CvsBootLogs *logs, gboolean rtmr, CvsHash bank, guint index,
                                const guint8 *value);
/* All that the logs have of a register, wherever it leads; value as in cvs_measure_log_add(). NULL
 * if there is no log of it, or it cannot be followed. */
CvsTrail *cvs_boot_logs_follow(const CvsBootLogs *logs, gboolean rtmr, CvsHash bank, guint index,
                               const guint8 *value);
