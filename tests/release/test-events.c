/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which event made the difference: a real boot's log, measured into a TPM, then that log with one
 * thing changed, measured anew. */

#include "base/error.h"
#include "base/hex.h"
#include "base/json.h"
#include "release/bed.h"
#include "release/state.h"
#include "tee/captures.h"
#include "tee/eventlog-describe.h"
#include "tee/log-builder.h"

#include <glib/gstdio.h>
#include <string.h>

#define CAPTURE "eventlog/tpm-ubuntu-2404-amd-sevsnp.bin"

/* A record of a log that may be changed: its bytes, and where its digests are. */
typedef struct {
    GByteArray *bytes;
    int reg;
    guint32 type;
    gsize sha256; /* offsets; 0: none */
    gsize sha384;
} Record;

typedef struct {
    GPtrArray *records; /* Record*; the first is the header */
} Boot;

static void
record_free(gpointer data)
{
    Record *record = data;

    g_byte_array_unref(record->bytes);
    g_free(record);
}

static Record *
record_copy(const Record *record)
{
    Record *copy = g_memdup2(record, sizeof *record);

    copy->bytes = g_byte_array_new();
    g_byte_array_append(copy->bytes, record->bytes->data, record->bytes->len);
    return copy;
}

static Boot *
boot_read(GBytes *bytes)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsEventLog) log = cvs_event_log_parse(bytes, CVS_EVENT_LOG_AUTO, &error);
    const guint8 *data = g_bytes_get_data(bytes, NULL);
    Boot *boot = g_new0(Boot, 1);
    gsize start = 0;

    g_assert_no_error(error);
    boot->records = g_ptr_array_new_with_free_func(record_free);
    for (guint i = 0; i <= cvs_event_log_size(log); i++) {
        gsize end = i < cvs_event_log_size(log) ? cvs_event_log_event(log, i)->offset
                                                : cvs_event_log_end(log);
        const CvsEvent *event = i > 0 ? cvs_event_log_event(log, i - 1) : NULL;
        Record *record = g_new0(Record, 1);

        record->bytes = g_byte_array_new();
        g_byte_array_append(record->bytes, data + start, (guint)(end - start));
        record->reg = event ? event->reg : -1;
        record->type = event ? event->type : CVS_EV_NO_ACTION;
        if (record->reg >= 0) {
            record->sha256 = (gsize)(event->digest[CVS_SHA256] - data) - start;
            record->sha384 = (gsize)(event->digest[CVS_SHA384] - data) - start;
        }
        g_ptr_array_add(boot->records, record);
        start = end;
    }
    return boot;
}

static void
boot_free(Boot *boot)
{
    g_ptr_array_unref(boot->records);
    g_free(boot);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Boot, boot_free)

static Record *
at(const Boot *boot, guint i)
{
    return g_ptr_array_index(boot->records, i);
}

/* The record of the n-th event (from 0) of a register; of that type if it is not 0. */
static guint
find(const Boot *boot, int reg, guint32 type, guint n)
{
    for (guint i = 1; i < boot->records->len; i++) {
        if (at(boot, i)->reg == reg && (type == 0 || at(boot, i)->type == type) && n-- == 0)
            return i;
    }
    g_error("no such event");
}

/* How many events of the register come before this record. */
static guint
number_of(const Boot *boot, guint record)
{
    guint n = 0;

    for (guint i = 1; i < record; i++)
        n += at(boot, i)->reg == at(boot, record)->reg;
    return n;
}

static Boot *
boot_copy(const Boot *boot)
{
    Boot *copy = g_new0(Boot, 1);

    copy->records = g_ptr_array_new_with_free_func(record_free);
    for (guint i = 0; i < boot->records->len; i++)
        g_ptr_array_add(copy->records, record_copy(at(boot, i)));
    return copy;
}

/* What was measured is another thing. */
static void
change(Boot *boot, guint record)
{
    at(boot, record)->bytes->data[at(boot, record)->sha256] ^= 1;
    at(boot, record)->bytes->data[at(boot, record)->sha384] ^= 1;
}

/* Data of a record as well, whose last byte becomes this, and the digests over it. */
static void
set_last_byte(Boot *boot, guint record, guint8 byte)
{
    Record *r = at(boot, record);
    gsize head = r->sha384 + 48;
    guint8 *digest = r->bytes->data;
    guint32 size = 0;

    memcpy(&size, r->bytes->data + head, 4);
    g_assert_cmpuint(head + 4 + size, ==, r->bytes->len);
    r->bytes->data[r->bytes->len - 1] = byte;
    cvs_hash_bytes(CVS_SHA256, r->bytes->data + head + 4, size, digest + r->sha256);
    cvs_hash_bytes(CVS_SHA384, r->bytes->data + head + 4, size, digest + r->sha384);
}

static void
swap(Boot *boot, guint a, guint b)
{
    gpointer kept = boot->records->pdata[a];

    boot->records->pdata[a] = boot->records->pdata[b];
    boot->records->pdata[b] = kept;
}

static void
write_log(Bed *bed, const Boot *boot)
{
    g_autoptr(GByteArray) all = g_byte_array_new();
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < boot->records->len; i++)
        g_byte_array_append(all, at(boot, i)->bytes->data, at(boot, i)->bytes->len);
    (void)g_file_set_contents(bed->tee_paths->tpm_log, (char *)all->data, all->len, &error);
    g_assert_no_error(error);
}

/* Measures what the log says; the TPM is another boot on. */
static void
measure(Bed *bed, const Boot *boot)
{
    g_autoptr(GError) error = NULL;

    test_tpm_power_cycle(bed->test_tpm);
    for (guint i = 0; i < boot->records->len; i++) {
        const Record *record = at(boot, i);

        if (record->reg >= 0)
            test_tpm_extend_digests(bed->test_tpm, (guint)record->reg,
                                    record->bytes->data + record->sha256,
                                    record->bytes->data + record->sha384);
    }
    /* One request finds out that the connection is lost. */
    g_assert_null(cvs_tpm_read_srk_name(bed->tpm, &error));
}

static void
set_path(char **path, Bed *bed, const char *name)
{
    g_free(*path);
    *path = g_build_filename(bed->dir, name, NULL);
}

static void
give_paths(Bed *bed)
{
    if (bed->tee_paths == NULL)
        bed->tee_paths = cvs_tee_paths_new(NULL);
    set_path(&bed->tee_paths->tpm_log, bed, "tpm-log");
    set_path(&bed->tee_paths->ccel_table, bed, "CCEL");
    set_path(&bed->tee_paths->ccel_data, bed, "CCEL-data");
    set_path(&bed->tee_paths->system_log, bed, "system-log");
    set_path(&bed->tee_paths->run_dir, bed, "run");
    (void)g_mkdir(bed->tee_paths->run_dir, 0700);
    bed->release.tee_paths = bed->tee_paths;
}

/* A machine that has booted as the log says, and a key that is sealed to all that it measured. */
static Bed *
sealed(const Boot *boot, CvsHash bank)
{
    Bed *bed = bed_new();
    CvsSealOptions options = {.pcrs = 0x43ff, .bank = &bank};
    CvsPcrSelection selection = {.bank = CVS_SHA256, .mask = 1};
    CvsPcrValues values;

    give_paths(bed);
    /* So that there is a connection to lose. */
    g_assert_true(cvs_tpm_read_pcrs(bed->tpm, &selection, &values, NULL));
    measure(bed, boot);
    write_log(bed, boot);
    bed_seal(bed, "db", &options);
    return bed;
}

static json_t *
explain(Bed *bed)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = cvs_release_explain(&bed->release, &bed->owner, "db", &error);
    g_autoptr(json_t) json = NULL;

    g_assert_no_error(error);
    json = json_loads(text, 0, NULL);
    return json_incref(json_array_get(json_object_get(json, "slots"), 0));
}

static const char *
text_of(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));

    return text ? text : "";
}

static void
assert_step(const json_t *step, const Record *record, CvsHash bank)
{
    g_autofree char *hex = NULL;

    if (record == NULL) {
        g_assert_null(step);
        return;
    }
    hex =
        cvs_hex_encode(record->bytes->data + (bank == CVS_SHA256 ? record->sha256 : record->sha384),
                       cvs_hash_size(bank));
    g_assert_cmpstr(text_of(step, "digest"), ==, hex);
    g_assert_cmpint(json_integer_value(json_object_get(step, "type")), ==, record->type);
    g_assert_cmpstr(text_of(step, "type_name"), ==, cvs_event_type_name(record->type));
}

/* The one register that differs, its one reason beside PcrDiffers, and the event. */
static void
assert_event(Bed *bed, const char *code, guint reg, guint number, const Record *was,
             const Record *is, const char *text, CvsHash bank)
{
    g_autoptr(json_t) slot = explain(bed);
    const json_t *reasons = json_object_get(slot, "reasons");
    const json_t *events = json_object_get(slot, "events");
    const json_t *event = json_array_get(events, 0);
    const json_t *reason = json_array_get(reasons, 1);
    g_autofree char *name = g_strdup_printf("pcr%u", reg);
    g_autofree char *title = g_strdup_printf("PCR %u (", reg);
    g_autoptr(GError) error = NULL;

    if (json_array_size(events) != 1)
        g_error("%s", cvs_json_pretty(slot));
    g_assert_cmpstr(text_of(event, "register"), ==, name);
    g_assert_cmpstr(text_of(event, "bank"), ==, cvs_hash_name(bank));
    g_assert_cmpstr(text_of(event, "code"), ==, code);
    if (was || is)
        g_assert_cmpint(json_integer_value(json_object_get(event, "number")), ==, number);
    assert_step(json_object_get(event, "was"), was, bank);
    assert_step(json_object_get(event, "is"), is, bank);

    g_assert_cmpuint(json_array_size(reasons), ==, 2);
    g_assert_cmpstr(text_of(json_array_get(reasons, 0), "code"), ==, "PcrDiffers");
    g_assert_cmpstr(text_of(reason, "code"), ==, code);
    g_assert_cmpstr(text_of(reason, "seen"), ==, text_of(json_object_get(event, "is"), "digest"));
    g_assert_cmpstr(text_of(reason, "wanted"), ==,
                    text_of(json_object_get(event, "was"), "digest"));
    if (!g_str_has_prefix(text_of(reason, "detail"), title) ||
        strstr(text_of(reason, "detail"), text) == NULL)
        g_error("\"%s\" does not say \"%s\" of PCR %u", text_of(reason, "detail"), text, reg);

    /* Whoever is refused the key is told the same. */
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_PCR_MISMATCH);
    g_assert_cmpuint(bed_count_reasons(error, code), ==, 1);
}

typedef struct {
    const char *name;
    const char *code;
    int reg;
    guint32 type; /* which of its events: the n-th of this type, of all where it is 0 */
    guint n;
    enum { CHANGE, SECURE_BOOT, REMOVE, REMOVE_TO_END, DOUBLE, INSERT, APPEND, SWAP } how;
    const char *text;
} Tampering;

static const Tampering tamperings[] = {
    {"firmware", "EventChanged", 0, CVS_EV_S_CRTM_VERSION, 0, CHANGE, "EV_S_CRTM_VERSION"},
    {"secure-boot-on", "EventChanged", 7, CVS_EV_EFI_VARIABLE_DRIVER_CONFIG, 0, SECURE_BOOT,
     "variable SecureBoot"},
    {"db", "EventChanged", 7, CVS_EV_EFI_VARIABLE_DRIVER_CONFIG, 3, CHANGE, "variable db ("},
    {"authority", "EventChanged", 7, CVS_EV_EFI_VARIABLE_AUTHORITY, 0, CHANGE,
     "EV_EFI_VARIABLE_AUTHORITY"},
    {"boot-order", "EventChanged", 1, CVS_EV_EFI_VARIABLE_BOOT, 0, CHANGE, "BootOrder"},
    {"shim", "EventChanged", 4, CVS_EV_EFI_BOOT_SERVICES_APPLICATION, 0, CHANGE, "image of "},
    {"partitions", "EventChanged", 5, CVS_EV_EFI_GPT_EVENT, 0, CHANGE, "GPT of disk"},
    {"command-line", "EventChanged", 8, CVS_EV_IPL, 60, CHANGE, "EV_IPL: "},
    {"mok-list", "EventChanged", 14, CVS_EV_IPL, 0, CHANGE, "MokList"},
    {"authority-gone", "EventMissing", 7, CVS_EV_EFI_VARIABLE_AUTHORITY, 0, REMOVE,
     "is not there any more: \"EV_EFI_VARIABLE_AUTHORITY"},
    {"kernel-gone", "EventMissing", 9, CVS_EV_IPL, 4, REMOVE_TO_END, "is not there any more"},
    {"option-rom", "EventAdded", 2, CVS_EV_SEPARATOR, 0, INSERT,
     "was not there before: \"EV_EFI_BOOT_SERVICES_DRIVER"},
    {"command-twice", "EventAdded", 8, CVS_EV_IPL, 20, DOUBLE, "was not there before: \"EV_IPL"},
    {"module-at-the-end", "EventAdded", 9, 0, 0, APPEND, "was not there before: \"EV_IPL"},
    {"loaders-swapped", "EventOrder", 4, CVS_EV_EFI_BOOT_SERVICES_APPLICATION, 0, SWAP,
     "the same events come in another order"},
    {"variables-swapped", "EventOrder", 7, CVS_EV_EFI_VARIABLE_DRIVER_CONFIG, 1, SWAP,
     "the same events come in another order"},
};

/* Changes the boot; tells which event of which register differs, and in what. */
static void
tamper(Boot *boot, const Boot *honest, const Tampering *how, guint *ret_number, const Record **was,
       const Record **is)
{
    guint record =
        how->how == APPEND ? honest->records->len - 1 : find(honest, how->reg, how->type, how->n);
    Record *fresh = NULL;
    guint other = 0;

    *ret_number = how->how == APPEND ? 0 : number_of(honest, record);
    *was = at(honest, record);
    *is = NULL;
    switch (how->how) {
    case CHANGE:
        change(boot, record);
        *is = at(boot, record);
        break;
    case SECURE_BOOT:
        set_last_byte(boot, record, 1);
        *is = at(boot, record);
        break;
    case REMOVE:
        g_ptr_array_remove_index(boot->records, record);
        break;
    case REMOVE_TO_END:
        for (guint i = boot->records->len; i > record; i--) {
            if (at(boot, i - 1)->reg == how->reg)
                g_ptr_array_remove_index(boot->records, i - 1);
        }
        break;
    case DOUBLE:
    case INSERT:
    case APPEND:
        *was = NULL;
        fresh = record_copy(
            at(honest, how->how == APPEND ? find(honest, how->reg, CVS_EV_IPL, 0) : record));
        if (how->how != DOUBLE) {
            fresh->bytes->data[fresh->sha256] ^= 1;
            fresh->bytes->data[fresh->sha384] ^= 1;
        }
        if (how->how == INSERT) {
            fresh->type = CVS_EV_EFI_BOOT_SERVICES_DRIVER;
            memcpy(fresh->bytes->data + 4, &fresh->type, 4);
        }
        g_ptr_array_insert(boot->records, how->how == APPEND ? -1 : (int)record, fresh);
        *is = fresh;
        if (how->how == APPEND)
            *ret_number = number_of(boot, boot->records->len - 1);
        break;
    case SWAP:
        other = find(honest, how->reg, how->type, how->n + 1);
        swap(boot, record, other);
        *is = at(honest, other);
        break;
    }
}

/* The equal neighbours of a doubled event are one as good as the other; what is told is the last.
 */
static guint
told_number(const Boot *honest, const Tampering *how, guint number)
{
    if (how->how != DOUBLE)
        return number;
    for (guint record = find(honest, how->reg, 0, number);; number++) {
        guint next = find(honest, how->reg, 0, number + 1);

        if (memcmp(at(honest, record)->bytes->data + at(honest, record)->sha256,
                   at(honest, next)->bytes->data + at(honest, next)->sha256, 32) != 0)
            return number + 1;
    }
}

static void
run_tamperings(CvsHash bank, guint step)
{
    g_autoptr(GBytes) capture = captures_there() ? captures_read(CAPTURE) : NULL;
    g_autoptr(Boot) honest = capture ? boot_read(capture) : NULL;
    g_autoptr(Bed) bed = honest ? sealed(honest, bank) : NULL;

    for (guint i = 0; bed && i < G_N_ELEMENTS(tamperings); i += step) {
        g_autoptr(Boot) boot = boot_copy(honest);
        const Record *was = NULL;
        const Record *is = NULL;
        guint number = 0;

        g_test_message("%s", tamperings[i].name);
        tamper(boot, honest, &tamperings[i], &number, &was, &is);
        measure(bed, boot);
        write_log(bed, boot);
        assert_event(bed, tamperings[i].code, (guint)tamperings[i].reg,
                     told_number(honest, &tamperings[i], number), was, is, tamperings[i].text,
                     bank);
    }
    /* And the honest boot opens it still. */
    if (bed) {
        measure(bed, honest);
        bed_assert_opens(bed, "db", NULL);
    }
}

static void
test_tamperings(void)
{
    run_tamperings(CVS_SHA256, 1);
}

static void
test_other_bank(void)
{
    run_tamperings(CVS_SHA384, 5);
}

/* What a log says counts only as far as it leads to the register. */
static void
test_log_that_lies(void)
{
    g_autoptr(GBytes) capture = captures_there() ? captures_read(CAPTURE) : NULL;
    g_autoptr(Boot) honest = capture ? boot_read(capture) : NULL;
    g_autoptr(Bed) bed = honest ? sealed(honest, CVS_SHA256) : NULL;
    g_autoptr(Boot) evil = NULL;
    g_autoptr(Boot) story = NULL;

    if (bed == NULL)
        return;
    evil = boot_copy(honest);
    change(evil, find(evil, 4, CVS_EV_EFI_BOOT_SERVICES_APPLICATION, 0));
    measure(bed, evil);
    /* The log of the honest boot: it was extended by something that is nowhere recorded. */
    assert_event(bed, "EventUnrecorded", 4, 0, NULL, NULL, "is the same as when the key was sealed",
                 CVS_SHA256);
    /* A log that puts it on another event. */
    story = boot_copy(honest);
    change(story, find(story, 4, CVS_EV_EFI_ACTION, 0));
    write_log(bed, story);
    assert_event(bed, "LogUnexplained", 4, 0, NULL, NULL, "does not lead to the register's value",
                 CVS_SHA256);
    /* None, or one that is no log. */
    (void)g_file_set_contents(bed->tee_paths->tpm_log, "rubbish", 7, NULL);
    assert_event(bed, "LogUnexplained", 4, 0, NULL, NULL, "does not lead to the register's value",
                 CVS_SHA256);
}

/* Measured after the boot: by a program that keeps a log, and by one that does not. */
static void
test_measured_later(void)
{
    g_autoptr(GBytes) capture = captures_there() ? captures_read(CAPTURE) : NULL;
    g_autoptr(Boot) honest = capture ? boot_read(capture) : NULL;
    g_autoptr(Bed) bed = honest ? sealed(honest, CVS_SHA256) : NULL;
    CvsMeasured measured = {.index = 14, .has = {FALSE, TRUE, TRUE}, .timestamp = 5};
    g_autoptr(json_t) slot = NULL;
    g_autofree char *text = NULL;
    const json_t *is = NULL;

    if (bed == NULL)
        return;
    test_tpm_extend(bed->test_tpm, 14, "a program");
    assert_event(bed, "EventUnrecorded", 14, 0, NULL, NULL, "what keeps no log", CVS_SHA256);
    cvs_hash_bytes(CVS_SHA256, "a program", 9, measured.digest[CVS_SHA256]);
    cvs_hash_bytes(CVS_SHA384, "a program", 9, measured.digest[CVS_SHA384]);
    text = cvs_measure_log_format(&measured, "a\tprogram", "00");
    (void)g_file_set_contents(bed->tee_paths->system_log, text, -1, NULL);
    slot = explain(bed);
    is = json_object_get(json_array_get(json_object_get(slot, "events"), 0), "is");
    g_assert_cmpstr(text_of(is, "type_name"), ==, "measured");
    g_assert_cmpstr(text_of(is, "description"), ==, "a\\u{9}program");
    g_assert_cmpstr(text_of(json_array_get(json_object_get(slot, "reasons"), 1), "code"), ==,
                    "EventAdded");
}

/* A register that no log led to when the key was sealed is not explained by one that is made later,
 * nor one for whose trail there was no room. */
static void
test_nothing_kept(void)
{
    g_autoptr(GBytes) capture = captures_there() ? captures_read(CAPTURE) : NULL;
    g_autoptr(Boot) honest = capture ? boot_read(capture) : NULL;
    g_autoptr(Boot) other = honest ? boot_copy(honest) : NULL;
    g_autoptr(Bed) bed = honest ? sealed(honest, CVS_SHA256) : NULL;
    g_autoptr(json_t) slot = NULL;
    CvsSealOptions options = {.pcrs = 1u << 4, .replace = TRUE};
    const json_t *event = NULL;

    if (bed == NULL)
        return;
    (void)g_unlink(bed->tee_paths->tpm_log);
    bed_seal(bed, "db", &options);
    change(other, find(other, 4, CVS_EV_EFI_ACTION, 0));
    measure(bed, other);
    write_log(bed, other);
    slot = explain(bed);
    g_assert_cmpuint(json_array_size(json_object_get(slot, "reasons")), ==, 1);
    event = json_array_get(json_object_get(slot, "events"), 0);
    g_assert_cmpstr(text_of(event, "register"), ==, "pcr4");
    g_assert_cmpstr(text_of(event, "code"), ==, "");
}

/* What is kept beside a key counts only if it leads to the value that the key was sealed to. */
static void
test_kept_that_lies(void)
{
    g_autoptr(GBytes) capture = captures_there() ? captures_read(CAPTURE) : NULL;
    g_autoptr(Boot) honest = capture ? boot_read(capture) : NULL;
    g_autoptr(Boot) other = honest ? boot_copy(honest) : NULL;
    g_autoptr(Bed) bed = honest ? sealed(honest, CVS_SHA256) : NULL;
    g_autoptr(CvsKeyFile) key = NULL;
    g_autoptr(CvsKeyLock) lock = NULL;
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(GBytes) digest = NULL;
    g_autoptr(json_t) record = NULL;
    g_autofree char *text = NULL;
    g_autofree char *digest_text = NULL;

    if (bed == NULL)
        return;
    key = cvs_store_load(bed->store, &bed->owner, "db", NULL);
    bytes = cvs_store_load_state(bed->store, &bed->owner, "db",
                                 cvs_key_file_get_tpm2_slot(key, 0)->state, NULL);
    record = json_loadb(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), 0, NULL);
    for (gsize i = 0; i < json_array_size(json_object_get(record, "trails")); i++) {
        json_t *trail = json_array_get(json_object_get(record, "trails"), i);

        (void)json_array_remove(json_object_get(trail, "events"), 0);
    }
    text = cvs_json_canonical(record);
    lock = cvs_store_lock(bed->store, &bed->owner, "db", FALSE, 1000, NULL);
    digest = cvs_store_save_state(bed->store, lock, text, NULL);
    digest_text = cvs_base64url_encode(g_bytes_get_data(digest, NULL), 32);
    bed_forge_slot(bed, "db", json_pack("{s:s}", "state", digest_text));
    change(other, find(other, 4, CVS_EV_EFI_ACTION, 0));
    measure(bed, other);
    write_log(bed, other);
    {
        g_autofree char *explanation = cvs_release_explain(&bed->release, &bed->owner, "db", NULL);
        g_autoptr(json_t) json = json_loads(explanation, 0, NULL);

        for (guint i = 0; i < 2; i++) {
            const json_t *one = json_array_get(json_object_get(json, "slots"), i);
            const json_t *event = json_array_get(json_object_get(one, "events"), 0);

            g_assert_cmpstr(text_of(event, "register"), ==, "pcr4");
            g_assert_cmpstr(text_of(event, "code"), ==, i == 0 ? "EventChanged" : "");
        }
    }
}

/* RTMRs by the CCEL. */
static void
write_ccel(Bed *bed, const char *third, gsize size)
{
    LogBuilder *log = log_builder_new();
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(GError) error = NULL;
    guint8 table[56] = "CCEL\x38";

    log_builder_header(log, 1, ALG_SHA384, 0);
    log_builder_event(log, 2, CVS_EV_EFI_ACTION, ALG_SHA384, "first", 5);
    log_builder_event(log, 2, CVS_EV_EFI_ACTION, ALG_SHA384, third, size);
    bytes = log_builder_end(log);
    table[36] = 2;
    table[40] = (guint8)g_bytes_get_size(bytes);
    (void)g_file_set_contents(bed->tee_paths->ccel_table, (char *)table, sizeof table, &error);
    g_assert_no_error(error);
    (void)g_file_set_contents(bed->tee_paths->ccel_data, g_bytes_get_data(bytes, NULL),
                              (gssize)g_bytes_get_size(bytes), &error);
    g_assert_no_error(error);
}

static void
set_rtmr1(Bed *bed, const char *second)
{
    guint8 digest[CVS_DIGEST_MAX];
    guint8 value[CVS_DIGEST_MAX] = {0};

    cvs_hash_bytes(CVS_SHA384, "first", 5, digest);
    cvs_register_extend(CVS_SHA384, value, digest);
    cvs_hash_bytes(CVS_SHA384, second, strlen(second), digest);
    cvs_register_extend(CVS_SHA384, value, digest);
    memcpy(bed->rtmr[1], value, sizeof bed->rtmr[1]);
}

static void
test_rtmr(void)
{
    g_autoptr(Bed) bed = bed_new();
    CvsSealOptions options = {.rtmrs = 1u << 0 | 1u << 1};
    g_autoptr(json_t) slot = NULL;
    g_autoptr(GError) error = NULL;
    const json_t *events = NULL;

    bed_attest(bed, "tdx");
    give_paths(bed);
    bed_set_profile(bed, "default", "[Registers]\nPCRs=0+2+7\n[TEE]\n");
    set_rtmr1(bed, "good kernel");
    write_ccel(bed, "good kernel", 11);
    bed_seal(bed, "db", &options);
    set_rtmr1(bed, "bad kernel");
    write_ccel(bed, "bad kernel", 10);
    bed->rtmr[0][5] ^= 1; /* no log leads there, then or now */
    slot = explain(bed);
    events = json_object_get(slot, "events");
    g_assert_cmpuint(json_array_size(events), ==, 2);
    g_assert_cmpstr(text_of(json_array_get(events, 0), "code"), ==, "");
    g_assert_cmpstr(text_of(json_array_get(events, 1), "register"), ==, "rtmr1");
    g_assert_cmpstr(text_of(json_array_get(events, 1), "code"), ==, "EventChanged");
    g_assert_cmpint(json_integer_value(json_object_get(json_array_get(events, 1), "number")), ==,
                    1);
    g_assert_cmpstr(text_of(json_object_get(json_array_get(events, 1), "was"), "description"), ==,
                    "good kernel");
    g_assert_cmpstr(text_of(json_object_get(json_array_get(events, 1), "is"), "description"), ==,
                    "bad kernel");
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_REGISTER_MISMATCH);
    g_assert_cmpuint(bed_count_reasons(error, CVS_REASON_EVENT_CHANGED), ==, 1);
    g_assert_cmpuint(bed_count_reasons(error, CVS_REASON_RTMR_DIFFERS), ==, 2);
}

/* A record stays within its bounds, whatever the log: texts go first, then whole registers. */
static void
test_record_is_bounded(void)
{
    static const guint counts[] = {100, 700, 3000, 9000};
    static const guint kept[] = {100, 700, 0, 0};

    for (gsize i = 0; i < G_N_ELEMENTS(counts); i++) {
        LogBuilder *builder = log_builder_new();
        CvsBootLogs logs = {0};
        CvsPcrValues pcrs = {.selection = {.bank = CVS_SHA256, .mask = 1u << 4 | 1u << 5}};
        CvsRegister registers[CVS_EVENT_LOG_REGISTERS];
        g_autoptr(GBytes) bytes = NULL;
        g_autofree char *record = NULL;
        g_autoptr(json_t) json = NULL;
        const json_t *trails = NULL;
        char text[200];

        memset(text, 'x', sizeof text);
        log_builder_header(builder, 0, ALG_SHA256, 0);
        for (guint n = 0; n < counts[i]; n++)
            log_builder_event(builder, 4, CVS_EV_IPL, ALG_SHA256, text, sizeof text);
        log_builder_event(builder, 5, CVS_EV_IPL, ALG_SHA256, "last", 4);
        bytes = log_builder_end(builder);
        logs.tpm = cvs_event_log_parse(bytes, CVS_EVENT_LOG_TPM, NULL);
        logs.measured = g_ptr_array_new();
        cvs_event_log_replay(logs.tpm, CVS_SHA256, registers);
        memcpy(pcrs.value[4], registers[4].value, CVS_DIGEST_MAX);
        memcpy(pcrs.value[5], registers[5].value, CVS_DIGEST_MAX);
        record = cvs_state_record(&pcrs, NULL, &logs);
        g_assert_cmpuint(strlen(record), <, CVS_STATE_TRAILS_MAX + 1024);
        json = json_loads(record, 0, NULL);
        trails = json_object_get(json, "trails");
        g_assert_cmpuint(json_array_size(trails), ==, kept[i] > 0 ? 2 : 1);
        if (kept[i] > 0)
            g_assert_cmpuint(json_array_size(json_object_get(json_array_get(trails, 0), "events")),
                             ==, kept[i]);
        cvs_event_log_free(logs.tpm);
        g_ptr_array_unref(logs.measured);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/release/events/tamperings", test_tamperings);
    g_test_add_func("/release/events/other-bank", test_other_bank);
    g_test_add_func("/release/events/log-that-lies", test_log_that_lies);
    g_test_add_func("/release/events/measured-later", test_measured_later);
    g_test_add_func("/release/events/nothing-kept", test_nothing_kept);
    g_test_add_func("/release/events/kept-that-lies", test_kept_that_lies);
    g_test_add_func("/release/events/rtmr", test_rtmr);
    g_test_add_func("/release/events/record-is-bounded", test_record_is_bounded);
    return g_test_run();
}
