/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "ctl/dbus-error.h"

#include <string.h>

static GVariant *
ours(const char *message)
{
    GVariantBuilder reasons;

    g_variant_builder_init(&reasons, G_VARIANT_TYPE("a(ssss)"));
    g_variant_builder_add(&reasons, "(ssss)", "PcrDiffers", "PCR 7 differs", "aa", "bb");
    g_variant_builder_add(&reasons, "(ssss)", "PcrZero", "100%s", "", "");
    return g_variant_ref_sink(g_variant_new("(sa(ssss))", message, &reasons));
}

/* Every error of the table comes back as itself, with its reasons. */
static void
test_ours(void)
{
    for (int code = 0; code < CVS_N_ERRORS; code++) {
        g_autofree char *name = g_strconcat(CVS_DBUS_ERROR_PREFIX, cvs_error_name(code), NULL);
        g_autoptr(GVariant) body = ours("a message");
        g_autoptr(GError) error = NULL;
        const GPtrArray *reasons = NULL;
        const CvsReason *reason = NULL;

        cvs_dbus_error_from_message(name, body, &error);
        g_assert_error(error, CVS_ERROR, code);
        g_assert_cmpstr(error->message, ==, "a message");
        reasons = cvs_error_get_reasons(error);
        g_assert_cmpuint(reasons->len, ==, 2);
        reason = g_ptr_array_index(reasons, 0);
        g_assert_cmpstr(reason->code, ==, "PcrDiffers");
        g_assert_cmpstr(reason->detail, ==, "PCR 7 differs");
        g_assert_cmpstr(reason->seen, ==, "aa");
        g_assert_cmpstr(reason->wanted, ==, "bb");
        reason = g_ptr_array_index(reasons, 1);
        g_assert_cmpstr(reason->detail, ==, "100%s");
    }
}

/* Bodies that are not as agreed lose their reasons, never the error. */
static void
test_odd_bodies(void)
{
    static const char *const bodies[] = {"()", "('text',)", "('text', 'more')", "(7,)",
                                         "('text', [('a', 'b')])"};

    for (gsize i = 0; i < G_N_ELEMENTS(bodies); i++) {
        g_autoptr(GVariant) body = g_variant_parse(NULL, bodies[i], NULL, NULL, NULL);
        g_autoptr(GError) error = NULL;

        cvs_dbus_error_from_message(CVS_DBUS_ERROR_PREFIX "Busy", body, &error);
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BUSY);
        g_assert_cmpuint(cvs_error_get_reasons(error)->len, ==, 0);
    }
}

static void
test_foreign(void)
{
    static const struct {
        const char *name;
        int code;
        gboolean no_daemon;
    } cases[] = {
        {CVS_DBUS_ERROR_PREFIX "FromTheFuture", CVS_ERROR_FAILED, FALSE},
        {"org.freedesktop.DBus.Error.ServiceUnknown", CVS_ERROR_FAILED, TRUE},
        {"org.freedesktop.DBus.Error.NameHasNoOwner", CVS_ERROR_FAILED, TRUE},
        {"org.freedesktop.DBus.Error.Spawn.ChildExited", CVS_ERROR_FAILED, TRUE},
        {"org.freedesktop.systemd1.NoSuchUnit", CVS_ERROR_FAILED, TRUE},
        {"org.freedesktop.DBus.Error.NoReply", CVS_ERROR_FAILED, FALSE},
        {"org.freedesktop.DBus.Error.AccessDenied", CVS_ERROR_NOT_AUTHORIZED, FALSE},
        {"org.freedesktop.DBus.Error.UnknownMethod", CVS_ERROR_NOT_SUPPORTED, FALSE},
        {"org.freedesktop.DBus.Error.LimitsExceeded", CVS_ERROR_BUSY, FALSE},
        {"org.example.Error", CVS_ERROR_FAILED, FALSE},
        {NULL, CVS_ERROR_FAILED, FALSE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GVariant) body = g_variant_ref_sink(g_variant_new("(s)", "why"));
        g_autoptr(GError) error = NULL;

        cvs_dbus_error_from_message(cases[i].name, body, &error);
        g_assert_error(error, CVS_ERROR, cases[i].code);
        g_assert_nonnull(strstr(error->message, "why"));
        g_assert_cmpint(cvs_dbus_error_is_no_daemon(error), ==, cases[i].no_daemon);
    }
}

static void
test_gio(void)
{
    g_autoptr(GError) late = g_error_new(G_IO_ERROR, G_IO_ERROR_TIMED_OUT, "x");
    g_autoptr(GError) closed = g_error_new(G_IO_ERROR, G_IO_ERROR_CLOSED, "x");
    g_autoptr(GError) other = g_error_new(G_IO_ERROR, G_IO_ERROR_FAILED, "something");
    g_autoptr(GError) a = NULL;
    g_autoptr(GError) b = NULL;
    g_autoptr(GError) c = NULL;

    cvs_dbus_error_from_gio(late, &a);
    g_assert_error(a, CVS_ERROR, CVS_ERROR_FAILED);
    g_assert_nonnull(strstr(a->message, "does not answer"));
    cvs_dbus_error_from_gio(closed, &b);
    g_assert_nonnull(strstr(b->message, "ended the connection"));
    cvs_dbus_error_from_gio(other, &c);
    g_assert_nonnull(strstr(c->message, "something"));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/dbus-error/ours", test_ours);
    g_test_add_func("/dbus-error/odd-bodies", test_odd_bodies);
    g_test_add_func("/dbus-error/foreign", test_foreign);
    g_test_add_func("/dbus-error/gio", test_gio);
    return g_test_run();
}
