/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/refusal.h"
#include "base/error.h"

GError *
cvs_refusal_new(void)
{
    return g_error_new_literal(CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED, "");
}

guint
cvs_refusal_count(const GError *refusal)
{
    return cvs_error_get_reasons(refusal)->len;
}

static int
code_of_reason(const CvsReason *reason)
{
    const char *const missing[] = {CVS_REASON_COLLATERAL_MISSING, CVS_REASON_CHAIN_INCOMPLETE};
    const char *const expired[] = {CVS_REASON_CERT_EXPIRED, CVS_REASON_CRL_STALE,
                                   CVS_REASON_COLLATERAL_EXPIRED};

    for (gsize i = 0; i < G_N_ELEMENTS(missing); i++) {
        if (g_str_equal(reason->code, missing[i]))
            return CVS_ERROR_COLLATERAL_MISSING;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(expired); i++) {
        if (g_str_equal(reason->code, expired[i]))
            return CVS_ERROR_COLLATERAL_EXPIRED;
    }
    return CVS_ERROR_ATTESTATION_FAILED;
}

/* The gravest wins: a forged certificate that is out of date too is not a matter of its date. */
static int
gravest(const GPtrArray *reasons)
{
    int code = CVS_ERROR_COLLATERAL_EXPIRED;

    for (guint i = 0; i < reasons->len; i++) {
        int next = code_of_reason(g_ptr_array_index(reasons, i));

        if (next == CVS_ERROR_ATTESTATION_FAILED)
            return next;
        if (next == CVS_ERROR_COLLATERAL_MISSING)
            code = next;
    }
    return code;
}

gboolean
cvs_refusal_end(GError *refusal, const char *what, GError **error)
{
    const GPtrArray *reasons = cvs_error_get_reasons(refusal);
    const CvsReason *first = NULL;

    if (reasons->len == 0) {
        g_error_free(refusal);
        return TRUE;
    }
    first = g_ptr_array_index(reasons, 0);
    refusal->code = gravest(reasons);
    g_free(refusal->message);
    if (reasons->len == 1)
        refusal->message = g_strdup_printf("%s is refused: %s", what, first->detail);
    else
        refusal->message = g_strdup_printf("%s is refused: %s (and %u more reasons)", what,
                                           first->detail, reasons->len - 1);
    g_propagate_error(error, refusal);
    return FALSE;
}
