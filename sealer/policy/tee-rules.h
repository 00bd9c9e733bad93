/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The part of a profile that is about the TEE: the groups [TEE], [SNP], [TDX] and [Collateral];
 * cvmseal.policy(5). A key that is not there is not judged, but for those that have a strict
 * default. Values are kept in the form in which claims have them (tee/claims.h), so that judging
 * is comparing. */

#include "tee/snp-report.h"
#include "tee/td-body.h"

#include <glib.h>

typedef enum {
    CVS_TEE_SNP = 1 << 0,
    CVS_TEE_TDX = 1 << 1,
    CVS_TEE_NONE = 1 << 2, /* no TEE at all: a plain VM, or bare metal */
} CvsTeeTypes;

/* A rule that has a strict default, or none. */
typedef enum {
    CVS_RULE_ABSENT,
    CVS_RULE_NO,
    CVS_RULE_YES,
} CvsTeeRule;

/* Floors of one product line; -1: this component is not judged. */
typedef struct {
    gint fmc; /* Turin and Venice only */
    gint bootloader;
    gint tee;
    gint snp;
    gint microcode;
} CvsTcbFloor;

/* Lists are NULL where the key is absent; never empty. Hexadecimal values are in lower case. Bits
 * of require_… and refuse_… are those of the tables in tee-rules.c, by name of the claim. */
typedef struct {
    /* Any of the four groups is there: keys of this profile want a TEE that satisfies it. */
    gboolean present;

    /* [TEE] */
    guint types;                 /* Types=  CvsTeeTypes; 0: snp and tdx */
    CvsTeeRule allow_debug;      /* AllowDebug=  absent: no */
    CvsTeeRule allow_migration;  /* AllowMigration=  absent: no */
    CvsTeeRule allow_smt;        /* AllowSMT= */
    CvsTeeRule allow_test_roots; /* AllowTestRoots=  absent: no */
    GStrv measurements;          /* Measurements= */

    /* [SNP] */
    guint lines;                               /* Lines=  bits 1 << CvsSnpLine */
    guint vmpls;                               /* VMPL=  bits 1 << level */
    CvsTcbFloor *minimum_tcb[CVS_SNP_N_LINES]; /* MinimumTCB.LINE=; NULL: absent */
    gint minimum_firmware[3];                  /* MinimumFirmware=  major, minor, build */
    gboolean has_minimum_firmware;             /* CURRENT version */
    gint64 minimum_guest_svn;                  /* MinimumGuestSVN=; -1: absent */
    GStrv id_keys;                             /* IDKeyDigests= */
    GStrv author_keys;                         /* AuthorKeyDigests= */
    GStrv chips;                               /* ChipIDs= */
    GStrv providers;                           /* Providers=  of VLEKs */
    GStrv signing_keys;                        /* SigningKeys= */
    GStrv host_data;                           /* HostData= */
    GStrv require_policy, refuse_policy;       /* RequirePolicy=, RefusePolicy=  claims */
    GStrv require_platform, refuse_platform;   /* RequirePlatform=, RefusePlatform=  claims */
    guint64 require_mitigations;               /* RequireMitigations=; 0: absent */

    /* [TDX] */
    GStrv require_attributes, refuse_attributes; /* RequireAttributes=, RefuseAttributes=  claims */
    guint64 require_xfam;                        /* RequireXFAM=; 0: absent */
    guint64 allow_xfam;                          /* AllowXFAM= */
    gboolean has_allow_xfam;
    GStrv mr_seam;            /* MRSEAM= */
    GStrv mr_config_id;       /* MRConfigID= */
    GStrv mr_owner;           /* MROwner= */
    GStrv mr_owner_config;    /* MROwnerConfig= */
    GStrv service_tds;        /* ServiceTDs=  48 zero bytes for "none"; NULL for "any" too */
    GStrv rtmr[CVS_TD_RTMRS]; /* RTMR0= to RTMR3= */
    GStrv tcb_status;         /* TCBStatus=  absent: UpToDate */
    gint64 minimum_tcb_date;  /* MinimumTCBDate=  seconds since 1970; 0: absent */

    /* [Collateral] */
    CvsTeeRule require_crl;        /* CRL=required (yes) or optional (no) */
    gint64 collateral_grace;       /* CollateralGrace=  seconds; absent: 30 days */
    gint64 collateral_maximum_age; /* CollateralMaximumAge=  seconds; 0: absent */
} CvsTeeRules;
