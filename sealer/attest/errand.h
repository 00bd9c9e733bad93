/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Something that waits for the host, done in a thread of its own: whoever sent it goes on, and need
 * not be there when it comes back. Any thread may use one. */

#include <glib.h>

typedef struct _CvsErrand CvsErrand;

typedef void (*CvsErrandFunc)(gpointer data);

typedef struct {
    CvsErrandFunc run;        /* in the thread */
    GDestroyNotify free_data; /* once nobody has the errand any more; in any thread */
    /* In the thread, when run has returned; quick, and not back into the errand. NULL: there is no
     * thread, and run is over when cvs_errand_new() returns. */
    CvsErrandFunc back;
    gpointer back_data;
} CvsErrandKind;

/* Takes data, also where it fails: Busy if there is no thread to be had. */
CvsErrand *cvs_errand_new(const CvsErrandKind *kind, gpointer data, GError **error);
CvsErrand *cvs_errand_ref(CvsErrand *errand);
/* One that is under way goes on without us. NULL is allowed. */
void cvs_errand_unref(CvsErrand *errand);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsErrand, cvs_errand_unref)

/* What run was given, which is its again only now; NULL while it runs. */
gpointer cvs_errand_get(CvsErrand *errand);
/* back is not called from now on. */
void cvs_errand_silence(CvsErrand *errand);
