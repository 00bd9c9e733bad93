/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a real message bus makes of dbus/org.cvmseal1.conf: two connections, one of root's and one
 * of another uid's, the latter in a process of its own, which is this program again. */

#define _GNU_SOURCE
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <grp.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME "org.cvmseal1"
#define NOBODY 65534
#define DENIED "org.freedesktop.DBus.Error.AccessDenied"

/* What the system bus of every distribution starts from. */
static const char config[] =
    "<!DOCTYPE busconfig PUBLIC \"-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN\""
    " \"http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd\">"
    "<busconfig><type>system</type><listen>unix:path=%s/bus</listen><auth>EXTERNAL</auth>"
    "<policy context=\"default\"><allow user=\"*\"/><deny own=\"*\"/>"
    "<deny send_type=\"method_call\"/><allow send_type=\"signal\"/>"
    "<allow send_requested_reply=\"true\" send_type=\"method_return\"/>"
    "<allow send_requested_reply=\"true\" send_type=\"error\"/>"
    "<allow receive_type=\"method_call\"/><allow receive_type=\"method_return\"/>"
    "<allow receive_type=\"error\"/><allow receive_type=\"signal\"/>"
    "<allow send_destination=\"org.freedesktop.DBus\""
    " send_interface=\"org.freedesktop.DBus\"/></policy>"
    "<include>%s/dbus/org.cvmseal1.conf</include></busconfig>";

static GDBusConnection *
connect_to(const char *address)
{
    g_autoptr(GError) error = NULL;
    GDBusConnection *connection =
        g_dbus_connection_new_for_address_sync(address,
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                   G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, &error);

    g_assert_no_error(error);
    return connection;
}

/* The name of the error that a call ends with, "" if it ends well. */
static char *
outcome(GDBusConnection *connection, const char *destination, const char *interface,
        const char *member, GVariant *parameters)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDBusMessage) message =
        g_dbus_message_new_method_call(destination, "/org/cvmseal1", interface, member);
    g_autoptr(GDBusMessage) reply = NULL;

    if (parameters)
        g_dbus_message_set_body(message, parameters);
    reply = g_dbus_connection_send_message_with_reply_sync(
        connection, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, 20000, NULL, NULL, &error);
    g_assert_no_error(error);
    return g_strdup(g_dbus_message_get_error_name(reply) ? g_dbus_message_get_error_name(reply)
                                                         : "");
}

static const struct {
    const char *interface;
    const char *member;
    gboolean delivered;
} calls[] = {
    {"org.cvmseal1.Manager", "Status", TRUE},
    {"org.freedesktop.DBus.Introspectable", "Introspect", TRUE},
    {"org.freedesktop.DBus.Peer", "Ping", TRUE},
    {"org.freedesktop.DBus.Properties", "GetAll", TRUE},
    {"org.freedesktop.DBus.ObjectManager", "GetManagedObjects", FALSE},
    {"org.cvmseal1.Debug", "Status", FALSE},
    {"org.cvmseal1", "Status", FALSE},
};

/* The other uid's process: one line for the request of the name, one for each call. */
static int
be_nobody(const char *address)
{
    g_autoptr(GDBusConnection) connection = NULL;

    if (setgroups(0, NULL) < 0 || setresgid(NOBODY, NOBODY, NOBODY) < 0 ||
        setresuid(NOBODY, NOBODY, NOBODY) < 0)
        return 1;
    connection = connect_to(address);
    {
        g_autofree char *error = outcome(connection, "org.freedesktop.DBus", "org.freedesktop.DBus",
                                         "RequestName", g_variant_new("(su)", NAME, 4));

        g_print("%s\n", error);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(calls); i++) {
        g_autofree char *error =
            outcome(connection, NAME, calls[i].interface, calls[i].member, NULL);

        g_print("%s\n", error);
    }
    return 0;
}

typedef struct {
    char *folder;
    char *file;
    char *address;
    GSubprocess *bus;
    GDBusConnection *root;
} Bus;

static void
bus_set_up(Bus *bus, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GDataInputStream) lines = NULL;
    g_autofree char *text = NULL;
    g_autofree char *argument = NULL;

    if (geteuid() != 0)
        return;
    bus->folder = g_dir_make_tmp("cvmseal-bus-XXXXXX", &error);
    g_assert_no_error(error);
    g_assert_cmpint(chmod(bus->folder, 0755), ==, 0);
    bus->file = g_build_filename(bus->folder, "bus.conf", NULL);
    text = g_strdup_printf(config, bus->folder, g_getenv("CVS_SOURCE_ROOT"));
    g_assert_true(g_file_set_contents(bus->file, text, -1, &error));

    argument = g_strconcat("--config-file=", bus->file, NULL);
    bus->bus = g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, "dbus-daemon", argument,
                                "--nofork", "--nopidfile", "--print-address", NULL);
    g_assert_no_error(error);
    lines = g_data_input_stream_new(g_subprocess_get_stdout_pipe(bus->bus));
    bus->address = g_data_input_stream_read_line(lines, NULL, NULL, &error);
    g_assert_no_error(error);
    g_assert_nonnull(bus->address);
    bus->root = connect_to(bus->address);
}

static void
bus_tear_down(Bus *bus, gconstpointer data)
{
    g_clear_object(&bus->root);
    if (bus->bus) {
        g_subprocess_force_exit(bus->bus);
        (void)g_subprocess_wait(bus->bus, NULL, NULL);
        g_clear_object(&bus->bus);
    }
    if (bus->folder) {
        g_autofree char *socket = g_build_filename(bus->folder, "bus", NULL);

        (void)g_remove(socket);
        (void)g_remove(bus->file);
        (void)g_rmdir(bus->folder);
    }
    g_free(bus->folder);
    g_free(bus->file);
    g_free(bus->address);
}

static void
test_policy(Bus *bus, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GSubprocess) nobody = NULL;
    g_autoptr(GVariant) reply = NULL;
    g_autofree char *output = NULL;
    g_auto(GStrv) lines = NULL;
    guint32 owned;

    if (bus->root == NULL) {
        g_test_skip("needs root, to be two uids");
        return;
    }
    reply = g_dbus_connection_call_sync(bus->root, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                        "org.freedesktop.DBus", "RequestName",
                                        g_variant_new("(su)", NAME, 4), G_VARIANT_TYPE("(u)"), 0,
                                        20000, NULL, &error);
    g_assert_no_error(error);
    g_variant_get(reply, "(u)", &owned);
    g_assert_cmpuint(owned, ==, 1);

    nobody = g_subprocess_new(G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, "/proc/self/exe",
                              "--be-nobody", bus->address, NULL);
    g_assert_no_error(error);
    g_assert_true(g_subprocess_communicate_utf8(nobody, NULL, NULL, &output, NULL, &error));
    g_assert_no_error(error);
    g_assert_true(g_subprocess_get_successful(nobody));

    lines = g_strsplit(output, "\n", -1);
    g_assert_cmpuint(g_strv_length(lines), ==, 1 + G_N_ELEMENTS(calls) + 1);
    g_assert_cmpstr(lines[0], ==, DENIED);
    for (gsize i = 0; i < G_N_ELEMENTS(calls); i++) {
        g_test_message("%s.%s: \"%s\"", calls[i].interface, calls[i].member, lines[i + 1]);
        /* What is delivered ends with an answer of the owner, which knows none of the methods. */
        if (calls[i].delivered)
            g_assert_cmpstr(lines[i + 1], !=, DENIED);
        else
            g_assert_cmpstr(lines[i + 1], ==, DENIED);
    }
}

int
main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--be-nobody") == 0)
        return be_nobody(argv[2]);
    g_test_init(&argc, &argv, NULL);
    g_test_add("/bus/policy", Bus, NULL, bus_set_up, test_policy, bus_tear_down);
    return g_test_run();
}
