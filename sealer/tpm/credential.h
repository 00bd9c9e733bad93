/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A challenge: a secret that only the TPM with a given endorsement key can have read, and only if
 * it also holds an object of a given Name, the attestation key (Part 1, section 24, "Credential
 * Protection"). This is the verifier's half, TPM2_MakeCredential (Part 3, 12.6) without a TPM. */

#include "base/secret.h"
#include "tpm/public-area.h"

typedef struct {
    GBytes *id_object;        /* TPM2B_ID_OBJECT (Part 2, 12.4.3) */
    GBytes *encrypted_secret; /* TPM2B_ENCRYPTED_SECRET (Part 2, 11.4.33) */
} CvsCredential;

void cvs_credential_clear(CvsCredential *credential);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CvsCredential, cvs_credential_clear)

/* secret: 1 byte to the size of the endorsement key's nameAlg, for random bytes. InvalidArgument
 * for a key that is no storage key, or a secret of another size. */
gboolean cvs_credential_make(const CvsPublicArea *ek, const CvsName *name, const CvsSecret *secret,
                             CvsCredential *ret_credential, GError **error);
