/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Endorsement keys: the key of a TPM for which others vouch. Found among the persistent keys of the
 * endorsement range (0x81010000 to 0x8101ffff, TCG Registry of Reserved TPM 2.0 Handles), or made
 * again from a template of the TCG EK Credential Profile 2.5, annex B: L-1 (RSA-2048), L-2 (ECC
 * P-256), H-1, H-2 and H-3 (the same, and P-384), whose keys are the same each time. */

#include "tpm/public-area.h"
#include "tpm/tpm.h"

/* The endorsement key that has this public key, where what vouches for it names no more than that
 * (Azure's claims, a certificate). Its attributes, other than the key, are what the TPM or whoever
 * is between says; the key is not. TpmReplaced with reason EkChanged if the TPM has none such;
 * NotSupported if the endorsement hierarchy has a password. */
CvsPublicArea *cvs_tpm_find_ek(CvsTpm *tpm, EVP_PKEY *key, GError **error);

/* Proves that the TPM behind the connection holds the private part of exactly this endorsement key,
 * and in the same breath which storage root key it has: the SRK's public area is read and checked,
 * as cvs_tpm_get_srk_name() promises, in a session that is salted to the key given, not to one
 * read. Then pins its Name (cvs_tpm_pin_srk()). make_srk: makes the SRK first if there is none, and
 * none is pinned. TpmReplaced with reason EkChanged, or SrkChanged if another SRK was pinned
 * before. */
gboolean cvs_tpm_pin_ek(CvsTpm *tpm, const CvsPublicArea *ek, gboolean make_srk, GError **error);
