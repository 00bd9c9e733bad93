/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/attested.h"
#include "base/error.h"
#include "base/hex.h"

#include <string.h>

#define NOT_THERE "(not there)"

void
cvs_attested_clear(CvsAttested *attested)
{
    g_clear_error(&attested->failure);
}

gboolean
cvs_attested_is_needed(const CvsProfile *profile, const CvsSlotConditions *conditions)
{
    return profile->tee.present || !cvs_slot_conditions_is_empty(conditions);
}

/* The same error with NotAttested before its own reasons, since that is what it means here. */
static GError *
not_attested(const GError *cause)
{
    int code = cause->domain == CVS_ERROR ? cause->code : CVS_ERROR_ATTESTATION_FAILED;
    GError *error =
        g_error_new(CVS_ERROR, code, "this machine is not attested: %s", cause->message);

    cvs_error_add_reason(error, CVS_REASON_NOT_ATTESTED, NULL, NULL, "%s", cause->message);
    cvs_error_add_reasons_of(error, cause);
    if (code == CVS_ERROR_BAD_FORMAT && cvs_error_get_reasons(error)->len == 1)
        cvs_error_add_reason(error, CVS_REASON_MALFORMED, NULL, NULL, "%s", cause->message);
    return error;
}

static GError *
no_attester(const CvsProfile *profile)
{
    g_autofree char *who = profile->tee.present ? g_strdup_printf("profile %s asks", profile->name)
                                                : g_strdup("the key asks");
    g_autoptr(GError) cause = g_error_new(
        CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
        "%s for a TEE, and nothing here attests one: use a profile without the groups [TEE], "
        "[SNP], [TDX], [Collateral] and [vTPM], and without RTMRs= and Claims=",
        who);

    return not_attested(cause);
}

gboolean
cvs_attested_appraise(CvsAttested *attested, const CvsProfile *profile, json_t **ret_claims,
                      GError **error)
{
    const CvsReleaseAttester *attester = attested->release->attester;
    g_autoptr(json_t) claims = NULL;
    g_autoptr(GError) local = NULL;
    gboolean accepted = FALSE;

    if (attested->failure == NULL && attester == NULL)
        attested->failure = no_attester(profile);
    if (attested->failure == NULL) {
        accepted = attester->appraise(attester->data, profile, &claims, &local);
        if (local == NULL && (!accepted || claims == NULL))
            g_set_error_literal(&local, CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED,
                                "the attestation was refused, and nothing says why");
        if (claims == NULL)
            attested->failure = not_attested(local);
    }
    if (attested->failure != NULL) {
        if (error)
            *error = g_error_copy(attested->failure);
        return FALSE;
    }
    *ret_claims = g_steal_pointer(&claims);
    if (accepted && local == NULL)
        return TRUE;
    g_propagate_prefixed_error(error, g_steal_pointer(&local), "profile %s: ", profile->name);
    return FALSE;
}

/* As it stands in a message. */
static char *
text_of(const json_t *value)
{
    if (value == NULL)
        return g_strdup(NOT_THERE);
    if (json_is_string(value))
        return g_strdup(json_string_value(value));
    return cvs_json_canonical(value);
}

static const char *
floor_reason(const char *name)
{
    if (g_str_equal(name, "tee.guest_svn"))
        return CVS_REASON_GUEST_SVN_TOO_LOW;
    if (g_str_equal(name, "tee.tcb.date"))
        return CVS_REASON_TCB_DATE_TOO_OLD;
    if (g_str_equal(name, "tee.tcb.evaluation") || g_str_has_suffix(name, ".crl.this_update"))
        return CVS_REASON_COLLATERAL_ROLLBACK;
    return CVS_REASON_TCB_BELOW_FLOOR;
}

/* The names of an object's members in a fixed order, so that reasons come in one. */
static GList *
sorted_names(const json_t *object)
{
    GList *names = NULL;
    json_t *value = NULL;
    const char *name = NULL;

    json_object_foreach ((json_t *)object, name, value)
        names = g_list_insert_sorted(names, (gpointer)name, (GCompareFunc)strcmp);
    return names;
}

static void
judge_claims(const json_t *wanted, const json_t *claims, GError *refusal)
{
    g_autoptr(GList) names = sorted_names(wanted);

    for (const GList *at = names; at; at = at->next) {
        const char *name = at->data;
        const json_t *value = json_object_get(wanted, name);
        const json_t *now = json_object_get(claims, name);
        g_autofree char *seen = text_of(now);
        g_autofree char *text = text_of(value);

        if (now == NULL || !json_equal((json_t *)now, (json_t *)value))
            cvs_error_add_reason(refusal, CVS_REASON_CLAIM_DIFFERS, seen, text,
                                 "%s is not what the key was sealed to", name);
    }
}

static void
judge_floors(const json_t *floors, const json_t *claims, GError *refusal)
{
    g_autoptr(GList) names = sorted_names(floors);

    for (const GList *at = names; at; at = at->next) {
        const char *name = at->data;
        const json_t *least = json_object_get(floors, name);
        const json_t *now = json_object_get(claims, name);
        g_autofree char *seen = text_of(now);
        g_autofree char *text = text_of(least);

        if (!json_is_integer(now) || json_integer_value(now) < json_integer_value(least))
            cvs_error_add_reason(refusal, floor_reason(name), seen, text,
                                 "%s is below what it was when the key was sealed", name);
    }
}

gboolean
cvs_attested_check_claims(const CvsSlotConditions *conditions, const json_t *claims, GError **error)
{
    g_autoptr(GError) refusal = g_error_new_literal(CVS_ERROR, CVS_ERROR_TEE_REFUSED,
                                                    "the TEE is not what the key was sealed to");

    judge_claims(conditions->claims, claims, refusal);
    if (cvs_error_get_reasons(refusal)->len == 0)
        refusal->code = CVS_ERROR_TCB_TOO_OLD;
    judge_floors(conditions->floors, claims, refusal);
    if (cvs_error_get_reasons(refusal)->len == 0)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&refusal));
    return FALSE;
}

gboolean
cvs_attested_read_rtmrs(const CvsAttested *attested,
                        guint8 ret_rtmr[static CVS_TD_RTMRS][CVS_TD_MR_SIZE], GError **error)
{
    const CvsReleaseAttester *attester = attested->release->attester;
    g_autoptr(GError) local = NULL;

    if (attester->read_rtmrs(attester->data, ret_rtmr, &local))
        return TRUE;
    g_propagate_error(error, not_attested(local));
    return FALSE;
}

gboolean
cvs_attested_check_rtmrs(const CvsAttested *attested, const CvsSlotConditions *conditions,
                         GError **error)
{
    g_autoptr(GError) refusal = NULL;
    guint8 now[CVS_TD_RTMRS][CVS_TD_MR_SIZE];

    if (conditions->rtmrs == 0)
        return TRUE;
    if (!cvs_attested_read_rtmrs(attested, now, error))
        return FALSE;
    refusal = g_error_new_literal(CVS_ERROR, CVS_ERROR_REGISTER_MISMATCH,
                                  "RTMRs differ from those that the key was sealed to");
    for (guint i = 0; i < CVS_TD_RTMRS; i++) {
        g_autofree char *seen = cvs_hex_encode(now[i], CVS_TD_MR_SIZE);
        g_autofree char *wanted = cvs_hex_encode(conditions->rtmr[i], CVS_TD_MR_SIZE);

        if ((conditions->rtmrs & 1u << i) && !g_str_equal(seen, wanted))
            cvs_error_add_reason(refusal, CVS_REASON_RTMR_DIFFERS, seen, wanted,
                                 "RTMR %u differs from the one that the key was sealed to", i);
    }
    if (cvs_error_get_reasons(refusal)->len == 0)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&refusal));
    return FALSE;
}
