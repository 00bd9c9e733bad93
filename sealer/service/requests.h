/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How many requests are in flight, of each uid and in all; root's do not count among all, so that
 * however many users there are, those that the system waits for get in. Each has a place, which it
 * shares with the threads that work on its descriptors: one whose thread does not come back takes
 * room until it does, answered or not. Any thread. */

#include <glib.h>
#include <sys/types.h>

typedef struct _CvsRequests CvsRequests;
typedef struct _CvsPlace CvsPlace;

CvsRequests *cvs_requests_new(guint max_total, guint max_per_uid);
/* Places that are taken outlive it. NULL is allowed. */
void cvs_requests_free(CvsRequests *requests);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsRequests, cvs_requests_free)

/* One more, given back with its last reference. Busy if a limit is reached, or once
 * cvs_requests_close() was called. */
CvsPlace *cvs_requests_enter(CvsRequests *requests, uid_t uid, GError **error);
CvsPlace *cvs_place_ref(CvsPlace *place);
/* NULL is allowed. */
void cvs_place_unref(CvsPlace *place);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsPlace, cvs_place_unref)

/* Lets nobody in any more. */
void cvs_requests_close(CvsRequests *requests);
guint cvs_requests_count(CvsRequests *requests);
