/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/secret.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

/* Blocks stay those of malloc(): libjose hands what json_dumps() gave it to free(). So the size to
 * wipe is asked of the C library, and may be a little more than what was asked for. */
static void *
plain_malloc(size_t size)
{
    return malloc(size);
}

static void
wiping_free(void *block)
{
    if (block == NULL)
        return;
    cvs_wipe(block, malloc_usable_size(block));
    free(block);
}

__attribute__((constructor)) static void
use_wiping_allocator(void)
{
    json_set_alloc_funcs(plain_malloc, wiping_free);
    /* Seeding takes a lock and a read of urandom at the first object; done here it is off every
     * later path. */
    json_object_seed(0);
}

/* jansson's own limit is 2048 levels of recursion, far more than our formats have; a count of the
 * brackets outside of strings is cheap and needs no stack. */
static gboolean
depth_is_allowed(const char *text, gsize size)
{
    gsize depth = 0;
    gboolean in_string = FALSE;

    for (gsize i = 0; i < size; i++) {
        char c = text[i];

        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = FALSE;
        } else if (c == '"') {
            in_string = TRUE;
        } else if (c == '{' || c == '[') {
            if (++depth > CVS_JSON_DEPTH_MAX)
                return FALSE;
        } else if ((c == '}' || c == ']') && depth > 0) {
            depth--;
        }
    }
    return TRUE;
}

json_t *
cvs_json_parse(const void *data, gsize size, const char *what, GError **error)
{
    json_error_t json_error;
    g_autoptr(json_t) value = NULL;

    if (!depth_is_allowed(data, size)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: JSON nested deeper than %d levels",
                    what, CVS_JSON_DEPTH_MAX);
        return NULL;
    }
    value = json_loadb(data, size, JSON_REJECT_DUPLICATES, &json_error);
    if (value == NULL) {
        /* Only the place: the text of jansson quotes the input, which may be a key's. */
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: not valid JSON at line %d%s", what,
                    json_error.line,
                    json_error_code(&json_error) == json_error_duplicate_key
                        ? " (a member stands there twice)"
                        : "");
        return NULL;
    }
    if (!json_is_object(value)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: not a JSON object", what);
        return NULL;
    }
    return g_steal_pointer(&value);
}

static char *
dump(const json_t *value, size_t flags)
{
    gsize size = json_dumpb(value, NULL, 0, flags);
    char *text = g_malloc(size + 1);

    (void)json_dumpb(value, text, size, flags);
    text[size] = '\0';
    return text;
}

#define CANONICAL (JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY)

char *
cvs_json_canonical(const json_t *value)
{
    return dump(value, CANONICAL);
}

typedef struct {
    const char *text;
    gsize left;
} Expected;

static int
compare_part(const char *part, size_t size, void *data)
{
    Expected *expected = data;

    if (size > expected->left || memcmp(part, expected->text, size) != 0)
        return -1;
    expected->text += size;
    expected->left -= size;
    return 0;
}

gboolean
cvs_json_is_canonical(const json_t *value, const char *text, gsize size)
{
    Expected expected = {text, size};

    return json_dump_callback(value, compare_part, &expected, CANONICAL) == 0 && expected.left == 0;
}

char *
cvs_json_pretty(const json_t *value)
{
    return dump(value, JSON_INDENT(2) | JSON_ENCODE_ANY);
}

gboolean
cvs_json_only(const json_t *object, const char *what, GError **error, ...)
{
    const char *member = NULL;
    json_t *value = NULL;

    json_object_foreach ((json_t *)object, member, value) {
        gboolean known = FALSE;
        const char *name = NULL;
        va_list names;

        va_start(names, error);
        while (!known && (name = va_arg(names, const char *)) != NULL)
            known = g_str_equal(name, member);
        va_end(names);
        if (!known) {
            /* The cut may go through a character. */
            g_autofree char *shown = g_utf8_make_valid(member, (gssize)MIN(strlen(member), 40));

            g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: unknown member \"%s\"", what,
                        shown);
            return FALSE;
        }
    }
    return TRUE;
}

static json_t *
get(const json_t *object, const char *name, json_type type, const char *type_name, const char *what,
    GError **error)
{
    json_t *value = json_object_get(object, name);

    if (value == NULL || json_typeof(value) != type) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: member \"%s\" is %s", what, name,
                    value == NULL ? "missing" : type_name);
        return NULL;
    }
    return value;
}

const char *
cvs_json_get_string(const json_t *object, const char *name, const char *what, GError **error)
{
    const json_t *value = get(object, name, JSON_STRING, "not a string", what, error);

    if (value == NULL)
        return NULL;
    if (strlen(json_string_value(value)) != json_string_length(value)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: member \"%s\" holds a NUL", what,
                    name);
        return NULL;
    }
    return json_string_value(value);
}

gboolean
cvs_json_get_int(const json_t *object, const char *name, gint64 min, gint64 max, const char *what,
                 gint64 *ret_value, GError **error)
{
    const json_t *value = get(object, name, JSON_INTEGER, "not a whole number", what, error);

    if (value == NULL)
        return FALSE;
    if (json_integer_value(value) < min || json_integer_value(value) > max) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "%s: member \"%s\" is not between %" G_GINT64_FORMAT " and %" G_GINT64_FORMAT,
                    what, name, min, max);
        return FALSE;
    }
    *ret_value = json_integer_value(value);
    return TRUE;
}

json_t *
cvs_json_get_object(const json_t *object, const char *name, const char *what, GError **error)
{
    return get(object, name, JSON_OBJECT, "not an object", what, error);
}

json_t *
cvs_json_get_array(const json_t *object, const char *name, const char *what, GError **error)
{
    return get(object, name, JSON_ARRAY, "not an array", what, error);
}

GBytes *
cvs_json_get_bytes(const json_t *object, const char *name, gsize min, gsize max, const char *what,
                   GError **error)
{
    const char *text = cvs_json_get_string(object, name, what, error);
    g_autoptr(GBytes) bytes = NULL;

    if (text == NULL)
        return NULL;
    bytes = cvs_base64url_decode(text, -1, error);
    if (bytes == NULL) {
        g_prefix_error(error, "%s: member \"%s\": ", what, name);
        return NULL;
    }
    if (g_bytes_get_size(bytes) < min || g_bytes_get_size(bytes) > max) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "%s: member \"%s\" has %zu bytes, wanted %zu to %zu", what, name,
                    g_bytes_get_size(bytes), min, max);
        return NULL;
    }
    return g_steal_pointer(&bytes);
}

void
cvs_json_set_bytes(json_t *object, const char *name, const void *data, gsize size)
{
    g_autofree char *text = cvs_base64url_encode(data, size);

    (void)json_object_set_new(object, name, json_string(text));
}

gboolean
cvs_json_check_head(const json_t *object, const char *type, gint64 version, const char *what,
                    GError **error)
{
    const char *seen = cvs_json_get_string(object, "type", what, error);
    gint64 number = 0;

    if (seen == NULL)
        return FALSE;
    if (!g_str_equal(seen, type)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: \"type\" is not \"%s\"", what,
                    type);
        return FALSE;
    }
    if (!cvs_json_get_int(object, "version", 1, G_MAXINT32, what, &number, error))
        return FALSE;
    if (number > version) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                    "%s: version %" G_GINT64_FORMAT " is newer than this program", what, number);
        return FALSE;
    }
    return TRUE;
}
