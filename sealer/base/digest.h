/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Hashes, HMAC and HKDF by OpenSSL, with the algorithms fetched once for the process. */

#include "base/secret.h"

#include <glib.h>

#define CVS_DIGEST_MAX 64 /* bytes of the longest digest, SHA-512 */

typedef enum {
    CVS_SHA1,
    CVS_SHA256,
    CVS_SHA384,
    CVS_SHA512,
} CvsHash;

/* Bytes of a digest. */
gsize cvs_hash_size(CvsHash hash);
/* "sha1", "sha256", "sha384", "sha512" */
const char *cvs_hash_name(CvsHash hash);
gboolean cvs_hash_from_name(const char *name, CvsHash *ret_hash);

/* One-shot; digest has room for cvs_hash_size() bytes. OpenSSL fails at this only when memory is
 * out, and then the process aborts, as with g_malloc(). */
void cvs_hash_bytes(CvsHash hash, const void *data, gsize size, guint8 *digest);

/* In parts. */
typedef struct _CvsHasher CvsHasher;
CvsHasher *cvs_hasher_new(CvsHash hash);
void cvs_hasher_update(CvsHasher *hasher, const void *data, gsize size);
/* Writes the digest and starts anew. */
void cvs_hasher_finish(CvsHasher *hasher, guint8 *digest);
void cvs_hasher_free(CvsHasher *hasher);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsHasher, cvs_hasher_free)

void cvs_hmac(CvsHash hash, const void *key, gsize key_size, const void *data, gsize size,
              guint8 *mac);

/* In parts. */
typedef struct _CvsMac CvsMac;
CvsMac *cvs_mac_new(CvsHash hash, const void *key, gsize key_size);
void cvs_mac_update(CvsMac *self, const void *data, gsize size);
/* Writes the MAC; what comes then is free() only. */
void cvs_mac_finish(CvsMac *self, guint8 *mac);
void cvs_mac_free(CvsMac *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsMac, cvs_mac_free)

/* HKDF (RFC 5869) with an empty salt, in its two steps: the caller gives the input key material to
 * what extract returns, and then takes size bytes, at most 255 digests, by the info. */
CvsMac *cvs_hkdf_extract(CvsHash hash);
CvsSecret *cvs_hkdf_expand(CvsHash hash, CvsMac *extract, const void *info, gsize info_size,
                           gsize size);
/* In one. */
CvsSecret *cvs_hkdf(CvsHash hash, const CvsSecret *ikm, const void *info, gsize info_size,
                    gsize size);

/* Constant-time comparison of size bytes. */
gboolean cvs_equal_bytes(const void *a, const void *b, gsize size);
