/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include "world.h"

#include <glib/gstdio.h>
#include <grp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static char *
built(const char *path)
{
    return g_build_filename(g_getenv("CVS_BUILD_ROOT"), path, NULL);
}

static void
on_name(GDBusConnection *connection, const char *name, const char *owner, gpointer data)
{
    *(gboolean *)data = TRUE;
}

static gboolean
on_late(gpointer data)
{
    g_error("the daemon does not come");
    return G_SOURCE_REMOVE;
}

/* A test that aborts leaves no daemon behind. */
static void
die_with_the_test(gpointer data)
{
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void
start_daemon(World *world)
{
    g_autofree char *program = built("sealer/service/cvmseald");
    g_autofree char *journal = g_build_filename(world->dir, "no-journal", NULL);
    g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_NONE);
    g_autoptr(GDBusConnection) connection = NULL;
    g_autoptr(GError) error = NULL;
    const char *address = NULL;
    gboolean there = FALSE;
    guint watch = 0;
    guint late = 0;

    g_subprocess_launcher_set_child_setup(launcher, die_with_the_test, NULL, NULL);
    world->bus = g_test_dbus_new(G_TEST_DBUS_NONE);
    g_test_dbus_up(world->bus);
    address = g_test_dbus_get_bus_address(world->bus);
    world->daemon = g_subprocess_launcher_spawn(
        launcher, &error, program, "--bus", address, "--tcti", test_tpm_port(world->tpm, "daemon"),
        "--vault", world->vault, "--policies", world->policies, "--journal-socket", journal, NULL);
    g_assert_no_error(error);

    connection =
        g_dbus_connection_new_for_address_sync(address,
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                   G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, &error);
    g_assert_no_error(error);
    watch = g_bus_watch_name_on_connection(
        connection, "org.cvmseal1", G_BUS_NAME_WATCHER_FLAGS_NONE, on_name, NULL, &there, NULL);
    late = g_timeout_add_seconds(30, on_late, NULL);
    while (!there)
        (void)g_main_context_iteration(NULL, TRUE);
    (void)g_source_remove(late);
    g_bus_unwatch_name(watch);
    (void)g_dbus_connection_close_sync(connection, NULL, NULL);
}

/* The shipped default, for tests to change. */
static char *
copy_policies(const char *dir)
{
    g_autofree char *shipped =
        g_build_filename(g_getenv("CVS_SOURCE_ROOT"), "policies", "default.policy", NULL);
    char *policies = g_build_filename(dir, "policies", NULL);
    g_autofree char *copy = g_build_filename(policies, "default.policy", NULL);
    g_autofree char *text = NULL;
    gsize size = 0;

    g_assert_cmpint(g_mkdir(policies, 0755), ==, 0);
    g_assert_true(g_file_get_contents(shipped, &text, &size, NULL));
    g_assert_true(g_file_set_contents(copy, text, (gssize)size, NULL));
    return policies;
}

World *
world_new(gboolean daemon)
{
    World *world = g_new0(World, 1);
    static const guint measured[] = {0, 2, 4, 7};

    world->tpm = test_tpm_new(TPM_MUX_DEFAULT);
    for (gsize i = 0; i < G_N_ELEMENTS(measured); i++)
        test_tpm_extend(world->tpm, measured[i], "boot");
    world->dir = g_dir_make_tmp("cvs-ctl-XXXXXX", NULL);
    world->vault = g_build_filename(world->dir, "vault", NULL);
    world->policies = copy_policies(world->dir);
    world->base = g_ptr_array_new_with_free_func(g_free);
    g_ptr_array_add(world->base, built("sealer/ctl/cvmseal"));
    if (daemon) {
        start_daemon(world);
        g_ptr_array_add(world->base, g_strdup("--bus"));
        g_ptr_array_add(world->base, g_strdup(g_test_dbus_get_bus_address(world->bus)));
    } else {
        g_ptr_array_add(world->base, g_strdup("--direct"));
        g_ptr_array_add(world->base, g_strdup("--tcti"));
        g_ptr_array_add(world->base, g_strdup(test_tpm_port(world->tpm, "cli")));
        g_ptr_array_add(world->base, g_strdup("--vault"));
        g_ptr_array_add(world->base, g_strdup(world->vault));
        g_ptr_array_add(world->base, g_strdup("--policies"));
        g_ptr_array_add(world->base, g_strdup(world->policies));
    }
    return world;
}

void
world_free(World *world)
{
    if (world->daemon) {
        g_subprocess_send_signal(world->daemon, SIGTERM);
        g_assert_true(g_subprocess_wait(world->daemon, NULL, NULL));
        g_object_unref(world->daemon);
        g_test_dbus_down(world->bus);
        g_object_unref(world->bus);
    }
    test_tpm_free(world->tpm);
    test_remove_tree(world->dir);
    g_ptr_array_unref(world->base);
    g_free(world->dir);
    g_free(world->vault);
    g_free(world->policies);
    g_free(world);
}

void
result_free(Result *result)
{
    if (result == NULL)
        return;
    g_free(result->out);
    g_free(result->err);
    g_free(result);
}

/* No terminal to ask on, whoever runs the tests. */
static void
leave_terminal(gpointer data)
{
    const uid_t *uid = data;

    (void)setsid();
    if (uid && (setgroups(0, NULL) < 0 || setgid(*uid) < 0 || setuid(*uid) < 0))
        _exit(126);
}

/* With a NUL behind. */
static char *
bytes_to_text(GBytes *bytes)
{
    gsize size = bytes ? g_bytes_get_size(bytes) : 0;
    char *text = g_malloc0(size + 1);

    if (size > 0)
        memcpy(text, g_bytes_get_data(bytes, NULL), size);
    return text;
}

/* uid NULL: this user. */
static Result *
run(char **argv, const void *in, gsize in_size, uid_t *uid)
{
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE |
                                  G_SUBPROCESS_FLAGS_STDERR_PIPE);
    g_autoptr(GSubprocess) process = NULL;
    g_autoptr(GBytes) input = g_bytes_new(in, in_size);
    g_autoptr(GBytes) out = NULL;
    g_autoptr(GBytes) err = NULL;
    g_autoptr(GError) error = NULL;
    Result *result = g_new0(Result, 1);

    g_subprocess_launcher_set_child_setup(launcher, leave_terminal, uid, NULL);
    g_subprocess_launcher_setenv(launcher, "LC_ALL", "C.UTF-8", TRUE);
    process = g_subprocess_launcher_spawnv(launcher, (const char *const *)argv, &error);
    g_assert_no_error(error);
    /* Fails where the program reads nothing and ends; what it wrote is there all the same. */
    (void)g_subprocess_communicate(process, input, NULL, &out, &err, &error);
    if (error) {
        g_assert_error(error, G_IO_ERROR, G_IO_ERROR_BROKEN_PIPE);
        g_assert_true(g_subprocess_wait(process, NULL, NULL));
    }
    g_assert_true(g_subprocess_get_if_exited(process));
    result->code = g_subprocess_get_exit_status(process);
    result->out_size = out ? g_bytes_get_size(out) : 0;
    result->out = bytes_to_text(out);
    result->err = bytes_to_text(err);
    return result;
}

/* Program, common options, and the words of the line. */
G_GNUC_PRINTF(3, 0)
static char **
make_argv(const World *world, gboolean plain, const char *format, va_list list)
{
    g_autofree char *line = g_strdup_vprintf(format, list);
    g_auto(GStrv) words = g_strsplit(line, " ", -1);
    GPtrArray *argv = g_ptr_array_new();

    for (guint i = 0; i < (plain ? 1 : world->base->len); i++)
        g_ptr_array_add(argv, g_strdup(g_ptr_array_index(world->base, i)));
    for (guint i = 0; words[i]; i++)
        g_ptr_array_add(argv, g_strdup(words[i]));
    g_ptr_array_add(argv, NULL);
    return (char **)g_ptr_array_free(argv, FALSE);
}

Result *
world_run(World *world, const void *in, gssize in_size, const char *line, ...)
{
    g_auto(GStrv) argv = NULL;
    va_list list;

    va_start(list, line);
    argv = make_argv(world, FALSE, line, list);
    va_end(list);
    return run(argv, in, in == NULL ? 0 : in_size < 0 ? strlen(in) : (gsize)in_size, NULL);
}

Result *
world_run_plain(World *world, const char *line, ...)
{
    g_auto(GStrv) argv = NULL;
    va_list list;

    va_start(list, line);
    argv = make_argv(world, TRUE, line, list);
    va_end(list);
    return run(argv, NULL, 0, NULL);
}

Result *
world_run_as(World *world, uid_t uid, const char *line, ...)
{
    g_auto(GStrv) argv = NULL;
    va_list list;

    va_start(list, line);
    argv = make_argv(world, FALSE, line, list);
    va_end(list);
    return run(argv, NULL, 0, &uid);
}

Result *
world_run_shell(World *world, const char *script)
{
    g_autoptr(GString) command = g_string_new(NULL);
    char *argv[] = {(char *)"sh", (char *)"-c", NULL, NULL};

    for (guint i = 0; i < world->base->len; i++) {
        g_autofree char *quoted = g_shell_quote(g_ptr_array_index(world->base, i));

        g_string_append_printf(command, "%s%s", i > 0 ? " " : "cvmseal() { ", quoted);
    }
    g_string_append_printf(command, " \"$@\"; }\n%s", script);
    argv[2] = command->str;
    return run(argv, NULL, 0, NULL);
}

static int
exec_argv(gpointer data)
{
    char **argv = data;

    (void)execv(argv[0], argv);
    return 127;
}

Pty *
world_run_on_terminal(World *world, const char *line, ...)
{
    g_auto(GStrv) argv = NULL;
    va_list list;

    va_start(list, line);
    argv = make_argv(world, FALSE, line, list);
    va_end(list);
    return pty_run(exec_argv, argv);
}

char *
world_path(World *world, const char *name)
{
    return g_build_filename(world->dir, name, NULL);
}

char *
world_write(World *world, const char *name, const void *data, gssize size)
{
    char *path = world_path(world, name);

    g_assert_true(g_file_set_contents(path, data, size, NULL));
    return path;
}

char *
world_key_path(World *world, const char *name)
{
    g_autofree char *owner = g_strdup_printf("uid-%u", (guint)geteuid());

    return g_build_filename(world->vault, "keys", owner, name, NULL);
}

guint
world_count_keys(World *world)
{
    g_autofree char *path = world_key_path(world, "");
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name = NULL;
    guint n = 0;

    while (dir && (name = g_dir_read_name(dir)) != NULL)
        n += name[0] != '.';
    return n;
}

json_t *
world_json(const char *text)
{
    g_autoptr(GError) error = NULL;
    json_t *json = cvs_json_parse(text, strlen(text), "the output", &error);

    g_assert_no_error(error);
    return json;
}
