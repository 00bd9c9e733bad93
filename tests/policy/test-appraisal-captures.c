/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What real hardware wrote, verified and then judged by profiles. */

#include "base/error.h"
#include "policy/appraisal.h"
#include "tee/refusal.h"
#include "tee/snp-verify.h"
#include "tee/captures.h"
#include "tee/snp-vectors.h"
#include "tee/tdx-evidence.h"

#include <string.h>

#define AT_2025 G_GINT64_CONSTANT(1748736000) /* 2025-06-01 */
#define AT_2026 G_GINT64_CONSTANT(1782864000) /* 2026-07-01 */

#define MILAN "roots/ask_ark_milan.pem"
#define MILAN_VLEK "roots/ask_ark_milan_vlek.pem"
#define GENOA "roots/ask_ark_genoa.pem"
#define TURIN "roots/ask_ark_turin_vcek.pem"

#define SNP_PROFILE "[Registers]\nPCRs=7\n[TEE]\nTypes=snp\n[SNP]\n"
#define TDX_PROFILE "[Registers]\nPCRs=7\n[TEE]\nTypes=tdx\n[TDX]\n"

#define ZERO48                                                                                     \
    "000000000000000000000000000000000000000000000000"                                             \
    "000000000000000000000000000000000000000000000000"

/* Appraises claims whose verification had these reasons, and compares all of them, in their order,
 * and the error that they make; -1: accepted. profile: NULL for the built-in one. */
static void
expect(const char *profile_text, const json_t *claims, gint64 at, const char *verification,
       const char *reasons, int code)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsProfile) profile =
        profile_text ? cvs_profile_parse("x", "x", profile_text, strlen(profile_text), &error)
                     : cvs_profile_strict_new();
    g_auto(GStrv) words = g_strsplit(verification, " ", -1);
    g_autoptr(GString) seen = g_string_new(NULL);
    GError *refusal = cvs_refusal_new();

    g_assert_no_error(error);
    for (guint i = 0; words[i] && *words[i]; i++)
        cvs_error_add_reason(refusal, words[i], NULL, NULL, "%s", words[i]);
    cvs_appraise(profile, claims, at, refusal);
    (void)cvs_refusal_end(refusal, "it", &error);
    for (guint i = 0; error && i < cvs_error_get_reasons(error)->len; i++) {
        const CvsReason *reason = g_ptr_array_index(cvs_error_get_reasons(error), i);

        g_string_append_printf(seen, "%s%s", i > 0 ? " " : "", reason->code);
    }
    g_test_message("%s: %s", profile_text ? profile_text : "built-in",
                   error ? error->message : "accepted");
    g_assert_cmpstr(seen->str, ==, reasons);
    g_assert_cmpint(error ? error->code : -1, ==, code);
}

static void
load_into(GPtrArray *certs, const char *name)
{
    g_autoptr(GBytes) bytes = snp_vector(name);
    g_autoptr(GError) error = NULL;

    (void)cvs_x509_load(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), name, certs, NULL,
                        &error);
    g_assert_no_error(error);
}

static void
test_snp(void)
{
    static const struct {
        const char *report, *leaf, *roots;
        gint64 at;
        const char *profile;
        const char *verification;
        const char *reasons;
        int code;
    } cases[] = {
        {"milan-v2.report.bin", "milan-v2.vcek.der", MILAN, AT_2026, NULL, "", "", -1},
        {"milan-v2-debug.report.bin", "milan-v2-debug.vcek.der", MILAN, AT_2026, NULL, "",
         "DebugAllowed", CVS_ERROR_TEE_REFUSED},
        {"milan-v2-debug.report.bin", "milan-v2-debug.vcek.der", MILAN, AT_2026,
         "[Registers]\nPCRs=7\n[TEE]\nAllowDebug=yes\n", "", "", -1},
        /* The floor is just what it reports, and one more in one component. */
        {"milan-v3.report.bin", "milan-v3.vcek.der", MILAN, AT_2026,
         SNP_PROFILE "MinimumTCB.Milan=bootloader:4 tee:0 snp:24 microcode:219\n", "", "", -1},
        {"milan-v3.report.bin", "milan-v3.vcek.der", MILAN, AT_2026,
         SNP_PROFILE "MinimumTCB.Milan=bootloader:4 tee:0 snp:24 microcode:220\n", "",
         "TcbBelowFloor", CVS_ERROR_TCB_TOO_OLD},
        {"milan-v3.report.bin", "milan-v3.vcek.der", MILAN, AT_2026,
         SNP_PROFILE "Lines=Genoa Turin\n", "", "LineRefused", CVS_ERROR_TEE_REFUSED},
        /* No revocation list was given. */
        {"milan-v3.report.bin", "milan-v3.vcek.der", MILAN, AT_2026,
         SNP_PROFILE "[Collateral]\nCRL=required\n", "", "CrlMissing",
         CVS_ERROR_COLLATERAL_MISSING},
        {"turin-v5.report.bin", "turin-v5.vcek.der", TURIN, AT_2026,
         SNP_PROFILE "MinimumTCB.Turin=fmc:1 bootloader:3 tee:2 snp:5 microcode:97\n", "", "", -1},
        {"turin-v5.report.bin", "turin-v5.vcek.der", TURIN, AT_2026,
         SNP_PROFILE "MinimumTCB.Turin=fmc:2 bootloader:4 tee:3 snp:6 microcode:98\n", "",
         "TcbBelowFloor TcbBelowFloor TcbBelowFloor TcbBelowFloor TcbBelowFloor",
         CVS_ERROR_TCB_TOO_OLD},
        /* Its mitigation vectors are there and empty; before version 5 there are none. */
        {"turin-v5-mit0.report.bin", "turin-v5-mit0.vcek.der", TURIN, AT_2026,
         SNP_PROFILE "RequireMitigations=0x1\n", "", "MitigationMissing MitigationMissing",
         CVS_ERROR_TCB_TOO_OLD},
        {"milan-v3.report.bin", "milan-v3.vcek.der", MILAN, AT_2026,
         SNP_PROFILE "RequireMitigations=0x1\n", "", "ClaimMissing ClaimMissing",
         CVS_ERROR_TEE_REFUSED},
        /* A VLEK: of a provider, of no chip; asked for at VMPL 1. */
        {"milan-v3-vlek-vmpl1.report.bin", "milan-v3-vlek-vmpl1.vlek.der", MILAN_VLEK, AT_2025,
         SNP_PROFILE "Providers=CN=cc-us-east-2.amazonaws.com\nVMPL=1\nSigningKeys=vlek\n", "", "",
         -1},
        {"milan-v3-vlek-vmpl1.report.bin", "milan-v3-vlek-vmpl1.vlek.der", MILAN_VLEK, AT_2025,
         SNP_PROFILE "Providers=CN=cc-us-east-1.amazonaws.com\nVMPL=0\nSigningKeys=vcek\n"
                     "ChipIDs=0000000000000000\n",
         "", "VmplRefused SigningKeyRefused ChipUnlisted ProviderUnlisted", CVS_ERROR_TEE_REFUSED},
        {"milan-v3.report.bin", "milan-v3.vcek.der", MILAN, AT_2026,
         SNP_PROFILE "Providers=CN=cc-us-east-2.amazonaws.com\n", "", "ClaimMissing",
         CVS_ERROR_TEE_REFUSED},
        /* Its microcode is 0xd9 reported, 0xdb committed and at launch, 0xdc current: that is
         * taken, if nobody says otherwise. */
        {"milan-v3-vlek-vmpl1.report.bin", "milan-v3-vlek-vmpl1.vlek.der", MILAN_VLEK, AT_2025,
         NULL, "", "", -1},
        {"milan-v3-vlek-vmpl1.report.bin", "milan-v3-vlek-vmpl1.vlek.der", MILAN_VLEK, AT_2025,
         SNP_PROFILE "AllowProvisionalFirmware=no\n", "", "FirmwareProvisional",
         CVS_ERROR_TCB_TOO_OLD},
        {"milan-v3-vlek-vmpl1.report.bin", "milan-v3-vlek-vmpl1.vlek.der", MILAN_VLEK, AT_2025,
         SNP_PROFILE "MinimumTCB.Milan=microcode:217\n"
                     "MinimumLaunchTCB.Milan=bootloader:4 tee:0 snp:24 microcode:219\n",
         "", "", -1},
        {"milan-v3-vlek-vmpl1.report.bin", "milan-v3-vlek-vmpl1.vlek.der", MILAN_VLEK, AT_2025,
         SNP_PROFILE "MinimumLaunchTCB.Milan=bootloader:4 tee:0 snp:24 microcode:220\n", "",
         "LaunchTcbBelowFloor", CVS_ERROR_TCB_TOO_OLD},
        {"milan-v3.report.bin", "milan-v3.vcek.der", MILAN, AT_2026,
         SNP_PROFILE "AllowProvisionalFirmware=no\n", "", "", -1},
        {"turin-v5.report.bin", "turin-v5.vcek.der", TURIN, AT_2026,
         SNP_PROFILE "AllowProvisionalFirmware=no\n"
                     "MinimumLaunchTCB.Turin=fmc:1 bootloader:3 tee:2 snp:5 microcode:97\n",
         "", "", -1},
        {"turin-v5.report.bin", "turin-v5.vcek.der", TURIN, AT_2026,
         SNP_PROFILE "MinimumLaunchTCB.Turin=fmc:2 bootloader:4 tee:3 snp:6 microcode:98\n", "",
         "LaunchTcbBelowFloor LaunchTcbBelowFloor LaunchTcbBelowFloor LaunchTcbBelowFloor "
         "LaunchTcbBelowFloor",
         CVS_ERROR_TCB_TOO_OLD},
        /* Unproven: that stays the error, however much else is not known. */
        {"genoa-v2-novcek.report.bin", NULL, GENOA, AT_2026, NULL, "CollateralMissing",
         "CollateralMissing", CVS_ERROR_COLLATERAL_MISSING},
        {"genoa-v2-novcek.report.bin", NULL, GENOA, AT_2026, NULL, "", "NotVerified ClaimMissing",
         CVS_ERROR_ATTESTATION_FAILED},
        {"genoa-v2-novcek.report.bin", NULL, GENOA, AT_2026,
         SNP_PROFILE "Lines=Genoa\nMinimumTCB.Genoa=snp:1\n", "CollateralMissing",
         "CollateralMissing ClaimMissing ClaimMissing", CVS_ERROR_COLLATERAL_MISSING},
    };

    if (!snp_vectors_present())
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(CvsSnpRoots) roots = cvs_snp_roots_new();
        g_autoptr(CvsSnpVerifier) verifier = cvs_snp_verifier_new(roots);
        g_autoptr(GPtrArray) certs = cvs_x509_certs_new();
        g_autofree char *report_name = g_strconcat("reports/", cases[i].report, NULL);
        g_autoptr(GBytes) report = snp_vector(report_name);
        g_autoptr(json_t) claims = NULL;
        CvsSnpEvidence evidence = {.report = g_bytes_get_data(report, NULL),
                                   .report_size = g_bytes_get_size(report),
                                   .certs = certs,
                                   .at = cases[i].at};

        if (cases[i].leaf) {
            g_autofree char *leaf_name = g_strconcat("reports/", cases[i].leaf, NULL);

            load_into(certs, leaf_name);
        }
        load_into(certs, cases[i].roots);
        g_assert_cmpint(cvs_snp_verify(verifier, &evidence, NULL, &claims, NULL), ==,
                        cases[i].leaf != NULL);
        expect(cases[i].profile, claims, cases[i].at, cases[i].verification, cases[i].reasons,
               cases[i].code);
    }
}

static TdxEvidence *
evidence_of(const char *quote, const char *tcb_info, const char *at, gint64 grace)
{
    TdxEvidence *evidence = tdx_evidence_new();
    g_autoptr(GBytes) bytes = captures_read(quote);

    tdx_evidence_set_quote(evidence, bytes);
    tdx_evidence_add_set(evidence, "tdx/quote-v4-uptodate.collateral.json");
    if (tcb_info)
        tdx_evidence_set_tcb_info(evidence, tcb_info);
    evidence->at = tdx_time(at);
    evidence->grace = grace;
    return evidence;
}

static void
test_tdx(void)
{
    static const char info_2023[] = "tdx/pcs-tdx-tcbinfo-50806f000000-2023.json";
    static const char info_2026[] = "tdx/pcs-tdx-tcbinfo-90c06f000000-2026.json";
    static const struct {
        const char *quote, *tcb_info, *at;
        const char *verification; /* what it says, and what the appraisal starts with */
        const char *profile;
        const char *reasons;
        int code;
    } cases[] = {
        {"tdx/quote-v4-uptodate.dat", NULL, "2025-07-01T00:00:00Z", "", NULL, "", -1},
        {"tdx/quote-v4-uptodate.dat", NULL, "2025-07-01T00:00:00Z", "",
         TDX_PROFILE "[Collateral]\nCRL=required\n", "", -1},
        /* A quote of version 4 does not say which service TDs are bound. */
        {"tdx/quote-v4-uptodate.dat", NULL, "2025-07-01T00:00:00Z", "",
         TDX_PROFILE "ServiceTDs=none\n", "ClaimMissing", CVS_ERROR_TEE_REFUSED},
        {"tdx/quote-v4-uptodate.dat", NULL, "2025-07-01T00:00:00Z", "",
         TDX_PROFILE "RTMR0=" ZERO48 "\n", "RtmrDiffers", CVS_ERROR_TEE_REFUSED},
        {"tdx/quote-v4-uptodate.dat", NULL, "2025-07-01T00:00:00Z", "", SNP_PROFILE,
         "TeeTypeRefused", CVS_ERROR_TEE_REFUSED},
        {"tdx/quote-v5-td15.dat", info_2026, "2026-02-10T00:00:00Z", "",
         TDX_PROFILE "ServiceTDs=none\n[Collateral]\nCollateralGrace=3650d\n", "", -1},
        /* Verified with a year of grace, and the profile has none. */
        {"tdx/quote-v5-td15.dat", info_2026, "2026-02-10T00:00:00Z", "", NULL,
         "CrlStale CollateralExpired", CVS_ERROR_COLLATERAL_EXPIRED},
        {"tdx/quote-v5-td15-servtd.dat", info_2026, "2026-02-10T00:00:00Z", "TcbNotSupported",
         TDX_PROFILE "ServiceTDs=none\n", "TcbNotSupported TcbStatusRefused ServiceTdUnlisted",
         CVS_ERROR_ATTESTATION_FAILED},
        {"tdx/quote-v4-debug.dat", info_2023, "2025-07-01T00:00:00Z", "",
         "[Registers]\nPCRs=7\n[Collateral]\nCollateralGrace=3650d\n", "DebugAllowed",
         CVS_ERROR_TEE_REFUSED},
        /* Azure: no collateral for it here, and its RTMRs are of no use. */
        {"hcl/az-tdx-td-quote.dat", NULL, "2025-07-01T00:00:00Z", "FmspcMismatch",
         TDX_PROFILE "RTMR2=" ZERO48 "\nRequireAttributes=sept-ve-disable\n",
         "FmspcMismatch AttributesRefused RtmrsUnused", CVS_ERROR_ATTESTATION_FAILED},
        {"hcl/az-tdx-td-quote.dat", NULL, "2025-07-01T00:00:00Z", "FmspcMismatch", NULL,
         "FmspcMismatch", CVS_ERROR_ATTESTATION_FAILED},
    };

    if (!captures_there())
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(TdxEvidence) evidence =
            evidence_of(cases[i].quote, cases[i].tcb_info, cases[i].at,
                        cases[i].tcb_info ? (gint64)3 * 366 * 86400 : 0);
        g_autoptr(json_t) claims = NULL;
        g_autofree char *found = tdx_evidence_verify(evidence, &claims);

        g_assert_cmpstr(found, ==, cases[i].verification);
        expect(cases[i].profile, claims, evidence->at, cases[i].verification, cases[i].reasons,
               cases[i].code);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/appraisal/captures/snp", test_snp);
    g_test_add_func("/appraisal/captures/tdx", test_tdx);
    return g_test_run();
}
