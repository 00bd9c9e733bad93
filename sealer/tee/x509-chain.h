/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Certificate chains, verified to anchors that the caller has found to be pinned. RFC 5280 by
 * OpenSSL; the time is always the caller's, never the clock's. Nothing is fetched and no store of
 * the system is looked at. */

#include "tee/x509.h"

#define CVS_X509_PATH_MAX 4 /* certificates of a path, root and leaf included */

/* Remembers which signatures of intermediate certificates and CRLs held, so that they are computed
 * once. Dates and revocation are never remembered. Holds a bounded number; one thread at a time. */
typedef struct _CvsX509Memo CvsX509Memo;
CvsX509Memo *cvs_x509_memo_new(void);
void cvs_x509_memo_free(CvsX509Memo *memo);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsX509Memo, cvs_x509_memo_free)
/* For other signatures: a fact is two SHA-256 digests, of what is signed and of the key that signed
 * it (SubjectPublicKeyInfo). memo may be NULL: then nothing is known or kept. */
gboolean cvs_x509_memo_has_fact(const CvsX509Memo *memo, const guint8 fact[static 64]);
void cvs_x509_memo_add_fact(CvsX509Memo *memo, const guint8 fact[static 64]);

typedef struct {
    X509 *leaf;
    GPtrArray *others;  /* X509*, untrusted, in any order, may hold anything; or NULL */
    GPtrArray *anchors; /* X509*, self-signed, each one trusted by the caller; or NULL */
    gint64 at;          /* verification time, seconds since 1970 */
    CvsX509Memo *memo;  /* or NULL */
} CvsX509Chain;

/* Verifies leaf to anchor: names, signatures (the anchor's own too), CA bits, key usage, path
 * lengths, unknown critical extensions, validity at the time. Adds one reason for each fault to the
 * refusal (see tee/refusal.h): RootUntrusted, ChainIncomplete, CertSignature, CertExpired,
 * CertNotYetValid, CertUnfit. Of several issuers of one name the one counts whose key signed; what
 * is not part of the leaf's path is never looked at. Revocation is cvs_x509_check_crls()'s.
 *
 * Returns the path, leaf first, anchor last (X509*, to be unreffed), or NULL if anything was found.
 */
GPtrArray *cvs_x509_chain_verify(const CvsX509Chain *chain, GError *refusal);
/* The same, but the path is returned too when dates are all that is wrong with it, so that the
 * caller can go on to find every other fault. What is not refused is said by the refusal alone. */
GPtrArray *cvs_x509_chain_path(const CvsX509Chain *chain, GError *refusal);
