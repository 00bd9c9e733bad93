/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys through the whole daemon, as one user sees them: there and back, refused in another state,
 * PIN, recovery key, listing. */
#include "base/file.h"
#include "bed.h"

#include <glib-unix.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static Bed *bed;
static char *store_key;

static guint8 *
pattern(gsize size)
{
    guint8 *data = g_malloc(size);

    for (gsize i = 0; i < size; i++)
        data[i] = (guint8)(i * 131 + i / 251);
    return data;
}

static void
test_round_trip(void)
{
    static const gsize sizes[] = {1, 32, 4097, 65536};

    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autofree guint8 *data = pattern(sizes[i]);
        g_autofree char *name = g_strdup_printf("size-%zu", sizes[i]);

        bed_assert_sealed(bed->alice, name, data, sizes[i], NULL);
        bed_assert_opens(bed->alice, name, data, sizes[i], NULL);
        bed_assert_opens(bed->alice, name, data, sizes[i], NULL);
    }
    bed_assert_error(bed_seal(bed->alice, "size-32", "x", 1, NULL), "KeyExists");
    bed_assert_sealed(bed->alice, "size-32", "x", 1, "{'replace': <true>}");
    bed_assert_opens(bed->alice, "size-32", "x", 1, NULL);
}

static TestReply *
call_name(GDBusConnection *who, const char *method, const char *name, const char *options)
{
    return test_call(who, method, g_variant_new("(s@a{sv})", name, bed_options(options)), NULL, 0);
}

static GVariant *
lookup(GVariant *dict, const char *key, const char *type)
{
    GVariant *value = g_variant_lookup_value(dict, key, G_VARIANT_TYPE(type));

    if (value == NULL)
        g_error("no %s in %s", key, g_variant_print(dict, FALSE));
    return value;
}

static void
assert_text(GVariant *dict, const char *key, const char *wanted)
{
    g_autoptr(GVariant) value = lookup(dict, key, "s");

    g_assert_cmpstr(g_variant_get_string(value, NULL), ==, wanted);
}

static void
assert_flag(GVariant *dict, const char *key, gboolean wanted)
{
    g_autoptr(GVariant) value = lookup(dict, key, "b");

    g_assert_cmpint(g_variant_get_boolean(value), ==, wanted);
}

static void
test_generate(void)
{
    g_autoptr(TestReply) made =
        test_call(bed->alice, "Generate",
                  g_variant_new("(su@a{sv})", "made", 48, bed_options(NULL)), NULL, 0);
    g_autoptr(TestReply) reply = bed_unseal(bed->alice, "made", NULL);
    g_autoptr(GBytes) bytes = NULL;
    CVS_AUTO_FD int fd = -1;

    g_assert_cmpstr(made->error, ==, NULL);
    g_assert_cmpstr(reply->error, ==, NULL);
    fd = g_unix_fd_list_get(reply->fds, 0, NULL);
    bytes = bed_read_all(fd);
    g_assert_cmpuint(g_bytes_get_size(bytes), ==, 48);
    bed_assert_error(test_call(bed->alice, "Generate",
                               g_variant_new("(su@a{sv})", "none", 0, bed_options(NULL)), NULL, 0),
                     "InvalidArgument");
    bed_assert_error(test_call(bed->alice, "Generate",
                               g_variant_new("(su@a{sv})", "none", 65537, bed_options(NULL)), NULL,
                               0),
                     "TooLarge");
    bed_assert_error(bed_unseal(bed->alice, "none", NULL), "NoSuchKey");
}

static void
test_list_and_describe(void)
{
    g_autoptr(TestReply) list = NULL;
    g_autoptr(TestReply) one = NULL;
    g_autoptr(GVariant) keys = NULL;
    g_autoptr(GVariant) first = NULL;
    g_autoptr(GVariant) key = NULL;
    g_autoptr(GVariant) slots = NULL;
    g_autoptr(GVariant) slot = NULL;
    g_autoptr(GVariant) size = NULL;

    bed_assert_sealed(bed->bob, "b", "two", 3, "{'pcrs': <'0+7'>, 'bank': <'sha384'>}");
    bed_assert_sealed(bed->bob, "a", "one", 3, NULL);
    list = test_call(bed->bob, "List", g_variant_new("(@a{sv})", bed_options(NULL)), NULL, 0);
    g_assert_cmpstr(list->error, ==, NULL);
    keys = g_variant_get_child_value(list->body, 0);
    g_assert_cmpuint(g_variant_n_children(keys), ==, 2);
    first = g_variant_get_child_value(keys, 0);
    assert_text(first, "name", "a");
    assert_text(first, "owner", "uid:2");
    assert_text(first, "pcrs", "0+2+7");
    assert_text(first, "bank", "sha256");
    assert_text(first, "profile", "default");
    assert_flag(first, "pin", FALSE);
    assert_flag(first, "recovery", FALSE);
    size = lookup(first, "size", "t");
    g_assert_cmpuint(g_variant_get_uint64(size), ==, 3);

    one = call_name(bed->bob, "Describe", "b", NULL);
    g_assert_cmpstr(one->error, ==, NULL);
    key = g_variant_get_child_value(one->body, 0);
    assert_text(key, "pcrs", "0+7");
    assert_text(key, "bank", "sha384");
    slots = lookup(key, "slots", "aa{sv}");
    g_assert_cmpuint(g_variant_n_children(slots), ==, 1);
    slot = g_variant_get_child_value(slots, 0);
    assert_text(slot, "kind", "tpm2");
    bed_assert_error(call_name(bed->bob, "Describe", "c", NULL), "NoSuchKey");
}

static void
test_remove(void)
{
    g_autoptr(TestReply) reply = NULL;

    bed_assert_sealed(bed->alice, "gone", "x", 1, NULL);
    reply = call_name(bed->alice, "Remove", "gone", NULL);
    g_assert_cmpstr(reply->error, ==, NULL);
    bed_assert_error(bed_unseal(bed->alice, "gone", NULL), "NoSuchKey");
    bed_assert_error(call_name(bed->alice, "Remove", "gone", NULL), "NoSuchKey");
}

static void
test_status(void)
{
    g_autoptr(TestReply) reply =
        test_call(bed->alice, "Status", g_variant_new("(@a{sv})", bed_options(NULL)), NULL, 0);
    g_autoptr(GVariant) status = NULL;
    g_autoptr(GVariant) name = NULL;

    g_assert_cmpstr(reply->error, ==, NULL);
    status = g_variant_get_child_value(reply->body, 0);
    assert_flag(status, "tpm-available", TRUE);
    assert_flag(status, "tpm-in-lockout", FALSE);
    name = lookup(status, "tpm-srk-name", "s");
    g_assert_cmpuint(strlen(g_variant_get_string(name, NULL)), ==, 68);
    g_variant_unref(lookup(status, "tpm-banks", "as"));
    assert_text(status, "lock2", "unmeasured");
    assert_flag(status, "test-roots", FALSE);
}

/* The file that the configuration names is a factor while it is there. */
static void
test_store_key(void)
{
    g_autoptr(TestReply) one = NULL;
    g_autoptr(TestReply) refused = NULL;
    g_autoptr(TestReply) status = NULL;
    g_autoptr(GVariant) key = NULL;
    g_autoptr(GVariant) dict = NULL;
    g_autoptr(GError) error = NULL;

    (void)g_file_set_contents(store_key, "0123456789abcdef0123456789abcdef", 32, &error);
    g_assert_no_error(error);
    g_assert_cmpint(g_chmod(store_key, 0400), ==, 0);
    status = test_call(bed->alice, "Status", g_variant_new("(@a{sv})", bed_options(NULL)), NULL, 0);
    dict = g_variant_get_child_value(status->body, 0);
    assert_text(dict, "lock2", "store-key");
    bed_assert_sealed(bed->alice, "stored", "x", 1, NULL);
    bed_assert_opens(bed->alice, "stored", "x", 1, NULL);
    one = call_name(bed->alice, "Describe", "stored", NULL);
    key = g_variant_get_child_value(one->body, 0);
    assert_flag(key, "store-key", TRUE);
    g_assert_cmpint(g_unlink(store_key), ==, 0);
    refused = bed_unseal(bed->alice, "stored", "{'reasons': <true>}");
    g_assert_cmpuint(bed_count_reasons(refused, "StoreKeyMissing"), ==, 1);
    bed_assert_error(g_steal_pointer(&refused), "TeeRefused");
}

/* No TEE is here, and what asks for one is refused. */
static void
test_no_tee(void)
{
    bed_assert_error(bed_seal(bed->alice, "tee", "x", 1, "{'require': <'measurement'>}"),
                     "AttestationFailed");
    bed_assert_error(bed_seal(bed->alice, "tee", "x", 1, "{'rtmrs': <'0+1'>}"),
                     "AttestationFailed");
    bed_assert_error(bed_unseal(bed->alice, "tee", NULL), "NoSuchKey");
}

/* Takes part of the state away and asserts that exactly those PCRs are named. */
static void
assert_mismatch(const char *name, const char *what)
{
    g_autoptr(TestReply) reply = bed_unseal(bed->alice, name, NULL);
    const char *detail = NULL;
    const char *seen = NULL;
    const char *wanted = NULL;

    g_assert_cmpstr(reply->error, ==, "PcrMismatch");
    g_assert_cmpuint(g_variant_n_children(reply->reasons), ==, 1);
    g_assert_cmpuint(bed_count_reasons(reply, "PcrDiffers"), ==, 1);
    g_variant_get_child(reply->reasons, 0, "(&s&s&s&s)", NULL, &detail, &seen, &wanted);
    g_assert_nonnull(strstr(detail, what));
    g_assert_cmpuint(strlen(seen), ==, 64);
    g_assert_cmpuint(strlen(wanted), ==, 64);
    g_assert_cmpstr(seen, !=, wanted);
}

static void
test_pcr_mismatch(void)
{
    g_autoptr(TestReply) before = NULL;
    g_autoptr(TestReply) after = NULL;
    g_autofree char *record = NULL;
    const char *text = NULL;

    bed_assert_sealed(bed->alice, "state", "of the machine", 14, NULL);
    before = call_name(bed->alice, "Explain", "state", NULL);
    g_variant_get(before->body, "(&s)", &text);
    g_assert_nonnull(strstr(text, "true"));
    test_tpm_extend(bed->tpm, 7, "another boot loader");
    assert_mismatch("state", "PCR 7");
    after = call_name(bed->alice, "Explain", "state", NULL);
    g_variant_get(after->body, "(&s)", &text);
    g_assert_nonnull(strstr(text, "PcrDiffers"));
    record = bed_wait_record(bed, "CVMSEAL_METHOD=Unseal", "CVMSEAL_KEY=state",
                             "CVMSEAL_VERDICT=refused", "CVMSEAL_ERROR=PcrMismatch",
                             "CVMSEAL_REASON=PcrDiffers", NULL);
    g_assert_nonnull(record);
}

static TestReply *
unseal_with_pin(const char *name, const char *pin)
{
    CVS_AUTO_FD int fd = bed_pipe(pin, strlen(pin));

    return test_call(bed->alice, "Unseal",
                     g_variant_new("(s@a{sv})", name, bed_options("{'pin': <handle 0>}")), &fd, 1);
}

static void
test_pin(void)
{
    int fds[] = {bed_pipe("secret", 6), bed_pipe("2468-right", 10)};
    g_autoptr(TestReply) sealed = test_call(
        bed->alice, "Seal",
        g_variant_new("(sh@a{sv})", "pinned", 0, bed_options("{'pin': <handle 1>}")), fds, 2);
    g_autoptr(TestReply) good = NULL;

    close(fds[0]);
    close(fds[1]);
    g_assert_cmpstr(sealed->error, ==, NULL);
    bed_assert_error(bed_unseal(bed->alice, "pinned", NULL), "PinRequired");
    bed_assert_error(unseal_with_pin("pinned", "1111-wrong"), "PinWrong");
    bed_assert_error(unseal_with_pin("pinned", ""), "InvalidArgument");
    good = unseal_with_pin("pinned", "2468-right");
    g_assert_cmpstr(good->error, ==, NULL);
}

static char *
seal_with_recovery(const char *name)
{
    int ends[2] = {-1, -1};
    int fds[2] = {bed_pipe("kept", 4), -1};
    g_autoptr(TestReply) sealed = NULL;
    g_autoptr(GBytes) bytes = NULL;

    g_assert_true(g_unix_open_pipe(ends, FD_CLOEXEC, NULL));
    fds[1] = ends[1];
    sealed = test_call(
        bed->alice, "Seal",
        g_variant_new("(sh@a{sv})", name, 0, bed_options("{'recovery-output': <handle 1>}")), fds,
        2);
    close(fds[0]);
    close(fds[1]);
    g_assert_cmpstr(sealed->error, ==, NULL);
    bytes = bed_read_all(ends[0]);
    close(ends[0]);
    g_assert_cmpuint(g_bytes_get_size(bytes), ==, 71);
    return g_strndup(g_bytes_get_data(bytes, NULL), 71);
}

static TestReply *
reseal_with(const char *name, const char *recovery_key)
{
    CVS_AUTO_FD int fd = bed_pipe(recovery_key, strlen(recovery_key));

    return test_call(bed->alice, "Reseal",
                     g_variant_new("(s@a{sv})", name, bed_options("{'recovery-key': <handle 0>}")),
                     &fd, 1);
}

static void
test_recovery_and_reseal(void)
{
    g_autofree char *key = seal_with_recovery("rec");
    g_autofree char *wrong = g_strdup(key);
    g_autoptr(TestReply) reply = NULL;

    test_tpm_extend(bed->tpm, 2, "a new driver");
    bed_assert_error(bed_unseal(bed->alice, "rec", NULL), "PcrMismatch");
    bed_assert_error(call_name(bed->alice, "Reseal", "rec", NULL), "PcrMismatch");
    wrong[0] = wrong[0] == 'c' ? 'b' : 'c';
    bed_assert_error(reseal_with("rec", wrong), "NotAuthorized");
    reply = reseal_with("rec", key);
    g_assert_cmpstr(reply->error, ==, NULL);
    bed_assert_opens(bed->alice, "rec", "kept", 4, NULL);
}

static void
test_tpm_gone(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(TestReply) reply = NULL;
    g_autoptr(GVariant) status = NULL;

    bed_assert_sealed(bed->alice, "waits", "x", 1, NULL);
    tpm_mux_power_off(test_tpm_mux(bed->tpm));
    bed_assert_error(bed_unseal(bed->alice, "waits", NULL), "TpmUnavailable");
    reply = test_call(bed->alice, "Status", g_variant_new("(@a{sv})", bed_options(NULL)), NULL, 0);
    status = g_variant_get_child_value(reply->body, 0);
    assert_flag(status, "tpm-available", FALSE);
    g_variant_unref(lookup(status, "tpm-error", "s"));
    g_assert_true(tpm_mux_power_on(test_tpm_mux(bed->tpm), 0, &error));
    g_assert_no_error(error);
    /* The PCRs are those of a fresh boot, so the refusal is another. */
    bed_assert_error(bed_unseal(bed->alice, "waits", NULL), "PcrMismatch");
    test_tpm_extend(bed->tpm, 0, "boot");
    test_tpm_extend(bed->tpm, 2, "boot");
    test_tpm_extend(bed->tpm, 7, "boot");
}

/* A page: its names with spaces in front; *next is replaced, and freed at the end. */
static char *
list_page(GDBusConnection *who, const char *options, char **next)
{
    GVariantDict dict;
    g_autoptr(GVariant) given = g_variant_ref_sink(bed_options(options));
    g_autoptr(TestReply) reply = NULL;
    g_autoptr(GVariant) keys = NULL;
    GString *names = g_string_new(NULL);

    g_variant_dict_init(&dict, given);
    if (*next)
        g_variant_dict_insert(&dict, "after", "s", *next);
    reply = test_call(who, "List", g_variant_new("(@a{sv})", g_variant_dict_end(&dict)), NULL, 0);
    g_assert_cmpstr(reply->error, ==, NULL);
    g_clear_pointer(next, g_free);
    g_variant_get(reply->body, "(@aa{sv}s)", &keys, next);
    for (gsize i = 0; i < g_variant_n_children(keys); i++) {
        g_autoptr(GVariant) key = g_variant_get_child_value(keys, i);
        g_autoptr(GVariant) name = lookup(key, "name", "s");

        g_string_append_printf(names, " %s", g_variant_get_string(name, NULL));
    }
    return g_string_free(names, FALSE);
}

static void
assert_page(GDBusConnection *who, const char *options, char **next, const char *names)
{
    g_autofree char *seen = list_page(who, options, next);

    g_assert_cmpstr(seen, ==, names);
}

static void
assert_list_refused(const char *options)
{
    bed_assert_error(
        test_call(bed->root, "List", g_variant_new("(@a{sv})", bed_options(options)), NULL, 0),
        "InvalidArgument");
}

/* Alice guesses, and root's PIN is none the worse for it. */
static void
test_pin_tries(void)
{
    int fds[] = {bed_pipe("secret", 6), bed_pipe("1357-roots", 10)};
    g_autoptr(TestReply) sealed = NULL;
    g_autoptr(TestReply) opened = NULL;
    int pin_fd = bed_pipe("1357-roots", 10);

    g_free(test_tpm_run(bed->tpm, "tpm2_dictionarylockout -c"));
    g_free(test_tpm_run(bed->tpm, "tpm2_dictionarylockout -s -n 4 -t 777 -l 10"));
    sealed = test_call(bed->root, "Seal",
                       g_variant_new("(sh@a{sv})", "pinned", 0, bed_options("{'pin': <handle 1>}")),
                       fds, 2);
    g_assert_cmpstr(sealed->error, ==, NULL);
    bed_assert_error(unseal_with_pin("pinned", "1111-wrong"), "PinWrong");
    bed_assert_error(unseal_with_pin("pinned", "1112-wrong"), "PinWrong");
    for (guint i = 0; i < 4; i++)
        bed_assert_error(unseal_with_pin("pinned", "1113-wrong"), "TpmLockout");
    opened = test_call(bed->root, "Unseal",
                       g_variant_new("(s@a{sv})", "pinned", bed_options("{'pin': <handle 0>}")),
                       &pin_fd, 1);
    g_assert_cmpstr(opened->error, ==, NULL);
    g_free(test_tpm_run(bed->tpm, "tpm2_dictionarylockout -c"));
    close(fds[0]);
    close(fds[1]);
    close(pin_fd);
}

static void
test_list_pages(void)
{
    static const char *const owners[] = {"system", "uid:7", "uid:77", "unit:p.service"};
    g_autoptr(TestReply) removed = NULL;
    char *next = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(owners); i++) {
        g_autofree char *options = g_strdup_printf("{'owner': <'%s'>}", owners[i]);

        bed_assert_sealed(bed->root, "p1", "x", 1, options);
        bed_assert_sealed(bed->root, "p2", "x", 1, options);
    }
    assert_page(bed->root, "{'owner': <'uid:7'>, 'limit': <uint32 1>}", &next, " p1");
    g_assert_cmpstr(next, ==, "uid:7/p1");
    /* Neither does a new key before the place come in nor one behind it stay out, and the place may
     * itself be gone. */
    bed_assert_sealed(bed->root, "p0", "x", 1, "{'owner': <'uid:7'>}");
    bed_assert_sealed(bed->root, "p3", "x", 1, "{'owner': <'uid:7'>}");
    removed = call_name(bed->root, "Remove", "p1", "{'owner': <'uid:7'>}");
    g_assert_cmpstr(removed->error, ==, NULL);
    assert_page(bed->root, "{'owner': <'uid:7'>, 'limit': <uint32 1>}", &next, " p2");
    assert_page(bed->root, "{'owner': <'uid:7'>, 'limit': <uint32 1>}", &next, " p3");
    g_assert_cmpstr(next, ==, "");
    g_clear_pointer(&next, g_free);
    assert_page(bed->root, "{'owner': <'uid:7'>}", &next, " p0 p2 p3");
    g_assert_cmpstr(next, ==, "");

    /* Across owners. */
    g_free(next);
    next = g_strdup("system/p1");
    assert_page(bed->root, "{'all': <true>, 'limit': <uint32 1>}", &next, " p2");
    g_assert_cmpstr(next, ==, "system/p2");
    g_free(next);
    next = g_strdup("uid:7/p2");
    assert_page(bed->root, "{'all': <true>, 'limit': <uint32 2>}", &next, " p3 p1");
    assert_page(bed->root, "{'all': <true>, 'limit': <uint32 3>}", &next, " p2 p1 p2");
    g_assert_cmpstr(next, ==, "");
    g_free(next);

    assert_list_refused("{'limit': <uint32 0>}");
    assert_list_refused("{'limit': <uint32 10001>}");
    assert_list_refused("{'after': <''>}");
    assert_list_refused("{'after': <'p1'>}");
    assert_list_refused("{'after': <'uid:x/p1'>}");
}

int
main(int argc, char **argv)
{
    int status = 0;
    g_autofree char *dir = NULL;
    g_autofree char *config = NULL;

    g_test_init(&argc, &argv, NULL);
    dir = g_dir_make_tmp("cvmseal-store-key-XXXXXX", NULL);
    store_key = g_build_filename(dir, "store-key", NULL);
    config = g_strdup_printf("StoreKeyFile=%s", store_key);
    bed = bed_new(config, FALSE);
    if (bed == NULL)
        return 0;
    g_test_add_func("/service/keys/round-trip", test_round_trip);
    g_test_add_func("/service/keys/generate", test_generate);
    g_test_add_func("/service/keys/list-and-describe", test_list_and_describe);
    g_test_add_func("/service/keys/remove", test_remove);
    g_test_add_func("/service/keys/status", test_status);
    g_test_add_func("/service/keys/store-key", test_store_key);
    g_test_add_func("/service/keys/no-tee", test_no_tee);
    g_test_add_func("/service/keys/pcr-mismatch", test_pcr_mismatch);
    g_test_add_func("/service/keys/pin", test_pin);
    g_test_add_func("/service/keys/pin-tries", test_pin_tries);
    g_test_add_func("/service/keys/list-pages", test_list_pages);
    g_test_add_func("/service/keys/recovery-and-reseal", test_recovery_and_reseal);
    g_test_add_func("/service/keys/tpm-gone", test_tpm_gone);
    status = g_test_run();
    bed_free(bed);
    (void)g_rmdir(dir);
    g_free(store_key);
    return status;
}
