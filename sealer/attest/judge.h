/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Judges evidence, of this machine or of another, without a TPM and without a network: the report
 * down to the vendor's root, the quote by its key, what ties the two to each other and to the
 * request; then the profile. */

#include "attest/challenge.h"
#include "attest/evidence-bundle.h"
#include "policy/verdict.h"

typedef struct {
    const CvsEvidenceBundle *bundle;
    const char *name; /* the file, for messages */
    GBytes *nonce;    /* what was asked with; NULL: the bundle's own is taken, and it may
                       * be an old one */
    const CvsPcrSelection *selection;    /* what was asked for; NULL: whatever was quoted */
    gboolean challenged;                 /* its AK answered a challenge for it and its EK */
    const CvsChallengeRecord *challenge; /* which the evidence has to answer; NULL: none was made */
    CvsEvidence *evidence;     /* collateral; the host's certificates in the bundle are added */
    CvsCollateralStore *store; /* for what else is needed; may be NULL */
    CvsSnpRoots *snp_roots;
    CvsTdxRoots *tdx_roots;
    gint64 at;    /* seconds since 1970 */
    gint64 grace; /* as in tdx-verify.h */
} CvsBundleInput;

/* TRUE: well-formed, and the refusal has a reason for everything that was found against it: those
 * of report-verify.h, quote.h, vtpm.h and vtpm-td.h, and
 *
 *   NonceMismatch   the bundle says another nonce than was asked with
 *   AkUnfit         by its own public area the attestation key is none (tpm/ak-public.h); then no
 *                   answer counts
 *   QuoteMismatch   a TDREPORT that is not of the TD quote
 *   ChallengeUnanswered   of cvs_challenge_check()
 *
 * What logs the bundle has say of the registers are claims (attest/logs.h).
 *
 * FALSE: a part is malformed. ret_claims is set either way. */
gboolean cvs_bundle_verify(const CvsBundleInput *input, json_t **ret_claims, GError *refusal,
                           GError **error);

/* The same and the judgement of profile and logs: the claims by cvs_appraise(), cvs_vtpm_appraise()
 * and cvs_logs_appraise(). NULL
 * with the store's error. */
CvsVerdict *cvs_bundle_verdict_new(const CvsBundleInput *input, const CvsProfile *profile,
                                   GError **error);
