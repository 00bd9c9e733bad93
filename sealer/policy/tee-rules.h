/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The part of a profile that is about the TEE: the groups [TEE], [SNP], [TDX], [Collateral]
 * and [vTPM]; cvmseal.policy(5). One table says which keys there are, how their values are written,
 * which claim (tee/claims.h) they are about and with which reason they refuse. Values are kept in
 * the form that claims have, so that judging is comparing. */

#include <glib.h>

/* X(symbol, group, key, form, claim or NULL, reason). Rules without a claim of their own are judged
 * one by one in appraisal.c. */
#define CVS_TEE_KEYS(X)                                                                            \
    X(TYPES, TEE, "Types", TYPES, "tee.type", TEE_TYPE_REFUSED)                                    \
    X(MEASUREMENTS, TEE, "Measurements", HEX48, "tee.measurement", MEASUREMENT_UNLISTED)           \
    X(ALLOW_DEBUG, TEE, "AllowDebug", BOOLEAN, NULL, DEBUG_ALLOWED)                                \
    X(ALLOW_MIGRATION, TEE, "AllowMigration", BOOLEAN, NULL, MIGRATION_ALLOWED)                    \
    X(ALLOW_SMT, TEE, "AllowSMT", BOOLEAN, NULL, SMT_ALLOWED)                                      \
    X(ALLOW_TEST_ROOTS, TEE, "AllowTestRoots", BOOLEAN, NULL, TEST_ROOTS)                          \
    X(LINES, SNP, "Lines", LINES, "tee.line", LINE_REFUSED)                                        \
    X(TCB_MILAN, SNP, "MinimumTCB.Milan", LEVELS, NULL, TCB_BELOW_FLOOR)                           \
    X(TCB_GENOA, SNP, "MinimumTCB.Genoa", LEVELS, NULL, TCB_BELOW_FLOOR)                           \
    X(TCB_TURIN, SNP, "MinimumTCB.Turin", LEVELS_FMC, NULL, TCB_BELOW_FLOOR)                       \
    X(TCB_VENICE, SNP, "MinimumTCB.Venice", LEVELS_FMC, NULL, TCB_BELOW_FLOOR)                     \
    X(LAUNCH_TCB_MILAN, SNP, "MinimumLaunchTCB.Milan", LEVELS, NULL, LAUNCH_TCB_BELOW_FLOOR)       \
    X(LAUNCH_TCB_GENOA, SNP, "MinimumLaunchTCB.Genoa", LEVELS, NULL, LAUNCH_TCB_BELOW_FLOOR)       \
    X(LAUNCH_TCB_TURIN, SNP, "MinimumLaunchTCB.Turin", LEVELS_FMC, NULL, LAUNCH_TCB_BELOW_FLOOR)   \
    X(LAUNCH_TCB_VENICE, SNP, "MinimumLaunchTCB.Venice", LEVELS_FMC, NULL, LAUNCH_TCB_BELOW_FLOOR) \
    X(FIRMWARE, SNP, "MinimumFirmware", VERSION, NULL, FIRMWARE_TOO_OLD)                           \
    X(ALLOW_PROVISIONAL, SNP, "AllowProvisionalFirmware", BOOLEAN, NULL, FIRMWARE_PROVISIONAL)     \
    X(GUEST_SVN, SNP, "MinimumGuestSVN", NUMBER, NULL, GUEST_SVN_TOO_LOW)                          \
    X(VMPL, SNP, "VMPL", VMPLS, "tee.vmpl", VMPL_REFUSED)                                          \
    X(SIGNING_KEYS, SNP, "SigningKeys", SIGNERS, "tee.signing_key", SIGNING_KEY_REFUSED)           \
    X(CHIP_IDS, SNP, "ChipIDs", CHIP_ID, "tee.chip_id", CHIP_UNLISTED)                             \
    X(PROVIDERS, SNP, "Providers", TEXT, "tee.csp_id", PROVIDER_UNLISTED)                          \
    X(ID_KEYS, SNP, "IDKeyDigests", HEX48, "tee.id_key_digest", ID_KEY_UNLISTED)                   \
    X(AUTHOR_KEYS, SNP, "AuthorKeyDigests", HEX48, "tee.author_key_digest", AUTHOR_KEY_UNLISTED)   \
    X(HOST_DATA, SNP, "HostData", HEX32, "tee.host_data", HOST_DATA_UNLISTED)                      \
    X(REQUIRE_POLICY, SNP, "RequirePolicy", POLICY_BITS, NULL, POLICY_BIT_REFUSED)                 \
    X(REFUSE_POLICY, SNP, "RefusePolicy", POLICY_BITS, NULL, POLICY_BIT_REFUSED)                   \
    X(REQUIRE_PLATFORM, SNP, "RequirePlatform", PLATFORM_BITS, NULL, PLATFORM_REFUSED)             \
    X(REFUSE_PLATFORM, SNP, "RefusePlatform", PLATFORM_BITS, NULL, PLATFORM_REFUSED)               \
    X(REQUIRE_MITIGATIONS, SNP, "RequireMitigations", MASK, NULL, MITIGATION_MISSING)              \
    X(TCB_STATUS, TDX, "TCBStatus", STATUSES, "tee.tcb.status", TCB_STATUS_REFUSED)                \
    X(TCB_DATE, TDX, "MinimumTCBDate", DATE, NULL, TCB_DATE_TOO_OLD)                               \
    X(MR_SEAM, TDX, "MRSEAM", HEX48, "tee.mr_seam", SEAM_UNLISTED)                                 \
    X(REQUIRE_ATTRIBUTES, TDX, "RequireAttributes", ATTRIBUTES, NULL, ATTRIBUTES_REFUSED)          \
    X(REFUSE_ATTRIBUTES, TDX, "RefuseAttributes", ATTRIBUTES, NULL, ATTRIBUTES_REFUSED)            \
    X(REQUIRE_XFAM, TDX, "RequireXFAM", MASK, NULL, XFAM_REFUSED)                                  \
    X(ALLOW_XFAM, TDX, "AllowXFAM", MASK, NULL, XFAM_REFUSED)                                      \
    X(MR_CONFIG_ID, TDX, "MRConfigID", HEX48, "tee.mr_config_id", CONFIG_ID_UNLISTED)              \
    X(MR_OWNER, TDX, "MROwner", HEX48, "tee.mr_owner", OWNER_UNLISTED)                             \
    X(MR_OWNER_CONFIG, TDX, "MROwnerConfig", HEX48, "tee.mr_owner_config", OWNER_CONFIG_UNLISTED)  \
    X(RTMR0, TDX, "RTMR0", HEX48, "tee.rtmr0", RTMR_DIFFERS)                                       \
    X(RTMR1, TDX, "RTMR1", HEX48, "tee.rtmr1", RTMR_DIFFERS)                                       \
    X(RTMR2, TDX, "RTMR2", HEX48, "tee.rtmr2", RTMR_DIFFERS)                                       \
    X(RTMR3, TDX, "RTMR3", HEX48, "tee.rtmr3", RTMR_DIFFERS)                                       \
    X(SERVICE_TDS, TDX, "ServiceTDs", SERVICE_TDS, "tee.mr_servicetd", SERVICE_TD_UNLISTED)        \
    X(CRL, COLLATERAL, "CRL", PRESENCE, NULL, CRL_MISSING)                                         \
    X(GRACE, COLLATERAL, "CollateralGrace", SPAN, NULL, COLLATERAL_EXPIRED)                        \
    X(MAXIMUM_AGE, COLLATERAL, "CollateralMaximumAge", SPAN, NULL, COLLATERAL_TOO_OLD)             \
    X(VTPM_KINDS, VTPM, "Kinds", VTPMS, "vtpm.kind", VTPM_KIND_REFUSED)                            \
    X(TD_MEASUREMENTS, VTPM, "TDMeasurements", HEX48, "vtpm.td.measurement", VTPM_TD_UNLISTED)     \
    X(TD_RTMR0, VTPM, "TDRTMR0", HEX48, "vtpm.td.rtmr0", VTPM_TD_UNLISTED)                         \
    X(TD_RTMR1, VTPM, "TDRTMR1", HEX48, "vtpm.td.rtmr1", VTPM_TD_UNLISTED)                         \
    X(TD_RTMR2, VTPM, "TDRTMR2", HEX48, "vtpm.td.rtmr2", VTPM_TD_UNLISTED)                         \
    X(TD_RTMR3, VTPM, "TDRTMR3", HEX48, "vtpm.td.rtmr3", VTPM_TD_UNLISTED)                         \
    X(ALLOW_ASSERTED_AK, VTPM, "AllowAssertedAK", BOOLEAN, "vtpm.ak", AK_UNPROVEN)                 \
    X(PERSISTENT, VTPM, "Persistent", BOOLEAN, NULL, TPM_EPHEMERAL)                                \
    X(MAX_AGE, VTPM, "MaxAge", SPAN, NULL, NOT_VERIFIED)

typedef enum {
#define X(symbol, group, key, form, claim, reason) CVS_TEE_##symbol,
    CVS_TEE_KEYS(X)
#undef X
        CVS_TEE_N_KEYS
} CvsTeeKey;

typedef enum {
    CVS_TEE_GROUP_TEE,
    CVS_TEE_GROUP_SNP,
    CVS_TEE_GROUP_TDX,
    CVS_TEE_GROUP_COLLATERAL,
    CVS_TEE_GROUP_VTPM, /* judged by attest/vtpm.h: a report alone says nothing of it */
    CVS_TEE_N_GROUPS
} CvsTeeGroup;

/* Components of a TCB, as MinimumTCB.LINE=, MinimumLaunchTCB.LINE= and the claims name them. */
typedef enum {
    CVS_TEE_LEVEL_FMC, /* Turin and Venice only */
    CVS_TEE_LEVEL_BOOTLOADER,
    CVS_TEE_LEVEL_TEE,
    CVS_TEE_LEVEL_SNP,
    CVS_TEE_LEVEL_MICROCODE,
    CVS_TEE_N_LEVELS
} CvsTeeLevel;

typedef struct {
    gboolean given; /* the profile has this key */
    GStrv list;     /* of a list; not empty. NULL for ServiceTDs=any */
    guint64 number; /* yes or required: 1; masks; seconds, since 1970 for a date; of a version
                     * major << 16 | minor << 8 | build */
    gint levels[CVS_TEE_N_LEVELS]; /* -1: not judged */
} CvsTeeRule;

typedef struct {
    /* The profile has one of the groups: its keys want a TEE that satisfies it. */
    gboolean present;
    CvsTeeRule rules[CVS_TEE_N_KEYS];
} CvsTeeRules;

void cvs_tee_rules_clear(CvsTeeRules *rules);

/* "TEE", "SNP", "TDX", "Collateral", "vTPM". */
const char *cvs_tee_group_name(CvsTeeGroup group);
CvsTeeGroup cvs_tee_key_group(CvsTeeKey key);
const char *cvs_tee_key_name(CvsTeeKey key);
/* NULL for a rule that is about no single claim. */
const char *cvs_tee_key_claim(CvsTeeKey key);
const char *cvs_tee_key_reason(CvsTeeKey key);
/* "fmc"… */
const char *cvs_tee_level_name(CvsTeeLevel level);

/* Reads the value of a key. BadFormat saying what is wrong with it. */
gboolean cvs_tee_rules_parse(CvsTeeRules *rules, CvsTeeKey key, const char *value, GError **error);
/* The value of a key as it would be written; NULL: the key is not given. */
char *cvs_tee_rules_format(const CvsTeeRules *rules, CvsTeeKey key);
/* What holds where the key is not given; NULL: nothing, it is not judged. */
const char *cvs_tee_key_default(CvsTeeKey key);
/* Types= names this type; without the key, snp and tdx are taken. */
gboolean cvs_tee_rules_take_type(const CvsTeeRules *rules, const char *type);
/* For whoever names test roots himself, on a command line: they are taken, unless the profile has
 * AllowTestRoots= and says no. */
void cvs_tee_rules_allow_test_roots(CvsTeeRules *rules);
/* CollateralGrace= in seconds; without the key, 30 days. What verification is to be given too. */
gint64 cvs_tee_rules_grace(const CvsTeeRules *rules);
/* The longest span that a profile can name, in seconds. */
#define CVS_TEE_SPAN_MAX (G_GINT64_CONSTANT(3650) * 24 * 3600)
