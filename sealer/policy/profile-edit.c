/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policy/profile-edit.h"
#include "policy/value.h"

#include <string.h>

#define GROUP "[TEE]"
#define KEY "Measurements"

/* Where [TEE] and its list are: numbers of lines, -1 for none. */
typedef struct {
    gint group;
    gint key;
} Place;

static gboolean
is_key(const char *line)
{
    const char *equals = strchr(line, '=');
    g_autofree char *name = equals ? g_strndup(line, (gsize)(equals - line)) : NULL;

    return name && g_str_equal(g_strstrip(name), KEY);
}

static Place
find(GStrv lines)
{
    Place place = {-1, -1};
    gboolean inside = FALSE;

    for (gint i = 0; lines[i]; i++) {
        g_autofree char *line = g_strstrip(g_strdup(lines[i]));

        if (line[0] == '[') {
            inside = g_str_equal(line, GROUP);
            if (inside)
                place.group = i;
        } else if (inside && line[0] != '#' && is_key(line)) {
            place.key = i;
        }
    }
    return place;
}

static gboolean
lists(const char *line, const char *measurement)
{
    g_auto(GStrv) words = cvs_value_words(strchr(line, '=') + 1);

    for (guint i = 0; words[i]; i++) {
        if (g_ascii_strcasecmp(words[i], measurement) == 0)
            return TRUE;
    }
    return FALSE;
}

static void
replace(GStrv lines, gint number, char *line)
{
    g_free(lines[number]);
    lines[number] = line;
}

char *
cvs_profile_add_measurement(const char *text, const char *measurement, gboolean *ret_added)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    Place place = find(lines);

    *ret_added = place.key < 0 || !lists(lines[place.key], measurement);
    if (!*ret_added)
        return g_strdup(text);
    if (place.group < 0)
        return g_strdup_printf("%s%s\n" GROUP "\n" KEY "=%s\n", text,
                               *text == '\0' || g_str_has_suffix(text, "\n") ? "" : "\n",
                               measurement);
    if (place.key >= 0)
        replace(lines, place.key,
                g_strdup_printf("%s %s", g_strchomp(lines[place.key]), measurement));
    else
        replace(lines, place.group,
                g_strdup_printf("%s\n" KEY "=%s", g_strchomp(lines[place.group]), measurement));
    return g_strjoinv("\n", lines);
}
