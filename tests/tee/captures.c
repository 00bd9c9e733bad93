/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "captures.h"
#include "base/hex.h"
#include "base/json.h"

static char *
captures_root(void)
{
    const char *source = g_getenv("CVS_SOURCE_ROOT");

    g_assert_nonnull(source);
    return g_build_filename(source, "..", "shared", "vectors", NULL);
}

gboolean
captures_there(void)
{
    g_autofree char *root = captures_root();

    if (g_file_test(root, G_FILE_TEST_IS_DIR))
        return TRUE;
    if (g_strcmp0(g_getenv("CI"), "true") == 0)
        g_test_fail_printf("the captures are not in %s", root);
    else
        g_test_skip("the captures are not in ../shared/vectors");
    return FALSE;
}

char *
captures_path(const char *name)
{
    g_autofree char *root = captures_root();

    return g_build_filename(root, name, NULL);
}

GBytes *
captures_read(const char *name)
{
    g_autofree char *path = captures_path(name);
    g_autoptr(GError) error = NULL;
    char *data = NULL;
    gsize size = 0;

    g_file_get_contents(path, &data, &size, &error);
    g_assert_no_error(error);
    return g_bytes_new_take(data, size);
}

json_t *
captures_json(const char *name)
{
    g_autofree char *path = captures_path(name);
    json_error_t error;
    json_t *json = json_load_file(path, 0, &error);

    if (json == NULL)
        g_error("%s: %s at line %d", path, error.text, error.line);
    return json;
}

GBytes *
captures_hex(const json_t *object, const char *member)
{
    const char *text = json_string_value(json_object_get(object, member));
    g_autoptr(GError) error = NULL;
    GBytes *bytes = NULL;

    g_assert_nonnull(text);
    bytes = cvs_hex_decode(text, -1, &error);
    g_assert_no_error(error);
    return bytes;
}
