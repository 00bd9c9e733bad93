/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tpm-mux: the multiplexer as a program. Prints "ready TCTI…" when clients can connect, takes the
 * lines of tpm-mux-control.h from a socket or from stdin, and ends by SIGTERM, SIGINT, or the end
 * of stdin if it reads that. */

#include "sim/tpm-mux-control.h"

#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <signal.h>
#include <unistd.h>

static GMainLoop *loop;

static gboolean
end_loop(gpointer data)
{
    g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

static gpointer
serve_stdin(gpointer mux)
{
    char *line = NULL;
    size_t size = 0;

    while (getline(&line, &size, stdin) >= 0) {
        g_autofree char *answer = tpm_mux_control(mux, line);

        (void)fputs(answer, stdout);
        (void)fflush(stdout);
    }
    free(line);
    g_idle_add(end_loop, NULL);
    return NULL;
}

static gboolean
serve_connection(GThreadedSocketService *service, GSocketConnection *connection, GObject *source,
                 gpointer mux)
{
    GInputStream *stream = g_io_stream_get_input_stream(G_IO_STREAM(connection));
    GOutputStream *out = g_io_stream_get_output_stream(G_IO_STREAM(connection));
    g_autoptr(GDataInputStream) in = g_data_input_stream_new(stream);

    for (;;) {
        g_autofree char *line = g_data_input_stream_read_line(in, NULL, NULL, NULL);
        g_autofree char *answer = line ? tpm_mux_control(mux, line) : NULL;

        if (answer == NULL ||
            !g_output_stream_write_all(out, answer, strlen(answer), NULL, NULL, NULL))
            return TRUE;
    }
}

static GSocketService *
listen_for_control(TpmMux *mux, const char *path, GError **error)
{
    g_autoptr(GSocketService) service = g_threaded_socket_service_new(8);
    g_autoptr(GSocketAddress) address = g_unix_socket_address_new(path);

    (void)unlink(path);
    if (!g_socket_listener_add_address(G_SOCKET_LISTENER(service), address, G_SOCKET_TYPE_STREAM,
                                       G_SOCKET_PROTOCOL_DEFAULT, NULL, NULL, error))
        return NULL;
    g_signal_connect(service, "run", G_CALLBACK(serve_connection), mux);
    g_socket_service_start(service);
    return g_steal_pointer(&service);
}

int
main(int argc, char **argv)
{
    static char *dir, *control;
    static char **ports, **connection_ports;
    static gboolean no_rm, use_stdin, follow_parent;
    static const GOptionEntry entries[] = {
        {"dir", 0, 0, G_OPTION_ARG_FILENAME, &dir, "Folder for sockets and states", "DIR"},
        {"port", 0, 0, G_OPTION_ARG_STRING_ARRAY, &ports,
         "A port whose clients are processes (default: tpm)", "NAME"},
        {"connection-port", 0, 0, G_OPTION_ARG_STRING_ARRAY, &connection_ports,
         "A port whose clients are connections", "NAME"},
        {"no-rm", 0, 0, G_OPTION_ARG_NONE, &no_rm, "No resource manager: as /dev/tpm0", NULL},
        {"control", 0, 0, G_OPTION_ARG_FILENAME, &control, "Take control lines at a socket",
         "PATH"},
        {"stdin", 0, 0, G_OPTION_ARG_NONE, &use_stdin, "Take control lines from stdin", NULL},
        {"follow-parent", 0, 0, G_OPTION_ARG_NONE, &follow_parent, "End when the parent ends",
         NULL},
        {0},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("- many clients on one swtpm");
    g_autoptr(GSocketService) service = NULL;
    g_autoptr(TpmMux) mux = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GString) ready = g_string_new("ready");
    const char *const default_ports[] = {"tpm", NULL};
    const char *const *names = NULL;

    g_option_context_add_main_entries(context, entries, NULL);
    if (!g_option_context_parse(context, &argc, &argv, &error))
        goto out;
    if (dir == NULL || argc > 1) {
        g_printerr("tpm-mux: --dir is needed, and nothing but options\n");
        return 2;
    }
    if (follow_parent)
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);

    loop = g_main_loop_new(NULL, FALSE);
    mux = tpm_mux_new(dir, no_rm ? TPM_MUX_NO_RM : TPM_MUX_DEFAULT, &error);
    if (mux == NULL)
        goto out;
    names = ports ? (const char *const *)ports : connection_ports ? NULL : default_ports;
    for (guint i = 0; names && names[i]; i++) {
        const char *tcti = tpm_mux_add_port(mux, names[i], TPM_MUX_PROCESS, &error);

        if (tcti == NULL)
            goto out;
        g_string_append_printf(ready, " %s", tcti);
    }
    for (guint i = 0; connection_ports && connection_ports[i]; i++) {
        const char *tcti = tpm_mux_add_port(mux, connection_ports[i], TPM_MUX_CONNECTION, &error);

        if (tcti == NULL)
            goto out;
        g_string_append_printf(ready, " %s", tcti);
    }
    if (control) {
        service = listen_for_control(mux, control, &error);
        if (service == NULL)
            goto out;
    }
    g_unix_signal_add(SIGTERM, end_loop, NULL);
    g_unix_signal_add(SIGINT, end_loop, NULL);
    g_print("%s\n", ready->str);
    (void)fflush(stdout);
    if (use_stdin)
        g_thread_unref(g_thread_new("stdin", serve_stdin, mux));
    g_main_loop_run(loop);
    if (service)
        g_socket_service_stop(service);
    if (control)
        (void)unlink(control);

out:
    if (error) {
        g_printerr("tpm-mux: %s\n", error->message);
        return 1;
    }
    return 0;
}
