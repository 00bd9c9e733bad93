/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tpm/ak.h"
#include "tpm/tpm-private.h"

/* An attestation key in the TPM; let go of by cvs_ak_unload(). */
typedef struct {
    ESYS_TR tr;
    gboolean transient;
    CvsPublicArea *area;
    CvsName qualified;
} CvsAk;

/* Errors as of cvs_tpm_read_ak(). session: the HMAC session. */
gboolean cvs_ak_load(CvsTpm *tpm, ESYS_TR session, guint32 handle, CvsAk *ret_ak, GError **error);
/* As the key with this public area that was read before: TpmReplaced with reason EkChanged if it is
 * another, since it comes from the same seed. */
gboolean cvs_ak_load_same(CvsTpm *tpm, ESYS_TR session, guint32 handle, const CvsPublicArea *area,
                          CvsAk *ret_ak, GError **error);
void cvs_ak_unload(CvsTpm *tpm, CvsAk *ak);
