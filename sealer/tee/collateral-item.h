/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One piece of collateral that is worth keeping: a certificate between a pinned root and a report,
 * a revocation list, a statement of Intel's about TCB levels. It vouches for itself: what chains to
 * a pinned root is authentic wherever it lay. */

#include "tee/evidence.h"
#include "tee/snp-certs.h"
#include "tee/snp-roots.h"
#include "tee/tdx-roots.h"

typedef enum {
    CVS_COLLATERAL_VCEK,
    CVS_COLLATERAL_VLEK,
    CVS_COLLATERAL_ASK,
    CVS_COLLATERAL_ASVK,
    CVS_COLLATERAL_ARK,
    CVS_COLLATERAL_PCK_CA,
    CVS_COLLATERAL_TCB_SIGNER,
    CVS_COLLATERAL_SGX_ROOT,
    CVS_COLLATERAL_CRL,
    CVS_COLLATERAL_TCB_INFO,
    CVS_COLLATERAL_QE_IDENTITY,
    CVS_N_COLLATERAL_KINDS
} CvsCollateralKind;

/* "vcek", "vlek", "ask", "asvk", "ark", "pck-ca", "tcb-signer", "sgx-root", "crl", "tcb-info",
 * "qe-identity" */
const char *cvs_collateral_kind_name(CvsCollateralKind kind);

typedef struct {
    CvsCollateralKind kind;
    GBytes *content; /* DER, or Intel's answer: {"tcbInfo":…,"signature":"…"} */
    char *id;        /* KIND-DIGITS, of the content alone: 16 digits of its SHA-256 */
    X509 *cert;      /* one of these four */
    X509_CRL *crl;
    const CvsTcbInfo *tcb_info;       /* owned */
    const CvsQeIdentity *qe_identity; /* owned */
    gint64 not_before;                /* seconds since 1970; CRLs and documents: issued */
    gint64 not_after;                 /* CRLs and documents: to be renewed by */

    /* Set by cvs_collateral_item_authenticate(). */
    gboolean test_root;
    CvsSnpLine line; /* of AMD's; LINE_UNKNOWN: Intel's */
    CvsSnpLeaf leaf; /* VCEK and VLEK */
    char *series;    /* equal for what replaces each other: "crl/…", "tcb/…/FMSPC", … */
    char *number;    /* by which it does: CRL number or evaluation data number in hexadecimal digits
                      * without leading zeros; NULL: by its date alone */

    GError *error; /* what is wrong with it, where it lies in a store; NULL: nothing */
} CvsCollateralItem;

void cvs_collateral_item_free(CvsCollateralItem *item);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsCollateralItem, cvs_collateral_item_free)
/* An array that owns its items. */
GPtrArray *cvs_collateral_items_new(void);

/* Appends one item for each object of the evidence, each content once. BadFormat, with the reason
 * CertUnfit, for a certificate that is of no kind that is kept (a PCK certificate: quotes bring
 * theirs); then nothing was appended. */
gboolean cvs_collateral_items_add(GPtrArray *items, const CvsEvidence *evidence, GError **error);

/* The item chains to a root, by signatures, names and uses; dates are judged where it is used.
 * candidates: certificates that may be issuers (X509*), in any order; crls: on which nothing of the
 * chain may be. Else adds to the refusal what cvs_x509_chain_verify() adds, and CertRevoked,
 * CrlInvalid, TcbInfoSignature, QeIdentitySignature, RootUntrusted, LeafMalformed. */
gboolean cvs_collateral_item_authenticate(CvsCollateralItem *item, const GPtrArray *candidates,
                                          const GPtrArray *crls, const CvsSnpRoots *snp_roots,
                                          const CvsTdxRoots *tdx_roots, GError *refusal);

/* The series of a TCB info (fmspc: 12 digits) or a QE identity (fmspc: NULL); root: the digits of a
 * test root's key, NULL for Intel's. What a test root vouches for says nothing about Intel's. */
char *cvs_collateral_tcb_series(const char *root, const char *id, const char *fmspc);

/* Compares two of one series: below zero if a is older than b. */
int cvs_collateral_number_compare(const char *a, const char *b);
int cvs_collateral_item_compare(const CvsCollateralItem *a, const CvsCollateralItem *b);

/* For whom it is, in words: "Milan, chip 4ffb5cb4…", "FMSPC b0c06f000000". */
char *cvs_collateral_item_describe(const CvsCollateralItem *item);
