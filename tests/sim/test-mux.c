/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/swtpm.h"
#include "sim/test-esys.h"
#include "sim/test-tpm.h"
#include "base/file.h"

#include <gio/gio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define OK TSS2_RC_SUCCESS
#define VIRTUAL_FIRST 0x80ffffffu

typedef struct {
    TestTpm *tpm;
    TpmMux *mux;
    ESYS_CONTEXT *one;
    ESYS_CONTEXT *two;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
    fixture->tpm = test_tpm_new(TPM_MUX_DEFAULT);
    fixture->mux = test_tpm_mux(fixture->tpm);
    fixture->one = test_esys_open(test_tpm_port(fixture->tpm, "one"));
    fixture->two = test_esys_open(test_tpm_port(fixture->tpm, "two"));
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    test_esys_close(fixture->one);
    test_esys_close(fixture->two);
    test_tpm_free(fixture->tpm);
}

/* A client that keeps its connection, and says what it wants byte by byte. */
static int
raw_connect(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    g_assert_cmpuint(g_strlcpy(address.sun_path, path, sizeof address.sun_path), <,
                     sizeof address.sun_path);
    g_assert_cmpint(connect(fd, (struct sockaddr *)&address, sizeof address), ==, 0);
    return fd;
}

/* Sends a command of a code and a body of words; the response code, G_MAXUINT32 if the connection
 * was closed. The answer's first word behind the header goes to *ret_first. */
static guint32
raw_command(int fd, guint32 code, guint n_words, const guint32 *words, guint32 *ret_first)
{
    guint8 buffer[SWTPM_MESSAGE_MAX] = {0x80, 0x01};
    gsize size = 10 + 4 * n_words, got = 0;

    tpm_put_u32(buffer + 2, (guint32)size);
    tpm_put_u32(buffer + 6, code);
    for (guint i = 0; i < n_words; i++)
        tpm_put_u32(buffer + 10 + 4 * i, words[i]);
    g_assert_cmpint(send(fd, buffer, size, MSG_NOSIGNAL), ==, (gssize)size);
    do {
        gssize n = recv(fd, buffer + got, sizeof buffer - got, 0);

        if (n <= 0)
            return G_MAXUINT32;
        got += (gsize)n;
    } while (got < 10 || got < tpm_get_u32(buffer + 2));
    if (ret_first)
        *ret_first = got >= 14 ? tpm_get_u32(buffer + 10) : 0;
    return tpm_get_u32(buffer + 6);
}

static void
test_two_clients(Fixture *fixture, gconstpointer data)
{
    ESYS_TR session_one, session_two, key_one, key_two;
    TpmMuxHandles handles;

    g_assert_cmphex(test_esys_start_session(fixture->one, TPM2_SE_HMAC, &session_one), ==, OK);
    g_assert_cmphex(test_esys_start_session(fixture->two, TPM2_SE_POLICY, &session_two), ==, OK);
    g_assert_cmphex(test_esys_create_primary(fixture->one, &key_one), ==, OK);
    g_assert_cmphex(test_esys_create_primary(fixture->two, &key_two), ==, OK);
    for (guint i = 0; i < 20; i++) {
        g_assert_cmphex(test_esys_get_random(fixture->one, session_one), ==, OK);
        g_assert_cmphex(Esys_PolicyAuthValue(fixture->two, session_two, ESYS_TR_NONE, ESYS_TR_NONE,
                                             ESYS_TR_NONE),
                        ==, OK);
    }
    handles = tpm_mux_handles(fixture->mux, NULL);
    g_assert_cmpuint(handles.clients, ==, 2);
    g_assert_cmpuint(handles.objects, ==, 2);
    g_assert_cmpuint(handles.sessions, ==, 2);

    g_assert_cmphex(Esys_FlushContext(fixture->one, key_one), ==, OK);
    g_assert_cmphex(Esys_FlushContext(fixture->one, session_one), ==, OK);
    handles = tpm_mux_handles(fixture->mux, "one");
    g_assert_cmpuint(handles.objects + handles.sessions, ==, 0);
    handles = tpm_mux_handles(fixture->mux, "two");
    g_assert_cmpuint(handles.objects, ==, 1);
    g_assert_cmpuint(handles.sessions, ==, 1);
    g_assert_cmphex(
        Esys_PolicyRestart(fixture->two, session_two, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE), ==,
        OK);
}

static void
test_isolation(Fixture *fixture, gconstpointer data)
{
    const guint32 first[] = {VIRTUAL_FIRST};
    CVS_AUTO_FD int raw = -1;
    g_autoptr(GError) error = NULL;
    guint32 seen = 0, session_handle = 0;
    ESYS_TR key, session;

    g_assert_cmphex(test_esys_create_primary(fixture->one, &key), ==, OK);
    g_assert_cmphex(test_esys_start_session(fixture->one, TPM2_SE_POLICY, &session), ==, OK);
    g_assert_cmphex(Esys_TR_GetTpmHandle(fixture->one, session, &session_handle), ==, OK);

    /* Each is shown its own objects, under virtual handles that count down. */
    g_assert_cmpuint(test_esys_count_handles(fixture->one, TPM_TRANSIENT_FIRST, &seen), ==, 1);
    g_assert_cmphex(seen, ==, VIRTUAL_FIRST);
    g_assert_cmpuint(test_esys_count_handles(fixture->two, TPM_TRANSIENT_FIRST, NULL), ==, 0);

    /* The other's object cannot be named at all: the kernel fails the write. */
    g_assert_nonnull(tpm_mux_add_port(fixture->mux, "raw", TPM_MUX_CONNECTION, &error));
    g_assert_no_error(error);
    raw = raw_connect(tpm_mux_port_path(fixture->mux, "raw"));
    g_assert_cmphex(raw_command(raw, TPM2_CC_ReadPublic, 1, first, NULL), ==, G_MAXUINT32);
    cvs_close_fd(&raw);
    raw = raw_connect(tpm_mux_port_path(fixture->mux, "raw"));
    g_assert_cmphex(raw_command(raw, TPM2_CC_FlushContext, 1, first, NULL), ==, G_MAXUINT32);
    cvs_close_fd(&raw);
    /* The other's session can be named, but is not loaded. */
    raw = raw_connect(tpm_mux_port_path(fixture->mux, "raw"));
    g_assert_cmphex(raw_command(raw, TPM2_CC_PolicyRestart, 1, &session_handle, NULL), ==,
                    TPM2_RC_REFERENCE_H0);

    g_assert_cmphex(
        Esys_PolicyRestart(fixture->one, session, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE), ==,
        OK);
    g_assert_cmphex(Esys_FlushContext(fixture->one, key), ==, OK);
}

static void
test_three_slots(Fixture *fixture, gconstpointer data)
{
    ESYS_TR keys[3], sessions[3], one_more;
    ESYS_TR other;

    for (guint i = 0; i < 3; i++) {
        g_assert_cmphex(test_esys_create_primary(fixture->one, &keys[i]), ==, OK);
        g_assert_cmphex(test_esys_start_session(fixture->one, TPM2_SE_HMAC, &sessions[i]), ==, OK);
    }
    /* The TPM has three slots too, and yet another client has its own. */
    g_assert_cmphex(test_esys_create_primary(fixture->two, &other), ==, OK);
    g_assert_cmphex(test_esys_start_session(fixture->two, TPM2_SE_HMAC, &other), ==, OK);

    g_assert_cmphex(test_esys_create_primary(fixture->one, &one_more), ==, TPM2_RC_OBJECT_MEMORY);
    g_assert_cmpuint(tpm_mux_handles(fixture->mux, "one").objects, ==, 3);
    g_assert_cmphex(Esys_FlushContext(fixture->one, keys[1]), ==, OK);
    g_assert_cmphex(test_esys_create_primary(fixture->one, &keys[1]), ==, OK);

    /* swtpm has room for three loaded sessions, so it is the TPM that refuses the fourth; where it
     * has more, the resource manager does. */
    g_assert_cmphex(test_esys_start_session(fixture->one, TPM2_SE_HMAC, &one_more), ==,
                    TPM2_RC_SESSION_MEMORY);
    for (guint i = 0; i < 3; i++)
        g_assert_cmphex(test_esys_get_random(fixture->one, sessions[i]), ==, OK);
    g_assert_cmpuint(tpm_mux_handles(fixture->mux, "one").sessions, ==, 3);
    g_assert_cmpuint(tpm_mux_handles(fixture->mux, "one").objects, ==, 3);
    g_assert_cmphex(test_esys_get_random(fixture->two, other), ==, OK);
}

static void
test_counts(Fixture *fixture, gconstpointer data)
{
    g_autofree char *text = NULL;
    ESYS_TR session;

    tpm_mux_reset_counts(fixture->mux);
    g_assert_cmphex(test_esys_start_session(fixture->one, TPM2_SE_HMAC, &session), ==, OK);
    for (guint i = 0; i < 5; i++)
        g_assert_cmphex(test_esys_get_random(fixture->one, session), ==, OK);
    g_assert_cmphex(test_esys_get_random(fixture->two, ESYS_TR_NONE), ==, OK);
    g_assert_cmphex(Esys_FlushContext(fixture->one, session), ==, OK);

    g_assert_cmpuint(tpm_mux_sent(fixture->mux, NULL, 0), ==, 8);
    g_assert_cmpuint(tpm_mux_sent(fixture->mux, "one", 0), ==, 7);
    g_assert_cmpuint(tpm_mux_sent(fixture->mux, "one", TPM2_CC_GetRandom), ==, 5);
    g_assert_cmpuint(tpm_mux_sent(fixture->mux, NULL, TPM2_CC_GetRandom), ==, 6);
    /* Saved after the start and each of five uses; loaded for these and for the flush. */
    g_assert_cmpuint(tpm_mux_seen(fixture->mux, TPM2_CC_ContextSave), ==, 7);
    g_assert_cmpuint(tpm_mux_seen(fixture->mux, TPM2_CC_ContextLoad), ==, 6);
    g_assert_cmpuint(tpm_mux_seen(fixture->mux, TPM2_CC_GetRandom), ==, 6);
    g_assert_cmpuint(tpm_mux_seen(fixture->mux, 0), ==, 8 + 7 + 6);
    text = tpm_mux_describe_counts(fixture->mux);
    g_assert_cmpstr(text, ==, "0x161 0 6\n0x162 0 7\n0x165 1 1\n0x176 1 1\n0x17b 6 6\n");

    tpm_mux_reset_counts(fixture->mux);
    test_tpm_extend(fixture->tpm, 0, "the bed's own commands are not counted");
    g_assert_cmpuint(tpm_mux_sent(fixture->mux, NULL, 0), ==, 0);
    g_assert_cmpuint(tpm_mux_seen(fixture->mux, 0), ==, 0);
}

/* Clients that end take their handles with them: a connection, a process, a TCTI that is opened
 * again by the same process. */
static void
test_disconnect(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    guint8 command[64] = {0x80, 0x01};
    CVS_AUTO_FD int raw = -1;
    ESYS_TR session, key;
    gsize size = 0;

    g_assert_nonnull(tpm_mux_add_port(fixture->mux, "raw", TPM_MUX_CONNECTION, &error));
    g_assert_no_error(error);
    raw = raw_connect(tpm_mux_port_path(fixture->mux, "raw"));
    /* tpmKey, bind, nonceCaller of 16 bytes, no salt, policy, no symmetric, SHA-256. */
    size = 10 + 4 + 4 + 2 + 16 + 2 + 1 + 2 + 2;
    tpm_put_u32(command + 2, (guint32)size);
    tpm_put_u32(command + 6, TPM2_CC_StartAuthSession);
    tpm_put_u32(command + 10, TPM2_RH_NULL);
    tpm_put_u32(command + 14, TPM2_RH_NULL);
    command[19] = 16;
    command[38] = TPM2_SE_POLICY;
    command[40] = TPM2_ALG_NULL;
    command[42] = TPM2_ALG_SHA256;
    g_assert_true(cvs_write_all(raw, command, size));
    g_assert_cmpint(recv(raw, command, sizeof command, 0), >, 14);
    g_assert_cmphex(tpm_get_u32(command + 6), ==, OK);
    g_assert_cmpuint(tpm_mux_handles(fixture->mux, "raw").sessions, ==, 1);
    cvs_close_fd(&raw);
    g_assert_cmpuint(tpm_mux_handles(fixture->mux, "raw").clients, ==, 0);
    g_assert_cmpuint(test_esys_count_handles(fixture->two, TPM2_ACTIVE_SESSION_FIRST, NULL), ==, 0);

    g_assert_cmphex(test_esys_start_session(fixture->one, TPM2_SE_HMAC, &session), ==, OK);
    g_assert_cmphex(test_esys_create_primary(fixture->one, &key), ==, OK);
    test_esys_close(fixture->one);
    g_assert_cmpuint(test_tpm_count_handles(fixture->tpm), ==, 2);
    fixture->one = test_esys_open(test_tpm_port(fixture->tpm, "one"));
    g_assert_cmpuint(test_tpm_count_handles(fixture->tpm), ==, 0);
    g_assert_cmpuint(test_esys_count_handles(fixture->two, TPM2_ACTIVE_SESSION_FIRST, NULL), ==, 0);

    g_free(test_tpm_run(fixture->tpm, "tpm2_startauthsession --policy-session -S session.ctx"));
    g_assert_cmpuint(tpm_mux_handles(fixture->mux, "tools").clients, ==, 0);
    /* It saved the session for the next tool, which takes it out of its space. */
    g_assert_cmpuint(test_esys_count_handles(fixture->two, TPM2_ACTIVE_SESSION_FIRST, NULL), ==, 1);
    g_free(test_tpm_run(fixture->tpm, "tpm2_policypcr -S session.ctx -l sha256:0"));
    g_free(test_tpm_run(fixture->tpm, "tpm2_flushcontext session.ctx"));
    g_assert_cmpuint(test_esys_count_handles(fixture->two, TPM2_ACTIVE_SESSION_FIRST, NULL), ==, 0);
}

/* tpm2-tools work behind the multiplexer as on /dev/tpmrm0: without flushing between them. */
static void
test_tools(Fixture *fixture, gconstpointer data)
{
    g_autofree char *secret = NULL, *listed = NULL, *errors = NULL;
    TestTpm *tpm = fixture->tpm;

    g_free(test_tpm_run(tpm, "tpm2_createprimary -C o -G ecc -c primary.ctx"));
    g_free(test_tpm_run(tpm, "tpm2_createpolicy --policy-pcr -l sha256:0,7 -L policy"));
    g_free(test_tpm_run(tpm, "sh -c 'printf 0123456789 > secret'"));
    g_free(test_tpm_run(tpm, "tpm2_create -C primary.ctx -L policy -i secret -u pub -r priv"));
    g_free(test_tpm_run(tpm, "tpm2_load -C primary.ctx -u pub -r priv -c sealed.ctx"));
    secret = test_tpm_run(tpm, "tpm2_unseal -c sealed.ctx -p pcr:sha256:0,7");
    g_assert_cmpstr(secret, ==, "0123456789");
    listed = test_tpm_run(tpm, "tpm2_getcap handles-transient");
    g_assert_cmpstr(listed, ==, "");
    test_tpm_extend(tpm, 7, "another boot");
    errors = test_tpm_run_fails(tpm, "tpm2_unseal -c sealed.ctx -p pcr:sha256:0,7");
    g_assert_nonnull(strstr(errors, "policy check failed"));
    g_assert_cmpuint(test_tpm_count_handles(tpm), ==, 0);
}

static void
test_pcrs(Fixture *fixture, gconstpointer data)
{
    static const CvsHash banks[] = {CVS_SHA256, CVS_SHA384};

    test_tpm_extend(fixture->tpm, 4, "event");
    for (gsize i = 0; i < G_N_ELEMENTS(banks); i++) {
        guint8 both[2 * CVS_DIGEST_MAX] = {0};
        guint8 wanted[CVS_DIGEST_MAX], seen[CVS_DIGEST_MAX];
        gsize size = cvs_hash_size(banks[i]);

        cvs_hash_bytes(banks[i], "event", 5, both + size);
        cvs_hash_bytes(banks[i], both, 2 * size, wanted);
        test_tpm_read_pcr(fixture->tpm, banks[i], 4, seen);
        g_assert_cmpmem(seen, size, wanted, size);
    }
}

/* ESYS cannot go on after an error of its transport. */
static void
reopen_two(Fixture *fixture)
{
    test_esys_close(fixture->two);
    fixture->two = test_esys_open(test_tpm_port(fixture->tpm, "two"));
}

/* One client leaves a session lie while another works: 65,535 saved contexts later the TPM cannot
 * tell which is older, and refuses to save any session until the idle one was loaded. */
static void
test_context_gap(Fixture *fixture, gconstpointer data)
{
    ESYS_TR idle, busy[3];
    TSS2_RC rc = OK;
    guint n = 0;

    if (g_test_quick()) {
        g_test_skip("needs 65,535 saved contexts; runs with -m slow");
        return;
    }
    g_assert_cmphex(test_esys_start_session(fixture->one, TPM2_SE_HMAC, &idle), ==, OK);
    for (guint i = 0; i < 3; i++)
        g_assert_cmphex(test_esys_start_session(fixture->two, TPM2_SE_HMAC, &busy[i]), ==, OK);
    /* No session in the command: loading and saving the three is the resource manager's doing. */
    while (rc == OK && n < 30000) {
        rc = test_esys_get_random(fixture->two, ESYS_TR_NONE);
        n++;
    }
    g_test_message("the gap came with command %u", n);
    g_assert_cmphex(rc, ==, TSS2_TCTI_RC_IO_ERROR);
    g_assert_cmpuint(n, >, 65535 / 3 - 10);
    g_assert_cmpuint(n, <=, 65535 / 3 + 1);
    /* Whoever starts a session now is refused, though he did nothing wrong: the TPM would start it,
     * but the resource manager cannot save it, and the kernel fails the read. */
    reopen_two(fixture);
    g_assert_cmphex(test_esys_start_session(fixture->two, TPM2_SE_HMAC, &busy[0]), ==,
                    TSS2_TCTI_RC_IO_ERROR);
    /* The idle one can be loaded, and its use ends the gap: it is saved anew. */
    g_assert_cmphex(test_esys_get_random(fixture->one, idle), ==, OK);
    reopen_two(fixture);
    g_assert_cmphex(test_esys_start_session(fixture->two, TPM2_SE_HMAC, &busy[0]), ==, OK);
}

static void
test_no_rm(void)
{
    g_autoptr(TestTpm) tpm = test_tpm_new(TPM_MUX_NO_RM);
    ESYS_CONTEXT *one = test_esys_open(test_tpm_port(tpm, "one"));
    ESYS_CONTEXT *two = test_esys_open(test_tpm_port(tpm, "two"));
    ESYS_TR session, key;

    g_assert_cmphex(test_esys_start_session(one, TPM2_SE_HMAC, &session), ==, OK);
    g_assert_cmphex(test_esys_create_primary(one, &key), ==, OK);
    g_assert_cmpuint(test_esys_count_handles(two, TPM_TRANSIENT_FIRST, NULL), ==, 1);
    g_assert_cmpuint(test_tpm_count_handles(tpm), ==, 2);
    g_assert_cmpuint(tpm_mux_seen(test_tpm_mux(tpm), TPM2_CC_ContextSave), ==, 0);
    g_assert_cmphex(Esys_FlushContext(one, key), ==, OK);
    g_assert_cmphex(Esys_FlushContext(one, session), ==, OK);
    g_assert_cmpuint(test_tpm_count_handles(tpm), ==, 0);
    test_esys_close(one);
    test_esys_close(two);
}

static void
test_unknown_command(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    CVS_AUTO_FD int raw = -1;

    g_assert_nonnull(tpm_mux_add_port(fixture->mux, "raw", TPM_MUX_CONNECTION, &error));
    raw = raw_connect(tpm_mux_port_path(fixture->mux, "raw"));
    tpm_mux_reset_counts(fixture->mux);
    g_assert_cmphex(raw_command(raw, 0x1ff, 0, NULL, NULL), ==,
                    TSS2_RESMGR_RC_LAYER | TPM2_RC_COMMAND_CODE);
    g_assert_cmpuint(tpm_mux_seen(fixture->mux, 0), ==, 0);
    /* A size that cannot be ends the connection. */
    g_assert_true(cvs_write_all(raw, "\x80\x01\0\0\x10\x01\0\0\x01\x7b", 10));
    g_assert_cmpint(recv(raw, &(char){0}, 1, 0), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(path, function) g_test_add("/mux/" path, Fixture, NULL, set_up, function, tear_down)
    ADD("two-clients", test_two_clients);
    ADD("isolation", test_isolation);
    ADD("three-slots", test_three_slots);
    ADD("counts", test_counts);
    ADD("disconnect", test_disconnect);
    ADD("tools", test_tools);
    ADD("pcrs", test_pcrs);
    ADD("unknown-command", test_unknown_command);
    ADD("context-gap", test_context_gap);
#undef ADD
    g_test_add_func("/mux/no-rm", test_no_rm);
    return g_test_run();
}
