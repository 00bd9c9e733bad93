/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/pinning.h"
#include "base/error.h"
#include "tee/log-source.h"

#include <string.h>

static gboolean refuse(GError **error, int code, const char *reason, const char *format, ...)
    G_GNUC_PRINTF(4, 5);

static gboolean
refuse(GError **error, int code, const char *reason, const char *format, ...)
{
    g_autoptr(GError) refusal = NULL;
    va_list args;

    va_start(args, format);
    refusal = g_error_new_valist(CVS_ERROR, code, format, args);
    va_end(args);
    cvs_error_add_reason(refusal, reason, NULL, NULL, "%s", refusal->message);
    g_propagate_error(error, g_steal_pointer(&refusal));
    return FALSE;
}

static gboolean
claim_is(const json_t *claims, const char *name, const char *wanted)
{
    return g_strcmp0(json_string_value(json_object_get(claims, name)), wanted) == 0;
}

/* Where the host has the TPM, neither PCRs nor what is sealed in it are kept from it. On SNP a key
 * that the TEE derives keeps the secret; elsewhere the administrator has to say that the host is
 * trusted. */
static gboolean
check_vtpm(const CvsProfile *profile, gboolean derived_key, const json_t *claims, GError **error)
{
    const CvsTeeRule *kinds = &profile->tee.rules[CVS_TEE_VTPM_KINDS];

    if (!claim_is(claims, "vtpm.kind", "host"))
        return TRUE;
    if (claim_is(claims, "tee.type", "snp"))
        return derived_key ||
               refuse(error, CVS_ERROR_VTPM_NOT_TRUSTED, CVS_REASON_VTPM_NOT_BOUND,
                      "nothing proves that the TPM lives in this TEE, so whoever runs the host may "
                      "have set its PCRs, and may open what is sealed in it: use a machine whose "
                      "vTPM the TEE vouches for, or seal with --derived-key, which binds the key "
                      "to the launch measurement alone");
    if ((kinds->given && g_strv_contains((const char *const *)kinds->list, "host")))
        return TRUE;
    return refuse(
        error, CVS_ERROR_VTPM_NOT_TRUSTED, CVS_REASON_VTPM_NOT_BOUND,
        "nothing proves that the TPM lives in this TEE, so whoever runs the host may have "
        "set its PCRs: use a machine whose vTPM the TEE vouches for, or, if the host is "
        "trusted, a profile with Kinds=host in [vTPM]");
}

/* The TCB as a whole: its numbers are those of one product line. */
static gboolean
pin_tcb(CvsSlotConditions *conditions, const json_t *claims)
{
    gboolean any = FALSE;
    json_t *value = NULL;
    const char *name = NULL;

    (void)cvs_slot_conditions_pin(conditions, "tee.line", claims);
    json_object_foreach ((json_t *)claims, name, value) {
        if (g_str_has_prefix(name, "tee.tcb."))
            any |= cvs_slot_conditions_raise(conditions, name, claims);
    }
    return any;
}

static gboolean
pin_one(CvsSlotConditions *conditions, const char *name, const json_t *claims, GError **error)
{
    gboolean pinned = FALSE;

    if (g_str_equal(name, CVS_PINNABLE_TCB))
        pinned = pin_tcb(conditions, claims);
    else if (cvs_pinnable_is_floor(name))
        pinned = cvs_slot_conditions_raise(conditions, name, claims);
    else
        pinned = cvs_slot_conditions_pin(conditions, name, claims);
    return pinned || refuse(error, CVS_ERROR_NOT_SUPPORTED, CVS_REASON_CLAIM_MISSING,
                            "the key cannot be sealed to the claim %s, which this machine's report "
                            "does not have: leave it out",
                            name);
}

static gboolean
pin_named(const CvsProfile *profile, const CvsPinning *pinning, const json_t *claims,
          CvsSlotConditions *conditions, GError **error)
{
    const char *const *names =
        pinning->claims ? pinning->claims : (const char *const *)profile->claims;

    if (names == NULL)
        (void)cvs_slot_conditions_pin(conditions, "tee.measurement", claims);
    for (; names && *names; names++) {
        if (!pin_one(conditions, *names, claims, error))
            return FALSE;
    }
    return TRUE;
}

/* The former slot's claims with their present values. Its floors stay as high as they were. */
static gboolean
pin_former(const CvsSlotConditions *former, const json_t *claims, CvsSlotConditions *conditions,
           GError **error)
{
    json_t *value = NULL;
    const char *name = NULL;

    json_object_foreach (former->claims, name, value) {
        if (!pin_one(conditions, name, claims, error))
            return FALSE;
    }
    json_object_foreach (former->floors, name, value) {
        if (!cvs_slot_conditions_raise(conditions, name, former->floors) ||
            !pin_one(conditions, name, claims, error))
            return FALSE;
    }
    return TRUE;
}

static gboolean
are_zero(const guint8 rtmr[static CVS_TD_RTMRS][CVS_TD_MR_SIZE], guint32 mask)
{
    static const guint8 zero[CVS_TD_MR_SIZE] = {0};

    for (guint i = 0; i < CVS_TD_RTMRS; i++) {
        if ((mask & 1u << i) && memcmp(rtmr[i], zero, sizeof zero) != 0)
            return FALSE;
    }
    return TRUE;
}

static gboolean
pin_rtmrs(CvsAttested *attested, const CvsPinning *pinning, guint32 mask, const json_t *claims,
          CvsSlotConditions *conditions, GError **error)
{
    const CvsTeePaths *paths = attested->release->tee_paths;
    guint8 now[CVS_TD_RTMRS][CVS_TD_MR_SIZE];
    g_autoptr(GBytes) log = NULL;
    g_autoptr(GError) log_error = NULL;
    CvsCcType type;

    if (mask == 0)
        return TRUE;
    if (!claim_is(claims, "tee.type", "tdx"))
        return refuse(
            error, CVS_ERROR_NOT_SUPPORTED, CVS_REASON_RTMRS_MISSING,
            "a key cannot be sealed to RTMRs here: only a TD of Intel TDX has them. Leave "
            "them out of the request or the profile; PCRs are for the same");
    if (!cvs_attested_read_rtmrs(attested, now, error))
        return FALSE;
    if (are_zero(now, CVS_RTMR_MASK_ALL))
        return refuse(
            error, CVS_ERROR_NOT_SUPPORTED, CVS_REASON_RTMRS_UNUSED,
            "a key cannot be sealed to RTMRs here: all are zero, since firmware or "
            "paravisor measures nothing into them. Leave them out; PCRs are for the same");
    if (paths)
        log = cvs_log_source_read_ccel(paths->ccel_table, paths->ccel_data, &type, &log_error);
    if (log == NULL)
        return refuse(
            error, CVS_ERROR_NOT_SUPPORTED, CVS_REASON_CCEL_MISSING,
            "a key cannot be sealed to RTMRs here: there is no event log (CCEL) that says "
            "what was measured into them%s%s. Leave them out; PCRs are for the same",
            log_error ? ": " : "", log_error ? log_error->message : "");
    if (pinning->predicted && !cvs_predicted_get_rtmrs(pinning->predicted, mask, now, error))
        return FALSE;
    if (are_zero(now, mask))
        return refuse(error, CVS_ERROR_NOT_SUPPORTED, CVS_REASON_RTMRS_UNUSED,
                      "a key cannot be sealed to these RTMRs alone: %s zero, as where nothing is "
                      "measured into them. Add one that is not, or leave them out",
                      pinning->predicted ? "all are to be" : "all are");
    for (guint i = 0; i < CVS_TD_RTMRS; i++) {
        if (mask & 1u << i)
            cvs_slot_conditions_set_rtmr(conditions, i, now[i]);
    }
    return TRUE;
}

static gboolean
pin_all(CvsAttested *attested, const CvsProfile *profile, const CvsPinning *pinning,
        const CvsSlotConditions *former, guint32 rtmrs, CvsSlotConditions *conditions,
        GError **error)
{
    static const char *const always[] = {"tee.type", "tee.policy.debug", "vtpm.kind"};
    /* What an old one would know less of. All of Intel's lists have the number 1. */
    static const char *const collateral[] = {"tee.tcb.evaluation", "tee.pck.crl.this_update",
                                             "tee.root.crl.this_update"};
    g_autoptr(json_t) claims = NULL;

    if (!cvs_attested_appraise(attested, profile, &claims, error) ||
        !check_vtpm(profile, pinning->derived_key, claims, error))
        return FALSE;
    for (gsize i = 0; i < G_N_ELEMENTS(always); i++)
        (void)cvs_slot_conditions_pin(conditions, always[i], claims);
    for (gsize i = 0; i < G_N_ELEMENTS(collateral); i++)
        (void)cvs_slot_conditions_raise(conditions, collateral[i], claims);
    if (former ? !pin_former(former, claims, conditions, error)
               : !pin_named(profile, pinning, claims, conditions, error))
        return FALSE;
    return pin_rtmrs(attested, pinning, rtmrs, claims, conditions, error) &&
           cvs_attested_check_claims(conditions, claims, error);
}

gboolean
cvs_pinning_make(CvsAttested *attested, const CvsProfile *profile, const CvsPinning *pinning,
                 CvsSlotConditions *ret_conditions, GError **error)
{
    const CvsSlotConditions *former =
        pinning->former && !cvs_slot_conditions_is_empty(pinning->former) ? pinning->former : NULL;
    guint32 rtmrs = former ? former->rtmrs : pinning->rtmrs ? pinning->rtmrs : profile->rtmrs;
    g_auto(CvsSlotConditions) conditions = {0};

    if ((former || profile->tee.present || rtmrs != 0 || pinning->claims || profile->claims) &&
        !pin_all(attested, profile, pinning, former, rtmrs, &conditions, error))
        return FALSE;
    *ret_conditions = conditions;
    memset(&conditions, 0, sizeof conditions);
    return TRUE;
}
