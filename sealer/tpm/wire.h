/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Between our types and those of the TPM (Part 2 of the TPM 2.0 Library specification). */

#include "base/digest.h"
#include "tpm/pcr.h"

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
