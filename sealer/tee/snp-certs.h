/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The leaf certificates of SEV-SNP and their extensions: "Versioned Chip Endorsement Key (VCEK)
 * Certificate and KDS Interface Specification" (AMD 57230), OIDs 1.3.6.1.4.1.3704.1.*. */

#include "tee/snp-report.h"
#include "tee/x509.h"

#include <glib.h>

#define CVS_SNP_CERT_TEXT_MAX 128 /* bytes of productName and cspID */

/* SubjectPublicKeyInfo's and signature's form is not looked at here; the chain is x509.h's. */
typedef enum {
    CVS_SNP_CERT_OTHER,
    CVS_SNP_CERT_VCEK, /* CN SEV-VCEK: this chip at this TCB */
    CVS_SNP_CERT_VLEK, /* CN SEV-VLEK: a provider at this TCB; no chip */
    CVS_SNP_CERT_ASK,  /* CN SEV-LINE */
    CVS_SNP_CERT_ASVK, /* CN SEV-VLEK-LINE */
    CVS_SNP_CERT_ARK,  /* CN ARK-LINE, self-issued */
} CvsSnpCertKind;

/* By the common name alone, which is enough to choose a role and never enough to trust. ret_line
 * may be NULL; LINE_UNKNOWN for leaves. */
CvsSnpCertKind cvs_snp_cert_kind(const X509 *cert, CvsSnpLine *ret_line);
/* "VCEK", "VLEK", "ASK", "ASVK", "ARK", "other certificate" */
const char *cvs_snp_cert_kind_name(CvsSnpCertKind kind);

typedef struct {
    CvsSnpCertKind kind;                          /* VCEK or VLEK */
    guint8 struct_version;                        /* 0; 1 on Turin */
    char product_name[CVS_SNP_CERT_TEXT_MAX + 1]; /* "Milan-B0", "Genoa"; to be shown, not judged */
    CvsSnpTcbLayout layout;                       /* Turin if there is an fmcSPL */
    CvsSnpTcb tcb;
    gsize hwid_size; /* 64 or 8; 0 for a VLEK */
    guint8 hwid[CVS_SNP_CHIP_ID_SIZE];
    char csp_id[CVS_SNP_CERT_TEXT_MAX + 1]; /* VLEK; empty for a VCEK */
} CvsSnpLeaf;

/* Reads the extensions. BadFormat, naming the extension, for a missing, doubled or malformed one,
 * for a common name that is no leaf's, for a VCEK with a cspID or without a hwID and the reverse,
 * and for a key that is not on P-384. Extensions of AMD's that are not known are no fault.
 *
 * hwID comes raw (64 or 8 bytes) or inside a DER OCTET STRING (66 or 10): told apart by the length,
 * since a raw one may begin as a DER header does. A security patch level is a DER INTEGER from 0 to
 * 255. */
gboolean cvs_snp_leaf_parse(const X509 *cert, CvsSnpLeaf *ret_leaf, GError **error);
