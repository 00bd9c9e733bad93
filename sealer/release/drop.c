/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/drop.h"
#include "base/error.h"

static const struct {
    CvsDrop drop;
    const char *name;
} names[] = {
    {CVS_DROP_PIN, "pin"},
    {CVS_DROP_DERIVED_KEY, "derived-key"},
    {CVS_DROP_PREPARED, "prepared"},
};

gboolean
cvs_drop_parse(const char *text, CvsDrop *ret_drop, GError **error)
{
    g_auto(GStrv) words = g_strsplit(text, ",", -1);
    CvsDrop drop = 0;

    for (guint i = 0; words[i] || i == 0; i++) {
        CvsDrop one = 0;

        for (gsize n = 0; words[i] && n < G_N_ELEMENTS(names); n++)
            one |= g_str_equal(words[i], names[n].name) ? names[n].drop : 0;
        if (one == 0 || (drop & one)) {
            g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                        "\"%.40s\" is %s: a reseal can drop pin, derived-key and prepared, with "
                        "commas between them",
                        words[i] ? words[i] : "", one ? "there twice" : "nothing to drop");
            return FALSE;
        }
        drop |= one;
    }
    *ret_drop = drop;
    return TRUE;
}

char *
cvs_drop_format(CvsDrop drop)
{
    GString *text = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        if (!(drop & names[i].drop))
            continue;
        if (text == NULL)
            text = g_string_new(names[i].name);
        else
            g_string_append_printf(text, ",%s", names[i].name);
    }
    return text ? g_string_free(text, FALSE) : NULL;
}
