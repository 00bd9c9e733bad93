/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One request at a time to the firmware behind the TEE, among all programs that share a run folder,
 * and no more of them than host and SVSM bear. The reason is what happens otherwise:
 *
 * - A host lets a guest make two requests in two seconds. Linux waits for the host up to a minute,
 *   with a lock held that all other requests need, and then closes the channel until reboot.
 * - An SVSM asks again at once when the host is busy. At the second refusal COCONUT-SVSM closes
 *   its channel until reboot, or panics, which ends the machine.
 * - A quote of a TD that was given up occupies the one buffer until the host has answered.
 *
 * The times of the last requests are in the file "tee-requests" of the run folder, in microseconds
 * of CLOCK_BOOTTIME, written before a request as well as after it: one that was killed counts too.
 * What another boot wrote, and a time in the future, do not count. */

#include <glib.h>

/* Any two requests, and the next, are further apart than this: the host's two seconds, and what its
 * clock and ours may differ by. */
#define CVS_PACE_WINDOW_US (G_GINT64_CONSTANT(2100) * 1000)
/* Two requests to an SVSM, each of which may be three to the host. */
#define CVS_PACE_SVSM_US (G_GINT64_CONSTANT(5000) * 1000)

/* Time; tests have one of their own. */
typedef struct {
    gint64 (*now)(gpointer data); /* microseconds of CLOCK_BOOTTIME */
    void (*sleep)(gpointer data, gint64 us);
    gpointer data;
} CvsPaceClock;

extern const CvsPaceClock cvs_pace_clock;

typedef enum {
    CVS_PACE_QUOTE,  /* of a TD: one at a time, as often as one likes */
    CVS_PACE_REPORT, /* to the secure processor of an SNP machine: report or key */
    CVS_PACE_SVSM,   /* to the SVSM, which asks the secure processor */
} CvsPaceKind;

typedef struct _CvsPace CvsPace;

/* Waits for the turn, at most until deadline (on the clock), then Busy, saying when. The run folder
 * is made if it is not there (mode 0700). StorageError where the time cannot be written down: then
 * no request may be made, since the next program would not know of it. */
CvsPace *cvs_pace_begin(const char *run_dir, CvsPaceKind kind, const CvsPaceClock *clock,
                        gint64 deadline, GError **error);
/* For a further request in the same turn: writes down that one is over and waits as above. */
gboolean cvs_pace_again(CvsPace *pace, CvsPaceKind kind, gint64 deadline, GError **error);
/* Writes down that the request is over and lets the next one go. */
void cvs_pace_end(CvsPace *pace);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsPace, cvs_pace_end)
