/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/eventlog.h"
#include "base/error.h"
#include "base/reader.h"

#include <stdarg.h>
#include <string.h>

#define SHA1_SIZE 20
#define INDEX_NONE 0xffffffffu
#define RTMR_COUNT 4
#define NAME_SIZE 16 /* of the signatures of EV_NO_ACTION, with the terminator */

static const char spec_id_name[NAME_SIZE] = "Spec ID Event03";
static const char locality_name[NAME_SIZE] = "StartupLocality";

/* TCG Algorithm Registry, table of TPM_ALG_ID. */
static const struct {
    guint16 id;
    CvsHash bank;
} algorithms[] = {
    {0x0004, CVS_SHA1},
    {0x000b, CVS_SHA256},
    {0x000c, CVS_SHA384},
    {0x000d, CVS_SHA512},
};

struct _CvsEventLog {
    GBytes *bytes;
    CvsEventLogFormat format;
    GArray *events; /* CvsEvent */
    struct {
        guint16 id;
        guint16 size;
        int bank; /* -1: declared, so its digests can be stepped over, but not one of ours */
    } alg[CVS_EVENT_LOG_ALGS];
    guint n_algs;
    gsize end;
    int locality; /* -1: not recorded */
    gboolean old_numbering;
};

void
cvs_event_log_free(CvsEventLog *log)
{
    g_bytes_unref(log->bytes);
    g_array_unref(log->events);
    g_free(log);
}

static gboolean malformed(GError **error, const char *code, gsize offset, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

/* Always FALSE, so that a check ends in one statement. */
static gboolean
malformed(GError **error, const char *code, gsize offset, const char *format, ...)
{
    g_autofree char *text = NULL;
    g_autofree char *seen = g_strdup_printf("byte %zu", offset);
    GError *made = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    made = g_error_new(CVS_ERROR, CVS_ERROR_BAD_FORMAT, "event log, record at byte %zu: %s", offset,
                       text);
    cvs_error_add_reason(made, code, seen, NULL, "%s", text);
    g_propagate_error(error, made);
    return FALSE;
}

static gboolean
truncated(GError **error, gsize offset, const CvsReader *reader, const char *field)
{
    return malformed(error, CVS_REASON_LOG_TRUNCATED, offset,
                     "its %s runs past the end of the log at byte %zu: the log is cut short or "
                     "damaged, read it again",
                     field, reader->size);
}

static int
bank_of(guint16 id)
{
    for (gsize i = 0; i < G_N_ELEMENTS(algorithms); i++) {
        if (algorithms[i].id == id)
            return (int)algorithms[i].bank;
    }
    return -1;
}

static gboolean
has_name(const guint8 *data, gsize size, const char *name)
{
    return size >= NAME_SIZE && memcmp(data, name, NAME_SIZE) == 0;
}

/* TCG_EfiSpecIdEvent: signature 16, platform class u32, version minor, major, errata and size of
 * UINTN (u8 each), number of algorithms u32, {id u16, digest size u16} each, vendor data u8 + n. */
static gboolean
parse_spec_id(CvsEventLog *log, gsize offset, const guint8 *data, gsize size, GError **error)
{
    CvsReader reader;
    guint32 count = 0;

    cvs_reader_init(&reader, data, size);
    cvs_reader_skip(&reader, NAME_SIZE + 4 + 4);
    count = cvs_reader_u32_le(&reader);
    if (!cvs_reader_ok(&reader))
        return malformed(error, CVS_REASON_LOG_MALFORMED, offset, "the Spec ID event is too short");
    if (count == 0 || count > CVS_EVENT_LOG_ALGS)
        return malformed(error, CVS_REASON_LOG_MALFORMED, offset,
                         "the Spec ID event declares %u digest algorithms, 1 to %d are allowed",
                         count, CVS_EVENT_LOG_ALGS);

    for (guint i = 0; i < count; i++) {
        guint16 id = cvs_reader_u16_le(&reader);
        guint16 digest_size = cvs_reader_u16_le(&reader);
        int bank = bank_of(id);

        if (!cvs_reader_ok(&reader))
            return malformed(error, CVS_REASON_LOG_MALFORMED, offset,
                             "the Spec ID event is too short for its %u digest algorithms", count);
        if (digest_size == 0 || digest_size > CVS_DIGEST_MAX ||
            (bank >= 0 && digest_size != cvs_hash_size((CvsHash)bank)))
            return malformed(error, CVS_REASON_LOG_MALFORMED, offset,
                             "the Spec ID event gives algorithm 0x%04x a digest of %u bytes", id,
                             digest_size);
        for (guint j = 0; j < i; j++) {
            if (log->alg[j].id == id)
                return malformed(error, CVS_REASON_LOG_MALFORMED, offset,
                                 "the Spec ID event declares algorithm 0x%04x twice", id);
        }
        log->alg[i].id = id;
        log->alg[i].size = digest_size;
        log->alg[i].bank = bank;
    }
    log->n_algs = count;

    cvs_reader_skip(&reader, cvs_reader_u8(&reader));
    if (!cvs_reader_ok(&reader))
        return malformed(error, CVS_REASON_LOG_MALFORMED, offset,
                         "the vendor data of the Spec ID event runs past the event");
    return TRUE;
}

/* TCG_PCClientPCREvent */
static gboolean
read_event1(CvsReader *reader, CvsEvent *event, GError **error)
{
    guint32 size = 0;

    event->offset = cvs_reader_pos(reader);
    event->index = cvs_reader_u32_le(reader);
    event->type = cvs_reader_u32_le(reader);
    event->digest[CVS_SHA1] = cvs_reader_bytes(reader, SHA1_SIZE);
    size = cvs_reader_u32_le(reader);
    if (!cvs_reader_ok(reader))
        return truncated(error, event->offset, reader, "header");
    event->size = size;
    event->data = cvs_reader_bytes(reader, size);
    if (!cvs_reader_ok(reader))
        return truncated(error, event->offset, reader, "data");
    return TRUE;
}

/* TCG_PCR_EVENT2 */
static gboolean
read_event2(const CvsEventLog *log, CvsReader *reader, CvsEvent *event, GError **error)
{
    guint32 count = 0;
    guint32 size = 0;
    guint seen = 0; /* bit i: algorithm i of the header */

    event->offset = cvs_reader_pos(reader);
    event->index = cvs_reader_u32_le(reader);
    event->type = cvs_reader_u32_le(reader);
    count = cvs_reader_u32_le(reader);
    if (!cvs_reader_ok(reader))
        return truncated(error, event->offset, reader, "header");
    if (count > log->n_algs)
        return malformed(error, CVS_REASON_LOG_MALFORMED, event->offset,
                         "it has %u digests and the log's header declares %u algorithms", count,
                         log->n_algs);

    for (guint i = 0; i < count; i++) {
        guint16 id = cvs_reader_u16_le(reader);
        guint alg = 0;
        const guint8 *digest = NULL;

        if (!cvs_reader_ok(reader))
            return truncated(error, event->offset, reader, "list of digests");
        while (alg < log->n_algs && log->alg[alg].id != id)
            alg++;
        if (alg == log->n_algs)
            return malformed(error, CVS_REASON_LOG_MALFORMED, event->offset,
                             "it has a digest of algorithm 0x%04x, which the header does not "
                             "declare",
                             id);
        if (seen & 1u << alg)
            return malformed(error, CVS_REASON_LOG_MALFORMED, event->offset,
                             "it has two digests of algorithm 0x%04x", id);
        seen |= 1u << alg;
        digest = cvs_reader_bytes(reader, log->alg[alg].size);
        if (digest == NULL)
            return truncated(error, event->offset, reader, "list of digests");
        if (log->alg[alg].bank >= 0)
            event->digest[log->alg[alg].bank] = digest;
    }

    size = cvs_reader_u32_le(reader);
    if (!cvs_reader_ok(reader))
        return truncated(error, event->offset, reader, "header");
    event->size = size;
    event->data = cvs_reader_bytes(reader, size);
    if (!cvs_reader_ok(reader))
        return truncated(error, event->offset, reader, "data");
    if (count == 0 && event->type != CVS_EV_NO_ACTION)
        return malformed(error, CVS_REASON_LOG_MALFORMED, event->offset, "it has no digest");
    return TRUE;
}

/* The area of a CCEL is filled behind the last record. What looks like the end but has something
 * behind it is no end: a log must not hide records from those who read on. */
static gboolean
only_fill_is_left(const CvsReader *reader)
{
    const guint8 *rest = reader->data + reader->pos;
    gsize left = cvs_reader_left(reader);

    if (left == 0 || (rest[0] != 0x00 && rest[0] != 0xff))
        return FALSE;
    return memcmp(rest, rest + 1, left - 1) == 0;
}

/* Records that extend nothing but say how the log is to be read. */
static gboolean
note_no_action(CvsEventLog *log, const CvsEvent *event, gboolean pcr0_extended, GError **error)
{
    guint locality = 0;

    if (has_name(event->data, event->size, spec_id_name))
        return malformed(error, CVS_REASON_LOG_MALFORMED, event->offset,
                         "a Spec ID event that is not the log's first record");
    if (log->format == CVS_EVENT_LOG_CC || event->index != 0 ||
        !has_name(event->data, event->size, locality_name))
        return TRUE;

    if (event->size != NAME_SIZE + 1)
        return malformed(error, CVS_REASON_LOG_MALFORMED, event->offset,
                         "StartupLocality has %zu bytes instead of %d", event->size, NAME_SIZE + 1);
    locality = event->data[NAME_SIZE];
    if (locality != 0 && locality != 3 && locality != 4)
        return malformed(error, CVS_REASON_LOG_MALFORMED, event->offset,
                         "StartupLocality %u: only 0, 3 and 4 exist", locality);
    if (log->locality >= 0)
        return malformed(error, CVS_REASON_LOG_MALFORMED, event->offset,
                         "a second StartupLocality");
    if (pcr0_extended)
        return malformed(error, CVS_REASON_LOG_MALFORMED, event->offset,
                         "StartupLocality comes after PCR 0 was extended");
    log->locality = (int)locality;
    return TRUE;
}

static gboolean
assign_pcrs(CvsEventLog *log, GError **error)
{
    gboolean pcr0_extended = FALSE;
    guint32 separated = 0;

    for (guint i = 0; i < log->events->len; i++) {
        CvsEvent *event = &g_array_index(log->events, CvsEvent, i);

        if (event->type == CVS_EV_NO_ACTION) {
            if (!note_no_action(log, event, pcr0_extended, error))
                return FALSE;
            continue;
        }
        if (event->index >= CVS_EVENT_LOG_REGISTERS)
            return malformed(error, CVS_REASON_LOG_MALFORMED, event->offset,
                             "it extends PCR %u, and there are only %d", event->index,
                             CVS_EVENT_LOG_REGISTERS);
        event->reg = (int)event->index;
        event->after_separator = (separated & 1u << event->index) != 0;
        if (event->type == CVS_EV_SEPARATOR)
            separated |= 1u << event->index;
        if (event->index == 0) {
            /* Part 1 of the TPM library, "H-CRTM before TPM2_Startup": whatever the locality. */
            if (event->type == CVS_EV_EFI_HCRTM_EVENT && !pcr0_extended)
                log->locality = 4;
            pcr0_extended = TRUE;
        }
    }
    return TRUE;
}

static gboolean
assign_rtmrs(CvsEventLog *log, GError **error)
{
    guint32 separated = 0;

    for (guint i = 0; i < log->events->len; i++) {
        const CvsEvent *event = &g_array_index(log->events, CvsEvent, i);

        if (event->type != CVS_EV_NO_ACTION && event->index == 0)
            log->old_numbering = TRUE;
    }
    for (guint i = 0; i < log->events->len; i++) {
        CvsEvent *event = &g_array_index(log->events, CvsEvent, i);
        guint32 first = log->old_numbering ? 0 : 1;

        if (event->type == CVS_EV_NO_ACTION) {
            if (!note_no_action(log, event, FALSE, error))
                return FALSE;
            continue;
        }
        if (event->index - first >= RTMR_COUNT)
            return malformed(error, CVS_REASON_LOG_MALFORMED, event->offset,
                             "it extends measurement register %u, and RTMRs are %u to %u",
                             event->index, first, first + RTMR_COUNT - 1);
        event->reg = (int)(event->index - first);
        event->after_separator = (separated & 1u << event->reg) != 0;
        if (event->type == CVS_EV_SEPARATOR)
            separated |= 1u << event->reg;
    }
    return TRUE;
}

static gboolean
is_sha384_only(const CvsEventLog *log)
{
    return log->n_algs == 1 && log->alg[0].bank == CVS_SHA384;
}

static gboolean
looks_like_cc(const CvsEventLog *log)
{
    if (!is_sha384_only(log))
        return FALSE;
    for (guint i = 0; i < log->events->len; i++) {
        const CvsEvent *event = &g_array_index(log->events, CvsEvent, i);

        if (event->index > RTMR_COUNT && event->index != INDEX_NONE)
            return FALSE;
    }
    return TRUE;
}

static gboolean
parse(CvsEventLog *log, CvsReader *reader, CvsEventLogFormat format, GError **error)
{
    CvsEvent first = {.reg = -1};
    gboolean agile = FALSE;
    gboolean may_be_filled = FALSE;

    if (!read_event1(reader, &first, error))
        return FALSE;
    agile = first.type == CVS_EV_NO_ACTION && has_name(first.data, first.size, spec_id_name);
    if (agile && format == CVS_EVENT_LOG_SHA1)
        return malformed(error, CVS_REASON_LOG_MALFORMED, 0, "a Spec ID event in a SHA-1 log");
    if (!agile && (format == CVS_EVENT_LOG_CC || format == CVS_EVENT_LOG_TPM))
        return malformed(error, CVS_REASON_LOG_MALFORMED, 0,
                         "the first record is no Spec ID event");
    if (agile) {
        if (!parse_spec_id(log, first.offset, first.data, first.size, error))
            return FALSE;
        may_be_filled = is_sha384_only(log) && format != CVS_EVENT_LOG_TPM;
        if (format == CVS_EVENT_LOG_CC && !may_be_filled)
            return malformed(error, CVS_REASON_LOG_MALFORMED, 0,
                             "RTMRs are SHA-384, and this log has another algorithm");
    } else {
        log->alg[0].id = algorithms[0].id;
        log->alg[0].size = SHA1_SIZE;
        log->alg[0].bank = CVS_SHA1;
        log->n_algs = 1;
        g_array_append_val(log->events, first);
    }

    while (cvs_reader_left(reader) > 0 && !(may_be_filled && only_fill_is_left(reader))) {
        CvsEvent event = {.reg = -1};

        if (!(agile ? read_event2(log, reader, &event, error) : read_event1(reader, &event, error)))
            return FALSE;
        g_array_append_val(log->events, event);
    }
    log->end = cvs_reader_pos(reader);

    if (!agile)
        log->format = CVS_EVENT_LOG_SHA1;
    else if (format == CVS_EVENT_LOG_AUTO)
        log->format = looks_like_cc(log) ? CVS_EVENT_LOG_CC : CVS_EVENT_LOG_TPM;
    else
        log->format = format;
    if (log->format == CVS_EVENT_LOG_CC)
        return assign_rtmrs(log, error);
    if (cvs_reader_left(reader) > 0)
        return malformed(
            error, CVS_REASON_LOG_TRUNCATED, log->end,
            "only fill is left, as in the area of a CCEL, but the records are a TPM's");
    return assign_pcrs(log, error);
}

CvsEventLog *
cvs_event_log_parse(GBytes *bytes, CvsEventLogFormat format, GError **error)
{
    g_autoptr(CvsEventLog) log = NULL;
    CvsReader reader;
    gsize size = 0;
    const guint8 *data = g_bytes_get_data(bytes, &size);

    if (size > CVS_EVENT_LOG_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "event log: %zu bytes, at most %u are read", size, CVS_EVENT_LOG_MAX);
        return NULL;
    }
    log = g_new0(CvsEventLog, 1);
    log->bytes = g_bytes_ref(bytes);
    log->events = g_array_sized_new(FALSE, FALSE, sizeof(CvsEvent), 128);
    log->locality = -1;
    cvs_reader_init(&reader, data, size);
    if (!parse(log, &reader, format, error))
        return NULL;
    return g_steal_pointer(&log);
}

CvsEventLogFormat
cvs_event_log_format(const CvsEventLog *log)
{
    return log->format;
}

guint
cvs_event_log_size(const CvsEventLog *log)
{
    return log->events->len;
}

const CvsEvent *
cvs_event_log_event(const CvsEventLog *log, guint number)
{
    return &g_array_index(log->events, CvsEvent, number);
}

gboolean
cvs_event_log_has_bank(const CvsEventLog *log, CvsHash bank)
{
    for (guint i = 0; i < log->n_algs; i++) {
        if (log->alg[i].bank == (int)bank)
            return TRUE;
    }
    return FALSE;
}

gsize
cvs_event_log_end(const CvsEventLog *log)
{
    return log->end;
}

guint
cvs_event_log_startup_locality(const CvsEventLog *log)
{
    return log->locality < 0 ? 0 : (guint)log->locality;
}

gboolean
cvs_event_log_old_numbering(const CvsEventLog *log)
{
    return log->old_numbering;
}
