/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who may do what: every method of the interface as an unprivileged user, users apart from each
 * other, and what polkit lets through. */
#include "bed.h"

#include <string.h>
#include <unistd.h>

static Bed *bed;

/* A value for an argument of the interface; a descriptor is number 0 of the message. */
static GVariant *
argument_for(const GDBusArgInfo *arg, const char *options)
{
    if (g_str_equal(arg->signature, "s"))
        return g_variant_new_string("victim");
    if (g_str_equal(arg->signature, "h"))
        return g_variant_new_handle(0);
    if (g_str_equal(arg->signature, "u"))
        return g_variant_new_uint32(32);
    if (g_str_equal(arg->signature, "ay"))
        return g_variant_new_bytestring("nonce");
    g_assert_cmpstr(arg->signature, ==, "a{sv}");
    return bed_options(options);
}

static TestReply *
call_any(GDBusConnection *who, const GDBusMethodInfo *method, const char *options)
{
    GVariantBuilder arguments;
    TestReply *reply = NULL;
    int fd = bed_pipe("secret", 6);

    g_variant_builder_init(&arguments, G_VARIANT_TYPE_TUPLE);
    for (guint i = 0; method->in_args[i]; i++)
        g_variant_builder_add_value(&arguments, argument_for(method->in_args[i], options));
    reply = test_call(who, method->name, g_variant_builder_end(&arguments), &fd, 1);
    close(fd);
    return reply;
}

static GDBusNodeInfo *
introspect(GDBusConnection *who)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = g_dbus_connection_call_sync(
        who, "org.cvmseal1", "/org/cvmseal1", "org.freedesktop.DBus.Introspectable", "Introspect",
        NULL, G_VARIANT_TYPE("(s)"), G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
    const char *xml = NULL;
    GDBusNodeInfo *node = NULL;

    g_assert_no_error(error);
    g_variant_get(reply, "(&s)", &xml);
    node = g_dbus_node_info_new_for_xml(xml, &error);
    g_assert_no_error(error);
    return node;
}

/* What an unprivileged user may do without being the owner of anything. Whoever adds a method has
 * to come here and say so. */
static gboolean
is_for_anybody(const char *method)
{
    return g_str_equal(method, "Status");
}

/* Of the machine, not of a key that belongs to somebody. */
static gboolean
has_no_owner(const char *method)
{
    return g_str_equal(method, "Attest") || g_str_equal(method, "Refresh");
}

static void
test_default_deny(void)
{
    static const char *const owners[] = {
        "{'owner': <'system'>}",           "{'owner': <'uid:1'>}", "{'owner': <'uid:0'>}",
        "{'owner': <'unit:foo.service'>}", "{'owner': <'unit'>}",
    };
    g_autoptr(GDBusNodeInfo) node = introspect(bed->bob);
    GDBusInterfaceInfo *interface = g_dbus_node_info_lookup_interface(node, "org.cvmseal1.Manager");
    guint refused = 0;

    g_assert_nonnull(interface);
    bed_assert_sealed(bed->alice, "victim", "secret", 6, NULL);
    for (guint m = 0; interface->methods[m]; m++) {
        const GDBusMethodInfo *method = interface->methods[m];

        for (gsize o = 0; o < G_N_ELEMENTS(owners); o++) {
            g_autoptr(TestReply) reply = NULL;

            g_test_message("%s %s", method->name, owners[o]);
            if (is_for_anybody(method->name))
                continue;
            reply = call_any(bed->bob, method, has_no_owner(method->name) ? "{}" : owners[o]);
            g_assert_cmpstr(reply->error, ==, "NotAuthorized");
            refused++;
        }
    }
    g_assert_cmpuint(refused, >=, 10 * G_N_ELEMENTS(owners));
    g_assert_cmpuint(g_strv_length((char **)interface->properties), ==, 7);
    /* Nothing of it was done. */
    bed_assert_opens(bed->alice, "victim", "secret", 6, NULL);
    bed_assert_error(bed_unseal(bed->root, "victim", "{'owner': <'system'>}"), "NoSuchKey");
}

static void
test_other_interfaces(void)
{
    static const struct {
        const char *interface;
        const char *method;
    } cases[] = {
        {"org.cvmseal1.Manager", "Nothing"},
        {"org.cvmseal1.Other", "Seal"},
        {"org.freedesktop.DBus.ObjectManager", "GetManagedObjects"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) reply = g_dbus_connection_call_sync(
            bed->bob, "org.cvmseal1", "/org/cvmseal1", cases[i].interface, cases[i].method, NULL,
            NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);

        g_assert_null(reply);
        g_assert_nonnull(error);
    }
}

static void
test_properties(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = g_dbus_connection_call_sync(
        bed->bob, "org.cvmseal1", "/org/cvmseal1", "org.freedesktop.DBus.Properties", "GetAll",
        g_variant_new("(s)", "org.cvmseal1.Manager"), G_VARIANT_TYPE("(a{sv})"),
        G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
    g_autoptr(GVariant) set = NULL;
    g_autoptr(GVariant) all = NULL;

    g_assert_no_error(error);
    all = g_variant_get_child_value(reply, 0);
    g_assert_cmpuint(g_variant_n_children(all), ==, 7);
    g_assert_true(g_variant_lookup(all, "Version", "&s", NULL));
    set = g_dbus_connection_call_sync(
        bed->root, "org.cvmseal1", "/org/cvmseal1", "org.freedesktop.DBus.Properties", "Set",
        g_variant_new("(ssv)", "org.cvmseal1.Manager", "Version", g_variant_new_string("9")), NULL,
        G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
    g_assert_null(set);
    g_assert_nonnull(error);
}

static guint
count_keys(GDBusConnection *who, const char *options)
{
    g_autoptr(TestReply) reply =
        test_call(who, "List", g_variant_new("(@a{sv})", bed_options(options)), NULL, 0);
    g_autoptr(GVariant) keys = NULL;

    g_assert_cmpstr(reply->error, ==, NULL);
    keys = g_variant_get_child_value(reply->body, 0);
    return (guint)g_variant_n_children(keys);
}

/* The same name is another key for each user. */
static void
test_users_apart(void)
{
    bed_assert_sealed(bed->alice, "shared-name", "alice", 5, NULL);
    bed_assert_error(bed_unseal(bed->bob, "shared-name", NULL), "NoSuchKey");
    bed_assert_sealed(bed->bob, "shared-name", "bob", 3, NULL);
    bed_assert_opens(bed->alice, "shared-name", "alice", 5, "{'owner': <'self'>}");
    bed_assert_opens(bed->alice, "shared-name", "alice", 5, "{'owner': <'uid:1'>}");
    bed_assert_opens(bed->bob, "shared-name", "bob", 3, NULL);
    g_assert_cmpuint(count_keys(bed->bob, NULL), ==, 1);
    bed_assert_error(test_call(bed->bob, "List",
                               g_variant_new("(@a{sv})", bed_options("{'all': <true>}")), NULL, 0),
                     "NotAuthorized");
}

/* This bus gives no pidfd, so nobody is a unit. */
static void
test_unit(void)
{
    bed_assert_error(bed_seal(bed->alice, "u", "x", 1, "{'owner': <'unit'>}"), "NotAuthorized");
    bed_assert_error(bed_seal(bed->alice, "u", "x", 1, "{'owner': <'unit:../x.service'>}"),
                     "InvalidArgument");
    bed_assert_error(bed_seal(bed->alice, "u", "x", 1, "{'owner': <'somebody'>}"),
                     "InvalidArgument");
}

static void
test_root(void)
{
    bed_assert_sealed(bed->root, "of-system", "s", 1, "{'owner': <'system'>}");
    bed_assert_opens(bed->root, "of-system", "s", 1, "{'owner': <'system'>}");
    bed_assert_error(bed_unseal(bed->root, "of-system", NULL), "NoSuchKey");
    bed_assert_error(bed_unseal(bed->alice, "of-system", "{'owner': <'system'>}"), "NotAuthorized");
    g_assert_cmpuint(count_keys(bed->root, "{'all': <true>}"), >=, 1);
}

static void
test_polkit(void)
{
    g_autofree char *record = NULL;

    bed_assert_sealed(bed->admin, "by-admin", "s", 1, "{'owner': <'system'>}");
    bed_assert_opens(bed->admin, "by-admin", "s", 1, "{'owner': <'system'>}");
    bed_assert_sealed(bed->admin, "for-web", "w", 1, "{'owner': <'unit:web.service'>}");
    bed_assert_opens(bed->admin, "for-web", "w", 1, "{'owner': <'unit:web.service'>}");
    bed_assert_sealed(bed->alice, "own", "a", 1, NULL);
    bed_assert_opens(bed->admin, "own", "a", 1, "{'owner': <'uid:1'>}");
    g_assert_cmpuint(count_keys(bed->admin, "{'all': <true>}"), >=, 3);
    bed_assert_error(bed_unseal(bed->bob, "by-admin", "{'owner': <'system'>}"), "NotAuthorized");
    record = bed_wait_record(bed, "CVMSEAL_METHOD=Unseal", "CVMSEAL_KEY=by-admin",
                             "CVMSEAL_OWNER=system", "CVMSEAL_CALLER_UID=2",
                             "CVMSEAL_ERROR=NotAuthorized", NULL);
    g_assert_nonnull(record);
}

static TestReply *
list_of_system(GDBusConnection *who, gboolean interactive)
{
    g_autoptr(GDBusMessage) call = g_dbus_message_new_method_call("org.cvmseal1", "/org/cvmseal1",
                                                                  "org.cvmseal1.Manager", "List");
    g_autoptr(GDBusMessage) answer = NULL;
    g_autoptr(GError) error = NULL;

    g_dbus_message_set_body(
        call, g_variant_new("(@a{sv})", bed_options("{'owner': <'system'>, 'reasons': <true>}")));
    if (interactive)
        g_dbus_message_set_flags(call, G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION);
    answer = g_dbus_connection_send_message_with_reply_sync(
        who, call, G_DBUS_SEND_MESSAGE_FLAGS_NONE, 60000, NULL, NULL, &error);
    g_assert_no_error(error);
    return test_reply_from_message(answer);
}

/* The remedy is one that helps: who has allowed questions already is not told to allow them. */
static void
test_password(void)
{
    g_autoptr(GDBusConnection) asked = test_bus_connect(bed->bus, ASKED);
    g_autoptr(TestReply) silent = list_of_system(asked, FALSE);
    g_autoptr(TestReply) interactive = list_of_system(asked, TRUE);

    g_assert_cmpstr(silent->error, ==, "NotAuthorized");
    g_assert_nonnull(strstr(silent->message, "allow interactive authorization"));
    g_assert_cmpstr(interactive->error, ==, "NotAuthorized");
    g_assert_null(strstr(interactive->message, "allow interactive authorization"));
    g_assert_nonnull(strstr(interactive->message, "pkttyagent"));
    g_dbus_connection_close_sync(asked, NULL, NULL);
}

/* Nobody to ask means no. */
static void
test_no_polkit(void)
{
    g_autoptr(TestReply) reply = bed_unseal(bed->admin, "x", "{'owner': <'system'>}");

    g_assert_cmpstr(reply->error, ==, "NotAuthorized");
    g_assert_nonnull(strstr(reply->message, "could not be asked"));
}

int
main(int argc, char **argv)
{
    gboolean polkit = FALSE;
    int status = 0;

    g_test_init(&argc, &argv, NULL);
    polkit = argc > 1 && g_str_equal(argv[1], "polkit");
    bed = bed_new(NULL, polkit);
    if (bed == NULL)
        return 0;
    g_test_add_func("/service/access/default-deny", test_default_deny);
    g_test_add_func("/service/access/other-interfaces", test_other_interfaces);
    g_test_add_func("/service/access/properties", test_properties);
    g_test_add_func("/service/access/users-apart", test_users_apart);
    g_test_add_func("/service/access/unit", test_unit);
    g_test_add_func("/service/access/root", test_root);
    if (polkit) {
        g_test_add_func("/service/access/polkit", test_polkit);
        g_test_add_func("/service/access/password", test_password);
    } else {
        g_test_add_func("/service/access/no-polkit", test_no_polkit);
    }
    status = g_test_run();
    bed_free(bed);
    return status;
}
