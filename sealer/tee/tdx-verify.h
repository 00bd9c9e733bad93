/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Verifies a TD quote: its signature over the bytes as received, the quoting enclave that holds the
 * key, the platform's PCK certificate below Intel's pinned root, and Intel's word about the TCB.
 * Without network, at the caller's time. As Intel SGX PCK Certificate and TDX DCAP specifications
 * and Intel's quote verification library have it.
 *
 * What the TD may be (debug, migration, measurements, which TCB status will do) is not judged here
 * but by the appraisal, from the claims. */

#include "tee/claims.h"
#include "tee/tdx-collateral.h"
#include "tee/tdx-quote.h"
#include "tee/tdx-roots.h"
#include "tee/x509-chain.h"

/* Remembers which intermediates' and CRLs' signatures held. One thread at a time. */
typedef struct _CvsTdxVerifier CvsTdxVerifier;
/* Takes a reference of the roots. */
CvsTdxVerifier *cvs_tdx_verifier_new(CvsTdxRoots *roots);
void cvs_tdx_verifier_free(CvsTdxVerifier *verifier);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsTdxVerifier, cvs_tdx_verifier_free)

typedef struct {
    GBytes *quote;              /* as received, padding and all */
    const GPtrArray *certs;     /* X509*: the TCB signer, and what the quote lacks, in any order; or
                                 * NULL */
    const GPtrArray *crls;      /* X509_CRL*; or NULL */
    const CvsTcbInfo *tcb_info; /* or NULL */
    const CvsQeIdentity *qe_identity; /* or NULL */
    gint64 at;                        /* seconds since 1970 */
    gint64 grace; /* seconds for which TCB info, QE identity and CRLs are still taken after
                   * their end; certificates have none */
    guint32 evaluation_seen; /* highest tcbEvaluationDataNumber ever seen; older ones are refused */
} CvsTdxEvidence;

/* TRUE if nothing was found against the quote. FALSE with BadFormat for one that cannot be parsed;
 * else with the code of tee/refusal.h and a reason for each fault:
 *
 *   CollateralMissing      no PCK certificate, TCB info, QE identity or TCB signing certificate
 *   LeafMalformed          the PCK chain cannot be read, or lacks what it must have
 *   CertUnfit, ChainIncomplete, RootUntrusted, CertSignature, CertExpired, CertNotYetValid
 *   IssuerMismatch         the PCK's issuer is neither of Intel's two PCK CAs
 *   CertRevoked, CrlStale, CrlInvalid   of PCK, its CA and the TCB signer; a missing CRL is only a
 *                          claim
 *   QeReportSignature      the quoting enclave's report is not signed by the PCK
 *   QeReportData           that report does not stand for the attestation key
 *   QuoteSignature         header and body are not signed by the attestation key
 *   TcbInfoSignature, QeIdentitySignature   not Intel's
 *   TcbInfoMismatch        TCB info of another TEE, or QE identity of another enclave
 *   FmspcMismatch, PceIdMismatch   TCB info of another platform
 *   CollateralExpired, CollateralNotYetValid, CollateralRollback
 *   TdxModuleUnknown, TdxModuleMismatch, QeIdentityMismatch, TcbNotSupported, TcbRevoked
 * (tdx-tcb.h)
 *
 * The TCB's status is a claim; only what Intel revoked or does not list is refused here.
 * ret_claims may be NULL; it is set whenever the quote parses, also when FALSE is returned: then
 * the claim tee.verified is false and all others are only what the quote says. */
gboolean cvs_tdx_verify(CvsTdxVerifier *verifier, const CvsTdxEvidence *evidence,
                        json_t **ret_claims, GError **error);
