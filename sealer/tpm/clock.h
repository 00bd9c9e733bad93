/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A TPM's clock: TPMS_CLOCK_INFO (Part 2, 10.11.1). */

#include <glib.h>

typedef struct {
    guint64 clock_ms;
    guint32 reset_count;   /* TPM resets: boots from power-off */
    guint32 restart_count; /* resumes from hibernation or suspend since the last of those */
    gboolean safe;         /* the clock cannot have shown a later time before */
} CvsClock;

/* A TPM's counts only ever grow: a state that is older than one seen before was put back, or the
 * TPM was cloned. AttestationFailed with reason TpmClockBack if (resets, restarts, clock) is before
 * what was seen. A clock that is not safe may have gone back by itself, and is not compared. */
gboolean cvs_clock_check_forward(const CvsClock *now, const CvsClock *seen, GError **error);
