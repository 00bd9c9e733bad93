/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The storage root key, at CVS_TPM_SRK_HANDLE. */

#include "tpm/tpm-private.h"

/* Sets tpm->srk, not checked. make: makes the key if there is none. NotSupported if there is none
 * and it may not or cannot be made. */
gboolean cvs_srk_find(CvsTpm *tpm, gboolean make, GError **error);

/* Reads the key's public area in a session salted to it, checks what cvs_tpm_get_srk_name()
 * promises, and sets tpm->srk_name and tpm->srk_checked. With session ESYS_TR_NONE it sets nothing:
 * that only serves to explain why there is no session. TpmReplaced with reason SrkUnfit. */
gboolean cvs_srk_check(CvsTpm *tpm, ESYS_TR session, GError **error);

/* TpmReplaced with reason SrkChanged: against the pinned Name. seen may be NULL. */
void cvs_srk_set_changed_error(CvsTpm *tpm, const TPM2B_NAME *seen, GError **error);
