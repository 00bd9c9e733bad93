/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The program cvmseal with --direct, killed at each of its system calls. What must hold afterwards
 * stands in release/aftermath.h.
 *
 * By default a sample of the calls, and all of those that write; "-m slow": all. */

#include "release/aftermath.h"
#include "sim/crash.h"
#include "sim/test-tpm.h"
#include "vault/recovery.h"

#include <errno.h>
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/wait.h>
#include <tss2/tss2_tpm2_types.h>
#include <unistd.h>

/* More than any operation makes; a loop that comes this far has lost count. */
#define CALLS_MAX 5000
/* Between two calls of the sample. */
#define STRIDE 50

typedef struct {
    TestTpm *tpm;
    char *dir;
    char *vault;
    char *policies;
    char *secret; /* file */
    char *output; /* file */
    Aftermath *aftermath;
} Bed;

static Bed bed;

static void
bed_set_up(void)
{
    const CvsOwner owner = {.kind = CVS_OWNER_UID, .uid = geteuid()};
    g_autofree char *profile = NULL;

    bed.tpm = test_tpm_new(TPM_MUX_DEFAULT);
    for (guint pcr = 0; pcr < 8; pcr++)
        test_tpm_extend(bed.tpm, pcr, "boot");
    bed.dir = g_dir_make_tmp("cvs-ctl-crash-XXXXXX", NULL);
    bed.vault = g_build_filename(bed.dir, "vault", NULL);
    bed.policies = g_build_filename(bed.dir, "policies", NULL);
    bed.secret = g_build_filename(bed.dir, "secret", NULL);
    bed.output = g_build_filename(bed.dir, "output", NULL);
    profile = g_build_filename(bed.policies, "default.policy", NULL);
    g_assert_cmpint(g_mkdir(bed.policies, 0700), ==, 0);
    g_assert_true(
        g_file_set_contents(profile, "[Registers]\nPCRs=0+2+7\nPCRBank=sha256\n", -1, NULL));
    g_assert_true(g_file_set_contents(bed.secret, AFTERMATH_NEW, -1, NULL));
    bed.aftermath =
        aftermath_new(test_tpm_port(bed.tpm, "checker"), bed.policies, bed.vault, &owner);
}

static void
bed_tear_down(void)
{
    aftermath_free(bed.aftermath);
    test_tpm_free(bed.tpm);
    test_remove_tree(bed.dir);
    g_free(bed.output);
    g_free(bed.secret);
    g_free(bed.policies);
    g_free(bed.vault);
    g_free(bed.dir);
}

static gboolean
skip_if_impossible(void)
{
    const char *why = crash_is_impossible();

    if (why)
        g_test_skip(why);
    return why != NULL;
}

static GPtrArray *
command(Operation operation, const char *port)
{
    static const char *const words[N_OPERATIONS] = {
        "seal key", "seal key", "seal key --replace", "reseal key", "remove key", "unseal key",
    };
    g_auto(GStrv) split = g_strsplit(words[operation], " ", -1);
    GPtrArray *argv = g_ptr_array_new_with_free_func(g_free);

    g_ptr_array_add(argv,
                    g_build_filename(g_getenv("CVS_BUILD_ROOT"), "sealer", "ctl", "cvmseal", NULL));
    g_ptr_array_add(argv, g_strdup("--direct"));
    g_ptr_array_add(argv, g_strdup_printf("--tcti=%s", test_tpm_port(bed.tpm, port)));
    g_ptr_array_add(argv, g_strdup_printf("--vault=%s", bed.vault));
    g_ptr_array_add(argv, g_strdup_printf("--policies=%s", bed.policies));
    for (guint i = 0; split[i]; i++)
        g_ptr_array_add(argv, g_strdup(split[i]));
    g_ptr_array_add(argv, NULL);
    return argv;
}

static CrashResult
run(Operation operation, CrashWhen when, guint n)
{
    g_autoptr(GPtrArray) argv = command(operation, "cli");
    const CrashOptions options = {.from_path = bed.vault, .stdin_path = bed.secret};

    return crash_run((const char *const *)argv->pdata, when, n, &options);
}

/* An undisturbed run. */
static CrashResult
run_whole(Operation operation)
{
    CrashResult result;

    aftermath_prepare(bed.aftermath, operation);
    result = run(operation, CRASH_NEVER, 0);
    g_assert_true(WIFEXITED(result.status));
    g_assert_cmpint(WEXITSTATUS(result.status), ==, 0);
    return result;
}

/* The calls that touch the vault and those around them, and some of the rest. Returns an array that
 * says of each number whether it is in the sample. */
static gboolean *
choose_sample(Operation operation)
{
    g_auto(CrashResult) result = run_whole(operation);
    gboolean *sample = g_new0(gboolean, CALLS_MAX);

    for (guint n = 0; n < CALLS_MAX; n += STRIDE)
        sample[n] = TRUE;
    for (guint i = 0; i < result.trace->len; i++) {
        const CrashCall *call = g_ptr_array_index(result.trace, i);

        for (guint n = call->number - MIN(call->number, 1); n <= call->number + 2; n++)
            sample[n] |= g_str_has_prefix(call->path, bed.vault);
    }
    return sample;
}

typedef struct {
    guint n_kills, n_old, n_new;
} Tally;

/* FALSE: it was not killed any more. */
static gboolean
kill_once(Operation operation, CrashWhen when, guint n, Tally *tally)
{
    g_autofree char *text = g_strdup_printf("%s, killed %s call %u", operation_name(operation),
                                            when == CRASH_BEFORE ? "before" : "after", n);
    g_auto(CrashResult) result = {0};
    gboolean changed;

    aftermath_prepare(bed.aftermath, operation);
    result = run(operation, when, n);
    changed = aftermath_check(bed.aftermath, operation, text);
    if (result.crashed) {
        tally->n_kills++;
        tally->n_old += !changed;
        tally->n_new += changed;
    } else {
        g_assert_true(WIFEXITED(result.status));
        g_assert_cmpint(WEXITSTATUS(result.status), ==, 0);
        g_assert_true(changed);
    }
    aftermath_go_on(bed.aftermath, n, text);
    return result.crashed;
}

static void
test_killed(gconstpointer data)
{
    Operation operation = (Operation)GPOINTER_TO_UINT(data);
    /* A program of one thread has nothing to do between two calls that anybody could see. */
    const CrashWhen last = g_test_slow() ? CRASH_AFTER : CRASH_BEFORE;
    Tally tally = {0};
    g_autofree gboolean *sample = NULL;
    TpmMuxHandles handles;

    if (skip_if_impossible())
        return;
    sample = choose_sample(operation);
    for (CrashWhen when = CRASH_BEFORE; when <= last; when++) {
        guint n_clean = 0;

        /* What is allocated varies, and with it the number of calls, a little. */
        for (guint n = 1; n_clean < 2; n++) {
            g_assert_cmpuint(n, <, CALLS_MAX);
            if (g_test_slow() || sample[n])
                n_clean += !kill_once(operation, when, n, &tally);
        }
    }
    g_test_message("%s: %u kills, %u times old, %u times new", operation_name(operation),
                   tally.n_kills, tally.n_old, tally.n_new);
    g_assert_cmpuint(tally.n_old, >, 0);
    g_assert_cmpuint(tally.n_new, >, 0);
    handles = tpm_mux_handles(test_tpm_mux(bed.tpm), "cli");
    g_assert_cmpuint(handles.objects + handles.sessions, ==, 0);
}

static void
test_order(gconstpointer data)
{
    Operation operation = (Operation)GPOINTER_TO_UINT(data);
    g_auto(CrashResult) result = {0};

    if (skip_if_impossible())
        return;
    result = run_whole(operation);
    aftermath_check_order(bed.aftermath, operation, &result);
}

/* Calls that fail */

static const CrashCall *
find_failed(const CrashResult *result)
{
    for (guint i = 0; i < result->trace->len; i++) {
        const CrashCall *call = g_ptr_array_index(result->trace, i);

        if (call->failed)
            return call;
    }
    return NULL;
}

/* What the program said: its whole JSON, on whichever of both. */
static char *
read_output(void)
{
    char *text = NULL;

    g_assert_true(g_file_get_contents(bed.output, &text, NULL, NULL));
    return text;
}

static void
check_failure(Operation operation, const CrashResult *result, const CrashCall *failed,
              gboolean changed, const char *when)
{
    g_autofree char *output = read_output();
    gboolean ok = WEXITSTATUS(result->status) == 0;

    g_assert_true(WIFEXITED(result->status));
    if (!ok && strstr(output, "\"StorageError\"") == NULL)
        g_error("%s: another error: %s", when, output);
    if (!ok)
        g_assert_cmpint(WEXITSTATUS(result->status), ==, 1);
    /* To drop a slot is nothing that an unseal could fail over; it says nothing of it, either. */
    if (ok && !changed && operation != OPERATION_DROP)
        g_error("%s: nothing happened, and nobody was told", when);
    /* Then it is done, but may not last, and the error says so. */
    if (!ok && changed &&
        (!g_str_equal(failed->name, "fsync") ||
         !g_str_equal(failed->path, aftermath_folder(bed.aftermath))))
        g_error("%s: it has happened, and was reported as failed", when);
    /* What could not be removed is there; and the records of a key that may come back stay. */
    if (!(operation == OPERATION_REMOVE && !ok && changed) &&
        !g_str_has_prefix(failed->name, "unlink") && !g_str_has_suffix(failed->path, "/."))
        aftermath_check_tidy(bed.aftermath, when);
}

/* Each call that touches the vault fails in turn as on a broken disk. */
static void
test_failing(gconstpointer data)
{
    Operation operation = (Operation)GPOINTER_TO_UINT(data);
    g_autoptr(GPtrArray) argv = command(operation, "cli");
    guint n_failed = 0, n_errors = 0, n_new = 0;

    if (skip_if_impossible())
        return;
    if (!crash_can_fail()) {
        g_test_skip("this machine's registers are not known to the test");
        return;
    }
    g_ptr_array_insert(argv, 1, g_strdup("--json"));
    for (guint n = 1;; n++) {
        const CrashOptions options = {.from_path = bed.vault,
                                      .stdin_path = bed.secret,
                                      .stdout_path = bed.output,
                                      .stderr_path = bed.output,
                                      .error = EIO};
        g_auto(CrashResult) result = {0};
        const CrashCall *failed = NULL;
        g_autofree char *text = NULL;
        gboolean changed;

        g_assert_cmpuint(n, <, CALLS_MAX);
        (void)g_unlink(bed.output);
        aftermath_prepare(bed.aftermath, operation);
        result = crash_run((const char *const *)argv->pdata, CRASH_FAIL, n, &options);
        failed = find_failed(&result);
        if (failed == NULL)
            break;
        text = g_strdup_printf("%s, with %s %s%s%s failing", operation_name(operation),
                               failed->name, failed->path, failed->new_path ? " to " : "",
                               failed->new_path ? failed->new_path : "");
        changed = aftermath_check(bed.aftermath, operation, text);
        check_failure(operation, &result, failed, changed, text);
        n_failed++;
        n_errors += WEXITSTATUS(result.status) != 0;
        n_new += changed;
        aftermath_go_on(bed.aftermath, n, text);
    }
    g_test_message("%s: %u calls failed, %u errors, %u times new", operation_name(operation),
                   n_failed, n_errors, n_new);
    g_assert_cmpuint(n_errors, >, 0);
    g_assert_cmpuint(n_failed, >, 5);
}

/* The lock */

static GSubprocess *
start(Operation operation, const char *port)
{
    g_autoptr(GPtrArray) argv = command(operation, port);
    g_autoptr(GSubprocessLauncher) launcher =
        g_subprocess_launcher_new(G_SUBPROCESS_FLAGS_STDOUT_SILENCE);
    g_autoptr(GError) error = NULL;
    GSubprocess *process = NULL;

    g_subprocess_launcher_set_stdin_file_path(launcher, bed.secret);
    process = g_subprocess_launcher_spawnv(launcher, (const char *const *)argv->pdata, &error);
    g_assert_no_error(error);
    return process;
}

static gboolean
has_open(GSubprocess *process, const char *wanted)
{
    g_autofree char *path = g_strdup_printf("/proc/%s/fd", g_subprocess_get_identifier(process));
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name = NULL;
    gboolean found = FALSE;

    while (dir && !found && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *link = g_build_filename(path, name, NULL);
        g_autofree char *target = g_file_read_link(link, NULL);

        found = g_strcmp0(target, wanted) == 0;
    }
    return found;
}

static GBytes *
read_key(void)
{
    char *file = NULL;
    gsize size = 0;

    g_assert_true(g_file_get_contents(aftermath_key_path(bed.aftermath), &file, &size, NULL));
    return g_bytes_new_take(file, size);
}

static void
assert_recovers(const char *recovery, GBytes *file, const char *when)
{
    g_autofree char *text = NULL;
    g_autoptr(CvsKeyFile) key = NULL;
    g_autoptr(CvsSecret) written = NULL;
    g_autoptr(GError) error = NULL;

    g_test_message("%s", when);
    (void)g_file_get_contents(recovery, &text, NULL, &error);
    g_assert_no_error(error);
    key = cvs_key_file_parse(g_bytes_get_data(file, NULL), g_bytes_get_size(file), &error);
    g_assert_no_error(error);
    written = cvs_secret_new_copy(text, CVS_RECOVERY_KEY_LENGTH);
    g_assert_true(cvs_key_file_open_recovery(key, written, &error));
}

/* Where a key was written, its recovery key is there too, whatever was said of it. */
static void
test_recovery_key(void)
{
    g_autofree char *recovery = g_build_filename(bed.dir, "recovery", NULL);
    g_autoptr(GPtrArray) argv = command(OPERATION_REPLACE, "cli");
    guint n_new = 0;

    if (skip_if_impossible())
        return;
    if (!crash_can_fail()) {
        g_test_skip("this machine's registers are not known to the test");
        return;
    }
    g_ptr_array_insert(argv, (gint)argv->len - 1,
                       g_strdup_printf("--recovery-key-out=%s", recovery));
    for (guint n = 1;; n++) {
        const CrashOptions options = {.from_path = bed.vault,
                                      .stdin_path = bed.secret,
                                      .stdout_path = bed.output,
                                      .stderr_path = bed.output,
                                      .error = EIO};
        g_auto(CrashResult) result = {0};
        const CrashCall *failed = NULL;
        g_autofree char *text = NULL;
        g_autoptr(GBytes) before = NULL, after = NULL;

        g_assert_cmpuint(n, <, CALLS_MAX);
        (void)g_unlink(recovery);
        aftermath_prepare(bed.aftermath, OPERATION_REPLACE);
        before = read_key();
        result = crash_run((const char *const *)argv->pdata, CRASH_FAIL, n, &options);
        failed = find_failed(&result);
        text = failed ? g_strdup_printf("%s %s failing", failed->name, failed->path)
                      : g_strdup("nothing failing");
        after = read_key();
        if (!g_bytes_equal(before, after)) {
            assert_recovers(recovery, after, text);
            n_new += WEXITSTATUS(result.status) != 0;
        }
        if (failed == NULL)
            break;
    }
    /* At least where the folder could not be synced. */
    g_assert_cmpuint(n_new, >, 0);
}

/* Something reseals the key and hangs; another, who would replace it, waits, and has his way when
 * the first is done or dead. */
static void
test_lock(gconstpointer data)
{
    gboolean killed = GPOINTER_TO_INT(data);
    const TpmMuxFault fault = {
        .port = "cli", .code = TPM2_CC_Create, .nth = 1, .kind = TPM_MUX_HANG};
    g_autofree char *lock =
        g_build_filename(aftermath_folder(bed.aftermath), ".lock." AFTERMATH_KEY, NULL);
    g_autoptr(GSubprocess) holder = NULL;
    g_autoptr(GSubprocess) waiter = NULL;

    aftermath_prepare(bed.aftermath, OPERATION_RESEAL);
    (void)tpm_mux_add_fault(test_tpm_mux(bed.tpm), &fault);
    holder = start(OPERATION_RESEAL, "cli");
    g_assert_true(tpm_mux_wait_hung(test_tpm_mux(bed.tpm), 1, 30000));
    tpm_mux_clear_faults(test_tpm_mux(bed.tpm));
    g_assert_true(has_open(holder, lock));

    waiter = start(OPERATION_REPLACE, "waiter");
    while (!has_open(waiter, lock)) {
        /* Somebody who does not wait is through before long. */
        g_assert_false(aftermath_check(bed.aftermath, OPERATION_REPLACE, "while it is locked"));
        g_assert_nonnull(g_subprocess_get_identifier(waiter));
        g_usleep(1000);
    }
    g_assert_false(aftermath_check(bed.aftermath, OPERATION_REPLACE, "while it is locked"));
    if (killed)
        g_subprocess_force_exit(holder);
    tpm_mux_release(test_tpm_mux(bed.tpm));
    g_assert_cmpint(g_subprocess_wait_check(holder, NULL, NULL), ==, !killed);
    g_assert_true(g_subprocess_wait_check(waiter, NULL, NULL));
    g_assert_true(aftermath_check(bed.aftermath, OPERATION_REPLACE, "after the lock"));
    aftermath_check_tidy(bed.aftermath, "after the lock");
}

int
main(int argc, char **argv)
{
    int status;

    g_test_init(&argc, &argv, NULL);
    bed_set_up();
    for (Operation operation = 0; operation < N_OPERATIONS; operation++) {
        g_autofree char *order = g_strdup_printf("/ctl/crash/order/%s", operation_name(operation));
        g_autofree char *failing =
            g_strdup_printf("/ctl/crash/failing/%s", operation_name(operation));
        g_autofree char *killed =
            g_strdup_printf("/ctl/crash/killed/%s", operation_name(operation));

        g_test_add_data_func(order, GUINT_TO_POINTER(operation), test_order);
        g_test_add_data_func(failing, GUINT_TO_POINTER(operation), test_failing);
        g_test_add_data_func(killed, GUINT_TO_POINTER(operation), test_killed);
    }
    g_test_add_func("/ctl/crash/recovery-key", test_recovery_key);
    g_test_add_data_func("/ctl/crash/lock/killed", GINT_TO_POINTER(TRUE), test_lock);
    g_test_add_data_func("/ctl/crash/lock/done", GINT_TO_POINTER(FALSE), test_lock);
    status = g_test_run();
    bed_tear_down();
    return status;
}
