/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/vtpm-td-cert.h"
#include "base/digest.h"
#include "base/error.h"

#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>
#include <string.h>

#define QUOTE_OID "2.16.840.1.113741.1.5.5.2.2"
#define CA_USAGE_OID "2.16.840.1.113741.1.5.5.2.5"
#define EK_USAGE_OID "2.23.133.8.1"
#define POINT_SIZE 97 /* of P-384: 04, x, y */

void
cvs_vtpm_td_certs_free(CvsVtpmTdCerts *certs)
{
    if (certs == NULL)
        return;
    X509_free(certs->ca);
    X509_free(certs->ek);
    EVP_PKEY_free(certs->ca_key);
    EVP_PKEY_free(certs->ek_key);
    g_bytes_unref(certs->quote);
    g_free(certs);
}

static gboolean
malformed(GError **error, const char *what, const char *text)
{
    GError *local = g_error_new(CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                                "the %s certificate of the vTPM's TD: %s", what, text);

    cvs_error_add_reason(local, CVS_REASON_VTPM_TD_MALFORMED, NULL, NULL, "%s", local->message);
    g_propagate_error(error, local);
    return FALSE;
}

/* The certificate that they begin with, and how many bytes it has. */
static X509 *
decode_first(GBytes *bytes, gsize *ret_used)
{
    gsize size = 0;
    const guint8 *data = g_bytes_get_data(bytes, &size);
    const guint8 *end = data;
    X509 *cert = size <= CVS_VTPM_TD_CA_MAX ? d2i_X509(NULL, &end, (long)size) : NULL;

    *ret_used = (gsize)(end - data);
    return cert;
}

/* One certificate, which fills the bytes. */
static X509 *
decode(GBytes *bytes)
{
    gsize used = 0;
    X509 *cert = decode_first(bytes, &used);

    if (cert && used != g_bytes_get_size(bytes))
        g_clear_pointer(&cert, X509_free);
    return cert;
}

/* The extensions of this type, and the first of them. */
static guint
count_extensions(const X509 *cert, const char *oid, X509_EXTENSION **ret_first)
{
    ASN1_OBJECT *type = OBJ_txt2obj(oid, 1);
    int at = -1;
    guint n = 0;

    *ret_first = NULL;
    while ((at = X509_get_ext_by_OBJ(cert, type, at)) >= 0) {
        if (n++ == 0)
            *ret_first = X509_get_ext(cert, at);
    }
    ASN1_OBJECT_free(type);
    return n;
}

gboolean
cvs_vtpm_td_is_another_ca(GBytes *ca)
{
    gsize used = 0;
    g_autoptr(X509) cert = decode_first(ca, &used);
    X509_EXTENSION *quote = NULL;

    return cert && count_extensions(cert, QUOTE_OID, &quote) == 0;
}

static EVP_PKEY *
p384_of(const X509 *cert)
{
    EVP_PKEY *key = X509_get_pubkey((X509 *)(gsize)cert);
    char group[32] = "";

    if (key && EVP_PKEY_is_a(key, "EC") &&
        EVP_PKEY_get_group_name(key, group, sizeof group, NULL) && g_str_equal(group, "secp384r1"))
        return key;
    EVP_PKEY_free(key);
    return NULL;
}

/* What the TD hashed: the point as it stands in the certificate. */
static gboolean
set_report_data(CvsVtpmTdCerts *certs, GError **error)
{
    const ASN1_BIT_STRING *point = X509_get0_pubkey_bitstr(certs->ca);

    if (point == NULL || point->length != POINT_SIZE || point->data[0] != 4)
        return malformed(error, "CA", "its key is no uncompressed point");
    cvs_hash_bytes(CVS_SHA384, point->data, POINT_SIZE, certs->report_data);
    return TRUE;
}

static gboolean
take_quote(CvsVtpmTdCerts *certs, GError **error)
{
    X509_EXTENSION *extension = NULL;
    const ASN1_OCTET_STRING *value = NULL;
    guint n = count_extensions(certs->ca, QUOTE_OID, &extension);

    if (n != 1)
        return malformed(error, "CA", n == 0 ? "it has no quote" : "it has more than one quote");
    value = X509_EXTENSION_get_data(extension);
    if (value == NULL || value->length <= 0)
        return malformed(error, "CA", "its quote is empty");
    certs->quote = g_bytes_new(value->data, (gsize)value->length);
    return TRUE;
}

CvsVtpmTdCerts *
cvs_vtpm_td_certs_parse(GBytes *ek, GBytes *ca, GError **error)
{
    g_autoptr(CvsVtpmTdCerts) certs = g_new0(CvsVtpmTdCerts, 1);

    certs->ca = decode(ca);
    certs->ek = decode(ek);
    if (certs->ca == NULL || certs->ek == NULL) {
        malformed(error, certs->ca ? "EK" : "CA", "not one certificate in DER and nothing else");
        return NULL;
    }
    certs->ca_key = p384_of(certs->ca);
    certs->ek_key = p384_of(certs->ek);
    if (certs->ca_key == NULL || certs->ek_key == NULL) {
        malformed(error, certs->ca_key ? "EK" : "CA", "its key is not one of P-384");
        return NULL;
    }
    return set_report_data(certs, error) && take_quote(certs, error) ? g_steal_pointer(&certs)
                                                                     : NULL;
}

static gboolean
has_usage(const X509 *cert, const char *oid)
{
    EXTENDED_KEY_USAGE *usages = X509_get_ext_d2i(cert, NID_ext_key_usage, NULL, NULL);
    ASN1_OBJECT *wanted = OBJ_txt2obj(oid, 1);
    gboolean found = FALSE;

    for (int i = 0; usages && i < sk_ASN1_OBJECT_num(usages); i++)
        found |= OBJ_cmp(sk_ASN1_OBJECT_value(usages, i), wanted) == 0;
    ASN1_OBJECT_free(wanted);
    EXTENDED_KEY_USAGE_free(usages);
    return found;
}

/* 1: a CA; 0: none; -1: it does not say, or not bindingly. */
static int
is_ca(const X509 *cert)
{
    int critical = -1;
    BASIC_CONSTRAINTS *constraints = X509_get_ext_d2i(cert, NID_basic_constraints, &critical, NULL);
    int ca = constraints && critical == 1 ? constraints->ca != 0 : -1;

    BASIC_CONSTRAINTS_free(constraints);
    return ca;
}

/* What is critical and means nothing to anybody here. */
static gboolean
has_unknown(const X509 *cert)
{
    for (int i = 0; i < X509_get_ext_count(cert); i++) {
        X509_EXTENSION *extension = X509_get_ext(cert, i);

        if (X509_EXTENSION_get_critical(extension) && !X509_supported_extension(extension))
            return TRUE;
    }
    return FALSE;
}

static gboolean
is_signed(const X509 *cert, EVP_PKEY *key)
{
    return X509_get_signature_nid(cert) == NID_ecdsa_with_SHA384 &&
           X509_verify((X509 *)(gsize)cert, key) == 1;
}

static gboolean
issues(const X509 *issuer, const X509 *cert)
{
    return X509_NAME_cmp(X509_get_issuer_name(cert), X509_get_subject_name(issuer)) == 0;
}

static void
refuse(GError *refusal, const char *reason, const char *what, const char *text)
{
    cvs_error_add_reason(refusal, reason, NULL, NULL, "the %s certificate of the vTPM's TD: %s",
                         what, text);
}

void
cvs_vtpm_td_certs_check(const CvsVtpmTdCerts *certs, gint64 at, GError *refusal)
{
    if (!issues(certs->ca, certs->ca) || !is_signed(certs->ca, certs->ca_key))
        refuse(refusal, CVS_REASON_VTPM_TD_CA_UNFIT, "CA", "it is not signed by its own key");
    if (is_ca(certs->ca) != 1 || !has_usage(certs->ca, CA_USAGE_OID) || has_unknown(certs->ca))
        refuse(refusal, CVS_REASON_VTPM_TD_CA_UNFIT, "CA", "it is not for a CA of a vTPM's TD");
    if (!cvs_x509_is_in_time(certs->ca, at))
        refuse(refusal, CVS_REASON_VTPM_TD_CA_UNFIT, "CA", "its time is not now");
    if (!issues(certs->ca, certs->ek) || !is_signed(certs->ek, certs->ca_key))
        refuse(refusal, CVS_REASON_VTPM_TD_EK_UNSIGNED, "EK", "that CA did not sign it");
    if (is_ca(certs->ek) != 0 || !has_usage(certs->ek, EK_USAGE_OID) || has_unknown(certs->ek))
        refuse(refusal, CVS_REASON_VTPM_TD_EK_UNSIGNED, "EK", "it is not for an endorsement key");
    if (!cvs_x509_is_in_time(certs->ek, at))
        refuse(refusal, CVS_REASON_VTPM_TD_EK_UNSIGNED, "EK", "its time is not now");
}
