/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "tpm/ek.h"
#include "tpm/tpm-private.h"

/* An endorsement key in the TPM; let go of by cvs_tpm_let_go(). */
typedef struct {
    ESYS_TR tr;
    gboolean transient;
} CvsEk;

/* The key with exactly this public area, which is also what ESYS has of it. Errors as of
 * cvs_tpm_pin_ek(). */
gboolean cvs_ek_load(CvsTpm *tpm, const CvsPublicArea *ek, CvsEk *ret_ek, GError **error);
