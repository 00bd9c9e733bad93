/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/events.h"
#include "base/error.h"
#include "base/hex.h"
#include "tee/eventlog-describe.h"
#include "tpm/pcr.h"

static char *
register_text(const CvsChangedRegister *changed)
{
    return changed->rtmr
               ? g_strdup_printf("RTMR %u", changed->index)
               : g_strdup_printf("PCR %u (%s)", changed->index, cvs_pcr_title(changed->index));
}

static char *
type_text(guint32 type)
{
    const char *name = cvs_event_type_name(type);

    if (type == CVS_EV_MEASURED)
        return g_strdup("measured");
    return name ? g_strdup(name) : g_strdup_printf("event type 0x%x", type);
}

static char *
step_text(const CvsStep *step)
{
    g_autofree char *type = type_text(step->type);

    return *step->text ? g_strdup_printf("%s: %s", type, step->text) : g_steal_pointer(&type);
}

static char *
step_digest(const CvsChangedRegister *changed, const CvsStep *step)
{
    return step ? cvs_hex_encode(step->digest, cvs_hash_size(changed->bank)) : g_strdup("");
}

static json_t *
step_to_json(const CvsChangedRegister *changed, const CvsStep *step)
{
    g_autofree char *type = type_text(step->type);
    g_autofree char *digest = step_digest(changed, step);

    return json_pack("{s:I, s:s, s:s, s:s}", "type", (json_int_t)step->type, "type_name", type,
                     "digest", digest, "description", step->text);
}

static void
append_json(const CvsChangedRegister *changed, const char *code,
            const CvsTrailDifference *difference, json_t *events)
{
    g_autofree char *name = g_strdup_printf("%s%u", changed->rtmr ? "rtmr" : "pcr", changed->index);
    json_t *json = NULL;

    if (events == NULL)
        return;
    json = json_pack("{s:s, s:s, s:s}", "register", name, "bank", cvs_hash_name(changed->bank),
                     "code", code);
    if (difference->was || difference->is)
        (void)json_object_set_new(json, "number", json_integer((json_int_t)difference->number));
    if (difference->was)
        (void)json_object_set_new(json, "was", step_to_json(changed, difference->was));
    if (difference->is)
        (void)json_object_set_new(json, "is", step_to_json(changed, difference->is));
    (void)json_array_append_new(events, json);
}

/* People count from 1. */
static char *
difference_text(const CvsTrailDifference *difference, const CvsTrail *was, const CvsTrail *is)
{
    g_autofree char *was_text = difference->was ? step_text(difference->was) : NULL;
    g_autofree char *is_text = difference->is ? step_text(difference->is) : NULL;
    guint number = difference->number + 1;

    switch (difference->change) {
    case CVS_TRAIL_START:
        return g_strdup_printf("the boot started it with locality %u instead of %u", is->locality,
                               was->locality);
    case CVS_TRAIL_CHANGED:
        return g_strdup_printf("event %u changed from \"%s\" to \"%s\"", number, was_text, is_text);
    case CVS_TRAIL_ADDED:
        return g_strdup_printf("event %u was not there before: \"%s\"", number, is_text);
    case CVS_TRAIL_REMOVED:
        return g_strdup_printf("event %u is not there any more: \"%s\"", number, was_text);
    case CVS_TRAIL_ORDER:
        return g_strdup_printf("the same events come in another order; event %u was \"%s\" and is "
                               "\"%s\"",
                               number, was_text, is_text);
    case CVS_TRAIL_SAME:
        break;
    }
    return g_strdup("");
}

static const char *
difference_code(CvsTrailChange change)
{
    switch (change) {
    case CVS_TRAIL_ADDED:
        return CVS_REASON_EVENT_ADDED;
    case CVS_TRAIL_REMOVED:
        return CVS_REASON_EVENT_MISSING;
    case CVS_TRAIL_ORDER:
        return CVS_REASON_EVENT_ORDER;
    case CVS_TRAIL_START:
    case CVS_TRAIL_CHANGED:
    case CVS_TRAIL_SAME:
        break;
    }
    return CVS_REASON_EVENT_CHANGED;
}

/* The logs do not lead to the value. Are they what they were, though? */
static const char *
judge_unexplained(const CvsChangedRegister *changed)
{
    g_autoptr(CvsTrail) follows = NULL;

    if (changed->logs)
        follows = cvs_boot_logs_follow(changed->logs, changed->rtmr, changed->bank, changed->index,
                                       changed->value);
    return follows && cvs_trail_compare(changed->was, follows).change == CVS_TRAIL_SAME
               ? CVS_REASON_EVENT_UNRECORDED
               : CVS_REASON_LOG_UNEXPLAINED;
}

void
cvs_events_explain(const CvsChangedRegister *changed, GError *refusal, json_t *events)
{
    g_autofree char *name = register_text(changed);
    g_autofree char *text = NULL;
    g_autofree char *seen = NULL;
    g_autofree char *wanted = NULL;
    g_autoptr(CvsTrail) is = NULL;
    CvsTrailDifference difference = {0};
    const char *code = NULL;

    if (changed->was == NULL) {
        append_json(changed, "", &difference, events);
        return;
    }
    if (changed->logs)
        is = cvs_boot_logs_explain(changed->logs, changed->rtmr, changed->bank, changed->index,
                                   changed->value);
    if (is == NULL) {
        code = judge_unexplained(changed);
        text = g_strdup(
            g_str_equal(code, CVS_REASON_EVENT_UNRECORDED)
                ? "the event log is the same as when the key was sealed, so that what changed the "
                  "register was measured after all that it records, by what keeps no log"
                : "the event log of this boot does not lead to the register's value, so that "
                  "nothing tells which event changed it");
    } else {
        difference = cvs_trail_compare(changed->was, is);
        code = difference_code(difference.change);
        text = difference_text(&difference, changed->was, is);
    }
    seen = step_digest(changed, difference.is);
    wanted = step_digest(changed, difference.was);
    cvs_error_add_reason(refusal, code, seen, wanted, "%s: %s", name, text);
    append_json(changed, code, &difference, events);
}
