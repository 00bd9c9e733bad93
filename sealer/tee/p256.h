/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* ECDSA P-256 with SHA-256 in the raw forms that Intel uses: keys x ‖ y, signatures r ‖ s, each
 * number 32 bytes, big-endian. */

#include <glib.h>
#include <openssl/evp.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_PKEY, EVP_PKEY_free)

/* NULL if the bytes are no point of the curve. */
EVP_PKEY *cvs_p256_key_new(const guint8 point[static 64]);
/* The key is one of P-256. */
gboolean cvs_p256_is_key(const EVP_PKEY *key);
gboolean cvs_p256_verify(EVP_PKEY *key, const void *data, gsize size,
                         const guint8 signature[static 64]);
