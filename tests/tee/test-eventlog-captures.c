/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The real logs: what must come out of each, and what must not come out of a damaged one. */

#include "tee/eventlog-describe.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/json.h"

#include "captures.h"

#include <string.h>

#define EXHAUSTIVE_MAX (20 * 1024) /* logs up to this size are cut and flipped at every byte */

/* The quotes' RTMR0 (v4): header 48, offset of RTMR0 in the body 328, each 48 long. */
#define QUOTE_RTMR(n) (48 + 328 + 48 * (n))

static CvsEventLog *
parse_capture(const char *name, GBytes **ret_bytes)
{
    g_autofree char *path = g_strdup_printf("eventlog/%s", name);
    g_autoptr(GBytes) bytes = captures_read(path);
    g_autoptr(GError) error = NULL;
    CvsEventLog *log = cvs_event_log_parse(bytes, CVS_EVENT_LOG_AUTO, &error);

    g_assert_no_error(error);
    if (ret_bytes)
        *ret_bytes = g_steal_pointer(&bytes);
    return log;
}

static void
compare_bank(const char *name, json_t *wanted, json_t *seen)
{
    const char *reg = NULL;
    json_t *value = NULL;

    json_object_foreach (wanted, reg, value) {
        const char *number = g_str_has_prefix(reg, "rtmr") ? reg + 4 : reg;
        const char *hex = json_string_value(json_object_get(seen, number));

        if (g_strcmp0(hex, json_string_value(value)) != 0)
            g_error("%s, register %s: %s instead of %s", name, reg, hex, json_string_value(value));
    }
}

static void
check_expected(const char *name, json_t *expected)
{
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(CvsEventLog) log = parse_capture(name, &bytes);
    g_autoptr(json_t) json = cvs_event_log_to_json(log);
    const char *format = json_string_value(json_object_get(expected, "format"));
    const char *end = json_string_value(json_object_get(expected, "end"));
    json_t *algorithms = json_object_get(expected, "algorithms");
    json_t *registers = json_object_get(json, "registers");
    json_t *values = NULL;
    const char *bank = NULL;
    gboolean cc = g_str_has_prefix(name, "ccel-");
    guint n_banks = 0;

    if (g_str_equal(format, "sha1 legacy"))
        g_assert_cmpint(cvs_event_log_format(log), ==, CVS_EVENT_LOG_SHA1);
    else
        g_assert_cmpint(cvs_event_log_format(log), ==, cc ? CVS_EVENT_LOG_CC : CVS_EVENT_LOG_TPM);
    g_assert_cmpuint(cvs_event_log_size(log), ==,
                     json_integer_value(json_object_get(expected, "events_after_header")));
    while (*end && !g_ascii_isdigit(*end))
        end++;
    g_assert_cmpuint(cvs_event_log_end(log), ==, g_ascii_strtoull(end, NULL, 10));
    g_assert_cmpuint(cvs_event_log_startup_locality(log), ==,
                     json_integer_value(json_object_get(expected, "startup_locality")));
    g_assert_false(cvs_event_log_old_numbering(log));

    for (int i = 0; i < CVS_EVENT_LOG_BANKS; i++)
        n_banks += cvs_event_log_has_bank(log, (CvsHash)i) ? 1 : 0;
    g_assert_cmpuint(n_banks, ==, json_object_size(algorithms));

    /* Exactly the registers that are expected, with exactly their values. */
    json_object_foreach (json_object_get(expected, "replay"), bank, values) {
        json_t *seen = json_object_get(registers, cc ? "rtmr" : bank);

        g_assert_cmpuint(json_object_size(seen), ==, json_object_size(values));
        compare_bank(name, values, seen);
    }
    /* And those that were read from the TPM itself. */
    json_object_foreach (json_object_get(expected, "pcrs_recorded_by_source_repository"), bank,
                         values)
        compare_bank(name, values, json_object_get(registers, bank));
}

static void
test_expected(void)
{
    g_autoptr(json_t) all = NULL;
    const char *name = NULL;
    json_t *expected = NULL;
    guint count = 0;

    if (!captures_there())
        return;
    all = captures_json("eventlog/expected.json");
    json_object_foreach (all, name, expected) {
        if (g_str_equal(name, "tpm-specid-vendordata.bin"))
            continue; /* refused, see below */
        check_expected(name, expected);
        count++;
    }
    g_assert_cmpuint(count, ==, 20);
}

/* Its header says that vendor data follows, and they lie outside of the header's event. */
static void
test_vendor_data(void)
{
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(GError) error = NULL;

    if (!captures_there())
        return;
    bytes = captures_read("eventlog/tpm-specid-vendordata.bin");
    g_assert_null(cvs_event_log_parse(bytes, CVS_EVENT_LOG_AUTO, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_LOG_MALFORMED));
}

static CvsExplain
explain_quote(const CvsEventLog *log, GBytes *quote, guint rtmr)
{
    const guint8 *data = g_bytes_get_data(quote, NULL);

    return cvs_event_log_explain(log, CVS_SHA384, rtmr, data + QUOTE_RTMR(rtmr), NULL);
}

static void
test_cc_against_quotes(void)
{
    g_autoptr(GBytes) quote = NULL;
    g_autoptr(CvsEventLog) log = NULL;
    g_autoptr(CvsEventLog) edited = NULL;

    if (!captures_there())
        return;
    quote = captures_read("tdx/quote-v4-cos113-padded.dat");
    log = parse_capture("ccel-gce-cos113.bin", NULL);
    g_assert_cmpint(explain_quote(log, quote, 0), ==, CVS_EXPLAIN_MATCH);
    g_assert_cmpint(explain_quote(log, quote, 1), ==, CVS_EXPLAIN_MATCH);
    g_assert_cmpint(explain_quote(log, quote, 2), ==, CVS_EXPLAIN_MATCH);
    g_assert_cmpint(explain_quote(log, quote, 3), ==, CVS_EXPLAIN_UNTOUCHED);

    /* One record moved from RTMR1 to RTMR0. */
    edited = parse_capture("ccel-gce-cos113-dupe-separator-unpadded.bin", NULL);
    g_assert_cmpint(explain_quote(edited, quote, 0), ==, CVS_EXPLAIN_DIFFERS);
    g_assert_cmpint(explain_quote(edited, quote, 1), ==, CVS_EXPLAIN_DIFFERS);
    g_assert_cmpint(explain_quote(edited, quote, 2), ==, CVS_EXPLAIN_MATCH);
}

/* The kernel extended RTMR2 once more, and has no way to write that into the firmware's log. */
static void
test_cc_with_ima(void)
{
    g_autoptr(GBytes) quote = NULL;
    g_autoptr(GBytes) ima = NULL;
    g_autoptr(GBytes) digest = NULL;
    g_autoptr(CvsEventLog) log = NULL;
    g_auto(GStrv) columns = NULL;
    const guint8 *rtmr2 = NULL;
    CvsRegister registers[CVS_EVENT_LOG_REGISTERS];

    if (!captures_there())
        return;
    quote = captures_read("tdx/quote-v4-preproduction-root.dat");
    rtmr2 = (const guint8 *)g_bytes_get_data(quote, NULL) + QUOTE_RTMR(2);
    log = parse_capture("ccel-ima-preproduction.bin", NULL);
    g_assert_cmpint(explain_quote(log, quote, 0), ==, CVS_EXPLAIN_MATCH);
    g_assert_cmpint(explain_quote(log, quote, 1), ==, CVS_EXPLAIN_MATCH);
    g_assert_cmpint(explain_quote(log, quote, 2), ==, CVS_EXPLAIN_DIFFERS);

    ima = captures_read("eventlog/ccel-ima-preproduction.ima-ascii.txt");
    columns = g_strsplit(g_strstrip((char *)g_bytes_get_data(ima, NULL)), " ", 3);
    g_assert_cmpstr(columns[0], ==, "2");
    digest = cvs_hex_decode(columns[1], -1, NULL);
    g_assert_cmpuint(g_bytes_get_size(digest), ==, 48);
    cvs_event_log_replay(log, CVS_SHA384, registers);
    cvs_register_extend(CVS_SHA384, registers[2].value, g_bytes_get_data(digest, NULL));
    g_assert_cmpmem(registers[2].value, 48, rtmr2, 48);
}

static gboolean
is_one_of(guint32 type, const guint32 *types, gsize n)
{
    for (gsize i = 0; i < n; i++) {
        if (types[i] == type)
            return TRUE;
    }
    return FALSE;
}

/* SHA-1 only: the replay fits, and is refused as an explanation. */
static void
test_windows_sha1(void)
{
    static const guint32 fit[] = {0, 4, 5, 7, 11, 12, 13, 14};
    g_autoptr(json_t) json = NULL;
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(CvsEventLog) log = NULL;
    g_autoptr(GError) error = NULL;
    CvsRegister registers[CVS_EVENT_LOG_REGISTERS];
    json_t *recorded = NULL;
    json_t *pcr = NULL;
    gsize at = 0;
    gsize size = 0;
    guchar *raw = NULL;
    guint compared = 0;

    if (!captures_there())
        return;
    json = captures_json("eventlog/attest-windows-gce-sha1.json");
    recorded = json_object_get(json, "Log");
    raw = g_base64_decode(json_string_value(json_object_get(recorded, "Raw")), &size);
    bytes = g_bytes_new_take(raw, size);
    log = cvs_event_log_parse(bytes, CVS_EVENT_LOG_AUTO, &error);
    g_assert_no_error(error);
    g_assert_cmpint(cvs_event_log_format(log), ==, CVS_EVENT_LOG_SHA1);
    cvs_event_log_replay(log, CVS_SHA1, registers);

    json_array_foreach (json_object_get(recorded, "PCRs"), at, pcr) {
        guint reg = (guint)json_integer_value(json_object_get(pcr, "Index"));
        g_autofree guchar *value =
            g_base64_decode(json_string_value(json_object_get(pcr, "Digest")), &size);

        g_assert_cmpuint(size, ==, 20);
        if (!is_one_of(reg, fit, G_N_ELEMENTS(fit)))
            continue;
        g_assert_cmpmem(registers[reg].value, 20, value, 20);
        g_assert_cmpint(cvs_event_log_explain(log, CVS_SHA1, reg, value, NULL), ==,
                        CVS_EXPLAIN_WEAK);
        compared++;
    }
    g_assert_cmpuint(compared, ==, G_N_ELEMENTS(fit));
    for (guint i = 0; i < cvs_event_log_size(log); i++)
        g_assert_false(cvs_event_log_proof(log, cvs_event_log_event(log, i)).proven);
}

/* Which kinds have their data measured: as seen in all real logs. */
static void
test_proofs(void)
{
    static const guint32 always[] = {CVS_EV_SEPARATOR, CVS_EV_EFI_ACTION, CVS_EV_EFI_GPT_EVENT,
                                     CVS_EV_EFI_VARIABLE_DRIVER_CONFIG};
    static const guint32 never[] = {CVS_EV_NO_ACTION,
                                    CVS_EV_EFI_BOOT_SERVICES_APPLICATION,
                                    CVS_EV_EFI_BOOT_SERVICES_DRIVER,
                                    CVS_EV_EFI_PLATFORM_FIRMWARE_BLOB,
                                    CVS_EV_EFI_PLATFORM_FIRMWARE_BLOB2,
                                    CVS_EV_EFI_HANDOFF_TABLES2,
                                    0xa,
                                    0x1};
    g_autoptr(json_t) all = NULL;
    const char *name = NULL;
    json_t *expected = NULL;
    guint seen_always = 0;
    guint seen_never = 0;
    guint seen_part = 0;

    if (!captures_there())
        return;
    all = captures_json("eventlog/expected.json");
    json_object_foreach (all, name, expected) {
        g_autoptr(CvsEventLog) log = NULL;

        if (g_str_equal(name, "tpm-specid-vendordata.bin"))
            continue;
        log = parse_capture(name, NULL);
        for (guint i = 0; i < cvs_event_log_size(log); i++) {
            const CvsEvent *event = cvs_event_log_event(log, i);
            CvsEventProof proof = cvs_event_log_proof(log, event);

            g_assert_cmpuint(proof.size, <=, event->size);
            g_assert_cmpuint(proof.offset, <=, event->size - proof.size);
            if (cvs_event_log_format(log) == CVS_EVENT_LOG_SHA1) {
                g_assert_false(proof.proven);
            } else if (is_one_of(event->type, always, G_N_ELEMENTS(always))) {
                g_assert_true(proof.proven);
                g_assert_cmpuint(proof.size, ==, event->size);
                seen_always++;
            } else if (is_one_of(event->type, never, G_N_ELEMENTS(never))) {
                g_assert_false(proof.proven);
                seen_never++;
            } else if (proof.proven && proof.size < event->size) {
                seen_part++;
            }
        }
    }
    /* So that the loop above cannot pass by seeing nothing. */
    g_assert_cmpuint(seen_always, >, 200);
    g_assert_cmpuint(seen_never, >, 60);
    g_assert_cmpuint(seen_part, >, 300);
}

static GBytes *
cut(GBytes *bytes, gsize size)
{
    /* A copy of exactly that size, so that ASan sees a read behind it. */
    return g_bytes_new(g_bytes_get_data(bytes, NULL), size);
}

/* Whole at the end of a record, truncated anywhere else. */
static void
check_cut(const CvsEventLog *log, GBytes *bytes, gsize size, gboolean boundary)
{
    g_autoptr(GBytes) part = cut(bytes, size);
    g_autoptr(GError) error = NULL;
    CvsEventLogFormat format = cvs_event_log_format(log);
    g_autoptr(CvsEventLog) shorter = cvs_event_log_parse(part, format, &error);

    if (boundary) {
        g_assert_no_error(error);
        g_assert_cmpuint(cvs_event_log_size(shorter), <=, cvs_event_log_size(log));
        return;
    }
    g_assert_null(shorter);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_LOG_TRUNCATED));
}

static void
cut_everywhere(const char *name)
{
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(CvsEventLog) log = parse_capture(name, &bytes);
    gsize end = cvs_event_log_end(log);
    g_autofree guint8 *boundary = g_malloc0(end + 1);

    for (guint i = 0; i < cvs_event_log_size(log); i++)
        boundary[cvs_event_log_event(log, i)->offset] = 1;
    boundary[0] = 0; /* no log at all */
    boundary[end] = 1;

    for (gsize size = 0; size <= end; size++) {
        gboolean near = boundary[size] || (size > 0 && boundary[size - 1]) ||
                        (size < end && boundary[size + 1]);

        if (end <= EXHAUSTIVE_MAX || near)
            check_cut(log, bytes, size, boundary[size]);
    }
}

static void
test_cut(void)
{
    g_autoptr(json_t) all = NULL;
    const char *name = NULL;
    json_t *expected = NULL;

    if (!captures_there())
        return;
    all = captures_json("eventlog/expected.json");
    json_object_foreach (all, name, expected) {
        if (!g_str_equal(name, "tpm-specid-vendordata.bin"))
            cut_everywhere(name);
    }
}

/* A flipped byte either breaks the format, or changes a register, or leaves the data that hold it
 * unproven: never does changed data count as authenticated. */
static void
check_flip(GBytes *bytes, const CvsRegister *good, CvsHash bank, CvsEventLogFormat format, gsize at,
           guint8 mask)
{
    gsize size = 0;
    guint8 *data = g_bytes_unref_to_data(
        g_bytes_new(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes)), &size);
    g_autoptr(GBytes) flipped = NULL;
    g_autoptr(CvsEventLog) log = NULL;
    CvsRegister registers[CVS_EVENT_LOG_REGISTERS];

    data[at] ^= mask;
    flipped = g_bytes_new_take(data, size);
    log = cvs_event_log_parse(flipped, format, NULL);
    if (log == NULL || !cvs_event_log_has_bank(log, bank))
        return;
    cvs_event_log_replay(log, bank, registers);
    for (guint i = 0; i < cvs_event_log_size(log); i++) {
        const CvsEvent *event = cvs_event_log_event(log, i);
        CvsEventProof proof = {0};
        g_autofree char *text = NULL;

        if (at < event->offset || at >= (gsize)(event->data - data) + event->size)
            continue;
        text = cvs_event_describe(event);
        proof = cvs_event_log_proof(log, event);
        g_assert_nonnull(text);
        if (proof.proven && at >= (gsize)(event->data - data) + proof.offset &&
            at < (gsize)(event->data - data) + proof.offset + proof.size)
            g_assert_true(
                memcmp(registers[event->reg].value, good[event->reg].value, CVS_DIGEST_MAX) != 0);
        if (event->reg >= 0 && event->digest[bank] && at >= (gsize)(event->digest[bank] - data) &&
            at < (gsize)(event->digest[bank] - data) + cvs_hash_size(bank))
            g_assert_true(
                memcmp(registers[event->reg].value, good[event->reg].value, CVS_DIGEST_MAX) != 0);
    }
}

static void
flip_everywhere(const char *name)
{
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(GBytes) used = NULL;
    g_autoptr(CvsEventLog) log = parse_capture(name, &bytes);
    gsize end = cvs_event_log_end(log);
    CvsHash bank = CVS_SHA1;
    CvsRegister good[CVS_EVENT_LOG_REGISTERS];

    for (int i = 0; i < CVS_EVENT_LOG_BANKS; i++) {
        if (cvs_event_log_has_bank(log, (CvsHash)i) && (i == CVS_SHA256 || i == CVS_SHA384)) {
            bank = (CvsHash)i;
            break;
        }
    }
    cvs_event_log_replay(log, bank, good);
    used = cut(bytes, end);
    if (end <= EXHAUSTIVE_MAX) {
        for (gsize at = 0; at < end; at++)
            check_flip(used, good, bank, cvs_event_log_format(log), at, 1u << at % 8);
    }
    for (guint i = 0; i < cvs_event_log_size(log); i++) {
        const CvsEvent *event = cvs_event_log_event(log, i);

        for (gsize at = event->offset; at < MIN(event->offset + 12, end); at++)
            check_flip(used, good, bank, cvs_event_log_format(log), at, 0xff);
    }
}

static void
test_flip(void)
{
    g_autoptr(json_t) all = NULL;
    const char *name = NULL;
    json_t *expected = NULL;

    if (!captures_there())
        return;
    all = captures_json("eventlog/expected.json");
    json_object_foreach (all, name, expected) {
        if (!g_str_equal(name, "tpm-specid-vendordata.bin"))
            flip_everywhere(name);
    }
}

/* tpm2-tools 5.4 extends what must not extend, and does not know the startup locality. */
static gboolean
has_no_action(const CvsEventLog *log, guint32 index)
{
    for (guint i = 0; i < cvs_event_log_size(log); i++) {
        const CvsEvent *event = cvs_event_log_event(log, i);

        if (event->type == CVS_EV_NO_ACTION && event->index == index)
            return TRUE;
    }
    return FALSE;
}

/* "    7  : 0x65ca…" under "  sha256:" at the end of what tpm2_eventlog prints. */
static guint
compare_with_tool(const CvsEventLog *log, const char *output)
{
    const char *pcrs = strstr(output, "\npcrs:\n");
    g_auto(GStrv) lines = g_strsplit(pcrs ? pcrs + 7 : "", "\n", -1);
    CvsRegister registers[CVS_EVENT_LOG_REGISTERS];
    CvsHash bank = CVS_SHA1;
    guint compared = 0;

    for (gsize i = 0; lines[i]; i++) {
        g_auto(GStrv) pair = g_strsplit(lines[i], ":", 2);
        g_autofree char *hex = NULL;
        guint64 reg = 0;

        if (g_strv_length(pair) != 2)
            continue;
        g_strstrip(pair[0]);
        g_strstrip(pair[1]);
        if (cvs_hash_from_name(pair[0], &bank)) {
            cvs_event_log_replay(log, bank, registers);
            continue;
        }
        reg = g_ascii_strtoull(pair[0], NULL, 10);
        g_assert_cmpuint(reg, <, CVS_EVENT_LOG_REGISTERS);
        if (has_no_action(log, (guint32)reg))
            continue;
        hex = cvs_hex_encode(registers[reg].value, cvs_hash_size(bank));
        g_assert_true(g_str_has_prefix(pair[1], "0x"));
        g_assert_cmpstr(pair[1] + 2, ==, hex);
        compared++;
    }
    return compared;
}

static void
test_second_opinion(void)
{
    g_autoptr(json_t) all = NULL;
    g_autofree char *tool = g_find_program_in_path("tpm2_eventlog");
    const char *name = NULL;
    json_t *expected = NULL;
    guint compared = 0;

    if (!captures_there())
        return;
    if (tool == NULL) {
        g_test_skip("tpm2_eventlog is not installed");
        return;
    }
    all = captures_json("eventlog/expected.json");
    json_object_foreach (all, name, expected) {
        g_autofree char *relative = g_strdup_printf("eventlog/%s", name);
        g_autofree char *path = captures_path(relative);
        const char *argv[] = {tool, path, NULL};
        g_autofree char *output = NULL;
        g_autoptr(CvsEventLog) log = NULL;
        g_autoptr(GError) error = NULL;
        int status = 0;

        if (g_str_has_prefix(name, "ccel-") || g_str_equal(name, "tpm-specid-vendordata.bin"))
            continue;
        g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &output,
                     NULL, &status, &error);
        g_assert_no_error(error);
        if (!g_spawn_check_wait_status(status, NULL)) {
            g_test_message("tpm2_eventlog cannot read %s", name);
            continue;
        }
        log = parse_capture(name, NULL);
        compared += compare_with_tool(log, output);
    }
    g_test_message("%u registers compared", compared);
    g_assert_cmpuint(compared, >=, 150);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tee/eventlog/captures/expected", test_expected);
    g_test_add_func("/tee/eventlog/captures/vendor-data", test_vendor_data);
    g_test_add_func("/tee/eventlog/captures/cc-against-quotes", test_cc_against_quotes);
    g_test_add_func("/tee/eventlog/captures/cc-with-ima", test_cc_with_ima);
    g_test_add_func("/tee/eventlog/captures/windows-sha1", test_windows_sha1);
    g_test_add_func("/tee/eventlog/captures/proofs", test_proofs);
    g_test_add_func("/tee/eventlog/captures/cut", test_cut);
    g_test_add_func("/tee/eventlog/captures/flip", test_flip);
    g_test_add_func("/tee/eventlog/captures/second-opinion", test_second_opinion);
    return g_test_run();
}
