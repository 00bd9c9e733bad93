/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Turns and intervals of requests to the TEE: what the host bears is held, across programs, kills
 * and boots, and nobody is locked out by it. */

#include "base/boot-id.h"
#include "base/error.h"
#include "sim/test-tpm.h"
#include "tee/pace.h"

#include "test-clock.h"

#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECOND G_GINT64_CONSTANT(1000000)

typedef struct {
    char *path;
    TestClock test;
    CvsPaceClock clock;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    fixture->path = g_dir_make_tmp("cvs-pace-XXXXXX", &error);
    g_assert_no_error(error);
    fixture->clock = test_clock_init(&fixture->test);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    test_remove_tree(fixture->path);
    g_free(fixture->path);
}

/* Makes a request that takes that long and returns how long it was waited for. */
static gint64
request(Fixture *fixture, CvsPaceKind kind, gint64 takes)
{
    g_autoptr(GError) error = NULL;
    gint64 before = fixture->test.slept;
    CvsPace *pace = cvs_pace_begin(fixture->path, kind, &fixture->clock,
                                   fixture->test.time + 60 * SECOND, &error);

    g_assert_no_error(error);
    test_clock_advance(&fixture->test, takes);
    cvs_pace_end(pace);
    return fixture->test.slept - before;
}

static char *
file(Fixture *fixture)
{
    return g_build_filename(fixture->path, "tee-requests", NULL);
}

static void
test_reports(Fixture *fixture, gconstpointer data)
{
    const gint64 takes = SECOND / 10;

    g_assert_cmpint(request(fixture, CVS_PACE_REPORT, takes), ==, 0);
    g_assert_cmpint(request(fixture, CVS_PACE_REPORT, takes), ==, 0);
    /* The host counted the first when it came, which was at its end at the latest. */
    g_assert_cmpint(request(fixture, CVS_PACE_REPORT, 0), ==, CVS_PACE_WINDOW_US - takes);
    g_assert_cmpint(request(fixture, CVS_PACE_REPORT, 0), ==, takes);
    test_clock_advance(&fixture->test, CVS_PACE_WINDOW_US);
    g_assert_cmpint(request(fixture, CVS_PACE_REPORT, 0), ==, 0);
    g_assert_cmpint(request(fixture, CVS_PACE_REPORT, 0), ==, 0);
}

static void
test_svsm(Fixture *fixture, gconstpointer data)
{
    g_assert_cmpint(request(fixture, CVS_PACE_SVSM, SECOND), ==, 0);
    g_assert_cmpint(request(fixture, CVS_PACE_SVSM, SECOND), ==, CVS_PACE_SVSM_US);
    /* An SVSM may have asked the host more than once, so one report is too many then. */
    g_assert_cmpint(request(fixture, CVS_PACE_REPORT, 0), ==, CVS_PACE_WINDOW_US);
    test_clock_advance(&fixture->test, 60 * SECOND);
    g_assert_cmpint(request(fixture, CVS_PACE_REPORT, 0), ==, 0);
    g_assert_cmpint(request(fixture, CVS_PACE_SVSM, 0), ==, CVS_PACE_WINDOW_US);
    test_clock_advance(&fixture->test, CVS_PACE_SVSM_US);
    g_assert_cmpint(request(fixture, CVS_PACE_SVSM, 0), ==, 0);
}

/* What is compiled in is what the facts want: two requests in two seconds, an SVSM every few. */
static void
test_defaults(Fixture *fixture, gconstpointer data)
{
    g_assert_cmpint(CVS_PACE_WINDOW_US, >, 2 * SECOND);
    g_assert_cmpint(CVS_PACE_SVSM_US, >=, 4 * SECOND);
    g_assert_cmpint(cvs_pace_clock.now(cvs_pace_clock.data), >, 0);
}

static void
test_quote(Fixture *fixture, gconstpointer data)
{
    g_autofree char *path = file(fixture);

    for (int i = 0; i < 5; i++)
        g_assert_cmpint(request(fixture, CVS_PACE_QUOTE, 0), ==, 0);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    (void)request(fixture, CVS_PACE_SVSM, 0);
    g_assert_cmpint(request(fixture, CVS_PACE_QUOTE, 0), ==, 0);
    g_assert_cmpint(request(fixture, CVS_PACE_SVSM, 0), ==, CVS_PACE_SVSM_US);
}

/* Any order of requests of any length: no three within the window, no two of an SVSM within its
 * interval, none waited for longer than the longer of the two. */
static void
test_any_order(Fixture *fixture, gconstpointer data)
{
    gint64 ends[3] = {G_MININT64 / 2, G_MININT64 / 2, G_MININT64 / 2};
    gint64 svsm_end = G_MININT64 / 2;

    for (int i = 0; i < 300; i++) {
        CvsPaceKind kind = g_test_rand_int_range(0, 3) ? CVS_PACE_REPORT : CVS_PACE_SVSM;
        gint64 takes = g_test_rand_int_range(0, 1500) * 1000;
        gint64 start = 0;
        gint64 waited = 0;

        test_clock_advance(&fixture->test, g_test_rand_int_range(0, 1200) * 1000);
        waited = request(fixture, kind, takes);
        g_assert_cmpint(waited, <=, CVS_PACE_SVSM_US);
        start = fixture->test.time - takes;
        g_assert_cmpint(start - ends[1], >=, CVS_PACE_WINDOW_US);
        if (kind == CVS_PACE_SVSM)
            g_assert_cmpint(start - svsm_end, >=, CVS_PACE_SVSM_US);
        ends[1] = ends[0];
        ends[0] = fixture->test.time;
        if (kind == CVS_PACE_SVSM)
            svsm_end = ends[0];
    }
}

static void
test_deadline(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    gint64 before = 0;

    (void)request(fixture, CVS_PACE_SVSM, 0);
    before = fixture->test.slept;
    g_assert_null(cvs_pace_begin(fixture->path, CVS_PACE_SVSM, &fixture->clock,
                                 fixture->test.time + SECOND, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BUSY);
    g_assert_nonnull(strstr(error->message, "try again in 5 s"));
    g_assert_cmpint(fixture->test.slept, ==, before); /* nobody waits in vain */
    g_clear_error(&error);
    /* The refusal has let the turn go, and does not count. */
    g_assert_cmpint(request(fixture, CVS_PACE_SVSM, 0), ==, CVS_PACE_SVSM_US);
}

static void
test_again(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsPace) pace = cvs_pace_begin(fixture->path, CVS_PACE_REPORT, &fixture->clock,
                                             fixture->test.time + 60 * SECOND, &error);

    g_assert_no_error(error);
    test_clock_advance(&fixture->test, SECOND);
    g_assert_true(cvs_pace_again(pace, CVS_PACE_REPORT, fixture->test.time + 60 * SECOND, &error));
    g_assert_cmpint(fixture->test.slept, ==, 0);
    test_clock_advance(&fixture->test, SECOND);
    g_assert_true(cvs_pace_again(pace, CVS_PACE_REPORT, fixture->test.time + 60 * SECOND, &error));
    g_assert_cmpint(fixture->test.slept, ==, CVS_PACE_WINDOW_US - SECOND);
    g_assert_false(cvs_pace_again(pace, CVS_PACE_SVSM, fixture->test.time + SECOND, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BUSY);
}

static void
test_turn(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    CvsPace *pace =
        cvs_pace_begin(fixture->path, CVS_PACE_QUOTE, &fixture->clock, fixture->test.time, &error);

    g_assert_no_error(error);
    g_assert_null(cvs_pace_begin(fixture->path, CVS_PACE_REPORT, &fixture->clock,
                                 fixture->test.time + 20000, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BUSY);
    g_assert_nonnull(strstr(error->message, "another program is asking the TEE"));
    g_clear_error(&error);
    /* A deadline that is past waits for nothing, and is no error where nothing is to be waited for.
     */
    g_assert_null(
        cvs_pace_begin(fixture->path, CVS_PACE_REPORT, &fixture->clock, G_MININT64 / 2, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BUSY);
    g_clear_error(&error);
    cvs_pace_end(pace);
    pace = cvs_pace_begin(fixture->path, CVS_PACE_REPORT, &fixture->clock, G_MININT64 / 2, &error);
    g_assert_no_error(error);
    cvs_pace_end(pace);
    cvs_pace_end(NULL);
}

/* A program that is killed in the middle of its request leaves the turn and the time. */
static void
test_killed(Fixture *fixture, gconstpointer data)
{
    int status = 0;
    pid_t child = fork();

    if (child == 0) {
        CvsPace *pace =
            cvs_pace_begin(fixture->path, CVS_PACE_SVSM, &fixture->clock, fixture->test.time, NULL);

        if (pace)
            (void)raise(SIGKILL);
        _exit(1);
    }
    g_assert_cmpint(waitpid(child, &status, 0), ==, child);
    g_assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    g_assert_cmpint(request(fixture, CVS_PACE_SVSM, 0), ==, CVS_PACE_SVSM_US);
}

static void
edit(Fixture *fixture, const char *from, const char *to)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = file(fixture);
    g_autofree char *text = NULL;
    g_auto(GStrv) parts = NULL;
    g_autofree char *joined = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, &error));
    parts = g_strsplit(text, from, 2);
    g_assert_cmpuint(g_strv_length(parts), ==, 2);
    joined = g_strjoinv(to, parts);
    g_assert_true(g_file_set_contents(path, joined, -1, &error));
}

static void
test_other_boot(Fixture *fixture, gconstpointer data)
{
    g_autofree char *boot = cvs_boot_id();

    g_assert_cmpuint(strlen(boot), ==, CVS_BOOT_ID_DIGITS);
    (void)request(fixture, CVS_PACE_SVSM, 0);
    edit(fixture, boot, "00000000000040008000000000000000");
    g_assert_cmpint(request(fixture, CVS_PACE_SVSM, 0), ==, 0);
    /* A sandbox hid the id from whoever wrote: that may well have been in this boot. */
    edit(fixture, boot, "");
    g_assert_cmpint(request(fixture, CVS_PACE_SVSM, 0), ==, CVS_PACE_SVSM_US);
}

static void
test_future(Fixture *fixture, gconstpointer data)
{
    (void)request(fixture, CVS_PACE_SVSM, 0);
    test_clock_advance(&fixture->test, -1);
    g_assert_cmpint(request(fixture, CVS_PACE_SVSM, 0), ==, 0);
}

static void
test_damaged(Fixture *fixture, gconstpointer data)
{
    const char *const texts[] = {
        "",
        "{",
        "[]",
        "{\"boot\":1}",
        "{\"boot\":\"\",\"last\":0,\"last-but-one\":0}",
        "{\"boot\":\"\",\"last\":\"0\",\"last-but-one\":0,\"svsm\":0}",
    };
    g_autofree char *path = file(fixture);

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        (void)request(fixture, CVS_PACE_SVSM, 0);
        g_assert_true(g_file_set_contents(path, texts[i], -1, NULL));
        g_assert_cmpint(request(fixture, CVS_PACE_SVSM, 0), ==, 0);
    }
    /* And the times at the ends of their range. */
    g_assert_true(g_file_set_contents(
        path,
        "{\"boot\":\"\",\"last\":-9223372036854775807,\"last-but-one\":9223372036854775807,"
        "\"svsm\":-9223372036854775808}",
        -1, NULL));
    g_assert_cmpint(request(fixture, CVS_PACE_SVSM, 0), ==, 0);
}

/* Where the time cannot be written down, nobody after us would know of the request. */
static void
test_unwritable(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *path = file(fixture);
    g_autofree char *nowhere = g_build_filename(fixture->path, "a", "b", NULL);
    g_autofree char *made = g_build_filename(fixture->path, "run", NULL);
    struct stat st;
    CvsPace *pace = NULL;

    g_assert_cmpint(mkdir(path, 0700), ==, 0);
    g_assert_null(cvs_pace_begin(fixture->path, CVS_PACE_REPORT, &fixture->clock,
                                 fixture->test.time, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_STORAGE_ERROR);
    g_assert_nonnull(strstr(error->message, "could come too soon"));
    g_clear_error(&error);
    g_assert_null(
        cvs_pace_begin(nowhere, CVS_PACE_REPORT, &fixture->clock, fixture->test.time, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_STORAGE_ERROR);
    g_clear_error(&error);
    /* The folder itself is made. */
    pace = cvs_pace_begin(made, CVS_PACE_REPORT, &fixture->clock, fixture->test.time, &error);
    g_assert_no_error(error);
    cvs_pace_end(pace);
    g_assert_cmpint(stat(made, &st), ==, 0);
    g_assert_cmpuint(st.st_mode & 07777, ==, 0700);
}

#define ADD(path, function)                                                                        \
    g_test_add("/tee/pace/" path, Fixture, NULL, set_up, function, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("reports", test_reports);
    ADD("svsm", test_svsm);
    ADD("defaults", test_defaults);
    ADD("quote", test_quote);
    ADD("any-order", test_any_order);
    ADD("deadline", test_deadline);
    ADD("again", test_again);
    ADD("turn", test_turn);
    ADD("killed", test_killed);
    ADD("other-boot", test_other_boot);
    ADD("future", test_future);
    ADD("damaged", test_damaged);
    ADD("unwritable", test_unwritable);
    return g_test_run();
}
