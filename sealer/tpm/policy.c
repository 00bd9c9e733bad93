/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/policy.h"
#include "base/error.h"
#include "tpm/policy-element.h"
#include "tpm/session.h"

#include <string.h>

static const CvsPolicyElementClass *const classes[] = {
    &cvs_policy_pcr_class,
    &cvs_policy_auth_value_class,
    &cvs_policy_or_class,
};

struct _CvsPolicy {
    gatomicrefcount refs;
    GPtrArray *elements;
};

static void
element_free(gpointer data)
{
    CvsPolicyElement *element = data;

    element->class->free(element);
}

CvsPolicy *
cvs_policy_new(void)
{
    CvsPolicy *policy = g_new0(CvsPolicy, 1);

    g_atomic_ref_count_init(&policy->refs);
    policy->elements = g_ptr_array_new_with_free_func(element_free);
    return policy;
}

CvsPolicy *
cvs_policy_ref(CvsPolicy *policy)
{
    g_atomic_ref_count_inc(&policy->refs);
    return policy;
}

void
cvs_policy_unref(CvsPolicy *policy)
{
    if (policy == NULL || !g_atomic_ref_count_dec(&policy->refs))
        return;
    g_ptr_array_unref(policy->elements);
    g_free(policy);
}

void
cvs_policy_add(CvsPolicy *policy, CvsPolicyElement *element)
{
    g_ptr_array_add(policy->elements, element);
}

gboolean
cvs_policy_needs_pin(const CvsPolicy *policy)
{
    for (guint i = 0; i < policy->elements->len; i++) {
        const CvsPolicyElement *element = g_ptr_array_index(policy->elements, i);

        if (element->class->needs_pin != NULL && element->class->needs_pin(element))
            return TRUE;
    }
    return FALSE;
}

gboolean
cvs_policy_sends_auth_value(const CvsPolicy *policy)
{
    for (guint i = 0; i < policy->elements->len; i++) {
        const CvsPolicyElement *element = g_ptr_array_index(policy->elements, i);

        if (element->class == &cvs_policy_auth_value_class)
            return TRUE;
    }
    return FALSE;
}

gboolean
cvs_policy_get_pcr(const CvsPolicy *policy, CvsPcrSelection *ret_selection,
                   guint8 ret_digest[static 32])
{
    for (guint i = 0; i < policy->elements->len; i++) {
        const CvsPolicyElement *element = g_ptr_array_index(policy->elements, i);

        if (element->class == &cvs_policy_pcr_class) {
            cvs_policy_pcr_get(element, ret_selection, ret_digest);
            return TRUE;
        }
    }
    return FALSE;
}

void
cvs_policy_extend(guint8 digest[static 32], TPM2_CC command, const void *data, gsize size)
{
    g_autoptr(CvsHasher) hasher = cvs_hasher_new(CVS_SHA256);
    guint32 code = GUINT32_TO_BE(command);

    cvs_hasher_update(hasher, digest, CVS_POLICY_DIGEST_SIZE);
    cvs_hasher_update(hasher, &code, sizeof code);
    if (size > 0)
        cvs_hasher_update(hasher, data, size);
    cvs_hasher_finish(hasher, digest);
}

void
cvs_policy_calculate_from(const CvsPolicy *policy, guint8 digest[static 32])
{
    for (guint i = 0; i < policy->elements->len; i++) {
        const CvsPolicyElement *element = g_ptr_array_index(policy->elements, i);

        element->class->calculate(element, digest);
    }
}

void
cvs_policy_calculate(const CvsPolicy *policy, guint8 ret_digest[static 32])
{
    memset(ret_digest, 0, CVS_POLICY_DIGEST_SIZE);
    cvs_policy_calculate_from(policy, ret_digest);
}

gboolean
cvs_policy_run_list(const CvsPolicy *policy, CvsPolicyRun *run, const guint8 before[static 32],
                    GError **error)
{
    guint8 digest[CVS_POLICY_DIGEST_SIZE];

    memcpy(digest, before, sizeof digest);
    for (guint i = 0; i < policy->elements->len; i++) {
        const CvsPolicyElement *element = g_ptr_array_index(policy->elements, i);

        if (!element->class->execute(element, run, digest, error))
            return FALSE;
        element->class->calculate(element, digest);
    }
    return TRUE;
}

guint
cvs_policy_count_ways(const CvsPolicy *policy)
{
    guint ways = 1;

    for (guint i = 0; i < policy->elements->len; i++) {
        const CvsPolicyElement *element = g_ptr_array_index(policy->elements, i);

        if (element->class->count_ways != NULL)
            ways = MIN(ways * element->class->count_ways(element), CVS_POLICY_WAYS_MAX + 1);
    }
    return ways;
}

/* The next combination of branches, counting up from the PolicyOR that was met last. */
static gboolean
next_choice(CvsPolicyRun *run)
{
    for (guint i = run->n_met; i-- > 0;) {
        if (run->choice[i] + 1u < run->n_branches[i]) {
            run->choice[i]++;
            memset(run->choice + i + 1, 0, sizeof run->choice - i - 1);
            return TRUE;
        }
    }
    return FALSE;
}

gboolean
cvs_policy_execute(const CvsPolicy *policy, CvsTpm *tpm, ESYS_TR session, const guint8 *branches,
                   gsize n_branches, GError **error)
{
    static const guint8 nothing[CVS_POLICY_DIGEST_SIZE];
    CvsPolicyRun run = {.tpm = tpm, .session = session};

    g_return_val_if_fail(n_branches <= sizeof run.choice, FALSE);

    if (branches != NULL)
        memcpy(run.choice, branches, n_branches);
    for (guint tries = 1;; tries++) {
        g_autoptr(GError) local = NULL;

        run.n_met = 0;
        if (cvs_policy_run_list(policy, &run, nothing, &local))
            return TRUE;
        if (branches != NULL || tries >= CVS_POLICY_WAYS_MAX ||
            !g_error_matches(local, CVS_ERROR, CVS_ERROR_PCR_MISMATCH) || !next_choice(&run)) {
            g_propagate_error(error, g_steal_pointer(&local));
            return FALSE;
        }
        run.session = cvs_session_restart_policy(tpm, error);
        if (run.session == ESYS_TR_NONE)
            return FALSE;
    }
}

json_t *
cvs_policy_to_json(const CvsPolicy *policy)
{
    json_t *array = json_array();

    for (guint i = 0; i < policy->elements->len; i++) {
        const CvsPolicyElement *element = g_ptr_array_index(policy->elements, i);
        json_t *json = json_pack("{s:s}", "type", element->class->type);

        if (element->class->to_json != NULL)
            element->class->to_json(element, json);
        (void)json_array_append_new(array, json);
    }
    return array;
}

static CvsPolicyElement *
element_from_json(const json_t *json, const char *what, guint depth, GError **error)
{
    const char *type = NULL;

    if (!json_is_object(json)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: not a JSON object", what);
        return NULL;
    }
    type = cvs_json_get_string(json, "type", what, error);
    if (type == NULL)
        return NULL;
    for (gsize i = 0; i < G_N_ELEMENTS(classes); i++) {
        if (g_str_equal(type, classes[i]->type))
            return classes[i]->from_json(json, what, depth, error);
    }
    g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: unknown type \"%.40s\"", what, type);
    return NULL;
}

CvsPolicy *
cvs_policy_from_json_at(const json_t *json, const char *what, guint depth, GError **error)
{
    g_autoptr(CvsPolicy) policy = cvs_policy_new();

    if (!json_is_array(json)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: not a JSON array", what);
        return NULL;
    }
    if (json_array_size(json) == 0 || json_array_size(json) > CVS_POLICY_ELEMENTS_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: %zu elements, wanted 1 to %d",
                    what, json_array_size(json), CVS_POLICY_ELEMENTS_MAX);
        return NULL;
    }
    for (gsize i = 0; i < json_array_size(json); i++) {
        g_autofree char *name = g_strdup_printf("%s, element %zu", what, i);
        CvsPolicyElement *element = element_from_json(json_array_get(json, i), name, depth, error);

        if (element == NULL)
            return NULL;
        cvs_policy_add(policy, element);
    }
    return g_steal_pointer(&policy);
}

CvsPolicy *
cvs_policy_from_json(const json_t *json, GError **error)
{
    g_autoptr(CvsPolicy) policy = cvs_policy_from_json_at(json, "policy", 0, error);

    if (policy != NULL && cvs_policy_count_ways(policy) > CVS_POLICY_WAYS_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "policy: its alternatives make more than %d ways", CVS_POLICY_WAYS_MAX);
        return NULL;
    }
    return g_steal_pointer(&policy);
}
