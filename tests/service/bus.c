/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus.h"
#include "base/file.h"

#include <gio/gunixfdlist.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define POLKITD "/usr/lib/polkit-1/polkitd"
#define POLKIT_POLICY "/usr/share/dbus-1/system.d/org.freedesktop.PolicyKit1.conf"
#define CALL_TIMEOUT_MS 60000

struct _TestBus {
    char *dir;
    char *address;
    pid_t daemon;
    pid_t polkit;
};

const char *
test_bus_missing(gboolean with_polkit)
{
    g_autofree char *daemon = g_find_program_in_path("dbus-daemon");

    if (geteuid() != 0)
        return "needs root: the bus tells users apart by their uids";
    if (daemon == NULL)
        return "dbus-daemon is not installed";
    if (with_polkit && access(POLKITD, X_OK) != 0)
        return "polkitd is not installed";
    return NULL;
}

static void
write_file(const char *dir, const char *name, const char *text)
{
    g_autofree char *path = g_build_filename(dir, name, NULL);
    g_autoptr(GError) error = NULL;

    g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
    g_assert_cmpint(chmod(path, 0644), ==, 0);
}

static char *
make_dir(const char *dir, const char *name)
{
    char *path = g_build_filename(dir, name, NULL);

    g_assert_cmpint(mkdir(path, 0755), ==, 0);
    g_assert_cmpint(chmod(path, 0755), ==, 0);
    return path;
}

static void
stop_child(pid_t *pid)
{
    if (*pid > 0) {
        kill(*pid, SIGTERM);
        waitpid(*pid, NULL, 0);
    }
    *pid = 0;
}

/* Forks a child that ends with us. */
static pid_t
fork_child(void)
{
    pid_t pid = fork();

    g_assert_cmpint(pid, >=, 0);
    if (pid == 0)
        prctl(PR_SET_PDEATHSIG, SIGKILL);
    return pid;
}

static void
write_config(TestBus *bus)
{
    const char *root = g_getenv("CVS_SOURCE_ROOT");
    g_autofree char *text = g_strdup_printf(
        "<busconfig>"
        "<type>system</type><listen>unix:path=%s/bus</listen><auth>EXTERNAL</auth>"
        "<policy context=\"default\"><allow user=\"*\"/><deny own=\"*\"/>"
        "<deny send_type=\"method_call\"/><allow send_type=\"signal\"/>"
        "<allow send_requested_reply=\"true\" send_type=\"method_return\"/>"
        "<allow send_requested_reply=\"true\" send_type=\"error\"/>"
        "<allow receive_type=\"method_call\"/><allow receive_type=\"method_return\"/>"
        "<allow receive_type=\"error\"/><allow receive_type=\"signal\"/>"
        "<allow send_destination=\"org.freedesktop.DBus\"/></policy>"
        /* So that a test can call by the unique name, after the other one was given up. */
        "<policy user=\"root\"><allow send_interface=\"org.cvmseal1.Manager\"/></policy>"
        "<include ignore_missing=\"yes\">" POLKIT_POLICY "</include>"
        "<include>%s/dbus/org.cvmseal1.conf</include>"
        "</busconfig>",
        bus->dir, root);

    write_file(bus->dir, "bus.conf", text);
}

TestBus *
test_bus_new(const char *dir)
{
    TestBus *bus = g_new0(TestBus, 1);
    g_autofree char *config = g_build_filename(dir, "bus.conf", NULL);
    g_autofree char *line = g_malloc0(1024);
    int ends[2] = {-1, -1};

    bus->dir = g_strdup(dir);
    write_config(bus);
    g_assert_cmpint(pipe(ends), ==, 0);
    bus->daemon = fork_child();
    if (bus->daemon == 0) {
        g_autofree char *print = g_strdup_printf("--print-address=%d", ends[1]);
        g_autofree char *file = g_strdup_printf("--config-file=%s", config);

        close(ends[0]);
        execlp("dbus-daemon", "dbus-daemon", file, "--nofork", "--nopidfile", "--nosyslog", print,
               NULL);
        _exit(127);
    }
    close(ends[1]);
    g_assert_cmpint(read(ends[0], line, 1023), >, 0);
    close(ends[0]);
    bus->address = g_strdup(g_strchomp(line));
    g_assert_true(g_str_has_prefix(bus->address, "unix:path="));
    return bus;
}

void
test_bus_stop(TestBus *bus)
{
    stop_child(&bus->daemon);
}

void
test_bus_free(TestBus *bus)
{
    stop_child(&bus->polkit);
    stop_child(&bus->daemon);
    g_free(bus->address);
    g_free(bus->dir);
    g_free(bus);
}

const char *
test_bus_address(TestBus *bus)
{
    return bus->address;
}

static void
lay_over(const char *what, const char *where)
{
    if (access(where, F_OK) == 0 && mount(what, where, NULL, MS_BIND, NULL) < 0)
        _exit(126);
}

void
test_bus_start_polkit(TestBus *bus, const char *rules)
{
    const char *root = g_getenv("CVS_SOURCE_ROOT");
    g_autofree char *actions = make_dir(bus->dir, "actions");
    g_autofree char *rules_dir = make_dir(bus->dir, "rules.d");
    g_autofree char *empty = make_dir(bus->dir, "empty");
    g_autofree char *policy = g_build_filename(root, "dbus", "org.cvmseal1.policy", NULL);
    g_autofree char *text = NULL;

    g_assert_true(g_file_get_contents(policy, &text, NULL, NULL));
    write_file(actions, "org.cvmseal1.policy", text);
    write_file(rules_dir, "50-test.rules", rules);
    bus->polkit = fork_child();
    if (bus->polkit == 0) {
        if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
            _exit(126);
        lay_over(actions, "/usr/share/polkit-1/actions");
        lay_over(rules_dir, "/etc/polkit-1/rules.d");
        lay_over(empty, "/usr/share/polkit-1/rules.d");
        setenv("DBUS_SYSTEM_BUS_ADDRESS", bus->address, 1);
        execl(POLKITD, POLKITD, "--no-debug", NULL);
        _exit(127);
    }
    test_bus_wait_name(bus, "org.freedesktop.PolicyKit1", FALSE);
}

/* Of this thread alone; seteuid() would change all of them, and interrupt what they wait for. */
static void
become(uid_t uid)
{
    g_assert_cmpint(syscall(SYS_setresuid, -1, uid, -1), ==, 0);
}

/* The bus takes the uid from the socket at the moment of connect(). */
GDBusConnection *
test_bus_connect(TestBus *bus, uid_t uid)
{
    g_autoptr(GError) error = NULL;
    GDBusConnection *connection = NULL;

    become(uid);
    connection =
        g_dbus_connection_new_for_address_sync(bus->address,
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                   G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, &error);
    become(0);
    g_assert_no_error(error);
    g_dbus_connection_set_exit_on_close(connection, FALSE);
    return connection;
}

typedef struct {
    gboolean known;
    gboolean owned;
} NameState;

static void
on_appeared(GDBusConnection *connection, const char *name, const char *owner, gpointer data)
{
    *(NameState *)data = (NameState){TRUE, TRUE};
}

static void
on_vanished(GDBusConnection *connection, const char *name, gpointer data)
{
    *(NameState *)data = (NameState){TRUE, FALSE};
}

void
test_bus_wait_name(TestBus *bus, const char *name, gboolean gone)
{
    g_autoptr(GDBusConnection) connection = test_bus_connect(bus, 0);
    NameState state = {0};
    guint watch = g_bus_watch_name_on_connection(connection, name, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                                 on_appeared, on_vanished, &state, NULL);

    while (!state.known || state.owned == gone)
        g_main_context_iteration(NULL, TRUE);
    g_bus_unwatch_name(watch);
    g_dbus_connection_close_sync(connection, NULL, NULL);
}

void
test_reply_free(TestReply *reply)
{
    if (reply == NULL)
        return;
    g_clear_pointer(&reply->body, g_variant_unref);
    g_clear_object(&reply->fds);
    g_free(reply->error);
    g_free(reply->message);
    g_clear_pointer(&reply->reasons, g_variant_unref);
    g_free(reply);
}

TestReply *
test_reply_from_message(GDBusMessage *message)
{
    TestReply *reply = g_new0(TestReply, 1);
    GVariant *body = g_dbus_message_get_body(message);
    const char *name = g_dbus_message_get_error_name(message);

    if (name == NULL) {
        reply->body = body ? g_variant_ref(body) : g_variant_ref_sink(g_variant_new("()"));
        if (g_dbus_message_get_unix_fd_list(message))
            reply->fds = g_object_ref(g_dbus_message_get_unix_fd_list(message));
        return reply;
    }
    reply->error = g_strdup(g_str_has_prefix(name, "org.cvmseal1.Error.")
                                ? name + strlen("org.cvmseal1.Error.")
                                : name);
    if (body && g_variant_is_of_type(body, G_VARIANT_TYPE("(sa(ssss))")))
        g_variant_get(body, "(s@a(ssss))", &reply->message, &reply->reasons);
    else if (body && g_variant_is_of_type(body, G_VARIANT_TYPE("(s)")))
        g_variant_get(body, "(s)", &reply->message);
    return reply;
}

struct _TestPending {
    GDBusMessage *reply;
    GError *error;
    gboolean done;
    guint order;
};

static void
on_reply(GObject *source, GAsyncResult *result, gpointer data)
{
    static guint answers;
    TestPending *pending = data;

    pending->order = ++answers;
    pending->reply = g_dbus_connection_send_message_with_reply_finish(G_DBUS_CONNECTION(source),
                                                                      result, &pending->error);
    pending->done = TRUE;
}

TestPending *
test_call_begin(GDBusConnection *connection, const char *method, GVariant *arguments,
                const int *fds, int n_fds)
{
    TestPending *pending = g_new0(TestPending, 1);
    g_autoptr(GDBusMessage) call = g_dbus_message_new_method_call("org.cvmseal1", "/org/cvmseal1",
                                                                  "org.cvmseal1.Manager", method);
    g_autoptr(GUnixFDList) list = NULL;

    g_dbus_message_set_body(call, arguments);
    if (n_fds > 0) {
        list = g_unix_fd_list_new();
        for (int i = 0; i < n_fds; i++)
            g_assert_cmpint(g_unix_fd_list_append(list, fds[i], NULL), ==, i);
        g_dbus_message_set_unix_fd_list(call, list);
    }
    g_dbus_connection_send_message_with_reply(connection, call, G_DBUS_SEND_MESSAGE_FLAGS_NONE,
                                              CALL_TIMEOUT_MS, NULL, NULL, on_reply, pending);
    return pending;
}

gboolean
test_call_is_done(TestPending *pending)
{
    while (g_main_context_iteration(NULL, FALSE))
        ;
    return pending->done;
}

TestReply *
test_call_finish(TestPending *pending)
{
    TestReply *reply = NULL;

    while (!pending->done)
        g_main_context_iteration(NULL, TRUE);
    g_assert_no_error(pending->error);
    reply = test_reply_from_message(pending->reply);
    g_object_unref(pending->reply);
    g_free(pending);
    return reply;
}

guint
test_call_order(const TestPending *pending)
{
    g_assert_true(pending->done);
    return pending->order;
}

void
test_call_abandon(TestPending *pending)
{
    while (!pending->done)
        g_main_context_iteration(NULL, TRUE);
    g_clear_error(&pending->error);
    g_clear_object(&pending->reply);
    g_free(pending);
}

TestReply *
test_call(GDBusConnection *connection, const char *method, GVariant *arguments, const int *fds,
          int n_fds)
{
    return test_call_finish(test_call_begin(connection, method, arguments, fds, n_fds));
}
