/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "tpm/policy-element.h"

#include <string.h>

#define BRANCHES_MIN 2
#define BRANCHES_MAX 8 /* TPML_DIGEST (Part 2, 10.9.4) */

/* TPM2_PolicyOR (Part 3, 23.6). */
typedef struct {
    CvsPolicyElement head;
    GPtrArray *branches; /* CvsPolicy* */
} OrElement;

static CvsPolicyElement *
or_new(GPtrArray *branches)
{
    OrElement *element = g_new0(OrElement, 1);

    element->head.class = &cvs_policy_or_class;
    element->branches = branches;
    return &element->head;
}

/* What a branch is worth depends on what the session has asserted before it. */
static void
branch_digest(const OrElement *self, guint i, const guint8 before[static 32],
              guint8 digest[static 32])
{
    memcpy(digest, before, CVS_POLICY_DIGEST_SIZE);
    cvs_policy_calculate_from(g_ptr_array_index(self->branches, i), digest);
}

/* policyDigest = H(0…0 ‖ TPM_CC_PolicyOR ‖ the branches' digests) */
static void
or_calculate(const CvsPolicyElement *element, guint8 digest[static 32])
{
    const OrElement *self = (const OrElement *)element;
    guint8 all[BRANCHES_MAX][CVS_POLICY_DIGEST_SIZE];

    for (guint i = 0; i < self->branches->len; i++)
        branch_digest(self, i, digest, all[i]);
    memset(digest, 0, CVS_POLICY_DIGEST_SIZE);
    cvs_policy_extend(digest, TPM2_CC_PolicyOR, all, self->branches->len * sizeof all[0]);
}

static gboolean
or_execute(const CvsPolicyElement *element, CvsPolicyRun *run, const guint8 before[static 32],
           GError **error)
{
    const OrElement *self = (const OrElement *)element;
    TPML_DIGEST digests = {.count = self->branches->len};
    TSS2_RC rc = TSS2_RC_SUCCESS;
    guint choice = 0;

    if (run->n_met >= CVS_POLICY_CHOICES_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "the policy has more than %d alternatives on one way", CVS_POLICY_CHOICES_MAX);
        return FALSE;
    }
    choice = run->choice[run->n_met];
    if (choice >= self->branches->len) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT, "the policy has no branch %u",
                    choice);
        return FALSE;
    }
    run->n_branches[run->n_met++] = (guint8)self->branches->len;

    if (!cvs_policy_run_list(g_ptr_array_index(self->branches, choice), run, before, error))
        return FALSE;
    for (guint i = 0; i < self->branches->len; i++) {
        digests.digests[i].size = CVS_POLICY_DIGEST_SIZE;
        branch_digest(self, i, before, digests.digests[i].buffer);
    }
    rc = Esys_PolicyOR(run->tpm->esys, run->session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                       &digests);
    if (rc != TSS2_RC_SUCCESS)
        return cvs_tpm_fail(run->tpm, rc, "choosing among a policy's branches", error);
    return TRUE;
}

static gboolean
or_needs_pin(const CvsPolicyElement *element)
{
    const OrElement *self = (const OrElement *)element;

    for (guint i = 0; i < self->branches->len; i++) {
        if (cvs_policy_needs_pin(g_ptr_array_index(self->branches, i)))
            return TRUE;
    }
    return FALSE;
}

static guint
or_count_ways(const CvsPolicyElement *element)
{
    const OrElement *self = (const OrElement *)element;
    guint ways = 0;

    for (guint i = 0; i < self->branches->len; i++)
        ways += cvs_policy_count_ways(g_ptr_array_index(self->branches, i));
    return MIN(ways, CVS_POLICY_WAYS_MAX + 1);
}

static void
or_to_json(const CvsPolicyElement *element, json_t *json)
{
    const OrElement *self = (const OrElement *)element;
    json_t *branches = json_array();

    for (guint i = 0; i < self->branches->len; i++)
        (void)json_array_append_new(branches,
                                    cvs_policy_to_json(g_ptr_array_index(self->branches, i)));
    (void)json_object_set_new(json, "branches", branches);
}

static GPtrArray *
new_branches(void)
{
    return g_ptr_array_new_with_free_func((GDestroyNotify)cvs_policy_unref);
}

static CvsPolicyElement *
or_from_json(const json_t *json, const char *what, guint depth, GError **error)
{
    g_autoptr(GPtrArray) branches = new_branches();
    const json_t *array = NULL;

    if (depth >= CVS_POLICY_DEPTH_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "%s: alternatives nested deeper than %d", what, CVS_POLICY_DEPTH_MAX);
        return NULL;
    }
    if (!cvs_json_only(json, what, error, "type", "branches", NULL))
        return NULL;
    array = cvs_json_get_array(json, "branches", what, error);
    if (array == NULL)
        return NULL;
    if (json_array_size(array) < BRANCHES_MIN || json_array_size(array) > BRANCHES_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: %zu branches, wanted %d to %d",
                    what, json_array_size(array), BRANCHES_MIN, BRANCHES_MAX);
        return NULL;
    }
    for (gsize i = 0; i < json_array_size(array); i++) {
        g_autofree char *name = g_strdup_printf("%s, branch %zu", what, i);
        CvsPolicy *branch =
            cvs_policy_from_json_at(json_array_get(array, i), name, depth + 1, error);

        if (branch == NULL)
            return NULL;
        g_ptr_array_add(branches, branch);
    }
    return or_new(g_steal_pointer(&branches));
}

static void
or_free(CvsPolicyElement *element)
{
    OrElement *self = (OrElement *)element;

    g_ptr_array_unref(self->branches);
    g_free(self);
}

const CvsPolicyElementClass cvs_policy_or_class = {
    .type = "or",
    .calculate = or_calculate,
    .execute = or_execute,
    .needs_pin = or_needs_pin,
    .count_ways = or_count_ways,
    .to_json = or_to_json,
    .from_json = or_from_json,
    .free = or_free,
};

gboolean
cvs_policy_add_or(CvsPolicy *policy, GPtrArray *branches, GError **error)
{
    GPtrArray *own = NULL;

    if (branches->len < BRANCHES_MIN || branches->len > BRANCHES_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT, "%u branches, wanted %d to %d",
                    branches->len, BRANCHES_MIN, BRANCHES_MAX);
        return FALSE;
    }
    own = new_branches();
    for (guint i = 0; i < branches->len; i++)
        g_ptr_array_add(own, cvs_policy_ref(g_ptr_array_index(branches, i)));
    cvs_policy_add(policy, or_new(own));
    return TRUE;
}
