/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The JWE around a key: RFC 7516, general JSON serialisation (section 7.2.1), the cryptography by
 * libjose where a key is written and opened by its recovery key, by vault/jwe-cipher.h where it is
 * opened by a KEK. Nothing reaches either before it passed the allow-list of cvs_jwe_parse():
 *
 *   members      protected, recipients (1 to 32), iv (12 bytes), ciphertext, tag (16 bytes)
 *   protected    "enc": "A256GCM", "typ": "cvmseal+json", "cvmseal": an object
 *   recipient    header, encrypted_key (40 bytes: a wrapped CEK of 32)
 *   header       "mac" (32 bytes, see vault/slot-mac.h) and "alg": "A256KW", "slot"; or
 *                "alg": "PBES2-HS512+A256KW", "p2s" (8 to 64 bytes), "p2c" (1000 to 32768)
 *
 * All base64url is canonical (base/hex.h), so one value has one text. Everything else is BadFormat
 * with the name of what was found. */

#include "base/json.h"
#include "base/secret.h"

#include <glib.h>

#define CVS_JWE_CEK_SIZE 32
#define CVS_JWE_WRAPPED_SIZE 40
#define CVS_JWE_IV_SIZE 12
#define CVS_JWE_TAG_SIZE 16
#define CVS_JWE_MAC_SIZE 32
#define CVS_JWE_P2C_MIN 1000
#define CVS_JWE_P2C_MAX 32768

#define CVS_JWE_P2S_MIN 8 /* RFC 7518, section 4.8.1.1 */
#define CVS_JWE_P2S_MAX 64
#define CVS_JWE_ALG_KEK "A256KW"
#define CVS_JWE_ALG_PASSWORD "PBES2-HS512+A256KW"

typedef struct {
    GBytes *slot; /* A256KW: the decoded slot; NULL: PBES2 */
    GBytes *p2s;  /* PBES2 */
    guint p2c;    /* PBES2 */
    guint8 encrypted_key[CVS_JWE_WRAPPED_SIZE];
    guint8 mac[CVS_JWE_MAC_SIZE]; /* as it was read: of any value until the CEK is known */
} CvsJweRecipient;
void cvs_jwe_recipient_free(CvsJweRecipient *recipient);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsJweRecipient, cvs_jwe_recipient_free)

typedef struct {
    char *protected_text; /* base64url, as it stands in the file */
    guint8 iv[CVS_JWE_IV_SIZE];
    guint8 tag[CVS_JWE_TAG_SIZE];
    GBytes *ciphertext;
    GPtrArray *recipients; /* CvsJweRecipient* */
} CvsJwe;
/* Empty, for the readers to fill. */
CvsJwe *cvs_jwe_new(void);
void cvs_jwe_free(CvsJwe *jwe);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsJwe, cvs_jwe_free)

/* ret_header: the object "cvmseal" of the protected header, not looked into. BadFormat, TooLarge.
 */
CvsJwe *cvs_jwe_parse(const void *data, gsize size, json_t **ret_header, GError **error);
/* The long way of reading (see vault/jwe-scan.h), without a look into the protected header. */
CvsJwe *cvs_jwe_parse_json(const void *data, gsize size, GError **error);
/* One line of text: compact, members sorted. */
GBytes *cvs_jwe_serialise(const CvsJwe *jwe);

/* Encrypts under the CEK; header goes into the protected header as "cvmseal". No recipients yet. */
CvsJwe *cvs_jwe_encrypt(const json_t *header, const CvsSecret *cek, const CvsSecret *plaintext,
                        GError **error);
/* BadFormat if the tag does not fit. */
CvsSecret *cvs_jwe_decrypt(const CvsJwe *jwe, const CvsSecret *cek, GError **error);

/* A recipient that holds the CEK, with its MAC, not yet added to the JWE. By a KEK of 32 bytes: */
CvsJweRecipient *cvs_jwe_wrap(const CvsJwe *jwe, GBytes *slot, const CvsSecret *kek,
                              const CvsSecret *cek, GError **error);
/* By a password, with p2c CVS_JWE_P2C_MAX and a random p2s of 32 bytes: */
CvsJweRecipient *cvs_jwe_wrap_password(const CvsJwe *jwe, const CvsSecret *password,
                                       const CvsSecret *cek, GError **error);
/* The CEK, or NULL if the KEK or the password is not the one. secret: of the kind that the
 * recipient wants. */
CvsSecret *cvs_jwe_unwrap(const CvsJwe *jwe, const CvsJweRecipient *recipient,
                          const CvsSecret *secret);
