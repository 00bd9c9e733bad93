/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policy/profile-format.h"

#include <string.h>

/* Takes the value; NULL: the key is left out. given FALSE: a default. */
typedef void (*Visit)(gpointer data, const char *group, const char *key, char *value,
                      gboolean given);

static const char *
rule_name(CvsProfileRule rule)
{
    static const char *const names[] = {"optional", "required", "forbidden"};

    return names[rule];
}

static char *
format_mask(guint32 mask)
{
    return mask ? cvs_pcr_mask_format(mask) : g_strdup("");
}

/* As g_key_file_get_string() reads it. */
static char *
escape(const char *text)
{
    g_autoptr(GKeyFile) file = g_key_file_new();

    g_key_file_set_string(file, "g", "k", text);
    return g_key_file_get_value(file, "g", "k", NULL);
}

static void
visit_own(const CvsProfile *profile, Visit visit, gpointer data)
{
    visit(data, "Profile", "Description", escape(profile->description), TRUE);
    /* A profile for verifying only has none, and an empty list of them is no value. */
    visit(data, "Registers", "PCRs", profile->pcrs ? format_mask(profile->pcrs) : NULL, TRUE);
    visit(data, "Registers", "PCRBank", g_strdup(profile->bank == CVS_SHA384 ? "sha384" : "sha256"),
          TRUE);
    visit(data, "Registers", "RequirePCRs", format_mask(profile->required_pcrs), TRUE);
    visit(data, "Registers", "RTMRs", format_mask(profile->rtmrs), TRUE);
    visit(data, "Registers", "Claims",
          profile->claims ? g_strjoinv(" ", profile->claims) : g_strdup(""), TRUE);
    visit(data, "Registers", "AllowUnmeasured", g_strdup(profile->allow_unmeasured ? "yes" : "no"),
          TRUE);
    visit(data, "Secrets", "PIN", g_strdup(rule_name(profile->pin)), TRUE);
    visit(data, "Secrets", "PINMinimumLength", g_strdup_printf("%u", profile->pin_min_length),
          TRUE);
    visit(data, "Secrets", "RecoveryKey", g_strdup(rule_name(profile->recovery)), TRUE);
    visit(data, "Secrets", "DerivedKey", g_strdup(rule_name(profile->derived_key)), TRUE);
}

static void
visit_rules(const CvsProfile *profile, Visit visit, gpointer data)
{
    for (guint i = 0; i < CVS_TEE_N_KEYS; i++) {
        CvsTeeKey key = (CvsTeeKey)i;
        gboolean given = profile->tee.rules[i].given;
        const char *usual = cvs_tee_key_default(key);
        char *value = given ? cvs_tee_rules_format(&profile->tee, key) : g_strdup(usual);

        visit(data, cvs_tee_group_name(cvs_tee_key_group(key)), cvs_tee_key_name(key), value,
              given);
    }
}

typedef struct {
    const CvsProfile *profile;
    GString *text;
    const char *group;
} Writing;

static gboolean
is_given(const CvsProfile *profile, const char *group)
{
    gboolean tee = FALSE;

    for (guint i = 0; i < CVS_TEE_N_KEYS; i++) {
        if (!g_str_equal(cvs_tee_group_name(cvs_tee_key_group((CvsTeeKey)i)), group))
            continue;
        tee = TRUE;
        if (profile->tee.rules[i].given)
            return TRUE;
    }
    /* [TEE] alone stands for any group about a TEE that has nothing in it. */
    return !tee || g_str_equal(group, cvs_tee_group_name(CVS_TEE_GROUP_TEE));
}

static void
write_line(gpointer data, const char *group, const char *key, char *value, gboolean given)
{
    Writing *writing = data;
    g_autofree char *text = value;

    if (text == NULL)
        return;
    if (g_strcmp0(writing->group, group) != 0) {
        g_string_append_printf(writing->text, "%s%s[%s]\n", writing->text->len > 0 ? "\n" : "",
                               is_given(writing->profile, group) ? "" : "#", group);
        writing->group = group;
    }
    g_string_append_printf(writing->text, "%s%s=%s\n", given ? "" : "#", key, text);
}

char *
cvs_profile_format(const CvsProfile *profile)
{
    Writing writing = {.profile = profile, .text = g_string_new(NULL)};

    visit_own(profile, write_line, &writing);
    if (profile->tee.present)
        visit_rules(profile, write_line, &writing);
    else
        g_string_append(writing.text, "\n# There are no rules about a TEE.\n");
    return g_string_free(writing.text, FALSE);
}

typedef struct {
    json_t *groups;
    json_t *defaults;
} Collecting;

static void
collect(gpointer data, const char *group, const char *key, char *value, gboolean given)
{
    Collecting *collecting = data;
    g_autofree char *text = value;
    json_t *members = json_object_get(collecting->groups, group);

    if (text == NULL)
        return;
    if (members == NULL) {
        members = json_object();
        (void)json_object_set_new(collecting->groups, group, members);
    }
    (void)json_object_set_new(members, key, json_string(text));
    if (!given)
        (void)json_array_append_new(collecting->defaults, json_sprintf("%s.%s", group, key));
}

json_t *
cvs_profile_to_json(const CvsProfile *profile, json_t **ret_defaults)
{
    Collecting collecting = {json_object(), json_array()};

    visit_own(profile, collect, &collecting);
    if (profile->tee.present)
        visit_rules(profile, collect, &collecting);
    *ret_defaults = collecting.defaults;
    return collecting.groups;
}
