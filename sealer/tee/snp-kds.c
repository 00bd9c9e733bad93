/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/snp-kds.h"
#include "base/hex.h"

#define KDS "https://kdsintf.amd.com"

char *
cvs_snp_kds_vcek_url(const CvsSnpReport *report, CvsSnpLine line)
{
    CvsSnpTcbLayout layout = cvs_snp_line_layout(line);
    CvsSnpTcb tcb = cvs_snp_tcb_decode(report->reported_tcb, layout);
    g_autofree char *chip = NULL;
    g_autofree char *fmc = NULL;

    if (layout == CVS_SNP_TCB_UNKNOWN || report->chip_id_zero ||
        report->signing_key != CVS_SNP_SIGNER_VCEK)
        return NULL;
    chip = cvs_hex_encode(report->chip_id, layout == CVS_SNP_TCB_TURIN ? CVS_SNP_TURIN_HWID_SIZE
                                                                       : CVS_SNP_CHIP_ID_SIZE);
    fmc = layout == CVS_SNP_TCB_TURIN ? g_strdup_printf("fmcSPL=%02u&", tcb.fmc) : g_strdup("");
    return g_strdup_printf(KDS "/vcek/v1/%s/%s?%sblSPL=%02u&teeSPL=%02u&snpSPL=%02u&ucodeSPL=%02u",
                           cvs_snp_line_name(line), chip, fmc, tcb.bootloader, tcb.tee, tcb.snp,
                           tcb.microcode);
}
