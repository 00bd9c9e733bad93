/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/x509-crl.h"
#include "base/error.h"
#include "tee/refusal.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509v3.h>

gint64
cvs_x509_crl_this_update(const X509_CRL *crl)
{
    return cvs_x509_seconds(X509_CRL_get0_lastUpdate(crl));
}

gint64
cvs_x509_crl_next_update(const X509_CRL *crl)
{
    return cvs_x509_seconds(X509_CRL_get0_nextUpdate(crl));
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
signature_holds(X509_CRL *crl, X509 *issuer, CvsX509Memo *memo)
{
    guint8 fact[64];

    if (X509_CRL_digest(crl, EVP_sha256(), fact, NULL) != 1)
        g_error("OpenSSL is out of memory");
    cvs_x509_spki_sha256(issuer, fact + 32);
    if (cvs_x509_memo_has_fact(memo, fact))
        return TRUE;
    if (X509_CRL_verify(crl, X509_get0_pubkey(issuer)) != 1)
        return FALSE;
    cvs_x509_memo_add_fact(memo, fact);
    return TRUE;
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
    if (!signature_holds(crl, issuer, memo))
        return "it is not signed by its issuer";
    return NULL;
}

CvsCrlStatus
cvs_x509_check_crls(X509 *cert, X509 *issuer, const GPtrArray *crls, gint64 at, CvsX509Memo *memo,
                    X509_CRL **ret_crl, GError *refusal)
{
    g_autofree char *name = cvs_x509_display_name(cert);
    g_autofree char *issuer_name = cvs_x509_display_name(issuer);
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
            g_autofree char *when =
                cvs_x509_display_time(cvs_x509_seconds(X509_REVOKED_get0_revocationDate(entry)));

            bad = TRUE;
            cvs_error_add_reason(refusal, CVS_REASON_CERT_REVOKED, when, NULL,
                                 "the certificate %s was revoked by %s on %s", name, issuer_name,
                                 when);
        }
        if (cvs_x509_crl_this_update(crl) <= at && at < cvs_x509_crl_next_update(crl))
            fresh = TRUE;
    }
    if (newest && !fresh) {
        g_autofree char *now = cvs_x509_display_time(at);
        g_autofree char *from = cvs_x509_display_time(cvs_x509_crl_this_update(newest));
        g_autofree char *to = cvs_x509_display_time(cvs_x509_crl_next_update(newest));

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

CvsCrlStatus
cvs_x509_check_crls_in_grace(X509 *cert, X509 *issuer, const GPtrArray *crls, gint64 at,
                             gint64 grace, CvsX509Memo *memo, X509_CRL **ret_crl,
                             gboolean *ret_in_grace, GError *refusal)
{
    g_autoptr(GError) found = cvs_refusal_new();
    X509_CRL *crl = NULL;
    CvsCrlStatus status = cvs_x509_check_crls(cert, issuer, crls, at, memo, &crl, found);
    const GPtrArray *reasons = cvs_error_get_reasons(found);
    gboolean in_grace = status == CVS_CRL_STALE && crl && at > cvs_x509_crl_next_update(crl) &&
                        at - cvs_x509_crl_next_update(crl) <= grace;

    for (guint i = 0; i < reasons->len; i++) {
        const CvsReason *reason = g_ptr_array_index(reasons, i);

        if (!(in_grace && g_str_equal(reason->code, CVS_REASON_CRL_STALE)))
            cvs_error_add_reason(refusal, reason->code, reason->seen, reason->wanted, "%s",
                                 reason->detail);
    }
    if (ret_crl)
        *ret_crl = crl;
    if (ret_in_grace)
        *ret_in_grace = in_grace;
    return status;
}
