/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Records in words: decoded, bounded, and harmless to a terminal. */

#include "tee/eventlog-describe.h"
#include "base/json.h"

#include "log-builder.h"

#include <string.h>

static void
check_text(guint32 type, const void *data, gsize size, const char *wanted)
{
    CvsEvent event = {.type = type, .data = data, .size = size};
    g_autofree char *text = cvs_event_describe(&event);

    g_assert_true(g_utf8_validate(text, -1, NULL));
    g_assert_cmpstr(text, ==, wanted);
}

static void
test_describe(void)
{
    static const guint8 variable[] = "\x61\xdf\xe4\x8b\xca\x93\xd2\x11\xaa\x0d\x00\xe0\x98\x03\x2b"
                                     "\x8c\x02\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0d\0b\0\x07";
    static const guint8 image[] =
        "\x00\x10\0\0\0\0\0\0\x40\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x10\0\0\0\0"
        "\0\0\0\x04\x04\x0c\0\\\0a\0\x2e\x20\0\0\x7f\xff\x04\0";
    g_autofree char *long_text = g_strnfill(2 * CVS_EVENT_TEXT_MAX, 'a');
    g_autofree char *cut = NULL;
    CvsEvent event = {
        .type = 0xd, .data = (const guint8 *)long_text, .size = 2 * CVS_EVENT_TEXT_MAX};

    check_text(CVS_EV_EFI_VARIABLE_DRIVER_CONFIG, variable, sizeof(variable) - 1,
               "variable db (8be4df61-93ca-11d2-aa0d-00e098032b8c) = 7");
    /* U+202E turns the direction of what follows. */
    check_text(CVS_EV_EFI_BOOT_SERVICES_APPLICATION, image, sizeof(image) - 1,
               "image of 64 bytes at 0x1000, file \\\\a\\u{202e}");
    check_text(CVS_EV_EFI_BOOT_SERVICES_APPLICATION, image, 20, "");
    check_text(CVS_EV_IPL, "a\033[31m\n", 8, "a\\u{1b}[31m\\u{a}");
    check_text(CVS_EV_IPL, "\xff\xfe", 2, "\\xff\\xfe");
    check_text(CVS_EV_IPL, "i\0n\0i\0t\0", 8, "init");
    check_text(CVS_EV_IPL, "", 0, "");
    check_text(CVS_EV_EVENT_TAG, "\x02\x01\0\0\x03\0\0\0abc", 11, "tag 0x00000102: abc");
    check_text(CVS_EV_EVENT_TAG, "LOADED_IMAGE", 12, "LOADED_IMAGE");
    check_text(CVS_EV_EFI_PLATFORM_FIRMWARE_BLOB2, "\x03POS\x00\x10\0\0\0\0\0\0\x20\0\0\0\0\0\0\0",
               20, "firmware POS of 32 bytes at 0x1000");
    check_text(CVS_EV_EFI_PLATFORM_FIRMWARE_BLOB, "\x00\x10\0\0\0\0\0\0\x20\0\0\0\0\0\0\0", 16,
               "firmware of 32 bytes at 0x1000");
    check_text(CVS_EV_EFI_HANDOFF_TABLES2,
               "\x04"
               "ACPI\x02\0\0\0\0\0\0\0",
               13, "2 tables ACPI");
    check_text(CVS_EV_NO_ACTION, "StartupLocality\0\x03", 17, "startup locality 3");

    cut = cvs_event_describe(&event);
    g_assert_true(g_str_has_suffix(cut, " … (cut)"));
    g_assert_cmpuint(strlen(cut), <, CVS_EVENT_TEXT_MAX + 20);
    g_assert_cmpstr(cvs_event_type_name(0x80000006), ==, "EV_EFI_GPT_EVENT");
    g_assert_null(cvs_event_type_name(0x80000fff));
}

static void
test_json(void)
{
    LogBuilder *builder = log_builder_new();
    g_autoptr(CvsEventLog) log = NULL;
    g_autoptr(json_t) json = NULL;
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(GError) error = NULL;
    json_t *event = NULL;

    log_builder_header(builder, 1, ALG_SHA384, 0);
    log_builder_event(builder, 2, CVS_EV_EFI_ACTION, ALG_SHA384, "Exit", 4);
    log_builder_event_over(builder, 3, CVS_EV_IPL, ALG_SHA384, "ls", 2, "grub_cmd: ls", 13);
    bytes = log_builder_end(builder);
    log = cvs_event_log_parse(bytes, CVS_EVENT_LOG_AUTO, &error);
    g_assert_no_error(error);
    json = cvs_event_log_to_json(log);
    g_assert_cmpstr(json_string_value(json_object_get(json, "format")), ==, "cc");
    g_assert_cmpuint(json_object_size(json_object_get(json_object_get(json, "registers"), "rtmr")),
                     ==, 2);
    event = json_array_get(json_object_get(json, "events"), 0);
    g_assert_cmpstr(json_string_value(json_object_get(event, "extends")), ==, "rtmr1");
    g_assert_cmpstr(json_string_value(json_object_get(event, "type_name")), ==, "EV_EFI_ACTION");
    g_assert_cmpstr(json_string_value(json_object_get(event, "authenticated")), ==, "all");
    event = json_array_get(json_object_get(json, "events"), 1);
    g_assert_cmpstr(json_string_value(json_object_get(event, "authenticated")), ==, "part");
    g_assert_cmpint(json_integer_value(json_object_get(event, "authenticated_offset")), ==, 10);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tee/eventlog/describe/text", test_describe);
    g_test_add_func("/tee/eventlog/describe/json", test_json);
    return g_test_run();
}
