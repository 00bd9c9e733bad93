/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/listing.h"
#include "base/error.h"
#include "service/describe.h"

#include <string.h>

/* A place is "OWNER/NAME" of the last key before it. */
static char *
place_of(const CvsStoreEntry *entry)
{
    g_autofree char *owner = cvs_owner_format(&entry->owner);
    g_autofree char *text = g_strconcat(owner, "/", entry->name, NULL);

    return g_utf8_make_valid(text, -1);
}

static gboolean
parse_place(const char *text, CvsOwner *ret_owner, const char **ret_name, GError **error)
{
    const char *slash = strchr(text, '/');
    g_autofree char *owner = slash ? g_strndup(text, (gsize)(slash - text)) : NULL;

    if (owner == NULL || !cvs_owner_parse(owner, ret_owner, NULL)) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                            "\"after\" is not what the page before gave as \"next\"");
        return FALSE;
    }
    *ret_name = slash + 1;
    return TRUE;
}

static gboolean
is_behind(const CvsStoreEntry *entry, const CvsOwner *owner, const char *name)
{
    int order = cvs_owner_compare(&entry->owner, owner);

    return order > 0 || (order == 0 && strcmp(entry->name, name) > 0);
}

GVariant *
cvs_listing_page(const GPtrArray *entries, const char *after, guint limit, GError **error)
{
    CvsOwner owner;
    const char *name = NULL;
    g_autofree char *next = NULL;
    GVariantBuilder list;
    guint i = 0;
    guint n = 0;

    if (after && !parse_place(after, &owner, &name, error))
        return NULL;
    while (after && i < entries->len && !is_behind(g_ptr_array_index(entries, i), &owner, name))
        i++;
    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (; i < entries->len && n < limit; i++, n++)
        g_variant_builder_add_value(&list, cvs_describe_entry(g_ptr_array_index(entries, i)));
    next = i < entries->len ? place_of(g_ptr_array_index(entries, i - 1)) : g_strdup("");
    return g_variant_new("(aa{sv}s)", &list, next);
}
