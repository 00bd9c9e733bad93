/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attest/boot-cache.h"
#include "fuzz.h"

#include <string.h>

/* What is taken is written as it was read. The evidence in it is fuzz-evidence-bundle's. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(CvsBootCache) cache = cvs_boot_cache_parse(data, size, NULL);
    g_autoptr(CvsBootCache) again = NULL;
    g_autofree char *text = NULL, *same = NULL;

    if (cache == NULL)
        return 0;
    text = cvs_boot_cache_format(cache);
    again = cvs_boot_cache_parse(text, strlen(text), NULL);
    g_assert_nonnull(again);
    same = cvs_boot_cache_format(again);
    g_assert_cmpstr(text, ==, same);
    return 0;
}
