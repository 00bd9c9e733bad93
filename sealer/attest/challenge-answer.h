/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The answer of this machine's TPM to a challenge. */

#include "attest/challenge.h"
#include "tpm/tpm.h"

/* Sets the answer of a bundle that has its keys. ak_handle: as in tpm/ak.h. AttestationFailed with
 * the reason CredentialRefused where the challenge was made for other keys; NotSupported where
 * nothing vouches for an endorsement key; errors of cvs_tpm_activate_credential(). */
gboolean cvs_challenge_answer(const CvsChallenge *challenge, CvsTpm *tpm, guint32 ak_handle,
                              CvsEvidenceBundle *bundle, GError **error);
