/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policy/verdict.h"
#include "base/error.h"
#include "tee/refusal.h"

#include <string.h>

static const struct {
    const char *name;
    int exit_code;
} kinds[] = {
    [CVS_VERDICT_ACCEPTED] = {"accepted", CVS_EXIT_DONE},
    [CVS_VERDICT_REFUSED] = {"refused", CVS_EXIT_REFUSED},
    [CVS_VERDICT_MALFORMED] = {"malformed", CVS_EXIT_MALFORMED},
};

CvsVerdict *
cvs_verdict_new_empty(CvsReportType type)
{
    CvsVerdict *verdict = g_new0(CvsVerdict, 1);

    verdict->kind = CVS_VERDICT_REFUSED;
    verdict->type = type;
    verdict->reasons = cvs_refusal_new();
    verdict->claims = json_object();
    return verdict;
}

CvsVerdict *
cvs_verdict_new(const CvsReportInput *input, const CvsProfile *profile, GError **error)
{
    g_autoptr(CvsVerdict) verdict = cvs_verdict_new_empty(cvs_report_input_type(input));
    g_autoptr(json_t) claims = NULL;
    g_autoptr(GError) found = NULL;

    verdict->test_roots =
        cvs_snp_roots_have_test(input->snp_roots) || cvs_tdx_roots_have_test(input->tdx_roots);
    if (!cvs_report_verify(input, &claims, verdict->reasons, &found)) {
        if (g_error_matches(found, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT)) {
            g_propagate_error(error, g_steal_pointer(&found));
            return NULL;
        }
        cvs_verdict_add_malformed(verdict, found);
    } else {
        cvs_appraise(profile, claims, input->at, verdict->reasons);
        verdict->kind =
            cvs_refusal_count(verdict->reasons) == 0 ? CVS_VERDICT_ACCEPTED : CVS_VERDICT_REFUSED;
    }
    if (claims) {
        json_decref(verdict->claims);
        verdict->claims = g_steal_pointer(&claims);
    }
    return g_steal_pointer(&verdict);
}

void
cvs_verdict_free(CvsVerdict *verdict)
{
    g_error_free(verdict->reasons);
    json_decref(verdict->claims);
    g_free(verdict);
}

void
cvs_verdict_add_malformed(CvsVerdict *verdict, const GError *error)
{
    const GPtrArray *reasons = cvs_error_get_reasons(error);
    const CvsReason *first = reasons && reasons->len > 0 ? g_ptr_array_index(reasons, 0) : NULL;

    if (verdict->kind != CVS_VERDICT_MALFORMED) {
        g_error_free(verdict->reasons);
        verdict->reasons = cvs_refusal_new();
        verdict->kind = CVS_VERDICT_MALFORMED;
    }
    cvs_error_add_reason(verdict->reasons, first ? first->code : CVS_REASON_MALFORMED,
                         first ? first->seen : NULL, first ? first->wanted : NULL, "%s",
                         error->message);
}

const char *
cvs_verdict_name(CvsVerdictKind kind)
{
    return kinds[kind].name;
}

int
cvs_verdict_exit_code(CvsVerdictKind kind)
{
    return kinds[kind].exit_code;
}

static json_t *
reasons_to_json(const GError *error)
{
    const GPtrArray *reasons = cvs_error_get_reasons(error);
    json_t *array = json_array();

    for (guint i = 0; i < reasons->len; i++) {
        const CvsReason *reason = g_ptr_array_index(reasons, i);

        (void)json_array_append_new(array, json_pack("{s:s, s:s, s:s, s:s}", "code", reason->code,
                                                     "detail", reason->detail, "seen", reason->seen,
                                                     "wanted", reason->wanted));
    }
    return array;
}

json_t *
cvs_verdict_to_json(const CvsVerdict *verdict)
{
    json_t *json = json_pack("{s:s, s:s?, s:o, s:O}", "verdict", cvs_verdict_name(verdict->kind),
                             "type", cvs_report_type_name(verdict->type), "reasons",
                             reasons_to_json(verdict->reasons), "claims", verdict->claims);

    if (verdict->test_roots)
        (void)json_object_set_new(json, "test_roots", json_true());
    return json;
}
