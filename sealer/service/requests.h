/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How many requests are in flight, of each uid and in all. One thread. */

#include <glib.h>
#include <sys/types.h>

typedef struct _CvsRequests CvsRequests;

CvsRequests *cvs_requests_new(guint max_total, guint max_per_uid);
void cvs_requests_free(CvsRequests *requests);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsRequests, cvs_requests_free)

/* Counts one more, to be given back by cvs_requests_leave(). Busy if a limit is reached, or once
 * cvs_requests_close() was called. */
gboolean cvs_requests_enter(CvsRequests *requests, uid_t uid, GError **error);
void cvs_requests_leave(CvsRequests *requests, uid_t uid);

/* Lets nobody in any more. */
void cvs_requests_close(CvsRequests *requests);
guint cvs_requests_count(const CvsRequests *requests);
