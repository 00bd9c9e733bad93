/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The attestation of this machine: which TEE it is in, which TPM it has, and what ties the two.
 *
 * It is made when it is first asked for, verified here, by the same judge as a verifier elsewhere
 * uses (attest/judge.h), and kept in memory: for this boot, as long as the TPM's reset and restart
 * counts stay what they were, the pinned TPM answers and the collateral store is as it was: a
 * revocation list that is brought there counts at once. That there is no TEE counts only as long as
 * none is found. What an attestation has to be is the profile's: one attestation serves all
 * profiles.
 *
 * With keep in the configuration it also lies in a file (boot-cache.h), which the first attestation
 * of the next program is taken from. What ends it here, and a call of cvs_attester_refresh(), is
 * the end of the file too. What is wrong with the file is logged, and the TEE asked as if there
 * were none.
 *
 * Whoever cannot wait for TEE and host says so in the configuration: they are then asked by a
 * thread of their own, one at a time, and until they have answered a call that needs it is Busy,
 * with the reason AttestationUnderWay. Calls go on with it as soon as one comes.
 *
 * What failed is not kept: the next call tries again, as soon as tee/pace.h lets it; where threads
 * ask, not before CVS_ATTESTER_FAILURE_US have passed, unless collateral was brought, and until
 * then calls get the same error. A TPM that did not answer is no such failure. But a TPM that has
 * proven to hold the endorsement key that a report names stays pinned in the CvsTpm
 * (cvs_tpm_pin_ek()), also where that report is refused then: another is TpmReplaced until the
 * program starts anew. To be used by the thread that uses the CvsTpm. */

#include "attest/challenge.h"
#include "attest/evidence-bundle.h"
#include "base/json.h"
#include "policy/profile.h"
#include "tee/collateral-store.h"
#include "tee/source.h"
#include "tpm/tpm.h"

typedef struct _CvsAttester CvsAttester;

typedef struct {
    CvsTpm *tpm;                /* borrowed, as the source */
    CvsTeeSource *source;       /* what the machine has */
    const char *collateral_dir; /* the store; NULL, or not there: no collateral of our own */
    CvsSnpRoots *snp_roots;     /* NULL: the pinned ones alone; a reference is taken */
    CvsTdxRoots *tdx_roots;     /* likewise */
    guint manifest_version;     /* to ask an SVSM for: all know 0, some 1, which names the AK too */
    gboolean keep;              /* for other programs of this boot, in the source's run_dir */
    const CvsPaceClock *clock;  /* to wait for a paravisor; NULL: the system's */
    /* Called in another thread when one that was asked has answered; it must be quick, and nothing
     * of the attester may be called in it. NULL: the calling thread waits itself. */
    void (*back)(gpointer data);
    gpointer back_data;
} CvsAttesterConfig;

#define CVS_ATTESTER_FAILURE_US CVS_PACE_SVSM_US
/* What a TEE may take to answer, with the turns of others before: a report's turn and the kernel's
 * minute behind it (tee/source.h), twice. */
#define CVS_ATTESTER_SLOWEST_S 300

CvsAttester *cvs_attester_new(const CvsAttesterConfig *config);
/* A thread that asks goes on until it is answered, and nothing is done with what it gets. */
void cvs_attester_free(CvsAttester *attester);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsAttester, cvs_attester_free)

/* The claims of this boot's attestation, verified: those of tee/claims.h and attest/vtpm.h. Made
 * now if there is none, or the TPM's counts or the collateral are others than then, or it is older
 * than max_age seconds (0: of any age) and was not made within CVS_ATTESTER_FAILURE_US. One that is
 * only too old stays for those who take it, until there is another, and also where that fails.
 * Where it is there, that costs one TPM command (ReadClock). A TPM without a storage root key is
 * given one: the report commits to it.
 *
 * A machine without a TEE is no error: tee.type and vtpm.kind are "none". Neither is a TPM for
 * which nothing vouches: vtpm.kind is "host".
 *
 * How long a TD's collateral is out of date is left to the appraisal, which knows the grace; all
 * else that verification refuses is the error, with every reason. Errors of the source and the TPM.
 * A new reference. */
gboolean cvs_attester_claims(CvsAttester *attester, gint64 at, gint64 max_age, json_t **ret_claims,
                             GError **error);

/* The same, in which a TD's registers are those of now, and appraised by the profile (appraisal.h,
 * and its [vTPM] by attest/vtpm.h), with its MaxAge=. at: seconds since 1970. vtpm.kind is then as
 * the profile's lists make it. ret_claims (may be NULL) is also set where the profile refuses. */
gboolean cvs_attester_appraise(CvsAttester *attester, const CvsProfile *profile, gint64 at,
                               json_t **ret_claims, GError **error);

/* A TD's registers now (cvs_tee_source_read_td()). NotSupported where there is no TDX. A TD of
 * another launch measurement than was attested is AttestationFailed, and the attestation is
 * dropped. */
gboolean cvs_attester_read_rtmrs(CvsAttester *attester, guint8 ret_rtmr[static 4][48],
                                 GError **error);

/* Forgets the attestation, and a failure: the next call makes it anew. One that is under way does
 * not count any more, but has to end first. */
void cvs_attester_refresh(CvsAttester *attester);

/* The same at most once in CVS_ATTESTER_FAILURE_US, else Busy. */
gboolean cvs_attester_renew(CvsAttester *attester, GError **error);

/* What is known now, which asks nobody. */
typedef struct {
    guint change;        /* another number after each change */
    gboolean test_roots; /* roots that are not the vendors' are taken */
    gboolean under_way;
    const json_t *claims; /* of the attestation; NULL: there is none. Borrowed, as what follows */
    const CvsPcrValues *pcrs; /* that were quoted with it */
    const GError *failure;    /* of the last attempt; NULL: it did not fail, or there was none */
} CvsAttesterState;
CvsAttesterState cvs_attester_look(const CvsAttester *attester);

typedef struct _CvsMaking CvsMaking;

/* What evidence quotes unless others are asked for, in the bank sha256: what firmware, boot loader
 * and system measure, all that software cannot reset. */
#define CVS_ATTESTER_PCRS 0xffffu

/* Evidence for somebody else: a report made now, for this nonce (1 to CVS_BUNDLE_NONCE_MAX bytes)
 * and user data (up to CVS_BUNDLE_USER_DATA_MAX; may be NULL), and a quote over the PCRs. It is
 * verified before it is given out, but not kept. */
CvsEvidenceBundle *cvs_attester_evidence(CvsAttester *attester, const void *nonce, gsize nonce_size,
                                         const void *user_data, gsize user_data_size,
                                         const CvsPcrSelection *selection, GError **error);
/* The same, for the nonce of a challenge and with its answer. AttestationFailed with the reason
 * CredentialRefused where it was made for other keys than this TPM's. */
CvsEvidenceBundle *cvs_attester_answer(CvsAttester *attester, const CvsChallenge *challenge,
                                       const void *user_data, gsize user_data_size,
                                       const CvsPcrSelection *selection, GError **error);
/* Evidence, begun; cvs_making_go_on() makes it (making.h). It may be freed by any thread. */
CvsMaking *cvs_attester_begin_evidence(CvsAttester *attester, GBytes *nonce, GBytes *user_data,
                                       const CvsPcrSelection *selection, GError **error);
