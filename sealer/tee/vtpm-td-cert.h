/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The two certificates by which a vTPM that is a TD of its own vouches for its endorsement key
 * (Intel, "Trust Domain based Virtual TPM Design Guide" 0.7.8, chapter 6.1.3, and the code of
 * intel/vtpm-td; an SVSM in TD partitioning makes the same ones). Both are X.509 in DER, P-384,
 * signed with ecdsa-with-SHA384:
 *
 * - the CA's: self-issued, BasicConstraints critical with CA, the extended key usage "vTPM TD
 * issued CA", and in the extension 2.16.840.1.113741.1.5.5.2.2 the quote of the TD that made the
 * key, in no further wrapping. The quote's report data are SHA-384 of the key as an uncompressed
 * point (04, x, y), and 16 zeros.
 * - the EK's: issued by it, no CA, with the extended key usage of endorsement keys (2.23.133.8.1).
 *
 * Serial numbers and names are the same in all of them, and the EK's authority key identifier is
 * that of another key: what ties the two is the signature alone. */

#include "tee/x509.h"

/* Bytes of a CA certificate, in which there are a quote and an event log. */
#define CVS_VTPM_TD_CA_MAX 65535
#define CVS_VTPM_TD_EK_MAX 16384

typedef struct {
    X509 *ca;
    X509 *ek;
    EVP_PKEY *ca_key; /* P-384 */
    EVP_PKEY *ek_key; /* P-384 */
    GBytes *quote;
    guint8 report_data[64]; /* what the quote has to be for */
} CvsVtpmTdCerts;

/* The bytes begin with a certificate that has no TD's quote in it: they are those of other makers
 * of TPMs, which put whole chains there. FALSE where it has one, and where there is no certificate,
 * which is for the function below to refuse. */
gboolean cvs_vtpm_td_is_another_ca(GBytes *ca);

/* BadFormat with the reason VtpmTdMalformed: not exactly one certificate each, a key of another
 * type, no quote or more than one. Judges nothing else. */
CvsVtpmTdCerts *cvs_vtpm_td_certs_parse(GBytes *ek, GBytes *ca, GError **error);
void cvs_vtpm_td_certs_free(CvsVtpmTdCerts *certs);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsVtpmTdCerts, cvs_vtpm_td_certs_free)

/* Adds a reason for each fault of the two, at this time (seconds since 1970): VtpmTdCaUnfit,
 * VtpmTdEkUnsigned. The quote is not looked at. */
void cvs_vtpm_td_certs_check(const CvsVtpmTdCerts *certs, gint64 at, GError *refusal);
