/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What systemd wants to know of a service (sd_notify(3): a datagram to $NOTIFY_SOCKET) and the
 * watchdog (sd_watchdog_enabled(3)). It is told that all is well only while the main loop turns and
 * the worker is not stuck in one job. */

#include "service/worker.h"

/* "READY=1". Does nothing where nobody listens. */
void cvs_notify(const char *state);

typedef struct _CvsWatchdog CvsWatchdog;
/* NULL if no watchdog is wanted ($WATCHDOG_USEC, $WATCHDOG_PID). Pings twice in its time; a job of
 * the worker's that takes longer than the whole of it is a stuck one: threads wait for the host
 * (attest/errand.h). */
CvsWatchdog *cvs_watchdog_new(CvsWorker *worker);
void cvs_watchdog_free(CvsWatchdog *watchdog);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsWatchdog, cvs_watchdog_free)
