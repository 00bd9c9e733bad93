/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The answer to a challenge. */

#include "tpm/ak.h"
#include "tpm/credential.h"
#include "tpm/tpm.h"

/* The secret of a challenge for this endorsement key and the attestation key at the handle
 * (TPM2_ActivateCredential, Part 3, 12.5), encrypted on its way by a salted session.
 * AttestationFailed with reason CredentialRefused if it was made for other keys or was changed;
 * BadFormat if it is none; TpmReplaced and NotSupported as of cvs_tpm_pin_ek(). */
CvsSecret *cvs_tpm_activate_credential(CvsTpm *tpm, const CvsPublicArea *ek, guint32 ak_handle,
                                       const CvsCredential *credential, GError **error);
