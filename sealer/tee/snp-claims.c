/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/snp-claims.h"

#include <string.h>

typedef struct {
    const char *name;
    guint64 bit;
} Bit;

static void
set_bits(json_t *claims, const Bit *bits, gsize n_bits, guint64 value)
{
    for (gsize i = 0; i < n_bits; i++)
        cvs_claims_set_bool(claims, bits[i].name, (value & bits[i].bit) != 0);
}

static void
set_policy(json_t *claims, guint64 policy)
{
    static const Bit bits[] = {
        {"tee.policy.smt", CVS_SNP_POLICY_SMT},
        {"tee.policy.migrate_ma", CVS_SNP_POLICY_MIGRATE_MA},
        {"tee.policy.debug", CVS_SNP_POLICY_DEBUG},
        {"tee.policy.single_socket", CVS_SNP_POLICY_SINGLE_SOCKET},
        {"tee.policy.cxl", CVS_SNP_POLICY_CXL_ALLOW},
        {"tee.policy.mem_aes_256_xts", CVS_SNP_POLICY_MEM_AES_256_XTS},
        {"tee.policy.rapl_dis", CVS_SNP_POLICY_RAPL_DIS},
        {"tee.policy.ciphertext_hiding", CVS_SNP_POLICY_CIPHERTEXT_HIDING},
        {"tee.policy.page_swap_disable", CVS_SNP_POLICY_PAGE_SWAP_DISABLE},
    };

    cvs_claims_set_mask(claims, "tee.policy", policy);
    cvs_claims_set_int(claims, "tee.policy.abi_minor", (gint64)(policy & 0xff));
    cvs_claims_set_int(claims, "tee.policy.abi_major", (gint64)(policy >> 8 & 0xff));
    set_bits(claims, bits, G_N_ELEMENTS(bits), policy);
}

static void
set_platform_info(json_t *claims, guint64 info)
{
    static const Bit bits[] = {
        {"tee.platform_info.smt", CVS_SNP_PLATFORM_SMT_EN},
        {"tee.platform_info.tsme", CVS_SNP_PLATFORM_TSME_EN},
        {"tee.platform_info.ecc", CVS_SNP_PLATFORM_ECC_EN},
        {"tee.platform_info.rapl_dis", CVS_SNP_PLATFORM_RAPL_DIS},
        {"tee.platform_info.ciphertext_hiding", CVS_SNP_PLATFORM_CIPHERTEXT_HIDING_EN},
        {"tee.platform_info.alias_check_complete", CVS_SNP_PLATFORM_ALIAS_CHECK_COMPLETE},
        {"tee.platform_info.tio", CVS_SNP_PLATFORM_TIO_EN},
    };

    cvs_claims_set_mask(claims, "tee.platform_info", info);
    cvs_claims_set_mask(claims, "tee.platform_info.unknown",
                        info & ~(guint64)CVS_SNP_PLATFORM_KNOWN);
    set_bits(claims, bits, G_N_ELEMENTS(bits), info);
}

static void
set_part(json_t *claims, const char *prefix, const char *which, const char *part, gint64 value)
{
    char name[64];

    (void)g_snprintf(name, sizeof name, "%s.%s.%s", prefix, which, part);
    cvs_claims_set_int(claims, name, value);
}

static void
set_tcb(json_t *claims, const char *which, const guint8 bytes[static 8], CvsSnpTcbLayout layout)
{
    CvsSnpTcb tcb = cvs_snp_tcb_decode(bytes, layout);

    if (layout == CVS_SNP_TCB_UNKNOWN)
        return;
    if (layout == CVS_SNP_TCB_TURIN)
        set_part(claims, "tee.tcb", which, "fmc", tcb.fmc);
    set_part(claims, "tee.tcb", which, "bootloader", tcb.bootloader);
    set_part(claims, "tee.tcb", which, "tee", tcb.tee);
    set_part(claims, "tee.tcb", which, "snp", tcb.snp);
    set_part(claims, "tee.tcb", which, "microcode", tcb.microcode);
}

static void
set_firmware(json_t *claims, const char *which, const CvsSnpFirmware *firmware)
{
    set_part(claims, "tee.firmware", which, "major", firmware->major);
    set_part(claims, "tee.firmware", which, "minor", firmware->minor);
    set_part(claims, "tee.firmware", which, "build", firmware->build);
}

static const char *
signer_name(guint8 signing_key)
{
    switch (signing_key) {
    case CVS_SNP_SIGNER_VCEK:
        return "vcek";
    case CVS_SNP_SIGNER_VLEK:
        return "vlek";
    case CVS_SNP_SIGNER_NONE:
        return "none";
    default:
        return "reserved";
    }
}

static gboolean
has_migration_agent(const CvsSnpReport *report)
{
    for (gsize i = 0; i < sizeof report->report_id_ma; i++) {
        if (report->report_id_ma[i] != 0xff)
            return TRUE;
    }
    return FALSE;
}

json_t *
cvs_snp_claims_new(const CvsSnpReport *report, CvsSnpLine line)
{
    json_t *claims = json_object();
    CvsSnpTcbLayout layout =
        report->layout != CVS_SNP_TCB_UNKNOWN ? report->layout : cvs_snp_line_layout(line);

    cvs_claims_set_string(claims, "tee.type", "snp");
    cvs_claims_set_int(claims, "tee.report_version", report->version);
    if (line != CVS_SNP_LINE_UNKNOWN)
        cvs_claims_set_string(claims, "tee.line", cvs_snp_line_name(line));
    if (report->has_cpuid) {
        const guint8 cpuid[] = {report->cpuid_family, report->cpuid_model, report->cpuid_stepping};

        cvs_claims_set_hex(claims, "tee.cpuid", cpuid, sizeof cpuid);
    }
    cvs_claims_set_int(claims, "tee.guest_svn", report->guest_svn);
    set_policy(claims, report->policy);
    cvs_claims_set_hex(claims, "tee.family_id", report->family_id, sizeof report->family_id);
    cvs_claims_set_hex(claims, "tee.image_id", report->image_id, sizeof report->image_id);
    cvs_claims_set_int(claims, "tee.vmpl", report->vmpl);
    set_platform_info(claims, report->platform_info);
    cvs_claims_set_bool(claims, "tee.author_key_en", report->author_key_en);
    cvs_claims_set_bool(claims, "tee.mask_chip_key", report->mask_chip_key);
    cvs_claims_set_string(claims, "tee.signing_key", signer_name(report->signing_key));
    cvs_claims_set_hex(claims, "tee.report_data", report->report_data, sizeof report->report_data);
    cvs_claims_set_hex(claims, "tee.measurement", report->measurement, sizeof report->measurement);
    cvs_claims_set_hex(claims, "tee.host_data", report->host_data, sizeof report->host_data);
    cvs_claims_set_hex(claims, "tee.id_key_digest", report->id_key_digest,
                       sizeof report->id_key_digest);
    cvs_claims_set_hex(claims, "tee.author_key_digest", report->author_key_digest,
                       sizeof report->author_key_digest);
    cvs_claims_set_hex(claims, "tee.report_id", report->report_id, sizeof report->report_id);
    cvs_claims_set_hex(claims, "tee.report_id_ma", report->report_id_ma,
                       sizeof report->report_id_ma);
    cvs_claims_set_bool(claims, "tee.migration_agent", has_migration_agent(report));
    if (!report->chip_id_zero)
        cvs_claims_set_hex(claims, "tee.chip_id", report->chip_id,
                           layout == CVS_SNP_TCB_TURIN ? CVS_SNP_TURIN_HWID_SIZE
                                                       : sizeof report->chip_id);
    set_tcb(claims, "current", report->current_tcb, layout);
    set_tcb(claims, "reported", report->reported_tcb, layout);
    set_tcb(claims, "committed", report->committed_tcb, layout);
    set_tcb(claims, "launch", report->launch_tcb, layout);
    set_firmware(claims, "current", &report->current);
    set_firmware(claims, "committed", &report->committed);
    if (report->has_mit_vectors) {
        cvs_claims_set_mask(claims, "tee.mit_vector.launch", report->launch_mit_vector);
        cvs_claims_set_mask(claims, "tee.mit_vector.current", report->current_mit_vector);
    }
    return claims;
}
