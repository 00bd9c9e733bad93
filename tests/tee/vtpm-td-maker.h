/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The two certificates of a vTPM that is a TD of its own, as intel/vtpm-td writes them, down to
 * serial number, names and the authority key identifier that is wrong; honest or not. */

#include <glib.h>
#include <openssl/evp.h>

typedef enum {
    VTPM_TD_CERT_HONEST,
    VTPM_TD_CERT_CA_SIGNATURE, /* the CA's is signed by another key */
    VTPM_TD_CERT_CA_NAME,      /* it is not self-issued */
    VTPM_TD_CERT_CA_NO_CA,
    VTPM_TD_CERT_CA_NOT_CRITICAL, /* BasicConstraints */
    VTPM_TD_CERT_CA_USAGE,        /* for something else */
    VTPM_TD_CERT_CA_CRITICAL,     /* it has something critical that nobody knows */
    VTPM_TD_CERT_CA_EXPIRED,
    VTPM_TD_CERT_CA_SHA256, /* signed with another hash */
    VTPM_TD_CERT_NO_QUOTE,
    VTPM_TD_CERT_TWO_QUOTES,
    VTPM_TD_CERT_EK_SIGNATURE, /* the EK's is signed by another key */
    VTPM_TD_CERT_EK_ISSUER,    /* it names another issuer */
    VTPM_TD_CERT_EK_IS_CA,
    VTPM_TD_CERT_EK_USAGE,
    VTPM_TD_CERT_EK_EXPIRED,
    VTPM_TD_CERT_N
} VtpmTdCertLie;

/* SHA-384 of the point, and zeros. */
void vtpm_td_report_data(EVP_PKEY *ca_key, guint8 data[static 64]);
/* ek: what the EK's certificate is of. Both are new. */
void vtpm_td_make_certs(EVP_PKEY *ca_key, EVP_PKEY *ek, GBytes *quote, VtpmTdCertLie lie,
                        GBytes **ret_ek_cert, GBytes **ret_ca_cert);
