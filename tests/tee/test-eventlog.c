/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Logs made by hand: the exceptions of the formats, and what is refused. */

#include "tee/eventlog-describe.h"
#include "base/error.h"
#include "base/json.h"

#include "log-builder.h"

#include <string.h>

#define EV_POST_CODE 1

static CvsEventLog *
parse_as(LogBuilder *builder, CvsEventLogFormat format)
{
    g_autoptr(GBytes) bytes = log_builder_end(builder);
    g_autoptr(GError) error = NULL;
    CvsEventLog *log = cvs_event_log_parse(bytes, format, &error);

    g_assert_no_error(error);
    return log;
}

static void
refused_as(LogBuilder *builder, CvsEventLogFormat format, const char *reason, const char *text)
{
    g_autoptr(GBytes) bytes = log_builder_end(builder);
    g_autoptr(GError) error = NULL;

    g_assert_null(cvs_event_log_parse(bytes, format, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    g_assert_true(cvs_error_has_reason(error, reason));
    if (strstr(error->message, text) == NULL)
        g_error("\"%s\" is not in \"%s\"", text, error->message);
}

static void
malformed(LogBuilder *builder, const char *text)
{
    refused_as(builder, CVS_EVENT_LOG_AUTO, CVS_REASON_LOG_MALFORMED, text);
}

static LogBuilder *
tpm_log(void)
{
    LogBuilder *log = log_builder_new();

    log_builder_header(log, 0, ALG_SHA256, 0);
    return log;
}

static LogBuilder *
cc_log(void)
{
    LogBuilder *log = log_builder_new();

    log_builder_header(log, 1, ALG_SHA384, 0);
    return log;
}

static void
locality(LogBuilder *log, guint8 value)
{
    char data[17] = "StartupLocality";

    data[16] = (char)value;
    log_builder_event(log, 0, CVS_EV_NO_ACTION, ALG_SHA256, data, sizeof(data));
}

/* The value after one extension with the digest of "x". */
static void
wanted_after_x(CvsHash bank, guint8 last, guint8 fill, guint8 *value)
{
    guint8 digest[CVS_DIGEST_MAX];
    gsize size = cvs_hash_size(bank);

    memset(value, fill, size);
    value[size - 1] |= last;
    cvs_hash_bytes(bank, "x", 1, digest);
    cvs_register_extend(bank, value, digest);
}

static void
check_pcr(LogBuilder *builder, guint pcr, guint8 last, guint8 fill)
{
    g_autoptr(CvsEventLog) log = parse_as(builder, CVS_EVENT_LOG_AUTO);
    CvsRegister registers[CVS_EVENT_LOG_REGISTERS];
    guint8 wanted[32];

    g_assert_cmpint(cvs_event_log_format(log), ==, CVS_EVENT_LOG_TPM);
    cvs_event_log_replay(log, CVS_SHA256, registers);
    wanted_after_x(CVS_SHA256, last, fill, wanted);
    g_assert_cmpmem(registers[pcr].value, 32, wanted, 32);
}

static void
test_start_values(void)
{
    LogBuilder *log = tpm_log();

    log_builder_event(log, 0, EV_POST_CODE, ALG_SHA256, "x", 1);
    check_pcr(log, 0, 0, 0);
    for (guint8 value = 3; value <= 4; value++) {
        log = tpm_log();
        locality(log, value);
        log_builder_event(log, 0, EV_POST_CODE, ALG_SHA256, "x", 1);
        check_pcr(log, 0, value, 0);
    }
    /* Only PCR 0 has the locality, and only an H-CRTM event that comes first implies 4. */
    log = tpm_log();
    locality(log, 3);
    log_builder_event(log, 1, EV_POST_CODE, ALG_SHA256, "x", 1);
    check_pcr(log, 1, 0, 0);
    log = tpm_log();
    log_builder_event(log, 0, CVS_EV_EFI_HCRTM_EVENT, ALG_SHA256, "x", 1);
    check_pcr(log, 0, 4, 0);
    for (guint pcr = 17; pcr <= 22; pcr++) {
        log = tpm_log();
        log_builder_event(log, pcr, EV_POST_CODE, ALG_SHA256, "x", 1);
        check_pcr(log, pcr, 0, 0xff);
    }
    log = tpm_log();
    log_builder_event(log, 16, EV_POST_CODE, ALG_SHA256, "x", 1);
    check_pcr(log, 16, 0, 0);
    log = tpm_log();
    log_builder_event(log, 23, EV_POST_CODE, ALG_SHA256, "x", 1);
    check_pcr(log, 23, 0, 0);
}

static void
test_locality_refused(void)
{
    LogBuilder *log = tpm_log();

    locality(log, 1);
    malformed(log, "StartupLocality 1");
    log = tpm_log();
    locality(log, 3);
    locality(log, 3);
    malformed(log, "second StartupLocality");
    log = tpm_log();
    log_builder_event(log, 0, EV_POST_CODE, ALG_SHA256, "x", 1);
    locality(log, 3);
    malformed(log, "after PCR 0 was extended");
    log = tpm_log();
    log_builder_event(log, 0, CVS_EV_NO_ACTION, ALG_SHA256, "StartupLocality", 16);
    malformed(log, "StartupLocality has 16 bytes");
}

/* Records that extend nothing: anywhere, with any index. */
static void
test_no_action(void)
{
    LogBuilder *builder = tpm_log();
    g_autoptr(CvsEventLog) log = NULL;
    CvsRegister registers[CVS_EVENT_LOG_REGISTERS];
    guint8 wanted[32];

    log_builder_event(builder, 0, CVS_EV_NO_ACTION, ALG_SHA256, "SP800-155 Event3", 16);
    log_builder_event(builder, 0xffffffff, CVS_EV_NO_ACTION, ALG_SHA256, "vendor", 6);
    log_builder_event(builder, 7, EV_POST_CODE, ALG_SHA256, "x", 1);
    log_builder_event(builder, 7, CVS_EV_NO_ACTION, ALG_SHA256, "y", 1);
    log = parse_as(builder, CVS_EVENT_LOG_AUTO);
    g_assert_cmpuint(cvs_event_log_size(log), ==, 4);
    cvs_event_log_replay(log, CVS_SHA256, registers);
    wanted_after_x(CVS_SHA256, 0, 0, wanted);
    g_assert_cmpuint(registers[7].extended, ==, 1);
    g_assert_cmpmem(registers[7].value, 32, wanted, 32);
    g_assert_cmpuint(registers[0].extended, ==, 0);
    g_assert_false(cvs_event_log_proof(log, cvs_event_log_event(log, 3)).proven);

    builder = tpm_log();
    log_builder_event(builder, 0, CVS_EV_NO_ACTION, ALG_SHA256, "Spec ID Event03", 16);
    malformed(builder, "not the log's first record");
    builder = tpm_log();
    log_builder_event(builder, 24, EV_POST_CODE, ALG_SHA256, "x", 1);
    malformed(builder, "PCR 24");
    builder = tpm_log();
    log_builder_event(builder, 0xffffffff, EV_POST_CODE, ALG_SHA256, "x", 1);
    malformed(builder, "PCR 4294967295");
}

static void
header_edit(gsize at, const void *bytes, gsize size, const char *text)
{
    LogBuilder *log = log_builder_new();

    log_builder_header(log, 0, ALG_SHA1, ALG_SHA256, 0);
    memcpy(log->data + at, bytes, size);
    malformed(log, text);
}

static void
test_header(void)
{
    /* 32 bytes of record, then the event: the count is at 24 of it, the algorithms at 28. */
    LogBuilder *log = NULL;

    header_edit(32 + 24, "\x00", 1, "declares 0 digest algorithms");
    header_edit(32 + 24, "\x11", 1, "declares 17 digest algorithms");
    header_edit(32 + 24, "\x05", 1, "too short for its 5");
    header_edit(32 + 28 + 2, "\x15", 1, "algorithm 0x0004 a digest of 21 bytes");
    header_edit(32 + 28, "\x12\x00\x00\x00", 4, "algorithm 0x0012 a digest of 0 bytes");
    header_edit(32 + 28, "\x12\x00\x41\x00", 4, "algorithm 0x0012 a digest of 65 bytes");
    header_edit(32 + 28, "\x0b\x00\x20\x00", 4, "algorithm 0x000b twice");
    header_edit(32 + 36, "\x01", 1, "vendor data");
    header_edit(28, "\x12", 1, "too short");

    refused_as(log_builder_new(), CVS_EVENT_LOG_AUTO, CVS_REASON_LOG_TRUNCATED, "header");
    log = log_builder_new();
    log_builder_event1(log, 0, EV_POST_CODE, "x", 1);
    refused_as(log, CVS_EVENT_LOG_TPM, CVS_REASON_LOG_MALFORMED, "no Spec ID");
    log = log_builder_new();
    log_builder_event1(log, 0, EV_POST_CODE, "x", 1);
    refused_as(log, CVS_EVENT_LOG_CC, CVS_REASON_LOG_MALFORMED, "no Spec ID");
    refused_as(tpm_log(), CVS_EVENT_LOG_SHA1, CVS_REASON_LOG_MALFORMED, "in a SHA-1 log");
    refused_as(tpm_log(), CVS_EVENT_LOG_CC, CVS_REASON_LOG_MALFORMED, "RTMRs are SHA-384");
}

/* A record with two digests of which the second is edited, or of an algorithm not declared. */
static void
two_digests(LogBuilder *log, guint16 first, guint16 second)
{
    log_builder_u32(log, 4);
    log_builder_u32(log, EV_POST_CODE);
    log_builder_u32(log, 2);
    log_builder_u16(log, first);
    log_builder_fill(log, 1, 32);
    log_builder_u16(log, second);
    log_builder_fill(log, 2, 32);
    log_builder_u32(log, 0);
}

static void
test_digests(void)
{
    LogBuilder *log = log_builder_new();
    g_autoptr(CvsEventLog) parsed = NULL;

    log_builder_header(log, 0, ALG_SHA256, ALG_SM3, 0);
    two_digests(log, ALG_SHA256, ALG_SHA256);
    malformed(log, "two digests of algorithm 0x000b");
    log = log_builder_new();
    log_builder_header(log, 0, ALG_SHA256, ALG_SHA384, 0);
    two_digests(log, ALG_SHA256, ALG_SM3);
    malformed(log, "algorithm 0x0012, which the header does not declare");
    log = tpm_log();
    two_digests(log, ALG_SHA256, ALG_SHA256);
    malformed(log, "2 digests and the log's header declares 1");
    log = tpm_log();
    log_builder_u32(log, 4);
    log_builder_u32(log, EV_POST_CODE);
    log_builder_u32(log, 0);
    log_builder_u32(log, 0);
    malformed(log, "no digest");

    /* An algorithm that is declared but not ours is stepped over. */
    log = log_builder_new();
    log_builder_header(log, 0, ALG_SM3, ALG_SHA256, 0);
    two_digests(log, ALG_SM3, ALG_SHA256);
    parsed = parse_as(log, CVS_EVENT_LOG_AUTO);
    g_assert_cmpuint(cvs_event_log_event(parsed, 0)->digest[CVS_SHA256][0], ==, 2);
    g_assert_true(cvs_event_log_has_bank(parsed, CVS_SHA256));
    g_assert_false(cvs_event_log_has_bank(parsed, CVS_SHA1));
}

/* A size field near the top of its range must not wrap. */
static void
test_huge_sizes(void)
{
    LogBuilder *log = tpm_log();

    log_builder_event(log, 0, EV_POST_CODE, ALG_SHA256, "", 0);
    memset(log->data + log->len - 4, 0xff, 4);
    refused_as(log, CVS_EVENT_LOG_AUTO, CVS_REASON_LOG_TRUNCATED, "data");
    log = log_builder_new();
    log_builder_event1(log, 0, EV_POST_CODE, "", 0);
    memset(log->data + log->len - 4, 0xff, 4);
    refused_as(log, CVS_EVENT_LOG_AUTO, CVS_REASON_LOG_TRUNCATED, "data");
}

static void
test_too_large(void)
{
    g_autoptr(GBytes) bytes =
        g_bytes_new_take(g_malloc0(CVS_EVENT_LOG_MAX + 1), CVS_EVENT_LOG_MAX + 1);
    g_autoptr(GError) error = NULL;

    g_assert_null(cvs_event_log_parse(bytes, CVS_EVENT_LOG_AUTO, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
}

static void
check_filled(guint8 fill, gsize size, gboolean more)
{
    LogBuilder *builder = cc_log();
    g_autoptr(CvsEventLog) log = NULL;
    gsize end = 0;

    /* Data that end in the fill's byte must not be taken for fill. */
    log_builder_event(builder, 4, EV_POST_CODE, ALG_SHA384, "\xff\x00\xff", 3);
    log_builder_event(builder, 4, EV_POST_CODE, ALG_SHA384, &fill, 1);
    end = builder->len;
    log_builder_fill(builder, fill, size);
    if (more) {
        log_builder_u8(builder, 1);
        refused_as(builder, CVS_EVENT_LOG_CC, CVS_REASON_LOG_TRUNCATED, "");
        return;
    }
    log = parse_as(builder, CVS_EVENT_LOG_AUTO);
    g_assert_cmpint(cvs_event_log_format(log), ==, CVS_EVENT_LOG_CC);
    g_assert_cmpuint(cvs_event_log_size(log), ==, 2);
    g_assert_cmpuint(cvs_event_log_end(log), ==, end);
    g_assert_cmpuint(cvs_event_log_event(log, 1)->size, ==, 1);
}

static void
test_cc_fill(void)
{
    static const gsize sizes[] = {0, 1, 3, 4, 7, 8, 100};
    LogBuilder *log = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        check_filled(0x00, sizes[i], FALSE);
        check_filled(0xff, sizes[i], FALSE);
    }
    check_filled(0xff, 4, TRUE);

    /* The end marker and something behind it. */
    log = cc_log();
    log_builder_fill(log, 0xff, 20);
    log_builder_u8(log, 1);
    refused_as(log, CVS_EVENT_LOG_CC, CVS_REASON_LOG_MALFORMED, "digests");
    /* Index 0xffffffff alone is no end. */
    log = cc_log();
    log_builder_event(log, 0xffffffff, CVS_EV_NO_ACTION, ALG_SHA384, "vendor", 6);
    log_builder_event(log, 1, CVS_EV_SEPARATOR, ALG_SHA384, "\0\0\0", 4);
    {
        g_autoptr(CvsEventLog) parsed = parse_as(log, CVS_EVENT_LOG_AUTO);

        g_assert_cmpuint(cvs_event_log_size(parsed), ==, 2);
        g_assert_cmpint(cvs_event_log_event(parsed, 1)->reg, ==, 0);
    }
    /* A TPM's log is exact. */
    log = tpm_log();
    log_builder_event(log, 0, EV_POST_CODE, ALG_SHA256, "x", 1);
    log_builder_fill(log, 0xff, 64);
    malformed(log, "4294967295 digests");
    log = cc_log();
    log_builder_event(log, 7, EV_POST_CODE, ALG_SHA384, "x", 1);
    log_builder_fill(log, 0xff, 64);
    refused_as(log, CVS_EVENT_LOG_AUTO, CVS_REASON_LOG_TRUNCATED, "only fill is left");
}

static void
test_cc_indices(void)
{
    LogBuilder *builder = cc_log();
    g_autoptr(CvsEventLog) log = NULL;
    g_autoptr(CvsEventLog) old = NULL;
    CvsRegister registers[CVS_EVENT_LOG_REGISTERS];
    guint8 wanted[48];

    wanted_after_x(CVS_SHA384, 0, 0, wanted);
    for (guint i = 1; i <= 4; i++)
        log_builder_event(builder, i, EV_POST_CODE, ALG_SHA384, "x", 1);
    /* What does not extend may name MRTD. */
    log_builder_event(builder, 0, CVS_EV_NO_ACTION, ALG_SHA384, "SP800-155 Event3", 16);
    log = parse_as(builder, CVS_EVENT_LOG_AUTO);
    g_assert_cmpint(cvs_event_log_format(log), ==, CVS_EVENT_LOG_CC);
    g_assert_false(cvs_event_log_old_numbering(log));
    cvs_event_log_replay(log, CVS_SHA384, registers);
    for (guint i = 0; i < 4; i++)
        g_assert_cmpmem(registers[i].value, 48, wanted, 48);

    builder = cc_log();
    log_builder_event(builder, 5, EV_POST_CODE, ALG_SHA384, "x", 1);
    refused_as(builder, CVS_EVENT_LOG_CC, CVS_REASON_LOG_MALFORMED, "measurement register 5");

    /* Firmware that counts RTMRs. */
    builder = cc_log();
    log_builder_event(builder, 0, EV_POST_CODE, ALG_SHA384, "x", 1);
    log_builder_event(builder, 3, EV_POST_CODE, ALG_SHA384, "x", 1);
    old = parse_as(builder, CVS_EVENT_LOG_AUTO);
    g_assert_true(cvs_event_log_old_numbering(old));
    g_assert_cmpint(cvs_event_log_event(old, 0)->reg, ==, 0);
    g_assert_cmpint(cvs_event_log_event(old, 1)->reg, ==, 3);
    builder = cc_log();
    log_builder_event(builder, 0, EV_POST_CODE, ALG_SHA384, "x", 1);
    log_builder_event(builder, 4, EV_POST_CODE, ALG_SHA384, "x", 1);
    refused_as(builder, CVS_EVENT_LOG_AUTO, CVS_REASON_LOG_MALFORMED, "measurement register 4");
}

static void
test_separators(void)
{
    LogBuilder *builder = tpm_log();
    g_autoptr(CvsEventLog) log = NULL;
    g_autofree char *text = NULL;
    g_autofree char *error_text = NULL;

    log_builder_event(builder, 7, CVS_EV_EFI_VARIABLE_DRIVER_CONFIG, ALG_SHA256, "x", 1);
    log_builder_event(builder, 7, CVS_EV_SEPARATOR, ALG_SHA256, "\0\0\0", 4);
    log_builder_event(builder, 7, CVS_EV_EFI_VARIABLE_DRIVER_CONFIG, ALG_SHA256, "x", 1);
    log_builder_event(builder, 4, CVS_EV_SEPARATOR, ALG_SHA256, "\1\0\0", 4);
    log = parse_as(builder, CVS_EVENT_LOG_AUTO);
    g_assert_false(cvs_event_log_event(log, 0)->after_separator);
    g_assert_false(cvs_event_log_event(log, 1)->after_separator);
    g_assert_true(cvs_event_log_event(log, 2)->after_separator);
    g_assert_false(cvs_event_log_event(log, 3)->after_separator);
    text = cvs_event_describe(cvs_event_log_event(log, 1));
    error_text = cvs_event_describe(cvs_event_log_event(log, 3));
    g_assert_cmpstr(text, ==, "separator");
    g_assert_cmpstr(error_text, ==, "separator after an ERROR");
}

static void
test_explain(void)
{
    LogBuilder *builder = log_builder_new();
    g_autoptr(CvsEventLog) log = NULL;
    CvsRegister registers[CVS_EVENT_LOG_REGISTERS];
    guint8 zero[32] = {0};
    guint8 ones[32];
    guint8 earlier[32];
    int last = 0;

    memset(ones, 0xff, sizeof(ones));
    log_builder_header(builder, 0, ALG_SHA256, ALG_SHA384, 0);
    log_builder_event(builder, 4, EV_POST_CODE, ALG_SHA256, "x", 1);
    log_builder_event(builder, 5, EV_POST_CODE, ALG_SHA384, "x", 1);
    log_builder_event(builder, 4, EV_POST_CODE, ALG_SHA256, "y", 1);
    log = parse_as(builder, CVS_EVENT_LOG_AUTO);
    cvs_event_log_replay(log, CVS_SHA256, registers);

    g_assert_cmpint(cvs_event_log_explain(log, CVS_SHA256, 4, registers[4].value, &last), ==,
                    CVS_EXPLAIN_MATCH);
    g_assert_cmpint(last, ==, 2);
    wanted_after_x(CVS_SHA256, 0, 0, earlier);
    g_assert_cmpint(cvs_event_log_explain(log, CVS_SHA256, 4, earlier, &last), ==,
                    CVS_EXPLAIN_EARLIER);
    g_assert_cmpint(last, ==, 0);
    g_assert_cmpint(cvs_event_log_explain(log, CVS_SHA256, 4, zero, &last), ==,
                    CVS_EXPLAIN_EARLIER);
    g_assert_cmpint(last, ==, -1);
    g_assert_cmpint(cvs_event_log_explain(log, CVS_SHA256, 4, ones, &last), ==,
                    CVS_EXPLAIN_DIFFERS);
    g_assert_cmpint(last, ==, -1);
    g_assert_cmpint(cvs_event_log_explain(log, CVS_SHA256, 5, registers[5].value, NULL), ==,
                    CVS_EXPLAIN_INCOMPLETE);
    g_assert_cmpint(cvs_event_log_explain(log, CVS_SHA256, 6, zero, NULL), ==,
                    CVS_EXPLAIN_UNTOUCHED);
    g_assert_cmpint(cvs_event_log_explain(log, CVS_SHA256, 6, ones, NULL), ==,
                    CVS_EXPLAIN_NO_RECORD);
    g_assert_cmpint(cvs_event_log_explain(log, CVS_SHA256, 17, ones, NULL), ==,
                    CVS_EXPLAIN_UNTOUCHED);
    g_assert_cmpint(cvs_event_log_explain(log, CVS_SHA256, 17, zero, NULL), ==,
                    CVS_EXPLAIN_NO_RECORD);
    g_assert_cmpstr(cvs_explain_name(CVS_EXPLAIN_NO_RECORD), ==, "no-record");
}

static CvsEventProof
proof_of(guint32 type, const char *measured, gsize measured_size, const char *data, gsize size)
{
    LogBuilder *builder = tpm_log();
    g_autoptr(CvsEventLog) log = NULL;

    log_builder_event_over(builder, 9, type, ALG_SHA256, measured, measured_size, data, size);
    log = parse_as(builder, CVS_EVENT_LOG_AUTO);
    return cvs_event_log_proof(log, cvs_event_log_event(log, 0));
}

static void
check_proof(CvsEventProof proof, gboolean proven, gsize offset, gsize size)
{
    g_assert_cmpint(proof.proven, ==, proven);
    g_assert_cmpuint(proof.offset, ==, offset);
    g_assert_cmpuint(proof.size, ==, size);
}

static void
test_proofs(void)
{
    char variable[32 + 4 + 3] = {0};

    check_proof(proof_of(CVS_EV_IPL, "set a=1", 7, "grub_cmd: set a=1", 18), TRUE, 10, 7);
    check_proof(proof_of(CVS_EV_IPL, "quiet", 5, "kernel_cmdline: quiet", 22), TRUE, 16, 5);
    check_proof(proof_of(CVS_EV_IPL, "MokList", 7, "MokList", 8), TRUE, 0, 7);
    check_proof(proof_of(CVS_EV_IPL, "contents", 8, "/boot/vmlinuz", 14), FALSE, 0, 0);
    check_proof(proof_of(CVS_EV_IPL, "a\0b", 4, "a\0b", 4), TRUE, 0, 4);
    /* The part that other kinds have is not tried for this one. */
    check_proof(proof_of(CVS_EV_EFI_ACTION, "set a=1", 7, "grub_cmd: set a=1", 18), FALSE, 0, 0);
    check_proof(proof_of(CVS_EV_EFI_BOOT_SERVICES_APPLICATION, "x", 1, "x", 1), FALSE, 0, 0);
    check_proof(proof_of(CVS_EV_EVENT_TAG, "xyz", 3, "12345678xyz", 11), TRUE, 8, 3);

    variable[16] = 2;
    variable[24] = 3;
    memcpy(variable + 36, "dat", 3);
    check_proof(proof_of(CVS_EV_EFI_VARIABLE_BOOT, "dat", 3, variable, 39), TRUE, 36, 3);
    check_proof(proof_of(CVS_EV_EFI_VARIABLE_BOOT, variable, 39, variable, 39), TRUE, 0, 39);
    check_proof(proof_of(CVS_EV_EFI_VARIABLE_BOOT2, "dat", 3, variable, 39), FALSE, 0, 0);
    /* Lengths that lie must not lead outside of the data. */
    variable[31] = (char)0xff;
    check_proof(proof_of(CVS_EV_EFI_VARIABLE_BOOT, "dat", 3, variable, 39), FALSE, 0, 0);
    variable[31] = 0;
    variable[23] = (char)0x80;
    check_proof(proof_of(CVS_EV_EFI_VARIABLE_BOOT, "dat", 3, variable, 39), FALSE, 0, 0);
}

/* One bank tells the truth and the other does not. */
static void
test_proof_of_all_banks(void)
{
    LogBuilder *builder = log_builder_new();
    g_autoptr(CvsEventLog) log = NULL;
    guint8 digest[CVS_DIGEST_MAX];

    log_builder_header(builder, 0, ALG_SHA256, ALG_SHA384, 0);
    for (guint i = 0; i < 2; i++) {
        log_builder_u32(builder, 5);
        log_builder_u32(builder, CVS_EV_EFI_ACTION);
        log_builder_u32(builder, 2);
        log_builder_u16(builder, ALG_SHA256);
        cvs_hash_bytes(CVS_SHA256, "x", 1, digest);
        log_builder_bytes(builder, digest, 32);
        log_builder_u16(builder, ALG_SHA384);
        cvs_hash_bytes(CVS_SHA384, i == 0 ? "x" : "y", 1, digest);
        log_builder_bytes(builder, digest, 48);
        log_builder_u32(builder, 1);
        log_builder_bytes(builder, "x", 1);
    }
    log = parse_as(builder, CVS_EVENT_LOG_AUTO);
    g_assert_true(cvs_event_log_proof(log, cvs_event_log_event(log, 0)).proven);
    g_assert_false(cvs_event_log_proof(log, cvs_event_log_event(log, 1)).proven);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tee/eventlog/start-values", test_start_values);
    g_test_add_func("/tee/eventlog/locality-refused", test_locality_refused);
    g_test_add_func("/tee/eventlog/no-action", test_no_action);
    g_test_add_func("/tee/eventlog/header", test_header);
    g_test_add_func("/tee/eventlog/digests", test_digests);
    g_test_add_func("/tee/eventlog/huge-sizes", test_huge_sizes);
    g_test_add_func("/tee/eventlog/too-large", test_too_large);
    g_test_add_func("/tee/eventlog/cc-fill", test_cc_fill);
    g_test_add_func("/tee/eventlog/cc-indices", test_cc_indices);
    g_test_add_func("/tee/eventlog/separators", test_separators);
    g_test_add_func("/tee/eventlog/explain", test_explain);
    g_test_add_func("/tee/eventlog/proofs", test_proofs);
    g_test_add_func("/tee/eventlog/proof-of-all-banks", test_proof_of_all_banks);
    return g_test_run();
}
