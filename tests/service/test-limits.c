/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Numbers and names: requests in flight, and units by cgroup. */
#include "base/error.h"
#include "base/file.h"
#include "service/caller.h"
#include "service/hardening.h"
#include "service/requests.h"
#include "service/unit.h"

#include <gio/gunixfdlist.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void
assert_busy(CvsRequests *requests, uid_t uid)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(cvs_requests_enter(requests, uid, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BUSY);
}

static CvsPlace *
enter(CvsRequests *requests, uid_t uid)
{
    g_autoptr(GError) error = NULL;
    CvsPlace *place = cvs_requests_enter(requests, uid, &error);

    g_assert_no_error(error);
    return place;
}

static void
test_requests(void)
{
    CvsRequests *requests = cvs_requests_new(5, 2);
    CvsPlace *places[5];
    CvsPlace *root[2];

    places[0] = enter(requests, 3);
    places[1] = enter(requests, 3);
    assert_busy(requests, 3);
    places[2] = enter(requests, 1);
    places[3] = enter(requests, 1);
    places[4] = enter(requests, 2);
    /* In all; uid 2 would have one more. */
    assert_busy(requests, 2);
    g_assert_cmpuint(cvs_requests_count(requests), ==, 5);
    /* Root gets in all the same, and takes nobody's place. */
    root[0] = enter(requests, 0);
    root[1] = enter(requests, 0);
    assert_busy(requests, 0);
    cvs_place_unref(places[4]);
    places[4] = enter(requests, 2);
    g_assert_cmpuint(cvs_requests_count(requests), ==, 7);
    cvs_place_unref(root[0]);
    cvs_place_unref(root[1]);
    /* Whoever shares a place keeps it taken. */
    (void)cvs_place_ref(places[0]);
    cvs_place_unref(places[0]);
    assert_busy(requests, 3);
    cvs_place_unref(places[0]);
    assert_busy(requests, 1);
    places[0] = enter(requests, 3);
    cvs_place_unref(places[4]);
    cvs_requests_close(requests);
    assert_busy(requests, 2);
    g_assert_cmpuint(cvs_requests_count(requests), ==, 4);
    /* A thread that ends after the daemon's loop gives its place back to what is left. */
    cvs_requests_free(requests);
    for (guint i = 0; i < 4; i++)
        cvs_place_unref(places[i]);
}

static void
test_unit_of_cgroup(void)
{
    static const struct {
        const char *text;
        const char *unit;
    } cases[] = {
        {"0::/system.slice/foo.service\n", "foo.service"},
        {"0::/system.slice/foo.service", "foo.service"},
        {"12:pids:/x\n1:name=systemd:/y\n0::/system.slice/foo.service\n", "foo.service"},
        {"0::/system.slice/system-getty.slice/getty@tty1.service\n", "getty@tty1.service"},
        /* The outermost one: what is below was made by it. */
        {"0::/system.slice/outer.service/system.slice/inner.service\n", "outer.service"},
        {"0::/system.slice/outer.service/payload/x.scope\n", "outer.service"},
        {"0::/system.slice/_cpu.service\n", "cpu.service"},
        {"0::/system.slice/a\\x2db:c@d_e.service\n", "a\\x2db:c@d_e.service"},
        {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/foo.service\n", NULL},
        {"0::/system.slice/user@1000.service/foo.service\n", NULL},
        {"0::/user.slice/user-1000.slice/session-1.scope\n", NULL},
        {"0::/system.slice/docker-1234.scope\n", NULL},
        {"0::/system.slice/docker-1234.scope/system.slice/foo.service\n", NULL},
        {"0::/machine.slice/x.scope/system.slice/foo.service\n", NULL},
        {"0::/system.slice\n", NULL},
        {"0::/system.slice/\n", NULL},
        {"0::/system.slice/system-a.slice/system-a-b.slice/c.service\n", "c.service"},
        /* No slice that systemd would put there. */
        {"0::/system.slice/a.slice/c.service\n", NULL},
        {"0::/system.slice/systema.slice/c.service\n", NULL},
        {"0::/system.slice/system-a.slice/system-b-c.slice/c.service\n", NULL},
        {"0::/system.slice/system-a.slice\n", NULL},
        {"0::/system.slice/foo.service/.control\n", "foo.service"},
        {"0::/system.slice/__foo.service\n", "_foo.service"},
        {"0::/system.slice/_user@1000.service/foo.service\n", NULL},
        {"0::/system.slice/capsule@x.service/app.slice/foo.service\n", NULL},
        {"0::/capsule.slice/capsule@x.service/app.slice/foo.service\n", NULL},
        {"0::/system.slice/../system.slice/foo.service\n", NULL},
        {"0::/../../system.slice/foo.service\n", NULL},
        {"0::system.slice/foo.service\n", NULL},
        {"00::/system.slice/foo.service\n", NULL},
        {" 0::/system.slice/foo.service\n", NULL},
        {"0::/user.slice/x.scope\n0::/system.slice/foo.service\n", NULL},
        {"0:://system.slice/foo.service\n", NULL},
        {"0::/system.slice//foo.service\n", NULL},
        {"0::/system.slice/.service\n", NULL},
        {"0::/system.slice/foo.service (deleted)\n", NULL},
        {"0::/../system.slice/foo.service\n", NULL},
        {"0::/foo.service\n", NULL},
        {"0::/\n", NULL},
        {"1:name=systemd:/system.slice/foo.service\n", NULL},
        {"", NULL},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *unit = cvs_unit_from_cgroup(cases[i].text);

        g_test_message("%s", cases[i].text);
        g_assert_cmpstr(unit, ==, cases[i].unit);
    }
}

/* A child that lives until its pidfd is closed with kill_child(), and a proc of our own for it. */
typedef struct {
    pid_t pid;
    int pidfd;
    char *proc;
} Child;

static Child
child_new(const char *cgroup)
{
    Child child = {0};
    g_autofree char *dir = NULL;
    g_autofree char *file = NULL;

    child.pid = fork();
    g_assert_cmpint(child.pid, >=, 0);
    if (child.pid == 0) {
        pause();
        _exit(0);
    }
    child.pidfd = (int)syscall(SYS_pidfd_open, child.pid, 0);
    g_assert_cmpint(child.pidfd, >=, 0);
    child.proc = g_dir_make_tmp("cvs-XXXXXX", NULL);
    dir = g_strdup_printf("%s/%d", child.proc, child.pid);
    file = g_build_filename(dir, "cgroup", NULL);
    g_assert_cmpint(mkdir(dir, 0700), ==, 0);
    g_assert_true(g_file_set_contents(file, cgroup, -1, NULL));
    return child;
}

static void
child_kill(const Child *child)
{
    kill(child->pid, SIGKILL);
    g_assert_cmpint(waitid(P_PID, (id_t)child->pid, NULL, WEXITED | WNOWAIT), ==, 0);
}

static void
child_clear(Child *child)
{
    g_autofree char *dir = g_strdup_printf("%s/%d", child->proc, child->pid);
    g_autofree char *file = g_build_filename(dir, "cgroup", NULL);

    child_kill(child);
    waitpid(child->pid, NULL, 0);
    close(child->pidfd);
    g_unlink(file);
    g_rmdir(dir);
    g_rmdir(child->proc);
    g_free(child->proc);
}

static void
test_unit_of_pidfd(void)
{
    Child child = child_new("0::/system.slice/foo.service\n");
    g_autofree char *unit = NULL;
    char *none = NULL;

    g_assert_true(cvs_unit_from_pidfd(child.pidfd, child.proc, &unit));
    g_assert_cmpstr(unit, ==, "foo.service");
    g_assert_false(cvs_unit_from_pidfd(child.pidfd, "/nonexistent", &none));
    g_assert_false(cvs_unit_from_pidfd(0, child.proc, &none));
    /* Still a zombie, so the number has not gone to another; and yet it does not count any more. */
    child_kill(&child);
    g_assert_false(cvs_unit_from_pidfd(child.pidfd, child.proc, &none));
    g_assert_null(none);
    child_clear(&child);
}

static CvsCaller *
caller_from(const char *text, GUnixFDList *fds, const char *proc, GError **error)
{
    g_autoptr(GVariant) credentials = g_variant_ref_sink(g_variant_new_parsed(text, NULL));

    return cvs_caller_from_credentials(credentials, fds, proc, error);
}

static void
test_caller(void)
{
    Child child = child_new("0::/system.slice/foo.service\n");
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsCaller) with_fd = NULL;
    g_autoptr(CvsCaller) without_fd = NULL;
    g_autoptr(CvsCaller) bad_handle = NULL;

    g_assert_cmpint(g_unix_fd_list_append(fds, child.pidfd, NULL), ==, 0);
    with_fd =
        caller_from("{'UnixUserID': <uint32 7>, 'ProcessFD': <handle 0>}", fds, child.proc, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(with_fd->uid, ==, 7);
    g_assert_true(with_fd->has_pidfd);
    g_assert_cmpstr(with_fd->unit, ==, "foo.service");
    g_assert_false(with_fd->unit_unclear);

    /* A process number is not enough. */
    without_fd =
        caller_from("{'UnixUserID': <uint32 7>, 'ProcessID': <uint32 1>}", fds, child.proc, &error);
    g_assert_no_error(error);
    g_assert_false(without_fd->has_pidfd);
    g_assert_false(without_fd->unit_unclear);
    g_assert_null(without_fd->unit);

    bad_handle =
        caller_from("{'UnixUserID': <uint32 7>, 'ProcessFD': <handle 3>}", fds, child.proc, &error);
    g_assert_no_error(error);
    g_assert_null(bad_handle->unit);
    g_assert_true(bad_handle->unit_unclear);

    g_assert_null(caller_from("{'ProcessID': <uint32 1>}", NULL, child.proc, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED);
    g_clear_error(&error);
    g_assert_null(caller_from("{'UnixUserID': <uint32 4294967295>}", NULL, child.proc, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED);
    g_clear_error(&error);
    g_assert_null(caller_from("{'UnixUserID': <'0'>}", NULL, child.proc, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED);
    child_clear(&child);
}

/* A bus of one method, at the other end of a connection. */
typedef struct {
    GDBusConnection *ends[2]; /* the caller's of the bus, and the bus */
    guint n_open;
    int pidfd;
    guint asked;
} FakeBus;

static void
on_connection(GObject *source, GAsyncResult *result, gpointer data)
{
    FakeBus *bus = data;
    g_autoptr(GError) error = NULL;
    GDBusConnection *connection = g_dbus_connection_new_finish(result, &error);

    g_assert_no_error(error);
    bus->ends[g_dbus_connection_get_flags(connection) &
                      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER
                  ? 1
                  : 0] = connection;
    bus->n_open++;
}

static void
on_question(GDBusConnection *connection, const char *sender, const char *path,
            const char *interface, const char *name, GVariant *arguments,
            GDBusMethodInvocation *invocation, gpointer data)
{
    FakeBus *bus = data;
    g_autoptr(GUnixFDList) fds = g_unix_fd_list_new();

    bus->asked++;
    g_assert_cmpint(g_unix_fd_list_append(fds, bus->pidfd, NULL), ==, 0);
    g_dbus_method_invocation_return_value_with_unix_fd_list(
        invocation, g_variant_new_parsed("({'UnixUserID': <uint32 7>, 'ProcessFD': <handle 0>},)"),
        fds);
}

static void
fake_bus_init(FakeBus *bus, int pidfd)
{
    static const char xml[] =
        "<node><interface name='org.freedesktop.DBus'><method name='GetConnectionCredentials'>"
        "<arg type='s' direction='in'/><arg type='a{sv}' direction='out'/></method></interface>"
        "</node>";
    static const GDBusInterfaceVTable vtable = {.method_call = on_question};
    g_autoptr(GDBusNodeInfo) node = g_dbus_node_info_new_for_xml(xml, NULL);
    g_autofree char *guid = g_dbus_generate_guid();
    g_autoptr(GError) error = NULL;
    int fds[2] = {-1, -1};

    bus->pidfd = pidfd;
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), ==, 0);
    for (guint i = 0; i < 2; i++) {
        g_autoptr(GSocket) socket = g_socket_new_from_fd(fds[i], &error);
        g_autoptr(GSocketConnection) stream = g_socket_connection_factory_create_connection(socket);

        g_dbus_connection_new(G_IO_STREAM(stream), i == 1 ? guid : NULL,
                              i == 1 ? G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER
                                     : G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT,
                              NULL, NULL, on_connection, bus);
    }
    while (bus->n_open < 2)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpuint(g_dbus_connection_register_object(bus->ends[1], "/org/freedesktop/DBus",
                                                       node->interfaces[0], &vtable, bus, NULL,
                                                       &error),
                     !=, 0);
}

static void
on_identified(CvsCaller *caller, const GError *error, gpointer data)
{
    g_assert_no_error(error);
    *(CvsCaller **)data = cvs_caller_ref(caller);
}

static void
assert_identified(CvsCallers *callers, const char *unit)
{
    CvsCaller *caller = NULL;

    cvs_callers_identify(callers, ":1.7", on_identified, &caller);
    while (caller == NULL)
        g_main_context_iteration(NULL, TRUE);
    g_assert_cmpstr(caller->unit, ==, unit);
    cvs_caller_unref(caller);
}

/* The bus is asked once, but for a unit that could not be found out. */
static void
test_callers(void)
{
    Child child = child_new("0::/system.slice/foo.service\n");
    g_autofree char *file = g_strdup_printf("%s/%d/cgroup", child.proc, child.pid);
    g_autofree char *away = g_strconcat(file, ".away", NULL);
    g_autoptr(CvsCallers) callers = NULL;
    FakeBus bus = {0};

    fake_bus_init(&bus, child.pidfd);
    callers = cvs_callers_new(bus.ends[0], child.proc);
    g_assert_cmpint(g_rename(file, away), ==, 0);
    assert_identified(callers, NULL);
    g_assert_cmpuint(bus.asked, ==, 1);
    g_assert_cmpint(g_rename(away, file), ==, 0);
    assert_identified(callers, "foo.service");
    g_assert_cmpuint(bus.asked, ==, 2);
    assert_identified(callers, "foo.service");
    g_assert_cmpuint(bus.asked, ==, 2);
    g_clear_pointer(&callers, cvs_callers_free);
    g_object_unref(bus.ends[0]);
    g_object_unref(bus.ends[1]);
    child_clear(&child);
}

/* In a process of its own, since there is no way back. */
static void
test_hardening(void)
{
    struct rlimit core = {1, 1};
    struct sigaction pipe = {0};

    if (!g_test_subprocess()) {
        g_test_trap_subprocess(NULL, 0, G_TEST_SUBPROCESS_INHERIT_STDERR);
        g_test_trap_assert_passed();
        return;
    }
    /* Without rights to lock memory it warns, and all else holds. */
    g_log_set_always_fatal(G_LOG_LEVEL_ERROR);
    (void)cvs_hardening_apply();
    g_assert_cmpint(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0), ==, 0);
    g_assert_cmpint(getrlimit(RLIMIT_CORE, &core), ==, 0);
    g_assert_cmpuint(core.rlim_max, ==, 0);
    g_assert_cmpint(sigaction(SIGPIPE, NULL, &pipe), ==, 0);
    g_assert_true(pipe.sa_handler == SIG_IGN);
    g_assert_cmpuint(umask(0), ==, 077);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/service/requests", test_requests);
    g_test_add_func("/service/hardening", test_hardening);
    g_test_add_func("/service/unit/cgroup", test_unit_of_cgroup);
    g_test_add_func("/service/unit/pidfd", test_unit_of_pidfd);
    g_test_add_func("/service/caller", test_caller);
    g_test_add_func("/service/callers", test_callers);
    return g_test_run();
}
