/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vtpm-td-maker.h"
#include "base/digest.h"

#include <openssl/objects.h>
#include <openssl/x509v3.h>
#include <string.h>

static void
ok(gboolean good)
{
    g_assert_true(good);
}

void
vtpm_td_report_data(EVP_PKEY *ca_key, guint8 data[static 64])
{
    guint8 *point = NULL;
    gsize size = EVP_PKEY_get1_encoded_public_key(ca_key, &point);

    g_assert_cmpuint(size, ==, 97);
    memset(data, 0, 64);
    cvs_hash_bytes(CVS_SHA384, point, size, data);
    OPENSSL_free(point);
}

/* An extension of these bytes. */
static void
add_raw(X509 *cert, const char *oid, gboolean critical, const void *data, gsize size)
{
    ASN1_OBJECT *type = OBJ_txt2obj(oid, 1);
    ASN1_OCTET_STRING *value = ASN1_OCTET_STRING_new();
    X509_EXTENSION *extension = NULL;

    ok(type && value && ASN1_OCTET_STRING_set(value, data, (int)size) == 1);
    extension = X509_EXTENSION_create_by_OBJ(NULL, type, critical, value);
    ok(extension && X509_add_ext(cert, extension, -1) == 1);
    X509_EXTENSION_free(extension);
    ASN1_OCTET_STRING_free(value);
    ASN1_OBJECT_free(type);
}

static void
add_usage(X509 *cert, const char *oid)
{
    ASN1_OBJECT *type = OBJ_txt2obj(oid, 1);
    guint8 *encoded = NULL;
    int length = i2d_ASN1_OBJECT(type, &encoded);
    g_autoptr(GByteArray) list = g_byte_array_new();
    const guint8 head[] = {0x30, (guint8)length};

    g_byte_array_append(list, head, sizeof head);
    g_byte_array_append(list, encoded, (guint)length);
    add_raw(cert, "2.5.29.37", FALSE, list->data, list->len);
    OPENSSL_free(encoded);
    ASN1_OBJECT_free(type);
}

static void
set_name(X509_NAME *name, const char *text)
{
    ok(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const guint8 *)text, -1, -1, 0) == 1);
}

/* Serial number 1, from 1970 to 9999. */
static X509 *
new_cert(EVP_PKEY *key, const char *issuer, gboolean expired)
{
    X509 *cert = X509_new();

    ok(cert && X509_set_version(cert, 2) == 1);
    ok(ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) == 1);
    ok(ASN1_TIME_set_string(X509_getm_notBefore(cert), "19700101000000Z") == 1);
    ok(ASN1_TIME_set_string(X509_getm_notAfter(cert),
                            expired ? "20200101000000Z" : "99991231235959Z") == 1);
    set_name(X509_get_issuer_name(cert), issuer);
    ok(X509_set_pubkey(cert, key) == 1);
    return cert;
}

static GBytes *
finish(X509 *cert, EVP_PKEY *key, gboolean stranger, gboolean sha256)
{
    EVP_PKEY *other = stranger ? EVP_EC_gen("P-384") : NULL;
    guint8 *der = NULL;
    int size = 0;
    GBytes *bytes = NULL;

    ok(X509_sign(cert, other ? other : key, sha256 ? EVP_sha256() : EVP_sha384()) > 0);
    size = i2d_X509(cert, &der);
    ok(size > 0);
    bytes = g_bytes_new(der, (gsize)size);
    OPENSSL_free(der);
    X509_free(cert);
    EVP_PKEY_free(other);
    return bytes;
}

static GBytes *
make_ca(EVP_PKEY *key, GBytes *quote, VtpmTdCertLie lie)
{
    static const guint8 is_ca[] = {0x30, 3, 1, 1, 0xff}, no_ca[] = {0x30, 0};
    const char *name = lie == VTPM_TD_CERT_CA_NAME ? "another" : "IntelVTpmCA";
    X509 *cert = new_cert(key, name, lie == VTPM_TD_CERT_CA_EXPIRED);

    set_name(X509_get_subject_name(cert), "IntelVTpmCA");
    if (lie == VTPM_TD_CERT_CA_NO_CA)
        add_raw(cert, "2.5.29.19", TRUE, no_ca, sizeof no_ca);
    else
        add_raw(cert, "2.5.29.19", lie != VTPM_TD_CERT_CA_NOT_CRITICAL, is_ca, sizeof is_ca);
    add_usage(cert, lie == VTPM_TD_CERT_CA_USAGE ? "2.16.840.1.113741.1.5.5.2.1"
                                                 : "2.16.840.1.113741.1.5.5.2.5");
    if (lie == VTPM_TD_CERT_CA_CRITICAL)
        add_raw(cert, "1.2.3.4", TRUE, "\5", 2);
    for (guint i = lie == VTPM_TD_CERT_NO_QUOTE     ? 0
                   : lie == VTPM_TD_CERT_TWO_QUOTES ? 2
                                                    : 1;
         i > 0; i--)
        add_raw(cert, "2.16.840.1.113741.1.5.5.2.2", FALSE, g_bytes_get_data(quote, NULL),
                g_bytes_get_size(quote));
    add_raw(cert, "2.16.840.1.113741.1.5.5.2.3", FALSE, "the TD's event log", 18);
    return finish(cert, key, lie == VTPM_TD_CERT_CA_SIGNATURE, lie == VTPM_TD_CERT_CA_SHA256);
}

static GBytes *
make_ek(EVP_PKEY *ca_key, EVP_PKEY *ek, VtpmTdCertLie lie)
{
    /* FALSE is written out, which DER forbids; and the identifier is of its own key, in an OCTET
     * STRING too much. */
    static const guint8 is_ca[] = {0x30, 3, 1, 1, 0xff}, no_ca[] = {0x30, 3, 1, 1, 0};
    static const guint8 usage[] = {3, 2, 0, 8};
    static const guint8 alternative[] = {0x30, 0x18, 0xa4, 0x16, 0x30, 0x14, 0x31, 0x12, 0x30,
                                         0x10, 6,    5,    0x67, 0x81, 5,    2,    1,    0xc,
                                         7,    'i',  'd',  ':',  '0',  '0',  '0',  '0'};
    guint8 identifier[26] = {0x30, 0x18, 0xa0, 0x16, 4, 0x14};
    X509 *cert = new_cert(ek, lie == VTPM_TD_CERT_EK_ISSUER ? "another" : "IntelVTpmCA",
                          lie == VTPM_TD_CERT_EK_EXPIRED);
    const ASN1_BIT_STRING *point = X509_get0_pubkey_bitstr(cert);

    cvs_hash_bytes(CVS_SHA1, point->data, (gsize)point->length, identifier + 6);
    add_raw(cert, "2.5.29.19", TRUE, lie == VTPM_TD_CERT_EK_IS_CA ? is_ca : no_ca, sizeof is_ca);
    add_raw(cert, "2.5.29.35", FALSE, identifier, sizeof identifier);
    add_raw(cert, "2.5.29.15", TRUE, usage, sizeof usage);
    add_usage(cert, lie == VTPM_TD_CERT_EK_USAGE ? "2.23.133.8.3" : "2.23.133.8.1");
    add_raw(cert, "2.5.29.17", TRUE, alternative, sizeof alternative);
    return finish(cert, ca_key, lie == VTPM_TD_CERT_EK_SIGNATURE, FALSE);
}

void
vtpm_td_make_certs(EVP_PKEY *ca_key, EVP_PKEY *ek, GBytes *quote, VtpmTdCertLie lie,
                   GBytes **ret_ek_cert, GBytes **ret_ca_cert)
{
    *ret_ca_cert = make_ca(ca_key, quote, lie);
    *ret_ek_cert = make_ek(ca_key, ek, lie);
}
