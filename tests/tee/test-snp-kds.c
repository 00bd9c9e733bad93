/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "snp-maker.h"
#include "tee/snp-kds.h"

#include <string.h>

static CvsSnpReport
report_of(CvsSnpLine line, guint version, guint8 signer)
{
    guint8 bytes[CVS_SNP_REPORT_SIZE];
    CvsSnpReport report = {0};

    snp_make_report(bytes, line, version);
    bytes[0x48] = (guint8)(signer << 2);
    /* REPORTED_TCB is the one that counts, not CURRENT_TCB. */
    bytes[0x38 + 7]++;
    g_assert_true(cvs_snp_report_parse(bytes, sizeof bytes, &report, NULL));
    return report;
}

static void
test_urls(void)
{
    CvsSnpReport milan = report_of(CVS_SNP_LINE_MILAN, 2, CVS_SNP_SIGNER_VCEK);
    CvsSnpReport turin = report_of(CVS_SNP_LINE_TURIN, 5, CVS_SNP_SIGNER_VCEK);
    g_autofree char *chip = g_strnfill(128, 'x');
    g_autofree char *legacy = cvs_snp_kds_vcek_url(&milan, CVS_SNP_LINE_MILAN);
    g_autofree char *genoa = cvs_snp_kds_vcek_url(&milan, CVS_SNP_LINE_GENOA);
    g_autofree char *fmc = cvs_snp_kds_vcek_url(&turin, CVS_SNP_LINE_TURIN);
    g_autofree char *wanted = NULL;

    for (gsize i = 0; i < 128; i++)
        chip[i] = "c1"[i % 2];
    wanted = g_strdup_printf("https://kdsintf.amd.com/vcek/v1/Milan/%s"
                             "?blSPL=04&teeSPL=01&snpSPL=24&ucodeSPL=219",
                             chip);
    g_assert_cmpstr(legacy, ==, wanted);
    g_assert_nonnull(strstr(genoa, "/vcek/v1/Genoa/"));
    g_assert_cmpstr(fmc, ==,
                    "https://kdsintf.amd.com/vcek/v1/Turin/c1c1c1c1c1c1c1c1"
                    "?fmcSPL=01&blSPL=03&teeSPL=02&snpSPL=05&ucodeSPL=97");
}

static void
test_none(void)
{
    CvsSnpReport report = report_of(CVS_SNP_LINE_MILAN, 3, CVS_SNP_SIGNER_VLEK);

    g_assert_null(cvs_snp_kds_vcek_url(&report, CVS_SNP_LINE_MILAN));
    report = report_of(CVS_SNP_LINE_MILAN, 3, CVS_SNP_SIGNER_VCEK);
    g_assert_null(cvs_snp_kds_vcek_url(&report, CVS_SNP_LINE_UNKNOWN));
    report.chip_id_zero = TRUE;
    g_assert_null(cvs_snp_kds_vcek_url(&report, CVS_SNP_LINE_MILAN));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tee/snp-kds/urls", test_urls);
    g_test_add_func("/tee/snp-kds/none", test_none);
    return g_test_run();
}
