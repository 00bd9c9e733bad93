/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the TPM of a TD has of a vTPM that is a TD of its own: the certificate of its endorsement
 * key in NV index 0x01c00016, and the CA's, cut into pieces of whatever size, from 0x01c00100 on
 * (TCG EK Credential Profile 2.5, 2.2.1.4 and 2.2.1.5.2). */

#include "attest/evidence-bundle.h"
#include "tpm/tpm.h"

/* Puts the certificates into the bundle, and the endorsement key that the one is of. Nothing is
 * proven yet: that is the judge's (attest/vtpm-td.h), and cvs_tpm_pin_ek()'s. Where the indices are
 * not there or cannot be read, or the CA's certificate has no quote, the bundle is left as it is:
 * it is another kind of TPM. BadFormat with VtpmTdMalformed; TpmReplaced with EkChanged where the
 * TPM has no such key. */
gboolean cvs_vtpm_td_read(CvsTpm *tpm, CvsEvidenceBundle *bundle, GError **error);
