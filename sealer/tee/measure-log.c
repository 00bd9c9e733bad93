/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/measure-log.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/json.h"
#include "tee/eventlog-describe.h"

#include <string.h>

#define RECORD_START 0x1e
#define RTMR_MAX 3

void
cvs_measured_free(CvsMeasured *record)
{
    if (record == NULL)
        return;
    g_free(record->text);
    g_free(record);
}

static gboolean
bad(GError **error, const char *what, const char *text)
{
    g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: %s", what, text);
    return FALSE;
}

static gboolean
read_digest(const json_t *hex, CvsHash bank, guint8 *ret_digest, const char *what, GError **error)
{
    g_autoptr(GBytes) bytes =
        json_is_string(hex)
            ? cvs_hex_decode(json_string_value(hex), (gssize)json_string_length(hex), NULL)
            : NULL;

    if (bytes == NULL || g_bytes_get_size(bytes) != cvs_hash_size(bank))
        return bad(error, what, "a digest that is none of its algorithm in hexadecimal");
    memcpy(ret_digest, g_bytes_get_data(bytes, NULL), cvs_hash_size(bank));
    return TRUE;
}

static gboolean
read_digests(const json_t *root, CvsMeasured *record, const char *what, GError **error)
{
    const json_t *digests = cvs_json_get_array(root, "digests", what, error);
    const json_t *one = NULL;
    gsize i = 0;

    if (digests == NULL)
        return FALSE;
    json_array_foreach (digests, i, one) {
        const char *name = NULL;
        CvsHash bank = CVS_SHA1;

        if (!json_is_object(one))
            return bad(error, what, "\"digests\" has what is no object");
        name = cvs_json_get_string(one, "hashAlg", what, error);
        if (name == NULL)
            return FALSE;
        if (!cvs_hash_from_name(name, &bank))
            continue;
        if (record->has[bank])
            return bad(error, what, "two digests of one algorithm");
        if (!read_digest(json_object_get(one, "digest"), bank, record->digest[bank], what, error))
            return FALSE;
        record->has[bank] = TRUE;
    }
    return TRUE;
}

static gboolean
read_content(const json_t *root, CvsMeasured *record, const char *what, GError **error)
{
    const json_t *content = json_object_get(root, "content");
    const json_t *text = json_object_get(content, "string");
    const json_t *timestamp = json_object_get(content, "timestamp");
    const json_t *before = json_object_get(content, "before");
    CvsEvent event = {.type = CVS_EV_MEASURED, .reg = -1};

    if (json_is_integer(timestamp) && json_integer_value(timestamp) >= 0)
        record->timestamp = (guint64)json_integer_value(timestamp);
    if (json_is_string(text)) {
        event.data = (const guint8 *)json_string_value(text);
        event.size = json_string_length(text);
    }
    record->text = event.size > 0 ? cvs_event_describe(&event) : g_strdup("");
    if (!json_is_object(before))
        return TRUE;
    for (int bank = 0; bank < CVS_EVENT_LOG_BANKS; bank++) {
        if (record->has[bank] && !read_digest(json_object_get(before, cvs_hash_name((CvsHash)bank)),
                                              (CvsHash)bank, record->before[bank], what, error))
            return FALSE;
    }
    record->has_before = TRUE;
    return TRUE;
}

/* *ret_record is NULL for a record of what is no register. */
static gboolean
parse_record(const char *text, gsize size, const char *what, CvsMeasured **ret_record,
             GError **error)
{
    g_autoptr(CvsMeasured) record = g_new0(CvsMeasured, 1);
    g_autoptr(json_t) root = cvs_json_parse(text, size, what, error);
    gint64 index = 0;

    if (root == NULL)
        return FALSE;
    record->rtmr = json_object_get(root, "rtmr") != NULL;
    if (!record->rtmr && json_object_get(root, "pcr") == NULL)
        return TRUE;
    if (!cvs_json_get_int(root, record->rtmr ? "rtmr" : "pcr", 0,
                          record->rtmr ? RTMR_MAX : CVS_EVENT_LOG_REGISTERS - 1, what, &index,
                          error) ||
        !read_digests(root, record, what, error) || !read_content(root, record, what, error))
        return FALSE;
    record->index = (guint)index;
    *ret_record = g_steal_pointer(&record);
    return TRUE;
}

GPtrArray *
cvs_measure_log_parse(const void *data, gsize size, const char *file, GError **error)
{
    g_autoptr(GPtrArray) records =
        g_ptr_array_new_with_free_func((GDestroyNotify)cvs_measured_free);
    const char *start = data;
    const char *end = start + size;

    if (size > CVS_MEASURE_LOG_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE, "%s: %zu bytes, at most %d are read",
                    file, size, CVS_MEASURE_LOG_MAX);
        return NULL;
    }
    for (guint number = 1; start < end; number++) {
        g_autofree char *what = g_strdup_printf("%s, record %u", file, number);
        CvsMeasured *record = NULL;
        const char *next = NULL;

        if (*start != RECORD_START) {
            (void)bad(error, what, "it does not begin with 0x1e");
            return NULL;
        }
        next = memchr(start + 1, RECORD_START, (gsize)(end - start - 1));
        if (next == NULL)
            next = end;
        if (next[-1] == '\n' &&
            !parse_record(start + 1, (gsize)(next - start - 1), what, &record, error))
            return NULL;
        if (record) {
            record->offset = (gsize)(start - (const char *)data);
            g_ptr_array_add(records, record);
        }
        start = next;
    }
    return g_steal_pointer(&records);
}

char *
cvs_measure_log_format(const CvsMeasured *record, const char *text, const char *boot_id)
{
    g_autoptr(json_t) root = json_object();
    g_autofree char *json = NULL;
    json_t *digests = json_array();
    json_t *before = json_object();

    for (int bank = 0; bank < CVS_EVENT_LOG_BANKS; bank++) {
        gsize size = cvs_hash_size((CvsHash)bank);
        const char *name = cvs_hash_name((CvsHash)bank);
        g_autofree char *hex = cvs_hex_encode(record->digest[bank], size);
        g_autofree char *before_hex = cvs_hex_encode(record->before[bank], size);

        if (!record->has[bank])
            continue;
        (void)json_array_append_new(digests,
                                    json_pack("{s:s, s:s}", "hashAlg", name, "digest", hex));
        (void)json_object_set_new(before, name, json_string(before_hex));
    }
    (void)json_object_set_new(root, record->rtmr ? "rtmr" : "pcr",
                              json_integer((json_int_t)record->index));
    (void)json_object_set_new(root, "digests", digests);
    (void)json_object_set_new(root, "content_type", json_string("cvmseal"));
    (void)json_object_set_new(root, "content",
                              json_pack("{s:s, s:s, s:I, s:o}", "string", text, "bootId", boot_id,
                                        "timestamp", (json_int_t)record->timestamp, "before",
                                        before));
    json = cvs_json_canonical(root);
    return g_strdup_printf("%c%s\n", RECORD_START, json);
}

static int
by_timestamp(gconstpointer a, gconstpointer b)
{
    const CvsMeasured *x = *(const CvsMeasured *const *)a;
    const CvsMeasured *y = *(const CvsMeasured *const *)b;

    return (x->timestamp > y->timestamp) - (x->timestamp < y->timestamp);
}

gboolean
cvs_measure_log_add(const GPtrArray *records, CvsTrail *trail, const guint8 *value)
{
    g_autoptr(GPtrArray) own = g_ptr_array_new();

    for (guint i = 0; i < records->len; i++) {
        const CvsMeasured *record = g_ptr_array_index(records, i);

        if (record->rtmr == trail->rtmr && record->index == trail->index)
            g_ptr_array_add(own, (gpointer)record);
    }
    g_ptr_array_sort(own, by_timestamp); /* stable: GLib merges */
    for (guint i = 0; i < own->len; i++) {
        const CvsMeasured *record = g_ptr_array_index(own, i);

        if (!record->has[trail->bank])
            return FALSE;
        if (i + 1 == own->len && record->has_before &&
            memcmp(record->before[trail->bank], value, cvs_hash_size(trail->bank)) == 0)
            break;
        cvs_trail_add(trail, CVS_EV_MEASURED, record->digest[trail->bank], record->text);
    }
    return TRUE;
}
