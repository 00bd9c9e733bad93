/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One writer at a time for one name in a directory, among all programs that honour it: an flock on
 * a file ".lock.NAME" beside it, which exists only while somebody holds or wants it. Readers need
 * none, since files change by rename. */

#include <glib.h>

typedef struct _CvsLock CvsLock;

/* Waits at most timeout_ms (0: not at all), then Busy. The directory must stay open as long as the
 * lock is held. */
CvsLock *cvs_lock_take(int dir, const char *name, guint timeout_ms, GError **error);
void cvs_lock_release(CvsLock *lock);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsLock, cvs_lock_release)

/* True for the names of lock files: this prefix and the name that is locked. */
#define CVS_LOCK_PREFIX ".lock."
gboolean cvs_lock_is_lock_file(const char *name);
