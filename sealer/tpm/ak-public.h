/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What makes a key an attestation key, judged by its public area alone, so that a verifier without
 * a TPM can do it too. He has to: a TPM activates a credential (tpm/credential.h) for whatever
 * object is loaded in it, also for a key whose private part came from outside (TPM2_LoadExternal,
 * Part 3, 12.3), and with such a key anybody signs what looks like a quote. With what is wanted
 * here, the TPM that answered has made the key, keeps it, and signs nothing by it but what it says
 * itself. Of a key of which only the public part is loaded it activates nothing. */

#include "tpm/public-area.h"

/* What the key lacks, a constant sentence, or NULL: fixedTPM, fixedParent, sensitiveDataOrigin,
 * restricted, sign, not decrypt, and an algorithm that cvs_quote_judge() accepts. */
const char *cvs_ak_lacks(const CvsPublicArea *area);
