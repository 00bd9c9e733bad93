/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/boot-id.h"

#include <glib.h>

#define BOOT_ID_FILE "/proc/sys/kernel/random/boot_id"

char *
cvs_boot_id(void)
{
    g_autofree char *text = NULL;
    g_autoptr(GString) id = g_string_new(NULL);
    const char *p = NULL;

    if (!g_file_get_contents(BOOT_ID_FILE, &text, NULL, NULL))
        text = g_strdup(g_getenv(CVS_BOOT_ID_ENV));
    for (p = text; p && *p; p++) {
        if (g_ascii_isxdigit(*p))
            g_string_append_c(id, g_ascii_tolower(*p));
    }
    return g_strdup(id->len == CVS_BOOT_ID_DIGITS ? id->str : "");
}
