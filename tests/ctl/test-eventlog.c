/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE

/* cvmseal eventlog, the program itself, on every real log. */

#include "base/json.h"
#include "captures.h"
#include "program.h"
#include "tee/eventlog.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    int code;
    char *out;
    json_t *json;
} Result;

static void
result_free(Result *result)
{
    g_free(result->out);
    json_decref(result->json);
    g_free(result);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Result, result_free)

static Result *
run(const char *path, gboolean json)
{
    const char *const words[] = {"eventlog", path, json ? "--json" : NULL, NULL};
    Result *result = g_new0(Result, 1);

    result->code = program_run(&result->out, NULL, words);
    result->json = json_loads(result->out, JSON_REJECT_DUPLICATES, NULL);
    return result;
}

/* The recorded replay of a bank holds for each register that has a record. */
static void
check_bank(const json_t *wanted, const json_t *seen, const char *prefix)
{
    const char *number = NULL;
    json_t *value = NULL;

    g_assert_cmpuint(json_object_size(seen), >, 0);
    json_object_foreach ((json_t *)seen, number, value) {
        g_autofree char *name = g_strconcat(prefix, number, NULL);

        g_assert_cmpstr(json_string_value(value), ==,
                        json_string_value(json_object_get(wanted, name)));
    }
}

static void
check_event(const json_t *event)
{
    static const char *const ints[] = {"number", "offset", "index", "type", "size"};
    const char *proof = json_string_value(json_object_get(event, "authenticated"));

    for (gsize i = 0; i < G_N_ELEMENTS(ints); i++)
        g_assert_true(json_is_integer(json_object_get(event, ints[i])));
    g_assert_true(json_is_object(json_object_get(event, "digests")));
    g_assert_true(json_is_string(json_object_get(event, "description")));
    g_assert_true(g_strcmp0(proof, "all") == 0 || g_strcmp0(proof, "part") == 0 ||
                  g_strcmp0(proof, "none") == 0);
}

static void
test_captures(void)
{
    g_autoptr(json_t) all = NULL;
    const char *name = NULL;
    json_t *wanted = NULL;
    guint compared = 0;

    if (!captures_there())
        return;
    all = captures_json("eventlog/expected.json");
    json_object_foreach (all, name, wanted) {
        g_autofree char *relative = g_strdup_printf("eventlog/%s", name);
        g_autofree char *path = captures_path(relative);
        g_autoptr(Result) result = NULL;
        g_autoptr(Result) text = NULL;
        const char *bank = NULL;
        json_t *registers = NULL;
        json_t *event = NULL;
        gsize i = 0;

        if (!g_str_has_suffix(name, ".bin") || strstr(name, "acpi-table"))
            continue;
        g_test_message("%s", name);
        result = run(path, TRUE);
        g_assert_cmpint(result->code, ==, g_str_equal(name, "tpm-specid-vendordata.bin") ? 5 : 0);
        g_assert_nonnull(result->json);
        if (result->code != 0)
            continue;
        g_assert_true(json_is_array(json_object_get(result->json, "events")));
        json_array_foreach (json_object_get(result->json, "events"), i, event)
            check_event(event);
        json_object_foreach (json_object_get(result->json, "registers"), bank, registers) {
            gboolean cc = g_str_equal(bank, "rtmr");
            const json_t *replay =
                json_object_get(json_object_get(wanted, "replay"), cc ? "sha384" : bank);

            if (replay && json_object_size(registers) > 0) {
                check_bank(replay, registers, cc ? "rtmr" : "");
                compared++;
            }
        }
        text = run(path, FALSE);
        g_assert_cmpint(text->code, ==, 0);
        g_assert_null(strchr(text->out, '\033'));
        for (const char *p = text->out; *p; p++)
            g_assert_false(g_ascii_iscntrl(*p) && *p != '\n');
    }
    g_assert_cmpuint(compared, >, 15);
}

static void
test_malformed(void)
{
    g_autofree char *dir = g_dir_make_tmp("cvmseal-eventlog-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "log", NULL);
    g_autoptr(GBytes) bytes = NULL;
    static const gsize sizes[] = {0, 10, 100, 5000, 15578};

    if (captures_there()) {
        bytes = captures_read("eventlog/tpm-arch-linux-workstation.bin");
        for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
            g_autoptr(Result) result = NULL;
            const json_t *error = NULL;

            g_assert_true(
                g_file_set_contents(path, g_bytes_get_data(bytes, NULL), (gssize)sizes[i], NULL));
            result = run(path, TRUE);
            g_assert_cmpint(result->code, ==, 5);
            error = json_object_get(result->json, "error");
            g_assert_cmpstr(json_string_value(json_object_get(error, "name")), ==, "BadFormat");
            g_assert_true(
                g_str_has_prefix(json_string_value(json_object_get(error, "message")), path));
        }
        (void)g_unlink(path);
    }
    {
        g_autoptr(Result) result = run("/no/such/log", TRUE);

        g_assert_cmpint(result->code, ==, 2);
    }
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

/* A file that no log is as long as, of whatever bytes. */
static void
test_too_long(void)
{
    g_autofree char *dir = g_dir_make_tmp("cvmseal-eventlog-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(dir, "log", NULL);
    g_autoptr(Result) result = NULL;
    const json_t *error = NULL;
    const char *message = NULL;

    g_assert_true(g_file_set_contents(path, "", 0, NULL));
    g_assert_cmpint(truncate(path, CVS_EVENT_LOG_MAX + 1), ==, 0);
    result = run(path, TRUE);
    g_assert_cmpint(result->code, ==, 5);
    error = json_object_get(result->json, "error");
    g_assert_cmpstr(json_string_value(json_object_get(error, "name")), ==, "BadFormat");
    message = json_string_value(json_object_get(error, "message"));
    g_assert_true(g_str_has_prefix(message, path));
    g_assert_nonnull(strstr(message, " 16777216 "));
    (void)g_unlink(path);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ctl/eventlog/captures", test_captures);
    g_test_add_func("/ctl/eventlog/malformed", test_malformed);
    g_test_add_func("/ctl/eventlog/too-long", test_too_long);
    return g_test_run();
}
