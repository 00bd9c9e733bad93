/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What was measured into one register, in order: by firmware and loaders (tee/eventlog.h), then by
 * programs of the running system (tee/measure-log.h). Two trails of one register, that of the day
 * on which a key was sealed and that of today, tell which event made the difference.
 *
 * A trail is as little proven as the logs it comes from. It counts for a value only if it leads
 * there (cvs_trail_fit()), and then only its digests do: types and texts are what the log said. */

#include "tee/eventlog-replay.h"

#include <jansson.h>

/* The type of a step that is of no firmware's log. */
#define CVS_EV_MEASURED 0xffffffffu
#define CVS_TRAIL_STEPS_MAX 8192 /* GRUB makes hundreds */
#define CVS_TRAIL_TEXT_MAX 120 /* bytes of a step's text in a record */

typedef struct {
    guint32 type;                  /* CVS_EV_… */
    guint8 digest[CVS_DIGEST_MAX]; /* bytes beyond the bank's digest are zero */
    char *text;                    /* what it says, decoded: cvs_event_describe() */
} CvsStep;

typedef struct {
    gboolean rtmr; /* else a PCR */
    guint index;
    CvsHash bank;   /* of an RTMR CVS_SHA384 */
    guint locality; /* with which PCR 0 starts */
    GArray *steps;  /* CvsStep */
} CvsTrail;

CvsTrail *cvs_trail_new(gboolean rtmr, CvsHash bank, guint index, guint locality);
void cvs_trail_free(CvsTrail *trail);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsTrail, cvs_trail_free)

/* digest has the bank's size; text is copied. */
void cvs_trail_add(CvsTrail *trail, guint32 type, const guint8 *digest, const char *text);
guint cvs_trail_size(const CvsTrail *trail);
const CvsStep *cvs_trail_step(const CvsTrail *trail, guint number);
/* Leaves the first count steps. */
void cvs_trail_cut(CvsTrail *trail, guint count);

/* What a log has of a register: a PCR, of a CC log an RTMR. NULL if a record of it has no digest in
 * the bank, or there are more than CVS_TRAIL_STEPS_MAX: it cannot be followed. */
CvsTrail *cvs_trail_new_from_log(const CvsEventLog *log, CvsHash bank, guint reg);

/* After how many steps the register has this value, the last time; 0 where it is the value it
 * starts with; -1: never. */
int cvs_trail_fit(const CvsTrail *trail, const guint8 *value);

/* {"pcr" or "rtmr": number, "bank": "sha256", "locality": number (left out where it is 0),
 *  "events": [[type, digest in base64url, text], …]}. Texts are cut to text_max bytes. A new
 * reference. */
json_t *cvs_trail_to_json(const CvsTrail *trail, gsize text_max);
/* BadFormat. */
CvsTrail *cvs_trail_from_json(const json_t *json, GError **error);

typedef enum {
    CVS_TRAIL_SAME,
    CVS_TRAIL_START,   /* PCR 0 starts with another locality */
    CVS_TRAIL_CHANGED, /* another event stands in its place */
    CVS_TRAIL_ADDED,   /* an event that was not there */
    CVS_TRAIL_REMOVED, /* an event is there no more */
    CVS_TRAIL_ORDER,   /* the same events, in another order */
} CvsTrailChange;

/* "same", "start", "changed", "added", "removed", "order" */
const char *cvs_trail_change_name(CvsTrailChange change);

/* The first difference of two trails of one register in one bank. Digests are compared, since the
 * register holds nothing else. The steps belong to the trails. */
typedef struct {
    CvsTrailChange change;
    guint number;       /* of the step, from 0, in both */
    const CvsStep *was; /* NULL: ADDED, START, SAME */
    const CvsStep *is;  /* NULL: REMOVED, START, SAME */
} CvsTrailDifference;

CvsTrailDifference cvs_trail_compare(const CvsTrail *was, const CvsTrail *is);
