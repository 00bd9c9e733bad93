/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A line on stderr that tells what is waited for, where that takes longer than a second and stderr
 * is a terminal. A thread of its own writes it, since the work blocks this one. */

#include <glib.h>

typedef struct _CvsProgress CvsProgress;

/* format gives what is done: "Unsealing \"db\"". Never NULL. */
CvsProgress *cvs_progress_start(const char *format, ...) G_GNUC_PRINTF(1, 2);
/* Removes the line. NULL is allowed. */
void cvs_progress_stop(CvsProgress *progress);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsProgress, cvs_progress_stop)
/* Removes the line and keeps silent from now on: before something else is written. */
void cvs_progress_silence(CvsProgress *progress);
