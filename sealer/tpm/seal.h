/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sealed objects: KEYEDHASH under the SRK with fixedTPM, fixedParent, adminWithPolicy, userWithAuth
 * clear, noDA unless there is a PIN (Part 2, 8.3, TPMA_OBJECT). */

#include "tpm/policy.h"
#include "tpm/tpm.h"

/* What the TPM lets one object hold (Part 2, TPM2B_SENSITIVE_DATA; MAX_SYM_DATA is 128). */
#define CVS_TPM_SEALED_MAX 128

typedef struct {
    GBytes *srk_name;     /* the parent */
    GBytes *public_area;  /* TPM2B_PUBLIC, marshalled */
    GBytes *private_area; /* TPM2B_PRIVATE, marshalled */
} CvsSealedObject;

void cvs_sealed_object_clear(CvsSealedObject *object);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CvsSealedObject, cvs_sealed_object_clear)

/* Seals under the SRK. pin: given if and only if the policy needs it; the object's auth value is
 * its SHA-256, so a PIN has any length. The secret crosses in an encrypting salted session. Does
 * not unseal to check; callers do. TooLarge, PinRequired, InvalidArgument. */
gboolean cvs_tpm_seal(CvsTpm *tpm, const CvsPolicy *policy, const CvsSecret *secret,
                      const CvsSecret *pin, CvsSealedObject *ret_object, GError **error);

/* Unseals. Before anything is sent: the public area parses, is a sealed object with the attributes
 * above, its authPolicy is the policy's calculated digest (else BadFormat with reason
 * PolicyDiffers), and the PIN is there (PinRequired). Then the parent must be this TPM's SRK, which
 * is looked up once for a connection (else TpmReplaced with reason SrkChanged). Then the policy's
 * commands, Load, Unseal: with one PolicyPCR and the session kept from before, three commands; and
 * FlushContext, which waits for cvs_tpm_settle().
 *
 * PcrMismatch (without reasons; the caller knows the values at sealing), PinRequired, PinWrong,
 * TpmLockout, TpmReplaced, BadFormat; Busy if PCRs are extended all the time. */
CvsSecret *cvs_tpm_unseal(CvsTpm *tpm, const CvsPolicy *policy, const CvsSealedObject *object,
                          const CvsSecret *pin, GError **error);

/* For an object under a policy that does not hold now, so that it cannot be unsealed: the TPM loads
 * it, gives it the Name that its public area has, and a trial session (Part 1, 19.3) comes to the
 * policy digest that it is under. All answers come in the salted session. That it would unseal is
 * not proven by this. BadFormat, PolicyDiffers, TpmReplaced as above. */
gboolean cvs_tpm_check_sealed(CvsTpm *tpm, const CvsPolicy *policy, const CvsSealedObject *object,
                              GError **error);
