/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A platform of its own: root, PCK CA, PCK, TCB signer and attestation key made on the spot, and
 * quotes, TCB info, QE identities and CRLs signed by them, honest or not. */

#include "tdx-evidence.h"
#include "tee/tdx-pck.h"

typedef struct _TdxMaker TdxMaker;

/* One certificate to be made; zero and NULL are the honest values. */
typedef struct {
    const char *name;
    gint64 from;
    gint64 to;
    gboolean no_extension; /* a PCK without the SGX extension */
    gboolean other_curve;  /* a key of P-384 */
} TdxCertChange;

/* What is made next time; set to something honest by tdx_maker_new(). */
struct _TdxMaker {
    /* the quote */
    guint16 version;
    guint16 body_type;     /* version 5: 2 or 3 */
    guint8 body[648];      /* as in a quote */
    guint8 qe_report[384]; /* its report data are filled in, unless keep_qe_report_data */
    gboolean keep_qe_report_data;
    guint8 qe_auth[32];
    guint16 cert_type;
    CvsPck pck; /* what the PCK certificate says */
    TdxCertChange root, ca, leaf, signer;
    gboolean processor_ca;
    gboolean leaf_by_root;  /* no CA between */
    gboolean wrong_pck_key; /* the QE report is signed by another key */
    gboolean wrong_attestation_key;
    gint64 old_signer_to; /* if not 0, there is an older certificate of the signer's key, to then */
    gboolean old_signer_last;
    /* the collateral */
    char *tcb_id;
    char *qe_id;
    GString *levels;     /* TCB levels, JSON, separated by commas */
    GString *identities; /* TDX module identities; NULL: the member is not there */
    GString *qe_levels;
    char *module_mrsigner; /* 96 digits */
    gboolean wrong_tcb_signature;
    gboolean wrong_qe_signature;
    const char *issue_date;
    const char *next_update;
    guint evaluation;
    /* CRLs; each of the three is a certificate to be revoked */
    gboolean revoke_leaf, revoke_ca, revoke_signer;
    gint64 crl_from, crl_to;
    gboolean wrong_crl_key;
    gboolean no_crls;
};

TdxMaker *tdx_maker_new(void);
void tdx_maker_free(TdxMaker *maker);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TdxMaker, tdx_maker_free)

/* {"tcb": …} with all SGX components sgx, PCESVN pce, TDX components tdx0, tdx1, tdx2. */
void tdx_maker_add_level(TdxMaker *maker, guint sgx, guint pce, guint tdx0, guint tdx1, guint tdx2,
                         const char *status);
/* An identity TDX_NN with the levels {svn, status}, ended by a NULL status. */
void tdx_maker_add_identity(TdxMaker *maker, guint version, guint svn, const char *status, ...);
void tdx_maker_add_qe_level(TdxMaker *maker, guint svn, const char *status);
void tdx_maker_clear_levels(TdxMaker *maker);

/* Quote, certificates, collateral and CRLs, with the root as a test root, at 2026-01-01. */
TdxEvidence *tdx_maker_make(TdxMaker *maker);
/* The answers alone, as the service would send them. */
char *tdx_maker_tcb_info(TdxMaker *maker);
char *tdx_maker_qe_identity(TdxMaker *maker);
/* The quote alone. */
GBytes *tdx_maker_quote(TdxMaker *maker);

/* The same with keys that stay: certificates from the maker at the time when the platform is made,
 * all else from the one that is given. */
typedef struct _TdxPlatform TdxPlatform;

typedef enum {
    TDX_ROOT,
    TDX_CA,
    TDX_PCK,
    TDX_SIGNER,
} TdxRole;

TdxPlatform *tdx_platform_new(const TdxMaker *maker);
void tdx_platform_free(TdxPlatform *platform);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TdxPlatform, tdx_platform_free)
/* A new PCK, certificate and key. */
void tdx_platform_renew_pck(TdxPlatform *platform, const TdxMaker *maker);
/* Borrowed. */
X509 *tdx_platform_cert(const TdxPlatform *platform, TdxRole role);
GBytes *tdx_platform_quote(const TdxPlatform *platform, const TdxMaker *maker);
char *tdx_platform_tcb_info(const TdxPlatform *platform, const TdxMaker *maker);
char *tdx_platform_qe_identity(const TdxPlatform *platform, const TdxMaker *maker);
/* Of TDX_ROOT or TDX_CA. */
GBytes *tdx_platform_crl(const TdxPlatform *platform, const TdxMaker *maker, TdxRole issuer);
