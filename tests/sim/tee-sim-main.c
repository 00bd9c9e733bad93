/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* tee-sim: the simulated TEE as a program. Mounts, writes the state folder, prints "ready", takes
 * lines at MOUNT/control, and ends with the mount by SIGTERM or SIGINT. */

#include "tee-sim-private.h"

#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>

static GMainLoop *loop;

static gboolean
end_loop(gpointer data)
{
    g_main_loop_quit(loop);
    return G_SOURCE_REMOVE;
}

static char *
describe_switches(void)
{
    GString *text = g_string_new("SWITCH is NAME=VALUE, also in lines written to MOUNT/control:\n");

#define X(symbol, name, values, start, line)                                                       \
    g_string_append_printf(text, "  %s=%s\n      %s\n", name,                                      \
                           values ? (const char *)values : "NUMBER", line);
    TEE_SIM_SWITCHES(X)
#undef X
    g_string_append(text,
                    "  ek=FILE, ak=FILE\n      public areas (TPMT_PUBLIC) of the vTPM's keys\n"
                    "  user-data=HEX\n      64 bytes, as written to Azure's NV index\n"
                    "  reset=on\n      every lie off\n");
    return g_string_free(text, FALSE);
}

static gboolean
find_type(const char *name, TeeSimType *ret_type)
{
    static const char *const names[] = {"none", "snp", "tdx", "azure-snp", "azure-tdx"};

    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        if (strcmp(names[i], name) == 0) {
            *ret_type = (TeeSimType)i;
            return TRUE;
        }
    }
    return FALSE;
}

int
main(int argc, char **argv)
{
    static char *mount, *state, *type, *line, *machine, *ccel, *tpm_log;
    static gboolean follow_parent;
    static const GOptionEntry entries[] = {
        {"mount", 0, 0, G_OPTION_ARG_FILENAME, &mount, "Where to mount", "DIR"},
        {"state", 0, 0, G_OPTION_ARG_FILENAME, &state, "Where to write roots and collateral",
         "DIR"},
        {"type", 0, 0, G_OPTION_ARG_STRING, &type,
         "none, snp (the default), tdx, azure-snp, azure-tdx", "TYPE"},
        {"line", 0, 0, G_OPTION_ARG_STRING, &line, "Milan, Genoa (the default), Turin", "LINE"},
        {"machine", 0, 0, G_OPTION_ARG_STRING, &machine, "Chip and secrets follow from its name",
         "NAME"},
        {"ccel", 0, 0, G_OPTION_ARG_FILENAME, &ccel, "The log of a TD", "FILE"},
        {"tpm-log", 0, 0, G_OPTION_ARG_FILENAME, &tpm_log, "The log of the TPM", "FILE"},
        {"follow-parent", 0, 0, G_OPTION_ARG_NONE, &follow_parent, "End when the parent ends",
         NULL},
        {0},
    };
    g_autoptr(GOptionContext) context = g_option_context_new("[SWITCH…] - a TEE that is not there");
    g_autofree char *help = describe_switches();
    g_autoptr(TeeSim) sim = NULL;
    g_autoptr(GError) error = NULL;
    TeeSimConfig config = {.type = TEE_SIM_SNP};

    g_option_context_add_main_entries(context, entries, NULL);
    g_option_context_set_description(context, help);
    if (!g_option_context_parse(context, &argc, &argv, &error))
        goto out;
    config.line = line ? cvs_snp_line_from_name(line) : CVS_SNP_LINE_GENOA;
    if (mount == NULL || state == NULL || (type && !find_type(type, &config.type)) ||
        config.line == CVS_SNP_LINE_UNKNOWN || config.line == CVS_SNP_LINE_VENICE) {
        g_printerr("tee-sim: --mount and --state are needed, and a type and line that are known\n");
        return 2;
    }
    if (follow_parent)
        (void)prctl(PR_SET_PDEATHSIG, SIGTERM);
    config.machine = machine;
    config.state_dir = state;
    config.ccel = ccel;
    config.tpm_log = tpm_log;
    sim = tee_sim_new_here(&config, &error);
    if (sim == NULL)
        goto out;
    for (int i = 1; i < argc; i++)
        if (!tee_sim_set(sim, argv[i], &error))
            goto out;
    loop = g_main_loop_new(NULL, FALSE);
    g_unix_signal_add(SIGTERM, end_loop, NULL);
    g_unix_signal_add(SIGINT, end_loop, NULL);
    if (!tee_sim_start(sim, mount, &error))
        goto out;
    g_print("ready\n");
    (void)fflush(stdout);
    g_main_loop_run(loop);

out:
    if (error) {
        g_printerr("%s\n", error->message);
        return 1;
    }
    return 0;
}
