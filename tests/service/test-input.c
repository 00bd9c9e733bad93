/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What callers may send by mistake or on purpose: names, sizes, options, types, descriptors. */
#include "base/file.h"
#include "bed.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static Bed *bed;

static void
assert_refused(const char *name, const char *options, const char *error)
{
    g_test_message("%s %s", name, options ? options : "");
    bed_assert_error(bed_seal(bed->alice, name, "x", 1, options), error);
}

static void
test_names(void)
{
    static const char *const bad[] = {"",        ".",   "..",   "../x",      "a/b",  "/etc/shadow",
                                      ".hidden", "a b", "a\nb", "k\xc3\xa9", "a\\b", "a%",
                                      "a:b",     "*"};
    g_autofree char *longest = g_strnfill(200, 'n');
    g_autofree char *too_long = g_strnfill(201, 'n');

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
        assert_refused(bad[i], NULL, "InvalidArgument");
    assert_refused(too_long, NULL, "InvalidArgument");
    bed_assert_sealed(bed->alice, longest, "x", 1, NULL);
    bed_assert_opens(bed->alice, longest, "x", 1, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++)
        bed_assert_error(bed_unseal(bed->alice, bad[i], NULL), "InvalidArgument");
}

static void
test_sizes(void)
{
    g_autofree char *large = g_strnfill(65537, 'x');

    bed_assert_error(bed_seal(bed->alice, "empty", "", 0, NULL), "InvalidArgument");
    bed_assert_error(bed_seal(bed->alice, "large", large, 65537, NULL), "TooLarge");
    bed_assert_error(bed_unseal(bed->alice, "empty", NULL), "NoSuchKey");
    bed_assert_error(bed_unseal(bed->alice, "large", NULL), "NoSuchKey");
}

static void
test_options(void)
{
    static const char *const bad[] = {
        "{'colour': <'red'>}",
        "{'Owner': <'self'>}",
        "{'owner': <true>}",
        "{'owner': <''>}",
        "{'replace': <'yes'>}",
        "{'replace': <uint32 1>}",
        "{'pcrs': <''>}",
        "{'pcrs': <'24'>}",
        "{'pcrs': <'7+7'>}",
        "{'pcrs': <uint32 7>}",
        "{'rtmrs': <''>}",
        "{'rtmrs': <'4'>}",
        "{'rtmrs': <uint32 1>}",
        "{'require': <''>}",
        "{'require': <'report_id'>}",
        "{'require': <['measurement']>}",
        "{'bank': <'md5'>}",
        "{'profile': <'../default'>}",
        "{'profile': <''>}",
        "{'pin': <'1234'>}",
        "{'pin': <handle 1>}",
        "{'pin': <handle -1>}",
        "{'pin': <handle 0>}", /* the secret's own */
        "{'recovery-output': <handle 0>}",
        "{'recovery-key': <handle 1>}", /* Reseal's */
        "{'all': <true>}",              /* List's */
        "{'reasons': <'all'>}",
        "{'after': <'uid:1/a'>}", /* List's, as the next */
        "{'limit': <uint32 1>}",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        CVS_AUTO_FD int fd = bed_pipe("x", 1);
        g_autoptr(GError) error = NULL;
        g_autoptr(GVariant) options =
            g_variant_parse(G_VARIANT_TYPE_VARDICT, bad[i], NULL, NULL, &error);

        g_assert_no_error(error);
        g_test_message("%s", bad[i]);
        bed_assert_error(test_call(bed->alice, "Seal",
                                   g_variant_new("(sh@a{sv})", "options", 0, options), &fd, 1),
                         "InvalidArgument");
    }
    bed_assert_error(bed_unseal(bed->alice, "options", NULL), "NoSuchKey");
    bed_assert_error(test_call(bed->alice, "List",
                               g_variant_new("(@a{sv})", bed_options("{'all': <true>, 'owner': "
                                                                     "<'self'>}")),
                               NULL, 0),
                     "InvalidArgument");
    bed_assert_error(test_call(bed->alice, "Status",
                               g_variant_new("(@a{sv})", bed_options("{'owner': <'self'>}")), NULL,
                               0),
                     "InvalidArgument");
}

static void
test_option_twice(void)
{
    CVS_AUTO_FD int fd = bed_pipe("x", 1);
    GVariantBuilder options;

    g_variant_builder_init(&options, G_VARIANT_TYPE_VARDICT);
    g_variant_builder_add(&options, "{sv}", "owner", g_variant_new_string("self"));
    g_variant_builder_add(&options, "{sv}", "owner", g_variant_new_string("self"));
    bed_assert_error(
        test_call(bed->alice, "Seal",
                  g_variant_new("(sh@a{sv})", "twice", 0, g_variant_builder_end(&options)), &fd, 1),
        "InvalidArgument");
}

/* GDBus itself holds the arguments against the interface. */
static void
test_types(void)
{
    CVS_AUTO_FD int fd = bed_pipe("x", 1);

    bed_assert_error(test_call(bed->alice, "Unseal", g_variant_new("(s)", "k"), NULL, 0),
                     "org.freedesktop.DBus.Error.InvalidArgs");
    bed_assert_error(
        test_call(bed->alice, "Unseal", g_variant_new("(u@a{sv})", 1, bed_options(NULL)), NULL, 0),
        "org.freedesktop.DBus.Error.InvalidArgs");
    bed_assert_error(test_call(bed->alice, "Seal",
                               g_variant_new("(ss@a{sv})", "k", "secret", bed_options(NULL)), &fd,
                               1),
                     "org.freedesktop.DBus.Error.InvalidArgs");
    bed_assert_error(test_call(bed->alice, "Generate",
                               g_variant_new("(si@a{sv})", "k", 5, bed_options(NULL)), NULL, 0),
                     "org.freedesktop.DBus.Error.InvalidArgs");
    /* No descriptor at all where one belongs. */
    bed_assert_error(test_call(bed->alice, "Seal",
                               g_variant_new("(sh@a{sv})", "k", 0, bed_options(NULL)), NULL, 0),
                     "InvalidArgument");
    bed_assert_error(test_call(bed->alice, "Seal",
                               g_variant_new("(sh@a{sv})", "k", 7, bed_options(NULL)), &fd, 1),
                     "InvalidArgument");
}

static void
assert_fd_refused(int fd, const char *error)
{
    bed_assert_error(test_call(bed->alice, "Seal",
                               g_variant_new("(sh@a{sv})", "fd", 0, bed_options(NULL)), &fd, 1),
                     error);
    close(fd);
}

static void
test_descriptors(void)
{
    static const char text[] = "in memory";
    g_autofree char *file = g_build_filename(bed->dir, "file", NULL);
    int ends[2] = {-1, -1};
    int memory = memfd_create("test", MFD_CLOEXEC);
    g_autoptr(TestReply) reply = NULL;

    g_assert_true(g_file_set_contents(file, "secret", -1, NULL));
    assert_fd_refused(open(file, O_RDONLY | O_CLOEXEC), "InvalidArgument");
    assert_fd_refused(open(bed->dir, O_RDONLY | O_CLOEXEC | O_DIRECTORY), "InvalidArgument");
    assert_fd_refused(open("/dev/zero", O_RDONLY | O_CLOEXEC), "InvalidArgument");
    assert_fd_refused(bed_pipe("", 0), "InvalidArgument");
    g_assert_true(g_unix_open_pipe(ends, FD_CLOEXEC, NULL));
    close(ends[0]);
    assert_fd_refused(ends[1], "InvalidArgument");
    g_assert_cmpint(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends), ==, 0);
    close(ends[1]);
    assert_fd_refused(ends[0], "InvalidArgument");

    g_assert_true(cvs_write_all(memory, text, sizeof text));
    reply = test_call(bed->alice, "Seal",
                      g_variant_new("(sh@a{sv})", "memfd", 0, bed_options(NULL)), &memory, 1);
    close(memory);
    g_assert_cmpstr(reply->error, ==, NULL);
    bed_assert_opens(bed->alice, "memfd", text, sizeof text, NULL);
}

/* The daemon lets it be for a second, and serves others meanwhile. */
static void
test_endless_pipe(void)
{
    int ends[2] = {-1, -1};
    TestPending *pending = NULL;

    g_assert_true(g_unix_open_pipe(ends, FD_CLOEXEC, NULL));
    g_assert_true(cvs_write_all(ends[1], "half a secret", 13));
    pending = test_call_begin(
        bed->alice, "Seal", g_variant_new("(sh@a{sv})", "endless", 0, bed_options(NULL)), ends, 1);
    bed_assert_sealed(bed->bob, "meanwhile", "x", 1, NULL);
    bed_assert_opens(bed->bob, "meanwhile", "x", 1, NULL);
    g_assert_false(test_call_is_done(pending));
    bed_assert_error(test_call_finish(pending), "InvalidArgument");
    bed_assert_error(bed_unseal(bed->alice, "endless", NULL), "NoSuchKey");
    close(ends[0]);
    close(ends[1]);
}

/* More descriptors than are named: all closed at the end, as are those of refused calls. */
static void
test_descriptors_closed(void)
{
    int fds[10];
    guint before = 0;

    bed_assert_sealed(bed->alice, "fds", "x", 1, "{'replace': <true>}");
    before = bed_count_fds(bed);
    for (int round = 0; round < 5; round++) {
        g_autoptr(TestReply) good = NULL;

        for (gsize i = 0; i < G_N_ELEMENTS(fds); i++)
            fds[i] = bed_pipe("y", 1);
        good = test_call(bed->alice, "Seal",
                         g_variant_new("(sh@a{sv})", "fds", 4, bed_options("{'replace': <true>}")),
                         fds, G_N_ELEMENTS(fds));
        g_assert_cmpstr(good->error, ==, NULL);
        bed_assert_error(test_call(bed->alice, "Unseal",
                                   g_variant_new("(s@a{sv})", "..", bed_options(NULL)), fds,
                                   G_N_ELEMENTS(fds)),
                         "InvalidArgument");
        for (gsize i = 0; i < G_N_ELEMENTS(fds); i++)
            close(fds[i]);
    }
    bed_assert_opens(bed->alice, "fds", "y", 1, NULL);
    bed_wait_fds(bed, before);
}

static void
test_quota(void)
{
    g_autofree char *name = NULL;
    guint sealed = 0;

    /* The configuration of this test: 5 keys for one owner. */
    for (; sealed < 5; sealed++) {
        g_clear_pointer(&name, g_free);
        name = g_strdup_printf("quota-%u", sealed);
        bed_assert_sealed(bed->admin, name, "x", 1, NULL);
    }
    bed_assert_error(bed_seal(bed->admin, "quota-5", "x", 1, NULL), "TooLarge");
    bed_assert_error(bed_seal(bed->admin, "quota-4", "x", 1, NULL), "KeyExists");
    bed_assert_sealed(bed->admin, "quota-4", "z", 1, "{'replace': <true>}");
    bed_assert_sealed(bed->bob, "quota-5", "x", 1, NULL);
}

/* The configuration of this test: 400000 bytes for one owner. A file is larger than its secret. */
static void
test_quota_bytes(void)
{
    g_autofree guint8 *secret = g_malloc0(65536);
    g_autoptr(TestReply) reply = NULL;

    for (guint i = 0; i < 4; i++) {
        g_autofree char *name = g_strdup_printf("large-%u", i);

        bed_assert_sealed(bed->root, name, secret, 65536, NULL);
    }
    reply = bed_seal(bed->root, "large-4", secret, 65536, NULL);
    g_assert_cmpstr(reply->error, ==, "TooLarge");
    g_assert_nonnull(strstr(reply->message, "MaxBytesPerOwner="));
    bed_assert_error(bed_unseal(bed->root, "large-4", NULL), "NoSuchKey");
    /* The old one goes when the new one comes. */
    bed_assert_sealed(bed->root, "large-3", secret, 65536, "{'replace': <true>}");
    bed_assert_sealed(bed->root, "small", "x", 1, NULL);
}

int
main(int argc, char **argv)
{
    int status = 0;

    g_test_init(&argc, &argv, NULL);
    bed = bed_new("SecretTimeoutSec=1\nMaxKeysPerOwner=5\nMaxBytesPerOwner=400000\n", FALSE);
    if (bed == NULL)
        return 0;
    g_test_add_func("/service/input/names", test_names);
    g_test_add_func("/service/input/sizes", test_sizes);
    g_test_add_func("/service/input/options", test_options);
    g_test_add_func("/service/input/option-twice", test_option_twice);
    g_test_add_func("/service/input/types", test_types);
    g_test_add_func("/service/input/descriptors", test_descriptors);
    g_test_add_func("/service/input/endless-pipe", test_endless_pipe);
    g_test_add_func("/service/input/descriptors-closed", test_descriptors_closed);
    g_test_add_func("/service/input/quota", test_quota);
    g_test_add_func("/service/input/quota-bytes", test_quota_bytes);
    status = g_test_run();
    bed_free(bed);
    return status;
}
