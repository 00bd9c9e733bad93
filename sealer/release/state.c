/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/state.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/json.h"
#include "release/events.h"

#include <string.h>

#define RECORD_VERSION 2
#define VERSION_WITHOUT_TRAILS 1
#define WHAT "state record"

void
cvs_state_clear(CvsState *state)
{
    g_clear_pointer(&state->trails, g_ptr_array_unref);
}

/* Adds the trail of a register if there is room: with its texts, or else without. */
static void
add_trail(json_t *trails, const CvsBootLogs *logs, gboolean rtmr, CvsHash bank, guint index,
          const guint8 *value, gsize *left)
{
    static const gsize text_max[] = {CVS_TRAIL_TEXT_MAX, 0};
    g_autoptr(CvsTrail) trail = cvs_boot_logs_explain(logs, rtmr, bank, index, value);

    for (gsize i = 0; trail && i < G_N_ELEMENTS(text_max); i++) {
        g_autoptr(json_t) json = cvs_trail_to_json(trail, text_max[i]);
        g_autofree char *text = cvs_json_canonical(json);
        gsize size = strlen(text);

        if (size <= *left) {
            (void)json_array_append(trails, json);
            *left -= size;
            return;
        }
    }
}

char *
cvs_state_record(const CvsPcrValues *pcrs, const CvsSlotConditions *conditions,
                 const CvsBootLogs *logs)
{
    g_autoptr(json_t) record = json_object();
    json_t *trails = json_array();
    gsize left = CVS_STATE_TRAILS_MAX;

    for (guint pcr = 0; logs && pcr < CVS_PCR_COUNT; pcr++) {
        if (pcrs->selection.mask & 1u << pcr)
            add_trail(trails, logs, FALSE, pcrs->selection.bank, pcr, pcrs->value[pcr], &left);
    }
    for (guint i = 0; logs && conditions && i < CVS_TD_RTMRS; i++) {
        if (conditions->rtmrs & 1u << i)
            add_trail(trails, logs, TRUE, CVS_SHA384, i, conditions->rtmr[i], &left);
    }
    (void)json_object_set_new(record, "version", json_integer(RECORD_VERSION));
    (void)json_object_set_new(record, "registers", cvs_pcr_values_to_json(pcrs));
    (void)json_object_set_new(record, "trails", trails);
    return cvs_json_canonical(record);
}

GBytes *
cvs_state_digest(const char *record)
{
    guint8 digest[32];

    cvs_hash_bytes(CVS_SHA256, record, strlen(record), digest);
    return g_bytes_new(digest, sizeof digest);
}

/* The value that the slot was sealed to; NULL if it was not sealed to this register. */
static const guint8 *
sealed_value(const CvsPcrValues *pcrs, const CvsSlotConditions *conditions, const CvsTrail *trail)
{
    if (trail->rtmr)
        return conditions->rtmrs & 1u << trail->index ? conditions->rtmr[trail->index] : NULL;
    return trail->bank == pcrs->selection.bank && (pcrs->selection.mask & 1u << trail->index)
               ? pcrs->value[trail->index]
               : NULL;
}

static gboolean
load_trails(const json_t *record, const CvsTpm2Slot *slot, const CvsPcrValues *pcrs,
            GPtrArray *trails, GError **error)
{
    const json_t *array = cvs_json_get_array(record, "trails", WHAT, error);
    const json_t *json = NULL;
    gsize i = 0;

    if (array == NULL)
        return FALSE;
    json_array_foreach (array, i, json) {
        g_autoptr(CvsTrail) trail = cvs_trail_from_json(json, error);
        const guint8 *value = NULL;

        if (trail == NULL)
            return FALSE;
        value = sealed_value(pcrs, &slot->conditions, trail);
        if (value && cvs_trail_fit(trail, value) == (int)cvs_trail_size(trail))
            g_ptr_array_add(trails, g_steal_pointer(&trail));
    }
    return TRUE;
}

static gboolean
parse_record(GBytes *bytes, const CvsTpm2Slot *slot, CvsState *state, GError **error)
{
    g_autoptr(json_t) record =
        cvs_json_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), WHAT, error);
    const json_t *registers = NULL;
    CvsPcrSelection selection;
    guint8 wanted[32], found[32];
    gint64 version;

    if (record == NULL ||
        !cvs_json_get_int(record, "version", VERSION_WITHOUT_TRAILS, RECORD_VERSION, WHAT, &version,
                          error) ||
        !cvs_json_only(record, WHAT, error, "version", "registers",
                       version == RECORD_VERSION ? "trails" : NULL, NULL))
        return FALSE;
    registers = cvs_json_get_object(record, "registers", WHAT, error);
    if (registers == NULL || !cvs_pcr_values_from_json(registers, &state->pcrs, error))
        return FALSE;
    (void)cvs_policy_get_pcr(slot->policy, &selection, wanted);
    cvs_pcr_values_digest(&state->pcrs, found);
    if (state->pcrs.selection.bank != selection.bank ||
        state->pcrs.selection.mask != selection.mask || !cvs_equal_bytes(found, wanted, 32)) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                            "the state record is of other PCRs than the slot");
        return FALSE;
    }
    return version == VERSION_WITHOUT_TRAILS ||
           load_trails(record, slot, &state->pcrs, state->trails, error);
}

gboolean
cvs_state_load(const CvsRelease *release, const CvsKeyFile *key, const CvsTpm2Slot *slot,
               CvsState *ret_state, GError **error)
{
    g_auto(CvsState)
        state = {.trails = g_ptr_array_new_with_free_func((GDestroyNotify)cvs_trail_free)};
    g_autoptr(GBytes) bytes = NULL;
    CvsPcrSelection selection;
    guint8 digest[32];

    if (slot->state == NULL || !cvs_policy_get_pcr(slot->policy, &selection, digest)) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY, "the slot names no record");
        return FALSE;
    }
    bytes = cvs_store_load_state(release->store, cvs_key_file_get_owner(key),
                                 cvs_key_file_get_name(key), slot->state, error);
    if (bytes == NULL || !parse_record(bytes, slot, &state, error))
        return FALSE;
    *ret_state = state;
    memset(&state, 0, sizeof state);
    return TRUE;
}

static const CvsTrail *
find_trail(const CvsState *state, gboolean rtmr, guint index)
{
    for (guint i = 0; i < state->trails->len; i++) {
        const CvsTrail *trail = g_ptr_array_index(state->trails, i);

        if (trail->rtmr == rtmr && trail->index == index)
            return trail;
    }
    return NULL;
}

static CvsBootLogs *
read_logs(const CvsRelease *release)
{
    return release->tee_paths ? cvs_boot_logs_read(release->tee_paths) : NULL;
}

static void
explain_pcr_events(const CvsRelease *release, const CvsState *was, const CvsPcrValues *seen,
                   GError *refusal, json_t *events)
{
    g_autoptr(CvsBootLogs) logs = read_logs(release);
    CvsHash bank = seen->selection.bank;

    for (guint pcr = 0; pcr < CVS_PCR_COUNT; pcr++) {
        const CvsChangedRegister changed = {
            find_trail(was, FALSE, pcr), logs, FALSE, bank, pcr, seen->value[pcr]};

        if ((seen->selection.mask & 1u << pcr) &&
            memcmp(seen->value[pcr], was->pcrs.value[pcr], cvs_hash_size(bank)) != 0)
            cvs_events_explain(&changed, refusal, events);
    }
}

static void
explain_values(const CvsRelease *release, const CvsKeyFile *key, const CvsTpm2Slot *slot,
               const CvsPcrValues *seen, GError *refusal, json_t *events)
{
    g_auto(CvsState) was = {0};
    CvsPcrSelection selection;
    guint8 wanted_digest[32], seen_digest[32];
    g_autofree char *pcrs = NULL;
    g_autofree char *seen_hex = NULL;
    g_autofree char *wanted_hex = NULL;

    if (cvs_state_load(release, key, slot, &was, NULL)) {
        cvs_pcr_values_explain(seen, &was.pcrs, refusal);
        explain_pcr_events(release, &was, seen, refusal, events);
        return;
    }
    (void)cvs_policy_get_pcr(slot->policy, &selection, wanted_digest);
    cvs_pcr_values_digest(seen, seen_digest);
    pcrs = cvs_pcr_mask_format(selection.mask);
    seen_hex = cvs_hex_encode(seen_digest, sizeof seen_digest);
    wanted_hex = cvs_hex_encode(wanted_digest, sizeof wanted_digest);
    cvs_error_add_reason(refusal, CVS_REASON_PCR_STATE_UNKNOWN, seen_hex, wanted_hex,
                         "one or more of the PCRs %s differ; which of them is not known, because "
                         "the record of their values at sealing is lost",
                         pcrs);
}

gboolean
cvs_state_explain_pcrs(const CvsRelease *release, const CvsKeyFile *key, const CvsTpm2Slot *slot,
                       GError *refusal, json_t *events, gboolean *ret_matches, GError **error)
{
    CvsPcrSelection selection;
    CvsPcrValues seen;
    guint8 wanted_digest[32], seen_digest[32];
    g_autoptr(GError) read_error = NULL;
    gboolean matches = TRUE;

    if (cvs_policy_get_pcr(slot->policy, &selection, wanted_digest)) {
        if (!cvs_tpm_read_pcrs(release->tpm, &selection, &seen, &read_error)) {
            /* What is not there does not match either. */
            if (!g_error_matches(read_error, CVS_ERROR, CVS_ERROR_PCR_UNMEASURED)) {
                g_propagate_error(error, g_steal_pointer(&read_error));
                return FALSE;
            }
            cvs_error_add_reasons_of(refusal, read_error);
            if (ret_matches)
                *ret_matches = FALSE;
            return TRUE;
        }
        cvs_pcr_values_digest(&seen, seen_digest);
        matches = cvs_equal_bytes(seen_digest, wanted_digest, sizeof seen_digest);
        if (!matches)
            explain_values(release, key, slot, &seen, refusal, events);
    }
    if (ret_matches)
        *ret_matches = matches;
    return TRUE;
}

void
cvs_state_explain_rtmrs(const CvsAttested *attested, const CvsKeyFile *key, const CvsTpm2Slot *slot,
                        GError *refusal, json_t *events)
{
    const CvsSlotConditions *conditions = &slot->conditions;
    guint8 now[CVS_TD_RTMRS][CVS_TD_MR_SIZE];
    g_auto(CvsState) was = {0};
    g_autoptr(CvsBootLogs) logs = NULL;

    if (conditions->rtmrs == 0 || !cvs_error_has_reason(refusal, CVS_REASON_RTMR_DIFFERS) ||
        !cvs_attested_read_rtmrs(attested, now, NULL) ||
        !cvs_state_load(attested->release, key, slot, &was, NULL))
        return;
    logs = read_logs(attested->release);
    for (guint i = 0; i < CVS_TD_RTMRS; i++) {
        const CvsChangedRegister changed = {
            find_trail(&was, TRUE, i), logs, TRUE, CVS_SHA384, i, now[i]};

        if ((conditions->rtmrs & 1u << i) &&
            memcmp(now[i], conditions->rtmr[i], CVS_TD_MR_SIZE) != 0)
            cvs_events_explain(&changed, refusal, events);
    }
}
