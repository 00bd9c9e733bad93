/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Attestation keys: restricted signing keys, which sign nothing but what the TPM itself says.
 *
 * Ours is a primary key of the endorsement hierarchy from a fixed template (ECC P-256, ECDSA with
 * SHA-256), which a TPM makes the same each time: in that hierarchy, since a TPM shows its reset
 * and restart counts and its firmware's version as they are only in what a key of the endorsement
 * or the platform hierarchy signs (Part 1, 36.7), and since it then changes when the endorsement
 * key does, not when the owner clears the TPM. It is made when it is needed and flushed after: an
 * attestation is made once in a boot, P-256 costs a TPM little, the few persistent places belong to
 * the owner, who could evict it, and the kernel's resource manager then swaps nothing around later
 * commands. */

#include "tpm/public-area.h"
#include "tpm/tpm.h"

/* In place of a handle: our own. */
#define CVS_AK_OWN 0u
/* The key that Azure's paravisor makes: RSA-2048, RSASSA with SHA-256. */
#define CVS_AK_AZURE 0x81000003u

/* The key's public area, read or made in the salted session. It is checked by cvs_ak_lacks();
 * AttestationFailed with reason AkUnfit. NotSupported if there is none
 * at the handle, or the endorsement hierarchy has a password. ret_qualified: its qualified Name,
 * may be NULL. */
CvsPublicArea *cvs_tpm_read_ak(CvsTpm *tpm, guint32 handle, CvsName *ret_qualified, GError **error);
