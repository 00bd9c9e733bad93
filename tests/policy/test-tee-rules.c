/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "policy/profile.h"

#include <string.h>

#define X8(text) text text text text text text text text
#define A48 X8("aaaaaaaaaaaa")
#define B48 X8("BBBBBBBBBBBB")
#define ZERO48 X8("000000000000")
#define A32 X8("aaaaaaaa")
#define A64 X8("aaaaaaaaaaaaaaaa")

static CvsProfile *
parse(const char *text, GError **error)
{
    return cvs_profile_parse("x", "f", text, strlen(text), error);
}

/* The group in a profile that is good otherwise; the key is in line 6. */
static char *
text_with(const char *group, const char *line)
{
    if (g_str_equal(group, "TEE"))
        return g_strdup_printf("[Registers]\nPCRs=7\n\n\n[TEE]\n%s\n", line);
    return g_strdup_printf("[Registers]\nPCRs=7\n[TEE]\nTypes=snp tdx\n[%s]\n%s\n", group, line);
}

static CvsTeeRule *
rule_of(CvsProfile *profile, const char *key)
{
    for (guint i = 0; i < CVS_TEE_N_KEYS; i++) {
        if (g_str_equal(cvs_tee_key_name((CvsTeeKey)i), key))
            return &profile->tee.rules[i];
    }
    g_error("there is no key %s", key);
}

static const struct {
    const char *group, *key, *value;
    const char *list; /* words with blanks between; NULL: no list */
    guint64 number;
} good[] = {
    {"TEE", "Types", "snp tdx none", "snp tdx none", 0},
    {"TEE", "Measurements", A48 "  " B48 "\t", A48 " " X8("bbbbbbbbbbbb"), 0},
    {"TEE", "AllowDebug", "yes", NULL, 1},
    {"TEE", "AllowMigration", "no", NULL, 0},
    {"TEE", "AllowSMT", "true", NULL, 1},
    {"TEE", "AllowTestRoots", "false", NULL, 0},
    {"SNP", "Lines", "Milan Genoa Turin Venice", "Milan Genoa Turin Venice", 0},
    {"SNP", "MinimumFirmware", "1.55.29", NULL, 1 << 16 | 55 << 8 | 29},
    {"SNP", "MinimumFirmware", "0.0.0", NULL, 0},
    {"SNP", "AllowProvisionalFirmware", "no", NULL, 0},
    {"SNP", "AllowProvisionalFirmware", "yes", NULL, 1},
    {"SNP", "MinimumGuestSVN", "4294967295", NULL, 4294967295},
    {"SNP", "VMPL", "0 1 2 3", "0 1 2 3", 0},
    {"SNP", "SigningKeys", "vlek vcek", "vlek vcek", 0},
    {"SNP", "ChipIDs", A64 " 0123456789ABCDEF", A64 " 0123456789abcdef", 0},
    {"SNP", "Providers", "CN=cc-us-east-2.amazonaws.com x", "CN=cc-us-east-2.amazonaws.com x", 0},
    {"SNP", "IDKeyDigests", A48, A48, 0},
    {"SNP", "AuthorKeyDigests", A48, A48, 0},
    {"SNP", "HostData", A32, A32, 0},
    {"SNP", "RequirePolicy",
     "single-socket cxl mem-aes-256-xts rapl-dis ciphertext-hiding page-swap-disable",
     "single-socket cxl mem-aes-256-xts rapl-dis ciphertext-hiding page-swap-disable", 0},
    {"SNP", "RefusePolicy", "cxl", "cxl", 0},
    {"SNP", "RequirePlatform", "tsme ecc rapl-dis ciphertext-hiding alias-check-complete tio",
     "tsme ecc rapl-dis ciphertext-hiding alias-check-complete tio", 0},
    {"SNP", "RefusePlatform", "tio", "tio", 0},
    {"SNP", "RequireMitigations", "0x3F", NULL, 0x3f},
    {"TDX", "TCBStatus",
     "UpToDate SWHardeningNeeded ConfigurationNeeded ConfigurationAndSWHardeningNeeded OutOfDate "
     "OutOfDateConfigurationNeeded TDRelaunchAdvised TDRelaunchAdvisedConfigurationNeeded",
     "UpToDate SWHardeningNeeded ConfigurationNeeded ConfigurationAndSWHardeningNeeded OutOfDate "
     "OutOfDateConfigurationNeeded TDRelaunchAdvised TDRelaunchAdvisedConfigurationNeeded",
     0},
    {"TDX", "MinimumTCBDate", "2024-03-13", NULL, 1710288000},
    {"TDX", "MinimumTCBDate", "1970-01-02", NULL, 86400},
    {"TDX", "MRSEAM", A48, A48, 0},
    {"TDX", "RequireAttributes", "sept-ve-disable pks kl perfmon", "sept-ve-disable pks kl perfmon",
     0},
    {"TDX", "RefuseAttributes", "kl", "kl", 0},
    {"TDX", "RequireXFAM", "0x3", NULL, 3},
    {"TDX", "AllowXFAM", "0xffffffffffffffff", NULL, G_MAXUINT64},
    {"TDX", "MRConfigID", A48, A48, 0},
    {"TDX", "MROwner", A48, A48, 0},
    {"TDX", "MROwnerConfig", A48, A48, 0},
    {"TDX", "RTMR0", A48, A48, 0},
    {"TDX", "RTMR1", A48, A48, 0},
    {"TDX", "RTMR2", A48, A48, 0},
    {"TDX", "RTMR3", ZERO48, ZERO48, 0},
    {"TDX", "ServiceTDs", "any", NULL, 0},
    {"TDX", "ServiceTDs", "none", ZERO48, 0},
    {"TDX", "ServiceTDs", "none " A48, ZERO48 " " A48, 0},
    {"Collateral", "CRL", "required", NULL, 1},
    {"Collateral", "CRL", "optional", NULL, 0},
    {"Collateral", "CollateralGrace", "0", NULL, 0},
    {"Collateral", "CollateralGrace", "90", NULL, 90},
    {"Collateral", "CollateralGrace", "90s", NULL, 90},
    {"Collateral", "CollateralGrace", "5min", NULL, 300},
    {"Collateral", "CollateralGrace", "36h", NULL, 129600},
    {"Collateral", "CollateralGrace", "30d", NULL, 2592000},
    {"Collateral", "CollateralGrace", "4w", NULL, 2419200},
    {"Collateral", "CollateralMaximumAge", "3650d", NULL, 315360000},
    {"vTPM", "Kinds", "svsm svsm-unlisted azure azure-unlisted vtpm-td vtpm-td-unlisted host none",
     "svsm svsm-unlisted azure azure-unlisted vtpm-td vtpm-td-unlisted host none", 0},
    {"vTPM", "TDMeasurements", A48 " " ZERO48, A48 " " ZERO48, 0},
    {"vTPM", "TDRTMR0", A48, A48, 0},
    {"vTPM", "TDRTMR1", A48, A48, 0},
    {"vTPM", "TDRTMR2", A48, A48, 0},
    {"vTPM", "TDRTMR3", ZERO48, ZERO48, 0},
    {"vTPM", "AllowAssertedAK", "yes", NULL, 1},
    {"vTPM", "Persistent", "yes", NULL, 1},
    {"vTPM", "MaxAge", "12h", NULL, 43200},
};

static void
test_good(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autofree char *line = g_strdup_printf("%s=%s", good[i].key, good[i].value);
        g_autofree char *text = text_with(good[i].group, line);
        g_autoptr(GError) error = NULL;
        g_autoptr(CvsProfile) profile = parse(text, &error);
        const CvsTeeRule *rule = NULL;
        g_autofree char *list = NULL;

        g_assert_no_error(error);
        rule = rule_of(profile, good[i].key);
        g_assert_true(rule->given);
        list = rule->list ? g_strjoinv(" ", rule->list) : NULL;
        g_assert_cmpstr(list, ==, good[i].list);
        g_assert_cmpuint(rule->number, ==, good[i].number);
        g_assert_true(profile->tee.present);
    }
}

static void
test_levels(void)
{
    static const struct {
        const char *line;
        gint levels[CVS_TEE_N_LEVELS];
    } cases[] = {
        {"MinimumTCB.Milan=bootloader:4 tee:0 snp:22 microcode:213", {-1, 4, 0, 22, 213}},
        {"MinimumTCB.Genoa=microcode:255", {-1, -1, -1, -1, 255}},
        {"MinimumTCB.Turin=snp:5 fmc:1", {1, -1, -1, 5, -1}},
        {"MinimumTCB.Venice=fmc:0", {0, -1, -1, -1, -1}},
        {"MinimumLaunchTCB.Milan=bootloader:4", {-1, 4, -1, -1, -1}},
        {"MinimumLaunchTCB.Genoa=tee:1 snp:23", {-1, -1, 1, 23, -1}},
        {"MinimumLaunchTCB.Turin=fmc:1 snp:5", {1, -1, -1, 5, -1}},
        {"MinimumLaunchTCB.Venice=microcode:9", {-1, -1, -1, -1, 9}},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *text = text_with("SNP", cases[i].line);
        g_autofree char *key = g_strndup(cases[i].line, strcspn(cases[i].line, "="));
        g_autoptr(GError) error = NULL;
        g_autoptr(CvsProfile) profile = parse(text, &error);

        g_assert_no_error(error);
        for (guint level = 0; level < CVS_TEE_N_LEVELS; level++)
            g_assert_cmpint(rule_of(profile, key)->levels[level], ==, cases[i].levels[level]);
    }
}

#define NO_LIST "\"\" is not a list of one or more values"
#define HEX_48 "48 bytes in hexadecimal digits"
#define COMPONENT "bootloader, tee, snp or microcode, a colon, and 0 to 255"
#define VERSION "a firmware version as in 1.55.29"
#define A_MASK "a mask of bits as in 0x3f, not zero"
#define A_DATE "a date as in 2025-01-31, after 1970-01-01"
#define SPAN "a time span as in 30d: a number and s, min, h, d or w, up to ten years"
#define A_NUMBER "a number from 0 to 4294967295"

static const struct {
    const char *group, *line, *message;
} bad[] = {
    {"TEE", "Types=", "Types: " NO_LIST},
    {"TEE", "Types=snp, tdx", "Types: \"snp,\" is not snp, tdx or none"},
    {"TEE", "Types=SNP", "Types: \"SNP\" is not snp, tdx or none"},
    {"TEE", "Measurements= ", "Measurements: " NO_LIST},
    {"TEE", "Measurements=" A32, "Measurements: \"" X8("aaaaa") "...\" is not " HEX_48},
    {"TEE", "Measurements=" A48 " 00", "Measurements: \"00\" is not " HEX_48},
    {"TEE", "Measurements=" A48 "0", "Measurements: \"" X8("aaaaa") "...\" is not " HEX_48},
    {"TEE", "Measurements=0x", "Measurements: \"0x\" is not " HEX_48},
    {"TEE", "AllowDebug=", "AllowDebug: \"\" is not yes or no"},
    {"TEE", "AllowMigration=maybe", "AllowMigration: \"maybe\" is not yes or no"},
    {"TEE", "AllowSMT=1", "AllowSMT: \"1\" is not yes or no"},
    {"TEE", "AllowTestRoots=Yes", "AllowTestRoots: \"Yes\" is not yes or no"},
    {"TEE", "Allowdebug=no", "unknown key \"Allowdebug\" in the group [TEE]"},
    {"TEE", "VMPL=0", "unknown key \"VMPL\" in the group [TEE]"},
    {"SNP", "Lines=Rome", "Lines: \"Rome\" is not Milan, Genoa, Turin or Venice"},
    {"SNP", "MinimumTCB.Rome=snp:1", "unknown key \"MinimumTCB.Rome\" in the group [SNP]"},
    {"SNP", "MinimumTCB=snp:1", "unknown key \"MinimumTCB\" in the group [SNP]"},
    {"SNP",
     "MinimumTCB.Milan=", "MinimumTCB.Milan: \"\" is not a list of one or more COMPONENT:LEVEL"},
    {"SNP", "MinimumTCB.Milan=fmc:1", "MinimumTCB.Milan: \"fmc:1\" is not " COMPONENT},
    {"SNP", "MinimumTCB.Genoa=fmc:1", "MinimumTCB.Genoa: \"fmc:1\" is not " COMPONENT},
    {"SNP", "MinimumTCB.Milan=snp", "MinimumTCB.Milan: \"snp\" is not " COMPONENT},
    {"SNP", "MinimumTCB.Milan=snp:", "MinimumTCB.Milan: \"snp:\" is not " COMPONENT},
    {"SNP", "MinimumTCB.Milan=snp:256", "MinimumTCB.Milan: \"snp:256\" is not " COMPONENT},
    {"SNP", "MinimumTCB.Milan=snp:-1", "MinimumTCB.Milan: \"snp:-1\" is not " COMPONENT},
    {"SNP", "MinimumTCB.Milan=snp:0x1", "MinimumTCB.Milan: \"snp:0x1\" is not " COMPONENT},
    {"SNP", "MinimumTCB.Milan=snp:1:2", "MinimumTCB.Milan: \"snp:1:2\" is not " COMPONENT},
    {"SNP", "MinimumTCB.Milan=:1", "MinimumTCB.Milan: \":1\" is not " COMPONENT},
    {"SNP", "MinimumTCB.Milan=snpx:1", "MinimumTCB.Milan: \"snpx:1\" is not " COMPONENT},
    {"SNP", "MinimumTCB.Milan=sn:1", "MinimumTCB.Milan: \"sn:1\" is not " COMPONENT},
    {"SNP", "MinimumTCB.Turin=ucode:1", "MinimumTCB.Turin: \"ucode:1\" is not fmc, " COMPONENT},
    {"SNP", "MinimumTCB.Turin=fmc:1 snp:2 fmc:1",
     "MinimumTCB.Turin: \"fmc:1\" is not the only floor of this component"},
    {"SNP", "MinimumLaunchTCB=snp:1", "unknown key \"MinimumLaunchTCB\" in the group [SNP]"},
    {"SNP", "MinimumLaunchTCB.Milan=fmc:1", "MinimumLaunchTCB.Milan: \"fmc:1\" is not " COMPONENT},
    {"SNP", "MinimumLaunchTCB.Genoa=fmc:1", "MinimumLaunchTCB.Genoa: \"fmc:1\" is not " COMPONENT},
    {"SNP", "MinimumLaunchTCB.Turin=ucode:1",
     "MinimumLaunchTCB.Turin: \"ucode:1\" is not fmc, " COMPONENT},
    {"SNP", "MinimumLaunchTCB.Venice=snp:256",
     "MinimumLaunchTCB.Venice: \"snp:256\" is not fmc, " COMPONENT},
    {"SNP", "MinimumFirmware=", "MinimumFirmware: \"\" is not " VERSION},
    {"SNP", "AllowProvisionalFirmware=maybe",
     "AllowProvisionalFirmware: \"maybe\" is not yes or no"},
    {"SNP", "MinimumFirmware=1.55", "MinimumFirmware: \"1.55\" is not " VERSION},
    {"SNP", "MinimumFirmware=1.55.29.0", "MinimumFirmware: \"1.55.29.0\" is not " VERSION},
    {"SNP", "MinimumFirmware=1.55.256", "MinimumFirmware: \"1.55.256\" is not " VERSION},
    {"SNP", "MinimumFirmware=1..29", "MinimumFirmware: \"1..29\" is not " VERSION},
    {"SNP", "MinimumGuestSVN=-1", "MinimumGuestSVN: \"-1\" is not " A_NUMBER},
    {"SNP", "MinimumGuestSVN=4294967296", "MinimumGuestSVN: \"4294967296\" is not " A_NUMBER},
    {"SNP", "MinimumGuestSVN=", "MinimumGuestSVN: \"\" is not " A_NUMBER},
    {"SNP", "VMPL=4", "VMPL: \"4\" is not a privilege level from 0 to 3"},
    {"SNP", "VMPL=00", "VMPL: \"00\" is not a privilege level from 0 to 3"},
    {"SNP", "SigningKeys=none", "SigningKeys: \"none\" is not vcek or vlek"},
    {"SNP", "ChipIDs=" A48,
     "ChipIDs: \"" X8("aaaaa") "...\" is not a chip id: 64 bytes, of Turin 8, in hexadecimal "
                               "digits"},
    {"SNP", "Providers=", "Providers: " NO_LIST},
    {"SNP", "Providers=a\\nb", "Providers: \"a?b\" is not printable text"},
    {"SNP", "IDKeyDigests=x", "IDKeyDigests: \"x\" is not " HEX_48},
    {"SNP", "AuthorKeyDigests=none", "AuthorKeyDigests: \"none\" is not " HEX_48},
    {"SNP", "HostData=00", "HostData: \"00\" is not 32 bytes in hexadecimal digits"},
    {"SNP", "RequirePolicy=debug", "RequirePolicy: \"debug\" is not a bit of the guest policy"},
    {"SNP", "RefusePolicy=rapl_dis", "RefusePolicy: \"rapl_dis\" is not a bit of the guest policy"},
    {"SNP", "RequirePlatform=smt", "RequirePlatform: \"smt\" is not a bit of PLATFORM_INFO"},
    {"SNP", "RefusePlatform=unknown", "RefusePlatform: \"unknown\" is not a bit of PLATFORM_INFO"},
    {"SNP", "RequireMitigations=3f", "RequireMitigations: \"3f\" is not " A_MASK},
    {"SNP", "RequireMitigations=123", "RequireMitigations: \"123\" is not " A_MASK},
    {"SNP", "RequireMitigations=0x", "RequireMitigations: \"0x\" is not " A_MASK},
    {"SNP", "RequireMitigations=0x0", "RequireMitigations: \"0x0\" is not " A_MASK},
    {"SNP", "RequireMitigations=0x10000000000000000",
     "RequireMitigations: \"0x10000000000000000\" is not " A_MASK},
    {"SNP", "RequireMitigations=0x0x3", "RequireMitigations: \"0x0x3\" is not " A_MASK},
    {"SNP", "RequireMitigations=0x+3", "RequireMitigations: \"0x+3\" is not " A_MASK},
    {"TDX", "TCBStatus=Revoked", "TCBStatus: \"Revoked\" is not a TCB status that can be taken"},
    {"TDX", "TCBStatus=UpToDate NotSupported",
     "TCBStatus: \"NotSupported\" is not a TCB status that can be taken"},
    {"TDX", "TCBStatus=uptodate", "TCBStatus: \"uptodate\" is not a TCB status that can be taken"},
    {"TDX", "MinimumTCBDate=2024-13-01", "MinimumTCBDate: \"2024-13-01\" is not " A_DATE},
    {"TDX", "MinimumTCBDate=2024-03-13T00:00:00Z",
     "MinimumTCBDate: \"2024-03-13T00:00:00Z\" is not " A_DATE},
    {"TDX", "MinimumTCBDate=2024-073", "MinimumTCBDate: \"2024-073\" is not " A_DATE},
    {"TDX", "MinimumTCBDate=1970-01-01", "MinimumTCBDate: \"1970-01-01\" is not " A_DATE},
    {"TDX", "MinimumTCBDate=", "MinimumTCBDate: \"\" is not " A_DATE},
    {"TDX", "MRSEAM=x", "MRSEAM: \"x\" is not " HEX_48},
    {"TDX", "RequireAttributes=debug", "RequireAttributes: \"debug\" is not a TD attribute"},
    {"TDX", "RefuseAttributes=migratable",
     "RefuseAttributes: \"migratable\" is not a TD attribute"},
    {"TDX", "RequireXFAM=3", "RequireXFAM: \"3\" is not " A_MASK},
    {"TDX", "AllowXFAM=", "AllowXFAM: \"\" is not " A_MASK},
    {"TDX", "MRConfigID=x", "MRConfigID: \"x\" is not " HEX_48},
    {"TDX", "MROwner=x", "MROwner: \"x\" is not " HEX_48},
    {"TDX", "MROwnerConfig=x", "MROwnerConfig: \"x\" is not " HEX_48},
    {"TDX", "RTMR0=x", "RTMR0: \"x\" is not " HEX_48},
    {"TDX", "RTMR3=", "RTMR3: " NO_LIST},
    {"TDX", "RTMR4=" A48, "unknown key \"RTMR4\" in the group [TDX]"},
    {"TDX", "ServiceTDs=any none", "ServiceTDs: \"any\" is not any, none, or " HEX_48},
    {"TDX", "ServiceTDs=all", "ServiceTDs: \"all\" is not any, none, or " HEX_48},
    {"TDX", "ServiceTDs=", "ServiceTDs: " NO_LIST},
    {"Collateral", "CRL=yes", "CRL: \"yes\" is not required or optional"},
    {"Collateral", "CollateralGrace=", "CollateralGrace: \"\" is not " SPAN},
    {"Collateral", "CollateralGrace=d", "CollateralGrace: \"d\" is not " SPAN},
    {"Collateral", "CollateralGrace=30 d", "CollateralGrace: \"30 d\" is not " SPAN},
    {"Collateral", "CollateralGrace=1d12h", "CollateralGrace: \"1d12h\" is not " SPAN},
    {"Collateral", "CollateralGrace=-1d", "CollateralGrace: \"-1d\" is not " SPAN},
    {"Collateral", "CollateralGrace=infinity", "CollateralGrace: \"infinity\" is not " SPAN},
    {"Collateral", "CollateralGrace=3651d", "CollateralGrace: \"3651d\" is not " SPAN},
    {"Collateral", "CollateralMaximumAge=18446744073709551617",
     "CollateralMaximumAge: \"18446744073709551617\" is not " SPAN},
    {"Collateral", "CollateralMaximumAge=1m", "CollateralMaximumAge: \"1m\" is not " SPAN},
    {"vTPM", "Kinds=", "Kinds: " NO_LIST},
    {"vTPM", "Kinds=any", "Kinds: \"any\" is not a kind of vTPM"},
    {"vTPM", "AllowAssertedAK=maybe", "AllowAssertedAK: \"maybe\" is not yes or no"},
    {"vTPM", "TDMeasurements=1234",
     "TDMeasurements: \"1234\" is not 48 bytes in hexadecimal digits"},
    {"vTPM", "Persistent=maybe", "Persistent: \"maybe\" is not yes or no"},
    {"vTPM", "MaxAge=-1", "MaxAge: \"-1\" is not " SPAN},
    {"vTPM", "Measurements=" A48, "unknown key \"Measurements\" in the group [vTPM]"},
};

static void
test_bad(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autofree char *text = text_with(bad[i].group, bad[i].line);
        g_autofree char *wanted = g_strconcat("f:6: ", bad[i].message, NULL);
        g_autoptr(GError) error = NULL;

        g_assert_null(parse(text, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
        g_assert_cmpstr(error->message, ==, wanted);
    }
}

/* Each key has a good and a bad value above. */
static void
test_complete(void)
{
    for (guint i = 0; i < CVS_TEE_N_KEYS; i++) {
        const char *key = cvs_tee_key_name((CvsTeeKey)i);
        g_autofree char *start = g_strconcat(key, "=", NULL);
        gboolean is_floor =
            g_str_has_prefix(key, "MinimumTCB.") || g_str_has_prefix(key, "MinimumLaunchTCB.");
        gboolean is_good = is_floor;
        gboolean is_bad =
            is_floor || g_str_has_prefix(key, "RTMR") || g_str_has_prefix(key, "TDRTMR");

        for (gsize j = 0; j < G_N_ELEMENTS(good); j++)
            is_good |= g_str_equal(good[j].key, key);
        for (gsize j = 0; j < G_N_ELEMENTS(bad); j++)
            is_bad |= g_str_has_prefix(bad[j].line, start);
        if (!is_good || !is_bad)
            g_error("%s= is not among the values", key);
    }
}

static void
test_groups(void)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"[Registers]\nPCRs=7\n[SNP]\n",
         "f:3: the group [SNP] needs the key Types in the group [TEE], with snp among its values"},
        {"[Registers]\nPCRs=7\n[TEE]\nTypes=tdx none\n[TDX]\n[SNP]\nVMPL=0\n",
         "f:6: the group [SNP] needs the key Types in the group [TEE], with snp among its values"},
        {"[TDX]\n[TEE]\nTypes=snp\n[Registers]\nPCRs=7\n",
         "f:1: the group [TDX] needs the key Types in the group [TEE], with tdx among its values"},
        {"[Registers]\nPCRs=7\n[TEE]\nAllowSMT=no\n[Collateral]\nCRL=required\n[TDX]\n",
         "f:7: the group [TDX] needs the key Types in the group [TEE], with tdx among its values"},
        {"[TEE]\nTypes=snp\nAllowSMT=no\nTypes=snp\n",
         "f:4: the key Types is there already, in line 2"},
        {"[TEE]\n[Collateral]\n[TEE]\n", "f:3: the group [TEE] is there already, in line 1"},
        {"[TEE]\nTypes=snp\n[SNP]\nMinimumTCB.Milan=snp:1\nMinimumTCB.Milan=snp:2\n",
         "f:5: the key MinimumTCB.Milan is there already, in line 4"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(parse(cases[i].text, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
        g_assert_cmpstr(error->message, ==, cases[i].message);
    }
}

static void
test_defaults(void)
{
    static const char *const groups[] = {"[TEE]", "[Collateral]",
                                         "[TEE]\nTypes=snp tdx none\n[SNP]\n[TDX]"};
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsProfile) without = parse("[Registers]\nPCRs=7\n[Secrets]\n", &error);

    g_assert_no_error(error);
    g_assert_false(without->tee.present);
    for (guint i = 0; i < CVS_TEE_N_KEYS; i++)
        g_assert_false(without->tee.rules[i].given);
    g_assert_cmpint(cvs_tee_rules_grace(&without->tee), ==, 30 * 86400);
    g_assert_true(cvs_tee_rules_take_type(&without->tee, "snp"));
    g_assert_true(cvs_tee_rules_take_type(&without->tee, "tdx"));
    g_assert_false(cvs_tee_rules_take_type(&without->tee, "none"));

    /* A group without keys asks for a TEE too. */
    for (gsize i = 0; i < G_N_ELEMENTS(groups); i++) {
        g_autofree char *text = g_strdup_printf("[Registers]\nPCRs=7\n%s\n", groups[i]);
        g_autoptr(CvsProfile) profile = parse(text, &error);

        g_assert_no_error(error);
        g_assert_true(profile->tee.present);
    }
}

/* Every byte of a good profile changed, and every length: an answer, never a crash. */
static void
test_every_change(void)
{
    static const char text[] = "[Registers]\nPCRs=7\n[TEE]\nTypes=snp tdx\nAllowSMT=no\n[SNP]\n"
                               "MinimumTCB.Turin=fmc:1 snp:5\nMinimumFirmware=1.55.29\nVMPL=0 1\n"
                               "ChipIDs=0123456789abcdef\nRequirePolicy=cxl\n"
                               "RequireMitigations=0x3f\n[TDX]\nMinimumTCBDate=2024-03-13\n"
                               "ServiceTDs=any\n[Collateral]\nCollateralGrace=30d\n";

    for (gsize at = 0; at < sizeof text - 1; at++) {
        for (guint byte = 0; byte < 256; byte++) {
            g_autofree char *changed = g_memdup2(text, sizeof text - 1);
            g_autoptr(GError) error = NULL;
            g_autoptr(CvsProfile) profile = NULL;

            changed[at] = (char)byte;
            profile = cvs_profile_parse("x", "f", changed, sizeof text - 1, &error);
            g_assert_true((profile == NULL) == (error != NULL));
        }
        {
            g_autofree char *cut = g_memdup2(text, at + 1);
            g_autoptr(GError) error = NULL;
            g_autoptr(CvsProfile) profile = cvs_profile_parse("x", "f", cut, at, &error);

            g_assert_true((profile == NULL) == (error != NULL));
        }
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/tee-rules/good", test_good);
    g_test_add_func("/tee-rules/levels", test_levels);
    g_test_add_func("/tee-rules/bad", test_bad);
    g_test_add_func("/tee-rules/complete", test_complete);
    g_test_add_func("/tee-rules/groups", test_groups);
    g_test_add_func("/tee-rules/defaults", test_defaults);
    g_test_add_func("/tee-rules/every-change", test_every_change);
    return g_test_run();
}
