/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vault/jwe-scan.h"
#include "base/hex.h"
#include "vault/key-file.h"

#include <string.h>

typedef struct {
    const char *at;
    const char *end;
} Scan;

static gboolean
literal(Scan *scan, const char *text)
{
    gsize size = strlen(text);

    if ((gsize)(scan->end - scan->at) < size || memcmp(scan->at, text, size) != 0)
        return FALSE;
    scan->at += size;
    return TRUE;
}

/* The text up to the next quote, which stays. NULL if there is none. */
static const char *
string(Scan *scan, gsize *ret_size)
{
    const char *start = scan->at;
    const char *quote = memchr(start, '"', (gsize)(scan->end - start));

    if (quote == NULL)
        return NULL;
    scan->at = quote;
    *ret_size = (gsize)(quote - start);
    return start;
}

/* base64url is strict, so an escape or a control character is refused with it. */
static GBytes *
bytes(Scan *scan, gsize min, gsize max)
{
    gsize size = 0;
    const char *text = string(scan, &size);
    g_autoptr(GBytes) decoded =
        text != NULL ? cvs_base64url_decode(text, (gssize)size, NULL) : NULL;

    if (decoded == NULL || g_bytes_get_size(decoded) < min || g_bytes_get_size(decoded) > max)
        return NULL;
    return g_steal_pointer(&decoded);
}

static gboolean
fixed(Scan *scan, guint8 *ret_bytes, gsize size)
{
    g_autoptr(GBytes) decoded = bytes(scan, size, size);

    if (decoded == NULL)
        return FALSE;
    memcpy(ret_bytes, g_bytes_get_data(decoded, NULL), size);
    return TRUE;
}

static gboolean
p2c(Scan *scan, guint *ret_value)
{
    guint value = 0;

    /* JSON has no leading zeros. */
    if (scan->at < scan->end && *scan->at == '0')
        return FALSE;
    while (scan->at < scan->end && g_ascii_isdigit(*scan->at) && value <= CVS_JWE_P2C_MAX)
        value = value * 10 + (guint)(*scan->at++ - '0');
    *ret_value = value;
    return value >= CVS_JWE_P2C_MIN && value <= CVS_JWE_P2C_MAX;
}

static CvsJweRecipient *
scan_recipient(Scan *scan)
{
    g_autoptr(CvsJweRecipient) recipient = g_new0(CvsJweRecipient, 1);

    if (!literal(scan, "{\"encrypted_key\":\"") ||
        !fixed(scan, recipient->encrypted_key, sizeof recipient->encrypted_key) ||
        !literal(scan, "\",\"header\":{\"alg\":\""))
        return NULL;
    if (literal(scan, CVS_JWE_ALG_KEK "\",\"mac\":\"") &&
        fixed(scan, recipient->mac, sizeof recipient->mac) && literal(scan, "\",\"slot\":\"")) {
        recipient->slot = bytes(scan, 1, CVS_SLOT_MAX);
        if (recipient->slot == NULL)
            return NULL;
    } else if (literal(scan, CVS_JWE_ALG_PASSWORD "\",\"mac\":\"") &&
               fixed(scan, recipient->mac, sizeof recipient->mac) && literal(scan, "\",\"p2c\":") &&
               p2c(scan, &recipient->p2c) && literal(scan, ",\"p2s\":\"")) {
        recipient->p2s = bytes(scan, CVS_JWE_P2S_MIN, CVS_JWE_P2S_MAX);
        if (recipient->p2s == NULL)
            return NULL;
    } else {
        return NULL;
    }
    return literal(scan, "\"}}") ? g_steal_pointer(&recipient) : NULL;
}

CvsJwe *
cvs_jwe_scan(const void *data, gsize size)
{
    Scan scan = {data, (const char *)data + size};
    g_autoptr(CvsJwe) jwe = cvs_jwe_new();
    const char *text = NULL;

    if (!literal(&scan, "{\"ciphertext\":\""))
        return NULL;
    jwe->ciphertext = bytes(&scan, 1, CVS_SECRET_MAX);
    if (jwe->ciphertext == NULL || !literal(&scan, "\",\"iv\":\"") ||
        !fixed(&scan, jwe->iv, sizeof jwe->iv) || !literal(&scan, "\",\"protected\":\""))
        return NULL;
    /* Decoded by the caller; here it only has to mean the same in JSON, so without escapes. */
    text = string(&scan, &size);
    for (gsize i = 0; text != NULL && i < size; i++) {
        if (!g_ascii_isalnum(text[i]) && text[i] != '-' && text[i] != '_')
            return NULL;
    }
    if (text == NULL)
        return NULL;
    jwe->protected_text = g_strndup(text, size);
    if (!literal(&scan, "\",\"recipients\":["))
        return NULL;
    do {
        CvsJweRecipient *recipient = scan_recipient(&scan);

        if (recipient == NULL)
            return NULL;
        g_ptr_array_add(jwe->recipients, recipient);
    } while (jwe->recipients->len < CVS_SLOTS_MAX && literal(&scan, ","));
    if (!literal(&scan, "],\"tag\":\"") || !fixed(&scan, jwe->tag, sizeof jwe->tag) ||
        !literal(&scan, "\"}\n") || scan.at != scan.end)
        return NULL;
    return g_steal_pointer(&jwe);
}
