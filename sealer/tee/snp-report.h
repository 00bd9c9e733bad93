/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The SEV-SNP attestation report, versions 2 to 5: "SEV Secure Nested Paging Firmware ABI
 * Specification" (AMD 56860), table ATTESTATION_REPORT. All numbers are little-endian. Parsing
 * judges the form only; the signature and all that it rests on is snp-verify.h's. */

#include <glib.h>

#define CVS_SNP_REPORT_SIZE 1184 /* 0x4A0 */
#define CVS_SNP_SIGNED_SIZE 672  /* bytes 0 to 0x29F are what the signature covers */
#define CVS_SNP_VERSION_MIN 2
#define CVS_SNP_VERSION_MAX 5
#define CVS_SNP_CHIP_ID_SIZE 64
#define CVS_SNP_TURIN_HWID_SIZE                                                                    \
    8                         /* significant bytes of a chip id of family 1Ah; the rest is 0       \
                               */
#define CVS_SNP_ECDSA_SIZE 48 /* bytes of r, and of s: P-384 */

typedef enum {
    CVS_SNP_LINE_UNKNOWN,
    CVS_SNP_LINE_MILAN,
    CVS_SNP_LINE_GENOA, /* Bergamo and Siena too */
    CVS_SNP_LINE_TURIN,
    CVS_SNP_LINE_VENICE, /* known, but AMD has published no root for it */
    CVS_SNP_N_LINES
} CvsSnpLine;

/* How the 8 bytes of a TCB_VERSION are laid out. */
typedef enum {
    CVS_SNP_TCB_UNKNOWN, /* a version 2 report without a chip id */
    CVS_SNP_TCB_LEGACY,  /* family 19h */
    CVS_SNP_TCB_TURIN,   /* family 1Ah */
} CvsSnpTcbLayout;

/* FLAGS, SIGNING_KEY; 2 to 6 are reserved. */
typedef enum {
    CVS_SNP_SIGNER_VCEK = 0,
    CVS_SNP_SIGNER_VLEK = 1,
    CVS_SNP_SIGNER_NONE = 7,
} CvsSnpSigner;

/* The security patch levels of a TCB. They are compared one by one: the eight bytes are no number.
 * reserved: what stands between them, in the order of the bytes; spl_4 to spl_7 of a legacy
 * certificate, spl_5 to spl_7 of a Turin one. */
typedef struct {
    guint8 fmc; /* Turin only, else 0 */
    guint8 bootloader;
    guint8 tee;
    guint8 snp;
    guint8 microcode;
    guint8 reserved[4];
} CvsSnpTcb;

typedef enum {
    CVS_SNP_POLICY_SMT = 1 << 16,
    CVS_SNP_POLICY_MUST_BE_ONE = 1 << 17,
    CVS_SNP_POLICY_MIGRATE_MA = 1 << 18,
    CVS_SNP_POLICY_DEBUG = 1 << 19,
    CVS_SNP_POLICY_SINGLE_SOCKET = 1 << 20,
    CVS_SNP_POLICY_CXL_ALLOW = 1 << 21,
    CVS_SNP_POLICY_MEM_AES_256_XTS = 1 << 22,
    CVS_SNP_POLICY_RAPL_DIS = 1 << 23,
    CVS_SNP_POLICY_CIPHERTEXT_HIDING = 1 << 24,
    CVS_SNP_POLICY_PAGE_SWAP_DISABLE = 1 << 25,
} CvsSnpPolicy; /* bits 7:0 and 15:8 are the minor and major ABI version; 63:26 must be zero */

typedef enum {
    CVS_SNP_PLATFORM_SMT_EN = 1 << 0,
    CVS_SNP_PLATFORM_TSME_EN = 1 << 1,
    CVS_SNP_PLATFORM_ECC_EN = 1 << 2,
    CVS_SNP_PLATFORM_RAPL_DIS = 1 << 3,
    CVS_SNP_PLATFORM_CIPHERTEXT_HIDING_EN = 1 << 4,
    CVS_SNP_PLATFORM_ALIAS_CHECK_COMPLETE = 1 << 5,
    CVS_SNP_PLATFORM_TIO_EN = 1 << 7,
} CvsSnpPlatformInfo; /* other bits are unknown, not malformed: real Turins set bit 6 */

#define CVS_SNP_PLATFORM_KNOWN 0xbfu

typedef struct {
    guint8 build;
    guint8 minor;
    guint8 major;
} CvsSnpFirmware;

typedef struct {
    guint32 version;
    guint32 guest_svn;
    guint64 policy; /* CvsSnpPolicy */
    guint8 family_id[16];
    guint8 image_id[16];
    guint32 vmpl;
    guint64 platform_info; /* CvsSnpPlatformInfo */
    gboolean author_key_en;
    gboolean mask_chip_key;
    guint8 signing_key; /* CvsSnpSigner, or a reserved value */
    guint8 report_data[64];
    guint8 measurement[48];
    guint8 host_data[32];
    guint8 id_key_digest[48];
    guint8 author_key_digest[48];
    guint8 report_id[32];
    guint8 report_id_ma[32]; /* all 0xff: no migration agent */
    gboolean has_cpuid;      /* version 3 on */
    guint8 cpuid_family;     /* extended family and model added in */
    guint8 cpuid_model;
    guint8 cpuid_stepping;
    guint8 chip_id[CVS_SNP_CHIP_ID_SIZE];
    CvsSnpFirmware current;
    CvsSnpFirmware committed;
    gboolean has_mit_vectors; /* version 5 on */
    guint64 launch_mit_vector;
    guint64 current_mit_vector;
    /* As received; cvs_snp_tcb_decode() with the layout. */
    guint8 current_tcb[8];
    guint8 reported_tcb[8];
    guint8 committed_tcb[8];
    guint8 launch_tcb[8];
    /* Big-endian, as OpenSSL wants them. */
    guint8 signature_r[CVS_SNP_ECDSA_SIZE];
    guint8 signature_s[CVS_SNP_ECDSA_SIZE];

    /* Concluded from the above. */
    CvsSnpLine line;        /* by CPUID; LINE_UNKNOWN for version 2, whose chain has to tell */
    CvsSnpTcbLayout layout; /* by CPUID family; version 2: by the shape of the chip id */
    gboolean chip_id_zero;  /* masked by the host, or signed by a VLEK */
} CvsSnpReport;

/* Parses exactly CVS_SNP_REPORT_SIZE bytes. BadFormat, naming offset and field, for another size, a
 * version outside of the range, an unknown signature algorithm, and anything but zero where the
 * specification has zero (policy bit 17: one): behind r and s too. */
gboolean cvs_snp_report_parse(const void *data, gsize size, CvsSnpReport *ret_report,
                              GError **error);

/* By the combined family and model of CPUID; LINE_UNKNOWN for others. */
CvsSnpLine cvs_snp_line_from_cpuid(guint8 family, guint8 model);
/* "Milan"…, as AMD's certificates write it; "unknown". */
const char *cvs_snp_line_name(CvsSnpLine line);
/* LINE_UNKNOWN if there is no line of that name. */
CvsSnpLine cvs_snp_line_from_name(const char *name);
CvsSnpTcbLayout cvs_snp_line_layout(CvsSnpLine line);

/* All zero for an unknown layout. */
CvsSnpTcb cvs_snp_tcb_decode(const guint8 bytes[static 8], CvsSnpTcbLayout layout);
/* Every component equal, the reserved bytes among them. */
gboolean cvs_snp_tcb_equal(const CvsSnpTcb *a, const CvsSnpTcb *b);
/* "fmc 1, bootloader 3, tee 2, snp 5, microcode 97"; without fmc for the legacy layout; with the
 * reserved bytes only where one is not zero. */
char *cvs_snp_tcb_describe(const CvsSnpTcb *tcb, CvsSnpTcbLayout layout);
