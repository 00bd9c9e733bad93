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
parse_place(const char *text, CvsStorePlace *ret_place, GError **error)
{
    const char *slash = strchr(text, '/');
    g_autofree char *owner = slash ? g_strndup(text, (gsize)(slash - text)) : NULL;

    if (owner == NULL || !cvs_owner_parse(owner, &ret_place->owner, NULL)) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                            "\"after\" is not what the page before gave as \"next\"");
        return FALSE;
    }
    ret_place->name = slash + 1;
    return TRUE;
}

GVariant *
cvs_listing_page(CvsStore *store, const CvsOwner *owner, const char *after, guint limit,
                 GError **error)
{
    CvsStorePlace place = {0};
    g_autoptr(GPtrArray) entries = NULL;
    g_autofree char *next = NULL;
    gboolean more = FALSE;
    GVariantBuilder list;

    if (after && !parse_place(after, &place, error))
        return NULL;
    entries = cvs_store_list_page(store, owner, after ? &place : NULL, limit, &more, error);
    if (entries == NULL)
        return NULL;
    g_variant_builder_init(&list, G_VARIANT_TYPE("aa{sv}"));
    for (guint i = 0; i < entries->len; i++)
        g_variant_builder_add_value(&list, cvs_describe_entry(g_ptr_array_index(entries, i)));
    next = more ? place_of(g_ptr_array_index(entries, entries->len - 1)) : g_strdup("");
    return g_variant_new("(aa{sv}s)", &list, next);
}
