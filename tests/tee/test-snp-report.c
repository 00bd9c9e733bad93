/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/hex.h"
#include "snp-vectors.h"
#include "tee/snp-report.h"

#include <string.h>

#define R "reports/"

/* From the README beside the captures. */
static const struct {
    const char *name;
    guint32 version;
    CvsSnpLine line;
    CvsSnpTcbLayout layout;
    guint32 vmpl;
    guint8 signer;
    guint64 policy;
    guint64 platform_info;
    guint8 firmware[3];
    const char *fms;
    const char *tcbs[4]; /* current, committed, reported, launch */
    guint64 mit;
    const char *chip_id; /* its first 8 bytes */
} captures[] = {
    {R "milan-v2-debug.report.bin",
     2,
     CVS_SNP_LINE_UNKNOWN,
     CVS_SNP_TCB_LEGACY,
     0,
     0,
     0xb0000,
     0x1,
     {1, 49, 3},
     NULL,
     {"0200000000000544", "0200000000000544", "0200000000000544", "0200000000000544"},
     0,
     "3ac3fe21e13fb099"},
    {R "milan-v2.report.bin",
     2,
     CVS_SNP_LINE_UNKNOWN,
     CVS_SNP_TCB_LEGACY,
     0,
     0,
     0x30000,
     0x1,
     {1, 52, 4},
     NULL,
     {"0300000000000873", "0300000000000873", "0300000000000873", "0300000000000873"},
     0,
     "d49554ec717f4e5b"},
    {R "milan-v3-vlek-vmpl1.report.bin",
     3,
     CVS_SNP_LINE_MILAN,
     CVS_SNP_TCB_LEGACY,
     1,
     1,
     0x30000,
     0x27,
     {1, 55, 29},
     "190101",
     {"04000000000018dc", "04000000000018db", "04000000000018d9", "04000000000018db"},
     0,
     "0000000000000000"},
    {R "milan-v3.report.bin",
     3,
     CVS_SNP_LINE_MILAN,
     CVS_SNP_TCB_LEGACY,
     0,
     0,
     0x3001f,
     0x25,
     {1, 55, 29},
     "190101",
     {"04000000000018db", "04000000000018db", "04000000000018db", "04000000000018db"},
     0,
     "4ffb5cb4fd594f3f"},
    {R "milan-v3-b.report.bin",
     3,
     CVS_SNP_LINE_MILAN,
     CVS_SNP_TCB_LEGACY,
     0,
     0,
     0x30000,
     0x25,
     {1, 55, 29},
     "190101",
     {"04000000000018db", "04000000000018db", "04000000000018db", "04000000000018db"},
     0,
     "a3fdc2c64dc299ab"},
    {R "milan-v4-novcek.report.bin",
     4,
     CVS_SNP_LINE_MILAN,
     CVS_SNP_TCB_LEGACY,
     0,
     0,
     0x30000,
     0x25,
     {1, 55, 31},
     "190101",
     {"04000000000019db", "04000000000019db", "04000000000019db", "04000000000019db"},
     0,
     "12d937a2e0fa6469"},
    {R "genoa-v2-novcek.report.bin",
     2,
     CVS_SNP_LINE_UNKNOWN,
     CVS_SNP_TCB_LEGACY,
     0,
     0,
     0x30000,
     0x1,
     {1, 55, 21},
     NULL,
     {"0700000000000e44", "0700000000000e44", "0700000000000e44", "0700000000000e44"},
     0,
     "d932d021261a3010"},
    {R "genoa-v3.report.bin",
     3,
     CVS_SNP_LINE_GENOA,
     CVS_SNP_TCB_LEGACY,
     0,
     0,
     0x3001f,
     0x27,
     {1, 55, 40},
     "191101",
     {"0a00000000001754", "0a00000000001754", "0a00000000001754", "0a00000000001754"},
     0,
     "b1e24a27bbc3a4d5"},
    {R "genoa-v3-b.report.bin",
     3,
     CVS_SNP_LINE_GENOA,
     CVS_SNP_TCB_LEGACY,
     0,
     0,
     0x30000,
     0x25,
     {1, 55, 39},
     "191101",
     {"0900000000001748", "0900000000001748", "0900000000001748", "0900000000001748"},
     0,
     "9dc99962c063029e"},
    {R "genoa-modela0-v3.report.bin",
     3,
     CVS_SNP_LINE_GENOA,
     CVS_SNP_TCB_LEGACY,
     0,
     0,
     0x30000,
     0x25,
     {1, 55, 40},
     "19a002",
     {"0a00000000001719", "0a00000000001719", "0a00000000001719", "0a00000000001719"},
     0,
     "371c55d6d15cb50f"},
    {R "turin-v5.report.bin",
     5,
     CVS_SNP_LINE_TURIN,
     CVS_SNP_TCB_TURIN,
     0,
     0,
     0x30000,
     0x65,
     {1, 58, 3},
     "1a0201",
     {"0103020500000061", "0103020500000061", "0103020500000061", "0103020500000061"},
     0x3f,
     "0910b4f884ff4ba9"},
    {R "turin-v5-mit0.report.bin",
     5,
     CVS_SNP_LINE_TURIN,
     CVS_SNP_TCB_TURIN,
     0,
     0,
     0x30000,
     0x67,
     {1, 55, 61},
     "1a0201",
     {"0001000200000047", "0001000200000047", "0001000200000047", "0001000200000047"},
     0,
     "3b42092f69c656d3"},
};

static void
assert_hex(const guint8 *bytes, gsize size, const char *wanted)
{
    g_autofree char *hex = cvs_hex_encode(bytes, size);

    g_assert_cmpstr(hex, ==, wanted);
}

static CvsSnpReport
parse(GBytes *bytes)
{
    g_autoptr(GError) error = NULL;
    CvsSnpReport report;
    gsize size = 0;
    const void *data = g_bytes_get_data(bytes, &size);

    (void)cvs_snp_report_parse(data, size, &report, &error);
    g_assert_no_error(error);
    return report;
}

static void
test_captures(void)
{
    if (!snp_vectors_present())
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(captures); i++) {
        g_autoptr(GBytes) bytes = snp_vector(captures[i].name);
        CvsSnpReport report = parse(bytes);

        g_test_message("%s", captures[i].name);
        g_assert_cmpuint(report.version, ==, captures[i].version);
        g_assert_cmpint(report.line, ==, captures[i].line);
        g_assert_cmpint(report.layout, ==, captures[i].layout);
        g_assert_cmpuint(report.vmpl, ==, captures[i].vmpl);
        g_assert_cmpuint(report.signing_key, ==, captures[i].signer);
        g_assert_cmphex(report.policy, ==, captures[i].policy);
        g_assert_cmphex(report.platform_info, ==, captures[i].platform_info);
        g_assert_cmpuint(report.current.major, ==, captures[i].firmware[0]);
        g_assert_cmpuint(report.current.minor, ==, captures[i].firmware[1]);
        g_assert_cmpuint(report.current.build, ==, captures[i].firmware[2]);
        g_assert_cmpint(report.has_cpuid, ==, captures[i].fms != NULL);
        if (captures[i].fms) {
            const guint8 fms[] = {report.cpuid_family, report.cpuid_model, report.cpuid_stepping};

            assert_hex(fms, sizeof fms, captures[i].fms);
        }
        assert_hex(report.current_tcb, 8, captures[i].tcbs[0]);
        assert_hex(report.committed_tcb, 8, captures[i].tcbs[1]);
        assert_hex(report.reported_tcb, 8, captures[i].tcbs[2]);
        assert_hex(report.launch_tcb, 8, captures[i].tcbs[3]);
        g_assert_cmpint(report.has_mit_vectors, ==, captures[i].version >= 5);
        g_assert_cmphex(report.launch_mit_vector, ==, captures[i].mit);
        g_assert_cmphex(report.current_mit_vector, ==, captures[i].mit);
        assert_hex(report.chip_id, 8, captures[i].chip_id);
        g_assert_cmpint(report.chip_id_zero, ==, captures[i].signer == CVS_SNP_SIGNER_VLEK);
        g_assert_false(report.author_key_en);
        g_assert_false(report.mask_chip_key);
    }
}

/* A report of our own making, so that the form is tested without the captures too. */
static void
make_report(guint8 report[static CVS_SNP_REPORT_SIZE], guint32 version)
{
    memset(report, 0, CVS_SNP_REPORT_SIZE);
    report[0] = (guint8)version;
    report[0x0a] = 0x03; /* POLICY: SMT, bit 17 */
    report[0x34] = 1;    /* SIGNATURE_ALGO */
    report[0x188] = version >= 3 ? 0x19 : 0;
    report[0x189] = version >= 3 ? 0x01 : 0;
    memset(report + 0x1a0, 0xc1, 64);
}

static gboolean
parses(const guint8 *data, gsize size, const char *message)
{
    g_autoptr(GError) error = NULL;
    CvsSnpReport report;
    CvsSnpReport before;
    gboolean ok = FALSE;

    memset(&report, 0xa5, sizeof report);
    before = report;
    ok = cvs_snp_report_parse(data, size, &report, &error);
    if (ok) {
        g_assert_no_error(error);
        return TRUE;
    }
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    g_assert_cmpmem(&report, sizeof report, &before, sizeof before);
    if (message && strstr(error->message, message) == NULL)
        g_error("\"%s\" is not in \"%s\"", message, error->message);
    return FALSE;
}

static void
test_sizes(void)
{
    guint8 report[CVS_SNP_REPORT_SIZE + 1] = {0};

    make_report(report, 3);
    for (gsize size = 0; size < CVS_SNP_REPORT_SIZE; size++) {
        /* A copy of its own, so that valgrind and ASan see a read past the end. */
        g_autofree guint8 *cut = g_memdup2(report, size);

        g_assert_false(parses(cut, size, "has exactly 1184"));
    }
    g_assert_true(parses(report, CVS_SNP_REPORT_SIZE, NULL));
    g_assert_false(parses(report, CVS_SNP_REPORT_SIZE + 1, "1185 bytes"));
}

static void
test_versions(void)
{
    guint8 report[CVS_SNP_REPORT_SIZE];

    for (guint version = 0; version < 256; version++) {
        make_report(report, version);
        g_assert_cmpint(parses(report, sizeof report, "versions 2 to 5 are understood"), ==,
                        version >= 2 && version <= 5);
    }
    make_report(report, 3);
    report[3] = 1;
    g_assert_false(parses(report, sizeof report, "version 16777219"));
}

/* Every byte that must be zero, in every version: exactly those, no more and no less. */
static gboolean
is_reserved(guint version, gsize offset)
{
    const struct {
        gsize first, last;
        guint from, to;
    } ranges[] = {
        {0x00c, 0x00f, 2, 5}, /* POLICY 63:32 */
        {0x049, 0x04f, 2, 5}, /* FLAGS 31:8, reserved */
        {0x188, 0x19f, 2, 2}, {0x18b, 0x19f, 3, 5}, {0x1eb, 0x1eb, 2, 5}, {0x1ef, 0x1ef, 2, 5},
        {0x1f8, 0x29f, 2, 4}, {0x208, 0x29f, 5, 5}, {0x2d0, 0x2e7, 2, 5}, {0x318, 0x49f, 2, 5},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(ranges); i++) {
        if (ranges[i].from <= version && version <= ranges[i].to && ranges[i].first <= offset &&
            offset <= ranges[i].last)
            return TRUE;
    }
    return FALSE;
}

static void
test_reserved(void)
{
    guint8 report[CVS_SNP_REPORT_SIZE];

    for (guint version = 2; version <= 5; version++) {
        for (gsize offset = 4; offset < sizeof report; offset++) {
            make_report(report, version);
            report[offset] ^= 0x01;
            if (offset == 0x34) /* SIGNATURE_ALGO 0 */
                g_assert_false(parses(report, sizeof report, "SIGNATURE_ALGO"));
            else if (offset > 0x34 && offset < 0x38)
                g_assert_false(parses(report, sizeof report, "SIGNATURE_ALGO"));
            else
                g_assert_cmpint(parses(report, sizeof report, NULL), !=,
                                is_reserved(version, offset));
        }
    }
}

static void
test_bits(void)
{
    guint8 report[CVS_SNP_REPORT_SIZE];

    for (guint bit = 0; bit < 64; bit++) {
        make_report(report, 5);
        report[8 + bit / 8] ^= (guint8)(1 << bit % 8);
        g_assert_cmpint(parses(report, sizeof report, bit == 17 ? "bit 17" : "bits 63:26"), ==,
                        bit != 17 && bit < 26);
        make_report(report, 5);
        report[0x40 + bit / 8] ^= (guint8)(1 << bit % 8);
        g_assert_true(parses(report, sizeof report, NULL)); /* PLATFORM_INFO: all are taken */
    }
    for (guint bit = 0; bit < 32; bit++) {
        make_report(report, 5);
        report[0x48 + bit / 8] ^= (guint8)(1 << bit % 8);
        g_assert_cmpint(parses(report, sizeof report, "bits 31:5"), ==, bit < 5);
    }
}

static void
test_flags(void)
{
    guint8 bytes[CVS_SNP_REPORT_SIZE];
    g_autoptr(GBytes) all = NULL;
    CvsSnpReport report;

    make_report(bytes, 3);
    bytes[0x48] = 0x03 | 5 << 2;
    all = g_bytes_new_static(bytes, sizeof bytes);
    report = parse(all);
    g_assert_true(report.author_key_en);
    g_assert_true(report.mask_chip_key);
    g_assert_cmpuint(report.signing_key, ==, 5);
}

static void
test_signature_is_turned(void)
{
    guint8 bytes[CVS_SNP_REPORT_SIZE];
    g_autoptr(GBytes) all = NULL;
    CvsSnpReport report;

    make_report(bytes, 3);
    for (guint i = 0; i < 48; i++) {
        bytes[0x2a0 + i] = (guint8)i;
        bytes[0x2e8 + i] = (guint8)(100 + i);
    }
    all = g_bytes_new_static(bytes, sizeof bytes);
    report = parse(all);
    for (guint i = 0; i < 48; i++) {
        g_assert_cmpuint(report.signature_r[i], ==, 47 - i);
        g_assert_cmpuint(report.signature_s[i], ==, 147 - i);
    }
}

static void
test_layout_of_version_2(void)
{
    guint8 bytes[CVS_SNP_REPORT_SIZE] = {0};
    g_autoptr(GBytes) all = g_bytes_new_static(bytes, sizeof bytes);
    CvsSnpReport report;

    make_report(bytes, 2);
    report = parse(all);
    g_assert_cmpint(report.layout, ==, CVS_SNP_TCB_LEGACY);
    g_assert_false(report.chip_id_zero);

    memset(bytes + 0x1a8, 0, 56);
    report = parse(all);
    g_assert_cmpint(report.layout, ==, CVS_SNP_TCB_TURIN);

    memset(bytes + 0x1a0, 0, 64);
    report = parse(all);
    g_assert_cmpint(report.layout, ==, CVS_SNP_TCB_UNKNOWN);
    g_assert_true(report.chip_id_zero);
}

static void
test_lines(void)
{
    const struct {
        guint8 family, model;
        CvsSnpLine line;
    } cpus[] = {
        {0x19, 0x00, CVS_SNP_LINE_MILAN},   {0x19, 0x0f, CVS_SNP_LINE_MILAN},
        {0x19, 0x10, CVS_SNP_LINE_GENOA},   {0x19, 0x1f, CVS_SNP_LINE_GENOA},
        {0x19, 0x20, CVS_SNP_LINE_UNKNOWN}, {0x19, 0x9f, CVS_SNP_LINE_UNKNOWN},
        {0x19, 0xa0, CVS_SNP_LINE_GENOA},   {0x19, 0xaf, CVS_SNP_LINE_GENOA},
        {0x19, 0xb0, CVS_SNP_LINE_UNKNOWN}, {0x1a, 0x00, CVS_SNP_LINE_TURIN},
        {0x1a, 0x11, CVS_SNP_LINE_TURIN},   {0x1a, 0x12, CVS_SNP_LINE_UNKNOWN},
        {0x1a, 0x50, CVS_SNP_LINE_VENICE},  {0x1a, 0x57, CVS_SNP_LINE_VENICE},
        {0x1a, 0x58, CVS_SNP_LINE_UNKNOWN}, {0x1a, 0x90, CVS_SNP_LINE_VENICE},
        {0x1a, 0xaf, CVS_SNP_LINE_VENICE},  {0x1a, 0xb0, CVS_SNP_LINE_UNKNOWN},
        {0x1a, 0xc0, CVS_SNP_LINE_VENICE},  {0x1a, 0xc7, CVS_SNP_LINE_VENICE},
        {0x1a, 0xc8, CVS_SNP_LINE_UNKNOWN}, {0x17, 0x01, CVS_SNP_LINE_UNKNOWN},
    };
    guint8 bytes[CVS_SNP_REPORT_SIZE] = {0};
    g_autoptr(GBytes) all = g_bytes_new_static(bytes, sizeof bytes);

    for (gsize i = 0; i < G_N_ELEMENTS(cpus); i++) {
        CvsSnpReport report;

        g_assert_cmpint(cvs_snp_line_from_cpuid(cpus[i].family, cpus[i].model), ==, cpus[i].line);
        make_report(bytes, 5);
        bytes[0x188] = cpus[i].family;
        bytes[0x189] = cpus[i].model;
        report = parse(all);
        g_assert_cmpint(report.line, ==, cpus[i].line);
        g_assert_cmpint(report.layout, ==,
                        cpus[i].family == 0x19   ? CVS_SNP_TCB_LEGACY
                        : cpus[i].family == 0x1a ? CVS_SNP_TCB_TURIN
                                                 : CVS_SNP_TCB_UNKNOWN);
        if (report.line != CVS_SNP_LINE_UNKNOWN)
            g_assert_cmpint(cvs_snp_line_layout(report.line), ==, report.layout);
    }
    for (int line = 1; line < CVS_SNP_N_LINES; line++)
        g_assert_cmpint(cvs_snp_line_from_name(cvs_snp_line_name((CvsSnpLine)line)), ==, line);
    g_assert_cmpint(cvs_snp_line_from_name("unknown"), ==, CVS_SNP_LINE_UNKNOWN);
    g_assert_cmpint(cvs_snp_line_from_name("milan"), ==, CVS_SNP_LINE_UNKNOWN);
}

static void
test_tcb(void)
{
    const guint8 bytes[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    CvsSnpTcb legacy = cvs_snp_tcb_decode(bytes, CVS_SNP_TCB_LEGACY);
    CvsSnpTcb turin = cvs_snp_tcb_decode(bytes, CVS_SNP_TCB_TURIN);
    CvsSnpTcb unknown = cvs_snp_tcb_decode(bytes, CVS_SNP_TCB_UNKNOWN);
    const CvsSnpTcb wanted_legacy = {0, 1, 2, 7, 8, {3, 4, 5, 6}};
    const CvsSnpTcb wanted_turin = {1, 2, 3, 4, 8, {5, 6, 7, 0}};
    const CvsSnpTcb zero = {0};
    g_autofree char *legacy_text = cvs_snp_tcb_describe(&legacy, CVS_SNP_TCB_LEGACY);
    g_autofree char *turin_text = NULL;

    g_assert_true(cvs_snp_tcb_equal(&legacy, &wanted_legacy));
    g_assert_true(cvs_snp_tcb_equal(&turin, &wanted_turin));
    g_assert_true(cvs_snp_tcb_equal(&unknown, &zero));
    g_assert_cmpstr(legacy_text, ==, "bootloader 1, tee 2, snp 7, microcode 8, reserved 3 4 5 6");
    memset(turin.reserved, 0, sizeof turin.reserved);
    turin_text = cvs_snp_tcb_describe(&turin, CVS_SNP_TCB_TURIN);
    g_assert_cmpstr(turin_text, ==, "fmc 1, bootloader 2, tee 3, snp 4, microcode 8");

    /* Each byte is a component of its own in the comparison. */
    for (gsize i = 0; i < 8; i++) {
        guint8 other[8];

        memcpy(other, bytes, sizeof other);
        other[i]++;
        legacy = cvs_snp_tcb_decode(other, CVS_SNP_TCB_LEGACY);
        turin = cvs_snp_tcb_decode(other, CVS_SNP_TCB_TURIN);
        g_assert_false(cvs_snp_tcb_equal(&legacy, &wanted_legacy));
        g_assert_false(cvs_snp_tcb_equal(&turin, &wanted_turin));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tee/snp-report/captures", test_captures);
    g_test_add_func("/tee/snp-report/sizes", test_sizes);
    g_test_add_func("/tee/snp-report/versions", test_versions);
    g_test_add_func("/tee/snp-report/reserved", test_reserved);
    g_test_add_func("/tee/snp-report/bits", test_bits);
    g_test_add_func("/tee/snp-report/flags", test_flags);
    g_test_add_func("/tee/snp-report/signature", test_signature_is_turned);
    g_test_add_func("/tee/snp-report/layout-of-version-2", test_layout_of_version_2);
    g_test_add_func("/tee/snp-report/lines", test_lines);
    g_test_add_func("/tee/snp-report/tcb", test_tcb);
    return g_test_run();
}
