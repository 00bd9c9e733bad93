/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/json.h"

#include <jose/b64.h>
#include <stdlib.h>
#include <string.h>

static json_t *
parse(const char *text, GError **error)
{
    return cvs_json_parse(text, strlen(text), "a slot", error);
}

static void
test_good(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) value = parse(" {\"b\": [1, true, null], \"a\": \"\\u00e4\"} \n", &error);
    g_autofree char *canonical = NULL;
    g_autofree char *pretty = NULL;

    g_assert_no_error(error);
    canonical = cvs_json_canonical(value);
    g_assert_cmpstr(canonical, ==, "{\"a\":\"\xc3\xa4\",\"b\":[1,true,null]}");
    pretty = cvs_json_pretty(value);
    g_assert_nonnull(strstr(pretty, "\n  \"b\""));
}

/* Everything that is not one strict object. */
static void
test_bad(void)
{
    static const struct {
        const char *text;
        const char *message; /* a part of it */
    } bad[] = {
        {"", "not valid JSON"},
        {"[]", "not a JSON object"},
        {"\"a\"", "not valid JSON"},
        {"{", "not valid JSON"},
        {"{} x", "not valid JSON"},
        {"{}{}", "not valid JSON"},
        {"{\"a\":1,}", "not valid JSON"},
        {"{'a':1}", "not valid JSON"},
        {"{a:1}", "not valid JSON"},
        {"{\"a\":01}", "not valid JSON"},
        {"{\"a\":NaN}", "not valid JSON"},
        {"{\"a\":99999999999999999999}", "not valid JSON"},
        {"// c\n{}", "line 1"},
        {"{\"a\":1,\n\"a\":1}", "line 2 (a member stands there twice)"},
        {"{\"a\":{\"b\":1,\"b\":2}}", "twice"},
        {"{\"a\":1,\"\\u0061\":2}", "twice"},
        {"{\"a\":\"\\u0000\"}", "not valid JSON"},
        {"{\"\\u0000\":1}", "not valid JSON"},
        {"{\"a\":\"\\ud800\"}", "not valid JSON"},
        {"{\"a\":\"\xff\"}", "not valid JSON"},
        {"{\"a\":\"\xc0\x80\"}", "not valid JSON"},
        {"{\"a\":\"\n\"}", "not valid JSON"},
        {"\xef\xbb\xbf{}", "not valid JSON"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        if (parse(bad[i].text, &error) != NULL)
            g_error("parsed: %s", bad[i].text);
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
        g_assert_true(g_str_has_prefix(error->message, "a slot: "));
        if (strstr(error->message, bad[i].message) == NULL)
            g_error("%s: %s", bad[i].text, error->message);
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
    }
    g_assert_null(cvs_json_parse("{}\0", 3, "a slot", NULL));
    g_assert_null(cvs_json_parse(NULL, 0, "a slot", NULL));
}

/* What is wrong is not repeated: it may be a key. */
static void
test_no_quotes(void)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(parse("{\"k\": \"topsecret\" topsecret}", &error));
    g_assert_null(strstr(error->message, "topsecret"));
}

/* Cut at every length: an error, and no byte read behind the end. */
static void
test_truncated(void)
{
    static const char text[] =
        "{\"protected\":\"eyJ0\",\"recipients\":[{\"header\":{\"alg\":\"x\"}}]}";

    for (gsize size = 0; size < strlen(text); size++) {
        g_autofree char *exact = g_memdup2(text, size);
        g_autoptr(GError) error = NULL;

        g_assert_null(cvs_json_parse(exact, size, "a key", &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    }
}

static char *
nested(guint depth)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < depth; i++)
        g_string_append(text, "{\"a\":");
    g_string_append(text, "1");
    for (guint i = 0; i < depth; i++)
        g_string_append(text, "}");
    return g_string_free(text, FALSE);
}

static void
test_depth(void)
{
    g_autofree char *deepest = nested(CVS_JSON_DEPTH_MAX);
    g_autofree char *deeper = nested(CVS_JSON_DEPTH_MAX + 1);
    g_autofree char *brackets = g_strnfill(1024 * 1024, '[');
    g_autoptr(json_t) good = parse(deepest, NULL);
    g_autoptr(json_t) strings = parse("{\"a\":\"[[[[[[[[[[[[[[[[[[[[[[\\\"[[[{{{\"}", NULL);
    g_autoptr(json_t) wide =
        parse("{\"a\":[[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[],[]]}", NULL);
    g_autoptr(GError) error = NULL;

    g_assert_nonnull(good);
    g_assert_nonnull(strings);
    g_assert_nonnull(wide);
    g_assert_null(parse(deeper, &error));
    g_assert_nonnull(strstr(error->message, "nested deeper than 16"));
    g_clear_error(&error);
    g_assert_null(parse(brackets, &error));
    g_assert_nonnull(strstr(error->message, "nested deeper"));
    /* Closing brackets do not earn credit. */
    g_assert_null(parse("]]]]]]]]]]]]]]]]]]]]", NULL));
}

static void
test_only(void)
{
    g_autoptr(json_t) value = parse("{\"a\":1,\"b\":2}", NULL);
    g_autoptr(json_t) empty = parse("{}", NULL);
    g_autoptr(json_t) umlauts =
        parse("{\"x\303\244\303\244\303\244\303\244\303\244\303\244\303\244\303\244\303\244\303\244"
              "\303\244\303\244\303\244\303\244\303\244\303\244\303\244\303\244\303\244\303\244"
              "\303\244\":1}",
              NULL);
    g_autoptr(GError) error = NULL;

    g_assert_true(cvs_json_only(value, "it", &error, "b", "c", "a", NULL));
    g_assert_true(cvs_json_only(empty, "it", &error, NULL));
    g_assert_no_error(error);
    g_assert_false(cvs_json_only(value, "it", &error, "a", NULL));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    g_assert_cmpstr(error->message, ==, "it: unknown member \"b\"");
    g_clear_error(&error);
    g_assert_false(cvs_json_only(umlauts, "it", &error, NULL));
    g_assert_true(g_utf8_validate(error->message, -1, NULL));
}

static void
test_members(void)
{
    g_autoptr(json_t) value = parse("{\"s\":\"text\",\"i\":5,\"r\":5.0,\"o\":{},\"l\":[],"
                                    "\"b\":\"Zm9v\",\"bad\":\"Zm9=\",\"n\":null,\"t\":true}",
                                    NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = NULL;
    gint64 number = 0;

    g_assert_cmpstr(cvs_json_get_string(value, "s", "it", NULL), ==, "text");
    g_assert_true(cvs_json_get_int(value, "i", 5, 5, "it", &number, NULL));
    g_assert_cmpint(number, ==, 5);
    g_assert_nonnull(cvs_json_get_object(value, "o", "it", NULL));
    g_assert_nonnull(cvs_json_get_array(value, "l", "it", NULL));
    bytes = cvs_json_get_bytes(value, "b", 3, 3, "it", NULL);
    g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), "foo", 3);

    g_assert_null(cvs_json_get_string(value, "missing", "it", &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    g_assert_cmpstr(error->message, ==, "it: member \"missing\" is missing");
    g_clear_error(&error);
    g_assert_null(cvs_json_get_string(value, "i", "it", &error));
    g_assert_cmpstr(error->message, ==, "it: member \"i\" is not a string");
    g_clear_error(&error);
    number = 77;
    g_assert_false(cvs_json_get_int(value, "r", 0, 9, "it", &number, NULL));
    g_assert_false(cvs_json_get_int(value, "s", 0, 9, "it", &number, NULL));
    g_assert_false(cvs_json_get_int(value, "t", 0, 9, "it", &number, NULL));
    g_assert_false(cvs_json_get_int(value, "i", 6, 9, "it", &number, &error));
    g_assert_cmpstr(error->message, ==, "it: member \"i\" is not between 6 and 9");
    g_clear_error(&error);
    g_assert_false(cvs_json_get_int(value, "i", 0, 4, "it", &number, NULL));
    g_assert_cmpint(number, ==, 77);
    g_assert_null(cvs_json_get_object(value, "l", "it", NULL));
    g_assert_null(cvs_json_get_array(value, "o", "it", NULL));
    g_assert_null(cvs_json_get_object(value, "n", "it", NULL));
    g_assert_null(cvs_json_get_bytes(value, "b", 4, 9, "it", NULL));
    g_assert_null(cvs_json_get_bytes(value, "b", 0, 2, "it", NULL));
    g_assert_null(cvs_json_get_bytes(value, "bad", 0, 9, "it", &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    g_assert_true(g_str_has_prefix(error->message, "it: member \"bad\": "));
}

/* Our own code could make a string with a NUL in it; nothing that takes it for text may. */
static void
test_nul(void)
{
    g_autoptr(json_t) value = json_object();
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(json_object_set_new(value, "s", json_stringn("a\0b", 3)), ==, 0);
    g_assert_null(cvs_json_get_string(value, "s", "it", &error));
    g_assert_cmpstr(error->message, ==, "it: member \"s\" holds a NUL");
}

static void
test_set_bytes(void)
{
    g_autoptr(json_t) value = json_object();
    g_autofree char *text = NULL;

    cvs_json_set_bytes(value, "b", "\xff\xfe", 2);
    cvs_json_set_bytes(value, "e", NULL, 0);
    text = cvs_json_canonical(value);
    g_assert_cmpstr(text, ==, "{\"b\":\"__4\",\"e\":\"\"}");
}

/* This program is linked so that free() comes by here: the last look at a block. */
void __real_free(void *block);
void __wrap_free(void *block);

static void *watched;
static gsize watched_size;
static gboolean was_clean;

void
__wrap_free(void *block)
{
    if (block && block == watched) {
        was_clean = TRUE;
        for (gsize i = 0; i < watched_size; i++)
            was_clean &= ((guint8 *)block)[i] == 0;
        watched = NULL;
    }
    __real_free(block);
}

static void
test_wipes(void)
{
    static const gsize sizes[] = {1, 24, 25, 4096, 1024 * 1024};
    json_malloc_t allocate = NULL;
    json_free_t release = NULL;

    json_get_alloc_funcs(&allocate, &release);
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        was_clean = FALSE;
        watched_size = sizes[i];
        watched = allocate(sizes[i]);
        memset(watched, 0x5a, sizes[i]);
        release(watched);
        g_assert_null(watched);
        g_assert_true(was_clean);
    }
    release(NULL);
}

/* The same for what really holds keys: the text of a string in a value. */
static void
test_wipes_strings(void)
{
    json_t *value = json_string("a key, a key, my kingdom for a key");

    was_clean = FALSE;
    watched_size = json_string_length(value);
    watched = (void *)json_string_value(value);
    json_decref(value);
    g_assert_null(watched);
    g_assert_true(was_clean);
}

/* libjose gives text of json_dumps() to free(): the allocator's blocks must be malloc()'s. */
static void
test_free_by_others(void)
{
    g_autoptr(json_t) value = parse("{\"k\":\"v\"}", NULL);
    g_autoptr(json_t) encoded = jose_b64_enc_dump(value);

    g_assert_cmpstr(json_string_value(encoded), ==, "eyJrIjoidiJ9");
    free(json_dumps(value, 0));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/json/good", test_good);
    g_test_add_func("/json/bad", test_bad);
    g_test_add_func("/json/no-quotes", test_no_quotes);
    g_test_add_func("/json/truncated", test_truncated);
    g_test_add_func("/json/depth", test_depth);
    g_test_add_func("/json/only", test_only);
    g_test_add_func("/json/members", test_members);
    g_test_add_func("/json/nul", test_nul);
    g_test_add_func("/json/set-bytes", test_set_bytes);
    g_test_add_func("/json/wipes", test_wipes);
    g_test_add_func("/json/wipes-strings", test_wipes_strings);
    g_test_add_func("/json/free-by-others", test_free_by_others);
    return g_test_run();
}
