/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/predicted.h"
#include "base/error.h"
#include "base/hex.h"
#include "tee/eventlog-replay.h"

#include <string.h>

static CvsPcrValues *
bank_of(CvsPredicted *predicted, CvsHash bank)
{
    return bank == CVS_SHA384 ? &predicted->sha384 : &predicted->sha256;
}

static gboolean
bad(GError **error, const char *what, const char *part, const char *name, const char *text)
{
    g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: \"%s\": \"%.20s\" %s", what, part,
                name, text);
    return FALSE;
}

static gboolean
parse_banks(json_t *pcrs, const char *what, CvsPredicted *predicted, GError **error)
{
    json_t *values = NULL;
    const char *name = NULL;

    json_object_foreach (pcrs, name, values) {
        g_autoptr(json_t) one = NULL;
        CvsHash bank;

        if (!cvs_pcr_bank_parse(name, &bank, NULL))
            return bad(error, what, "pcrs", name, "is no bank: \"sha256\" or \"sha384\" is");
        one = json_pack("{s:s, s:O}", "bank", name, "pcrs", values);
        if (!cvs_pcr_values_from_json(one, bank_of(predicted, bank), error)) {
            g_prefix_error(error, "%s: ", what);
            return FALSE;
        }
    }
    return TRUE;
}

static gboolean
parse_rtmrs(json_t *rtmrs, const char *what, CvsPredicted *predicted, GError **error)
{
    json_t *value = NULL;
    const char *name = NULL;

    json_object_foreach (rtmrs, name, value) {
        g_autoptr(GBytes) bytes = NULL;
        guint index = (guint)(name[0] - '0');

        if (index >= CVS_TD_RTMRS || name[1] != '\0')
            return bad(error, what, "rtmrs", name, "is no register");
        if (json_is_string(value))
            bytes =
                cvs_hex_decode(json_string_value(value), (gssize)json_string_length(value), NULL);
        if (bytes == NULL || g_bytes_get_size(bytes) != CVS_TD_MR_SIZE)
            return bad(error, what, "rtmrs", name, "is not 48 bytes in hexadecimal");
        memcpy(predicted->rtmr[index], g_bytes_get_data(bytes, NULL), CVS_TD_MR_SIZE);
        predicted->rtmrs |= 1u << index;
    }
    return TRUE;
}

static gboolean
check_any(const CvsPredicted *predicted, int code, const char *what, GError **error)
{
    if (predicted->sha256.selection.mask | predicted->sha384.selection.mask | predicted->rtmrs)
        return TRUE;
    g_set_error(error, CVS_ERROR, code, "%s: it has no value of any register", what);
    return FALSE;
}

gboolean
cvs_predicted_parse_json(const char *text, gsize size, const char *what,
                         CvsPredicted *ret_predicted, GError **error)
{
    CvsPredicted predicted = {.sha256.selection.bank = CVS_SHA256,
                              .sha384.selection.bank = CVS_SHA384};
    g_autoptr(json_t) json = NULL;
    json_t *pcrs = NULL, *rtmrs = NULL;

    if (size > CVS_PREDICTED_TEXT_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE, "%s: %zu bytes, at most %d are read",
                    what, size, CVS_PREDICTED_TEXT_MAX);
        return FALSE;
    }
    json = cvs_json_parse(text, size, what, error);
    if (json == NULL || !cvs_json_only(json, what, error, "pcrs", "rtmrs", NULL))
        return FALSE;
    if (json_object_get(json, "pcrs")) {
        pcrs = cvs_json_get_object(json, "pcrs", what, error);
        if (pcrs == NULL || !parse_banks(pcrs, what, &predicted, error))
            return FALSE;
    }
    if (json_object_get(json, "rtmrs")) {
        rtmrs = cvs_json_get_object(json, "rtmrs", what, error);
        if (rtmrs == NULL || !parse_rtmrs(rtmrs, what, &predicted, error))
            return FALSE;
    }
    if (!check_any(&predicted, CVS_ERROR_BAD_FORMAT, what, error))
        return FALSE;
    *ret_predicted = predicted;
    return TRUE;
}

static void
take_bank(const CvsEventLog *log, CvsHash bank, CvsPredicted *predicted)
{
    CvsRegister registers[CVS_EVENT_LOG_REGISTERS];
    gboolean is_cc = cvs_event_log_format(log) == CVS_EVENT_LOG_CC;

    if (!cvs_event_log_has_bank(log, bank))
        return;
    cvs_event_log_replay(log, bank, registers);
    for (guint i = 0; i < (is_cc ? CVS_TD_RTMRS : CVS_PCR_COUNT); i++) {
        CvsPcrValues *values = bank_of(predicted, bank);

        if (registers[i].extended == 0 || registers[i].missing > 0)
            continue;
        if (is_cc) {
            memcpy(predicted->rtmr[i], registers[i].value, CVS_TD_MR_SIZE);
            predicted->rtmrs |= 1u << i;
        } else {
            memcpy(values->value[i], registers[i].value, cvs_hash_size(bank));
            values->selection.mask |= 1u << i;
        }
    }
}

gboolean
cvs_predicted_parse(GBytes *bytes, const char *what, CvsPredicted *ret_predicted, GError **error)
{
    CvsPredicted predicted = {.sha256.selection.bank = CVS_SHA256,
                              .sha384.selection.bank = CVS_SHA384};
    g_autoptr(CvsEventLog) log = NULL;
    gsize size = 0;
    const char *text = g_bytes_get_data(bytes, &size);

    /* A log begins with the number of a register. */
    if (size > 0 && text[0] == '{')
        return cvs_predicted_parse_json(text, size, what, ret_predicted, error);
    log = cvs_event_log_parse(bytes, CVS_EVENT_LOG_AUTO, error);
    if (log == NULL) {
        g_prefix_error(error, "%s: neither JSON nor an event log: ", what);
        return FALSE;
    }
    if (cvs_event_log_format(log) != CVS_EVENT_LOG_CC)
        take_bank(log, CVS_SHA256, &predicted);
    take_bank(log, CVS_SHA384, &predicted);
    if (!check_any(&predicted, CVS_ERROR_INVALID_ARGUMENT, what, error))
        return FALSE;
    *ret_predicted = predicted;
    return TRUE;
}

static void
add_bank(json_t *pcrs, const CvsPcrValues *values)
{
    g_autoptr(json_t) json = cvs_pcr_values_to_json(values);

    if (values->selection.mask != 0)
        (void)json_object_set(pcrs, cvs_hash_name(values->selection.bank),
                              json_object_get(json, "pcrs"));
}

char *
cvs_predicted_to_json(const CvsPredicted *predicted)
{
    json_t *pcrs = json_object();
    json_t *rtmrs = json_object();
    g_autoptr(json_t) json = json_pack("{s:o, s:o}", "pcrs", pcrs, "rtmrs", rtmrs);

    add_bank(pcrs, &predicted->sha256);
    add_bank(pcrs, &predicted->sha384);
    for (guint i = 0; i < CVS_TD_RTMRS; i++) {
        g_autofree char *hex = cvs_hex_encode(predicted->rtmr[i], CVS_TD_MR_SIZE);
        const char name[] = {(char)('0' + i), '\0'};

        if (predicted->rtmrs & 1u << i)
            (void)json_object_set_new(rtmrs, name, json_string(hex));
    }
    return cvs_json_canonical(json);
}

static GError *
new_refusal(void)
{
    return g_error_new_literal(CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                               "the state to seal to does not say what every register of the key "
                               "will be: add what is missing, or have it keep its present value "
                               "with --keep-others");
}

static gboolean
end(GError *refusal, GError **error)
{
    if (cvs_error_get_reasons(refusal)->len == 0) {
        g_error_free(refusal);
        return TRUE;
    }
    g_propagate_error(error, refusal);
    return FALSE;
}

gboolean
cvs_predicted_get_pcrs(const CvsPredicted *predicted, const CvsPcrSelection *selection,
                       const CvsPcrValues *present, CvsPcrValues *ret_values, GError **error)
{
    const CvsPcrValues *known =
        selection->bank == CVS_SHA384 ? &predicted->sha384 : &predicted->sha256;
    CvsPcrValues values = {.selection = *selection};
    GError *refusal = new_refusal();

    for (guint pcr = 0; pcr < CVS_PCR_COUNT; pcr++) {
        const CvsPcrValues *from = known->selection.mask & 1u << pcr ? known : present;

        if (!(selection->mask & 1u << pcr))
            continue;
        if (from)
            memcpy(values.value[pcr], from->value[pcr], sizeof values.value[pcr]);
        else
            cvs_error_add_reason(refusal, CVS_REASON_REGISTER_NOT_PREDICTED, NULL, NULL,
                                 "PCR %u (%s) in bank %s is not in it", pcr, cvs_pcr_title(pcr),
                                 cvs_hash_name(selection->bank));
    }
    if (!end(refusal, error))
        return FALSE;
    *ret_values = values;
    return TRUE;
}

gboolean
cvs_predicted_get_rtmrs(const CvsPredicted *predicted, guint32 mask,
                        guint8 values[static CVS_TD_RTMRS][CVS_TD_MR_SIZE], GError **error)
{
    GError *refusal = new_refusal();

    for (guint i = 0; i < CVS_TD_RTMRS; i++) {
        if (!(mask & 1u << i))
            continue;
        if (predicted->rtmrs & 1u << i)
            memcpy(values[i], predicted->rtmr[i], CVS_TD_MR_SIZE);
        else if (!predicted->keep_others)
            cvs_error_add_reason(refusal, CVS_REASON_REGISTER_NOT_PREDICTED, NULL, NULL,
                                 "RTMR %u is not in it", i);
    }
    return end(refusal, error);
}
