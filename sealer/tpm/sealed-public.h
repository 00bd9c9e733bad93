/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The public area of a sealed object: a TPM2B_PUBLIC (Part 2, 12.2.5) of which the kinds of object
 * that we make leave only the policy, the bit noDA and the hash of the secret open. So it is read
 * as that, byte for byte, and everything else is refused before a TPM sees it. */

#include "base/digest.h"

#include <glib.h>
#include <tss2/tss2_tpm2_types.h>

/* Bytes of the marshalled TPM2B_PUBLIC. */
#define CVS_SEALED_PUBLIC_SIZE 80

/* What we ask TPM2_Create for. */
void cvs_sealed_public_template(const guint8 policy[static 32], gboolean with_pin,
                                TPM2B_PUBLIC *ret_public);

/* Reads one. BadFormat if it is anything else than such an object of that kind; with reason
 * PolicyDiffers if it is one under another policy, or usable without one. */
gboolean cvs_sealed_public_parse(const void *data, gsize size, const guint8 policy[static 32],
                                 gboolean with_pin, TPM2B_PUBLIC *ret_public, GError **error);
