/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/x509.h"
#include "base/digest.h"
#include "base/error.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string.h>
#include <time.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free_all)

static void
free_cert(gpointer data)
{
    X509_free(data);
}

static void
free_crl(gpointer data)
{
    X509_CRL_free(data);
}

GPtrArray *
cvs_x509_certs_new(void)
{
    return g_ptr_array_new_with_free_func(free_cert);
}

GPtrArray *
cvs_x509_crls_new(void)
{
    return g_ptr_array_new_with_free_func(free_crl);
}

/* One object in DER that fills the bytes. kind: what PEM says it is, NULL for either. */
static gboolean
load_der(const guint8 *data, gsize size, const char *kind, const char *what, GPtrArray *certs,
         GPtrArray *crls, GError **error)
{
    if (kind == NULL || g_str_equal(kind, PEM_STRING_X509)) {
        const guint8 *end = data;
        g_autoptr(X509) cert = d2i_X509(NULL, &end, (long)size);

        if (cert && end == data + size) {
            if (certs == NULL) {
                g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                            "%s: a certificate where only CRLs belong", what);
                return FALSE;
            }
            g_ptr_array_add(certs, g_steal_pointer(&cert));
            return TRUE;
        }
    }
    if (kind == NULL || g_str_equal(kind, PEM_STRING_X509_CRL)) {
        const guint8 *end = data;
        g_autoptr(X509_CRL) crl = d2i_X509_CRL(NULL, &end, (long)size);

        if (crl && end == data + size) {
            if (crls == NULL) {
                g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                            "%s: a CRL where only certificates belong", what);
                return FALSE;
            }
            g_ptr_array_add(crls, g_steal_pointer(&crl));
            return TRUE;
        }
    }
    g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                "%s: neither a certificate nor a CRL, or with bytes behind it", what);
    return FALSE;
}

static gboolean
load_pem(const void *data, gsize size, const char *what, GPtrArray *certs, GPtrArray *crls,
         GError **error)
{
    g_autoptr(BIO) bio = BIO_new_mem_buf(size > 0 ? data : "", (int)size);
    guint count = 0;

    for (;;) {
        char *name = NULL;
        char *header = NULL;
        guint8 *der = NULL;
        long der_size = 0;
        gboolean ok = FALSE;

        if (!PEM_read_bio(bio, &name, &header, &der, &der_size)) {
            gboolean at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;

            if (at_end && count > 0)
                return TRUE;
            g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: %s", what,
                        at_end ? "neither DER nor PEM" : "a PEM block is damaged");
            return FALSE;
        }
        if (++count > CVS_X509_OBJECTS_MAX)
            g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: more than %d PEM blocks", what,
                        CVS_X509_OBJECTS_MAX);
        else if (!g_str_equal(name, PEM_STRING_X509) && !g_str_equal(name, PEM_STRING_X509_CRL))
            g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                        "%s: PEM block %u is neither CERTIFICATE nor X509 CRL", what, count);
        else
            ok = load_der(der, (gsize)der_size, name, what, certs, crls, error);
        OPENSSL_free(name);
        OPENSSL_free(header);
        OPENSSL_free(der);
        if (!ok)
            return FALSE;
    }
}

gboolean
cvs_x509_load(const void *data, gsize size, const char *what, GPtrArray *certs, GPtrArray *crls,
              GError **error)
{
    guint old_certs = certs ? certs->len : 0;
    guint old_crls = crls ? crls->len : 0;
    gboolean ok = FALSE;

    if (size > CVS_X509_INPUT_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: %zu bytes; at most %d are read",
                    what, size, CVS_X509_INPUT_MAX);
        return FALSE;
    }
    /* Every certificate and CRL is a SEQUENCE, and no text begins with a digit zero by chance:
     * 0x30 0x8x is DER, as none of them is shorter than 128 bytes. */
    if (size >= 2 && ((const guint8 *)data)[0] == 0x30 && (((const guint8 *)data)[1] & 0x80))
        ok = load_der(data, size, NULL, what, certs, crls, error);
    else
        ok = load_pem(data, size, what, certs, crls, error);
    ERR_clear_error();
    if (!ok) {
        if (certs)
            g_ptr_array_set_size(certs, (int)old_certs);
        if (crls)
            g_ptr_array_set_size(crls, (int)old_crls);
    }
    return ok;
}

/* OpenSSL fails at encoding or hashing what it has parsed only when memory is out. */
static void
must(gboolean ok)
{
    if (!ok)
        g_error("OpenSSL is out of memory");
}

void
cvs_x509_sha256(const X509 *cert, guint8 digest[static 32])
{
    must(X509_digest(cert, EVP_sha256(), digest, NULL) == 1);
}

void
cvs_x509_spki_sha256(const X509 *cert, guint8 digest[static 32])
{
    guint8 *der = NULL;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);

    must(size > 0);
    cvs_hash_bytes(CVS_SHA256, der, (gsize)size, digest);
    OPENSSL_free(der);
}

static char *
common_name(const X509_NAME *name)
{
    int at = X509_NAME_get_index_by_NID(name, NID_commonName, -1);
    const ASN1_STRING *value = NULL;
    guint8 *utf8 = NULL;
    char *text = NULL;
    int size = 0;

    if (at < 0 || X509_NAME_get_index_by_NID(name, NID_commonName, at) >= 0)
        return NULL;
    value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(name, at));
    size = ASN1_STRING_to_UTF8(&utf8, value);
    if (size > 0 && memchr(utf8, 0, (gsize)size) == NULL &&
        g_utf8_validate((const char *)utf8, size, NULL))
        text = g_strndup((const char *)utf8, (gsize)size);
    OPENSSL_free(utf8);
    ERR_clear_error();
    return text;
}

char *
cvs_x509_common_name(const X509 *cert)
{
    return common_name(X509_get_subject_name(cert));
}

char *
cvs_x509_issuer_common_name(const X509 *cert)
{
    return common_name(X509_get_issuer_name(cert));
}

gint64
cvs_x509_seconds(const ASN1_TIME *time)
{
    struct tm tm;

    if (time == NULL || ASN1_TIME_to_tm(time, &tm) != 1) {
        ERR_clear_error();
        return G_MININT64;
    }
    return (gint64)timegm(&tm);
}

gint64
cvs_x509_not_before(const X509 *cert)
{
    return cvs_x509_seconds(X509_get0_notBefore(cert));
}

gint64
cvs_x509_not_after(const X509 *cert)
{
    return cvs_x509_seconds(X509_get0_notAfter(cert));
}

gboolean
cvs_x509_is_in_time(const X509 *cert, gint64 at)
{
    return cvs_x509_not_before(cert) <= at && at <= cvs_x509_not_after(cert);
}

char *
cvs_x509_display_name(const X509 *cert)
{
    char *name = cert ? cvs_x509_common_name(cert) : NULL;

    return name ? name : g_strdup("(without a common name)");
}

char *
cvs_x509_display_time(gint64 at)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(at);

    return time ? g_date_time_format_iso8601(time) : g_strdup("(no time)");
}
