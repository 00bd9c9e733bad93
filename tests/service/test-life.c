/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon's own life: limits on what is in flight, stopping with work to do, the watchdog,
 * callers that vanish, memory, and what it never writes. */
#include "base/digest.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/lock.h"
#include "bed.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MAX_PER_USER 4
#define MAX_IN_ALL 6

static Bed *bed;
static char *tee_dir;

/* Calls whose secret does not come until release_held(). */
typedef struct {
    TestPending *pending;
    int write_end;
} Held;

static Held
hold(GDBusConnection *who, const char *name)
{
    Held held = {0};
    int ends[2] = {-1, -1};

    g_assert_true(g_unix_open_pipe(ends, FD_CLOEXEC, NULL));
    held.pending = test_call_begin(
        who, "Seal", g_variant_new("(sh@a{sv})", name, 0, bed_options(NULL)), ends, 1);
    held.write_end = ends[1];
    close(ends[0]);
    return held;
}

static TestReply *
release_held(Held *held)
{
    g_assert_true(cvs_write_all(held->write_end, "late", 4));
    close(held->write_end);
    return test_call_finish(held->pending);
}

static void
test_busy(void)
{
    Held held[MAX_IN_ALL];
    guint n = 0;

    for (; n < MAX_PER_USER; n++) {
        g_autofree char *name = g_strdup_printf("busy-%u", n);

        held[n] = hold(bed->alice, name);
    }
    bed_assert_error(bed_seal(bed->alice, "one-more", "x", 1, NULL), "Busy");
    bed_assert_sealed(bed->bob, "not-his-fault", "x", 1, NULL);
    for (; n < MAX_IN_ALL; n++) {
        g_autofree char *name = g_strdup_printf("busy-%u", n);

        held[n] = hold(bed->bob, name);
    }
    bed_assert_error(bed_unseal(bed->bob, "not-his-fault", NULL), "Busy");
    bed_assert_error(bed_unseal(bed->admin, "x", NULL), "Busy");
    /* However many users there are, root is served. */
    bed_assert_sealed(bed->root, "roots", "x", 1, NULL);
    for (guint i = 0; i < MAX_IN_ALL; i++) {
        g_autoptr(TestReply) reply = release_held(&held[i]);

        g_assert_cmpstr(reply->error, ==, NULL);
    }
    bed_assert_opens(bed->bob, "not-his-fault", "x", 1, NULL);
    bed_assert_opens(bed->alice, "busy-0", "late", 4, NULL);
}

static GDBusConnection *
connect_as(uid_t uid)
{
    return test_bus_connect(bed->bus, uid);
}

static void
vanish(GDBusConnection *connection)
{
    g_dbus_connection_flush_sync(connection, NULL, NULL);
    g_dbus_connection_close_sync(connection, NULL, NULL);
    g_object_unref(connection);
}

static void
send_only(GDBusConnection *who, const char *method, GVariant *arguments)
{
    g_autoptr(GDBusMessage) call = g_dbus_message_new_method_call("org.cvmseal1", "/org/cvmseal1",
                                                                  "org.cvmseal1.Manager", method);

    g_dbus_message_set_body(call, arguments);
    g_assert_true(
        g_dbus_connection_send_message(who, call, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL));
}

/* Callers that go before their answer, more of them than may be in flight at a time. */
/* Whether the daemon's writable memory has these bytes, wherever. */
static gboolean
memory_has(const void *data, gsize size)
{
    g_autofree char *maps_path = g_strdup_printf("/proc/%d/maps", bed->pid);
    g_autofree char *mem_path = g_strdup_printf("/proc/%d/mem", bed->pid);
    CVS_AUTO_FD int mem = open(mem_path, O_RDONLY | O_CLOEXEC);
    g_autofree char *maps = NULL;
    g_auto(GStrv) lines = NULL;
    gboolean found = FALSE;

    g_assert_cmpint(mem, >=, 0);
    g_assert_true(g_file_get_contents(maps_path, &maps, NULL, NULL));
    lines = g_strsplit(maps, "\n", -1);
    for (guint i = 0; lines[i] && !found; i++) {
        guint64 from = 0, to = 0;
        g_autofree char *bytes = NULL;
        gssize n = 0;
        char mode[5];

        if (sscanf(lines[i], "%" SCNx64 "-%" SCNx64 " %4s", &from, &to, mode) != 3 ||
            !g_str_has_prefix(mode, "rw"))
            continue;
        bytes = g_malloc(to - from);
        n = pread(mem, bytes, to - from, (off_t)from);
        found = n > 0 && memmem(bytes, (gsize)n, data, size) != NULL;
        if (found)
            g_test_message("%s", lines[i]);
    }
    return found;
}

/* The daemon rests: its sessions are given back, and with them what the TPM's library had noted. */
static void
wait_for_rest(void)
{
    while (test_tpm_count_handles(bed->tpm) > 0)
        ;
    bed_assert_error(bed_unseal(bed->alice, "nothing", NULL), "NoSuchKey");
}

static TestReply *
unseal_with_pin(const char *name, const char *pin)
{
    CVS_AUTO_FD int fd = bed_pipe(pin, strlen(pin));

    return test_call(bed->alice, "Unseal",
                     g_variant_new("(s@a{sv})", name, bed_options("{'pin': <handle 0>}")), &fd, 1);
}

/* Secret, PIN, what the TPM gets of the PIN, and recovery key, when all is done. */
static void
test_nothing_in_memory(void)
{
    static const char pin[] = "pin-8264-in-no-memory";
    guint8 auth[32];
    g_autoptr(CvsSecret) secret = cvs_secret_new_random(4000, NULL);
    g_autoptr(GBytes) recovery_key = NULL;
    g_autoptr(GBytes) back = NULL;
    int out[2] = {-1, -1};
    int fds[3];
    g_autoptr(TestReply) sealed = NULL;
    g_autoptr(TestReply) opened = NULL;

    if (BED_SANITIZED) {
        g_test_skip("AddressSanitizer keeps what was freed");
        return;
    }
    cvs_hash_bytes(CVS_SHA256, pin, strlen(pin), auth);
    g_assert_true(g_unix_open_pipe(out, FD_CLOEXEC, NULL));
    fds[0] = bed_pipe(cvs_secret_peek(secret), cvs_secret_size(secret));
    fds[1] = bed_pipe(pin, strlen(pin));
    fds[2] = out[1];
    sealed =
        test_call(bed->alice, "Seal",
                  g_variant_new("(sh@a{sv})", "memory", 0,
                                bed_options("{'pin': <handle 1>, 'recovery-output': <handle 2>}")),
                  fds, 3);
    for (gsize i = 0; i < G_N_ELEMENTS(fds); i++)
        close(fds[i]);
    g_assert_cmpstr(sealed->error, ==, NULL);
    recovery_key = bed_read_all(out[0]);
    bed_assert_error(unseal_with_pin("memory", "wrong"), "PinWrong");
    opened = unseal_with_pin("memory", pin);
    g_assert_cmpstr(opened->error, ==, NULL);

    wait_for_rest();
    g_assert_true(memory_has("/org/cvmseal1", 13));
    g_assert_false(memory_has(cvs_secret_peek(secret), 32));
    g_assert_false(memory_has(cvs_secret_peek(secret) + 3968, 32));
    g_assert_false(memory_has(pin, strlen(pin)));
    g_assert_false(memory_has(auth, sizeof auth));
    g_assert_false(memory_has(g_bytes_get_data(recovery_key, NULL), 32));
}

static void
test_callers_vanish(void)
{
    guint before = 0;

    bed_assert_sealed(bed->alice, "vanish", "x", 1, NULL);
    bed_assert_opens(bed->alice, "vanish", "x", 1, NULL);
    before = bed_count_fds(bed);
    for (guint i = 0; i < 4 * MAX_IN_ALL; i++) {
        GDBusConnection *who = connect_as(ALICE);

        send_only(who, "Unseal", g_variant_new("(s@a{sv})", "vanish", bed_options(NULL)));
        vanish(who);
        /* One at a time, so that none is turned away. */
        bed_assert_opens(bed->alice, "vanish", "x", 1, NULL);
    }
    bed_wait_fds(bed, before);
}

static guint64
settled_memory(void)
{
    for (guint i = 0; i < 200; i++)
        bed_assert_opens(bed->alice, "flat", "x", 1, NULL);
    return bed_memory(bed, "VmRSS");
}

static void
test_memory_flat(void)
{
    guint64 before = 0;
    guint64 after = 0;

    bed_assert_sealed(bed->alice, "flat", "x", 1, NULL);
    before = settled_memory();
    for (guint i = 0; i < 2000; i++) {
        if (i % 10 == 0)
            bed_assert_error(bed_unseal(bed->alice, "nothing", NULL), "NoSuchKey");
        else
            bed_assert_opens(bed->alice, "flat", "x", 1, NULL);
    }
    after = settled_memory();
    g_test_message("%" G_GUINT64_FORMAT " KiB before, %" G_GUINT64_FORMAT " KiB after", before,
                   after);
    if (!BED_SANITIZED)
        g_assert_cmpuint(after, <, before + 512);
}

static void
test_watchdog(void)
{
    guint seen = 0;

    g_assert_cmpint(bed_stop(bed, SIGTERM), ==, 0);
    bed_start(bed, 400);
    bed_wait_notice(bed, "WATCHDOG=1");
    /* A TPM that does not answer holds the worker, and then nobody says that all is well. */
    bed_assert_sealed(bed->alice, "watched", "x", 1, NULL);
    {
        TpmMuxFault fault = {.nth = 1, .kind = TPM_MUX_HANG};
        TestPending *pending = NULL;
        g_autoptr(TestReply) reply = NULL;

        tpm_mux_add_fault(test_tpm_mux(bed->tpm), &fault);
        pending =
            test_call_begin(bed->alice, "Unseal",
                            g_variant_new("(s@a{sv})", "watched", bed_options(NULL)), NULL, 0);
        g_assert_true(tpm_mux_wait_hung(test_tpm_mux(bed->tpm), 1, 30000));
        g_usleep(700 * 1000);
        seen = bed_count_notices(bed, "WATCHDOG=1");
        g_usleep(1000 * 1000);
        g_assert_cmpuint(bed_count_notices(bed, "WATCHDOG=1"), ==, seen);
        tpm_mux_clear_faults(test_tpm_mux(bed->tpm));
        tpm_mux_release(test_tpm_mux(bed->tpm));
        reply = test_call_finish(pending);
    }
    g_assert_cmpint(bed_stop(bed, SIGTERM), ==, 0);
    bed_start(bed, 0);
}

/* The TEE may keep a request for minutes, and a daemon that is killed meanwhile would ask again,
 * for nothing. Here it is another program's turn. */
static void
test_watchdog_and_tee(void)
{
    CVS_AUTO_FD int dir = open(tee_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsLock) turn = cvs_lock_take(dir, "tee-requests", 0, &error);
    g_autoptr(TestReply) refused = NULL;
    g_autoptr(TestReply) opened = NULL;
    TestPending *seal = NULL;
    TestPending *unseal = NULL;
    int secret = bed_pipe("x", 1);
    guint seen = 0;
    guint waits = 0;

    g_assert_no_error(error);
    g_assert_cmpint(bed_stop(bed, SIGTERM), ==, 0);
    bed_start(bed, 400);
    bed_assert_sealed(bed->bob, "patient", "x", 1, NULL);
    seal = test_call_begin(
        bed->alice, "Seal",
        g_variant_new("(sh@a{sv})", "attested", 0, bed_options("{'require': <'measurement'>}")),
        &secret, 1);
    close(secret);
    /* Seven beats are more than three times what a job may take. */
    seen = bed_count_notices(bed, "WATCHDOG=1");
    while (bed_count_notices(bed, "WATCHDOG=1") < seen + 7) {
        g_assert_cmpuint(waits++, <, 600);
        g_usleep(50 * 1000);
    }
    g_assert_false(test_call_is_done(seal));
    unseal = test_call_begin(bed->bob, "Unseal",
                             g_variant_new("(s@a{sv})", "patient", bed_options(NULL)), NULL, 0);
    g_clear_pointer(&turn, cvs_lock_release);
    refused = test_call_finish(seal);
    g_assert_nonnull(refused->error);
    opened = test_call_finish(unseal);
    g_assert_cmpstr(opened->error, ==, NULL);
    g_assert_cmpint(bed_stop(bed, SIGTERM), ==, 0);
    bed_start(bed, 0);
}

/* What has begun ends; what comes after is turned away; nothing is left in the TPM. */
static void
test_stop_with_work(void)
{
    g_autofree char *owner = g_strdup(g_dbus_connection_get_unique_name(bed->alice));
    g_autoptr(TestReply) reply = NULL;
    Held held = {0};

    bed_assert_sealed(bed->alice, "before-stop", "x", 1, NULL);
    held = hold(bed->alice, "during-stop");
    /* Answered after the one that is held, so that one has arrived. */
    bed_assert_opens(bed->alice, "before-stop", "x", 1, NULL);
    kill(bed->pid, SIGTERM);
    bed_wait_notice(bed, "STOPPING=1");
    test_bus_wait_name(bed->bus, "org.cvmseal1", TRUE);
    g_assert_false(test_call_is_done(held.pending));
    reply = release_held(&held);
    g_assert_cmpstr(reply->error, ==, NULL);
    g_assert_cmpint(bed_stop(bed, 0), ==, 0);
    g_assert_cmpuint(test_tpm_count_handles(bed->tpm), ==, 0);
    bed_start(bed, 0);
    bed_assert_opens(bed->alice, "during-stop", "late", 4, NULL);
}

/* To its unique name, since the other one is given up by then. */
static void
test_calls_while_stopping(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GVariant) owner = g_dbus_connection_call_sync(
        bed->alice, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
        "GetNameOwner", g_variant_new("(s)", "org.cvmseal1"), G_VARIANT_TYPE("(s)"),
        G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
    g_autoptr(GVariant) late = NULL;
    g_autoptr(TestReply) reply = NULL;
    g_autofree char *name = NULL;
    const char *unique = NULL;
    Held held = hold(bed->root, "while-stopping");

    g_assert_no_error(error);
    g_variant_get(owner, "(&s)", &unique);
    bed_assert_error(bed_unseal(bed->root, "nothing", NULL), "NoSuchKey");
    kill(bed->pid, SIGTERM);
    bed_wait_notice(bed, "STOPPING=1");
    late = g_dbus_connection_call_sync(bed->root, unique, "/org/cvmseal1", "org.cvmseal1.Manager",
                                       "Status", g_variant_new("(@a{sv})", bed_options(NULL)), NULL,
                                       G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
    g_assert_null(late);
    name = g_dbus_error_get_remote_error(error);
    g_assert_cmpstr(name, ==, "org.cvmseal1.Error.Busy");
    reply = release_held(&held);
    g_assert_cmpstr(reply->error, ==, NULL);
    g_assert_cmpint(bed_stop(bed, 0), ==, 0);
    bed_start(bed, 0);
}

/* A second daemon does not take the first one's place. */
static void
test_second_daemon(void)
{
    g_autofree char *program =
        g_build_filename(g_getenv("CVS_BUILD_ROOT"), "sealer", "service", "cvmseald", NULL);
    g_autofree char *vault = g_build_filename(bed->dir, "vault-2", NULL);
    g_autofree char *config = g_build_filename(bed->dir, "cvmseal.conf", NULL);
    g_autofree char *errors = NULL;
    g_autoptr(GError) error = NULL;
    const char *argv[] = {program,   "--config", config, "--bus", test_bus_address(bed->bus),
                          "--vault", vault,      NULL};
    int status = 0;

    g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_DEFAULT, NULL, NULL, NULL, &errors, &status,
                 &error);
    g_assert_no_error(error);
    g_assert_cmpint(WEXITSTATUS(status), ==, 1);
    g_assert_nonnull(strstr(errors, "another daemon has it"));
    bed_assert_error(bed_unseal(bed->alice, "nothing", NULL), "NoSuchKey");
}

static gboolean
log_has(const void *data, gsize size)
{
    gboolean found = FALSE;

    g_mutex_lock(&bed->mutex);
    found = memmem(bed->log->data, bed->log->len, data, size) != NULL;
    g_mutex_unlock(&bed->mutex);
    return found;
}

static void
assert_not_logged(const char *secret)
{
    gsize size = strlen(secret);
    g_autofree char *hex = cvs_hex_encode(secret, size);
    g_autofree char *upper = g_ascii_strup(hex, -1);
    g_autofree char *base64url = cvs_base64url_encode(secret, size);
    g_autofree char *base64 = g_base64_encode((const guchar *)secret, size);

    g_assert_false(log_has(secret, size));
    g_assert_false(log_has(hex, strlen(hex)));
    g_assert_false(log_has(upper, strlen(upper)));
    g_assert_false(log_has(base64url, strlen(base64url)));
    g_assert_false(log_has(base64, size / 3 * 4));
}

/* Every way in which a secret, a PIN and a recovery key go through the daemon, well and badly. */
static void
test_nothing_logged(void)
{
    static const char secret[] = "Tr0ub4dor&3-not-in-any-log";
    static const char pin[] = "pin-7319-not-in-any-log";
    static const char wrong[] =
        "cbdefghi-cbdefghi-cbdefghi-cbdefghi-cbdefghi-cbdefghi-cbdefghi-cbdefghi";
    g_autofree char *record = NULL;
    g_autofree char *released = NULL;
    int fds[] = {bed_pipe(secret, strlen(secret)), bed_pipe(pin, strlen(pin))};
    int pin_fd = -1;
    g_autoptr(TestReply) sealed = test_call(
        bed->alice, "Seal",
        g_variant_new("(sh@a{sv})", "unlogged", 0, bed_options("{'pin': <handle 1>}")), fds, 2);
    g_autoptr(TestReply) opened = NULL;

    close(fds[0]);
    close(fds[1]);
    g_assert_cmpstr(sealed->error, ==, NULL);
    pin_fd = bed_pipe(pin, strlen(pin));
    opened = test_call(bed->alice, "Unseal",
                       g_variant_new("(s@a{sv})", "unlogged", bed_options("{'pin': <handle 0>}")),
                       &pin_fd, 1);
    close(pin_fd);
    g_assert_cmpstr(opened->error, ==, NULL);
    pin_fd = bed_pipe(wrong, strlen(wrong));
    g_clear_pointer(&opened, test_reply_free);
    opened = test_call(
        bed->alice, "Reseal",
        g_variant_new("(s@a{sv})", "unlogged", bed_options("{'recovery-key': <handle 0>}")),
        &pin_fd, 1);
    close(pin_fd);
    g_assert_nonnull(opened->error);
    record =
        bed_wait_record(bed, "CVMSEAL_METHOD=Seal", "CVMSEAL_KEY=unlogged", "CVMSEAL_VERDICT=done",
                        "CVMSEAL_OWNER=uid:1", "CVMSEAL_CALLER_UID=1", NULL);
    released = bed_wait_record(bed, "CVMSEAL_METHOD=Unseal", "CVMSEAL_KEY=unlogged",
                               "CVMSEAL_VERDICT=done", NULL);
    g_free(bed_wait_record(bed, "CVMSEAL_METHOD=Reseal", "CVMSEAL_KEY=unlogged",
                           "CVMSEAL_VERDICT=refused", NULL));
    /* The log is the right one. */
    g_assert_true(log_has("CVMSEAL_KEY=unlogged", 20));
    assert_not_logged(secret);
    assert_not_logged(pin);
    assert_not_logged(wrong);
}

static void
test_small(void)
{
    guint64 size = 0;

    bed_assert_sealed(bed->alice, "small", "x", 1, NULL);
    bed_assert_opens(bed->alice, "small", "x", 1, NULL);
    size = bed_memory(bed, "VmRSS");
    g_test_message("%" G_GUINT64_FORMAT " KiB", size);
    if (!BED_SANITIZED)
        g_assert_cmpuint(size, <, 16 * 1024);
}

/* The last test of all: the daemon ends in good order and says that it failed. */
static void
test_bus_gone(void)
{
    bed_assert_sealed(bed->alice, "last", "x", 1, "{'replace': <true>}");
    test_bus_stop(bed->bus);
    g_assert_cmpint(bed_stop(bed, 0), ==, 1);
    g_assert_cmpuint(test_tpm_count_handles(bed->tpm), ==, 0);
}

int
main(int argc, char **argv)
{
    g_autofree char *config = NULL;
    int status = 0;

    g_test_init(&argc, &argv, NULL);
    tee_dir = g_dir_make_tmp("cvs-XXXXXX", NULL);
    /* A file where the device is looked for: a TEE, but one that gives no report. */
    config = g_strdup_printf("MaxRequests=%d\nMaxRequestsPerUser=%d\n[TEE]\nConfigfsPath=%s/none\n"
                             "SevGuestPath=%s\nSevVmplPath=%s/none\nRunPath=%s",
                             MAX_IN_ALL, MAX_PER_USER, tee_dir, tee_dir, tee_dir, tee_dir);
    bed = bed_new(config, FALSE);
    if (bed == NULL)
        return 0;
    g_test_add_func("/service/life/small", test_small);
    g_test_add_func("/service/life/busy", test_busy);
    g_test_add_func("/service/life/nothing-logged", test_nothing_logged);
    g_test_add_func("/service/life/nothing-in-memory", test_nothing_in_memory);
    g_test_add_func("/service/life/callers-vanish", test_callers_vanish);
    g_test_add_func("/service/life/memory-flat", test_memory_flat);
    g_test_add_func("/service/life/stop-with-work", test_stop_with_work);
    g_test_add_func("/service/life/calls-while-stopping", test_calls_while_stopping);
    g_test_add_func("/service/life/second-daemon", test_second_daemon);
    g_test_add_func("/service/life/watchdog", test_watchdog);
    g_test_add_func("/service/life/watchdog-and-tee", test_watchdog_and_tee);
    g_test_add_func("/service/life/bus-gone", test_bus_gone);
    status = g_test_run();
    bed_free(bed);
    test_remove_tree(tee_dir);
    g_free(tee_dir);
    return status;
}
