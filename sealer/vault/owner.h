/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Who a key belongs to, and what keys may be called. An owner is written "system", "uid:1000" or
 * "unit:foo.service"; its folder in the vault is "system", "uid-1000" or "unit-foo.service". */

#include <glib.h>
#include <sys/types.h>

/* Bytes of a unit's name: "unit-" and the name are together one file name, of which Linux allows
 * 255 bytes. */
#define CVS_OWNER_UNIT_MAX 250

typedef enum {
    CVS_OWNER_SYSTEM,
    CVS_OWNER_UID,
    CVS_OWNER_UNIT,
} CvsOwnerKind;

typedef struct {
    CvsOwnerKind kind;
    uid_t uid;                         /* CVS_OWNER_UID */
    char unit[CVS_OWNER_UNIT_MAX + 1]; /* CVS_OWNER_UNIT: a name that ends in ".service" */
} CvsOwner;

/* "system", "uid:N", "unit:NAME.service". InvalidArgument. */
gboolean cvs_owner_parse(const char *text, CvsOwner *ret_owner, GError **error);
char *cvs_owner_format(const CvsOwner *owner);
gboolean cvs_owner_equal(const CvsOwner *a, const CvsOwner *b);
/* For sorting: the system, then uids by number, then units by name. */
int cvs_owner_compare(const CvsOwner *a, const CvsOwner *b);
/* The folder's name, and back; FALSE for a folder that is not an owner's. */
char *cvs_owner_folder(const CvsOwner *owner);
gboolean cvs_owner_from_folder(const char *folder, CvsOwner *ret_owner);

/* A key's name: 1 to 200 bytes of [A-Za-z0-9._@-], not starting with a dot. */
#define CVS_KEY_NAME_MAX 200
gboolean cvs_key_name_check(const char *name, GError **error);
