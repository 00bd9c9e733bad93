/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/state.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/json.h"

#include <string.h>

#define RECORD_VERSION 1

char *
cvs_state_record(const CvsPcrValues *pcrs)
{
    g_autoptr(json_t) record = json_object();

    (void)json_object_set_new(record, "version", json_integer(RECORD_VERSION));
    (void)json_object_set_new(record, "registers", cvs_pcr_values_to_json(pcrs));
    return cvs_json_canonical(record);
}

GBytes *
cvs_state_digest(const char *record)
{
    guint8 digest[32];

    cvs_hash_bytes(CVS_SHA256, record, strlen(record), digest);
    return g_bytes_new(digest, sizeof digest);
}

gboolean
cvs_state_load_pcrs(const CvsRelease *release, const CvsKeyFile *key, const CvsTpm2Slot *slot,
                    CvsPcrValues *ret_values, GError **error)
{
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(json_t) record = NULL;
    const json_t *registers = NULL;
    CvsPcrValues values;
    CvsPcrSelection selection;
    guint8 digest[32];
    gint64 version;

    if (slot->state == NULL || !cvs_policy_get_pcr(slot->policy, &selection, digest)) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY, "the slot names no record");
        return FALSE;
    }
    bytes = cvs_store_load_state(release->store, cvs_key_file_get_owner(key),
                                 cvs_key_file_get_name(key), slot->state, error);
    if (bytes == NULL)
        return FALSE;
    record = cvs_json_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), "state record",
                            error);
    if (record == NULL ||
        !cvs_json_only(record, "state record", error, "version", "registers", NULL))
        return FALSE;
    if (!cvs_json_get_int(record, "version", RECORD_VERSION, RECORD_VERSION, "state record",
                          &version, error))
        return FALSE;
    registers = cvs_json_get_object(record, "registers", "state record", error);
    if (registers == NULL || !cvs_pcr_values_from_json(registers, &values, error))
        return FALSE;
    if (values.selection.bank != selection.bank || values.selection.mask != selection.mask) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                            "the state record is of other PCRs than the slot");
        return FALSE;
    }
    *ret_values = values;
    return TRUE;
}

gboolean
cvs_state_explain_pcrs(const CvsRelease *release, const CvsKeyFile *key, const CvsTpm2Slot *slot,
                       GError *refusal, gboolean *ret_matches, GError **error)
{
    CvsPcrSelection selection;
    CvsPcrValues seen, wanted;
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
        if (!matches) {
            if (cvs_state_load_pcrs(release, key, slot, &wanted, NULL)) {
                cvs_pcr_values_explain(&seen, &wanted, refusal);
            } else {
                g_autofree char *pcrs = cvs_pcr_mask_format(selection.mask);
                g_autofree char *seen_hex = cvs_hex_encode(seen_digest, sizeof seen_digest);
                g_autofree char *wanted_hex = cvs_hex_encode(wanted_digest, sizeof wanted_digest);

                cvs_error_add_reason(refusal, CVS_REASON_PCR_STATE_UNKNOWN, seen_hex, wanted_hex,
                                     "one or more of the PCRs %s differ; which of them is not "
                                     "known, because the record of their values at sealing is lost",
                                     pcrs);
            }
        }
    }
    if (ret_matches)
        *ret_matches = matches;
    return TRUE;
}
