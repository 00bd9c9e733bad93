/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* NV indices: what platforms leave in the TPM for the guest (certificates, Azure's report), and the
 * one thing that is written. All in the salted session. */

#include "tpm/tpm.h"

/* Azure's paravisor: its report, made anew when a read from offset 0 begins, and the 64 bytes that
 * it puts into it. */
#define CVS_NV_AZURE_REPORT 0x01400001u
#define CVS_NV_AZURE_USER_DATA 0x01400002u
/* Certificates (TCG EK Credential Profile 2.5, 2.2.1.4). */
#define CVS_NV_EK_CERTIFICATE_RSA_2048 0x01c00002u
#define CVS_NV_EK_CERTIFICATE_P256 0x01c0000au
#define CVS_NV_EK_CERTIFICATE_P384 0x01c00016u
/* The first index of those that have the certificates of their issuers (2.2.1.5.2). */
#define CVS_NV_EK_CERTIFICATE_CHAIN 0x01c00100u

/* Bytes of the largest index that is read. */
#define CVS_NV_MAX 16384

/* All of an ordinary index, in as many pieces as the TPM needs, from its start; by the index's own
 * auth value, or else the owner's, which must be empty. NotSupported with reason NvMissing if there
 * is no such index, or nothing was written to it yet; with NvUnfit if it is a counter or the like,
 * may not be read so, or is larger than CVS_NV_MAX. */
GBytes *cvs_tpm_nv_read(CvsTpm *tpm, guint32 index, GError **error);

/* Writes all of an ordinary index of just this size as the owner; if there is none, defines it
 * first, for owner and index auth to read and write. NotSupported with reason NvUnfit if there is
 * one of another kind or size: it is left as it is. size: up to 512. */
gboolean cvs_tpm_nv_write(CvsTpm *tpm, guint32 index, const void *data, gsize size, GError **error);
