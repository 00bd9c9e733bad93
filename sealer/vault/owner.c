/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vault/owner.h"
#include "base/error.h"

#include <stdio.h>
#include <string.h>

#define UNIT_SUFFIX ".service"

/* A decimal number without sign or leading zeros; (uid_t)-1 means "no uid" to the kernel. */
static gboolean
parse_uid(const char *text, uid_t *ret_uid)
{
    guint64 value = 0;

    if (text[0] == '\0' || (text[0] == '0' && text[1] != '\0'))
        return FALSE;
    for (const char *c = text; *c != '\0'; c++) {
        if (!g_ascii_isdigit(*c))
            return FALSE;
        value = value * 10 + (guint64)(*c - '0');
        if (value >= G_MAXUINT32)
            return FALSE;
    }
    *ret_uid = (uid_t)value;
    return TRUE;
}

/* The characters that systemd allows in a unit's name; there is no slash among them. */
static gboolean
unit_is_valid(const char *unit)
{
    gsize length = strlen(unit);

    return length > strlen(UNIT_SUFFIX) && length <= CVS_OWNER_UNIT_MAX &&
           g_str_has_suffix(unit, UNIT_SUFFIX) &&
           strspn(unit, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:_.\\@-") ==
               length;
}

static gboolean
parse(const char *text, char separator, CvsOwner *ret_owner)
{
    CvsOwner owner = {0};

    if (g_str_equal(text, "system")) {
        owner.kind = CVS_OWNER_SYSTEM;
    } else if (strncmp(text, "uid", 3) == 0 && text[3] == separator) {
        owner.kind = CVS_OWNER_UID;
        if (!parse_uid(text + 4, &owner.uid))
            return FALSE;
    } else if (strncmp(text, "unit", 4) == 0 && text[4] == separator) {
        owner.kind = CVS_OWNER_UNIT;
        if (!unit_is_valid(text + 5))
            return FALSE;
        (void)g_strlcpy(owner.unit, text + 5, sizeof owner.unit);
    } else {
        return FALSE;
    }
    *ret_owner = owner;
    return TRUE;
}

static char *
format(const CvsOwner *owner, char separator)
{
    switch (owner->kind) {
    case CVS_OWNER_SYSTEM:
        return g_strdup("system");
    case CVS_OWNER_UID:
        return g_strdup_printf("uid%c%u", separator, (guint)owner->uid);
    case CVS_OWNER_UNIT:
        return g_strdup_printf("unit%c%s", separator, owner->unit);
    }
    g_return_val_if_reached(NULL);
}

gboolean
cvs_owner_parse(const char *text, CvsOwner *ret_owner, GError **error)
{
    if (!parse(text, ':', ret_owner)) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                            "not an owner: write \"system\", \"uid:NUMBER\" or "
                            "\"unit:NAME.service\"");
        return FALSE;
    }
    return TRUE;
}

char *
cvs_owner_format(const CvsOwner *owner)
{
    return format(owner, ':');
}

gboolean
cvs_owner_equal(const CvsOwner *a, const CvsOwner *b)
{
    return cvs_owner_compare(a, b) == 0;
}

int
cvs_owner_compare(const CvsOwner *a, const CvsOwner *b)
{
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->kind == CVS_OWNER_UID)
        return a->uid == b->uid ? 0 : a->uid < b->uid ? -1 : 1;
    return a->kind == CVS_OWNER_UNIT ? strcmp(a->unit, b->unit) : 0;
}

char *
cvs_owner_folder(const CvsOwner *owner)
{
    return format(owner, '-');
}

gboolean
cvs_owner_from_folder(const char *folder, CvsOwner *ret_owner)
{
    return parse(folder, '-', ret_owner);
}

gboolean
cvs_key_name_check(const char *name, GError **error)
{
    gsize length = strlen(name);
    gsize good = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._@-");

    if (length == 0 || length > CVS_KEY_NAME_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "a key's name has 1 to %d bytes, this one has %zu", CVS_KEY_NAME_MAX, length);
        return FALSE;
    }
    if (good != length) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "a key's name is made of A-Z, a-z, 0-9 and \"._@-\"; byte %zu is another",
                    good + 1);
        return FALSE;
    }
    if (name[0] == '.') {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                            "a key's name does not start with a dot");
        return FALSE;
    }
    return TRUE;
}
