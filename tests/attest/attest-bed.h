/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A confidential VM with its TPM: the simulated TEE, swtpm behind the multiplexer, the keys that
 * SVSM or paravisor vouch for, a collateral store, and an attester on top. */

#include "attest/attester.h"
#include "attest/judge.h"
#include "attest/vtpm-td-bed.h"
#include "base/error.h"
#include "tpm/attesting.h"

#include "tee/tee-bed.h"

typedef struct {
    TeeBed tee;
    TestTpm *tpm;
    CvsTpm *client;
    CvsPublicArea *ek; /* RSA, by template L-1 */
    CvsPublicArea *ak; /* the one that makes quotes */
    CvsSnpRoots *snp_roots;
    CvsTdxRoots *tdx_roots;
    char *store;
    char *measurement; /* as a profile lists it */
    gint64 now;
    CvsAttester *attester;
    guint manifest_version;
    gboolean keep;      /* the attestation, for the next program */
    CvsPaceClock clock; /* the TEE's; while somebody sleeps by it, a TD's quote is brought */
    gboolean no_quotes; /* it is not */
    gboolean vtpm_td;   /* the TPM is a TD */
    VtpmTdCertsWish wish;
    gboolean azure; /* NV index 0x01400001 is the paravisor's */
    guint hcl_lag;  /* so many more reads of it give the former report */
    guint hcl_reads;
    gboolean change_srk; /* at the next read, after which it is another */
    GBytes *hcl;
} AttestBed;

/* switches: "svsm=on vmpl=2", or NULL. FALSE if it cannot be here; then the test is skipped. */
gboolean attest_bed_init(AttestBed *bed, TeeSimType type, const char *switches);
/* A TD with a vTPM in another one; wish: what is wrong with its certificates, or NULL. */
gboolean attest_bed_init_vtpm_td(AttestBed *bed, const VtpmTdCertsWish *wish, VtpmTdMeasured how);
void attest_bed_clear(AttestBed *bed);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(AttestBed, attest_bed_clear)

/* Sets a switch and brings the collateral up to date. */
void attest_bed_set(AttestBed *bed, const char *assignment);
/* As after a restart of our own program: nothing is pinned or kept. */
void attest_bed_restart(AttestBed *bed);

/* The quote of the TDREPORT that was laid down, if one was. */
void attest_bed_bring_quote(AttestBed *bed);

/* Another TPM in its place, for which SVSM or paravisor now vouch; PCR 7 is another too. */
void attest_bed_change_tpm(AttestBed *bed, guint number);

/* A profile with PCR 7, test roots allowed and these lines behind [TEE]; "%M" is the measurement.
 */
CvsProfile *attest_bed_profile(AttestBed *bed, const char *lines);
/* Listed, and nothing else asked for. */
CvsProfile *attest_bed_listed(AttestBed *bed);

/* A bundle for this nonce over PCRs 0, 2 and 7. */
CvsEvidenceBundle *attest_bed_evidence(AttestBed *bed, const char *nonce, GError **error);
/* The verdict of somebody who asked with this nonce. challenged: the AK answered him. */
CvsVerdict *attest_bed_judge(AttestBed *bed, const CvsEvidenceBundle *bundle, const char *nonce,
                             gboolean challenged, const CvsProfile *profile);
/* Reasons' codes, each once, sorted, with blanks between. */
char *attest_bed_reasons(const GError *error);
