/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The answer of List in pages, since a message has a bound (32 MiB on dbus-daemon's system bus) and
 * the keys of all owners have none. A page begins behind the place that the page before named: keys
 * that come and go in between make no other key appear twice or never. */

#include "vault/store.h"

/* Keys in a page: as many as MaxKeysPerOwner= lets an owner have by default. An entry is below 2
 * KiB. */
#define CVS_LISTING_MAX 10000

/* owner NULL: the keys of all. after: the place, NULL for the first page. limit: 1 to
 * CVS_LISTING_MAX. Gives (aa{sv}s), floating: the keys, and the place of the next page, "" if this
 * is the last. InvalidArgument if after is no place; errors of cvs_store_list(). */
GVariant *cvs_listing_page(CvsStore *store, const CvsOwner *owner, const char *after, guint limit,
                           GError **error);
