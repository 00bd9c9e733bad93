/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/hex.h"
#include "base/error.h"

#include <string.h>

char *
cvs_hex_encode(const void *data, gsize size)
{
    static const char digits[] = "0123456789abcdef";
    const guint8 *bytes = data;
    char *text = g_malloc(size * 2 + 1);

    for (gsize i = 0; i < size; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    text[size * 2] = '\0';
    return text;
}

GBytes *
cvs_hex_decode(const char *text, gssize length, GError **error)
{
    gsize digits = length < 0 ? strlen(text) : (gsize)length;
    g_autofree guint8 *bytes = NULL;

    if (digits % 2 != 0) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "%zu hexadecimal digits: an even number is wanted", digits);
        return NULL;
    }
    bytes = g_malloc(digits / 2 + 1);
    for (gsize i = 0; i < digits / 2; i++) {
        int high = g_ascii_xdigit_value(text[2 * i]);
        int low = g_ascii_xdigit_value(text[2 * i + 1]);

        if (high < 0 || low < 0) {
            g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                        "not a hexadecimal digit near position %zu", 2 * i + 1);
            return NULL;
        }
        bytes[i] = (guint8)(high << 4 | low);
    }
    return g_bytes_new_take(g_steal_pointer(&bytes), digits / 2);
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

char *
cvs_base64url_encode(const void *data, gsize size)
{
    const guint8 *bytes = data;
    char *text = g_malloc(size / 3 * 4 + 5);
    gsize out = 0;

    for (gsize i = 0; i < size; i += 3) {
        gsize left = size - i;
        guint32 group = (guint32)bytes[i] << 16 | (left > 1 ? (guint32)bytes[i + 1] << 8 : 0) |
                        (left > 2 ? bytes[i + 2] : 0);

        text[out++] = alphabet[group >> 18];
        text[out++] = alphabet[group >> 12 & 63];
        if (left > 1)
            text[out++] = alphabet[group >> 6 & 63];
        if (left > 2)
            text[out++] = alphabet[group & 63];
    }
    text[out] = '\0';
    return text;
}

/* -1 for what is not in the alphabet. A table, since the branches of a search by ranges cannot be
 * foreseen: they took a tenth of the time in which a key file is parsed. */
static const gint8 *
base64url_values(void)
{
    static gint8 values[256];
    static gsize once;

    if (g_once_init_enter(&once)) {
        memset(values, -1, sizeof values);
        for (gsize i = 0; i < 64; i++)
            values[(guint8)alphabet[i]] = (gint8)i;
        g_once_init_leave(&once, 1);
    }
    return values;
}

GBytes *
cvs_base64url_decode(const char *text, gssize length, GError **error)
{
    gsize size = length < 0 ? strlen(text) : (gsize)length;
    g_autofree guint8 *bytes = g_malloc(size / 4 * 3 + 3);
    const gint8 *values = base64url_values();
    guint32 group = 0;
    guint bits = 0;
    gsize out = 0;

    for (gsize i = 0; i < size; i++) {
        int value = values[(guint8)text[i]];

        if (value < 0) {
            g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                        "not a base64url character at position %zu", i);
            return NULL;
        }
        group = group << 6 | (guint32)value;
        bits += 6;
        if (bits >= 8) {
            bits -= 8;
            bytes[out++] = (guint8)(group >> bits);
            group &= (1u << bits) - 1;
        }
    }
    if (bits == 6 || group != 0) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                            "base64url text of a wrong length or with stray bits at its end");
        return NULL;
    }
    return g_bytes_new_take(g_steal_pointer(&bytes), out);
}
