/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What every test of the release floor stands on: a TPM, an empty vault, two folders of profiles.
 */

#include "base/json.h"
#include "release/release.h"
#include "sim/test-tpm.h"

typedef struct {
    TestTpm *test_tpm;
    CvsTpm *tpm;
    CvsStore *store;
    char *dir; /* everything lies below */
    char *vault;
    char *policies;
    const char *folders[2];
    CvsOwner owner; /* uid 1000 */
    CvsRelease release;
    /* What stands for the attestation, once bed_attest() was called: claims that are appraised as
     * the attester does it, registers, or why there is none. */
    CvsReleaseAttester attester;
    CvsTeePaths *tee_paths; /* below dir */
    json_t *claims;
    guint8 rtmr[CVS_TD_RTMRS][CVS_TD_MR_SIZE];
    GError *attest_error;
    GError *rtmr_error;
    guint attested; /* how often claims were asked for */
} Bed;

/* The profile "default" selects PCRs 0, 2 and 7, which are measured. */
Bed *bed_new(void);
/* The same with a TPM of that kind. */
Bed *bed_new_with(TpmMuxFlags flags);
void bed_free(Bed *bed);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Bed, bed_free)

/* From now on the machine is attested: "snp" or "tdx", the latter with a CCEL. */
void bed_attest(Bed *bed, const char *type);
/* A claim from now on (value stolen; NULL: not there). */
void bed_set_claim(Bed *bed, const char *name, json_t *value);
/* Writes NAME.policy. */
void bed_set_profile(Bed *bed, const char *name, const char *text);
/* Seals "the secret of NAME" with these options (NULL: none), which must work. */
void bed_seal(Bed *bed, const char *name, const CvsSealOptions *options);
/* Unseals and compares with what bed_seal() sealed. */
void bed_assert_opens(Bed *bed, const char *name, const CvsSecret *pin);
/* Must be refused with that code; the error is returned. */
GError *bed_assert_refused(Bed *bed, const char *name, const CvsSecret *pin, int code);
/* Another TPM (numbers as in tpm_mux_power_on()) in the place of this one, with the boot measured.
 * If a connection was open it is lost with the old one, and one request that finds that out fails:
 * it is made here. */
void bed_replace_tpm(Bed *bed, guint number);
/* The machine's own TPM after a reboot, with nothing measured. As above for the connection. */
void bed_reboot(Bed *bed);
/* How many reasons of that code the error has. */
guint bed_count_reasons(const GError *error, const char *code);
/* The file of a key of bed's owner. */
char *bed_key_path(Bed *bed, const char *name);
/* What whoever can write to the disk can do: adds a copy of the key's first tpm2 slot in which
 * these members are replaced (stolen). */
void bed_forge_slot(Bed *bed, const char *name, json_t *members);
/* The recipients of a key's file, and the same file with others (stolen). */
json_t *bed_read_recipients(Bed *bed, const char *name);
void bed_write_recipients(Bed *bed, const char *name, json_t *recipients);
/* What follows has to warn of a forged slot; then g_test_assert_expected_messages(). */
void bed_expect_forged(void);
CvsSecret *bed_secret(const char *text);
