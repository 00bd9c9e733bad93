/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The key-encryption key of a slot: HKDF-SHA-256 (RFC 5869), no salt, 32 bytes.
 *
 *   input key material   each factor in the order of CvsFactors: u32 length, big-endian, and bytes
 *   info                 u32 length and the label "cvmseal kek"; u32 CVS_KEY_FILE_VERSION;
 *                        SHA-256 of the slot's JSON, decoded; SHA-256 of the protected header as it
 *                        stands in the file, its base64url text, which is what the JWE
 *                        authenticates too (RFC 7516, section 5.1, step 14)
 *
 * So a slot that was edited, or moved to another key, gives another KEK. Which factors were used is
 * in the slot's JSON and thereby in the info. */

#include "base/secret.h"

#include <glib.h>

#define CVS_KEK_SIZE 32

CvsSecret *cvs_kek_derive(const CvsSecret *const *factors, gsize n_factors, GBytes *slot_json,
                          const char *protected_text);
