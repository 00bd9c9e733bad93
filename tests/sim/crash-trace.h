/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a stopped thread's system call says about files: the reading half of crash.h. */

#include "sim/crash.h"

#include <sys/ptrace.h>

/* Of the entry of a call; NULL if it is not among those that are recorded. */
CrashCall *crash_call_read(pid_t tid, guint64 number, const guint64 args[6]);
void crash_call_free(gpointer call);
/* Any path that the call names, also of calls that are not recorded; NULL if none. */
char *crash_call_path(pid_t tid, guint64 number, const guint64 args[6]);
