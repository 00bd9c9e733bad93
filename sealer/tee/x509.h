/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Certificates and CRLs from outside: loaded with bounds, and chains verified to anchors that the
 * caller has found to be pinned. RFC 5280 by OpenSSL; the time is always the caller's, never the
 * clock's. Nothing is fetched and no store of the system is looked at. */

#include <glib.h>
#include <openssl/x509.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509, X509_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_CRL, X509_CRL_free)

#define CVS_X509_INPUT_MAX (1024 * 1024) /* bytes of a file or buffer; CRLs can be long */
#define CVS_X509_OBJECTS_MAX 32          /* certificates and CRLs in one PEM file */
#define CVS_X509_PATH_MAX 4              /* certificates of a path, root and leaf included */

/* Arrays that own what is put into them: X509*, X509_CRL*. */
GPtrArray *cvs_x509_certs_new(void);
GPtrArray *cvs_x509_crls_new(void);

/* Appends what is in data: one certificate or CRL in DER and nothing behind it, or PEM blocks
 * CERTIFICATE and X509 CRL in any order, with any text around them. BadFormat ("WHAT: …") for
 * anything else, for a buffer without any, and for an object that certs or crls, being NULL, is not
 * there to take; TooLarge beyond the limits. On an error nothing was appended. */
gboolean cvs_x509_load(const void *data, gsize size, const char *what, GPtrArray *certs,
                       GPtrArray *crls, GError **error);

/* SHA-256 over the DER of the whole certificate, and of its SubjectPublicKeyInfo. */
void cvs_x509_sha256(const X509 *cert, guint8 digest[static 32]);
void cvs_x509_spki_sha256(const X509 *cert, guint8 digest[static 32]);
/* The one commonName of the subject or the issuer, UTF-8; NULL if there is none, more than one, or
 * one with a NUL. */
char *cvs_x509_common_name(const X509 *cert);
char *cvs_x509_issuer_common_name(const X509 *cert);
/* Seconds since 1970 of the end or the beginning of a certificate's validity, of a CRL's thisUpdate
 * and nextUpdate. G_MININT64 where there is none or it is no time. */
gint64 cvs_x509_not_before(const X509 *cert);
gint64 cvs_x509_not_after(const X509 *cert);
gint64 cvs_x509_crl_this_update(const X509_CRL *crl);
gint64 cvs_x509_crl_next_update(const X509_CRL *crl);
/* The CRL number (RFC 5280, 5.2.3) in lower-case hex without leading zeros; NULL if there is none.
 */
char *cvs_x509_crl_number(const X509_CRL *crl);

/* Remembers which signatures of intermediate certificates and CRLs held, so that they are computed
 * once. Dates and revocation are never remembered. Holds a bounded number; one thread at a time. */
typedef struct _CvsX509Memo CvsX509Memo;
CvsX509Memo *cvs_x509_memo_new(void);
void cvs_x509_memo_free(CvsX509Memo *memo);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsX509Memo, cvs_x509_memo_free)

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
 * CertNotYetValid, CertUnfit. Revocation is cvs_x509_check_crls()'s.
 *
 * Returns the path, leaf first, anchor last (X509*, to be unreffed), or NULL if anything was found.
 */
GPtrArray *cvs_x509_chain_verify(const CvsX509Chain *chain, GError *refusal);
/* The same, but the path is returned too when dates are all that is wrong with it, so that the
 * caller can go on to find every other fault. What is not refused is said by the refusal alone. */
GPtrArray *cvs_x509_chain_path(const CvsX509Chain *chain, GError *refusal);

typedef enum {
    CVS_CRL_NONE,  /* no CRL of this issuer was given */
    CVS_CRL_FRESH, /* one that is valid at the time, and the certificate is not on any */
    CVS_CRL_STALE, /* authentic ones, but none is valid at the time */
    CVS_CRL_BAD,   /* the certificate is revoked, or a CRL in the issuer's name is not usable */
} CvsCrlStatus;

/* "missing", "fresh", "stale", "bad" */
const char *cvs_crl_status_name(CvsCrlStatus status);

/* Looks the certificate up in every CRL of its issuer, also in outdated ones: CAs publish several
 * lists in one name, and a revocation does not lapse. Adds reasons CertRevoked, CrlStale,
 * CrlInvalid. A missing CRL is no reason, it is the caller's to judge. crls and memo may be NULL;
 * ret_crl, if not NULL, is the one that counted (the newest authentic), borrowed, or NULL. */
CvsCrlStatus cvs_x509_check_crls(X509 *cert, X509 *issuer, const GPtrArray *crls, gint64 at,
                                 CvsX509Memo *memo, X509_CRL **ret_crl, GError *refusal);
