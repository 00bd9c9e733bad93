/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Between our types and those of the TPM (Part 2 of the TPM 2.0 Library specification). */

#include "base/digest.h"
#include "tpm/pcr.h"
#include "tpm/public-area.h"

#include <glib.h>
#include <tss2/tss2_esys.h>

/* What Esys_… functions give out is freed by Esys_Free(). */
#define CVS_AUTO_ESYS(type) __attribute__((cleanup(cvs_esys_free))) type *
void cvs_esys_free(void *pointer_to_pointer);

/* TPM_ALG_ID of a hash (Part 2, 6.3). */
TPM2_ALG_ID cvs_hash_to_tpm(CvsHash hash);
gboolean cvs_hash_from_tpm(TPM2_ALG_ID alg, CvsHash *ret_hash);

/* TPML_PCR_SELECTION with one entry of three octets (Part 2, 10.6.1, and 10.9.7). */
void cvs_pcr_selection_to_tpm(const CvsPcrSelection *selection, TPML_PCR_SELECTION *ret_list);
/* The PCRs of one bank in a list that came from a TPM; FALSE if it is malformed or has another
 * bank with PCRs in it. */
gboolean cvs_pcr_mask_from_tpm(const TPML_PCR_SELECTION *list, CvsHash bank, guint32 *ret_mask);

/* The Name of a public area: nameAlg ‖ H(TPMT_PUBLIC) (Part 1, section 16). FALSE if the algorithm
 * is unknown or the area cannot be marshalled. */
gboolean cvs_tpm_name_of(const TPMT_PUBLIC *area, TPM2B_NAME *ret_name);
/* The qualified Name of a primary key of a hierarchy: nameAlg ‖ H(hierarchy's handle ‖ Name)
 * (Part 1, section 16). FALSE for a Name that is malformed. */
gboolean cvs_tpm_primary_qualified_name(TPM2_HANDLE hierarchy, const TPM2B_NAME *name,
                                        TPM2B_NAME *ret_name);
gboolean cvs_tpm_name_equal(const TPM2B_NAME *a, const TPM2B_NAME *b);

/* The public area that ESYS has of a key: the one that it salts sessions to. ESYS takes it and the
 * Name from one answer and holds them for each other's; so the Name is computed here. It is had
 * from what Esys_TR_Serialize() writes: handle, Name, kind, TPM2B_PUBLIC. FALSE if that is not so.
 */
gboolean cvs_esys_public_of(ESYS_CONTEXT *esys, ESYS_TR key, TPM2B_PUBLIC *ret_public,
                            TPM2B_NAME *ret_name);
/* BadFormat as cvs_public_area_parse(). */
CvsPublicArea *cvs_public_area_from_tpm(const TPMT_PUBLIC *area, const char *what, GError **error);
/* FALSE for one that a TPM's structures do not hold. */
gboolean cvs_public_area_to_tpm(const CvsPublicArea *area, TPM2B_PUBLIC *ret_public);
