/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Callers who hold the locks of the descriptors that they hand in, and so would hold up whoever
 * touches them: they may lock out themselves and nobody else. */
#include "base/file.h"
#include "bed.h"
#include "held.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define MAX_PER_USER 3
/* One more than CVS_FDS_DIGGERS_MAX. */
#define MANY 65

static Bed *bed;

static TestPending *
seal_from(GDBusConnection *who, const char *name, int fd)
{
    return test_call_begin(who, "Seal", g_variant_new("(sh@a{sv})", name, 0, bed_options(NULL)),
                           &fd, 1);
}

static void
assert_bob_is_served(void)
{
    bed_assert_sealed(bed->bob, "bobs", "secret", 6, "{'replace': <true>}");
    bed_assert_opens(bed->bob, "bobs", "secret", 6, NULL);
}

/* Until the daemon's thread, which was let go, has given back its place. */
static void
wait_until_served(GDBusConnection *who)
{
    gboolean busy = TRUE;

    while (busy) {
        g_autoptr(TestReply) reply = bed_unseal(who, "nothing", NULL);

        busy = g_strcmp0(reply->error, "Busy") == 0;
        if (!busy)
            g_assert_cmpstr(reply->error, ==, "NoSuchKey");
    }
}

static void
test_secret(void)
{
    Held *held[MAX_PER_USER];
    TestPending *pending[MAX_PER_USER];

    for (guint i = 0; i < MAX_PER_USER; i++) {
        held[i] = i == 0 ? held_socket_new() : held_pipe_new();
        pending[i] = seal_from(bed->alice, "held", held[i]->fd);
    }
    assert_bob_is_served();
    for (guint i = 0; i < MAX_PER_USER; i++) {
        g_autoptr(TestReply) reply = test_call_finish(pending[i]);

        g_assert_cmpstr(reply->error, ==, "InvalidArgument");
        g_assert_nonnull(strstr(reply->message, "did not end within 1 seconds"));
    }
    /* Her calls have their answers, and her places are taken all the same. */
    bed_assert_error(bed_unseal(bed->alice, "held", NULL), "Busy");
    assert_bob_is_served();
    for (guint i = 0; i < MAX_PER_USER; i++)
        held_release(held[i]);
    wait_until_served(bed->alice);
    bed_assert_sealed(bed->alice, "held", "free", 4, NULL);
    bed_assert_opens(bed->alice, "held", "free", 4, NULL);
}

/* The PIN of a call that is refused before it is read, and descriptors that belong to nothing. */
static void
test_unread(void)
{
    Held *held = held_pipe_new();
    int fds[] = {held->fd, held->fd};

    bed_assert_error(
        test_call(bed->alice, "Unseal",
                  g_variant_new("(s@a{sv})", "held",
                                bed_options("{'pin': <handle 0>, 'owner': <'uid:0'>}")),
                  fds, 2),
        "NotAuthorized");
    bed_assert_error(test_call(bed->alice, "Unseal",
                               g_variant_new("(s@a{sv})", "a/b", bed_options(NULL)), fds, 2),
                     "InvalidArgument");
    assert_bob_is_served();
    held_release(held);
}

static void
test_recovery_output(void)
{
    Held *held = held_pipe_new();

    bed_assert_error(test_call(bed->alice, "Generate",
                               g_variant_new("(su@a{sv})", "held-out", 32,
                                             bed_options("{'recovery-output': <handle 0>}")),
                               &held->busy_fd, 1),
                     "InvalidArgument");
    assert_bob_is_served();
    bed_assert_error(bed_unseal(bed->alice, "held-out", NULL), "NoSuchKey");
    held_release(held);
}

/* Sends descriptors that the daemon is the last to have, and so the one whose close() waits. */
static void
leave(Held **held, guint n)
{
    TestPending **pending = g_new0(TestPending *, n);
    g_autoptr(GVariant) id = NULL;

    g_assert_cmpint(kill(bed->pid, SIGSTOP), ==, 0);
    for (guint i = 0; i < n; i++)
        pending[i] =
            test_call_begin(bed->alice, "Unseal",
                            g_variant_new("(s@a{sv})", "a/b", bed_options(NULL)), &held[i]->fd, 1);
    /* The bus has taken them once it answers what comes after. */
    id = g_dbus_connection_call_sync(bed->alice, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                     "org.freedesktop.DBus", "GetId", NULL, NULL,
                                     G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL);
    g_assert_nonnull(id);
    for (guint i = 0; i < n; i++)
        cvs_close_fd(&held[i]->fd);
    g_assert_cmpint(kill(bed->pid, SIGCONT), ==, 0);
    for (guint i = 0; i < n; i++)
        bed_assert_error(test_call_finish(pending[i]), "InvalidArgument");
    g_free(pending);
}

/* Who has left more than the daemon has threads for keeps it from taking any more, and from nothing
 * else. */
static void
test_many(void)
{
    Held *held[MANY];
    gboolean busy = FALSE;

    bed_assert_sealed(bed->bob, "bobs", "secret", 6, "{'replace': <true>}");
    for (guint i = 0; i < MANY; i++)
        held[i] = held_pipe_new();
    /* Few enough for what the bus holds back of one. */
    for (guint i = 0; i < MANY; i += 13)
        leave(held + i, 13);
    while (!busy) {
        g_autoptr(TestReply) reply = bed_seal(bed->bob, "bobs", "secret", 6, "{'replace': <true>}");

        busy = g_strcmp0(reply->error, "Busy") == 0;
        if (busy)
            g_assert_nonnull(strstr(reply->message, "cannot be closed"));
    }
    bed_assert_opens(bed->bob, "bobs", "secret", 6, NULL);
    for (guint i = 0; i < MANY; i++)
        held_release(held[i]);
    while (busy) {
        g_autoptr(TestReply) reply = bed_seal(bed->bob, "bobs", "secret", 6, "{'replace': <true>}");

        busy = g_strcmp0(reply->error, "Busy") == 0;
    }
    assert_bob_is_served();
}

int
main(int argc, char **argv)
{
    const char *missing = NULL;
    int status = 0;

    g_test_init(&argc, &argv, NULL);
    missing = held_missing();
    if (missing) {
        g_print("1..0 # SKIP %s\n", missing);
        return 0;
    }
    bed = bed_new("SecretTimeoutSec=1\nMaxRequestsPerUser=3\n", FALSE);
    if (bed == NULL)
        return 0;
    g_test_add_func("/service/held/secret", test_secret);
    g_test_add_func("/service/held/unread", test_unread);
    g_test_add_func("/service/held/recovery-output", test_recovery_output);
    g_test_add_func("/service/held/many", test_many);
    status = g_test_run();
    bed_free(bed);
    return status;
}
