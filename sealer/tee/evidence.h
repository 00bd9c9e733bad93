/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a report is verified with, gathered from files of any of the forms in which it is handed
 * around: certificates, revocation lists, Intel's statements about TCB levels. Nothing in here is
 * trusted; all of it is found to be authentic, or not, when it is used. */

#include "tee/tdx-collateral.h"
#include "tee/x509.h"

#define CVS_EVIDENCE_OBJECTS_MAX 4096 /* in all */

typedef struct {
    GPtrArray *certs;         /* X509* */
    GPtrArray *host_leaves;   /* X509*, leaves from a host's certificate table */
    GPtrArray *crls;          /* X509_CRL* */
    GPtrArray *tcb_infos;     /* CvsTcbInfo* */
    GPtrArray *qe_identities; /* CvsQeIdentity* */
    guint32 evaluation_seen;  /* of a store: below it TCB info and QE identity are refused */
} CvsEvidence;

CvsEvidence *cvs_evidence_new(void);
void cvs_evidence_free(CvsEvidence *evidence);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsEvidence, cvs_evidence_free)

/* Adds what is in the bytes, whose form is found from them:
 * - DER: one certificate or CRL; PEM: any number of both, in any order, also percent-encoded as
 *   Intel's service has it in the headers of its answers; either as hexadecimal digits too
 * - the certificate table of an extended SNP report (ghcb-certs.h), with the issuers in it
 * - an answer of Intel's service: {"tcbInfo": …}, {"enclaveIdentity": …}
 * - collections of such answers, as quote verification libraries keep them: the members "tcb_info"
 *   and "qe_identity" (the signed text, with "…_signature" beside it, or the whole answer), chains
 *   ("…_issuer_chain") and CRLs ("root_ca_crl", "pck_crl"). Other members are left alone.
 *
 * Errors begin with what: BadFormat for none of these, for an empty file, for any part that
 * breaks its form, and beyond the limits. Then nothing was added. */
gboolean cvs_evidence_add(CvsEvidence *evidence, const void *data, gsize size, const char *what,
                          GError **error);
/* The same for revocation lists alone. */
gboolean cvs_evidence_add_crls(CvsEvidence *evidence, const void *data, gsize size,
                               const char *what, GError **error);

/* The one that fits best: of this platform (fmspc may be NULL), for TDX, valid at the time, newest.
 * Borrowed; NULL if there is none at all. */
const CvsTcbInfo *cvs_evidence_find_tcb_info(const CvsEvidence *evidence, const guint8 *fmspc,
                                             gint64 at);
const CvsQeIdentity *cvs_evidence_find_qe_identity(const CvsEvidence *evidence, gint64 at);
