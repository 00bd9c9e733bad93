/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/trail.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/json.h"
#include "tee/eventlog-describe.h"

#include <string.h>

#define WHAT "trail of a register"
#define LOCALITY_MAX 4
#define RTMR_MAX 3

CvsTrail *
cvs_trail_new(gboolean rtmr, CvsHash bank, guint index, guint locality)
{
    CvsTrail *trail = g_new0(CvsTrail, 1);

    *trail = (CvsTrail){rtmr, index, bank, locality, g_array_new(FALSE, FALSE, sizeof(CvsStep))};
    return trail;
}

void
cvs_trail_free(CvsTrail *trail)
{
    if (trail == NULL)
        return;
    cvs_trail_cut(trail, 0);
    g_array_unref(trail->steps);
    g_free(trail);
}

void
cvs_trail_add(CvsTrail *trail, guint32 type, const guint8 *digest, const char *text)
{
    CvsStep step = {.type = type, .text = g_strdup(text)};

    memcpy(step.digest, digest, cvs_hash_size(trail->bank));
    g_array_append_val(trail->steps, step);
}

guint
cvs_trail_size(const CvsTrail *trail)
{
    return trail->steps->len;
}

const CvsStep *
cvs_trail_step(const CvsTrail *trail, guint number)
{
    return &g_array_index(trail->steps, CvsStep, number);
}

void
cvs_trail_cut(CvsTrail *trail, guint count)
{
    for (guint i = count; i < trail->steps->len; i++)
        g_free(g_array_index(trail->steps, CvsStep, i).text);
    g_array_set_size(trail->steps, MIN(count, trail->steps->len));
}

CvsTrail *
cvs_trail_new_from_log(const CvsEventLog *log, CvsHash bank, guint reg)
{
    gboolean rtmr = cvs_event_log_format(log) == CVS_EVENT_LOG_CC;
    g_autoptr(CvsTrail) trail =
        cvs_trail_new(rtmr, bank, reg, reg == 0 ? cvs_event_log_startup_locality(log) : 0);

    for (guint i = 0; i < cvs_event_log_size(log); i++) {
        const CvsEvent *event = cvs_event_log_event(log, i);
        g_autofree char *text = NULL;

        if (event->reg != (int)reg)
            continue;
        if (event->digest[bank] == NULL || cvs_trail_size(trail) == CVS_TRAIL_STEPS_MAX)
            return NULL;
        text = cvs_event_describe(event);
        cvs_trail_add(trail, event->type, event->digest[bank], text);
    }
    return g_steal_pointer(&trail);
}

int
cvs_trail_fit(const CvsTrail *trail, const guint8 *value)
{
    gsize size = cvs_hash_size(trail->bank);
    guint8 replayed[CVS_DIGEST_MAX];
    int fit = -1;

    cvs_register_start(trail->rtmr, trail->bank, trail->index, trail->locality, replayed);
    if (memcmp(replayed, value, size) == 0)
        fit = 0;
    for (guint i = 0; i < trail->steps->len; i++) {
        cvs_register_extend(trail->bank, replayed, cvs_trail_step(trail, i)->digest);
        if (memcmp(replayed, value, size) == 0)
            fit = (int)i + 1;
    }
    return fit;
}

static json_t *
step_to_json(const CvsTrail *trail, const CvsStep *step, gsize text_max)
{
    g_autofree char *digest = cvs_base64url_encode(step->digest, cvs_hash_size(trail->bank));
    g_autofree char *text = g_strdup(step->text);

    if (strlen(text) > text_max) {
        const char *cut = g_utf8_find_prev_char(text, text + text_max + 1);

        text[cut ? cut - text : 0] = '\0';
    }
    return json_pack("[I, s, s]", (json_int_t)step->type, digest, text);
}

json_t *
cvs_trail_to_json(const CvsTrail *trail, gsize text_max)
{
    json_t *events = json_array();
    json_t *json = json_pack("{s:i, s:s, s:o}", trail->rtmr ? "rtmr" : "pcr", (int)trail->index,
                             "bank", cvs_hash_name(trail->bank), "events", events);

    if (trail->locality != 0)
        (void)json_object_set_new(json, "locality", json_integer((json_int_t)trail->locality));
    for (guint i = 0; i < trail->steps->len; i++)
        (void)json_array_append_new(events,
                                    step_to_json(trail, cvs_trail_step(trail, i), text_max));
    return json;
}

static gboolean
bad(GError **error, const char *text)
{
    g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, WHAT ": %s", text);
    return FALSE;
}

static gboolean
step_from_json(CvsTrail *trail, const json_t *json, GError **error)
{
    const json_t *type = json_array_get(json, 0);
    const json_t *digest = json_array_get(json, 1);
    const json_t *text = json_array_get(json, 2);
    g_autoptr(GBytes) bytes = NULL;

    if (json_array_size(json) != 3 || !json_is_integer(type) || !json_is_string(digest) ||
        !json_is_string(text) || json_integer_value(type) < 0 ||
        json_integer_value(type) > G_MAXUINT32 || json_string_length(text) > CVS_TRAIL_TEXT_MAX)
        return bad(error, "an event is not a type, a digest and a text");
    bytes =
        cvs_base64url_decode(json_string_value(digest), (gssize)json_string_length(digest), error);
    if (bytes == NULL)
        return FALSE;
    if (g_bytes_get_size(bytes) != cvs_hash_size(trail->bank))
        return bad(error, "a digest of another size than the bank's");
    cvs_trail_add(trail, (guint32)json_integer_value(type), g_bytes_get_data(bytes, NULL),
                  json_string_value(text));
    return TRUE;
}

CvsTrail *
cvs_trail_from_json(const json_t *json, GError **error)
{
    g_autoptr(CvsTrail) trail = NULL;
    gboolean rtmr = json_object_get(json, "rtmr") != NULL;
    const char *bank_name = NULL;
    const json_t *events = NULL;
    json_t *step = NULL;
    CvsHash bank = CVS_SHA256;
    gint64 index = 0;
    gint64 locality = 0;
    gsize i = 0;

    if (!json_is_object(json)) {
        (void)bad(error, "not an object");
        return NULL;
    }
    if (!cvs_json_only(json, WHAT, error, rtmr ? "rtmr" : "pcr", "bank", "locality", "events",
                       NULL) ||
        !cvs_json_get_int(json, rtmr ? "rtmr" : "pcr", 0,
                          rtmr ? RTMR_MAX : CVS_EVENT_LOG_REGISTERS - 1, WHAT, &index, error) ||
        (json_object_get(json, "locality") &&
         !cvs_json_get_int(json, "locality", 1, LOCALITY_MAX, WHAT, &locality, error)))
        return NULL;
    bank_name = cvs_json_get_string(json, "bank", WHAT, error);
    events = bank_name ? cvs_json_get_array(json, "events", WHAT, error) : NULL;
    if (events == NULL)
        return NULL;
    if (!cvs_hash_from_name(bank_name, &bank) || bank == CVS_SHA1 || (rtmr && bank != CVS_SHA384) ||
        (locality != 0 && (rtmr || index != 0)) || json_array_size(events) > CVS_TRAIL_STEPS_MAX) {
        (void)bad(error, "bank, locality or number of events cannot be");
        return NULL;
    }
    trail = cvs_trail_new(rtmr, bank, (guint)index, (guint)locality);
    json_array_foreach (events, i, step) {
        if (!step_from_json(trail, step, error))
            return NULL;
    }
    return g_steal_pointer(&trail);
}

const char *
cvs_trail_change_name(CvsTrailChange change)
{
    static const char *const names[] = {
        [CVS_TRAIL_SAME] = "same",       [CVS_TRAIL_START] = "start",
        [CVS_TRAIL_CHANGED] = "changed", [CVS_TRAIL_ADDED] = "added",
        [CVS_TRAIL_REMOVED] = "removed", [CVS_TRAIL_ORDER] = "order",
    };

    return names[change];
}

static gboolean
steps_are_equal(const CvsTrail *was, guint a, const CvsTrail *is, guint b)
{
    return memcmp(cvs_trail_step(was, a)->digest, cvs_trail_step(is, b)->digest,
                  cvs_hash_size(was->bank)) == 0;
}

/* How many steps are equal from there on. */
static guint
run_from(const CvsTrail *was, guint a, const CvsTrail *is, guint b)
{
    guint run = 0;

    while (a + run < was->steps->len && b + run < is->steps->len &&
           steps_are_equal(was, a + run, is, b + run))
        run++;
    return run;
}

static int
compare_digests(gconstpointer a, gconstpointer b)
{
    return memcmp(((const CvsStep *)a)->digest, ((const CvsStep *)b)->digest, CVS_DIGEST_MAX);
}

static CvsStep *
sorted_from(const CvsTrail *trail, guint first)
{
    gsize count = trail->steps->len - first;
    CvsStep *steps = g_memdup2(cvs_trail_step(trail, first), count * sizeof(CvsStep));

    qsort(steps, count, sizeof(CvsStep), compare_digests);
    return steps;
}

/* From there on, the same steps as often. */
static gboolean
is_reordered(const CvsTrail *was, const CvsTrail *is, guint first)
{
    g_autofree CvsStep *a = NULL;
    g_autofree CvsStep *b = NULL;
    gsize count = was->steps->len - first;

    if (was->steps->len != is->steps->len)
        return FALSE;
    a = sorted_from(was, first);
    b = sorted_from(is, first);
    for (gsize i = 0; i < count; i++) {
        if (compare_digests(&a[i], &b[i]) != 0)
            return FALSE;
    }
    return TRUE;
}

CvsTrailDifference
cvs_trail_compare(const CvsTrail *was, const CvsTrail *is)
{
    CvsTrailDifference difference = {.change = CVS_TRAIL_SAME};
    guint first = run_from(was, 0, is, 0);
    guint changed = 0, added = 0, removed = 0;

    if (was->locality != is->locality) {
        difference.change = CVS_TRAIL_START;
        return difference;
    }
    difference.number = first;
    if (first == was->steps->len && first == is->steps->len)
        return difference;
    if (first < was->steps->len)
        difference.was = cvs_trail_step(was, first);
    if (first < is->steps->len)
        difference.is = cvs_trail_step(is, first);
    if (difference.was == NULL) {
        difference.change = CVS_TRAIL_ADDED;
        return difference;
    }
    if (difference.is == NULL) {
        difference.change = CVS_TRAIL_REMOVED;
        return difference;
    }
    if (is_reordered(was, is, first)) {
        difference.change = CVS_TRAIL_ORDER;
        return difference;
    }
    /* Whatever brings most of what follows into line. */
    changed = run_from(was, first + 1, is, first + 1);
    added = run_from(was, first, is, first + 1);
    removed = run_from(was, first + 1, is, first);
    difference.change = CVS_TRAIL_CHANGED;
    if (added > changed && added >= removed) {
        difference.change = CVS_TRAIL_ADDED;
        difference.was = NULL;
    } else if (removed > changed) {
        difference.change = CVS_TRAIL_REMOVED;
        difference.is = NULL;
    }
    return difference;
}
