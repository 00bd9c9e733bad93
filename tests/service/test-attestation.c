/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The daemon in a confidential VM: a TEE that is slow or fails holds up nobody who does not need
 * it, is not asked by each request, and is asked again when it is well. */

#include "attest/challenge.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/lock.h"
#include "bed.h"
#include "service/swift-clock.h"
#include "tee/tee-bed.h"
#include "tpm/attesting.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* What everybody waits at most for an answer, and what Attest does. */
#define PATIENCE_S 10
#define LONG_PATIENCE_S 300

static Bed *bed;
static TeeBed vm;
static char *measurement;
static gint64 *time_us; /* the daemon's */

/* Time passes. The daemon sees it when it is called. */
static void
pass(guint seconds)
{
    (void)__atomic_add_fetch(time_us, seconds * G_USEC_PER_SEC, __ATOMIC_SEQ_CST);
    bed_assert_opens(bed->bob, "plain", "y", 1, NULL);
}

/* How many seconds pass until it is answered, which whoever waits for the TEE is at last. */
static guint
pass_until_done(TestPending *pending, guint step)
{
    guint seconds = 0;

    while (!test_call_is_done(pending)) {
        if (seconds > 2 * LONG_PATIENCE_S)
            g_error("somebody waits for ever");
        pass(step);
        seconds += step;
    }
    return seconds;
}

/* While it is held, it is another program's turn to ask the TEE: the answer does not come. */
static CvsLock *
hold_tee(void)
{
    CVS_AUTO_FD int dir = cvs_dir_open(vm.paths->run_dir, TRUE, 0700, NULL);
    g_autoptr(GError) error = NULL;
    CvsLock *turn = NULL;

    g_assert_cmpint(dir, >=, 0);
    turn = cvs_lock_take(dir, "tee-requests", 60000, &error);
    g_assert_no_error(error);
    return turn;
}

/* As after a boot: nothing is attested. */
static void
restart(void)
{
    g_autofree char *kept = g_build_filename(vm.paths->run_dir, "boot-attestation", NULL);

    g_assert_cmpint(bed_stop(bed, SIGTERM), ==, 0);
    (void)g_unlink(kept);
    bed_start(bed, 0);
}

static TestPending *
begin_seal(GDBusConnection *who, const char *name)
{
    CVS_AUTO_FD int fd = bed_pipe("x", 1);

    return test_call_begin(who, "Seal",
                           g_variant_new("(sh@a{sv})", name, 0,
                                         bed_options("{'profile': <'tee'>, 'replace': <true>}")),
                           &fd, 1);
}

static TestReply *
seal(const char *name)
{
    return test_call_finish(begin_seal(bed->alice, name));
}

static TestReply *
seal_too_slowly(const char *name)
{
    TestPending *pending = begin_seal(bed->alice, name);

    (void)pass_until_done(pending, 1);
    return test_call_finish(pending);
}

static TestPending *
begin_attest(GDBusConnection *who, const char *nonce, const char *options)
{
    GVariant *bytes =
        g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, nonce, strlen(nonce), sizeof *nonce);

    return test_call_begin(who, "Attest", g_variant_new("(@ay@a{sv})", bytes, bed_options(options)),
                           NULL, 0);
}

static TestReply *
attest(GDBusConnection *who, const char *nonce, const char *options)
{
    return test_call_finish(begin_attest(who, nonce, options));
}

static void
expect_sealed(TestReply *reply)
{
    g_autoptr(TestReply) owned = reply;

    if (owned->error)
        g_error("%s: %s", owned->error, owned->message);
}

static void
expect_refused(TestReply *reply, const char *error, const char *reason)
{
    g_autoptr(TestReply) owned = reply;

    if (bed_count_reasons(owned, reason) != 1)
        g_error("%s: %s", owned->error, owned->message);
    bed_assert_error(g_steal_pointer(&owned), error);
}

/* What failed is not tried again at once, but soon. */
static void
wait_until_well(void)
{
    for (guint i = 0; i < 10; i++) {
        g_autoptr(TestReply) reply = seal("well");

        if (reply->error == NULL)
            return;
        g_test_message("%s: %s", reply->error, reply->message);
        pass(1);
    }
    g_error("it stays so");
}

static void
test_slow(void)
{
    g_autoptr(CvsLock) turn = NULL;
    TestPending *waits = NULL, *also = NULL;
    g_autoptr(TestReply) explained = NULL;
    guint before = 0;

    restart();
    turn = hold_tee();
    before = tee_sim_requests(vm.sim);
    waits = begin_seal(bed->alice, "slow");
    also = begin_seal(bed->alice, "slow-too");
    for (guint i = 0; i < 20; i++)
        bed_assert_opens(bed->bob, "plain", "y", 1, NULL);
    g_assert_false(test_call_is_done(waits));
    g_assert_false(test_call_is_done(also));
    /* Nobody waits for ever, and those who come later are not worse off. */
    g_assert_cmpuint(pass_until_done(waits, 1), >=, PATIENCE_S);
    expect_refused(test_call_finish(waits), "Busy", "AttestationUnderWay");
    (void)pass_until_done(also, 1);
    expect_refused(test_call_finish(also), "Busy", "AttestationUnderWay");
    waits = begin_seal(bed->alice, "slow");
    bed_assert_opens(bed->bob, "plain", "y", 1, NULL);
    g_assert_false(test_call_is_done(waits));
    g_clear_pointer(&turn, cvs_lock_release);
    expect_sealed(test_call_finish(waits));
    /* All of them are served by one answer. */
    expect_sealed(seal("slow-too"));
    g_assert_cmpuint(tee_sim_requests(vm.sim), ==, before + 1);
    bed_assert_opens(bed->alice, "slow", "x", 1, NULL);
}

/* What is sealed without the TEE opens also where another slot would need it; an explanation is not
 * given before it is known. */
static void
test_slow_explain(void)
{
    g_autoptr(CvsLock) turn = NULL;
    g_autoptr(TestReply) reply = NULL;
    TestPending *explain = NULL;
    const char *text = NULL;

    expect_sealed(seal("explained"));
    restart();
    turn = hold_tee();
    explain = test_call_begin(bed->alice, "Explain",
                              g_variant_new("(s@a{sv})", "explained", bed_options(NULL)), NULL, 0);
    bed_assert_opens(bed->bob, "plain", "y", 1, NULL);
    g_assert_false(test_call_is_done(explain));
    g_clear_pointer(&turn, cvs_lock_release);
    reply = test_call_finish(explain);
    g_assert_cmpstr(reply->error, ==, NULL);
    g_variant_get(reply->body, "(&s)", &text);
    if (strstr(text, "\"opens\":true") == NULL)
        g_error("%s", text);
}

/* A TEE that cannot give a report. */
static void
test_fails(gconstpointer data)
{
    const char *const *lie = data; /* switch, error, reason */
    guint before = 0;

    restart();
    tee_sim_must(vm.sim, lie[0]);
    expect_refused(seal("fails"), lie[1], lie[2]);
    before = tee_sim_requests(vm.sim);
    /* Who asks in a hurry gets the same answer, and the TEE is let be. */
    for (guint i = 0; i < 20; i++)
        expect_refused(seal("fails"), lie[1], lie[2]);
    g_assert_cmpuint(tee_sim_requests(vm.sim), ==, before);
    bed_assert_opens(bed->bob, "plain", "y", 1, NULL);
    tee_sim_must(vm.sim, "reset=on");
    wait_until_well();
    bed_assert_opens(bed->alice, "well", "x", 1, NULL);
}

/* Neither the request that waits nor the thread that asks keep the daemon from ending. */
static void
test_stop(void)
{
    g_autoptr(CvsLock) turn = NULL;
    TestPending *waits[2] = {NULL};

    restart();
    turn = hold_tee();
    waits[0] = begin_seal(bed->alice, "stopped");
    waits[1] = begin_attest(bed->root, "stopped", NULL);
    bed_assert_opens(bed->bob, "plain", "y", 1, NULL);
    g_assert_false(test_call_is_done(waits[0]));
    g_assert_false(test_call_is_done(waits[1]));
    g_assert_cmpint(bed_stop(bed, SIGTERM), ==, 0);
    for (guint i = 0; i < G_N_ELEMENTS(waits); i++) {
        g_autoptr(TestReply) stopped = test_call_finish(waits[i]);

        g_assert_nonnull(strstr(stopped->message, "the service is stopping"));
        bed_assert_error(g_steal_pointer(&stopped), "Busy");
    }
    g_assert_cmpuint(test_tpm_count_handles(bed->tpm), ==, 0);
    g_clear_pointer(&turn, cvs_lock_release);
    bed_start(bed, 0);
    expect_sealed(seal("stopped"));
}

/* And where nobody waits any more. */
static void
test_stop_abandoned(void)
{
    g_autoptr(CvsLock) turn = NULL;

    restart();
    turn = hold_tee();
    expect_refused(seal_too_slowly("abandoned"), "Busy", "AttestationUnderWay");
    g_assert_cmpint(bed_stop(bed, SIGTERM), ==, 0);
    g_clear_pointer(&turn, cvs_lock_release);
    bed_start(bed, 0);
}

/* An answer that comes when everybody has gone serves the next one. */
static void
test_comes_late(void)
{
    g_autoptr(CvsLock) turn = NULL;
    guint before = 0;

    restart();
    turn = hold_tee();
    before = tee_sim_requests(vm.sim);
    expect_refused(seal_too_slowly("late"), "Busy", "AttestationUnderWay");
    g_clear_pointer(&turn, cvs_lock_release);
    expect_sealed(seal("late"));
    expect_sealed(seal("late"));
    g_assert_cmpuint(tee_sim_requests(vm.sim), ==, before + 1);
}

static GVariant *
property(const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) reply = g_dbus_connection_call_sync(
        bed->bob, "org.cvmseal1", "/org/cvmseal1", "org.freedesktop.DBus.Properties", "Get",
        g_variant_new("(ss)", "org.cvmseal1.Manager", name), G_VARIANT_TYPE("(v)"),
        G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
    GVariant *value = NULL;

    g_assert_no_error(error);
    g_variant_get(reply, "(v)", &value);
    return value;
}

static void
expect_property(const char *name, const char *wanted)
{
    g_autoptr(GVariant) value = property(name);

    g_assert_cmpstr(g_variant_get_string(value, NULL), ==, wanted);
}

static void
await_property(const char *name, const char *wanted)
{
    for (;;) {
        g_autoptr(GVariant) value = property(name);

        if (g_str_equal(g_variant_get_string(value, NULL), wanted))
            return;
    }
}

static void
on_changed(GDBusConnection *connection, const char *sender, const char *path, const char *interface,
           const char *signal, GVariant *parameters, gpointer data)
{
    g_autoptr(GVariant) changed = g_variant_get_child_value(parameters, 1);
    const char *state = NULL;

    if (g_variant_lookup(changed, "AttestationState", "&s", &state))
        g_ptr_array_add(data, g_strdup(state));
}

static void
await_state(const GPtrArray *states, const char *state)
{
    while (states->len == 0 || !g_str_equal(states->pdata[states->len - 1], state))
        g_main_context_iteration(NULL, TRUE);
}

/* What anybody may know, and is told when it changes. */
static void
test_properties(void)
{
    g_autoptr(CvsLock) turn = NULL;
    g_autoptr(GVariant) before = NULL, registers = NULL, reasons = NULL, roots = NULL;
    g_autoptr(GPtrArray) states = g_ptr_array_new_with_free_func(g_free);
    TestPending *waits = NULL;
    const char *pcr = NULL;
    guint number = 0;

    restart();
    expect_property("AttestationState", "none");
    expect_property("TeeType", "");
    expect_property("VtpmKind", "");
    before = property("Registers");
    g_assert_cmpuint(g_variant_n_children(before), ==, 0);
    number = g_dbus_connection_signal_subscribe(
        bed->bob, "org.cvmseal1", "org.freedesktop.DBus.Properties", "PropertiesChanged",
        "/org/cvmseal1", "org.cvmseal1.Manager", G_DBUS_SIGNAL_FLAGS_NONE, on_changed, states,
        NULL);
    turn = hold_tee();
    waits = begin_seal(bed->alice, "watched");
    bed_assert_opens(bed->bob, "plain", "y", 1, NULL);
    g_clear_pointer(&turn, cvs_lock_release);
    expect_sealed(test_call_finish(waits));
    await_state(states, "attested");
    g_assert_cmpuint(states->len, ==, 2);
    g_assert_cmpstr(states->pdata[0], ==, "under-way");
    expect_property("AttestationState", "attested");
    expect_property("TeeType", "snp");
    expect_property("VtpmKind", "svsm");
    registers = property("Registers");
    g_assert_cmpuint(g_variant_n_children(registers), ==, 8);
    g_assert_true(g_variant_lookup(registers, "pcr7", "&s", &pcr));
    g_assert_cmpuint(strlen(pcr), ==, 64);
    roots = property("TestRoots");
    g_assert_true(g_variant_get_boolean(roots));

    /* And when it cannot be made any more. */
    tee_sim_must(vm.sim, "other-chip=on");
    expect_refused(
        test_call(bed->root, "Refresh", g_variant_new("(@a{sv})", bed_options(NULL)), NULL, 0),
        "AttestationFailed", "ChipMismatch");
    await_state(states, "failed");
    reasons = property("AttestationReasons");
    g_assert_cmpuint(g_variant_n_children(reasons), ==, 1);
    expect_property("TeeType", "");
    tee_sim_must(vm.sim, "reset=on");
    g_dbus_connection_signal_unsubscribe(bed->bob, number);
}

static void
test_refresh(void)
{
    g_autoptr(CvsLock) turn = NULL;
    TestPending *first = NULL;
    guint before = 0;

    restart();
    wait_until_well();
    before = tee_sim_requests(vm.sim);
    bed_assert_error(
        test_call(bed->alice, "Refresh", g_variant_new("(@a{sv})", bed_options(NULL)), NULL, 0),
        "NotAuthorized");
    turn = hold_tee();
    first = test_call_begin(bed->root, "Refresh", g_variant_new("(@a{sv})", bed_options(NULL)),
                            NULL, 0);
    bed_assert_error(
        test_call(bed->root, "Refresh", g_variant_new("(@a{sv})", bed_options(NULL)), NULL, 0),
        "Busy");
    g_clear_pointer(&turn, cvs_lock_release);
    expect_sealed(test_call_finish(first));
    g_assert_cmpuint(tee_sim_requests(vm.sim), ==, before + 1);
    expect_property("AttestationState", "attested");
    g_free(bed_wait_record(bed, "CVMSEAL_METHOD=Refresh", "CVMSEAL_CALLER_UID=0",
                           "CVMSEAL_VERDICT=done", NULL));
}

/* A daemon that starts anew in the same boot asks nobody for what the one before was told. */
static void
test_next_daemon(void)
{
    guint before = 0;

    restart();
    wait_until_well();
    before = tee_sim_requests(vm.sim);
    g_assert_cmpint(bed_stop(bed, SIGTERM), ==, 0);
    bed_start(bed, 0);
    expect_property("AttestationState", "none");
    expect_sealed(seal("next"));
    expect_property("AttestationState", "attested");
    expect_property("VtpmKind", "svsm");
    bed_assert_opens(bed->alice, "next", "x", 1, NULL);
    g_assert_cmpuint(tee_sim_requests(vm.sim), ==, before);
    /* But when it is told to. */
    expect_sealed(
        test_call(bed->root, "Refresh", g_variant_new("(@a{sv})", bed_options(NULL)), NULL, 0));
    g_assert_cmpuint(tee_sim_requests(vm.sim), ==, before + 1);
    g_assert_cmpint(bed_stop(bed, SIGKILL), ==, -SIGKILL);
    bed_start(bed, 0);
    expect_sealed(seal("next"));
    g_assert_cmpuint(tee_sim_requests(vm.sim), ==, before + 1);
}

static void
test_attest(void)
{
    static const char *const profiles[][2] = {{"tee", "accepted"}, {"default", "refused"}};
    g_autofree char *long_nonce = g_strnfill(65, 'n');
    g_autofree char *filling = g_strnfill(1025, 'd');
    g_autofree char *long_data = g_strdup_printf("{'user-data': <b'%s'>}", filling);

    for (gsize i = 0; i < G_N_ELEMENTS(profiles); i++) {
        g_autofree char *options =
            g_strdup_printf("{'profile': <'%s'>, 'user-data': <b'me'>}", profiles[i][0]);
        g_autofree char *wanted = g_strdup_printf("\"verdict\":\"%s\"", profiles[i][1]);
        g_autoptr(TestReply) reply = attest(bed->root, "nonce", options);
        g_autoptr(GBytes) bytes = NULL;
        g_autofree char *text = NULL;
        const char *verdict = NULL;
        CVS_AUTO_FD int fd = -1;

        if (reply->error)
            g_error("%s: %s", reply->error, reply->message);
        g_variant_get(reply->body, "(h&s)", NULL, &verdict);
        g_assert_nonnull(strstr(verdict, wanted));
        g_assert_nonnull(strstr(verdict, "\"test_roots\":true"));
        fd = g_unix_fd_list_get(reply->fds, 0, NULL);
        bytes = bed_read_all(fd);
        text = g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
        g_assert_nonnull(strstr(text, "\"cvmseal-evidence\""));
        /* base64url of the nonce */
        g_assert_nonnull(strstr(text, "bm9uY2U"));
        /* Whoever gets it can keep nobody else from what he was given. */
        g_assert_cmpint(write(fd, "x", 1), ==, -1);
        g_assert_cmpint(ftruncate(fd, 0), ==, -1);
    }
    bed_assert_error(attest(bed->alice, "nonce", NULL), "NotAuthorized");
    bed_assert_error(attest(bed->root, "", NULL), "InvalidArgument");
    bed_assert_error(attest(bed->root, long_nonce, NULL), "InvalidArgument");
    /* Before anybody is asked whether he may. */
    bed_assert_error(attest(bed->alice, long_nonce, NULL), "InvalidArgument");
    bed_assert_error(attest(bed->alice, "nonce", long_data), "InvalidArgument");
    bed_assert_error(attest(bed->root, "nonce", "{'owner': <'self'>}"), "InvalidArgument");
    g_free(bed_wait_record(bed, "CVMSEAL_METHOD=Attest", "CVMSEAL_CALLER_UID=0",
                           "CVMSEAL_VERDICT=done", NULL));
}

static TestReply *
answer_fd(GDBusConnection *who, const char *nonce, int fd)
{
    GVariant *bytes = g_variant_new_fixed_array(G_VARIANT_TYPE_BYTE, nonce, strlen(nonce), 1);

    return test_call(who, "Attest",
                     g_variant_new("(@ay@a{sv})", bytes, bed_options("{'challenge': <handle 0>}")),
                     &fd, 1);
}

static TestReply *
answer(GDBusConnection *who, const char *nonce, const void *challenge, gsize size)
{
    CVS_AUTO_FD int fd = bed_pipe(challenge, size);

    return answer_fd(who, nonce, fd);
}

/* What is no challenge reaches neither TPM nor TEE. A real one is answered in matrix/program. */
static void
test_challenge(void)
{
    g_autofree char *filling = g_strnfill(CVS_CHALLENGE_SIZE_MAX + 1, ' ');
    guint before = tee_sim_requests(vm.sim);
    CVS_AUTO_FD int end = -1, open_end = -1;
    int ends[2];

    bed_assert_error(answer(bed->alice, "", "{}", 2), "NotAuthorized");
    bed_assert_error(answer(bed->root, "", "{}", 2), "BadFormat");
    bed_assert_error(answer(bed->root, "", filling, CVS_CHALLENGE_SIZE_MAX), "BadFormat");
    bed_assert_error(answer(bed->root, "", filling, CVS_CHALLENGE_SIZE_MAX + 1), "TooLarge");
    /* Its end is not waited for then. */
    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    end = ends[0];
    open_end = ends[1];
    g_assert_true(cvs_write_all(open_end, filling, CVS_CHALLENGE_SIZE_MAX + 1));
    bed_assert_error(answer_fd(bed->root, "", end), "TooLarge");
    bed_assert_error(answer(bed->root, "", "", 0), "InvalidArgument");
    /* It has a nonce itself; before anybody is asked whether he may. */
    bed_assert_error(answer(bed->alice, "nonce", "{}", 2), "InvalidArgument");
    bed_assert_error(attest(bed->root, "nonce", "{'challenge': <'{}'>}"), "InvalidArgument");
    bed_assert_error(attest(bed->root, "", "{'challenge': <handle 0>}"), "InvalidArgument");
    g_assert_cmpuint(tee_sim_requests(vm.sim), ==, before);
}

/* Evidence takes its turn with the boot's attestation, and neither gets the other's. */
static void
test_attest_beside(void)
{
    g_autoptr(CvsLock) turn = NULL;
    TestPending *waits = NULL, *asks = NULL;
    g_autoptr(TestReply) reply = NULL;

    restart();
    turn = hold_tee();
    waits = begin_seal(bed->alice, "beside");
    bed_assert_opens(bed->bob, "plain", "y", 1, NULL);
    asks = begin_attest(bed->root, "other", "{'profile': <'tee'>}");
    bed_assert_opens(bed->bob, "plain", "y", 1, NULL);
    g_clear_pointer(&turn, cvs_lock_release);
    expect_sealed(test_call_finish(waits));
    reply = test_call_finish(asks);
    g_assert_cmpstr(reply->error, ==, NULL);
}

/* What was asked of the daemon before this has been tried, and waits if it has to. */
static void
settle(GDBusConnection *who)
{
    g_autoptr(TestReply) reply =
        test_call(who, "Status", g_variant_new("(@a{sv})", bed_options(NULL)), NULL, 0);

    g_assert_cmpstr(reply->error, ==, NULL);
}

/* Evidence is waited for as long as a TEE may take. */
static void
test_attest_slow(void)
{
    g_autoptr(CvsLock) turn = NULL;
    TestPending *asks = NULL;
    g_autoptr(TestReply) reply = NULL;

    restart();
    turn = hold_tee();
    asks = begin_attest(bed->root, "slow", NULL);
    settle(bed->root);
    /* Others wait as ever, and keep their places by it. */
    expect_refused(seal_too_slowly("beside-evidence"), "Busy", "AttestationUnderWay");
    pass(LONG_PATIENCE_S - 3 * PATIENCE_S);
    g_assert_false(test_call_is_done(asks));
    g_clear_pointer(&turn, cvs_lock_release);
    reply = test_call_finish(asks);
    g_assert_cmpstr(reply->error, ==, NULL);
}

static void
test_attest_too_slow(void)
{
    g_autoptr(CvsLock) turn = NULL;
    TestPending *asks = NULL;

    restart();
    turn = hold_tee();
    asks = begin_attest(bed->root, "too-slow", NULL);
    g_assert_cmpuint(pass_until_done(asks, 20), >=, LONG_PATIENCE_S);
    expect_refused(test_call_finish(asks), "Busy", "AttestationUnderWay");
}

/* Not everybody at once; those beyond wait as for anything else. */
static void
test_attest_crowd(void)
{
    g_autoptr(CvsLock) turn = NULL;
    TestPending *asks[5];
    guint seconds = 0;

    restart();
    turn = hold_tee();
    for (guint i = 0; i < G_N_ELEMENTS(asks); i++)
        asks[i] = begin_attest(bed->root, "crowd", NULL);
    seconds = pass_until_done(asks[4], 1);
    g_assert_cmpuint(seconds, >=, PATIENCE_S);
    g_assert_cmpuint(seconds, <, LONG_PATIENCE_S);
    expect_refused(test_call_finish(asks[4]), "Busy", "AttestationUnderWay");
    for (guint i = 0; i < 4; i++)
        g_assert_false(test_call_is_done(asks[i]));
    g_clear_pointer(&turn, cvs_lock_release);
    for (guint i = 0; i < 4; i++) {
        g_autoptr(TestReply) reply = test_call_finish(asks[i]);

        g_assert_cmpstr(reply->error, ==, NULL);
    }
    /* And then there is room again. */
    turn = hold_tee();
    asks[0] = begin_attest(bed->root, "room", NULL);
    settle(bed->root);
    pass(2 * PATIENCE_S);
    g_assert_false(test_call_is_done(asks[0]));
    g_clear_pointer(&turn, cvs_lock_release);
    test_reply_free(test_call_finish(asks[0]));
}

/* Those who have less time come first, in one user's lane as well. */
static void
test_attest_last(void)
{
    g_autoptr(CvsLock) turn = NULL;
    TestPending *asks[2], *waits = NULL;
    guint order = 0;

    restart();
    /* The SVSM was let be for long enough that one answer comes at once. */
    pass(PATIENCE_S);
    turn = hold_tee();
    for (guint i = 0; i < G_N_ELEMENTS(asks); i++)
        asks[i] = begin_attest(bed->root, "last", NULL);
    waits = begin_seal(bed->root, "first");
    /* Until it waits too, since its secret is read first. */
    await_property("AttestationState", "under-way");
    g_clear_pointer(&turn, cvs_lock_release);
    while (!test_call_is_done(asks[0]) || !test_call_is_done(asks[1]) || !test_call_is_done(waits))
        g_main_context_iteration(NULL, TRUE);
    order = test_call_order(waits);
    expect_sealed(test_call_finish(waits));
    g_assert_cmpuint(order, <, test_call_order(asks[1]));
    for (guint i = 0; i < G_N_ELEMENTS(asks); i++)
        test_reply_free(test_call_finish(asks[i]));
}

/* Whoever leaves the bus takes nobody's place. */
static void
test_attest_gone(void)
{
    g_autoptr(CvsLock) turn = NULL;
    GDBusConnection *leaves = NULL;
    g_autofree char *name = NULL;
    TestPending *gone[4], *asks = NULL;
    g_autoptr(TestReply) reply = NULL;

    restart();
    leaves = test_bus_connect(bed->bus, 0);
    name = g_strdup(g_dbus_connection_get_unique_name(leaves));
    turn = hold_tee();
    for (guint i = 0; i < G_N_ELEMENTS(gone); i++)
        gone[i] = begin_attest(leaves, "gone", NULL);
    settle(leaves);
    g_dbus_connection_close_sync(leaves, NULL, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(gone); i++)
        test_call_abandon(gone[i]);
    test_bus_wait_name(bed->bus, name, TRUE);
    settle(bed->root);
    asks = begin_attest(bed->root, "comes-after", NULL);
    settle(bed->root);
    pass(2 * PATIENCE_S);
    g_assert_false(test_call_is_done(asks));
    g_clear_pointer(&turn, cvs_lock_release);
    reply = test_call_finish(asks);
    g_assert_cmpstr(reply->error, ==, NULL);
    g_object_unref(leaves);
}

static TestPending *
begin_unseal(GDBusConnection *who, const char *name)
{
    return test_call_begin(who, "Unseal", g_variant_new("(s@a{sv})", name, bed_options(NULL)), NULL,
                           0);
}

static void
await_requests(guint wanted)
{
    while (tee_sim_requests(vm.sim) < wanted)
        g_usleep(1000);
}

/* A host that does not let the TEE answer when a key is to be derived: nobody else waits, the
 * worker least of all. */
static void
test_derived_key(void)
{
    TestPending *waits = NULL, *also = NULL;
    guint before = 0, notices = 0;

    bed_assert_sealed(bed->alice, "derived", "z", 1, "{'derived-key': <true>}");
    bed_assert_sealed(bed->bob, "derived", "z", 1, "{'derived-key': <true>}");
    g_assert_cmpint(bed_stop(bed, SIGTERM), ==, 0);
    bed_start(bed, 200);
    /* No time passes by waiting for a turn. */
    pass(PATIENCE_S);
    tee_sim_must(vm.sim, "hang=key");
    before = tee_sim_requests(vm.sim);
    waits = begin_unseal(bed->alice, "derived");
    await_requests(before + 1);
    also = begin_unseal(bed->bob, "derived");
    for (guint i = 0; i < 20; i++)
        bed_assert_opens(bed->bob, "plain", "y", 1, NULL);
    /* The watchdog is told that all is well for more than its time. */
    notices = bed_count_notices(bed, "WATCHDOG=1");
    while (bed_count_notices(bed, "WATCHDOG=1") < notices + 4)
        g_usleep(1000);
    g_assert_false(test_call_is_done(waits));
    g_assert_false(test_call_is_done(also));
    g_assert_cmpuint(pass_until_done(waits, 1), >=, PATIENCE_S);
    expect_refused(test_call_finish(waits), "Busy", "AttestationUnderWay");
    (void)pass_until_done(also, 1);
    expect_refused(test_call_finish(also), "Busy", "AttestationUnderWay");
    /* One thread asks, and its answer is the request's alone. */
    g_assert_cmpuint(tee_sim_requests(vm.sim), ==, before + 1);
    waits = begin_unseal(bed->alice, "derived");
    settle(bed->alice);
    tee_sim_must(vm.sim, "reset=on");
    test_reply_free(test_call_finish(waits));
    g_assert_cmpuint(tee_sim_requests(vm.sim), ==, before + 2);
    bed_assert_opens(bed->alice, "derived", "z", 1, NULL);

    tee_sim_must(vm.sim, "hang=key");
    before = tee_sim_requests(vm.sim);
    waits = begin_unseal(bed->alice, "derived");
    await_requests(before + 1);
    g_assert_cmpint(bed_stop(bed, SIGTERM), ==, 0);
    bed_assert_error(test_call_finish(waits), "Busy");
    tee_sim_must(vm.sim, "reset=on");
    bed_start(bed, 0);
    bed_assert_opens(bed->alice, "derived", "z", 1, NULL);
}

/* A report that never comes. */
static void
test_report_never(void)
{
    TestPending *waits = NULL;
    guint before = 0;

    restart();
    pass(PATIENCE_S);
    tee_sim_must(vm.sim, "hang=report");
    before = tee_sim_requests(vm.sim);
    waits = begin_seal(bed->alice, "never");
    await_requests(before + 1);
    bed_assert_opens(bed->bob, "plain", "y", 1, NULL);
    g_assert_cmpuint(pass_until_done(waits, 1), >=, PATIENCE_S);
    expect_refused(test_call_finish(waits), "Busy", "AttestationUnderWay");
    g_assert_cmpint(bed_stop(bed, SIGTERM), ==, 0);
    tee_sim_must(vm.sim, "reset=on");
    bed_start(bed, 0);
    expect_sealed(seal("never"));
}

/* By the daemon's real clock. */
static void
test_paced(void)
{
    g_autoptr(CvsLock) turn = NULL;
    gint64 began = 0;

    restart();
    began = g_get_monotonic_time();
    expect_sealed(seal("paced"));
    expect_sealed(
        test_call(bed->root, "Refresh", g_variant_new("(@a{sv})", bed_options(NULL)), NULL, 0));
    g_assert_cmpint(g_get_monotonic_time() - began, >=, CVS_PACE_SVSM_US);
    restart();
    turn = hold_tee();
    began = g_get_monotonic_time();
    expect_refused(seal("paced"), "Busy", "AttestationUnderWay");
    g_assert_cmpint(g_get_monotonic_time() - began, >=, PATIENCE_S * G_USEC_PER_SEC);
}

static void
replace_path(char **path, const char *name)
{
    g_free(*path);
    *path = g_build_filename(vm.dir, name, NULL);
}

static void
write_profile(void)
{
    g_autofree char *path = g_build_filename(bed->dir, "policies", "tee.policy", NULL);
    g_autofree char *text = g_strdup_printf("[Profile]\nDescription=of the test\n[Registers]\n"
                                            "PCRs=7\n[TEE]\nAllowTestRoots=yes\nMeasurements=%s\n"
                                            "[vTPM]\nKinds=svsm\n",
                                            measurement);

    g_assert_true(g_file_set_contents(path, text, -1, NULL));
}

/* The SVSM vouches for the TPM that the daemon has. */
static void
give_tpm_to_svsm(void)
{
    g_autoptr(CvsPublicArea) ek = attest_create_ek(bed->tpm, "rsa");
    g_autoptr(GError) error = NULL;

    (void)tee_sim_set_keys(vm.sim, ek->bytes, NULL, &error);
    g_assert_no_error(error);
    tee_sim_must(vm.sim, "vmpl=2");
    tee_sim_must(vm.sim, "svsm=on");
}

static void
start_clock(void)
{
    g_autofree char *path = g_build_filename(vm.dir, "time", NULL);
    const gint64 start = 1000 * G_USEC_PER_SEC;
    CVS_AUTO_FD int fd = -1;

    g_assert_true(g_file_set_contents(path, (const char *)&start, sizeof start, NULL));
    fd = open(path, O_RDWR | O_CLOEXEC);
    g_assert_cmpint(fd, >=, 0);
    time_us = mmap(NULL, sizeof *time_us, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    g_assert_true(time_us != MAP_FAILED);
    g_setenv(SWIFT_CLOCK, path, TRUE);
}

static void
add_tests(void)
{
    static const char *const lies[][3] = {
        {"fail-once=EIO", "AttestationFailed", "NotAttested"},
        {"wiped=on", "AttestationFailed", "NotAttested"},
        {"empty-outblob=on", "AttestationFailed", "AnswerEmpty"},
        {"other-chip=on", "AttestationFailed", "ChipMismatch"},
    };

    g_test_add_func("/service/attestation/slow", test_slow);
    g_test_add_func("/service/attestation/slow-explain", test_slow_explain);
    g_test_add_func("/service/attestation/comes-late", test_comes_late);
    for (gsize i = 0; i < G_N_ELEMENTS(lies); i++) {
        g_autofree char *path = g_strconcat("/service/attestation/fails/", lies[i][0], NULL);

        g_test_add_data_func(path, lies[i], test_fails);
    }
    g_test_add_func("/service/attestation/properties", test_properties);
    g_test_add_func("/service/attestation/refresh", test_refresh);
    g_test_add_func("/service/attestation/next-daemon", test_next_daemon);
    g_test_add_func("/service/attestation/attest", test_attest);
    g_test_add_func("/service/attestation/challenge", test_challenge);
    g_test_add_func("/service/attestation/attest-beside", test_attest_beside);
    g_test_add_func("/service/attestation/attest-slow", test_attest_slow);
    g_test_add_func("/service/attestation/attest-too-slow", test_attest_too_slow);
    g_test_add_func("/service/attestation/attest-crowd", test_attest_crowd);
    g_test_add_func("/service/attestation/attest-last", test_attest_last);
    g_test_add_func("/service/attestation/attest-gone", test_attest_gone);
    g_test_add_func("/service/attestation/derived-key", test_derived_key);
    g_test_add_func("/service/attestation/report-never", test_report_never);
    g_test_add_func("/service/attestation/stop", test_stop);
    g_test_add_func("/service/attestation/stop-abandoned", test_stop_abandoned);
}

int
main(int argc, char **argv)
{
    g_autoptr(GString) config = g_string_new("[TEE]\n");
    g_autofree char *program = g_build_filename(g_getenv("CVS_BUILD_ROOT"), SWIFT_DAEMON, NULL);
    guint8 bytes[48];
    gboolean paced = FALSE;
    int status = 0;

    g_test_init(&argc, &argv, NULL);
    paced = argc > 1 && g_str_equal(argv[1], "paced");
    if (!tee_bed_init_with_state(&vm, TEE_SIM_SNP)) {
        g_print("1..0 # SKIP %s\n", tee_sim_is_impossible());
        return 0;
    }
    tee_sim_measurement(vm.sim, bytes);
    measurement = cvs_hex_encode(bytes, sizeof bytes);
    /* No collateral has to be brought. */
    tee_sim_must(vm.sim, "certs=chain");
    replace_path(&vm.paths->collateral, "no-collateral");
#define X(member, key) g_string_append_printf(config, key "=%s\n", vm.paths->member);
    CVS_CONFIG_TEE_PATHS(X)
#undef X
    g_string_append_printf(config, "TestRoots=%s/roots\n", vm.state);
    if (!paced) {
        start_clock();
        bed_use_program(program);
    }
    bed = bed_new(config->str, FALSE);
    if (bed == NULL)
        return 0;
    give_tpm_to_svsm();
    write_profile();
    bed_assert_sealed(bed->bob, "plain", "y", 1, NULL);
    if (paced)
        g_test_add_func("/service/attestation/paced", test_paced);
    else
        add_tests();
    status = g_test_run();
    bed_free(bed);
    g_free(measurement);
    tee_bed_clear(&vm);
    return status;
}
