/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/eventlog-describe.h"
#include "base/hex.h"
#include "base/json.h"
#include "base/reader.h"

#include <string.h>

#define NAME_MAX_UNITS 512 /* UTF-16 units of a name or path that are decoded */
#define GPT_HEADER 92
#define GPT_GUID 56    /* offset of the disk's GUID in the header */
#define DEVICE_MEDIA 4 /* UEFI 2.10, section 10.3.5 */
#define DEVICE_END 0x7f
#define MEDIA_FILE_PATH 4
#define MEDIA_FIRMWARE_FILE 6

static const struct {
    guint32 type;
    const char *name;
} type_names[] = {
    {0x0, "EV_PREBOOT_CERT"},
    {0x1, "EV_POST_CODE"},
    {0x2, "EV_UNUSED"},
    {CVS_EV_NO_ACTION, "EV_NO_ACTION"},
    {CVS_EV_SEPARATOR, "EV_SEPARATOR"},
    {0x5, "EV_ACTION"},
    {CVS_EV_EVENT_TAG, "EV_EVENT_TAG"},
    {CVS_EV_S_CRTM_CONTENTS, "EV_S_CRTM_CONTENTS"},
    {CVS_EV_S_CRTM_VERSION, "EV_S_CRTM_VERSION"},
    {0x9, "EV_CPU_MICROCODE"},
    {0xa, "EV_PLATFORM_CONFIG_FLAGS"},
    {0xb, "EV_TABLE_OF_DEVICES"},
    {0xc, "EV_COMPACT_HASH"},
    {CVS_EV_IPL, "EV_IPL"},
    {0xe, "EV_IPL_PARTITION_DATA"},
    {0xf, "EV_NONHOST_CODE"},
    {0x10, "EV_NONHOST_CONFIG"},
    {0x11, "EV_NONHOST_INFO"},
    {0x12, "EV_OMIT_BOOT_DEVICE_EVENTS"},
    {0x13, "EV_POST_CODE2"},
    {CVS_EV_EFI_VARIABLE_DRIVER_CONFIG, "EV_EFI_VARIABLE_DRIVER_CONFIG"},
    {CVS_EV_EFI_VARIABLE_BOOT, "EV_EFI_VARIABLE_BOOT"},
    {CVS_EV_EFI_BOOT_SERVICES_APPLICATION, "EV_EFI_BOOT_SERVICES_APPLICATION"},
    {CVS_EV_EFI_BOOT_SERVICES_DRIVER, "EV_EFI_BOOT_SERVICES_DRIVER"},
    {CVS_EV_EFI_RUNTIME_SERVICES_DRIVER, "EV_EFI_RUNTIME_SERVICES_DRIVER"},
    {CVS_EV_EFI_GPT_EVENT, "EV_EFI_GPT_EVENT"},
    {CVS_EV_EFI_ACTION, "EV_EFI_ACTION"},
    {CVS_EV_EFI_PLATFORM_FIRMWARE_BLOB, "EV_EFI_PLATFORM_FIRMWARE_BLOB"},
    {CVS_EV_EFI_HANDOFF_TABLES, "EV_EFI_HANDOFF_TABLES"},
    {CVS_EV_EFI_PLATFORM_FIRMWARE_BLOB2, "EV_EFI_PLATFORM_FIRMWARE_BLOB2"},
    {CVS_EV_EFI_HANDOFF_TABLES2, "EV_EFI_HANDOFF_TABLES2"},
    {CVS_EV_EFI_VARIABLE_BOOT2, "EV_EFI_VARIABLE_BOOT2"},
    {CVS_EV_EFI_GPT_EVENT2, "EV_EFI_GPT_EVENT2"},
    {CVS_EV_EFI_HCRTM_EVENT, "EV_EFI_HCRTM_EVENT"},
    {CVS_EV_EFI_VARIABLE_AUTHORITY, "EV_EFI_VARIABLE_AUTHORITY"},
    {0x800000e1, "EV_EFI_SPDM_FIRMWARE_BLOB"},
    {0x800000e2, "EV_EFI_SPDM_FIRMWARE_CONFIG"},
    {0x800000e3, "EV_EFI_SPDM_DEVICE_POLICY"},
    {0x800000e4, "EV_EFI_SPDM_DEVICE_AUTHORITY"},
};

const char *
cvs_event_type_name(guint32 type)
{
    for (gsize i = 0; i < G_N_ELEMENTS(type_names); i++) {
        if (type_names[i].type == type)
            return type_names[i].name;
    }
    return NULL;
}

/* Appends text as it may be shown: control characters, what is not UTF-8, and the marks that turn
 * the direction of writing are escaped. */
static void
append_text(GString *out, const char *text, gsize size)
{
    const char *end = text + size;

    while (text < end) {
        gunichar c = g_utf8_get_char_validated(text, end - text);

        if (c == (gunichar)-1 || c == (gunichar)-2 || c == 0) {
            g_string_append_printf(out, "\\x%02x", (guint8)*text);
            text++;
            continue;
        }
        if (c == '\\')
            g_string_append(out, "\\\\");
        else if (g_unichar_isprint(c))
            g_string_append_unichar(out, c);
        else
            g_string_append_printf(out, "\\u{%x}", c);
        text = g_utf8_next_char(text);
    }
}

/* UTF-16LE units up to a terminator. Lone surrogates are escaped. */
static void
append_utf16(GString *out, const guint8 *data, gsize units)
{
    for (gsize i = 0; i < MIN(units, NAME_MAX_UNITS); i++) {
        gunichar c = (gunichar)(data[2 * i] | data[2 * i + 1] << 8);
        char utf8[6];

        if (c == 0)
            break;
        if (c >= 0xd800 && c < 0xdc00 && i + 1 < units) {
            gunichar low = (gunichar)(data[2 * i + 2] | data[2 * i + 3] << 8);

            if (low >= 0xdc00 && low < 0xe000) {
                c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
                i++;
            }
        }
        if (c >= 0xd800 && c < 0xe000)
            g_string_append_printf(out, "\\u{%x}", c);
        else
            append_text(out, utf8, (gsize)g_unichar_to_utf8(c, utf8));
    }
}

static void
append_guid(GString *out, const guint8 *g)
{
    g_string_append_printf(
        out, "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", g[3], g[2],
        g[1], g[0], g[5], g[4], g[7], g[6], g[8], g[9], g[10], g[11], g[12], g[13], g[14], g[15]);
}

/* A string with or without its terminator, in ASCII or UTF-16. */
static void
append_string(GString *out, const guint8 *data, gsize size)
{
    const guint8 *nul = NULL;

    if (size >= 4 && size % 2 == 0 && data[0] != 0 && data[1] == 0) {
        append_utf16(out, data, size / 2);
        return;
    }
    nul = size > 0 ? memchr(data, 0, size) : NULL;
    append_text(out, (const char *)data, nul ? (gsize)(nul - data) : size);
}

/* UEFI_VARIABLE_DATA */
static gboolean
describe_variable(GString *out, const CvsEvent *event)
{
    CvsReader reader;
    const guint8 *guid = NULL;
    const guint8 *name = NULL;
    const guint8 *data = NULL;
    guint64 name_length = 0;
    guint64 size = 0;

    cvs_reader_init(&reader, event->data, event->size);
    guid = cvs_reader_bytes(&reader, 16);
    name_length = cvs_reader_u64_le(&reader);
    size = cvs_reader_u64_le(&reader);
    if (!cvs_reader_ok(&reader) || name_length > cvs_reader_left(&reader) / 2)
        return FALSE;
    name = cvs_reader_bytes(&reader, 2 * name_length);
    if (size > cvs_reader_left(&reader))
        return FALSE;
    data = cvs_reader_bytes(&reader, size);

    g_string_append(out, "variable ");
    append_utf16(out, name, name_length);
    g_string_append(out, " (");
    append_guid(out, guid);
    g_string_append_c(out, ')');
    if (size == 1)
        g_string_append_printf(out, " = %u", data[0]);
    else
        g_string_append_printf(out, ", %" G_GUINT64_FORMAT " bytes", size);
    return TRUE;
}

/* The file of a device path, or nothing. */
static void
append_device_path(GString *out, CvsReader *reader)
{
    while (cvs_reader_left(reader) >= 4) {
        guint8 type = cvs_reader_u8(reader);
        guint8 subtype = cvs_reader_u8(reader);
        guint16 length = cvs_reader_u16_le(reader);
        const guint8 *node = NULL;

        if (type == DEVICE_END || length < 4)
            return;
        node = cvs_reader_bytes(reader, length - 4);
        if (node == NULL)
            return;
        if (type == DEVICE_MEDIA && subtype == MEDIA_FILE_PATH) {
            g_string_append(out, ", file ");
            append_utf16(out, node, (length - 4) / 2);
        } else if (type == DEVICE_MEDIA && subtype == MEDIA_FIRMWARE_FILE && length == 20) {
            g_string_append(out, ", firmware file ");
            append_guid(out, node);
        }
    }
}

/* UEFI_IMAGE_LOAD_EVENT */
static gboolean
describe_image(GString *out, const CvsEvent *event)
{
    CvsReader reader;
    CvsReader path;
    guint64 location = 0;
    guint64 length = 0;
    guint64 path_length = 0;

    cvs_reader_init(&reader, event->data, event->size);
    location = cvs_reader_u64_le(&reader);
    length = cvs_reader_u64_le(&reader);
    cvs_reader_u64_le(&reader);
    path_length = cvs_reader_u64_le(&reader);
    if (!cvs_reader_ok(&reader) || path_length > cvs_reader_left(&reader))
        return FALSE;
    path = cvs_reader_sub(&reader, path_length);
    g_string_append_printf(out, "image of %" G_GUINT64_FORMAT " bytes at 0x%" G_GINT64_MODIFIER "x",
                           length, location);
    append_device_path(out, &path);
    return TRUE;
}

/* UEFI_GPT_DATA */
static gboolean
describe_gpt(GString *out, const CvsEvent *event)
{
    CvsReader reader;
    const guint8 *header = NULL;
    guint64 count = 0;

    cvs_reader_init(&reader, event->data, event->size);
    header = cvs_reader_bytes(&reader, GPT_HEADER);
    count = cvs_reader_u64_le(&reader);
    if (!cvs_reader_ok(&reader) || memcmp(header, "EFI PART", 8) != 0)
        return FALSE;
    g_string_append(out, "GPT of disk ");
    append_guid(out, header + GPT_GUID);
    g_string_append_printf(out, ", %" G_GUINT64_FORMAT " partitions", count);
    return TRUE;
}

/* UEFI_PLATFORM_FIRMWARE_BLOB and, with a name in front, UEFI_PLATFORM_FIRMWARE_BLOB2. */
static gboolean
describe_blob(GString *out, const CvsEvent *event, gboolean named)
{
    CvsReader reader;
    const guint8 *name = NULL;
    gsize name_size = 0;
    guint64 base = 0;
    guint64 length = 0;

    cvs_reader_init(&reader, event->data, event->size);
    if (named) {
        name_size = cvs_reader_u8(&reader);
        name = cvs_reader_bytes(&reader, name_size);
    }
    base = cvs_reader_u64_le(&reader);
    length = cvs_reader_u64_le(&reader);
    if (!cvs_reader_done(&reader))
        return FALSE;
    g_string_append(out, "firmware ");
    if (name_size > 0) {
        append_string(out, name, name_size);
        g_string_append_c(out, ' ');
    }
    g_string_append_printf(out, "of %" G_GUINT64_FORMAT " bytes at 0x%" G_GINT64_MODIFIER "x",
                           length, base);
    return TRUE;
}

/* UEFI_HANDOFF_TABLE_POINTERS2; only its name and number, the pointers mean nothing later. */
static gboolean
describe_tables(GString *out, const CvsEvent *event)
{
    CvsReader reader;
    const guint8 *name = NULL;
    gsize name_size = 0;
    guint64 count = 0;

    cvs_reader_init(&reader, event->data, event->size);
    name_size = cvs_reader_u8(&reader);
    name = cvs_reader_bytes(&reader, name_size);
    count = cvs_reader_u64_le(&reader);
    if (!cvs_reader_ok(&reader))
        return FALSE;
    g_string_append_printf(out, "%" G_GUINT64_FORMAT " tables ", count);
    append_string(out, name, name_size);
    return TRUE;
}

/* TCG_PCClientTaggedEvent. Some firmware writes the text alone. */
static gboolean
describe_tag(GString *out, const CvsEvent *event)
{
    CvsReader reader;
    guint32 id = 0;
    guint32 size = 0;

    cvs_reader_init(&reader, event->data, event->size);
    id = cvs_reader_u32_le(&reader);
    size = cvs_reader_u32_le(&reader);
    if (!cvs_reader_ok(&reader) || size != cvs_reader_left(&reader))
        return FALSE;
    g_string_append_printf(out, "tag 0x%08x: ", id);
    append_string(out, event->data + event->size - size, size);
    return TRUE;
}

static gboolean
describe_separator(GString *out, const CvsEvent *event)
{
    static const guint8 error_value[4] = {1, 0, 0, 0};
    guint8 zero[4] = {0};
    guint8 ones[4] = {0xff, 0xff, 0xff, 0xff};

    if (event->size != 4)
        return FALSE;
    if (memcmp(event->data, zero, 4) == 0 || memcmp(event->data, ones, 4) == 0)
        g_string_append(out, "separator");
    else if (memcmp(event->data, error_value, 4) == 0)
        g_string_append(out, "separator after an ERROR");
    else
        return FALSE;
    return TRUE;
}

static gboolean
describe_no_action(GString *out, const CvsEvent *event)
{
    if (event->size == 17 && memcmp(event->data, "StartupLocality", 16) == 0)
        g_string_append_printf(out, "startup locality %u", event->data[16]);
    else if (event->size >= 16)
        append_string(out, event->data, 16);
    else
        append_string(out, event->data, event->size);
    return TRUE;
}

static gboolean
describe(GString *out, const CvsEvent *event)
{
    switch (event->type) {
    case CVS_EV_NO_ACTION:
        return describe_no_action(out, event);
    case CVS_EV_SEPARATOR:
        return describe_separator(out, event);
    case CVS_EV_EVENT_TAG:
        return describe_tag(out, event);
    case CVS_EV_EFI_VARIABLE_DRIVER_CONFIG:
    case CVS_EV_EFI_VARIABLE_BOOT:
    case CVS_EV_EFI_VARIABLE_BOOT2:
    case CVS_EV_EFI_VARIABLE_AUTHORITY:
        return describe_variable(out, event);
    case CVS_EV_EFI_BOOT_SERVICES_APPLICATION:
    case CVS_EV_EFI_BOOT_SERVICES_DRIVER:
    case CVS_EV_EFI_RUNTIME_SERVICES_DRIVER:
        return describe_image(out, event);
    case CVS_EV_EFI_GPT_EVENT:
    case CVS_EV_EFI_GPT_EVENT2:
        return describe_gpt(out, event);
    case CVS_EV_EFI_PLATFORM_FIRMWARE_BLOB:
        return describe_blob(out, event, FALSE);
    case CVS_EV_EFI_PLATFORM_FIRMWARE_BLOB2:
        return describe_blob(out, event, TRUE);
    case CVS_EV_EFI_HANDOFF_TABLES2:
        return describe_tables(out, event);
    default:
        return FALSE;
    }
}

char *
cvs_event_describe(const CvsEvent *event)
{
    g_autoptr(GString) out = g_string_new(NULL);

    /* What its type does not explain is shown as a string: most events are one. */
    if (!describe(out, event)) {
        g_string_truncate(out, 0);
        append_string(out, event->data, MIN(event->size, CVS_EVENT_TEXT_MAX + 1));
    }
    if (out->len > CVS_EVENT_TEXT_MAX) {
        const char *cut = g_utf8_find_prev_char(out->str, out->str + CVS_EVENT_TEXT_MAX + 1);

        g_string_truncate(out, (gsize)(cut - out->str));
        g_string_append(out, " … (cut)");
    }
    return g_string_free(g_steal_pointer(&out), FALSE);
}

static json_t *
hex_json(const guint8 *data, gsize size)
{
    g_autofree char *hex = cvs_hex_encode(data, size);

    return json_string(hex);
}

static json_t *
event_to_json(const CvsEventLog *log, guint number)
{
    const CvsEvent *event = cvs_event_log_event(log, number);
    gboolean cc = cvs_event_log_format(log) == CVS_EVENT_LOG_CC;
    const char *name = cvs_event_type_name(event->type);
    g_autofree char *text = cvs_event_describe(event);
    CvsEventProof proof = cvs_event_log_proof(log, event);
    gboolean all = proof.proven && proof.size == event->size;
    g_autoptr(json_t) digests = json_object();
    g_autoptr(json_t) json =
        json_pack("{sI sI sI sI sI}", "number", (json_int_t)number, "offset",
                  (json_int_t)event->offset, "index", (json_int_t)event->index, "type",
                  (json_int_t)event->type, "size", (json_int_t)event->size);

    for (int bank = 0; bank < CVS_EVENT_LOG_BANKS; bank++) {
        if (event->digest[bank])
            json_object_set_new(digests, cvs_hash_name((CvsHash)bank),
                                hex_json(event->digest[bank], cvs_hash_size((CvsHash)bank)));
    }
    json_object_set(json, "digests", digests);
    if (name)
        json_object_set_new(json, "type_name", json_string(name));
    if (event->reg >= 0) {
        g_autofree char *reg = g_strdup_printf("%s%d", cc ? "rtmr" : "pcr", event->reg);

        json_object_set_new(json, "extends", json_string(reg));
        json_object_set_new(json, "after_separator", json_boolean(event->after_separator));
    }
    json_object_set_new(json, "authenticated",
                        json_string(all ? "all" : (proof.proven ? "part" : "none")));
    if (proof.proven && !all) {
        json_object_set_new(json, "authenticated_offset", json_integer((json_int_t)proof.offset));
        json_object_set_new(json, "authenticated_size", json_integer((json_int_t)proof.size));
    }
    json_object_set_new(json, "description", json_string(text));
    return g_steal_pointer(&json);
}

static json_t *
bank_to_json(const CvsEventLog *log, CvsHash bank)
{
    CvsRegister registers[CVS_EVENT_LOG_REGISTERS];
    json_t *json = json_object();

    cvs_event_log_replay(log, bank, registers);
    for (guint reg = 0; reg < CVS_EVENT_LOG_REGISTERS; reg++) {
        char number[4];

        /* A recorded locality is a statement about PCR 0 too. */
        if (registers[reg].missing > 0 || (registers[reg].extended == 0 &&
                                           (reg != 0 || cvs_event_log_startup_locality(log) == 0)))
            continue;
        g_snprintf(number, sizeof(number), "%u", reg);
        json_object_set_new(json, number, hex_json(registers[reg].value, cvs_hash_size(bank)));
    }
    return json;
}

json_t *
cvs_event_log_to_json(const CvsEventLog *log)
{
    static const char *const formats[] = {
        [CVS_EVENT_LOG_SHA1] = "sha1",
        [CVS_EVENT_LOG_TPM] = "tpm",
        [CVS_EVENT_LOG_CC] = "cc",
    };
    CvsEventLogFormat format = cvs_event_log_format(log);
    g_autoptr(json_t) registers = json_object();
    g_autoptr(json_t) events = json_array();
    json_t *json = json_object();

    for (int bank = 0; bank < CVS_EVENT_LOG_BANKS; bank++) {
        if (cvs_event_log_has_bank(log, (CvsHash)bank))
            json_object_set_new(registers,
                                format == CVS_EVENT_LOG_CC ? "rtmr" : cvs_hash_name((CvsHash)bank),
                                bank_to_json(log, (CvsHash)bank));
    }
    for (guint i = 0; i < cvs_event_log_size(log); i++)
        json_array_append_new(events, event_to_json(log, i));
    json_object_set_new(json, "format", json_string(formats[format]));
    json_object_set(json, "registers", registers);
    json_object_set(json, "events", events);
    return json;
}
