/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Makes what an AMD machine and its key server make: chains with all extensions, CRLs, signed
 * reports. Keys are new in each process; nothing is written. */

#include "tee/snp-certs.h"

#include <openssl/evp.h>

#define SNP_MAKER_NOW G_GINT64_CONSTANT(1767225600) /* 2026-01-01, inside of every default life */

EVP_PKEY *
snp_make_rsa_key(void); /* RSA-1024, quickly made: AMD's 4096 bits would test nothing more */
EVP_PKEY *snp_make_p384_key(void);

typedef struct {
    const char *oid;
    const void *data;
    gsize size;
    gboolean critical;
} SnpExtension;

typedef struct {
    const char *cn;
    EVP_PKEY *key;        /* the subject's */
    X509 *issuer;         /* NULL: self-issued */
    EVP_PKEY *issuer_key; /* NULL: key */
    long serial;
    gint64 not_before; /* 0: a year before SNP_MAKER_NOW */
    gint64 not_after;  /* 0: a year after */
    gboolean ca;
    int path_length;       /* -1: none */
    const char *key_usage; /* as in openssl.cnf, or NULL */
    const SnpExtension *extensions;
    gsize n_extensions;
    gboolean pkcs1;       /* RSA signature PKCS #1 v1.5 instead of PSS */
    const EVP_MD *digest; /* NULL: SHA-384 */
} SnpCertSpec;

X509 *snp_make_cert(const SnpCertSpec *spec);

/* A line's hierarchy. */
typedef struct {
    CvsSnpLine line;
    EVP_PKEY *ark_key;
    EVP_PKEY *ask_key;
    EVP_PKEY *asvk_key;
    EVP_PKEY *leaf_key; /* of both leaves */
    X509 *ark;
    X509 *ask;
    X509 *asvk;
} SnpHierarchy;

SnpHierarchy *snp_hierarchy_new(CvsSnpLine line);
/* Valid from a year before to a year after now. */
SnpHierarchy *snp_hierarchy_new_at(CvsSnpLine line, gint64 now);
void snp_hierarchy_free(SnpHierarchy *hierarchy);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(SnpHierarchy, snp_hierarchy_free)

/* What is in a leaf; snp_leaf_spec() fills it for a report. */
typedef struct {
    CvsSnpCertKind kind;
    CvsSnpTcbLayout layout;
    CvsSnpTcb tcb;
    guint8 struct_version;
    const char *product;
    guint8 hwid[64];
    gsize hwid_size;
    gboolean hwid_wrapped;
    const char *csp_id;
    const char *omit; /* OID of an extension to leave out */
    gint64 not_before;
    gint64 not_after;
    const SnpExtension *more; /* in addition */
    gsize n_more;
    X509 *issuer; /* NULL: the one for the kind */
    EVP_PKEY *issuer_key;
    EVP_PKEY *key;        /* NULL: the hierarchy's */
    gboolean pkcs1;       /* as in SnpCertSpec */
    const EVP_MD *digest; /* likewise */
} SnpLeafSpec;

SnpLeafSpec snp_leaf_spec(const guint8 report[static CVS_SNP_REPORT_SIZE], CvsSnpLine line);
X509 *snp_make_leaf(const SnpHierarchy *hierarchy, const SnpLeafSpec *spec);

/* issuer's CRL of the serial number (0: of none), PSS. critical: with a critical extension. */
X509_CRL *snp_make_crl(X509 *issuer, EVP_PKEY *key, gint64 this_update, gint64 next_update,
                       long number, long revoked, gboolean critical);

/* A plain report of the line, with all fields different from zero where that is allowed; signed by
 * nobody. */
void snp_make_report(guint8 report[static CVS_SNP_REPORT_SIZE], CvsSnpLine line, guint32 version);
void snp_sign_report(guint8 report[static CVS_SNP_REPORT_SIZE], EVP_PKEY *key);

/* DER of a certificate. */
GBytes *snp_cert_der(X509 *cert);
/* Appends a reference. */
void snp_add_cert(GPtrArray *certs, X509 *cert);
