/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "policy/appraisal.h"
#include "tee/refusal.h"

#include <string.h>

#define NOW G_GINT64_CONSTANT(1780000000)
#define DAY 86400

#define X8(text) text text text text text text text text
#define A48 X8("aaaaaaaaaaaa")
#define UPPER_A48 X8("AAAAAAAAAAAA")
#define B48 X8("bbbbbbbbbbbb")
#define C48 X8("cccccccccccc")
#define ZERO48 X8("000000000000")
#define A32 X8("aaaaaaaa")
#define B32 X8("bbbbbbbb")
#define A64 X8("aaaaaaaaaaaaaaaa")
#define B64 X8("bbbbbbbbbbbbbbbb")
#define Q(text) "\"" text "\""

/* What a report of each TEE says, nothing wrong with it: each profile of the table below accepts
 * it. The members that a row is about are replaced. */
static const char snp_claims[] =
    "{\"tee.type\": \"snp\", \"tee.verified\": true, \"tee.test_roots\": false,"
    " \"tee.policy.debug\": false, \"tee.policy.migrate_ma\": false,"
    " \"tee.migration_agent\": false, \"tee.collateral.not_after\": 1790000000,"
    " \"tee.line\": \"Milan\", \"tee.crl\": \"fresh\", \"tee.crl.this_update\": 1779990000,"
    " \"tee.crl.next_update\": 1785000000,"
    " \"tee.policy.smt\": false, \"tee.platform_info.smt\": false,"
    " \"tee.firmware.current.major\": 1, \"tee.firmware.current.minor\": 55,"
    " \"tee.firmware.current.build\": 29,"
    " \"tee.tcb.reported.bootloader\": 4, \"tee.tcb.reported.tee\": 0,"
    " \"tee.tcb.reported.snp\": 22, \"tee.tcb.reported.microcode\": 213,"
    " \"tee.tcb.current.bootloader\": 4, \"tee.tcb.current.tee\": 0,"
    " \"tee.tcb.current.snp\": 23, \"tee.tcb.current.microcode\": 219,"
    " \"tee.tcb.committed.bootloader\": 4, \"tee.tcb.committed.tee\": 0,"
    " \"tee.tcb.committed.snp\": 23, \"tee.tcb.committed.microcode\": 219,"
    " \"tee.firmware.committed.major\": 1, \"tee.firmware.committed.minor\": 55,"
    " \"tee.firmware.committed.build\": 29,"
    " \"tee.mit_vector.launch\": \"0x3f\", \"tee.mit_vector.current\": \"0x3f\"}";

static const char tdx_claims[] =
    "{\"tee.type\": \"tdx\", \"tee.verified\": true, \"tee.test_roots\": false,"
    " \"tee.policy.debug\": false, \"tee.policy.migrate_ma\": false,"
    " \"tee.td_attributes\": \"0x0\", \"tee.collateral.not_after\": 1790000000,"
    " \"tee.tcb.status\": \"UpToDate\", \"tee.tcb.issue_date\": 1779990000,"
    " \"tee.tcb.next_update\": 1781000000, \"tee.pck.crl\": \"fresh\","
    " \"tee.pck.crl.next_update\": 1781000000, \"tee.root.crl\": \"fresh\","
    " \"tee.root.crl.next_update\": 1781000000, \"tee.rtmrs_used\": true}";

typedef enum { SNP, TDX } Tee;

typedef struct {
    Tee tee;
    const char *group;
    const char *line; /* of the group; NULL: the rule holds by default */
    const char *claim;
    const char *good; /* JSON: just right, accepted */
    const char *bad;  /* one below, or another */
    const char *reason;
    int code;
    const char *malformed; /* JSON of another type */
    const char *absent;    /* reason if it is not there; NULL: ClaimMissing */
} Row;

#define REFUSED CVS_ERROR_TEE_REFUSED
#define OLD CVS_ERROR_TCB_TOO_OLD
#define HEX Q("AA") /* claims are in lower case */
#define BOOL "1"
#define INT Q("1")
#define MASK Q("3f")
#define STRING "7"

static const Row rows[] = {
    /* What holds without a key, and the same said. */
    {SNP, "TEE", NULL, "tee.policy.debug", "false", "true", "DebugAllowed", REFUSED, BOOL, NULL},
    {SNP, "TEE", "AllowDebug=no", "tee.policy.debug", "false", "true", "DebugAllowed", REFUSED,
     BOOL, NULL},
    {TDX, "TEE", NULL, "tee.policy.debug", "false", "true", "DebugAllowed", REFUSED, BOOL, NULL},
    {TDX, "TEE", NULL, "tee.td_attributes", Q("0x10000100"), Q("0x10"), "AttributesRefused",
     REFUSED, MASK, NULL},
    {TDX, "TEE", "AllowDebug=no", "tee.td_attributes", Q("0x8000000000000000"), Q("0x1"),
     "AttributesRefused", REFUSED, MASK, NULL},
    {SNP, "TEE", NULL, "tee.policy.migrate_ma", "false", "true", "MigrationAllowed", REFUSED, BOOL,
     NULL},
    {SNP, "TEE", NULL, "tee.migration_agent", "false", "true", "MigrationAllowed", REFUSED, BOOL,
     NULL},
    {TDX, "TEE", "AllowMigration=no", "tee.policy.migrate_ma", "false", "true", "MigrationAllowed",
     REFUSED, BOOL, NULL},
    {SNP, "TEE", NULL, "tee.test_roots", "false", "true", "TestRoots", CVS_ERROR_ATTESTATION_FAILED,
     BOOL, NULL},
    {TDX, "TEE", "AllowTestRoots=no", "tee.test_roots", "false", "true", "TestRoots",
     CVS_ERROR_ATTESTATION_FAILED, BOOL, NULL},

    {SNP, "TEE", "Measurements=" UPPER_A48 " " B48, "tee.measurement", Q(A48), Q(C48),
     "MeasurementUnlisted", REFUSED, HEX, NULL},
    {TDX, "TEE", "Measurements=" A48 "\t" B48, "tee.measurement", Q(B48), Q(C48),
     "MeasurementUnlisted", REFUSED, HEX, NULL},
    /* Compared as a whole. */
    {SNP, "TEE", "Measurements=" A48, "tee.measurement", Q(A48), Q(A32), "MeasurementUnlisted",
     REFUSED, HEX, NULL},
    {SNP, "TEE", "AllowSMT=no", "tee.policy.smt", "false", "true", "SmtAllowed", REFUSED, BOOL,
     NULL},
    {SNP, "TEE", "AllowSMT=no", "tee.platform_info.smt", "false", "true", "SmtAllowed", REFUSED,
     BOOL, NULL},
    {TDX, "TEE", "AllowSMT=no", "tee.platform.smt", "false", "true", "SmtAllowed", REFUSED, BOOL,
     NULL},

    {SNP, "SNP", "Lines=Milan Genoa", "tee.line", Q("Genoa"), Q("Turin"), "LineRefused", REFUSED,
     STRING, NULL},
    {SNP, "SNP", "MinimumTCB.Milan=snp:1", "tee.line", Q("Milan"), Q("milan"), "ClaimMalformed",
     CVS_ERROR_ATTESTATION_FAILED, STRING, NULL},
    {SNP, "SNP", "MinimumFirmware=1.55.29", "tee.firmware.current.build", "29", "28",
     "FirmwareTooOld", OLD, INT, NULL},
    {SNP, "SNP", "MinimumFirmware=1.55.29", "tee.firmware.current.build", "255", "256",
     "ClaimMalformed", CVS_ERROR_ATTESTATION_FAILED, INT, NULL},
    {SNP, "SNP", "MinimumFirmware=1.55.29", "tee.firmware.current.minor", "56", "54",
     "FirmwareTooOld", OLD, INT, NULL},
    {SNP, "SNP", "MinimumFirmware=1.55.29", "tee.firmware.current.major", "2", "0",
     "FirmwareTooOld", OLD, INT, NULL},
    {SNP, "SNP", "AllowProvisionalFirmware=no", "tee.firmware.committed.build", "29", "28",
     "FirmwareProvisional", OLD, INT, NULL},
    {SNP, "SNP", "AllowProvisionalFirmware=no", "tee.firmware.committed.minor", "55", "54",
     "FirmwareProvisional", OLD, INT, NULL},
    {SNP, "SNP", "AllowProvisionalFirmware=no", "tee.firmware.committed.major", "1", "0",
     "FirmwareProvisional", OLD, INT, NULL},
    {SNP, "SNP", "AllowProvisionalFirmware=no", "tee.firmware.current.build", "29", "30",
     "FirmwareProvisional", OLD, INT, NULL},
    {SNP, "SNP", "MinimumGuestSVN=65547", "tee.guest_svn", "65547", "65546", "GuestSvnTooLow",
     REFUSED, INT, NULL},
    {SNP, "SNP", "VMPL=0", "tee.vmpl", "0", "1", "VmplRefused", REFUSED, INT, NULL},
    {SNP, "SNP", "VMPL=0 2", "tee.vmpl", "2", "3", "VmplRefused", REFUSED, INT, NULL},
    {SNP, "SNP", "SigningKeys=vcek", "tee.signing_key", Q("vcek"), Q("vlek"), "SigningKeyRefused",
     REFUSED, STRING, NULL},
    {SNP, "SNP", "SigningKeys=vcek vlek", "tee.signing_key", Q("vlek"), Q("none"),
     "SigningKeyRefused", REFUSED, STRING, NULL},
    {SNP, "SNP", "ChipIDs=" A64, "tee.chip_id", Q(A64), Q(B64), "ChipUnlisted", REFUSED, HEX,
     "ChipUnlisted"},
    {SNP, "SNP", "ChipIDs=0123456789ABCDEF " A64, "tee.chip_id", Q("0123456789abcdef"),
     Q("0123456789abcdee"), "ChipUnlisted", REFUSED, HEX, "ChipUnlisted"},
    {SNP, "SNP", "Providers=CN=a.example CN=b.example", "tee.csp_id", Q("CN=b.example"),
     Q("CN=b.example2"), "ProviderUnlisted", REFUSED, STRING, NULL},
    {SNP, "SNP", "IDKeyDigests=" A48, "tee.id_key_digest", Q(A48), Q(ZERO48), "IdKeyUnlisted",
     REFUSED, HEX, NULL},
    {SNP, "SNP", "AuthorKeyDigests=" A48 " " B48, "tee.author_key_digest", Q(B48), Q(ZERO48),
     "AuthorKeyUnlisted", REFUSED, HEX, NULL},
    {SNP, "SNP", "HostData=" A32, "tee.host_data", Q(A32), Q(B32), "HostDataUnlisted", REFUSED, HEX,
     NULL},
#define POLICY_BIT(word, claim)                                                                    \
    {SNP,  "SNP", "RequirePolicy=" word, claim, "true", "false", "PolicyBitRefused", REFUSED,      \
     BOOL, NULL},                                                                                  \
    {                                                                                              \
        SNP, "SNP", "RefusePolicy=" word, claim, "false", "true", "PolicyBitRefused", REFUSED,     \
            BOOL, NULL                                                                             \
    }
    POLICY_BIT("single-socket", "tee.policy.single_socket"),
    POLICY_BIT("cxl", "tee.policy.cxl"),
    POLICY_BIT("mem-aes-256-xts", "tee.policy.mem_aes_256_xts"),
    POLICY_BIT("rapl-dis", "tee.policy.rapl_dis"),
    POLICY_BIT("ciphertext-hiding", "tee.policy.ciphertext_hiding"),
    POLICY_BIT("page-swap-disable", "tee.policy.page_swap_disable"),
#define PLATFORM_BIT(word, claim)                                                                  \
    {SNP,  "SNP", "RequirePlatform=" word, claim, "true", "false", "PlatformRefused", REFUSED,     \
     BOOL, NULL},                                                                                  \
    {                                                                                              \
        SNP, "SNP", "RefusePlatform=" word, claim, "false", "true", "PlatformRefused", REFUSED,    \
            BOOL, NULL                                                                             \
    }
    PLATFORM_BIT("tsme", "tee.platform_info.tsme"),
    PLATFORM_BIT("ecc", "tee.platform_info.ecc"),
    PLATFORM_BIT("rapl-dis", "tee.platform_info.rapl_dis"),
    PLATFORM_BIT("ciphertext-hiding", "tee.platform_info.ciphertext_hiding"),
    PLATFORM_BIT("alias-check-complete", "tee.platform_info.alias_check_complete"),
    PLATFORM_BIT("tio", "tee.platform_info.tio"),
    {SNP, "SNP", "RequireMitigations=0xb", "tee.mit_vector.launch", Q("0xb"), Q("0x3"),
     "MitigationMissing", OLD, MASK, NULL},
    {SNP, "SNP", "RequireMitigations=0xB", "tee.mit_vector.current", Q("0x10f"), Q("0xa"),
     "MitigationMissing", OLD, MASK, NULL},

    {TDX, "TDX", NULL, "tee.tcb.status", Q("UpToDate"), Q("OutOfDate"), "TcbStatusRefused", OLD,
     STRING, NULL},
    {TDX, "TDX", "TCBStatus=SWHardeningNeeded OutOfDate", "tee.tcb.status", Q("OutOfDate"),
     Q("UpToDate"), "TcbStatusRefused", OLD, STRING, NULL},
    {TDX, "TDX", "MinimumTCBDate=2024-03-13", "tee.tcb.date", "1710288000", "1710287999",
     "TcbDateTooOld", OLD, INT, NULL},
    {TDX, "TDX", "MRSEAM=" A48, "tee.mr_seam", Q(A48), Q(B48), "SeamUnlisted", REFUSED, HEX, NULL},
#define ATTRIBUTE(word, claim)                                                                     \
    {TDX,  "TDX", "RequireAttributes=" word, claim, "true", "false", "AttributesRefused", REFUSED, \
     BOOL, NULL},                                                                                  \
    {                                                                                              \
        TDX, "TDX", "RefuseAttributes=" word, claim, "false", "true", "AttributesRefused",         \
            REFUSED, BOOL, NULL                                                                    \
    }
    ATTRIBUTE("sept-ve-disable", "tee.td_attributes.sept_ve_disable"),
    ATTRIBUTE("pks", "tee.td_attributes.pks"),
    ATTRIBUTE("kl", "tee.td_attributes.kl"),
    ATTRIBUTE("perfmon", "tee.td_attributes.perfmon"),
    {TDX, "TDX", "RequireXFAM=0x3", "tee.xfam", Q("0x602e7"), Q("0x602e6"), "XfamRefused", REFUSED,
     MASK, NULL},
    {TDX, "TDX", "AllowXFAM=0x602e7", "tee.xfam", Q("0x602e7"), Q("0x602ef"), "XfamRefused",
     REFUSED, MASK, NULL},
    {TDX, "TDX", "MRConfigID=" ZERO48, "tee.mr_config_id", Q(ZERO48), Q(A48), "ConfigIdUnlisted",
     REFUSED, HEX, NULL},
    {TDX, "TDX", "MROwner=" A48, "tee.mr_owner", Q(A48), Q(B48), "OwnerUnlisted", REFUSED, HEX,
     NULL},
    {TDX, "TDX", "MROwnerConfig=" A48, "tee.mr_owner_config", Q(A48), Q(B48), "OwnerConfigUnlisted",
     REFUSED, HEX, NULL},
    {TDX, "TDX", "RTMR0=" A48 " " B48, "tee.rtmr0", Q(B48), Q(C48), "RtmrDiffers", REFUSED, HEX,
     NULL},
    {TDX, "TDX", "RTMR1=" A48, "tee.rtmr1", Q(A48), Q(C48), "RtmrDiffers", REFUSED, HEX, NULL},
    {TDX, "TDX", "RTMR2=" A48, "tee.rtmr2", Q(A48), Q(C48), "RtmrDiffers", REFUSED, HEX, NULL},
    {TDX, "TDX", "RTMR3=" ZERO48, "tee.rtmr3", Q(ZERO48), Q(C48), "RtmrDiffers", REFUSED, HEX,
     NULL},
    {TDX, "TDX", "ServiceTDs=none", "tee.mr_servicetd", Q(ZERO48), Q(A48), "ServiceTdUnlisted",
     REFUSED, HEX, NULL},
    {TDX, "TDX", "ServiceTDs=none " A48, "tee.mr_servicetd", Q(A48), Q(B48), "ServiceTdUnlisted",
     REFUSED, HEX, NULL},
    {TDX, "TDX", "ServiceTDs=" A48, "tee.mr_servicetd", Q(A48), Q(ZERO48), "ServiceTdUnlisted",
     REFUSED, HEX, NULL},

    {SNP, "Collateral", "CRL=required", "tee.crl", Q("fresh"), Q("missing"), "CrlMissing",
     CVS_ERROR_COLLATERAL_MISSING, STRING, "CrlMissing"},
    {TDX, "Collateral", "CRL=required", "tee.pck.crl", Q("stale"), Q("missing"), "CrlMissing",
     CVS_ERROR_COLLATERAL_MISSING, STRING, "CrlMissing"},
    {TDX, "Collateral", "CRL=required", "tee.root.crl", Q("fresh"), Q("missing"), "CrlMissing",
     CVS_ERROR_COLLATERAL_MISSING, STRING, "CrlMissing"},
    {TDX, "Collateral", "CRL=required", "tee.root.crl", Q("fresh"), Q("bad"), "CrlInvalid",
     CVS_ERROR_ATTESTATION_FAILED, STRING, "CrlMissing"},
    {SNP, "Collateral", "CRL=required", "tee.crl", Q("fresh"), Q("Fresh"), "ClaimMalformed",
     CVS_ERROR_ATTESTATION_FAILED, STRING, "CrlMissing"},
    {SNP, "Collateral", NULL, "tee.crl.next_update", "1777408000", "1777407999", "CrlStale",
     CVS_ERROR_COLLATERAL_EXPIRED, INT, NULL},
    {TDX, "Collateral", "CollateralGrace=0", "tee.pck.crl.next_update", "1780000000", "1779999999",
     "CrlStale", CVS_ERROR_COLLATERAL_EXPIRED, INT, NULL},
    {TDX, "Collateral", "CollateralGrace=1h", "tee.root.crl.next_update", "1779996400",
     "1779996399", "CrlStale", CVS_ERROR_COLLATERAL_EXPIRED, INT, NULL},
    {TDX, "Collateral", NULL, "tee.tcb.next_update", "1777408000", "1777407999",
     "CollateralExpired", CVS_ERROR_COLLATERAL_EXPIRED, INT, NULL},
    {TDX, "Collateral", "CollateralGrace=2w", "tee.tcb.next_update", "1778790400", "1778790399",
     "CollateralExpired", CVS_ERROR_COLLATERAL_EXPIRED, INT, NULL},
    /* A certificate has no grace. */
    {SNP, "Collateral", "CollateralGrace=2w", "tee.collateral.not_after", "1780000000",
     "1779999999", "CertExpired", CVS_ERROR_COLLATERAL_EXPIRED, INT, NULL},
    {TDX, "Collateral", NULL, "tee.collateral.not_after", "1780000000", "1779999999", "CertExpired",
     CVS_ERROR_COLLATERAL_EXPIRED, INT, NULL},
    {SNP, "Collateral", "CollateralMaximumAge=30d", "tee.crl.this_update", "1777408000",
     "1777407999", "CollateralTooOld", CVS_ERROR_COLLATERAL_EXPIRED, INT, NULL},
    {TDX, "Collateral", "CollateralMaximumAge=90min", "tee.tcb.issue_date", "1779994600",
     "1779994599", "CollateralTooOld", CVS_ERROR_COLLATERAL_EXPIRED, INT, NULL},
};

static CvsProfile *
parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    CvsProfile *profile = cvs_profile_parse("x", "x", text, strlen(text), &error);

    if (profile == NULL)
        g_error("%s in:\n%s", error->message, text);
    return profile;
}

/* A profile that takes both TEEs, with one line in one group. */
static CvsProfile *
profile_with(const char *group, const char *line)
{
    gboolean tee = g_str_equal(group, "TEE");
    g_autofree char *text =
        g_strdup_printf("[Registers]\nPCRs=7\n[TEE]\nTypes=snp tdx\n%s%s%s\n%s\n", tee ? "" : "[",
                        tee ? "" : group, tee ? "" : "]", line ? line : "");

    return parse(text);
}

static json_t *
claims_of(Tee tee)
{
    json_t *claims = json_loads(tee == SNP ? snp_claims : tdx_claims, 0, NULL);

    g_assert_nonnull(claims);
    return claims;
}

static void
set(json_t *claims, const char *name, const char *json)
{
    json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);

    g_assert_nonnull(value);
    (void)json_object_set_new(claims, name, value);
}

/* The reasons' codes in their order, with blanks between; "" if the claims are accepted. */
static char *
appraise(const CvsProfile *profile, const json_t *claims, int *ret_code)
{
    GError *refusal = cvs_refusal_new();
    g_autoptr(GPtrArray) codes = g_ptr_array_new();
    g_autoptr(GError) error = NULL;
    gboolean accepted = FALSE;

    cvs_appraise(profile, claims, NOW, refusal);
    accepted = cvs_refusal_end(refusal, "it", &error);
    g_assert_cmpint(accepted, ==, error == NULL);
    if (ret_code)
        *ret_code = error ? error->code : -1;
    for (guint i = 0; error && i < cvs_error_get_reasons(error)->len; i++) {
        const CvsReason *reason = g_ptr_array_index(cvs_error_get_reasons(error), i);

        g_assert_cmpstr(reason->detail, !=, "");
        g_ptr_array_add(codes, reason->code);
    }
    g_ptr_array_add(codes, NULL);
    {
        char *text = g_strjoinv(" ", (char **)codes->pdata);

        return text;
    }
}

static void
expect(const CvsProfile *profile, const json_t *claims, const char *reasons, int code,
       const char *what)
{
    int seen_code = 0;
    g_autofree char *seen = appraise(profile, claims, &seen_code);

    if (!g_str_equal(seen, reasons))
        g_error("%s: \"%s\" instead of \"%s\"", what, seen, reasons);
    if (seen_code != code)
        g_error("%s: %s instead of %s", what, cvs_error_name(seen_code), cvs_error_name(code));
}

static void
test_rows(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        const Row *row = &rows[i];
        g_autoptr(CvsProfile) profile = profile_with(row->group, row->line);
        g_autoptr(json_t) claims = claims_of(row->tee);
        g_autofree char *name =
            g_strdup_printf("row %zu, %s, %s", i, row->line ? row->line : "no key", row->claim);

        set(claims, row->claim, row->good);
        expect(profile, claims, "", -1, name);
        set(claims, row->claim, row->bad);
        expect(profile, claims, row->reason, row->code, name);
        set(claims, row->claim, row->malformed);
        expect(profile, claims, "ClaimMalformed", CVS_ERROR_ATTESTATION_FAILED, name);
        (void)json_object_del(claims, row->claim);
        if (row->absent)
            expect(profile, claims, row->absent,
                   g_str_equal(row->absent, "CrlMissing") ? CVS_ERROR_COLLATERAL_MISSING : REFUSED,
                   name);
        else
            expect(profile, claims, "ClaimMissing", REFUSED, name);
    }
}

/* Each key of the table of tee-rules.h is in a row here, or in a test of its own. */
static void
test_rows_complete(void)
{
    for (guint key = 0; key < CVS_TEE_N_KEYS; key++) {
        const char *name = cvs_tee_key_name((CvsTeeKey)key);
        g_autofree char *start = g_strconcat(name, "=", NULL);
        gboolean found = key == CVS_TEE_TYPES || g_str_has_prefix(name, "MinimumTCB.") ||
                         g_str_has_prefix(name, "MinimumLaunchTCB.") ||
                         cvs_tee_key_group((CvsTeeKey)key) == CVS_TEE_GROUP_VTPM;

        for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
            found |= rows[i].line && g_str_has_prefix(rows[i].line, start);
        if (!found)
            g_error("%s= is in no row", name);
    }
}

/* What seen and wanted say. */
static void
test_values(void)
{
    static const struct {
        Tee tee;
        const char *group, *line, *claim, *json, *seen, *wanted, *detail;
    } cases[] = {
        {SNP, "TEE", "Measurements=" UPPER_A48 "  " B48, "tee.measurement", Q(C48), C48,
         A48 " " B48, "tee.measurement is none of the values of Measurements="},
        {SNP, "SNP", "VMPL=0 1", "tee.vmpl", "3", "3", "0 1",
         "tee.vmpl is \"3\", which is none of the values of VMPL="},
        {SNP, "SNP", "MinimumTCB.Milan=microcode:214 snp:3", "tee.tcb.reported.microcode", "213",
         "microcode:213", "microcode:214",
         "microcode of REPORTED_TCB is 213, and MinimumTCB.Milan= wants at least 214"},
        {SNP, "SNP", "MinimumLaunchTCB.Milan=snp:24", "tee.tcb.launch.snp", "23", "snp:23",
         "snp:24", "snp of LAUNCH_TCB is 23, and MinimumLaunchTCB.Milan= wants at least 24"},
        {SNP, "SNP", "MinimumFirmware=1.55.30", "tee.line", Q("Milan"), "1.55.29", "1.55.30",
         "the firmware that runs has version 1.55.29, and MinimumFirmware= wants at least 1.55.30"},
        {SNP, "SNP", "AllowProvisionalFirmware=no", "tee.firmware.committed.build", "28", "1.55.28",
         "1.55.29",
         "the firmware that runs has version 1.55.29, and only 1.55.28 is committed: the host can "
         "go back to that, and AllowProvisionalFirmware=no refuses it"},
        {SNP, "SNP", "AllowProvisionalFirmware=no", "tee.tcb.committed.microcode", "115",
         "microcode:115", "microcode:219",
         "microcode of CURRENT_TCB is 219, and only 115 is committed: the host can go back to "
         "that, and AllowProvisionalFirmware=no refuses it"},
        {SNP, "SNP", "RequirePlatform=alias-check-complete",
         "tee.platform_info.alias_check_complete", "false", "false", "true",
         "alias-check-complete in tee.platform_info is off, and RequirePlatform= wants it on"},
        {SNP, "SNP", "RequireMitigations=0x13", "tee.mit_vector.launch", Q("0x3"), "0x3", "0x13",
         "tee.mit_vector.launch lacks the bits 0x10 that RequireMitigations= wants"},
        {TDX, "TDX", NULL, "tee.tcb.status", Q("OutOfDate"), "OutOfDate", "UpToDate",
         "tee.tcb.status is \"OutOfDate\", which is none of the values of TCBStatus="},
        {TDX, "TDX", "MinimumTCBDate=2024-03-13", "tee.tcb.date", "1699999999",
         "2023-11-14T22:13:19Z", "2024-03-13T00:00:00Z",
         "the TCB level is of 2023-11-14T22:13:19Z, and MinimumTCBDate= wants at least "
         "2024-03-13T00:00:00Z"},
        {TDX, "TDX", "AllowXFAM=0x3", "tee.xfam", Q("0x10b"), "0x10b", "0x3",
         "tee.xfam has the bits 0x108 that AllowXFAM= does not allow"},
        {SNP, "SNP", "ChipIDs=" A64, "tee.signing_key", Q("vlek"), "(not there)", A64,
         "a report that a VLEK signed names no chip, and ChipIDs= wants one of its own"},
        {SNP, "SNP", "ChipIDs=" A64, "tee.signing_key", Q("vcek"), "(not there)", A64,
         "the report names no chip: the host masks it, and ChipIDs= wants one of its own"},
        {SNP, "SNP", "Providers=x", "tee.signing_key", Q("vcek"), "(not there)", "x",
         "there is no claim tee.csp_id, which Providers= is about"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(CvsProfile) profile = profile_with(cases[i].group, cases[i].line);
        g_autoptr(json_t) claims = claims_of(cases[i].tee);
        g_autoptr(GError) refusal = cvs_refusal_new();
        const CvsReason *reason = NULL;

        set(claims, cases[i].claim, cases[i].json);
        if (g_str_equal(cases[i].claim, "tee.mit_vector.launch"))
            set(claims, "tee.mit_vector.current", Q("0x13"));
        cvs_appraise(profile, claims, NOW, refusal);
        g_assert_cmpuint(cvs_refusal_count(refusal), ==, 1);
        reason = g_ptr_array_index(cvs_error_get_reasons(refusal), 0);
        g_assert_cmpstr(reason->seen, ==, cases[i].seen);
        g_assert_cmpstr(reason->wanted, ==, cases[i].wanted);
        g_assert_cmpstr(reason->detail, ==, cases[i].detail);
    }
}

/* One below, in each component of each line; and a component more in the others, or in another of
 * the TCBs, makes up for nothing. */
static void
check_floors(const char *rule, const char *tcb, const char *reason)
{
    static const char *const lines[] = {"Milan", "Genoa", "Turin", "Venice"};
    static const char *const parts[] = {"fmc", "bootloader", "tee", "snp", "microcode"};
    static const char *const tcbs[] = {"reported", "current", "committed", "launch"};

    for (gsize l = 0; l < G_N_ELEMENTS(lines); l++) {
        gsize first = l < 2 ? 1 : 0;
        g_autofree char *key = g_strdup_printf("%s.%s=%sbootloader:4 tee:2 snp:22 microcode:213",
                                               rule, lines[l], first == 0 ? "fmc:1 " : "");
        g_autofree char *other = g_strdup_printf("%s.%s=snp:255", rule, lines[(l + 1) % 4]);
        g_autofree char *line_json = g_strdup_printf("\"%s\"", lines[l]);
        g_autoptr(CvsProfile) profile = profile_with("SNP", key);
        g_autoptr(CvsProfile) other_profile = profile_with("SNP", other);
        static const int floors[] = {1, 4, 2, 22, 213};

        for (gsize p = first; p < G_N_ELEMENTS(parts); p++) {
            g_autoptr(json_t) claims = claims_of(SNP);
            g_autofree char *claim = g_strdup_printf("tee.tcb.%s.%s", tcb, parts[p]);

            set(claims, "tee.line", line_json);
            for (gsize i = first; i < G_N_ELEMENTS(parts); i++) {
                for (gsize t = 0; t < G_N_ELEMENTS(tcbs); t++) {
                    g_autofree char *name = g_strdup_printf("tee.tcb.%s.%s", tcbs[t], parts[i]);

                    (void)json_object_set_new(
                        claims, name, json_integer(g_str_equal(tcbs[t], tcb) ? floors[i] : 255));
                }
            }
            expect(profile, claims, "", -1, claim);
            /* Another line's floor is not this one's. */
            expect(other_profile, claims, "", -1, claim);
            for (gsize i = first; i < G_N_ELEMENTS(parts); i++) {
                g_autofree char *name = g_strdup_printf("tee.tcb.%s.%s", tcb, parts[i]);

                (void)json_object_set_new(claims, name, json_integer(255));
            }
            (void)json_object_set_new(claims, claim, json_integer(floors[p] - 1));
            expect(profile, claims, reason, OLD, claim);
            set(claims, claim, "\"255\"");
            expect(profile, claims, "ClaimMalformed", CVS_ERROR_ATTESTATION_FAILED, claim);
            (void)json_object_del(claims, claim);
            expect(profile, claims, "ClaimMissing", REFUSED, claim);
        }
    }
    {
        g_autofree char *key = g_strdup_printf("%s.Turin=snp:255", rule);
        g_autoptr(CvsProfile) profile = profile_with("SNP", key);
        g_autoptr(json_t) claims = claims_of(SNP);

        /* The line is not judged, but it has to be known. */
        expect(profile, claims, "", -1, "another line");
        (void)json_object_del(claims, "tee.line");
        expect(profile, claims, "ClaimMissing", REFUSED, "no line");
    }
}

static void
test_floors(void)
{
    check_floors("MinimumTCB", "reported", "TcbBelowFloor");
    check_floors("MinimumLaunchTCB", "launch", "LaunchTcbBelowFloor");
}

/* Each part that is not committed is a reason of its own; what is allowed, or not asked, is no
 * matter. Rows about single claims of the version are in the table. */
static void
test_provisional(void)
{
    static const char *const lines[] = {"Milan", "Genoa", "Turin", "Venice"};
    static const char *const parts[] = {"fmc", "bootloader", "tee", "snp", "microcode"};
    g_autoptr(CvsProfile) refuse = profile_with("SNP", "AllowProvisionalFirmware=no");
    g_autoptr(CvsProfile) allow = profile_with("SNP", "AllowProvisionalFirmware=yes");
    g_autoptr(CvsProfile) silent = profile_with("SNP", NULL);

    for (gsize l = 0; l < G_N_ELEMENTS(lines); l++) {
        g_autofree char *line_json = g_strdup_printf("\"%s\"", lines[l]);

        for (gsize p = l < 2 ? 1 : 0; p < G_N_ELEMENTS(parts); p++) {
            g_autofree char *current = g_strdup_printf("tee.tcb.current.%s", parts[p]);
            g_autofree char *committed = g_strdup_printf("tee.tcb.committed.%s", parts[p]);
            g_autoptr(json_t) claims = claims_of(SNP);

            set(claims, "tee.line", line_json);
            if (l >= 2) {
                set(claims, "tee.tcb.current.fmc", "1");
                set(claims, "tee.tcb.committed.fmc", "1");
            }
            expect(refuse, claims, "", -1, committed);
            set(claims, current, "9");
            set(claims, committed, "8");
            expect(refuse, claims, "FirmwareProvisional", OLD, committed);
            expect(allow, claims, "", -1, committed);
            expect(silent, claims, "", -1, committed);
            /* No firmware says so; but it is not that what runs is committed. */
            set(claims, committed, "10");
            expect(refuse, claims, "FirmwareProvisional", OLD, committed);
            set(claims, committed, "9");
            expect(refuse, claims, "", -1, committed);
            set(claims, committed, "\"9\"");
            expect(refuse, claims, "ClaimMalformed", CVS_ERROR_ATTESTATION_FAILED, committed);
            (void)json_object_del(claims, committed);
            expect(refuse, claims, "ClaimMissing", REFUSED, committed);
            expect(allow, claims, "", -1, committed);
            set(claims, committed, "9");
            (void)json_object_del(claims, current);
            expect(refuse, claims, "ClaimMissing", REFUSED, current);
        }
    }
    {
        g_autoptr(json_t) claims = claims_of(SNP);

        (void)json_object_del(claims, "tee.line");
        expect(refuse, claims, "ClaimMissing", REFUSED, "no line");
        set(claims, "tee.line", Q("Milan"));
        set(claims, "tee.tcb.committed.snp", "1");
        set(claims, "tee.firmware.committed.minor", "54");
        expect(refuse, claims, "FirmwareProvisional FirmwareProvisional", OLD, "both");
    }
}

static void
test_types(void)
{
    static const struct {
        const char *types; /* line of [TEE] */
        const char *type;  /* JSON, NULL: absent */
        const char *reasons;
    } cases[] = {
        {"", Q("snp"), ""},
        {"Types=snp", Q("snp"), ""},
        {"Types=tdx none", Q("snp"), "TeeTypeRefused"},
        {"", Q("sev-es"), "TeeTypeRefused"},
        {"", Q("SNP"), "TeeTypeRefused"},
        {"", "1", "ClaimMalformed"},
        {"Types=snp none", NULL, "ClaimMissing"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strdup_printf("[Registers]\nPCRs=7\n[TEE]\n%s\n", cases[i].types);
        g_autoptr(CvsProfile) profile = parse(text);
        g_autoptr(json_t) claims = claims_of(SNP);
        g_autofree char *reasons = NULL;

        if (cases[i].type)
            set(claims, "tee.type", cases[i].type);
        else
            (void)json_object_del(claims, "tee.type");
        reasons = appraise(profile, claims, NULL);
        g_assert_cmpstr(reasons, ==, cases[i].reasons);
    }
}

/* Where no TEE is taken there is nothing to verify; but a key that the profile has is judged. */
static void
test_none(void)
{
    static const struct {
        const char *text;
        const char *reasons;
    } cases[] = {
        {"Types=none\n", ""},
        {"Types=snp none\n[SNP]\nVMPL=0\n[Collateral]\nCRL=optional\nCollateralGrace=1d\n", ""},
        {"Types=snp\n",
         "NotVerified TeeTypeRefused ClaimMissing ClaimMissing ClaimMissing ClaimMissing"},
        {"", "NotVerified TeeTypeRefused ClaimMissing ClaimMissing ClaimMissing ClaimMissing"},
        {"Types=none\nAllowDebug=no\n", "ClaimMissing"},
        {"Types=none\nAllowMigration=no\n", "ClaimMissing"},
        {"Types=none\nAllowSMT=no\n", "ClaimMissing ClaimMissing"},
        {"Types=none\nAllowTestRoots=no\n", "ClaimMissing"},
        {"Types=none\nMeasurements=" A48 "\n", "ClaimMissing"},
        {"Types=none\n[Collateral]\nCRL=required\n", "CrlMissing"},
        {"Types=none\n[Collateral]\nCollateralMaximumAge=1d\n", "ClaimMissing"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = g_strconcat("[Registers]\nPCRs=7\n[TEE]\n", cases[i].text, NULL);
        g_autoptr(CvsProfile) profile = parse(text);
        g_autoptr(json_t) claims = json_pack("{s:s}", "tee.type", "none");
        g_autofree char *reasons = appraise(profile, claims, NULL);

        g_assert_cmpstr(reasons, ==, cases[i].reasons);
    }
}

static void
test_verified(void)
{
    static const struct {
        const char *verified;
        const char *seen;
    } cases[] = {{"false", "false"},
                 {"\"true\"", "(malformed)"},
                 {"1", "(malformed)"},
                 {NULL, "(not there)"}};

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(CvsProfile) profile = profile_with("TEE", NULL);
        g_autoptr(json_t) claims = claims_of(SNP);
        g_autoptr(GError) refusal = cvs_refusal_new();
        const CvsReason *reason = NULL;

        if (cases[i].verified)
            set(claims, "tee.verified", cases[i].verified);
        else
            (void)json_object_del(claims, "tee.verified");
        expect(profile, claims, "NotVerified", CVS_ERROR_ATTESTATION_FAILED, "verified");
        cvs_appraise(profile, claims, NOW, refusal);
        reason = g_ptr_array_index(cvs_error_get_reasons(refusal), 0);
        g_assert_cmpstr(reason->seen, ==, cases[i].seen);
    }
}

/* A refusal that comes with the reasons of the verification: what follows from these is not said
 * again, what a key of the profile asks for is, and so is what the claims do say. */
static void
test_after_verification(void)
{
    g_autoptr(CvsProfile) plain = profile_with("TEE", NULL);
    g_autoptr(CvsProfile) keys = profile_with("SNP", "Providers=x");
    g_autoptr(CvsProfile) crl = profile_with("Collateral", "CRL=required");
    g_autoptr(json_t) claims = json_pack("{s:s}", "tee.type", "snp");
    const struct {
        const CvsProfile *profile;
        guint count;
        int code;
    } cases[] = {{plain, 1, CVS_ERROR_COLLATERAL_MISSING},
                 {keys, 2, CVS_ERROR_COLLATERAL_MISSING},
                 {crl, 2, CVS_ERROR_COLLATERAL_MISSING}};

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        GError *refusal = cvs_refusal_new();
        g_autoptr(GError) error = NULL;

        cvs_error_add_reason(refusal, CVS_REASON_COLLATERAL_MISSING, NULL, NULL, "no leaf");
        cvs_appraise(cases[i].profile, claims, NOW, refusal);
        g_assert_cmpuint(cvs_refusal_count(refusal), ==, cases[i].count);
        g_assert_false(cvs_refusal_end(refusal, "it", &error));
        g_assert_error(error, CVS_ERROR, cases[i].code);
    }
    {
        GError *refusal = cvs_refusal_new();
        g_autoptr(GError) error = NULL;

        set(claims, "tee.policy.debug", "true");
        set(claims, "tee.crl", Q("stale"));
        set(claims, "tee.crl.next_update", "1");
        set(claims, "tee.collateral.not_after", "1");
        cvs_error_add_reason(refusal, CVS_REASON_CRL_STALE, NULL, NULL, "stale");
        cvs_appraise(plain, claims, NOW, refusal);
        g_assert_cmpuint(cvs_refusal_count(refusal), ==, 2);
        g_assert_false(cvs_refusal_end(refusal, "it", &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_TEE_REFUSED);
        g_assert_true(cvs_error_has_reason(error, CVS_REASON_DEBUG_ALLOWED));
    }
}

/* A key that lifts a default: the claim is not even looked at. */
static void
test_allowed(void)
{
    static const struct {
        Tee tee;
        const char *group, *line, *claim, *json;
    } cases[] = {
        {SNP, "TEE", "AllowDebug=yes", "tee.policy.debug", "true"},
        {TDX, "TEE", "AllowDebug=yes", "tee.td_attributes", Q("0x71")},
        {SNP, "TEE", "AllowMigration=yes", "tee.policy.migrate_ma", "true"},
        {SNP, "TEE", "AllowMigration=yes", "tee.migration_agent", "true"},
        {TDX, "TEE", "AllowMigration=yes", "tee.policy.migrate_ma", "true"},
        {SNP, "TEE", "AllowTestRoots=yes", "tee.test_roots", "true"},
        {SNP, "TEE", "AllowSMT=yes", "tee.policy.smt", "true"},
        {SNP, "TEE", NULL, "tee.policy.smt", "true"},
        {TDX, "TDX", "ServiceTDs=any", "tee.mr_servicetd", Q(B48)},
        {SNP, "Collateral", "CRL=optional", "tee.crl", Q("missing")},
        {TDX, "Collateral", NULL, "tee.pck.crl", Q("missing")},
        /* Bits without a meaning are no fault. */
        {SNP, "SNP", "RequirePlatform=ecc", "tee.platform_info.unknown", Q("0x40")},
        {TDX, "TDX", "RefuseAttributes=pks", "tee.td_attributes", Q("0x400000000000000")},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(CvsProfile) profile = profile_with(cases[i].group, cases[i].line);
        g_autoptr(json_t) claims = claims_of(cases[i].tee);

        set(claims, cases[i].claim, cases[i].json);
        set(claims, "tee.platform_info.ecc", "true");
        set(claims, "tee.td_attributes.pks", "false");
        expect(profile, claims, "", -1, cases[i].line ? cases[i].line : cases[i].claim);
    }
}

static void
test_rtmrs_unused(void)
{
    g_autoptr(CvsProfile) profile = profile_with("TDX", "RTMR1=" ZERO48 "\nRTMR2=" ZERO48);
    g_autoptr(CvsProfile) plain = profile_with("TDX", "TCBStatus=UpToDate");
    g_autoptr(json_t) claims = claims_of(TDX);

    set(claims, "tee.rtmr1", Q(ZERO48));
    set(claims, "tee.rtmr2", Q(ZERO48));
    expect(profile, claims, "", -1, "used");
    set(claims, "tee.rtmrs_used", "false");
    expect(profile, claims, "RtmrsUnused RtmrsUnused", REFUSED, "unused");
    expect(plain, claims, "", -1, "no rule");
    set(claims, "tee.rtmrs_used", "0");
    expect(profile, claims, "ClaimMalformed ClaimMalformed", CVS_ERROR_ATTESTATION_FAILED,
           "malformed");
    (void)json_object_del(claims, "tee.rtmrs_used");
    expect(profile, claims, "ClaimMissing ClaimMissing", REFUSED, "absent");
}

/* Debug says one thing, not two, unless other bits are set as well. */
static void
test_debug_td(void)
{
    g_autoptr(CvsProfile) profile = profile_with("TDX", NULL);
    g_autoptr(json_t) claims = claims_of(TDX);

    set(claims, "tee.policy.debug", "true");
    set(claims, "tee.td_attributes", Q("0x10000001"));
    expect(profile, claims, "DebugAllowed", REFUSED, "debug");
    set(claims, "tee.td_attributes", Q("0x10000011"));
    expect(profile, claims, "DebugAllowed AttributesRefused", REFUSED, "debug and another");
}

/* The built-in profile: only what must be refused always. */
static void
test_strict(void)
{
    g_autoptr(CvsProfile) profile = cvs_profile_strict_new();
    static const struct {
        Tee tee;
        const char *claim, *json, *reasons;
    } cases[] = {
        {SNP, "tee.policy.debug", "true", "DebugAllowed"},
        {SNP, "tee.policy.migrate_ma", "true", "MigrationAllowed"},
        {TDX, "tee.policy.migrate_ma", "true", "MigrationAllowed"},
        {TDX, "tee.tcb.status", Q("SWHardeningNeeded"), "TcbStatusRefused"},
        {TDX, "tee.tcb.next_update", "1779999999", "CollateralExpired"},
        {SNP, "tee.verified", "false", "NotVerified"},
        {SNP, "tee.type", Q("none"), "TeeTypeRefused"},
        {SNP, "tee.vmpl", "3", ""},
        {SNP, "tee.crl", Q("missing"), ""},
        {TDX, "tee.root.crl", Q("missing"), ""},
        {TDX, "tee.service_td", "true", ""},
        {TDX, "tee.mr_servicetd", Q(A48), ""},
        {SNP, "tee.test_roots", "true", ""},
        {SNP, "tee.signing_key", Q("vlek"), ""},
        {TDX, "tee.td_attributes", Q("0x0"), ""},
    };

    g_assert_cmpint(cvs_tee_rules_grace(&profile->tee), ==, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(json_t) claims = claims_of(cases[i].tee);
        g_autofree char *reasons = NULL;

        set(claims, cases[i].claim, cases[i].json);
        reasons = appraise(profile, claims, NULL);
        g_assert_cmpstr(reasons, ==, cases[i].reasons);
    }
}

static void
test_allow_test_roots(void)
{
    g_autoptr(CvsProfile) silent = profile_with("TEE", NULL);
    g_autoptr(CvsProfile) no = profile_with("TEE", "AllowTestRoots=no");
    g_autoptr(json_t) claims = claims_of(SNP);

    set(claims, "tee.test_roots", "true");
    cvs_tee_rules_allow_test_roots(&silent->tee);
    cvs_tee_rules_allow_test_roots(&no->tee);
    expect(silent, claims, "", -1, "named by the caller");
    expect(no, claims, "TestRoots", CVS_ERROR_ATTESTATION_FAILED, "refused by the profile");
}

/* Claims of any kind, no object at all among them, and any time. */
static void
test_nothing(void)
{
    g_autoptr(CvsProfile) profile = cvs_profile_strict_new();
    g_autoptr(json_t) array = json_array();
    g_autoptr(json_t) empty = json_object();
    const json_t *const things[] = {NULL, array, empty};
    const gint64 times[] = {G_MININT64, -1, 0, NOW, G_MAXINT64};
    const gint64 ends[] = {G_MININT64, 0, G_MAXINT64};

    for (gsize i = 0; i < G_N_ELEMENTS(things); i++) {
        g_autofree char *reasons = appraise(profile, things[i], NULL);

        g_assert_cmpstr(reasons, ==,
                        "NotVerified ClaimMissing ClaimMissing ClaimMissing ClaimMissing");
    }
    for (gsize i = 0; i < G_N_ELEMENTS(times); i++) {
        for (gsize j = 0; j < G_N_ELEMENTS(ends); j++) {
            g_autoptr(json_t) claims = claims_of(SNP);
            g_autoptr(GError) refusal = cvs_refusal_new();

            (void)json_object_set_new(claims, "tee.collateral.not_after", json_integer(ends[j]));
            (void)json_object_del(claims, "tee.crl");
            cvs_appraise(profile, claims, times[i], refusal);
            g_assert_cmpint(cvs_error_has_reason(refusal, CVS_REASON_CERT_EXPIRED), ==,
                            times[i] > ends[j]);
        }
    }
}

/* Everything wrong that can be, in one appraisal. */
static void
test_all_at_once(void)
{
    static const char *const wanted[] = {
        [SNP] = "NotVerified MeasurementUnlisted DebugAllowed MigrationAllowed MigrationAllowed "
                "SmtAllowed SmtAllowed TestRoots LineRefused TcbBelowFloor TcbBelowFloor "
                "TcbBelowFloor TcbBelowFloor FirmwareTooOld GuestSvnTooLow VmplRefused "
                "SigningKeyRefused ChipUnlisted ClaimMissing IdKeyUnlisted AuthorKeyUnlisted "
                "HostDataUnlisted PolicyBitRefused PolicyBitRefused PlatformRefused "
                "PlatformRefused MitigationMissing MitigationMissing CrlMissing CertExpired "
                "CollateralTooOld",
        [TDX] = "NotVerified MeasurementUnlisted DebugAllowed AttributesRefused MigrationAllowed "
                "SmtAllowed TestRoots TcbStatusRefused TcbDateTooOld SeamUnlisted "
                "AttributesRefused AttributesRefused XfamRefused XfamRefused ConfigIdUnlisted "
                "OwnerUnlisted OwnerConfigUnlisted RtmrDiffers RtmrDiffers RtmrDiffers RtmrDiffers "
                "ServiceTdUnlisted CrlMissing CrlStale CertExpired CollateralExpired "
                "CollateralTooOld",
    };
    static const struct {
        const char *name, *json;
    } wrong[] = {
        {"tee.verified", "false"},
        {"tee.measurement", Q(C48)},
        {"tee.policy.debug", "true"},
        {"tee.policy.migrate_ma", "true"},
        {"tee.migration_agent", "true"},
        {"tee.policy.smt", "true"},
        {"tee.platform_info.smt", "true"},
        {"tee.platform.smt", "true"},
        {"tee.test_roots", "true"},
        {"tee.tcb.reported.bootloader", "3"},
        {"tee.tcb.reported.tee", "0"},
        {"tee.tcb.reported.snp", "21"},
        {"tee.tcb.reported.microcode", "212"},
        {"tee.firmware.current.build", "28"},
        {"tee.guest_svn", "4"},
        {"tee.vmpl", "1"},
        {"tee.signing_key", Q("vlek")},
        {"tee.id_key_digest", Q(ZERO48)},
        {"tee.author_key_digest", Q(ZERO48)},
        {"tee.host_data", Q(B32)},
        {"tee.policy.single_socket", "false"},
        {"tee.policy.cxl", "true"},
        {"tee.platform_info.ecc", "false"},
        {"tee.platform_info.tio", "true"},
        {"tee.mit_vector.launch", Q("0x0")},
        {"tee.mit_vector.current", Q("0x0")},
        {"tee.crl", Q("missing")},
        {"tee.crl.this_update", "1"},
        {"tee.collateral.not_after", "1"},
        {"tee.td_attributes", Q("0x11")},
        {"tee.tcb.status", Q("OutOfDate")},
        {"tee.tcb.date", "1"},
        {"tee.mr_seam", Q(C48)},
        {"tee.td_attributes.sept_ve_disable", "false"},
        {"tee.td_attributes.perfmon", "true"},
        {"tee.xfam", Q("0x4")},
        {"tee.mr_config_id", Q(C48)},
        {"tee.mr_owner", Q(C48)},
        {"tee.mr_owner_config", Q(C48)},
        {"tee.rtmr0", Q(C48)},
        {"tee.rtmr1", Q(C48)},
        {"tee.rtmr2", Q(C48)},
        {"tee.rtmr3", Q(C48)},
        {"tee.mr_servicetd", Q(C48)},
        {"tee.pck.crl", Q("missing")},
        {"tee.root.crl", Q("stale")},
        {"tee.root.crl.next_update", "1"},
        {"tee.tcb.next_update", "1"},
        {"tee.tcb.issue_date", "1"},
    };
    g_autoptr(CvsProfile) profile = parse(
        "[Registers]\nPCRs=7\n[TEE]\nTypes=snp tdx\nMeasurements=" A48 "\nAllowSMT=no\n"
        "[SNP]\nLines=Turin\nMinimumTCB.Milan=bootloader:4 tee:1 snp:22 microcode:213\n"
        "MinimumFirmware=1.55.29\nMinimumGuestSVN=5\nVMPL=0\nSigningKeys=vcek\nChipIDs=" A64
        "\nProviders=x\nIDKeyDigests=" A48 "\nAuthorKeyDigests=" A48 "\nHostData=" A32
        "\nRequirePolicy=single-socket\nRefusePolicy=cxl\nRequirePlatform=ecc\nRefusePlatform=tio\n"
        "RequireMitigations=0x1\n"
        "[TDX]\nMinimumTCBDate=2024-01-01\nMRSEAM=" A48 "\nRequireAttributes=sept-ve-disable\n"
        "RefuseAttributes=perfmon\nRequireXFAM=0x3\nAllowXFAM=0x3\nMRConfigID=" A48 "\nMROwner=" A48
        "\nMROwnerConfig=" A48 "\nRTMR0=" A48 "\nRTMR1=" A48 "\nRTMR2=" A48 "\nRTMR3=" A48
        "\nServiceTDs=none\n[Collateral]\nCRL=required\nCollateralMaximumAge=30d\n");

    for (guint tee = SNP; tee <= TDX; tee++) {
        g_autoptr(json_t) claims = claims_of((Tee)tee);

        for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++)
            set(claims, wrong[i].name, wrong[i].json);
        expect(profile, claims, wanted[tee], CVS_ERROR_ATTESTATION_FAILED, "all");
    }
}

/* Which error comes of which reasons. */
static void
test_gravity(void)
{
    static const struct {
        const char *reasons[4];
        int code;
    } cases[] = {
        {{"DebugAllowed", "TcbBelowFloor", "CollateralMissing"}, CVS_ERROR_TEE_REFUSED},
        {{"CollateralExpired", "TcbStatusRefused", "CollateralMissing"}, CVS_ERROR_TCB_TOO_OLD},
        {{"TcbBelowFloor", "ClaimMissing"}, CVS_ERROR_TCB_TOO_OLD},
        {{"CrlStale", "CrlMissing", "ClaimMissing"}, CVS_ERROR_COLLATERAL_MISSING},
        {{"ClaimMissing", "CollateralTooOld"}, CVS_ERROR_COLLATERAL_EXPIRED},
        {{"ClaimMissing"}, CVS_ERROR_TEE_REFUSED},
        {{"DebugAllowed", "ReportSignature"}, CVS_ERROR_ATTESTATION_FAILED},
        {{"DebugAllowed", "NotVerified"}, CVS_ERROR_ATTESTATION_FAILED},
        {{"TcbBelowFloor", "ClaimMalformed"}, CVS_ERROR_ATTESTATION_FAILED},
        {{"MeasurementUnlisted", "TestRoots"}, CVS_ERROR_ATTESTATION_FAILED},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        GError *refusal = cvs_refusal_new();
        g_autoptr(GError) error = NULL;

        for (gsize j = 0; j < G_N_ELEMENTS(cases[i].reasons) && cases[i].reasons[j]; j++)
            cvs_error_add_reason(refusal, cases[i].reasons[j], NULL, NULL, "detail");
        g_assert_false(cvs_refusal_end(refusal, "it", &error));
        g_assert_error(error, CVS_ERROR, cases[i].code);
    }
}

/* One line for each key, as it stands in the rows; a key in two of them is taken once. */
static char *
profile_text(const gboolean chosen[static G_N_ELEMENTS(rows)])
{
    static const char *const groups[] = {"TEE", "SNP", "TDX", "Collateral"};
    GString *text = g_string_new("[Registers]\nPCRs=7\n");

    for (gsize g = 0; g < G_N_ELEMENTS(groups); g++) {
        g_autoptr(GHashTable) keys = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);

        g_string_append_printf(text, "[%s]\n%s", groups[g], g == 0 ? "Types=snp tdx\n" : "");
        for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
            if (chosen[i] && rows[i].line && g_str_equal(rows[i].group, groups[g]) &&
                g_hash_table_add(keys, g_strndup(rows[i].line, strcspn(rows[i].line, "="))))
                g_string_append_printf(text, "%s\n", rows[i].line);
        }
    }
    return g_string_free(text, FALSE);
}

/* A key that says what holds anyway or lets more through is no further rule. */
static gboolean
is_rule(const Row *row)
{
    return row->line && !g_str_has_prefix(row->line, "TCBStatus=") &&
           !g_str_has_prefix(row->line, "CollateralGrace=");
}

static gboolean
has_key(const char *text, const Row *row)
{
    g_autofree char *key = g_strndup(row->line, strcspn(row->line, "="));
    g_autofree char *line = g_strdup_printf("\n%s=", key);

    return strstr(text, line) != NULL;
}

/* Whatever the claims are: with one more rule they are refused if they were before, and for the
 * same reasons. */
static void
test_more_rules_refuse_more(void)
{
    g_autoptr(GRand) rand = g_rand_new_with_seed(20261124);
    guint accepted = 0;
    guint turned = 0;

    for (guint round = 0; round < 3000; round++) {
        gboolean chosen[G_N_ELEMENTS(rows)] = {FALSE};
        guint extra = (guint)g_rand_int_range(rand, 0, G_N_ELEMENTS(rows));
        g_autoptr(json_t) claims = claims_of((Tee)g_rand_int_range(rand, 0, 2));
        g_autofree char *before_text = NULL;
        g_autofree char *after_text = NULL;
        g_autoptr(CvsProfile) before = NULL;
        g_autoptr(CvsProfile) after = NULL;
        g_autofree char *before_reasons = NULL;
        g_autofree char *after_reasons = NULL;
        g_auto(GStrv) codes = NULL;
        const char *place = NULL;
        guint rules = (guint)g_rand_int_range(rand, 0, 6);
        /* Most claims right, else nothing would ever be accepted. */
        guint spoil = (guint)g_rand_int_range(rand, 0, 3);

        for (guint i = 0; i < rules; i++) {
            guint index = (guint)g_rand_int_range(rand, 0, G_N_ELEMENTS(rows));

            chosen[index] = is_rule(&rows[index]);
        }
        for (gsize i = 0; i < G_N_ELEMENTS(rows); i++)
            set(claims, rows[i].claim, rows[i].good);
        for (guint i = 0; i < spoil; i++) {
            const Row *row = &rows[g_rand_int_range(rand, 0, G_N_ELEMENTS(rows))];

            switch (g_rand_int_range(rand, 0, 3)) {
            case 0:
                (void)json_object_del(claims, row->claim);
                break;
            case 1:
                set(claims, row->claim, row->bad);
                break;
            default:
                set(claims, row->claim, row->malformed);
            }
        }
        before_text = profile_text(chosen);
        if (!is_rule(&rows[extra]) || has_key(before_text, &rows[extra]))
            continue;
        chosen[extra] = TRUE;
        after_text = profile_text(chosen);
        before = parse(before_text);
        after = parse(after_text);
        before_reasons = appraise(before, claims, NULL);
        after_reasons = appraise(after, claims, NULL);
        accepted += *before_reasons == '\0';
        turned += *before_reasons == '\0' && *after_reasons != '\0';
        if (*before_reasons != '\0' && *after_reasons == '\0')
            g_error("refused for %s by\n%s\nand accepted by\n%s", before_reasons, before_text,
                    after_text);
        /* The same ones, in the same order, with others between. */
        codes = g_strsplit(before_reasons, " ", -1);
        place = after_reasons;
        for (guint i = 0; codes[i]; i++) {
            place = strstr(place, codes[i]);
            if (place == NULL)
                g_error("%s became %s by\n%s", before_reasons, after_reasons, after_text);
            place += strlen(codes[i]);
        }
    }
    /* The test has seen both sides. */
    g_assert_cmpuint(accepted, >, 300);
    g_assert_cmpuint(turned, >, 30);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/appraisal/rows", test_rows);
    g_test_add_func("/appraisal/rows-complete", test_rows_complete);
    g_test_add_func("/appraisal/values", test_values);
    g_test_add_func("/appraisal/floors", test_floors);
    g_test_add_func("/appraisal/provisional", test_provisional);
    g_test_add_func("/appraisal/types", test_types);
    g_test_add_func("/appraisal/none", test_none);
    g_test_add_func("/appraisal/verified", test_verified);
    g_test_add_func("/appraisal/after-verification", test_after_verification);
    g_test_add_func("/appraisal/allowed", test_allowed);
    g_test_add_func("/appraisal/rtmrs-unused", test_rtmrs_unused);
    g_test_add_func("/appraisal/debug-td", test_debug_td);
    g_test_add_func("/appraisal/strict", test_strict);
    g_test_add_func("/appraisal/allow-test-roots", test_allow_test_roots);
    g_test_add_func("/appraisal/nothing", test_nothing);
    g_test_add_func("/appraisal/all-at-once", test_all_at_once);
    g_test_add_func("/appraisal/gravity", test_gravity);
    g_test_add_func("/appraisal/more-rules-refuse-more", test_more_rules_refuse_more);
    return g_test_run();
}
