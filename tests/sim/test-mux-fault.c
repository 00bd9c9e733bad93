/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/test-esys.h"
#include "sim/test-tpm.h"
#include "sim/tpm-mux-control.h"

#include <gio/gio.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <string.h>

#define OK TSS2_RC_SUCCESS

typedef struct {
    TestTpm *tpm;
    TpmMux *mux;
    ESYS_CONTEXT *esys;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
    fixture->tpm = test_tpm_new(TPM_MUX_DEFAULT);
    fixture->mux = test_tpm_mux(fixture->tpm);
    fixture->esys = test_esys_open(test_tpm_tcti(fixture->tpm));
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    test_esys_close(fixture->esys);
    test_tpm_free(fixture->tpm);
}

static void
reopen(Fixture *fixture)
{
    test_esys_close(fixture->esys);
    fixture->esys = test_esys_open(test_tpm_tcti(fixture->tpm));
}

static guint
add(Fixture *fixture, TpmMuxFault fault)
{
    return tpm_mux_add_fault(fixture->mux, &fault);
}

static TSS2_RC
get_random(Fixture *fixture)
{
    return test_esys_get_random(fixture->esys, ESYS_TR_NONE);
}

static void
test_drop(Fixture *fixture, gconstpointer data)
{
    guint before = add(fixture, (TpmMuxFault){.kind = TPM_MUX_DROP, .nth = 2});
    guint after = 0;

    tpm_mux_reset_counts(fixture->mux);
    g_assert_cmphex(get_random(fixture), ==, OK);
    g_assert_cmphex(get_random(fixture), ==, TSS2_TCTI_RC_IO_ERROR);
    g_assert_cmpuint(tpm_mux_seen(fixture->mux, TPM2_CC_GetRandom), ==, 1);
    g_assert_cmpuint(tpm_mux_sent(fixture->mux, NULL, TPM2_CC_GetRandom), ==, 2);
    reopen(fixture);
    g_assert_cmphex(get_random(fixture), ==, OK);
    g_assert_cmpuint(tpm_mux_fault_fired(fixture->mux, before), ==, 1);

    tpm_mux_reset_counts(fixture->mux);
    after = add(fixture, (TpmMuxFault){.kind = TPM_MUX_DROP, .nth = 1, .after = TRUE});
    g_assert_cmphex(get_random(fixture), ==, TSS2_TCTI_RC_IO_ERROR);
    g_assert_cmpuint(tpm_mux_seen(fixture->mux, TPM2_CC_GetRandom), ==, 1);
    g_assert_cmpuint(tpm_mux_fault_fired(fixture->mux, after), ==, 1);
}

static void
test_codes(Fixture *fixture, gconstpointer data)
{
    static const guint32 codes[] = {TPM2_RC_FAILURE, TPM2_RC_LOCKOUT, TPM2_RC_SESSION_MEMORY};

    for (gsize i = 0; i < G_N_ELEMENTS(codes); i++) {
        (void)add(fixture, (TpmMuxFault){.kind = TPM_MUX_RC, .nth = 1, .value = codes[i]});
        g_assert_cmphex(get_random(fixture), ==, codes[i]);
        g_assert_cmphex(get_random(fixture), ==, OK);
    }

    /* ESYS repeats a command that is answered with RETRY, and gives up after some time. */
    tpm_mux_reset_counts(fixture->mux);
    (void)add(fixture, (TpmMuxFault){.kind = TPM_MUX_RC, .nth = 1, .value = TPM2_RC_RETRY});
    g_assert_cmphex(get_random(fixture), ==, OK);
    g_assert_cmpuint(tpm_mux_sent(fixture->mux, NULL, 0), ==, 2);
    g_assert_cmpuint(tpm_mux_seen(fixture->mux, 0), ==, 1);
    (void)add(fixture, (TpmMuxFault){.kind = TPM_MUX_RC, .value = TPM2_RC_RETRY});
    g_assert_cmphex(get_random(fixture), ==, TPM2_RC_RETRY);
    g_assert_cmpuint(tpm_mux_sent(fixture->mux, NULL, 0), >, 3);
    tpm_mux_clear_faults(fixture->mux);
    g_assert_cmphex(get_random(fixture), ==, OK);
}

/* The command was carried out although its answer says that it failed. */
static void
test_code_after(Fixture *fixture, gconstpointer data)
{
    ESYS_TR session;

    (void)add(fixture, (TpmMuxFault){.kind = TPM_MUX_RC,
                                     .code = TPM2_CC_StartAuthSession,
                                     .nth = 1,
                                     .after = TRUE,
                                     .value = TPM2_RC_FAILURE});
    g_assert_cmphex(test_esys_start_session(fixture->esys, TPM2_SE_HMAC, &session), ==,
                    TPM2_RC_FAILURE);
    g_assert_cmpuint(test_tpm_count_handles(fixture->tpm), ==, 1);
    reopen(fixture);
    g_assert_cmpuint(test_tpm_count_handles(fixture->tpm), ==, 0);
}

/* Which of the commands, of which client. */
static void
test_matching(Fixture *fixture, gconstpointer data)
{
    ESYS_CONTEXT *other = test_esys_open(test_tpm_port(fixture->tpm, "other"));
    ESYS_TR session;
    guint number;

    number = add(fixture, (TpmMuxFault){.kind = TPM_MUX_RC,
                                        .port = "main",
                                        .code = TPM2_CC_GetRandom,
                                        .nth = 2,
                                        .value = TPM2_RC_FAILURE});
    g_assert_cmphex(get_random(fixture), ==, OK);
    g_assert_cmphex(test_esys_get_random(other, ESYS_TR_NONE), ==, OK);
    g_assert_cmphex(test_esys_get_random(other, ESYS_TR_NONE), ==, OK);
    g_assert_cmphex(test_esys_start_session(fixture->esys, TPM2_SE_HMAC, &session), ==, OK);
    g_assert_cmpuint(tpm_mux_fault_fired(fixture->mux, number), ==, 0);
    g_assert_cmphex(get_random(fixture), ==, TPM2_RC_FAILURE);
    g_assert_cmpuint(tpm_mux_fault_fired(fixture->mux, number), ==, 1);
    tpm_mux_clear_faults(fixture->mux);

    /* By number: the first to send a command was "main". */
    (void)add(fixture, (TpmMuxFault){.kind = TPM_MUX_RC, .client = 2, .value = TPM2_RC_FAILURE});
    g_assert_cmphex(get_random(fixture), ==, OK);
    g_assert_cmphex(test_esys_get_random(other, ESYS_TR_NONE), ==, TPM2_RC_FAILURE);
    g_assert_cmphex(test_esys_get_random(other, ESYS_TR_NONE), ==, TPM2_RC_FAILURE);
    tpm_mux_clear_faults(fixture->mux);
    g_assert_cmphex(Esys_FlushContext(fixture->esys, session), ==, OK);
    test_esys_close(other);
}

/* The size of an answer to GetRandom as the TCTI gives it to ESYS. */
static gsize
answer_size(Fixture *fixture)
{
    static const guint8 command[] = {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 8};
    guint8 answer[TPM2_MAX_RESPONSE_SIZE];
    gsize size = sizeof answer;
    TSS2_TCTI_CONTEXT *tcti = NULL;

    g_assert_cmphex(Esys_GetTcti(fixture->esys, &tcti), ==, OK);
    g_assert_cmphex(Tss2_Tcti_Transmit(tcti, sizeof command, command), ==, OK);
    g_assert_cmphex(Tss2_Tcti_Receive(tcti, &size, answer, TSS2_TCTI_TIMEOUT_BLOCK), ==, OK);
    return size;
}

/* Each length that an answer can be cut to. GetRandom of 8 bytes answers in 20. */
static void
test_short(Fixture *fixture, gconstpointer data)
{
    guint number;

    for (guint length = 0; length < 20; length++) {
        (void)add(fixture, (TpmMuxFault){.kind = TPM_MUX_CUT, .nth = 1, .value = length});
        g_assert_cmphex(get_random(fixture), ==, TSS2_TCTI_RC_IO_ERROR);
        reopen(fixture);
        tpm_mux_clear_faults(fixture->mux);
    }
    number = add(fixture, (TpmMuxFault){.kind = TPM_MUX_CUT, .nth = 1, .value = 20});
    g_assert_cmphex(get_random(fixture), ==, OK);
    g_assert_cmpuint(tpm_mux_fault_fired(fixture->mux, number), ==, 0);

    /* Seen below ESYS, which would take what is missing from its old buffer. */
    for (guint length = 10; length < 20; length++) {
        (void)add(fixture, (TpmMuxFault){.kind = TPM_MUX_SHRINK, .nth = 1, .value = length});
        g_assert_cmpuint(answer_size(fixture), ==, length);
        tpm_mux_clear_faults(fixture->mux);
    }
    number = add(fixture, (TpmMuxFault){.kind = TPM_MUX_SHRINK, .nth = 1, .value = 9});
    g_assert_cmphex(get_random(fixture), ==, OK);
    g_assert_cmpuint(tpm_mux_fault_fired(fixture->mux, number), ==, 0);
}

static void
test_changed(Fixture *fixture, gconstpointer data)
{
    ESYS_TR session;
    guint number;

    (void)add(fixture, (TpmMuxFault){.kind = TPM_MUX_GARBAGE, .nth = 1});
    g_assert_cmphex(get_random(fixture), !=, OK);
    reopen(fixture);

    /* The response HMAC of a session covers every byte of the parameters. */
    g_assert_cmphex(test_esys_start_session(fixture->esys, TPM2_SE_HMAC, &session), ==, OK);
    (void)add(fixture, (TpmMuxFault){.kind = TPM_MUX_FLIP, .nth = 1, .value = 16});
    g_assert_cmphex(test_esys_get_random(fixture->esys, session), !=, OK);
    reopen(fixture);
    tpm_mux_clear_faults(fixture->mux);
    (void)add(fixture, (TpmMuxFault){.kind = TPM_MUX_FLIP, .nth = 1, .value = 12});
    g_assert_cmphex(get_random(fixture), ==, OK);

    number = add(fixture, (TpmMuxFault){.kind = TPM_MUX_FLIP, .nth = 1, .value = 20});
    g_assert_cmphex(get_random(fixture), ==, OK);
    g_assert_cmpuint(tpm_mux_fault_fired(fixture->mux, number), ==, 0);
}

static gpointer
get_random_in_thread(gpointer esys)
{
    return GUINT_TO_POINTER(test_esys_get_random(esys, ESYS_TR_NONE));
}

static void
test_hang(Fixture *fixture, gconstpointer data)
{
    ESYS_CONTEXT *other = test_esys_open(test_tpm_port(fixture->tpm, "other"));

    for (guint after = 0; after < 2; after++) {
        GThread *thread = NULL;

        (void)add(fixture,
                  (TpmMuxFault){.kind = TPM_MUX_HANG, .port = "main", .nth = 1, .after = after});
        tpm_mux_reset_counts(fixture->mux);
        thread = g_thread_new("hangs", get_random_in_thread, fixture->esys);
        g_assert_true(tpm_mux_wait_hung(fixture->mux, 1, 10000));
        g_assert_cmpuint(tpm_mux_seen(fixture->mux, 0), ==, after);
        /* Nobody else waits for it. */
        g_assert_cmphex(test_esys_get_random(other, ESYS_TR_NONE), ==, OK);
        tpm_mux_release(fixture->mux);
        g_assert_cmphex(GPOINTER_TO_UINT(g_thread_join(thread)), ==, OK);
        g_assert_cmpuint(tpm_mux_seen(fixture->mux, TPM2_CC_GetRandom), ==, 2);
    }
    g_assert_false(tpm_mux_wait_hung(fixture->mux, 1, 1));
    test_esys_close(other);
}

typedef struct {
    guint before;
    guint after;
    TpmMuxVerdict verdict;
    gboolean change;
} Seen;

static TpmMuxVerdict
watch(TpmMuxEvent *event, gpointer data)
{
    Seen *seen = data;

    g_assert_cmpstr(event->port, ==, "main");
    g_assert_cmphex(event->code, ==, TPM2_CC_GetRandom);
    if (event->after) {
        seen->after++;
        g_assert_cmpuint(event->response->len, >=, 10);
        return TPM_MUX_PASS;
    }
    seen->before++;
    g_assert_cmpuint(event->response->len, ==, 0);
    g_assert_cmpuint(event->command->len, ==, 12);
    if (seen->change)
        event->command->data[11] = 4; /* bytes asked for */
    if (seen->verdict == TPM_MUX_ANSWER) {
        static const guint8 answer[] = {0x80, 1, 0, 0, 0, 16, 0, 0, 0, 0, 0, 4, 1, 2, 3, 4};

        g_byte_array_append(event->response, answer, sizeof answer);
    }
    return seen->verdict;
}

static void
test_hook(Fixture *fixture, gconstpointer data)
{
    Seen seen = {0};
    TPM2B_DIGEST *bytes = NULL;

    g_assert_cmphex(get_random(fixture), ==, OK);
    tpm_mux_set_hook(fixture->mux, watch, &seen);
    g_assert_cmphex(get_random(fixture), ==, OK);
    g_assert_cmpuint(seen.before, ==, 1);
    g_assert_cmpuint(seen.after, ==, 1);

    seen.change = TRUE;
    g_assert_cmphex(
        Esys_GetRandom(fixture->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, 8, &bytes), ==, OK);
    g_assert_cmpuint(bytes->size, ==, 4);
    Esys_Free(bytes);

    tpm_mux_reset_counts(fixture->mux);
    seen.verdict = TPM_MUX_ANSWER;
    g_assert_cmphex(
        Esys_GetRandom(fixture->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, 8, &bytes), ==, OK);
    g_assert_cmpmem(bytes->buffer, bytes->size, "\1\2\3\4", 4);
    Esys_Free(bytes);
    g_assert_cmpuint(tpm_mux_seen(fixture->mux, 0), ==, 0);

    seen.verdict = TPM_MUX_CLOSE;
    g_assert_cmphex(get_random(fixture), ==, TSS2_TCTI_RC_IO_ERROR);
    tpm_mux_set_hook(fixture->mux, NULL, NULL);
    reopen(fixture);
    g_assert_cmphex(get_random(fixture), ==, OK);
}

static void
test_power(Fixture *fixture, gconstpointer data)
{
    static const guint8 zero[32];
    g_autofree char *first = NULL, *second = NULL, *again = NULL;
    guint8 pcr[32];

    test_tpm_extend(fixture->tpm, 0, "boot");
    tpm_mux_power_off(fixture->mux);
    g_assert_cmphex(get_random(fixture), ==, TSS2_TCTI_RC_IO_ERROR);
    test_tpm_power_cycle(fixture->tpm);
    reopen(fixture);
    g_assert_cmphex(get_random(fixture), ==, OK);
    test_tpm_read_pcr(fixture->tpm, CVS_SHA256, 0, pcr);
    g_assert_cmpmem(pcr, sizeof pcr, zero, sizeof zero);

    /* A primary key's public part tells one TPM from another. */
    first = test_tpm_run(fixture->tpm, "sh -c 'tpm2_createprimary -G ecc -c p.ctx -Q && "
                                       "tpm2_readpublic -c p.ctx'");
    test_tpm_replace(fixture->tpm, 1);
    second = test_tpm_run(fixture->tpm, "sh -c 'tpm2_createprimary -G ecc -c p.ctx -Q && "
                                        "tpm2_readpublic -c p.ctx'");
    g_assert_cmpstr(first, !=, second);
    test_tpm_replace(fixture->tpm, 0);
    again = test_tpm_run(fixture->tpm, "sh -c 'tpm2_createprimary -G ecc -c p.ctx -Q && "
                                       "tpm2_readpublic -c p.ctx'");
    g_assert_cmpstr(first, ==, again);
}

/* The reboot that announces itself leaves clock and counters as TPM2_Shutdown promises. */
static void
test_reboot(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    for (guint cut = 0; cut < 2; cut++) {
        TPMS_TIME_INFO *time = NULL;
        guint32 resets;

        reopen(fixture);
        g_assert_cmphex(
            Esys_ReadClock(fixture->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &time), ==, OK);
        resets = time->clockInfo.resetCount;
        Esys_Free(time);
        if (cut)
            g_assert_true(tpm_mux_power_cycle(fixture->mux, &error));
        else
            g_assert_true(tpm_mux_reboot(fixture->mux, &error));
        g_assert_no_error(error);
        reopen(fixture);
        g_assert_cmphex(
            Esys_ReadClock(fixture->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, &time), ==, OK);
        g_assert_cmpuint(time->clockInfo.resetCount, ==, resets + 1);
        /* Not safe: after the power was cut the clock may have gone back. */
        g_assert_cmpuint(time->clockInfo.safe, ==, !cut);
        Esys_Free(time);
    }
}

static void
check_line(Fixture *fixture, const char *line, const char *wanted)
{
    g_autofree char *answer = tpm_mux_control(fixture->mux, line);

    g_assert_cmpstr(answer, ==, wanted);
}

static void
test_control(Fixture *fixture, gconstpointer data)
{
    tpm_mux_reset_counts(fixture->mux);
    check_line(fixture, "fault rc nth=2 code=0x17b port=main value=0x101 when=after", "ok 1\n");
    g_assert_cmphex(get_random(fixture), ==, OK);
    g_assert_cmphex(get_random(fixture), ==, TPM2_RC_FAILURE);
    check_line(fixture, "fired 1", "ok 1\n");
    check_line(fixture, "sent", "ok 2\n");
    check_line(fixture, "sent - 0x17b", "ok 2\n");
    check_line(fixture, "sent tools", "ok 0\n");
    check_line(fixture, "seen 0x17b", "ok 2\n");
    check_line(fixture, "counts", "0x17b 2 2\nok\n");
    check_line(fixture, "handles", "ok 1 0 0\n");
    check_line(fixture, "reset-counts", "ok\n");
    check_line(fixture, "seen", "ok 0\n");
    check_line(fixture, "clear", "ok\n");
    check_line(fixture, "fired 1", "ok 0\n");
    check_line(fixture, "wait-hung 1 1", "error fewer than 1 commands hang after 1 ms\n");
    check_line(fixture, "release", "ok\n");
    check_line(fixture, "end-clients main", "ok\n");
    check_line(fixture, "handles main", "ok 0 0 0\n");
    check_line(fixture, "power-off", "ok\n");
    g_assert_cmphex(get_random(fixture), ==, TSS2_TCTI_RC_IO_ERROR);
    check_line(fixture, "power-on 1", "ok\n");
    check_line(fixture, "power-cycle", "ok\n");
    check_line(fixture, "reboot", "ok\n");
    reopen(fixture);
    g_assert_cmphex(get_random(fixture), ==, OK);

    check_line(fixture, "", "error not a command\n");
    check_line(fixture, "nonsense 1", "error no such command: nonsense\n");
    check_line(fixture, "fault",
               "error fault wants a kind: drop rc cut shrink garbage flip hang\n");
    check_line(fixture, "fault drop nth=-1", "error not understood: nth=-1\n");
    check_line(fixture, "fault drop when=soon", "error not understood: when=soon\n");
    check_line(fixture, "fault drop nth", "error not understood: nth\n");
    check_line(fixture, "add-port", "error add-port wants a name\n");
    check_line(fixture, "seen many", "error not a command code: many\n");
    check_line(fixture, "fired", "error fired wants the number of a fault\n");
}

/* The program: ready line, a tool as its client, control by stdin and by the socket, its end. */
static void
test_program(Fixture *fixture, gconstpointer data)
{
    const char *dir = test_tpm_dir(fixture->tpm);
    g_autofree char *program = g_test_build_filename(G_TEST_BUILT, "sim", "tpm-mux", NULL);
    g_autofree char *control = g_build_filename(dir, "control", NULL);
    g_autofree char *own = g_build_filename(dir, "own", NULL);
    g_autofree char *ready = NULL, *wanted = NULL, *output = NULL;
    g_autoptr(GSubprocess) process = NULL;
    g_autoptr(GDataInputStream) out = NULL;
    g_autoptr(GSocketClient) client = g_socket_client_new();
    g_autoptr(GSocketConnection) connection = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_cmpint(g_mkdir(own, 0700), ==, 0);
    process = g_subprocess_new(G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE,
                               &error, program, "--dir", own, "--control", control, "--stdin",
                               "--port", "tpm", "--follow-parent", NULL);
    g_assert_no_error(error);
    out = g_data_input_stream_new(g_subprocess_get_stdout_pipe(process));
    ready = g_data_input_stream_read_line(out, NULL, NULL, &error);
    g_assert_no_error(error);
    wanted = g_strdup_printf("ready swtpm:path=%s/tpm", own);
    g_assert_cmpstr(ready, ==, wanted);
    g_free(test_tpm_run(fixture->tpm, "tpm2_getrandom -T %s --hex 8", ready + strlen("ready ")));

    g_assert_true(g_output_stream_write_all(g_subprocess_get_stdin_pipe(process), "sent - 0x17b\n",
                                            13, NULL, NULL, &error));
    output = g_data_input_stream_read_line(out, NULL, NULL, &error);
    g_assert_cmpstr(output, ==, "ok 1");

    {
        g_autoptr(GSocketAddress) address = g_unix_socket_address_new(control);
        g_autoptr(GDataInputStream) answers = NULL;
        g_autofree char *answer = NULL;

        connection = g_socket_client_connect(client, G_SOCKET_CONNECTABLE(address), NULL, &error);
        g_assert_no_error(error);
        answers = g_data_input_stream_new(g_io_stream_get_input_stream(G_IO_STREAM(connection)));
        g_assert_true(
            g_output_stream_write_all(g_io_stream_get_output_stream(G_IO_STREAM(connection)),
                                      "handles\n", 8, NULL, NULL, &error));
        answer = g_data_input_stream_read_line(answers, NULL, NULL, &error);
        g_assert_cmpstr(answer, ==, "ok 0 0 0");
    }

    g_assert_true(g_output_stream_close(g_subprocess_get_stdin_pipe(process), NULL, &error));
    g_assert_true(g_subprocess_wait_check(process, NULL, &error));
    g_assert_no_error(error);
    g_assert_false(g_file_test(control, G_FILE_TEST_EXISTS));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, function)                                                                        \
    g_test_add("/mux-fault/" path, Fixture, NULL, set_up, function, tear_down)
    ADD("drop", test_drop);
    ADD("codes", test_codes);
    ADD("code-after", test_code_after);
    ADD("matching", test_matching);
    ADD("short", test_short);
    ADD("changed", test_changed);
    ADD("hang", test_hang);
    ADD("hook", test_hook);
    ADD("power", test_power);
    ADD("reboot", test_reboot);
    ADD("control", test_control);
    ADD("program", test_program);
#undef ADD
    return g_test_run();
}
