/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "service/attesting.h"
#include "service/fds.h"
#include "service/hardening.h"
#include "service/manager.h"
#include "service/request.h"
#include "service/watchdog.h"
#include "tee/tee-roots.h"

#include "config.h"

#include <gio/gio.h>
#include <glib-unix.h>
#include <signal.h>

/* What work in flight gets to end by itself, before requests that wait for their callers are ended.
 */
#define STOP_GRACE_S 20
/* For the turn of a request for a derived key: nobody waits for one longer (request.c). */
#define TEE_TIMEOUT_MS 10000

typedef struct {
    char *config_file;
    char *tcti;
    char *vault_dir;
    char **profile_folders;
    char *bus;
    char *journal_socket;
    char *proc;
    gboolean version;
} Arguments;

typedef struct {
    CvsService service;
    GMainLoop *loop;
    guint name_owner;
    guint hurry_timer;
    gboolean had_name;
    int status;
} Daemon;

static void
arguments_clear(Arguments *arguments)
{
    g_free(arguments->config_file);
    g_free(arguments->tcti);
    g_free(arguments->vault_dir);
    g_strfreev(arguments->profile_folders);
    g_free(arguments->bus);
    g_free(arguments->journal_socket);
    g_free(arguments->proc);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Arguments, arguments_clear)

static gboolean
parse_arguments(int *argc, char ***argv, Arguments *arguments, GError **error)
{
    g_autoptr(GOptionContext) context = g_option_context_new(NULL);
    const GOptionEntry entries[] = {
        {"config", 0, 0, G_OPTION_ARG_FILENAME, &arguments->config_file,
         "Configuration to use in place of the installed ones", "FILE"},
        {"tcti", 0, 0, G_OPTION_ARG_STRING, &arguments->tcti, "How to reach the TPM", "TCTI"},
        {"vault", 0, 0, G_OPTION_ARG_FILENAME, &arguments->vault_dir, "Where the keys are", "DIR"},
        {"policies", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &arguments->profile_folders,
         "Folder of profiles; repeat it, most important first", "DIR"},
        {"bus", 0, 0, G_OPTION_ARG_STRING, &arguments->bus,
         "system (the default), session, or a bus address", "BUS"},
        {"journal-socket", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_FILENAME,
         &arguments->journal_socket, "Where audit records go", "SOCKET"},
        {"proc", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_FILENAME, &arguments->proc,
         "Where cgroups of processes are read", "DIR"},
        {"version", 0, 0, G_OPTION_ARG_NONE, &arguments->version, "Print the version and end",
         NULL},
        G_OPTION_ENTRY_NULL,
    };

    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_summary(context, "Seals keys to the state of this machine; cvmseald(8).");
    if (!g_option_context_parse(context, argc, argv, error))
        return FALSE;
    if (*argc > 1) {
        g_set_error(error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, "what is \"%s\"?", (*argv)[1]);
        return FALSE;
    }
    return TRUE;
}

static CvsConfig *
load_config(const Arguments *arguments, GError **error)
{
    g_autoptr(CvsConfig) config = cvs_config_load(arguments->config_file, error);

    if (config == NULL)
        return NULL;
    if (arguments->tcti) {
        g_free(config->tcti);
        config->tcti = g_strdup(arguments->tcti);
    }
    if (arguments->vault_dir) {
        g_free(config->vault_dir);
        config->vault_dir = g_strdup(arguments->vault_dir);
    }
    return g_steal_pointer(&config);
}

static GDBusConnection *
connect_to_bus(const char *bus, GError **error)
{
    g_autofree char *address = NULL;
    GDBusConnection *connection = NULL;

    if (bus == NULL || g_str_equal(bus, "system"))
        address = g_dbus_address_get_for_bus_sync(G_BUS_TYPE_SYSTEM, NULL, error);
    else if (g_str_equal(bus, "session"))
        address = g_dbus_address_get_for_bus_sync(G_BUS_TYPE_SESSION, NULL, error);
    else
        address = g_strdup(bus);
    if (address == NULL)
        return NULL;
    /* Closed is our word for it, not the library's: the work in flight ends first. */
    connection =
        g_dbus_connection_new_for_address_sync(address,
                                               G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT |
                                                   G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION,
                                               NULL, NULL, error);
    if (connection) {
        g_dbus_connection_set_exit_on_close(connection, FALSE);
        cvs_fds_guard(connection);
    }
    return connection;
}

static gboolean
on_hurry(gpointer data)
{
    Daemon *daemon = data;

    daemon->hurry_timer = 0;
    g_cancellable_cancel(daemon->service.hurry);
    return G_SOURCE_REMOVE;
}

static void
on_drained(gpointer data)
{
    Daemon *daemon = data;

    g_main_loop_quit(daemon->loop);
}

/* Gives up the name, so that the next call starts a new daemon, and lets what is in flight end. */
static void
begin_stop(Daemon *daemon, int status)
{
    CvsService *service = &daemon->service;

    if (service->stopping)
        return;
    service->stopping = TRUE;
    daemon->status = status;
    cvs_notify("STOPPING=1");
    cvs_requests_close(service->requests);
    cvs_request_end_waiting(service);
    if (daemon->name_owner)
        g_bus_unown_name(daemon->name_owner);
    daemon->name_owner = 0;
    if (service->open == 0) {
        g_main_loop_quit(daemon->loop);
        return;
    }
    g_info("stopping when %u requests have ended", service->open);
    daemon->hurry_timer = g_timeout_add_seconds(STOP_GRACE_S, on_hurry, daemon);
}

static gboolean
on_signal(gpointer data)
{
    begin_stop(data, 0);
    return G_SOURCE_CONTINUE;
}

static void
on_name_acquired(GDBusConnection *connection, const char *name, gpointer data)
{
    Daemon *daemon = data;

    daemon->had_name = TRUE;
    cvs_notify("READY=1\nSTATUS=Serving keys");
}

static void
on_name_lost(GDBusConnection *connection, const char *name, gpointer data)
{
    Daemon *daemon = data;

    if (daemon->service.stopping)
        return;
    if (daemon->had_name)
        g_warning("the bus has taken the name %s from us", name);
    else
        g_warning(
            "the bus does not give us the name %s: another daemon has it, or the bus's policy "
            "does not allow it",
            name);
    begin_stop(daemon, 1);
}

static void
sweep(CvsTpm *tpm, CvsStore *store, gpointer data)
{
    cvs_store_sweep(store);
}

static void
nothing(gpointer data)
{
}

static void
serve(Daemon *daemon)
{
    CvsService *service = &daemon->service;
    g_autoptr(CvsWatchdog) watchdog = cvs_watchdog_new(service->worker);
    guint term = g_unix_signal_add(SIGTERM, on_signal, daemon);
    guint interrupt = g_unix_signal_add(SIGINT, on_signal, daemon);

    daemon->name_owner =
        g_bus_own_name_on_connection(service->connection, CVS_BUS_NAME, G_BUS_NAME_OWNER_FLAGS_NONE,
                                     on_name_acquired, on_name_lost, daemon, NULL);
    /* After a crash; a daemon that is started again and again still serves at once. */
    cvs_worker_push(service->worker, 0, sweep, nothing, NULL);
    g_main_loop_run(daemon->loop);
    if (daemon->hurry_timer)
        g_source_remove(daemon->hurry_timer);
    g_source_remove(term);
    g_source_remove(interrupt);
}

static gboolean
on_answer(gpointer data)
{
    cvs_request_on_answer(data);
    return G_SOURCE_REMOVE;
}

/* In the thread that has asked TEE or host. */
static void
on_back(gpointer data)
{
    g_idle_add_full(G_PRIORITY_DEFAULT, on_answer, data, NULL);
}

/* Nothing is asked of the TEE before a key wants it. */
static gboolean
start_attester(CvsService *service, CvsTpm *tpm, GError **error)
{
    g_autoptr(CvsTeePaths) paths = cvs_tee_paths_new(service->config);
    g_autoptr(CvsSnpRoots) snp = NULL;
    g_autoptr(CvsTdxRoots) tdx = NULL;
    CvsAttesterState state;
    CvsAttesterConfig config = {.tpm = tpm,
                                .collateral_dir = paths->collateral,
                                .keep = TRUE,
                                .clock = &cvs_pace_clock,
                                .back = on_back,
                                .back_data = service};

    if (!cvs_tee_roots_new(service->config, &snp, &tdx, error))
        return FALSE;
    if (service->config->test_roots)
        g_warning("TEST ROOTS in %s are taken as AMD's and Intel's: a TEE that is attested here "
                  "proves nothing about real hardware",
                  service->config->test_roots);
    config.snp_roots = snp;
    config.tdx_roots = tdx;
    service->clock = &cvs_pace_clock;
    service->tee = cvs_tee_source_new(paths, service->clock);
    service->tee_asker = cvs_tee_asker_new(service->tee, TEE_TIMEOUT_MS, on_back, service);
    config.source = service->tee;
    service->attester = cvs_attester_new(&config);
    service->release_attester = cvs_release_attester(service->attester);
    state = cvs_attester_look(service->attester);
    service->attester_change = state.change;
    service->properties = cvs_attesting_properties(&state);
    return TRUE;
}

static gboolean
daemon_start(Daemon *daemon, const Arguments *arguments, GError **error)
{
    CvsService *service = &daemon->service;
    g_autoptr(CvsStore) store = NULL;
    CvsTpm *tpm = NULL;

    service->config = load_config(arguments, error);
    if (service->config == NULL)
        return FALSE;
    service->profile_folders = arguments->profile_folders
                                   ? (const char *const *)arguments->profile_folders
                                   : cvs_config_profile_folders();
    store = cvs_store_open(service->config->vault_dir, TRUE, error);
    if (store == NULL)
        return FALSE;
    service->connection = connect_to_bus(arguments->bus, error);
    if (service->connection == NULL)
        return FALSE;
    service->callers =
        cvs_callers_new(service->connection, arguments->proc ? arguments->proc : "/proc");
    service->requests =
        cvs_requests_new(service->config->max_requests, service->config->max_requests_per_user);
    service->audit =
        cvs_audit_new(arguments->journal_socket ? arguments->journal_socket : CVS_AUDIT_SOCKET);
    service->hurry = g_cancellable_new();
    tpm = cvs_tpm_new(service->config->tcti);
    if (!start_attester(service, tpm, error)) {
        cvs_tpm_free(tpm);
        return FALSE;
    }
    service->worker = cvs_worker_new(tpm, g_steal_pointer(&store));
    service->drained = on_drained;
    service->drained_data = daemon;
    return cvs_manager_export(service, error) != 0;
}

static void
daemon_end(Daemon *daemon)
{
    CvsService *service = &daemon->service;

    g_clear_pointer(&service->worker, cvs_worker_stop);
    cvs_attester_free(service->attester);
    cvs_tee_asker_free(service->tee_asker);
    cvs_tee_source_free(service->tee);
    if (service->connection)
        (void)g_dbus_connection_flush_sync(service->connection, NULL, NULL);
    cvs_callers_free(service->callers);
    cvs_requests_free(service->requests);
    cvs_audit_free(service->audit);
    g_clear_pointer(&service->properties, g_variant_unref);
    g_clear_object(&service->hurry);
    g_clear_object(&service->connection);
    cvs_config_free(service->config);
    g_main_loop_unref(daemon->loop);
}

int
main(int argc, char **argv)
{
    g_auto(Arguments) arguments = {0};
    g_autoptr(GError) error = NULL;
    Daemon daemon = {0};

    cvs_hardening_prepare();
    g_set_prgname("cvmseald");
    if (!parse_arguments(&argc, &argv, &arguments, &error)) {
        g_printerr("cvmseald: %s\n", error->message);
        return CVS_EXIT_USAGE;
    }
    if (arguments.version) {
        g_print("cvmseald %s\n", CVS_VERSION);
        return CVS_EXIT_DONE;
    }
    daemon.service.memory_locked = cvs_hardening_apply();
    daemon.loop = g_main_loop_new(NULL, FALSE);
    if (daemon_start(&daemon, &arguments, &error)) {
        serve(&daemon);
    } else {
        g_printerr("cvmseald: %s\n", error->message);
        daemon.status = CVS_EXIT_FAILED;
    }
    daemon_end(&daemon);
    return daemon.status;
}
