/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/tpm-mux-control.h"

#include <errno.h>
#include <string.h>

#define WAIT_MS 10000

typedef struct {
    TpmMux *mux;
    guint argc;
    char **argv; /* without the command's own name */
    GString *out;
} Call;

static const char *
argument(const Call *call, guint i)
{
    return i < call->argc ? call->argv[i] : NULL;
}

static gboolean
parse_number(const char *text, guint32 *ret_number)
{
    char *end = NULL;
    guint64 number;

    errno = 0;
    number = g_ascii_strtoull(text, &end, 0);
    if (errno != 0 || end == text || *end != '\0' || *text == '-' || number > G_MAXUINT32)
        return FALSE;
    *ret_number = (guint32)number;
    return TRUE;
}

/* An argument that may be left out. */
static gboolean
number_argument(const Call *call, guint i, guint32 *number)
{
    const char *text = argument(call, i);

    return text == NULL || parse_number(text, number);
}

static void done(Call *call, const char *format, ...) G_GNUC_PRINTF(2, 3);
static void
done(Call *call, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_string_append_vprintf(call->out, format, args);
    va_end(args);
    g_string_append_c(call->out, '\n');
}

static void
done_or_error(Call *call, gboolean ok, GError *error)
{
    if (ok)
        done(call, "ok");
    else
        done(call, "error %s", error->message);
}

static void
do_add_port(Call *call)
{
    g_autoptr(GError) error = NULL;
    TpmMuxPortKind kind =
        g_strcmp0(argument(call, 1), "connection") == 0 ? TPM_MUX_CONNECTION : TPM_MUX_PROCESS;
    const char *tcti = NULL;

    if (call->argc < 1) {
        done(call, "error add-port wants a name");
        return;
    }
    tcti = tpm_mux_add_port(call->mux, call->argv[0], kind, &error);
    if (tcti)
        done(call, "ok %s", tcti);
    else
        done(call, "error %s", error->message);
}

static gboolean
parse_fault_key(const char *text, TpmMuxFault *fault)
{
    const char *value = strchr(text, '=');
    g_autofree char *key = value ? g_strndup(text, (gsize)(value - text)) : NULL;

    if (key == NULL)
        return FALSE;
    value++;
    if (g_str_equal(key, "port")) {
        fault->port = value;
        return TRUE;
    }
    if (g_str_equal(key, "client"))
        return parse_number(value, &fault->client);
    if (g_str_equal(key, "code"))
        return parse_number(value, &fault->code);
    if (g_str_equal(key, "nth"))
        return parse_number(value, &fault->nth);
    if (g_str_equal(key, "value"))
        return parse_number(value, &fault->value);
    if (g_str_equal(key, "when")) {
        fault->after = g_str_equal(value, "after");
        return fault->after || g_str_equal(value, "before");
    }
    return FALSE;
}

static void
do_fault(Call *call)
{
    static const char *const kinds[] = {
        [TPM_MUX_DROP] = "drop",     [TPM_MUX_RC] = "rc",           [TPM_MUX_CUT] = "cut",
        [TPM_MUX_SHRINK] = "shrink", [TPM_MUX_GARBAGE] = "garbage", [TPM_MUX_FLIP] = "flip",
        [TPM_MUX_HANG] = "hang",
    };
    TpmMuxFault fault = {0};
    gsize kind = 0;

    while (kind < G_N_ELEMENTS(kinds) && g_strcmp0(kinds[kind], argument(call, 0)) != 0)
        kind++;
    if (kind == G_N_ELEMENTS(kinds)) {
        done(call, "error fault wants a kind: drop rc cut shrink garbage flip hang");
        return;
    }
    fault.kind = (TpmMuxFaultKind)kind;
    for (guint i = 1; i < call->argc; i++) {
        if (!parse_fault_key(call->argv[i], &fault)) {
            done(call, "error not understood: %s", call->argv[i]);
            return;
        }
    }
    done(call, "ok %u", tpm_mux_add_fault(call->mux, &fault));
}

static void
do_fired(Call *call)
{
    guint32 number = 0;

    if (call->argc == 1 && parse_number(call->argv[0], &number))
        done(call, "ok %u", tpm_mux_fault_fired(call->mux, number));
    else
        done(call, "error fired wants the number of a fault");
}

static void
do_clear(Call *call)
{
    tpm_mux_clear_faults(call->mux);
    done(call, "ok");
}

static void
do_wait_hung(Call *call)
{
    guint32 n = 1, ms = WAIT_MS;

    if (!number_argument(call, 0, &n) || !number_argument(call, 1, &ms))
        done(call, "error wait-hung wants numbers");
    else if (tpm_mux_wait_hung(call->mux, n, ms))
        done(call, "ok");
    else
        done(call, "error fewer than %u commands hang after %u ms", n, ms);
}

static void
do_release(Call *call)
{
    tpm_mux_release(call->mux);
    done(call, "ok");
}

static void
do_counts(Call *call)
{
    g_autofree char *counts = tpm_mux_describe_counts(call->mux);

    g_string_append(call->out, counts);
    done(call, "ok");
}

/* "-" stands for all, where another argument follows. */
static const char *
port_argument(const Call *call)
{
    const char *port = argument(call, 0);

    return g_strcmp0(port, "-") == 0 ? NULL : port;
}

static void
do_sent(Call *call)
{
    guint32 code = 0;

    if (number_argument(call, 1, &code))
        done(call, "ok %" G_GUINT64_FORMAT, tpm_mux_sent(call->mux, port_argument(call), code));
    else
        done(call, "error not a command code: %s", call->argv[1]);
}

static void
do_seen(Call *call)
{
    guint32 code = 0;

    if (number_argument(call, 0, &code))
        done(call, "ok %" G_GUINT64_FORMAT, tpm_mux_seen(call->mux, code));
    else
        done(call, "error not a command code: %s", call->argv[0]);
}

static void
do_reset_counts(Call *call)
{
    tpm_mux_reset_counts(call->mux);
    done(call, "ok");
}

static void
do_handles(Call *call)
{
    TpmMuxHandles handles = tpm_mux_handles(call->mux, port_argument(call));

    done(call, "ok %u %u %u", handles.clients, handles.objects, handles.sessions);
}

static void
do_end_clients(Call *call)
{
    tpm_mux_end_clients(call->mux, port_argument(call));
    done(call, "ok");
}

static void
do_power_off(Call *call)
{
    tpm_mux_power_off(call->mux);
    done(call, "ok");
}

static void
do_power_on(Call *call)
{
    g_autoptr(GError) error = NULL;
    guint32 tpm = 0;

    if (!number_argument(call, 0, &tpm)) {
        done(call, "error not the number of a TPM: %s", call->argv[0]);
        return;
    }
    /* On means on: a power-on of what runs is a power cycle. */
    tpm_mux_power_off(call->mux);
    done_or_error(call, tpm_mux_power_on(call->mux, tpm, &error), error);
}

static void
do_power_cycle(Call *call)
{
    g_autoptr(GError) error = NULL;

    done_or_error(call, tpm_mux_power_cycle(call->mux, &error), error);
}

static void
do_reboot(Call *call)
{
    g_autoptr(GError) error = NULL;

    done_or_error(call, tpm_mux_reboot(call->mux, &error), error);
}

char *
tpm_mux_control(TpmMux *mux, const char *line)
{
    static const struct {
        const char *name;
        void (*run)(Call *call);
    } commands[] = {
        {"add-port", do_add_port},
        {"fault", do_fault},
        {"fired", do_fired},
        {"clear", do_clear},
        {"wait-hung", do_wait_hung},
        {"release", do_release},
        {"counts", do_counts},
        {"sent", do_sent},
        {"seen", do_seen},
        {"reset-counts", do_reset_counts},
        {"handles", do_handles},
        {"end-clients", do_end_clients},
        {"power-off", do_power_off},
        {"power-on", do_power_on},
        {"power-cycle", do_power_cycle},
        {"reboot", do_reboot},
    };
    g_auto(GStrv) words = NULL;
    Call call = {.mux = mux, .out = g_string_new(NULL)};
    int n = 0;

    if (!g_shell_parse_argv(line, &n, &words, NULL)) {
        done(&call, "error not a command");
        return g_string_free(call.out, FALSE);
    }
    call.argc = (guint)n - 1;
    call.argv = words + 1;
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
        if (g_str_equal(commands[i].name, words[0])) {
            commands[i].run(&call);
            return g_string_free(call.out, FALSE);
        }
    }
    done(&call, "error no such command: %s", words[0]);
    return g_string_free(call.out, FALSE);
}
