/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Revocation lists (RFC 5280, section 5): what one says, and whether a certificate is on any. */

#include "tee/x509-chain.h"

/* thisUpdate and nextUpdate in seconds since 1970; G_MININT64 where there is none. */
gint64 cvs_x509_crl_this_update(const X509_CRL *crl);
gint64 cvs_x509_crl_next_update(const X509_CRL *crl);
/* The CRL number (5.2.3) in lower-case hex without leading zeros; NULL if there is none. */
char *cvs_x509_crl_number(const X509_CRL *crl);

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
/* The same, but without the reason CrlStale where the newest CRL ended at most grace seconds ago;
 * then the status is CVS_CRL_STALE all the same. ret_in_grace, if not NULL, says so. */
CvsCrlStatus cvs_x509_check_crls_in_grace(X509 *cert, X509 *issuer, const GPtrArray *crls,
                                          gint64 at, gint64 grace, CvsX509Memo *memo,
                                          X509_CRL **ret_crl, gboolean *ret_in_grace,
                                          GError *refusal);
