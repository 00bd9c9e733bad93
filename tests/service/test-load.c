/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Many callers at once, and many keys. */
#include "base/file.h"
#include "bed.h"
#include "vault/store.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static Bed *bed;

#define CLIENTS 64
#define KEYS 4 /* of each client */

typedef struct {
    GDBusConnection *connection;
    guint number;
    guint calls;
    guint busy;
    gboolean sealed[KEYS]; /* what must be there at the end */
    guint version[KEYS];
    GRand *random;
} Client;

static char *
value_of(const Client *client, guint key)
{
    return g_strdup_printf("client %u key %u version %u", client->number, key,
                           client->version[key]);
}

/* A call whose answer is the thread's own business: its context is not turned by anybody else. */
static TestReply *
call_sync(Client *client, const char *method, GVariant *arguments, const int *fds, int n_fds)
{
    g_autoptr(GDBusMessage) call = g_dbus_message_new_method_call("org.cvmseal1", "/org/cvmseal1",
                                                                  "org.cvmseal1.Manager", method);
    g_autoptr(GUnixFDList) list = g_unix_fd_list_new();
    g_autoptr(GDBusMessage) reply = NULL;
    g_autoptr(GError) error = NULL;

    for (int i = 0; i < n_fds; i++)
        g_unix_fd_list_append(list, fds[i], NULL);
    g_dbus_message_set_body(call, arguments);
    g_dbus_message_set_unix_fd_list(call, list);
    reply = g_dbus_connection_send_message_with_reply_sync(
        client->connection, call, G_DBUS_SEND_MESSAGE_FLAGS_NONE, 120000, NULL, NULL, &error);
    g_assert_no_error(error);
    client->calls++;
    return test_reply_from_message(reply);
}

/* TRUE if it was done; Busy is allowed, and nothing else. */
static gboolean
done_or_busy(Client *client, TestReply *reply)
{
    if (reply->error == NULL)
        return TRUE;
    if (!g_str_equal(reply->error, "Busy"))
        g_error("client %u: %s: %s", client->number, reply->error, reply->message);
    client->busy++;
    return FALSE;
}

static void
seal_key(Client *client, guint key)
{
    g_autofree char *name = g_strdup_printf("c%u-k%u", client->number, key);
    g_autofree char *value = NULL;
    g_autoptr(TestReply) reply = NULL;
    CVS_AUTO_FD int fd = -1;

    client->version[key]++;
    value = value_of(client, key);
    fd = bed_pipe(value, strlen(value));
    reply =
        call_sync(client, "Seal",
                  g_variant_new("(sh@a{sv})", name, 0, bed_options("{'replace': <true>}")), &fd, 1);
    if (done_or_busy(client, reply))
        client->sealed[key] = TRUE;
    else
        client->version[key]--;
}

static void
unseal_key(Client *client, guint key)
{
    g_autofree char *name = g_strdup_printf("c%u-k%u", client->number, key);
    g_autofree char *value = value_of(client, key);
    g_autoptr(TestReply) reply =
        call_sync(client, "Unseal", g_variant_new("(s@a{sv})", name, bed_options(NULL)), NULL, 0);
    g_autoptr(GBytes) bytes = NULL;
    CVS_AUTO_FD int fd = -1;

    if (!client->sealed[key]) {
        if (g_strcmp0(reply->error, "NoSuchKey") != 0)
            g_assert_false(done_or_busy(client, reply));
        return;
    }
    if (!done_or_busy(client, reply))
        return;
    fd = g_unix_fd_list_get(reply->fds, 0, NULL);
    bytes = bed_read_all(fd);
    g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), value, strlen(value));
}

static void
remove_key(Client *client, guint key)
{
    g_autofree char *name = g_strdup_printf("c%u-k%u", client->number, key);
    g_autoptr(TestReply) reply = NULL;

    if (!client->sealed[key])
        return;
    reply =
        call_sync(client, "Remove", g_variant_new("(s@a{sv})", name, bed_options(NULL)), NULL, 0);
    if (done_or_busy(client, reply))
        client->sealed[key] = FALSE;
}

static void
look_at_key(Client *client, guint key)
{
    g_autofree char *name = g_strdup_printf("c%u-k%u", client->number, key);
    g_autoptr(TestReply) reply = NULL;

    if (!client->sealed[key])
        return;
    reply = call_sync(client, g_rand_boolean(client->random) ? "Describe" : "Explain",
                      g_variant_new("(s@a{sv})", name, bed_options(NULL)), NULL, 0);
    done_or_busy(client, reply);
}

typedef struct {
    Client *client;
    guint calls;
} Run;

static gpointer
run_client(gpointer data)
{
    Run *run = data;
    Client *client = run->client;

    while (client->calls < run->calls) {
        guint key = (guint)g_rand_int_range(client->random, 0, KEYS);
        gint what = g_rand_int_range(client->random, 0, 20);

        if (what < 3 || !client->sealed[key])
            seal_key(client, key);
        else if (what < 4)
            remove_key(client, key);
        else if (what < 7)
            look_at_key(client, key);
        else
            unseal_key(client, key);
    }
    return NULL;
}

static void
check_all(Client *client)
{
    for (guint key = 0; key < KEYS; key++) {
        guint busy = client->busy;

        unseal_key(client, key);
        g_assert_cmpuint(client->busy, ==, busy);
    }
}

/* CLIENTS callers of three users, that many calls in all: no error but Busy, no lost key, no more
 * memory than before. */
static void
run_load(guint calls)
{
    static const uid_t users[] = {ALICE, BOB, ADMIN};
    Client clients[CLIENTS] = {0};
    Run runs[CLIENTS] = {0};
    GThread *threads[CLIENTS] = {0};
    guint64 before = 0;
    guint busy = 0;

    for (guint i = 0; i < CLIENTS; i++) {
        clients[i].connection = test_bus_connect(bed->bus, users[i % G_N_ELEMENTS(users)]);
        clients[i].number = i;
        clients[i].random = g_rand_new_with_seed(i);
        runs[i] = (Run){&clients[i], calls / CLIENTS};
    }
    for (guint i = 0; i < CLIENTS; i++)
        threads[i] = g_thread_new("client", run_client, &runs[i]);
    /* What the first tenth takes may stay: caches, connections, the allocator's reserve. */
    while (clients[0].calls < calls / CLIENTS / 10)
        g_usleep(10000);
    before = bed_memory(bed, "VmRSS");
    for (guint i = 0; i < CLIENTS; i++)
        g_thread_join(threads[i]);
    for (guint i = 0; i < CLIENTS; i++) {
        check_all(&clients[i]);
        busy += clients[i].busy;
        g_dbus_connection_close_sync(clients[i].connection, NULL, NULL);
        g_object_unref(clients[i].connection);
        g_rand_free(clients[i].random);
    }
    g_test_message("%u calls, %u of them Busy; %" G_GUINT64_FORMAT " KiB, then %" G_GUINT64_FORMAT
                   " KiB",
                   calls, busy, before, bed_memory(bed, "VmRSS"));
    if (!BED_SANITIZED)
        g_assert_cmpuint(bed_memory(bed, "VmRSS"), <, before + 1024);
}

static void
test_load_quick(void)
{
    run_load(CLIENTS * 20);
}

static void
test_load(void)
{
    run_load(20000);
}

/* Copies of one key's file under other names cannot be listed, since a file says whose it is; so
 * keys are sealed, and for the sake of time with no more than one TPM operation each. */
/* Real key files by the thousand, written past the daemon, which would spend minutes on sealing
 * them: each is a key of its own with the slot of the first, which no listing opens. */
static void
make_keys(guint from, guint to)
{
    const CvsOwner owner = {.kind = CVS_OWNER_UID, .uid = ALICE};
    g_autofree char *folder = cvs_owner_folder(&owner);
    g_autofree char *dir = g_build_filename(bed->vault, "keys", folder, NULL);
    g_autoptr(CvsStore) store = cvs_store_open(bed->vault, FALSE, NULL);
    g_autoptr(CvsKeyFile) first = cvs_store_load(store, &owner, "key-00000", NULL);
    g_autoptr(CvsSecret) secret = cvs_secret_new(32);

    g_assert_nonnull(first);
    for (guint i = from; i < to; i++) {
        g_autofree char *name = g_strdup_printf("key-%05u", i);
        g_autofree char *path = g_build_filename(dir, name, NULL);
        g_autoptr(GError) error = NULL;
        g_autoptr(CvsKeyFile) key =
            cvs_key_file_new(name, &owner, CVS_STAGE_SYSTEM, secret, &error);
        const CvsTpm2Slot *like = cvs_key_file_get_tpm2_slot(first, 0);
        g_autoptr(GBytes) json = cvs_tpm2_slot_format(like, &error);
        g_autoptr(CvsTpm2Slot) slot = cvs_tpm2_slot_parse(json, &error);
        g_autoptr(GBytes) file = NULL;

        g_assert_true(cvs_key_file_add_tpm2(key, slot, secret, &error));
        file = cvs_key_file_serialise(key, &error);
        g_assert_no_error(error);
        g_assert_true(g_file_set_contents_full(path, g_bytes_get_data(file, NULL),
                                               (gssize)g_bytes_get_size(file),
                                               G_FILE_SET_CONTENTS_NONE, 0600, NULL));
    }
}

static void
make_first_key(void)
{
    g_autoptr(TestReply) reply =
        test_call(bed->alice, "Generate",
                  g_variant_new("(su@a{sv})", "key-00000", 32, bed_options(NULL)), NULL, 0);

    g_assert_cmpstr(reply->error, ==, NULL);
}

static double
seconds_of(GTimer *timer)
{
    double seconds = g_timer_elapsed(timer, NULL);

    g_timer_start(timer);
    return seconds;
}

static double
time_unseal(const char *name)
{
    g_autoptr(GTimer) timer = NULL;
    double best = G_MAXDOUBLE;

    for (guint i = 0; i < 20; i++) {
        g_autoptr(TestReply) reply = NULL;

        g_clear_pointer(&timer, g_timer_destroy);
        timer = g_timer_new();
        reply = bed_unseal(bed->alice, name, NULL);
        g_assert_cmpstr(reply->error, ==, NULL);
        best = MIN(best, g_timer_elapsed(timer, NULL));
    }
    return best;
}

static void
run_scale(guint keys)
{
    g_autoptr(GTimer) timer = g_timer_new();
    g_autoptr(TestReply) list = NULL;
    g_autoptr(GVariant) array = NULL;
    guint64 idle = 0;
    double empty_start, start, listing, used, one, many;

    g_assert_cmpint(bed_stop(bed, SIGTERM), ==, 0);
    g_timer_start(timer);
    bed_start(bed, 0);
    empty_start = seconds_of(timer);
    make_first_key();
    one = time_unseal("key-00000");
    make_keys(1, keys);
    g_assert_cmpint(bed_stop(bed, SIGTERM), ==, 0);
    g_timer_start(timer);
    bed_start(bed, 0);
    start = seconds_of(timer);
    idle = bed_memory(bed, "VmRSS");
    many = time_unseal("key-00000");
    used = bed_processor_seconds(bed);
    g_timer_start(timer);
    list = test_call(bed->alice, "List", g_variant_new("(@a{sv})", bed_options(NULL)), NULL, 0);
    listing = seconds_of(timer);
    used = bed_processor_seconds(bed) - used;
    g_assert_cmpstr(list->error, ==, NULL);
    array = g_variant_get_child_value(list->body, 0);
    g_test_message("%u keys: start %.3f s (%.3f s with none), list %.3f s (%.2f s of processors), "
                   "unseal %.2f ms (%.2f ms with one), %" G_GUINT64_FORMAT " KiB idle",
                   keys, start, empty_start, listing, used, many * 1000, one * 1000, idle);
    g_assert_cmpuint(g_variant_n_children(array), >=, keys);
    g_assert_cmpfloat(start, <, empty_start + 0.25);
    g_assert_cmpfloat(many, <, one * 2 + 0.005);
    if (!BED_SANITIZED) {
        /* On one processor that is all the daemon's; how long it takes beside others is theirs. */
        g_assert_cmpfloat(used, <, 1.0);
        g_assert_cmpuint(idle, <, 16 * 1024);
    }
}

static void
test_scale_quick(void)
{
    run_scale(200);
}

static void
test_scale(void)
{
    run_scale(10000);
}

int
main(int argc, char **argv)
{
    int status = 0;

    g_test_init(&argc, &argv, NULL);
    bed = bed_new("MaxRequestsPerUser=20\nMaxKeysPerOwner=20000\n", FALSE);
    if (bed == NULL)
        return 0;
    if (g_test_slow()) {
        g_test_add_func("/service/load/20000-calls", test_load);
        g_test_add_func("/service/load/10000-keys", test_scale);
    } else {
        g_test_add_func("/service/load/some-calls", test_load_quick);
        g_test_add_func("/service/load/some-keys", test_scale_quick);
    }
    status = g_test_run();
    bed_free(bed);
    return status;
}
