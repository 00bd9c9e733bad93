/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Disks that are full, read-only or short of quota, and key files that are damaged: an error for
 * that key alone, which keeps what it had. */
#define _GNU_SOURCE
#include "base/error.h"
#include "release/aftermath.h"
#include "sim/test-tpm.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <unistd.h>

#define PAGE 4096
#define PAGES 64

static const Operation operations[] = {OPERATION_SEAL, OPERATION_REPLACE, OPERATION_RESEAL,
                                       OPERATION_REMOVE, OPERATION_DROP};

typedef struct {
    TestTpm *tpm;
    char *dir;
    char *vault;
    char *policies;
    gboolean mounted; /* the vault is on a small disk of its own */
    Aftermath *aftermath;
} Bed;

static Bed bed;

/* Before there is a thread, which would stay in the old namespace. */
static gboolean
mount_small(const char *path)
{
    return unshare(CLONE_NEWNS) == 0 && mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0 &&
           mount("small", path, "tmpfs", 0, "size=256k,mode=0700") == 0;
}

static void
bed_set_up(void)
{
    const CvsOwner owner = {.kind = CVS_OWNER_UID, .uid = 1000};
    g_autofree char *profile = NULL;

    bed.dir = g_dir_make_tmp("cvs-storage-XXXXXX", NULL);
    bed.vault = g_build_filename(bed.dir, "vault", NULL);
    bed.policies = g_build_filename(bed.dir, "policies", NULL);
    profile = g_build_filename(bed.policies, "default.policy", NULL);
    g_assert_cmpint(g_mkdir(bed.policies, 0700), ==, 0);
    g_assert_cmpint(g_mkdir(bed.vault, 0700), ==, 0);
    g_assert_true(
        g_file_set_contents(profile, "[Registers]\nPCRs=0+2+7\nPCRBank=sha256\n", -1, NULL));
    bed.mounted = mount_small(bed.vault);
    bed.tpm = test_tpm_new(TPM_MUX_DEFAULT);
    for (guint pcr = 0; pcr < 8; pcr++)
        test_tpm_extend(bed.tpm, pcr, "boot");
    bed.aftermath = aftermath_new(test_tpm_tcti(bed.tpm), bed.policies, bed.vault, &owner);
}

static void
bed_tear_down(void)
{
    aftermath_free(bed.aftermath);
    test_tpm_free(bed.tpm);
    if (bed.mounted)
        g_assert_cmpint(umount2(bed.vault, MNT_DETACH), ==, 0);
    test_remove_tree(bed.dir);
    g_free(bed.policies);
    g_free(bed.vault);
    g_free(bed.dir);
}

/* The operation fails for want of the disk, and nothing is changed. */
static void
assert_storage_error(Operation operation, int wanted_errno, const char *when)
{
    g_autoptr(GError) error = NULL;

    if (aftermath_do(bed.aftermath, operation, &error))
        g_error("%s: it works", when);
    if (!g_error_matches(error, CVS_ERROR, CVS_ERROR_STORAGE_ERROR) ||
        strstr(error->message, g_strerror(wanted_errno)) == NULL)
        g_error("%s: another error: %s", when, error->message);
    g_assert_false(aftermath_check(bed.aftermath, operation, when));
    aftermath_check_tidy(bed.aftermath, when);
    aftermath_check_others_open(bed.aftermath, when);
}

static void
assert_works(Operation operation, const char *when)
{
    g_autoptr(GError) error = NULL;

    (void)aftermath_do(bed.aftermath, operation, &error);
    g_assert_no_error(error);
    g_assert_true(aftermath_check(bed.aftermath, operation, when));
    aftermath_check_tidy(bed.aftermath, when);
}

/* An unseal that cannot drop a slot gives the key all the same. */
static void
assert_opens_unchanged(const char *when)
{
    g_autoptr(GError) error = NULL;

    (void)aftermath_do(bed.aftermath, OPERATION_DROP, &error);
    g_assert_no_error(error);
    g_assert_false(aftermath_check(bed.aftermath, OPERATION_DROP, when));
    aftermath_check_tidy(bed.aftermath, when);
}

static gboolean
skip_unless_mounted(void)
{
    if (!bed.mounted)
        g_test_skip("needs root and the right to mount a small disk in a namespace");
    return !bed.mounted;
}

/* Takes what the disk has but these pages. */
static void
fill(const char *path, guint leave)
{
    static const char page[PAGE];
    int fd = g_open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    guint pages = 0;

    g_assert_cmpint(fd, >=, 0);
    while (write(fd, page, sizeof page) == (gssize)sizeof page)
        g_assert_cmpuint(++pages, <=, PAGES);
    g_assert_cmpint(errno, ==, ENOSPC);
    g_assert_cmpuint(pages, >, leave);
    g_assert_cmpint(ftruncate(fd, (off_t)(pages - leave) * PAGE), ==, 0);
    g_assert_cmpint(close(fd), ==, 0);
}

/* No room for anything, and room for the record alone. */
static void
test_full(void)
{
    g_autofree char *filler = g_build_filename(bed.vault, "filler", NULL);

    if (skip_unless_mounted())
        return;
    for (guint leave = 0; leave < 2; leave++) {
        for (gsize i = 0; i < G_N_ELEMENTS(operations); i++) {
            Operation operation = operations[i];
            g_autofree char *when =
                g_strdup_printf("%s with %u pages left", operation_name(operation), leave);

            aftermath_prepare(bed.aftermath, operation);
            fill(filler, leave);
            /* The record of a reseal takes the place of one that is the same. */
            if (operation == OPERATION_REMOVE ||
                (leave > 0 && (operation == OPERATION_RESEAL || operation == OPERATION_DROP)))
                assert_works(operation, when);
            else if (operation == OPERATION_DROP)
                assert_opens_unchanged(when);
            else
                assert_storage_error(operation, ENOSPC, when);
            g_assert_cmpint(g_unlink(filler), ==, 0);
            aftermath_prepare(bed.aftermath, operation);
            assert_works(operation, when);
        }
    }
}

static void
remount(unsigned long flags)
{
    g_assert_cmpint(mount("small", bed.vault, NULL, MS_REMOUNT | flags, NULL), ==, 0);
}

static void
test_read_only(void)
{
    if (skip_unless_mounted())
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(operations); i++) {
        const char *when = operation_name(operations[i]);

        aftermath_prepare(bed.aftermath, operations[i]);
        remount(MS_RDONLY);
        if (operations[i] == OPERATION_DROP)
            assert_opens_unchanged(when);
        else
            assert_storage_error(operations[i], EROFS, when);
        remount(0);
        assert_works(operations[i], when);
    }
}

/* Files may grow to some size only: the record fits or it does not, the key does not. */
static void
test_size_limit(void)
{
    static const rlim_t limits[] = {0, 100, 300, 1000};
    struct rlimit before;

    g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &before), ==, 0);
    (void)signal(SIGXFSZ, SIG_IGN);
    for (gsize n = 0; n < G_N_ELEMENTS(limits); n++) {
        const struct rlimit limit = {limits[n], before.rlim_max};

        for (gsize i = 0; i < G_N_ELEMENTS(operations); i++) {
            Operation operation = operations[i];
            g_autofree char *when = g_strdup_printf("%s with files of %u bytes",
                                                    operation_name(operation), (guint)limits[n]);

            aftermath_prepare(bed.aftermath, operation);
            g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
            if (operation == OPERATION_REMOVE)
                assert_works(operation, when);
            else if (operation == OPERATION_DROP)
                assert_opens_unchanged(when);
            else
                assert_storage_error(operation, EFBIG, when);
            g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &before), ==, 0);
        }
    }
}

/* Damaged files */

static void
put_key(const void *data, gsize size)
{
    g_assert_true(g_file_set_contents(aftermath_key_path(bed.aftermath), data, (gssize)size, NULL));
}

static char *
get_key(gsize *ret_size)
{
    char *data = NULL;

    g_assert_true(g_file_get_contents(aftermath_key_path(bed.aftermath), &data, ret_size, NULL));
    return data;
}

static void
assert_code(Operation operation, int code, const char *when)
{
    g_autoptr(GError) error = NULL;

    if (aftermath_do(bed.aftermath, operation, &error))
        g_error("%s: %s works", when, operation_name(operation));
    if (!g_error_matches(error, CVS_ERROR, code))
        g_error("%s: %s gives another error: %s", when, operation_name(operation), error->message);
}

/* The listing has it as the one key with an error. */
static void
assert_listed_as_damaged(const char *when)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsStore) store = cvs_store_open(bed.vault, FALSE, &error);
    g_autoptr(GPtrArray) entries = cvs_store_list(store, NULL, &error);
    guint n_damaged = 0;

    g_assert_no_error(error);
    g_assert_cmpuint(entries->len, ==, 4);
    for (guint i = 0; i < entries->len; i++) {
        const CvsStoreEntry *entry = g_ptr_array_index(entries, i);

        if (entry->error == NULL)
            continue;
        n_damaged++;
        if (!g_error_matches(entry->error, CVS_ERROR, CVS_ERROR_BAD_FORMAT))
            g_error("%s: another error: %s", when, entry->error->message);
        g_assert_cmpstr(entry->name, ==, AFTERMATH_KEY);
        g_assert_cmpint(entry->owner.kind, ==, CVS_OWNER_UID);
    }
    g_assert_cmpuint(n_damaged, ==, 1);
}

static void
assert_opens_as_before(void)
{
    g_autoptr(GError) error = NULL;

    (void)aftermath_do(bed.aftermath, OPERATION_DROP, &error);
    g_assert_no_error(error);
}

static void
test_truncated(void)
{
    g_autofree char *whole = NULL;
    gsize size = 0;

    aftermath_prepare(bed.aftermath, OPERATION_REPLACE);
    whole = get_key(&size);
    /* Whose newline is lost, the key is whole. */
    g_assert_cmpint(whole[--size], ==, '\n');
    put_key(whole, size);
    assert_opens_as_before();
    for (gsize length = 0; length < size; length++) {
        g_autofree char *when = g_strdup_printf("%zu of %zu bytes", length, size);
        g_autofree char *after = NULL;
        gsize after_size = 0;

        put_key(whole, length);
        assert_listed_as_damaged(when);
        assert_code(OPERATION_DROP, CVS_ERROR_BAD_FORMAT, when);
        assert_code(OPERATION_RESEAL, CVS_ERROR_BAD_FORMAT, when);
        assert_code(OPERATION_SEAL, CVS_ERROR_KEY_EXISTS, when);
        after = get_key(&after_size);
        g_assert_cmpmem(after, after_size, whole, length);
        if (length % 97 != 0)
            continue;
        /* Its owner can put it right, or away. */
        aftermath_check_others_open(bed.aftermath, when);
        assert_works(OPERATION_REMOVE, when);
        put_key(whole, length);
        assert_works(OPERATION_REPLACE, when);
        aftermath_prepare(bed.aftermath, OPERATION_REPLACE);
    }
    g_test_message("%zu lengths", size);
}

static void
count_warning(const char *domain, GLogLevelFlags level, const char *message, gpointer data)
{
    guint *n_warnings = data;

    g_assert_nonnull(strstr(message, CVS_REASON_SLOT_FORGED));
    (*n_warnings)++;
}

/* One bit of one byte: what opens is the key, and opens only where that bit is of the MAC by which
 * the key would know the slot if it had not opened; and that is said. */
static void
test_altered(void)
{
    const gsize stride = 3; /* every place in a base64 group of 4 in the course of 12 bytes */
    g_autofree char *whole = NULL;
    gsize size = 0;
    guint n_refused = 0, n_open = 0, n_warnings = 0, handler = 0;

    (void)g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    handler = g_log_set_handler(G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, count_warning, &n_warnings);
    aftermath_prepare(bed.aftermath, OPERATION_REPLACE);
    whole = get_key(&size);
    for (gsize at = 0; at < size - 1; at += stride) {
        g_autofree char *when = g_strdup_printf("byte %zu altered", at);
        g_autoptr(GError) error = NULL;

        whole[at] ^= 1;
        put_key(whole, size);
        whole[at] ^= 1;
        if (aftermath_do(bed.aftermath, OPERATION_DROP, &error)) {
            n_open++;
        } else {
            n_refused++;
            if (!g_error_matches(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT) &&
                !g_error_matches(error, CVS_ERROR, CVS_ERROR_PCR_MISMATCH) &&
                !g_error_matches(error, CVS_ERROR, CVS_ERROR_TPM_REPLACED) &&
                !g_error_matches(error, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY) &&
                !g_error_matches(error, CVS_ERROR, CVS_ERROR_TEE_REFUSED))
                g_error("%s: an unclear error: %s", when, error->message);
        }
        if (at % 91 == 0)
            aftermath_check_others_open(bed.aftermath, when);
    }
    g_test_message("%u refused, %u open", n_refused, n_open);
    g_assert_cmpuint(n_open, ==, n_warnings);
    g_assert_cmpuint(n_open, <=, 43 / stride + 1);
    g_log_remove_handler(G_LOG_DOMAIN, handler);
    (void)g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING);
    put_key(whole, size);
    g_assert_false(aftermath_check(bed.aftermath, OPERATION_REPLACE, "whole again"));
}

int
main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    bed_set_up();
    g_test_add_func("/release/storage/full", test_full);
    g_test_add_func("/release/storage/read-only", test_read_only);
    g_test_add_func("/release/storage/size-limit", test_size_limit);
    g_test_add_func("/release/storage/truncated", test_truncated);
    g_test_add_func("/release/storage/altered", test_altered);
    status = g_test_run();
    bed_tear_down();
    return status;
}
