/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The MAC by which a key vouches for its slots: HMAC-SHA-256 under a key that only who has opened
 * the key can derive, so a slot that somebody else put into the file is told from one of the key's
 * own, whether it opens or not.
 *
 *   key    HKDF-SHA-256 (RFC 5869) of the CEK, no salt, 32 bytes; info: u32 length and the label
 *          "cvmseal slot mac"; u32 CVS_KEY_FILE_VERSION; SHA-256 of the protected header as it
 *          stands in the file, its base64url text
 *   data   fields of u32 length and bytes: "alg"; the slot's JSON, decoded, or p2s; encrypted_key;
 *          and last u32 p2c (0 in a tpm2 slot). Numbers are big-endian
 *
 * The CEK stays the same for the life of a key, so a slot that was the key's own once has a good
 * MAC for ever: an old file, or an old slot that is put back, cannot be told from a present one. */

#include "vault/jwe.h"

/* The key of all MACs of one JWE. */
CvsSecret *cvs_slot_mac_key(const CvsJwe *jwe, const CvsSecret *cek);

void cvs_slot_mac(const CvsJweRecipient *recipient, const CvsSecret *mac_key,
                  guint8 ret_mac[static CVS_JWE_MAC_SIZE]);
/* True if the recipient's MAC is its own. */
gboolean cvs_slot_mac_holds(const CvsJweRecipient *recipient, const CvsSecret *mac_key);
