/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "policy/value.h"
#include "base/error.h"

char *
cvs_value_quote(const char *text)
{
    GString *out = g_string_new("\"");
    guint n = 0;

    for (const char *p = text; *p; p = g_utf8_next_char(p)) {
        gunichar c = g_utf8_get_char(p);

        if (++n > 40) {
            g_string_append(out, "...");
            break;
        }
        g_string_append_unichar(out, g_unichar_isprint(c) ? c : '?');
    }
    g_string_append_c(out, '"');
    return g_string_free(out, FALSE);
}

gboolean
cvs_value_bad(GError **error, const char *value, const char *wanted)
{
    g_autofree char *quoted = cvs_value_quote(value);

    g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s is not %s", quoted, wanted);
    return FALSE;
}

gboolean
cvs_value_boolean(const char *value, gboolean *ret, GError **error)
{
    if (g_str_equal(value, "yes") || g_str_equal(value, "true"))
        *ret = TRUE;
    else if (g_str_equal(value, "no") || g_str_equal(value, "false"))
        *ret = FALSE;
    else
        return cvs_value_bad(error, value, "yes or no");
    return TRUE;
}

GStrv
cvs_value_words(const char *value)
{
    g_autoptr(GStrvBuilder) words = g_strv_builder_new();
    g_auto(GStrv) parts = g_strsplit_set(value, " \t", -1);

    for (guint i = 0; parts[i]; i++) {
        if (*parts[i] != '\0')
            g_strv_builder_add(words, parts[i]);
    }
    return g_strv_builder_end(words);
}
