/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The daemon killed at its system calls while it serves a request, and started again. What must
 * hold then stands in release/aftermath.h.
 *
 * By default the calls that touch the vault and those around them; "-m slow": all. */
#include "base/file.h"
#include "bed.h"
#include "release/aftermath.h"
#include "sim/crash.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

/* More than any request makes; a loop that comes this far has lost count. */
#define CALLS_MAX 5000
/* Between two calls of the sample that are not near the vault. */
#define STRIDE 80
/* Threads race, so that a call has not the same number each time. */
#define MARGIN 3
#define CLEAN_RUNS 4

static Bed *bed;
static Aftermath *aftermath;

static TestPending *
begin(Operation operation)
{
    static const char *const methods[N_OPERATIONS] = {
        [OPERATION_REPLACE] = "Seal",
        [OPERATION_RESEAL] = "Reseal",
        [OPERATION_REMOVE] = "Remove",
    };
    CVS_AUTO_FD int fd = -1;

    if (operation != OPERATION_REPLACE)
        return test_call_begin(bed->alice, methods[operation],
                               g_variant_new("(s@a{sv})", AFTERMATH_KEY, bed_options(NULL)), NULL,
                               0);
    fd = bed_pipe(AFTERMATH_NEW, strlen(AFTERMATH_NEW));
    return test_call_begin(
        bed->alice, methods[operation],
        g_variant_new("(sh@a{sv})", AFTERMATH_KEY, 0, bed_options("{'replace': <true>}")), &fd, 1);
}

/* Served behind whatever the daemon's worker has to do. */
static void
wait_idle(void)
{
    bed_assert_opens(bed->alice, "other", "of another key", 14, NULL);
}

/* One request; *ret_done: it was answered, and well. */
static CrashResult
run(Operation operation, CrashWhen when, guint n, gboolean *ret_done)
{
    const CrashOptions options = {.from_path = bed->vault};
    g_autoptr(TestReply) reply = NULL;
    Crash *crash = NULL;

    aftermath_prepare(aftermath, operation);
    wait_idle();
    crash = crash_attach(bed->pid, when, n, &options);
    reply = test_call_finish(begin(operation));
    if (g_strcmp0(reply->error, "org.freedesktop.DBus.Error.NoReply") == 0)
        g_assert_true(crash_wait(crash, 10000));
    else
        g_assert_cmpstr(reply->error, ==, NULL);
    *ret_done = reply->error == NULL;
    return crash_finish(crash);
}

static gboolean *
choose_sample(Operation operation)
{
    gboolean done = FALSE;
    g_auto(CrashResult) result = run(operation, CRASH_NEVER, 0, &done);
    gboolean *sample = g_new0(gboolean, CALLS_MAX);

    g_assert_true(done);
    for (guint n = 0; n < CALLS_MAX; n += STRIDE)
        sample[n] = TRUE;
    for (guint i = 0; i < result.trace->len; i++) {
        const CrashCall *call = g_ptr_array_index(result.trace, i);

        for (guint n = call->number - MIN(call->number, MARGIN); n <= call->number + MARGIN; n++)
            sample[n] |= g_str_has_prefix(call->path, bed->vault);
    }
    return sample;
}

static void
start_again(void)
{
    g_assert_cmpint(bed_stop(bed, 0), ==, -SIGKILL);
    test_bus_wait_name(bed->bus, "org.cvmseal1", TRUE);
    bed_start(bed, 0);
    wait_idle();
}

/* What users of the daemon see. */
static void
check_served(Operation operation, gboolean changed)
{
    const char *text = operation == OPERATION_REPLACE && changed ? AFTERMATH_NEW : AFTERMATH_OLD;

    if (operation == OPERATION_REMOVE && changed)
        bed_assert_error(bed_unseal(bed->alice, AFTERMATH_KEY, NULL), "NoSuchKey");
    else
        bed_assert_opens(bed->alice, AFTERMATH_KEY, text, strlen(text), NULL);
    bed_assert_sealed(bed->alice, AFTERMATH_KEY, "next", 4, "{'replace': <true>}");
    bed_assert_opens(bed->alice, AFTERMATH_KEY, "next", 4, NULL);
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
    gboolean done = FALSE;
    g_auto(CrashResult) result = run(operation, when, n, &done);
    gboolean changed;

    if (result.crashed)
        start_again();
    changed = aftermath_check(aftermath, operation, text);
    if (done && !changed)
        g_error("%s: it was answered, and nothing has happened", text);
    g_assert_true(done || result.crashed);
    aftermath_check_tidy(aftermath, text);
    check_served(operation, changed);
    aftermath_check_tidy(aftermath, text);
    if (result.crashed) {
        tally->n_kills++;
        tally->n_old += !changed;
        tally->n_new += changed;
    }
    return result.crashed;
}

static gboolean
skip_if_impossible(void)
{
    const char *why = crash_is_impossible();

    if (why)
        g_test_skip(why);
    return why != NULL;
}

static void
test_killed(gconstpointer data)
{
    Operation operation = (Operation)GPOINTER_TO_UINT(data);
    const CrashWhen last = g_test_slow() ? CRASH_AFTER : CRASH_BEFORE;
    g_autofree gboolean *sample = NULL;
    Tally tally = {0};

    if (skip_if_impossible())
        return;
    sample = choose_sample(operation);
    for (CrashWhen when = CRASH_BEFORE; when <= last; when++) {
        guint n_clean = 0;

        for (guint n = 1; n_clean < CLEAN_RUNS; n++) {
            g_assert_cmpuint(n, <, CALLS_MAX);
            if (g_test_slow() || sample[n])
                n_clean += !kill_once(operation, when, n, &tally);
        }
    }
    g_test_message("%s: %u kills, %u times old, %u times new", operation_name(operation),
                   tally.n_kills, tally.n_old, tally.n_new);
    g_assert_cmpuint(tally.n_old, >, 0);
    g_assert_cmpuint(tally.n_new, >, 0);
}

static void
test_order(gconstpointer data)
{
    Operation operation = (Operation)GPOINTER_TO_UINT(data);
    gboolean done = FALSE;
    g_auto(CrashResult) result = {0};

    if (skip_if_impossible())
        return;
    result = run(operation, CRASH_NEVER, 0, &done);
    g_assert_true(done);
    aftermath_check_order(aftermath, operation, &result);
}

int
main(int argc, char **argv)
{
    static const Operation operations[] = {OPERATION_REPLACE, OPERATION_RESEAL, OPERATION_REMOVE};
    const CvsOwner owner = {.kind = CVS_OWNER_UID, .uid = ALICE};
    g_autofree char *policies = NULL;
    int status = 0;

    g_test_init(&argc, &argv, NULL);
    bed = bed_new(NULL, FALSE);
    if (bed == NULL)
        return 0;
    policies = g_build_filename(bed->dir, "policies", NULL);
    aftermath = aftermath_new(test_tpm_port(bed->tpm, "checker"), policies, bed->vault, &owner);
    for (gsize i = 0; i < G_N_ELEMENTS(operations); i++) {
        const char *name = operation_name(operations[i]);
        g_autofree char *order = g_strdup_printf("/service/crash/order/%s", name);
        g_autofree char *killed = g_strdup_printf("/service/crash/killed/%s", name);

        g_test_add_data_func(order, GUINT_TO_POINTER(operations[i]), test_order);
        g_test_add_data_func(killed, GUINT_TO_POINTER(operations[i]), test_killed);
    }
    status = g_test_run();
    aftermath_free(aftermath);
    bed_free(bed);
    return status;
}
