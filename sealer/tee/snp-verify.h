/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Verifies an SEV-SNP report: from the signature over the bytes as received, through the leaf (VCEK
 * or VLEK) and its issuer (ASK or ASVK), to a pinned ARK. Without network, at the caller's time.
 *
 * What the guest may be (debug, measurement, VMPL, TCB floors …) is not judged here but by the
 * appraisal, from the claims. */

#include "tee/claims.h"
#include "tee/snp-report.h"
#include "tee/snp-roots.h"
#include "tee/x509.h"

/* Remembers which ASK, ASVK and CRL signatures held: the first verification of a line is cold, the
 * next ones are warm. Dates and revocation are looked at each time. One thread at a time. */
typedef struct _CvsSnpVerifier CvsSnpVerifier;
/* Takes a reference of the roots. */
CvsSnpVerifier *cvs_snp_verifier_new(CvsSnpRoots *roots);
void cvs_snp_verifier_free(CvsSnpVerifier *verifier);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsSnpVerifier, cvs_snp_verifier_free)

/* Certificates to be at hand in every later verification, as if they were in the evidence: what is
 * collateral of this machine is then loaded once. Takes references. */
void cvs_snp_verifier_add_certs(CvsSnpVerifier *verifier, const GPtrArray *certs);

typedef struct {
    const void *report; /* as received */
    gsize report_size;
    const GPtrArray *certs;       /* X509*: leaf, ASK or ASVK, ARK, in any order; or NULL */
    const GPtrArray *host_leaves; /* X509* from the host (ghcb-certs.h): leaves only; or NULL */
    const GPtrArray *crls;        /* X509_CRL*; or NULL */
    gint64 at;                    /* seconds since 1970 */
    gint64 grace; /* seconds for which a CRL is still taken after its end; certificates have none */
} CvsSnpEvidence;

/* Of several leaves the one counts that fits the report best: by kind, chip and TCB, then by its
 * key's signature, then by its dates; not by its place.
 *
 * TRUE if nothing was found against the report. FALSE with BadFormat for a report that cannot be
 * parsed; else with the code of tee/refusal.h and a reason for each fault:
 *
 *   CollateralMissing            no leaf of the kind that signed; the report stays unproven
 *   SignerUnknown                SIGNING_KEY says none, or a reserved value
 *   SignerMismatch               SIGNING_KEY says VCEK and the leaf is a VLEK, or the reverse
 *   LeafMalformed                the leaf's extensions or key are not what they must be
 *   ChainIncomplete, RootUntrusted, CertSignature, CertUnfit, CertExpired, CertNotYetValid
 *                                CertUnfit also for any other signature than RSASSA-PSS, SHA-384
 *   CertRevoked, CrlStale, CrlInvalid   of the ASK or ASVK; a missing CRL is only the claim tee.crl
 *   IssuerMismatch               a VCEK not issued by SEV-LINE, a VLEK not by SEV-VLEK-LINE
 *   LineMismatch                 the report's CPU is of another line than the chain
 *   LineUnknown                  a CPU that belongs to no line, or one whose line has no root
 *   ChipMismatch                 the VCEK's hwID is not CHIP_ID
 *   ChipMasked                   CHIP_ID is zero, so that no VCEK can be shown to be this chip's
 *   TcbMismatch                  the leaf's levels are not those of REPORTED_TCB, each one equal
 *   ReportSignature              ECDSA P-384 over bytes 0 to 0x29F does not hold
 *
 * What is not compared is the address of the revocation list in ASK, ASVK and ARK
 * (cRLDistributionPoints, https://kdsintf.amd.com/vcek/v1/LINE/crl and …/vlek/…; no VCEK or VLEK
 * has one): it would prove nothing. The pinned ARK's signature covers it, nothing is fetched from
 * it, and AMD's lists have no issuingDistributionPoint that could be held against it (RFC
 * 5280, 6.3.3 (b)): a list of the ARK speaks for all that it issued, and each one that is given is
 * asked.
 *
 * A leaf certified anew (same key, other dates) is as good as the first. ret_report and ret_claims
 * may be NULL; both are set whenever the report parses, also when FALSE is returned: then the claim
 * tee.verified is false and all others are only what the report says. */
gboolean cvs_snp_verify(CvsSnpVerifier *verifier, const CvsSnpEvidence *evidence,
                        CvsSnpReport *ret_report, json_t **ret_claims, GError **error);
