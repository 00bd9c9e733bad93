/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* JSON by jansson, in the strict way in which all our own formats are read: duplicate members,
 * unknown members and wrong types are errors that name the member.
 *
 * Linking this file gives jansson an allocator that wipes what it frees, since libjose keeps keys
 * in JSON values. Its blocks may be given to free(), as libjose does with text of json_dumps(), but
 * then they are not wiped. */

#include <glib.h>
#include <jansson.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(json_t, json_decref)

/* The deepest nesting that any of our formats has, with room to spare. */
#define CVS_JSON_DEPTH_MAX 16

/* One JSON object, UTF-8, no duplicate members, at most CVS_JSON_DEPTH_MAX deep, nothing behind it
 * but white space. BadFormat with "WHAT: line L: …". A new reference. */
json_t *cvs_json_parse(const void *data, gsize size, const char *what, GError **error);

/* Compact text with sorted members: equal values give equal bytes. */
char *cvs_json_canonical(const json_t *value);
/* TRUE if the text is just what cvs_json_canonical() would make of the value. */
gboolean cvs_json_is_canonical(const json_t *value, const char *text, gsize size);
/* For people: indented. */
char *cvs_json_pretty(const json_t *value);

/* TRUE if every member of the object is among names (ended by NULL). BadFormat naming the first
 * that is not. */
gboolean cvs_json_only(const json_t *object, const char *what, GError **error,
                       ...) G_GNUC_NULL_TERMINATED;

/* Members that must be there and of that type; BadFormat otherwise. Borrowed. */
const char *cvs_json_get_string(const json_t *object, const char *name, const char *what,
                                GError **error);
gboolean cvs_json_get_int(const json_t *object, const char *name, gint64 min, gint64 max,
                          const char *what, gint64 *ret_value, GError **error);
json_t *cvs_json_get_object(const json_t *object, const char *name, const char *what,
                            GError **error);
json_t *cvs_json_get_array(const json_t *object, const char *name, const char *what,
                           GError **error);
/* A base64url member of min to max bytes. */
GBytes *cvs_json_get_bytes(const json_t *object, const char *name, gsize min, gsize max,
                           const char *what, GError **error);
/* Sets a base64url member. */
void cvs_json_set_bytes(json_t *object, const char *name, const void *data, gsize size);
/* Whether the object says that it is of this "type" and "version". BadFormat; a version above is
 * NotSupported. */
gboolean cvs_json_check_head(const json_t *object, const char *type, gint64 version,
                             const char *what, GError **error);
