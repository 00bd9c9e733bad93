/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policy/judge.h"
#include "base/error.h"

#include <string.h>

/* Values longer than this are named by their claim only; seen and wanted have them. */
#define SHORT 40

const CvsTeeRule *
cvs_judge_rule(const CvsJudge *judge, CvsTeeKey key)
{
    return &judge->rules->rules[key];
}

gboolean
cvs_judge_is_given(const CvsJudge *judge, CvsTeeKey key)
{
    return cvs_judge_rule(judge, key)->given;
}

char *
cvs_judge_mask_text(guint64 mask)
{
    return g_strdup_printf("0x%" G_GINT64_MODIFIER "x", mask);
}

char *
cvs_judge_time_text(gint64 seconds)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(seconds);

    return time ? g_date_time_format_iso8601(time) : g_strdup_printf("%" G_GINT64_FORMAT, seconds);
}

static void
add_missing(CvsJudge *judge, CvsTeeKey key, const char *claim, const char *wanted)
{
    /* A claim that a failed verification could not make is no news; that a profile's own key is
     * about it is. */
    if (judge->refused && !cvs_judge_is_given(judge, key))
        return;
    cvs_error_add_reason(judge->refusal, CVS_REASON_CLAIM_MISSING, CVS_NOT_THERE, wanted,
                         "there is no claim %s, which %s= is about", claim, cvs_tee_key_name(key));
}

void
cvs_judge_add_malformed(CvsJudge *judge, CvsTeeKey key, const char *claim)
{
    cvs_error_add_reason(judge->refusal, CVS_REASON_CLAIM_MALFORMED, NULL, NULL,
                         "the claim %s, which %s= is about, is malformed", claim,
                         cvs_tee_key_name(key));
}

const json_t *
cvs_judge_get(CvsJudge *judge, CvsTeeKey key, const char *claim, CvsClaimType type,
              const char *wanted)
{
    const json_t *value = json_object_get(judge->claims, claim);

    if (value && cvs_claim_has_type(value, type))
        return value;
    if (value)
        cvs_judge_add_malformed(judge, key, claim);
    else
        add_missing(judge, key, claim, wanted);
    return NULL;
}

gboolean
cvs_judge_get_int(CvsJudge *judge, CvsTeeKey key, const char *claim, gint64 *ret_value)
{
    const json_t *value = cvs_judge_get(judge, key, claim, CVS_CLAIM_INT, NULL);

    if (value)
        *ret_value = json_integer_value(value);
    return value != NULL;
}

gboolean
cvs_judge_get_mask(CvsJudge *judge, CvsTeeKey key, const char *claim, guint64 *ret_value)
{
    const json_t *value = cvs_judge_get(judge, key, claim, CVS_CLAIM_MASK, NULL);

    if (value)
        *ret_value = g_ascii_strtoull(json_string_value(value) + strlen("0x"), NULL, 16);
    return value != NULL;
}

void
cvs_judge_flag(CvsJudge *judge, CvsTeeKey key, const char *claim, gboolean wanted,
               const char *detail)
{
    const char *const texts[] = {"false", "true"};
    const json_t *value = cvs_judge_get(judge, key, claim, CVS_CLAIM_BOOL, texts[wanted]);

    if (value && json_is_true(value) != wanted)
        cvs_error_add_reason(judge->refusal, cvs_tee_key_reason(key), texts[!wanted], texts[wanted],
                             "%s", detail);
}

static CvsClaimType
type_of_list(CvsTeeKey key)
{
    switch (key) {
    case CVS_TEE_VMPL:
        return CVS_CLAIM_INT;
    case CVS_TEE_TYPES:
    case CVS_TEE_LINES:
    case CVS_TEE_SIGNING_KEYS:
    case CVS_TEE_PROVIDERS:
    case CVS_TEE_TCB_STATUS:
        return CVS_CLAIM_STRING;
    default:
        return CVS_CLAIM_HEX;
    }
}

void
cvs_judge_list(CvsJudge *judge, CvsTeeKey key, const char *const *list)
{
    const char *claim = cvs_tee_key_claim(key);
    CvsClaimType type = type_of_list(key);
    g_autofree char *wanted = g_strjoinv(" ", (char **)list);
    const json_t *value = cvs_judge_get(judge, key, claim, type, wanted);
    g_autofree char *seen = NULL;

    if (value == NULL)
        return;
    seen = type == CVS_CLAIM_INT
               ? g_strdup_printf("%" JSON_INTEGER_FORMAT, json_integer_value(value))
               : g_strdup(json_string_value(value));
    if (g_strv_contains(list, seen))
        return;
    if (strlen(seen) <= SHORT)
        cvs_error_add_reason(judge->refusal, cvs_tee_key_reason(key), seen, wanted,
                             "%s is \"%s\", which is none of the values of %s=", claim, seen,
                             cvs_tee_key_name(key));
    else
        cvs_error_add_reason(judge->refusal, cvs_tee_key_reason(key), seen, wanted,
                             "%s is none of the values of %s=", claim, cvs_tee_key_name(key));
}

void
cvs_judge_given_list(CvsJudge *judge, CvsTeeKey key)
{
    if (cvs_judge_rule(judge, key)->list)
        cvs_judge_list(judge, key, (const char *const *)cvs_judge_rule(judge, key)->list);
}

void
cvs_judge_bits(CvsJudge *judge, CvsTeeKey key, const char *prefix, gboolean wanted)
{
    GStrv list = cvs_judge_rule(judge, key)->list;

    for (guint i = 0; list && list[i]; i++) {
        g_autofree char *claim = g_strdup_printf("%s.%s", prefix, list[i]);
        g_autofree char *detail =
            g_strdup_printf("%s in %s is %s, and %s= wants it %s", list[i], prefix,
                            wanted ? "off" : "on", cvs_tee_key_name(key), wanted ? "on" : "off");

        cvs_judge_flag(judge, key, g_strdelimit(claim, "-", '_'), wanted, detail);
    }
}

void
cvs_judge_mask(CvsJudge *judge, CvsTeeKey key, const char *claim)
{
    guint64 wanted = cvs_judge_rule(judge, key)->number;
    guint64 seen = 0;
    g_autofree char *lacking = NULL;
    g_autofree char *seen_text = NULL;
    g_autofree char *wanted_text = NULL;

    if (!cvs_judge_is_given(judge, key) || !cvs_judge_get_mask(judge, key, claim, &seen) ||
        (wanted & ~seen) == 0)
        return;
    lacking = cvs_judge_mask_text(wanted & ~seen);
    seen_text = cvs_judge_mask_text(seen);
    wanted_text = cvs_judge_mask_text(wanted);
    cvs_error_add_reason(judge->refusal, cvs_tee_key_reason(key), seen_text, wanted_text,
                         "%s lacks the bits %s that %s= wants", claim, lacking,
                         cvs_tee_key_name(key));
}
