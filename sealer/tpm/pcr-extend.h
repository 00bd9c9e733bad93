/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Measuring into a PCR: TPM2_PCR_Event (Part 3, section 22.3), by which the TPM makes the digest of
 * each of its banks itself, so that none is left behind for somebody else to fill. */

#include "tpm/tpm.h"

#define CVS_PCR_EVENT_MAX 1024 /* bytes: TPM2B_EVENT (Part 2, 10.4.8) */

/* In the salted session, so that nobody on the line can say it was done. It is sent once: after an
 * error of the transport nobody knows whether it was done, but the register tells. */
gboolean cvs_tpm_pcr_event(CvsTpm *tpm, guint pcr, const void *data, gsize size, GError **error);
