/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/claims.h"
#include "base/hex.h"

#include <string.h>

void
cvs_claims_set_bool(json_t *claims, const char *name, gboolean value)
{
    (void)json_object_set_new(claims, name, json_boolean(value));
}

void
cvs_claims_set_int(json_t *claims, const char *name, gint64 value)
{
    (void)json_object_set_new(claims, name, json_integer(value));
}

void
cvs_claims_set_string(json_t *claims, const char *name, const char *value)
{
    (void)json_object_set_new(claims, name, json_string(value));
}

void
cvs_claims_set_hex(json_t *claims, const char *name, const void *data, gsize size)
{
    g_autofree char *text = cvs_hex_encode(data, size);

    cvs_claims_set_string(claims, name, text);
}

void
cvs_claims_set_mask(json_t *claims, const char *name, guint64 value)
{
    g_autofree char *text = g_strdup_printf("0x%" G_GINT64_MODIFIER "x", value);

    cvs_claims_set_string(claims, name, text);
}

static gboolean
is_lower_hex(const char *text)
{
    return text[strspn(text, "0123456789abcdef")] == '\0';
}

gboolean
cvs_claim_has_type(const json_t *value, CvsClaimType type)
{
    const char *text = json_string_value(value);

    switch (type) {
    case CVS_CLAIM_BOOL:
        return json_is_boolean(value);
    case CVS_CLAIM_INT:
    case CVS_CLAIM_TIME:
        return json_is_integer(value);
    case CVS_CLAIM_STRING:
        return text != NULL;
    case CVS_CLAIM_HEX:
        return text && is_lower_hex(text) && strlen(text) % 2 == 0;
    case CVS_CLAIM_MASK:
        return text && g_str_has_prefix(text, "0x") && is_lower_hex(text + 2) &&
               (text[2] != '0' || text[3] == '\0') && strlen(text) >= 3 && strlen(text) <= 18;
    }
    return FALSE;
}
