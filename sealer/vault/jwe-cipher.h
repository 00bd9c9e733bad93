/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The two ciphers that open a JWE, straight from OpenSSL. libjose, which makes them, takes keys and
 * ciphertexts as JSON, and its way there costs a hundred times what the ciphers do. */

#include "vault/jwe.h"
#include "vault/kek.h"

/* A256KW (RFC 7518, section 4.4; RFC 3394 with its own initial value). NULL if the KEK, of
 * CVS_KEK_SIZE bytes, is not the one. */
CvsSecret *cvs_jwe_cipher_unwrap(const CvsSecret *kek,
                                 const guint8 wrapped[static CVS_JWE_WRAPPED_SIZE]);
/* A256GCM (RFC 7518, section 5.3); the additional data are the protected header's text (RFC 7516,
 * section 5.2, step 15: a file of ours has no "aad"). NULL if CEK, header, iv, ciphertext and tag
 * do not fit together. */
CvsSecret *cvs_jwe_cipher_decrypt(const CvsJwe *jwe, const CvsSecret *cek);
