/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/snp-report.h"
#include "base/error.h"
#include "base/reader.h"

#include <string.h>

#define SIGNATURE_ALGO_ECDSA_P384_SHA384 1
#define SIGNATURE_COMPONENT_SIZE 72 /* little-endian, zero-extended from 48 */
#define POLICY_KNOWN G_GUINT64_CONSTANT(0x03ffffff)

static const struct {
    CvsSnpLine line;
    guint8 family;
    guint8 first;
    guint8 last;
} models[] = {
    {CVS_SNP_LINE_MILAN, 0x19, 0x00, 0x0f},  {CVS_SNP_LINE_GENOA, 0x19, 0x10, 0x1f},
    {CVS_SNP_LINE_GENOA, 0x19, 0xa0, 0xaf},  {CVS_SNP_LINE_TURIN, 0x1a, 0x00, 0x11},
    {CVS_SNP_LINE_VENICE, 0x1a, 0x50, 0x57}, {CVS_SNP_LINE_VENICE, 0x1a, 0x90, 0xaf},
    {CVS_SNP_LINE_VENICE, 0x1a, 0xc0, 0xc7},
};

static const char *const line_names[] = {
    [CVS_SNP_LINE_UNKNOWN] = "unknown", [CVS_SNP_LINE_MILAN] = "Milan",
    [CVS_SNP_LINE_GENOA] = "Genoa",     [CVS_SNP_LINE_TURIN] = "Turin",
    [CVS_SNP_LINE_VENICE] = "Venice",
};

CvsSnpLine
cvs_snp_line_from_cpuid(guint8 family, guint8 model)
{
    for (gsize i = 0; i < G_N_ELEMENTS(models); i++) {
        if (models[i].family == family && models[i].first <= model && model <= models[i].last)
            return models[i].line;
    }
    return CVS_SNP_LINE_UNKNOWN;
}

const char *
cvs_snp_line_name(CvsSnpLine line)
{
    return line_names[line];
}

CvsSnpLine
cvs_snp_line_from_name(const char *name)
{
    for (int line = CVS_SNP_LINE_UNKNOWN + 1; line < CVS_SNP_N_LINES; line++) {
        if (g_str_equal(line_names[line], name))
            return (CvsSnpLine)line;
    }
    return CVS_SNP_LINE_UNKNOWN;
}

CvsSnpTcbLayout
cvs_snp_line_layout(CvsSnpLine line)
{
    switch (line) {
    case CVS_SNP_LINE_MILAN:
    case CVS_SNP_LINE_GENOA:
        return CVS_SNP_TCB_LEGACY;
    case CVS_SNP_LINE_TURIN:
    case CVS_SNP_LINE_VENICE:
        return CVS_SNP_TCB_TURIN;
    default:
        return CVS_SNP_TCB_UNKNOWN;
    }
}

CvsSnpTcb
cvs_snp_tcb_decode(const guint8 bytes[static 8], CvsSnpTcbLayout layout)
{
    switch (layout) {
    case CVS_SNP_TCB_LEGACY:
        return (CvsSnpTcb){.bootloader = bytes[0],
                           .tee = bytes[1],
                           .reserved = {bytes[2], bytes[3], bytes[4], bytes[5]},
                           .snp = bytes[6],
                           .microcode = bytes[7]};
    case CVS_SNP_TCB_TURIN:
        return (CvsSnpTcb){.fmc = bytes[0],
                           .bootloader = bytes[1],
                           .tee = bytes[2],
                           .snp = bytes[3],
                           .reserved = {bytes[4], bytes[5], bytes[6], 0},
                           .microcode = bytes[7]};
    default:
        return (CvsSnpTcb){0};
    }
}

gboolean
cvs_snp_tcb_equal(const CvsSnpTcb *a, const CvsSnpTcb *b)
{
    return a->fmc == b->fmc && a->bootloader == b->bootloader && a->tee == b->tee &&
           a->snp == b->snp && a->microcode == b->microcode &&
           memcmp(a->reserved, b->reserved, sizeof a->reserved) == 0;
}

char *
cvs_snp_tcb_describe(const CvsSnpTcb *tcb, CvsSnpTcbLayout layout)
{
    GString *text = g_string_new(NULL);
    guint8 any = 0;

    if (layout == CVS_SNP_TCB_TURIN)
        g_string_append_printf(text, "fmc %u, ", tcb->fmc);
    g_string_append_printf(text, "bootloader %u, tee %u, snp %u, microcode %u", tcb->bootloader,
                           tcb->tee, tcb->snp, tcb->microcode);
    for (gsize i = 0; i < sizeof tcb->reserved; i++)
        any |= tcb->reserved[i];
    if (any)
        g_string_append_printf(text, ", reserved %u %u %u %u", tcb->reserved[0], tcb->reserved[1],
                               tcb->reserved[2], tcb->reserved[3]);
    return g_string_free(text, FALSE);
}

static gboolean
all_bytes(const guint8 *bytes, gsize size, guint8 value)
{
    for (gsize i = 0; i < size; i++) {
        if (bytes[i] != value)
            return FALSE;
    }
    return TRUE;
}

G_GNUC_PRINTF(3, 4)
static gboolean
malformed(GError **error, gsize offset, const char *format, ...)
{
    g_autofree char *text = NULL;
    va_list args;

    va_start(args, format);
    text = g_strdup_vprintf(format, args);
    va_end(args);
    g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "SNP report: offset 0x%03zx: %s", offset,
                text);
    return FALSE;
}

/* The field that a cut report ends in: a person looks for it in the table of the specification. */
static const char *
field_at(gsize offset)
{
    static const struct {
        gsize start;
        const char *name;
    } fields[] = {
        {0x000, "VERSION"},
        {0x004, "GUEST_SVN"},
        {0x008, "POLICY"},
        {0x010, "FAMILY_ID"},
        {0x020, "IMAGE_ID"},
        {0x030, "VMPL"},
        {0x034, "SIGNATURE_ALGO"},
        {0x038, "CURRENT_TCB"},
        {0x040, "PLATFORM_INFO"},
        {0x048, "FLAGS"},
        {0x04c, "reserved bytes"},
        {0x050, "REPORT_DATA"},
        {0x090, "MEASUREMENT"},
        {0x0c0, "HOST_DATA"},
        {0x0e0, "ID_KEY_DIGEST"},
        {0x110, "AUTHOR_KEY_DIGEST"},
        {0x140, "REPORT_ID"},
        {0x160, "REPORT_ID_MA"},
        {0x180, "REPORTED_TCB"},
        {0x188, "the CPUID fields"},
        {0x1a0, "CHIP_ID"},
        {0x1e0, "COMMITTED_TCB"},
        {0x1e8, "the firmware versions"},
        {0x1f0, "LAUNCH_TCB"},
        {0x1f8, "the mitigation vectors"},
        {0x208, "reserved bytes"},
        {0x2a0, "SIGNATURE"},
    };
    gsize i = G_N_ELEMENTS(fields) - 1;

    while (fields[i].start > offset)
        i--;
    return fields[i].name;
}

/* Reserved bytes are signed and zero today. What they will mean is not known, so that it cannot be
 * judged: a report that has something there is refused, not half understood. */
static gboolean
reserved(CvsReader *reader, gsize size, const char *field, GError **error)
{
    gsize offset = cvs_reader_pos(reader);

    if (!cvs_reader_skip_zero(reader, size))
        return malformed(error, offset, "%zu reserved bytes %s are not zero", size, field);
    return TRUE;
}

static gboolean
read_firmware(CvsReader *reader, CvsSnpFirmware *firmware, const char *field, GError **error)
{
    firmware->build = cvs_reader_u8(reader);
    firmware->minor = cvs_reader_u8(reader);
    firmware->major = cvs_reader_u8(reader);
    return reserved(reader, 1, field, error);
}

static gboolean
read_component(CvsReader *reader, guint8 dest[static CVS_SNP_ECDSA_SIZE], const char *field,
               GError **error)
{
    const guint8 *bytes = cvs_reader_bytes(reader, CVS_SNP_ECDSA_SIZE);

    for (gsize i = 0; bytes && i < CVS_SNP_ECDSA_SIZE; i++)
        dest[i] = bytes[CVS_SNP_ECDSA_SIZE - 1 - i];
    return reserved(reader, SIGNATURE_COMPONENT_SIZE - CVS_SNP_ECDSA_SIZE, field, error);
}

static gboolean
read_policy(CvsReader *reader, CvsSnpReport *report, GError **error)
{
    gsize offset = cvs_reader_pos(reader);

    report->policy = cvs_reader_u64_le(reader);
    if (!(report->policy & CVS_SNP_POLICY_MUST_BE_ONE))
        return malformed(error, offset, "POLICY 0x%" G_GINT64_MODIFIER "x: bit 17 must be one",
                         report->policy);
    if (report->policy & ~POLICY_KNOWN)
        return malformed(error, offset, "POLICY 0x%" G_GINT64_MODIFIER "x: bits 63:26 must be zero",
                         report->policy);
    return TRUE;
}

static gboolean
read_flags(CvsReader *reader, CvsSnpReport *report, GError **error)
{
    gsize offset = cvs_reader_pos(reader);
    guint32 flags = cvs_reader_u32_le(reader);

    if (flags >> 5)
        return malformed(error, offset, "FLAGS 0x%x: bits 31:5 must be zero", flags);
    report->author_key_en = flags & 1;
    report->mask_chip_key = flags >> 1 & 1;
    report->signing_key = flags >> 2 & 7;
    return reserved(reader, 4, "behind FLAGS", error);
}

static gboolean
read_cpuid(CvsReader *reader, CvsSnpReport *report, GError **error)
{
    report->has_cpuid = report->version >= 3;
    if (!report->has_cpuid)
        return reserved(reader, 24, "behind REPORTED_TCB", error);
    report->cpuid_family = cvs_reader_u8(reader);
    report->cpuid_model = cvs_reader_u8(reader);
    report->cpuid_stepping = cvs_reader_u8(reader);
    return reserved(reader, 21, "behind CPUID_STEP", error);
}

static gboolean
read_mit_vectors(CvsReader *reader, CvsSnpReport *report, GError **error)
{
    report->has_mit_vectors = report->version >= 5;
    if (!report->has_mit_vectors)
        return reserved(reader, 168, "behind LAUNCH_TCB", error);
    report->launch_mit_vector = cvs_reader_u64_le(reader);
    report->current_mit_vector = cvs_reader_u64_le(reader);
    return reserved(reader, 152, "behind CURRENT_MIT_VECTOR", error);
}

/* Version 2 does not say what CPU made it. A chip id of family 1Ah has 8 bytes; one of family 19h
 * has 64, which end in 56 zeros once in 2^448 chips. */
static void
conclude(CvsSnpReport *report)
{
    report->chip_id_zero = all_bytes(report->chip_id, sizeof report->chip_id, 0);
    if (report->has_cpuid) {
        report->line = cvs_snp_line_from_cpuid(report->cpuid_family, report->cpuid_model);
        report->layout = report->cpuid_family == 0x19   ? CVS_SNP_TCB_LEGACY
                         : report->cpuid_family == 0x1a ? CVS_SNP_TCB_TURIN
                                                        : CVS_SNP_TCB_UNKNOWN;
    } else if (!report->chip_id_zero) {
        report->layout = all_bytes(report->chip_id + CVS_SNP_TURIN_HWID_SIZE,
                                   sizeof report->chip_id - CVS_SNP_TURIN_HWID_SIZE, 0)
                             ? CVS_SNP_TCB_TURIN
                             : CVS_SNP_TCB_LEGACY;
    }
}

gboolean
cvs_snp_report_parse(const void *data, gsize size, CvsSnpReport *ret_report, GError **error)
{
    CvsSnpReport report = {0};
    CvsReader reader;
    guint32 algorithm = 0;

    if (size < CVS_SNP_REPORT_SIZE)
        return malformed(error, size, "it ends there, in %s: %zu bytes; a report has exactly %d",
                         field_at(size), size, CVS_SNP_REPORT_SIZE);
    if (size > CVS_SNP_REPORT_SIZE)
        return malformed(error, CVS_SNP_REPORT_SIZE,
                         "it goes on behind SIGNATURE: %zu bytes; a report has exactly %d", size,
                         CVS_SNP_REPORT_SIZE);
    cvs_reader_init(&reader, data, size);
    report.version = cvs_reader_u32_le(&reader);
    if (report.version < CVS_SNP_VERSION_MIN || report.version > CVS_SNP_VERSION_MAX)
        return malformed(error, 0, "report version %u; versions %d to %d are understood",
                         report.version, CVS_SNP_VERSION_MIN, CVS_SNP_VERSION_MAX);
    report.guest_svn = cvs_reader_u32_le(&reader);
    if (!read_policy(&reader, &report, error))
        return FALSE;
    (void)cvs_reader_copy(&reader, report.family_id, sizeof report.family_id);
    (void)cvs_reader_copy(&reader, report.image_id, sizeof report.image_id);
    report.vmpl = cvs_reader_u32_le(&reader);
    algorithm = cvs_reader_u32_le(&reader);
    if (algorithm != SIGNATURE_ALGO_ECDSA_P384_SHA384)
        return malformed(error, 0x034,
                         "SIGNATURE_ALGO %u; only 1, ECDSA P-384 with SHA-384, is "
                         "defined",
                         algorithm);
    (void)cvs_reader_copy(&reader, report.current_tcb, 8);
    report.platform_info = cvs_reader_u64_le(&reader);
    if (!read_flags(&reader, &report, error))
        return FALSE;
    (void)cvs_reader_copy(&reader, report.report_data, sizeof report.report_data);
    (void)cvs_reader_copy(&reader, report.measurement, sizeof report.measurement);
    (void)cvs_reader_copy(&reader, report.host_data, sizeof report.host_data);
    (void)cvs_reader_copy(&reader, report.id_key_digest, sizeof report.id_key_digest);
    (void)cvs_reader_copy(&reader, report.author_key_digest, sizeof report.author_key_digest);
    (void)cvs_reader_copy(&reader, report.report_id, sizeof report.report_id);
    (void)cvs_reader_copy(&reader, report.report_id_ma, sizeof report.report_id_ma);
    (void)cvs_reader_copy(&reader, report.reported_tcb, 8);
    if (!read_cpuid(&reader, &report, error))
        return FALSE;
    (void)cvs_reader_copy(&reader, report.chip_id, sizeof report.chip_id);
    (void)cvs_reader_copy(&reader, report.committed_tcb, 8);
    if (!read_firmware(&reader, &report.current, "behind CURRENT_MAJOR", error) ||
        !read_firmware(&reader, &report.committed, "behind COMMITTED_MAJOR", error))
        return FALSE;
    (void)cvs_reader_copy(&reader, report.launch_tcb, 8);
    if (!read_mit_vectors(&reader, &report, error) ||
        !read_component(&reader, report.signature_r, "behind the signature's R", error) ||
        !read_component(&reader, report.signature_s, "behind the signature's S", error) ||
        !reserved(&reader, 368, "behind the signature", error) ||
        !cvs_reader_finish(&reader, "SNP report", error))
        return FALSE;

    conclude(&report);
    *ret_report = report;
    return TRUE;
}
