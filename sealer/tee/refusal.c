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

/* From the gravest class to the least; what is in none is graver than all. */
static const struct {
    int code;
    const char *const reasons[25];
} classes[] = {
    {CVS_ERROR_VTPM_NOT_TRUSTED,
     {CVS_REASON_VTPM_KIND_REFUSED, CVS_REASON_SVSM_UNLISTED, CVS_REASON_PARAVISOR_UNLISTED,
      CVS_REASON_AK_UNPROVEN, CVS_REASON_VTPM_TD_MALFORMED, CVS_REASON_VTPM_TD_CA_UNFIT,
      CVS_REASON_VTPM_TD_EK_UNSIGNED, CVS_REASON_VTPM_TD_REPORT_DATA, CVS_REASON_VTPM_TD_OPEN,
      CVS_REASON_VTPM_TD_IS_GUEST, CVS_REASON_VTPM_TD_NO_GUEST, CVS_REASON_VTPM_TD_OTHER_GUEST,
      CVS_REASON_VTPM_TD_UNLISTED}},
    {CVS_ERROR_TEE_REFUSED, {CVS_REASON_TEE_TYPE_REFUSED,    CVS_REASON_MEASUREMENT_UNLISTED,
                             CVS_REASON_DEBUG_ALLOWED,       CVS_REASON_MIGRATION_ALLOWED,
                             CVS_REASON_SMT_ALLOWED,         CVS_REASON_LINE_REFUSED,
                             CVS_REASON_GUEST_SVN_TOO_LOW,   CVS_REASON_VMPL_REFUSED,
                             CVS_REASON_SIGNING_KEY_REFUSED, CVS_REASON_CHIP_UNLISTED,
                             CVS_REASON_PROVIDER_UNLISTED,   CVS_REASON_ID_KEY_UNLISTED,
                             CVS_REASON_AUTHOR_KEY_UNLISTED, CVS_REASON_HOST_DATA_UNLISTED,
                             CVS_REASON_POLICY_BIT_REFUSED,  CVS_REASON_PLATFORM_REFUSED,
                             CVS_REASON_SEAM_UNLISTED,       CVS_REASON_ATTRIBUTES_REFUSED,
                             CVS_REASON_XFAM_REFUSED,        CVS_REASON_CONFIG_ID_UNLISTED,
                             CVS_REASON_OWNER_UNLISTED,      CVS_REASON_OWNER_CONFIG_UNLISTED,
                             CVS_REASON_RTMR_DIFFERS,        CVS_REASON_RTMRS_UNUSED,
                             CVS_REASON_SERVICE_TD_UNLISTED}},
    {CVS_ERROR_TCB_TOO_OLD,
     {CVS_REASON_TCB_BELOW_FLOOR, CVS_REASON_LAUNCH_TCB_BELOW_FLOOR, CVS_REASON_FIRMWARE_TOO_OLD,
      CVS_REASON_FIRMWARE_PROVISIONAL, CVS_REASON_MITIGATION_MISSING, CVS_REASON_TCB_STATUS_REFUSED,
      CVS_REASON_TCB_DATE_TOO_OLD}},
    {CVS_ERROR_COLLATERAL_MISSING,
     {CVS_REASON_COLLATERAL_MISSING, CVS_REASON_CHAIN_INCOMPLETE, CVS_REASON_CRL_MISSING}},
    {CVS_ERROR_COLLATERAL_EXPIRED,
     {CVS_REASON_CERT_EXPIRED, CVS_REASON_CRL_STALE, CVS_REASON_COLLATERAL_EXPIRED,
      CVS_REASON_COLLATERAL_TOO_OLD}},
    {CVS_ERROR_TEE_REFUSED, {CVS_REASON_CLAIM_MISSING}},
};

/* Index into classes, -1 for what is in none. */
static int
class_of_reason(const CvsReason *reason)
{
    for (int i = 0; i < (int)G_N_ELEMENTS(classes); i++) {
        for (gsize j = 0; j < G_N_ELEMENTS(classes[i].reasons) && classes[i].reasons[j]; j++) {
            if (g_str_equal(reason->code, classes[i].reasons[j]))
                return i;
        }
    }
    return -1;
}

/* A forged certificate that is out of date too is not a matter of its date. */
static int
gravest(const GPtrArray *reasons)
{
    int class = G_N_ELEMENTS(classes) - 1;

    for (guint i = 0; i < reasons->len; i++)
        class = MIN(class, class_of_reason(g_ptr_array_index(reasons, i)));
    return class < 0 ? CVS_ERROR_ATTESTATION_FAILED : classes[class].code;
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
        refusal->message = g_strdup_printf("%s is refused: %s (and %u more)", what, first->detail,
                                           reasons->len - 1);
    g_propagate_error(error, refusal);
    return FALSE;
}
