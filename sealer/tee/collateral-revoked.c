/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/collateral-revoked.h"
#include "base/error.h"

static gboolean
is_revoked_only(const CvsCollateralItem *item)
{
    const GPtrArray *reasons = cvs_error_get_reasons(item->error);

    for (guint i = 0; reasons && i < reasons->len; i++) {
        const CvsReason *reason = g_ptr_array_index(reasons, i);

        if (!g_str_equal(reason->code, CVS_REASON_CERT_REVOKED))
            return FALSE;
    }
    return reasons && reasons->len > 0;
}

/* By a list that is given out too: without it the verifier would take the issuer for a good one. */
static gboolean
is_listed(const GPtrArray *items, X509 *cert)
{
    for (guint i = 0; i < items->len; i++) {
        const CvsCollateralItem *other = g_ptr_array_index(items, i);
        X509_REVOKED *entry = NULL;

        if (other->crl && other->error == NULL &&
            X509_NAME_cmp(X509_CRL_get_issuer(other->crl), X509_get_issuer_name(cert)) == 0 &&
            X509_CRL_get0_by_cert(other->crl, &entry, cert) == 1)
            return TRUE;
    }
    return FALSE;
}

gboolean
cvs_collateral_is_revoked_issuer(const GPtrArray *items, const CvsCollateralItem *item)
{
    if (item->cert == NULL || item->kind == CVS_COLLATERAL_VCEK ||
        item->kind == CVS_COLLATERAL_VLEK || !is_revoked_only(item) ||
        !is_listed(items, item->cert))
        return FALSE;
    for (guint i = 0; i < items->len; i++) {
        const CvsCollateralItem *other = g_ptr_array_index(items, i);

        if (other->cert && other->error == NULL &&
            X509_NAME_cmp(X509_get_subject_name(other->cert), X509_get_subject_name(item->cert)) ==
                0)
            return FALSE;
    }
    return TRUE;
}
