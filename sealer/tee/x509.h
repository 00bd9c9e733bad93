/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Certificates and CRLs from outside, loaded with bounds; and what a single one says. Chains are
 * x509-chain.h's, revocation is x509-crl.h's. */

#include <glib.h>
#include <openssl/x509.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509, X509_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_CRL, X509_CRL_free)

#define CVS_X509_INPUT_MAX (1024 * 1024) /* bytes of a file or buffer; CRLs can be long */
#define CVS_X509_OBJECTS_MAX 32          /* certificates and CRLs in one PEM file */

/* Arrays that own what is put into them: X509*, X509_CRL*. */
GPtrArray *cvs_x509_certs_new(void);
GPtrArray *cvs_x509_crls_new(void);

/* Appends what is in data: one certificate or CRL in DER and nothing behind it, or PEM blocks
 * CERTIFICATE and X509 CRL in any order, with any text around them. BadFormat ("WHAT: …") for
 * anything else, for a buffer without any, for an object that certs or crls, being NULL, is not
 * there to take, and beyond the limits. On an error nothing was appended. */
gboolean cvs_x509_load(const void *data, gsize size, const char *what, GPtrArray *certs,
                       GPtrArray *crls, GError **error);

/* SHA-256 over the DER of the whole certificate, and of its SubjectPublicKeyInfo. */
void cvs_x509_sha256(const X509 *cert, guint8 digest[static 32]);
void cvs_x509_spki_sha256(const X509 *cert, guint8 digest[static 32]);
/* The one commonName of the subject or the issuer, UTF-8; NULL if there is none, more than one, or
 * one with a NUL. */
char *cvs_x509_common_name(const X509 *cert);
char *cvs_x509_issuer_common_name(const X509 *cert);
/* Seconds since 1970; G_MININT64 for what is no time. */
gint64 cvs_x509_seconds(const ASN1_TIME *time);
gint64 cvs_x509_not_before(const X509 *cert);
gint64 cvs_x509_not_after(const X509 *cert);
/* The time lies within the certificate's own validity, bounds included. */
gboolean cvs_x509_is_in_time(const X509 *cert, gint64 at);

/* For messages: the common name, or words that say that there is none (NULL allowed); a time as
 * ISO 8601 in UTC. */
char *cvs_x509_display_name(const X509 *cert);
char *cvs_x509_display_time(gint64 seconds);
