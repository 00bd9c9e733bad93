/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/scan.h"
#include "base/hex.h"

#include <string.h>

gboolean
cvs_scan_literal(CvsScan *scan, const char *text)
{
    gsize size = strlen(text);

    if ((gsize)(scan->end - scan->at) < size || memcmp(scan->at, text, size) != 0)
        return FALSE;
    scan->at += size;
    return TRUE;
}

/* The text up to the next quote, which stays. NULL if there is none. */
static const char *
string(CvsScan *scan, gsize *ret_size)
{
    const char *start = scan->at;
    const char *quote = memchr(start, '"', (gsize)(scan->end - start));

    if (quote == NULL)
        return NULL;
    scan->at = quote;
    *ret_size = (gsize)(quote - start);
    return start;
}

char *
cvs_scan_word(CvsScan *scan, const char *more, gsize max)
{
    gsize size = 0;
    const char *text = string(scan, &size);

    if (text == NULL || size > max)
        return NULL;
    for (gsize i = 0; i < size; i++) {
        if (!g_ascii_isalnum(text[i]) && (text[i] == '\0' || strchr(more, text[i]) == NULL))
            return NULL;
    }
    return g_strndup(text, size);
}

/* base64url is strict, so an escape or a control character is refused with it. */
GBytes *
cvs_scan_bytes(CvsScan *scan, gsize min, gsize max)
{
    gsize size = 0;
    const char *text = string(scan, &size);
    g_autoptr(GBytes) decoded =
        text != NULL ? cvs_base64url_decode(text, (gssize)size, NULL) : NULL;

    if (decoded == NULL || g_bytes_get_size(decoded) < min || g_bytes_get_size(decoded) > max)
        return NULL;
    return g_steal_pointer(&decoded);
}

gboolean
cvs_scan_fixed(CvsScan *scan, guint8 *ret_bytes, gsize size)
{
    g_autoptr(GBytes) decoded = cvs_scan_bytes(scan, size, size);

    if (decoded == NULL)
        return FALSE;
    memcpy(ret_bytes, g_bytes_get_data(decoded, NULL), size);
    return TRUE;
}

gboolean
cvs_scan_number(CvsScan *scan, guint32 min, guint32 max, guint32 *ret_value)
{
    const char *start = scan->at;
    guint64 value = 0;

    while (scan->at < scan->end && g_ascii_isdigit(*scan->at) && value <= max)
        value = value * 10 + (guint64)(*scan->at++ - '0');
    /* JSON has no leading zeros. */
    if (scan->at == start || (*start == '0' && scan->at > start + 1) || value < min || value > max)
        return FALSE;
    *ret_value = (guint32)value;
    return TRUE;
}
