/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is done with a report that there is, whether it came just now (making.h) or lies here since
 * it came in this boot (boot-cache.h): the TPM's keys are proven, its registers quoted, and all of
 * it is verified. */

#include "attest/attester.h"

/* The attestation key that evidence of this kind is about. */
guint32 cvs_proof_ak_handle(const CvsEvidenceBundle *bundle);

/* The TPM behind the connection holds the endorsement key that is vouched for, this storage root
 * key and this attestation key; where nothing vouches for one, nothing is proven. Pins it
 * (cvs_tpm_pin_ek()). ret_challenged: the attestation key answered a challenge for it and the
 * endorsement key. */
gboolean cvs_proof_keys(CvsTpm *tpm, const CvsEvidenceBundle *bundle, gboolean *ret_challenged,
                        GError **error);

/* The logs and a quote of the registers, made now, in place of those that the bundle has. */
gboolean cvs_proof_quote(const CvsAttesterConfig *config, CvsEvidenceBundle *bundle,
                         const CvsPcrSelection *selection, GError **error);

/* The judge's verdict (judge.h) on evidence with the nonce that it has: with the store's collateral
 * and at this time, but dates are the appraisal's to judge, and so is whether test roots are taken.
 * selection: what must have been quoted; NULL: whatever was. ret_claims may be NULL. */
gboolean cvs_proof_verify(const CvsAttesterConfig *config, const CvsEvidenceBundle *bundle,
                          const CvsPcrSelection *selection, gboolean challenged, gint64 at,
                          json_t **ret_claims, GError **error);
