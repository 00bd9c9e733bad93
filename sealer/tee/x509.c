/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/x509.h"
#include "base/digest.h"
#include "base/error.h"
#include "tee/refusal.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

/* More intermediates than all product lines of all vendors have; a full memo starts anew. */
#define MEMO_MAX 64

G_DEFINE_AUTOPTR_CLEANUP_FUNC(BIO, BIO_free_all)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_STORE, X509_STORE_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_STORE_CTX, X509_STORE_CTX_free)

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

static void
add_cert(GPtrArray *certs, X509 *cert)
{
    (void)X509_up_ref(cert);
    g_ptr_array_add(certs, cert);
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
            g_set_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE, "%s: more than %d PEM blocks", what,
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
        g_set_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE, "%s: %zu bytes; at most %d are read",
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

static gint64
seconds(const ASN1_TIME *time)
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
    return seconds(X509_get0_notBefore(cert));
}

gint64
cvs_x509_not_after(const X509 *cert)
{
    return seconds(X509_get0_notAfter(cert));
}

gint64
cvs_x509_crl_this_update(const X509_CRL *crl)
{
    return seconds(X509_CRL_get0_lastUpdate(crl));
}

gint64
cvs_x509_crl_next_update(const X509_CRL *crl)
{
    return seconds(X509_CRL_get0_nextUpdate(crl));
}

char *
cvs_x509_crl_number(const X509_CRL *crl)
{
    ASN1_INTEGER *number = X509_CRL_get_ext_d2i(crl, NID_crl_number, NULL, NULL);
    BIGNUM *bn = number ? ASN1_INTEGER_to_BN(number, NULL) : NULL;
    char *hex = bn && !BN_is_negative(bn) ? BN_bn2hex(bn) : NULL;
    char *text = NULL;

    if (hex) {
        const char *digits = hex;

        while (digits[0] == '0' && digits[1] != '\0')
            digits++;
        text = g_ascii_strdown(digits, -1);
    }
    OPENSSL_free(hex);
    BN_free(bn);
    ASN1_INTEGER_free(number);
    ERR_clear_error();
    return text;
}

/* An intermediate whose path up to the anchor held once, dates aside. */
typedef struct {
    X509 *cert;
    GPtrArray *above; /* X509*, anchor last */
} MemoPath;

struct _CvsX509Memo {
    GPtrArray *paths;    /* MemoPath* */
    GHashTable *signed_; /* GBytes: SHA-256(CRL) and SHA-256(issuer's SPKI) */
};

static void
memo_path_free(gpointer data)
{
    MemoPath *path = data;

    X509_free(path->cert);
    g_ptr_array_unref(path->above);
    g_free(path);
}

CvsX509Memo *
cvs_x509_memo_new(void)
{
    CvsX509Memo *memo = g_new0(CvsX509Memo, 1);

    memo->paths = g_ptr_array_new_with_free_func(memo_path_free);
    memo->signed_ =
        g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
    return memo;
}

void
cvs_x509_memo_free(CvsX509Memo *memo)
{
    if (memo == NULL)
        return;
    g_ptr_array_unref(memo->paths);
    g_hash_table_unref(memo->signed_);
    g_free(memo);
}

static gboolean
has_cert(const GPtrArray *certs, const X509 *cert)
{
    for (guint i = 0; certs && i < certs->len; i++) {
        if (X509_cmp(g_ptr_array_index(certs, i), cert) == 0)
            return TRUE;
    }
    return FALSE;
}

/* The remembered path of a certificate, if it ends in one of these anchors. */
static const MemoPath *
memo_find(const CvsX509Memo *memo, const X509 *cert, const GPtrArray *anchors)
{
    for (guint i = 0; memo && i < memo->paths->len; i++) {
        const MemoPath *path = g_ptr_array_index(memo->paths, i);

        if (X509_cmp(path->cert, cert) == 0 &&
            has_cert(anchors, g_ptr_array_index(path->above, path->above->len - 1)))
            return path;
    }
    return NULL;
}

static void
memo_add(CvsX509Memo *memo, const GPtrArray *path, const GPtrArray *anchors)
{
    for (guint i = 1; i + 1 < path->len; i++) {
        MemoPath *entry = NULL;

        if (memo_find(memo, g_ptr_array_index(path, i), anchors))
            continue;
        if (memo->paths->len >= MEMO_MAX)
            g_ptr_array_set_size(memo->paths, 0);
        entry = g_new0(MemoPath, 1);
        entry->cert = g_ptr_array_index(path, i);
        (void)X509_up_ref(entry->cert);
        entry->above = cvs_x509_certs_new();
        for (guint j = i + 1; j < path->len; j++)
            add_cert(entry->above, g_ptr_array_index(path, j));
        g_ptr_array_add(memo->paths, entry);
    }
}

static char *
display_name(const X509 *cert)
{
    char *name = cert ? cvs_x509_common_name(cert) : NULL;

    return name ? name : g_strdup("(without a common name)");
}

static char *
display_time(gint64 at)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(at);

    return time ? g_date_time_format_iso8601(time) : g_strdup("(no time)");
}

static void
add_date_reason(GError *refusal, const X509 *cert, gboolean expired, gint64 at)
{
    g_autofree char *name = display_name(cert);
    g_autofree char *bound =
        display_time(expired ? cvs_x509_not_after(cert) : cvs_x509_not_before(cert));
    g_autofree char *now = display_time(at);

    if (expired)
        cvs_error_add_reason(refusal, CVS_REASON_CERT_EXPIRED, now, bound,
                             "the certificate %s expired on %s", name, bound);
    else
        cvs_error_add_reason(refusal, CVS_REASON_CERT_NOT_YET_VALID, now, bound,
                             "the certificate %s is valid only from %s on", name, bound);
}

typedef struct {
    const CvsX509Chain *chain;
    GError *refusal;
} VerifyContext;

/* OpenSSL goes on after each fault when this returns 1, so that all of them are seen. What counts
 * in the end is the refusal, not the return value of X509_verify_cert(). */
static int
note_fault(int ok, X509_STORE_CTX *store_ctx)
{
    VerifyContext *context = X509_STORE_CTX_get_app_data(store_ctx);
    X509 *cert = X509_STORE_CTX_get_current_cert(store_ctx);
    int fault = X509_STORE_CTX_get_error(store_ctx);
    g_autofree char *name = NULL;
    g_autofree char *issuer = NULL;

    if (ok)
        return 1;
    name = display_name(cert);
    issuer = cert ? cvs_x509_issuer_common_name(cert) : NULL;
    switch (fault) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        add_date_reason(context->refusal, cert, fault == X509_V_ERR_CERT_HAS_EXPIRED,
                        context->chain->at);
        break;
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        cvs_error_add_reason(context->refusal, CVS_REASON_CERT_SIGNATURE, NULL, NULL,
                             "the certificate %s is not signed by the key of %s", name,
                             issuer ? issuer : "its issuer");
        break;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        cvs_error_add_reason(context->refusal, CVS_REASON_ROOT_UNTRUSTED, name, NULL,
                             "the chain ends in %s, which is not a pinned root", name);
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        cvs_error_add_reason(context->refusal, CVS_REASON_CHAIN_INCOMPLETE, NULL, issuer,
                             "the issuer of the certificate %s, %s, is not there", name,
                             issuer ? issuer : "a name without a common name");
        break;
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        /* Said only after one of the two above. */
        if (cvs_refusal_count(context->refusal) > 0)
            break;
        G_GNUC_FALLTHROUGH;
    default:
        cvs_error_add_reason(context->refusal, CVS_REASON_CERT_UNFIT, NULL, NULL,
                             "the certificate %s: %s", name, X509_verify_cert_error_string(fault));
    }
    return 1;
}

/* The rules of X509_verify_cert() for the certificates that it was not shown. */
static void
check_dates(X509 *cert, gint64 at, GError *refusal)
{
    time_t time = (time_t)at;

    /* It never says "equal": a time that is the same counts as earlier, and 0 is an error. */
    if (X509_cmp_time(X509_get0_notBefore(cert), &time) >= 0)
        add_date_reason(refusal, cert, FALSE, at);
    if (X509_cmp_time(X509_get0_notAfter(cert), &time) <= 0)
        add_date_reason(refusal, cert, TRUE, at);
}

/* Everything that was added from the given reason on is about dates. */
static gboolean
only_dates(const GError *refusal, guint from)
{
    const GPtrArray *reasons = cvs_error_get_reasons(refusal);

    for (guint i = from; i < reasons->len; i++) {
        const CvsReason *reason = g_ptr_array_index(reasons, i);

        if (!g_str_equal(reason->code, CVS_REASON_CERT_EXPIRED) &&
            !g_str_equal(reason->code, CVS_REASON_CERT_NOT_YET_VALID))
            return FALSE;
    }
    return TRUE;
}

GPtrArray *
cvs_x509_chain_verify(const CvsX509Chain *chain, GError *refusal)
{
    guint before = cvs_refusal_count(refusal);
    g_autoptr(GPtrArray) path = cvs_x509_chain_path(chain, refusal);

    return cvs_refusal_count(refusal) == before ? g_steal_pointer(&path) : NULL;
}

GPtrArray *
cvs_x509_chain_path(const CvsX509Chain *chain, GError *refusal)
{
    g_autoptr(X509_STORE) store = X509_STORE_new();
    g_autoptr(X509_STORE_CTX) ctx = X509_STORE_CTX_new();
    g_autoptr(GPtrArray) path = cvs_x509_certs_new();
    STACK_OF(X509) *others = sk_X509_new_null();
    const STACK_OF(X509) *built = NULL;
    VerifyContext context = {chain, refusal};
    guint before = cvs_refusal_count(refusal);
    unsigned long flags = X509_V_FLAG_CHECK_SS_SIGNATURE | X509_V_FLAG_TRUSTED_FIRST;
    X509_VERIFY_PARAM *param = NULL;

    must(store && ctx && others);
    for (guint i = 0; chain->anchors && i < chain->anchors->len; i++)
        must(X509_STORE_add_cert(store, g_ptr_array_index(chain->anchors, i)) == 1);
    for (guint i = 0; chain->others && i < chain->others->len; i++) {
        X509 *other = g_ptr_array_index(chain->others, i);

        must(sk_X509_push(others, other) > 0);
        if (memo_find(chain->memo, other, chain->anchors)) {
            must(X509_STORE_add_cert(store, other) == 1);
            flags |= X509_V_FLAG_PARTIAL_CHAIN;
        }
    }
    must(X509_STORE_CTX_init(ctx, store, chain->leaf, others) == 1);
    param = X509_STORE_CTX_get0_param(ctx);
    (void)X509_VERIFY_PARAM_set_flags(param, flags);
    X509_VERIFY_PARAM_set_time(param, (time_t)chain->at);
    X509_VERIFY_PARAM_set_depth(param, CVS_X509_PATH_MAX - 2);
    X509_STORE_CTX_set_app_data(ctx, &context);
    X509_STORE_CTX_set_verify_cb(ctx, note_fault);

    if (X509_verify_cert(ctx) != 1 && cvs_refusal_count(refusal) == before)
        cvs_error_add_reason(refusal, CVS_REASON_CERT_UNFIT, NULL, NULL,
                             "the certificate chain cannot be verified: %s",
                             X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
    built = X509_STORE_CTX_get0_chain(ctx);
    for (int i = 0; built && i < sk_X509_num(built); i++)
        add_cert(path, sk_X509_value(built, i));
    if (path->len > 0 && !has_cert(chain->anchors, g_ptr_array_index(path, path->len - 1))) {
        const MemoPath *known =
            memo_find(chain->memo, g_ptr_array_index(path, path->len - 1), chain->anchors);

        for (guint i = 0; known && i < known->above->len; i++) {
            check_dates(g_ptr_array_index(known->above, i), chain->at, refusal);
            add_cert(path, g_ptr_array_index(known->above, i));
        }
    }
    if (only_dates(refusal, before) &&
        (path->len == 0 || !has_cert(chain->anchors, g_ptr_array_index(path, path->len - 1))))
        cvs_error_add_reason(refusal, CVS_REASON_ROOT_UNTRUSTED, NULL, NULL,
                             "the chain does not end in a pinned root");
    if (cvs_refusal_count(refusal) == before && chain->memo)
        memo_add(chain->memo, path, chain->anchors);
    sk_X509_free(others);
    ERR_clear_error();
    return only_dates(refusal, before) ? g_steal_pointer(&path) : NULL;
}

const char *
cvs_crl_status_name(CvsCrlStatus status)
{
    static const char *const names[] = {
        [CVS_CRL_NONE] = "missing",
        [CVS_CRL_FRESH] = "fresh",
        [CVS_CRL_STALE] = "stale",
        [CVS_CRL_BAD] = "bad",
    };

    return names[status];
}

static gboolean
crl_signature_holds(X509_CRL *crl, X509 *issuer, CvsX509Memo *memo)
{
    guint8 key[64];
    gboolean ok = FALSE;

    must(X509_CRL_digest(crl, EVP_sha256(), key, NULL) == 1);
    cvs_x509_spki_sha256(issuer, key + 32);
    if (memo) {
        g_autoptr(GBytes) probe = g_bytes_new_static(key, sizeof key);

        if (g_hash_table_contains(memo->signed_, probe))
            return TRUE;
    }
    ok = X509_CRL_verify(crl, X509_get0_pubkey(issuer)) == 1;
    if (ok && memo) {
        if (g_hash_table_size(memo->signed_) >= MEMO_MAX)
            g_hash_table_remove_all(memo->signed_);
        (void)g_hash_table_add(memo->signed_, g_bytes_new(key, sizeof key));
    }
    return ok;
}

/* What is wrong with a CRL, dates aside; NULL if nothing is. A critical extension narrows what the
 * list speaks for (a delta, one distribution point): none of the CAs here has one. */
static const char *
crl_fault(X509_CRL *crl, X509 *issuer, CvsX509Memo *memo)
{
    if (!(X509_get_key_usage(issuer) & KU_CRL_SIGN))
        return "its issuer may not sign revocation lists";
    for (int i = 0; i < X509_CRL_get_ext_count(crl); i++) {
        if (X509_EXTENSION_get_critical(X509_CRL_get_ext(crl, i)))
            return "it has a critical extension";
    }
    if (cvs_x509_crl_this_update(crl) == G_MININT64 || cvs_x509_crl_next_update(crl) == G_MININT64)
        return "it does not say when it was made and when the next one comes";
    if (!crl_signature_holds(crl, issuer, memo))
        return "it is not signed by its issuer";
    return NULL;
}

CvsCrlStatus
cvs_x509_check_crls(X509 *cert, X509 *issuer, const GPtrArray *crls, gint64 at, CvsX509Memo *memo,
                    X509_CRL **ret_crl, GError *refusal)
{
    g_autofree char *name = display_name(cert);
    g_autofree char *issuer_name = display_name(issuer);
    X509_CRL *newest = NULL;
    gboolean bad = FALSE;
    gboolean fresh = FALSE;

    for (guint i = 0; crls && i < crls->len; i++) {
        X509_CRL *crl = g_ptr_array_index(crls, i);
        X509_REVOKED *entry = NULL;
        const char *fault = NULL;

        if (X509_NAME_cmp(X509_CRL_get_issuer(crl), X509_get_subject_name(issuer)) != 0)
            continue;
        fault = crl_fault(crl, issuer, memo);
        if (fault) {
            bad = TRUE;
            cvs_error_add_reason(refusal, CVS_REASON_CRL_INVALID, NULL, NULL,
                                 "the revocation list in the name of %s: %s", issuer_name, fault);
            continue;
        }
        if (newest == NULL || cvs_x509_crl_this_update(crl) > cvs_x509_crl_this_update(newest))
            newest = crl;
        /* 2: taken off the list again */
        if (X509_CRL_get0_by_serial(crl, &entry, X509_get0_serialNumber(cert)) == 1) {
            g_autofree char *when = display_time(seconds(X509_REVOKED_get0_revocationDate(entry)));

            bad = TRUE;
            cvs_error_add_reason(refusal, CVS_REASON_CERT_REVOKED, when, NULL,
                                 "the certificate %s was revoked by %s on %s", name, issuer_name,
                                 when);
        }
        if (cvs_x509_crl_this_update(crl) <= at && at < cvs_x509_crl_next_update(crl))
            fresh = TRUE;
    }
    if (newest && !fresh) {
        g_autofree char *now = display_time(at);
        g_autofree char *from = display_time(cvs_x509_crl_this_update(newest));
        g_autofree char *to = display_time(cvs_x509_crl_next_update(newest));

        cvs_error_add_reason(refusal, CVS_REASON_CRL_STALE, now, to,
                             "the revocation list of %s is of %s and was to be replaced by %s",
                             issuer_name, from, to);
    }
    ERR_clear_error();
    if (ret_crl)
        *ret_crl = newest;
    if (bad)
        return CVS_CRL_BAD;
    return newest == NULL ? CVS_CRL_NONE : fresh ? CVS_CRL_FRESH : CVS_CRL_STALE;
}
