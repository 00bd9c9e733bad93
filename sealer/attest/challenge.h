/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A challenge of a verifier, by which a TPM shows that it holds both the endorsement key that the
 * evidence of a machine names and the attestation key that signed it (tpm/credential.h). Two files,
 * each one JSON object:
 *
 * what the machine is sent,
 *   "type"                 "cvmseal-challenge"
 *   "version"              1
 *   "nonce"                the evidence that answers is made for it
 *   "ek_name", "ak_name"   Names of the keys
 *   "credential"           TPM2B_ID_OBJECT
 *   "secret"               TPM2B_ENCRYPTED_SECRET, to the endorsement key
 *
 * and what the verifier keeps, which decides and has to be kept from being changed:
 *   "type"                 "cvmseal-challenge-answer"
 *   "version"              1
 *   "nonce", "ek_name", "ak_name"   as above
 *   "answer_sha256"        of the answer
 *
 * Bytes are base64url without padding. The answer is HMAC-SHA-256, by the secret, over domain,
 * nonce and both Names, each with its length before it: it serves no other challenge, the machine
 * that gives it tells no secret that was made for somebody else's use of the same keys, and who
 * reads what the verifier keeps cannot give it. It stands in the evidence that the machine makes
 * for this nonce. */

#include "attest/evidence-bundle.h"
#include "base/secret.h"
#include "tpm/credential.h"

#define CVS_CHALLENGE_SIZE_MAX 16384
#define CVS_CHALLENGE_NONCE_SIZE 32

typedef struct {
    GBytes *nonce; /* 1 to CVS_BUNDLE_NONCE_MAX bytes */
    CvsName ek_name;
    CvsName ak_name;
    CvsCredential credential;
} CvsChallenge;

typedef struct {
    GBytes *nonce;
    CvsName ek_name;
    CvsName ak_name;
    guint8 answer_sha256[32];
} CvsChallengeRecord;

void cvs_challenge_free(CvsChallenge *challenge);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsChallenge, cvs_challenge_free)
void cvs_challenge_record_free(CvsChallengeRecord *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsChallengeRecord, cvs_challenge_record_free)

/* For the keys of this evidence, with a new nonce. What the evidence says has to be proven first:
 * an endorsement key for which nothing vouches can be anybody's. NotSupported where it names none;
 * AttestationFailed with reason AkUnfit where the attestation key is none (tpm/ak-public.h). */
gboolean cvs_challenge_make(const CvsEvidenceBundle *bundle, CvsChallenge **ret_challenge,
                            CvsChallengeRecord **ret_record, GError **error);

/* From what the TPM gave for the credential. */
void cvs_challenge_compute_answer(const CvsChallenge *challenge, const CvsSecret *secret,
                                  guint8 ret_answer[static CVS_CHALLENGE_ANSWER_SIZE]);

/* Whether the evidence answers: it was made for the nonce, has the same keys, and the answer is
 * right. Else adds the reason ChallengeUnanswered to the refusal. */
gboolean cvs_challenge_check(const CvsChallengeRecord *record, const CvsEvidenceBundle *bundle,
                             GError *refusal);

/* Strict, as cvs_evidence_bundle_parse(). */
CvsChallenge *cvs_challenge_parse(const void *data, gsize size, GError **error);
CvsChallengeRecord *cvs_challenge_record_parse(const void *data, gsize size, GError **error);
/* Indented text that ends in a newline. */
char *cvs_challenge_format(const CvsChallenge *challenge);
char *cvs_challenge_record_format(const CvsChallengeRecord *record);
