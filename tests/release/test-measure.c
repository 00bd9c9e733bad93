/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is measured by us is explained by the logs, whatever happens in between. */

#include "release/measure.h"
#include "base/error.h"
#include "base/json.h"
#include "tee/boot-logs.h"
#include "tee/tee-bed.h"
#include "tee/tsm-mr.h"
#include "tpm/pcr-extend.h"

#include "sim/test-tpm.h"

#include <glib/gstdio.h>
#include <string.h>
#include <tss2/tss2_tpm2_types.h>

typedef struct {
    TeeBed tee;
    TestTpm *test_tpm;
    CvsTpm *tpm;
    CvsMeasurer measurer;
    char *log;
} World;

static gboolean
world_init(World *world)
{
    if (!tee_bed_init(&world->tee, TEE_SIM_TDX))
        return FALSE;
    world->test_tpm = test_tpm_new(TPM_MUX_DEFAULT);
    world->tpm = cvs_tpm_new(test_tpm_tcti(world->test_tpm));
    world->measurer = (CvsMeasurer){world->tpm, world->tee.source, 1000};
    world->log = g_build_filename(world->tee.paths->run_dir, CVS_MEASURE_LOG_NAME, NULL);
    (void)g_unlink(world->log);
    return TRUE;
}

static void
world_clear(World *world)
{
    g_clear_pointer(&world->tpm, cvs_tpm_free);
    g_clear_pointer(&world->test_tpm, test_tpm_free);
    g_free(world->log);
    tee_bed_clear(&world->tee);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(World, world_clear)

static void
must_measure(World *world, gboolean rtmr, guint index, const char *text)
{
    g_autoptr(CvsMeasured) record = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(cvs_measure(&world->measurer, rtmr, index, text, &record, &error));
    g_assert_no_error(error);
    g_assert_cmpstr(record->text, ==, text);
}

static void
now(World *world, gboolean rtmr, guint index, guint8 value[static CVS_DIGEST_MAX])
{
    CvsTdBody body;
    gboolean late = FALSE;

    if (!rtmr) {
        test_tpm_read_pcr(world->test_tpm, CVS_SHA256, index, value);
        return;
    }
    g_assert_true(cvs_tee_source_read_td(world->tee.source, &body, &late, NULL));
    memcpy(value, body.rtmr[index], CVS_TD_MR_SIZE);
}

/* The logs lead to the register, by these texts of ours, with commas between. */
static void
assert_explained(World *world, gboolean rtmr, guint index, const char *texts)
{
    g_autoptr(CvsBootLogs) logs = cvs_boot_logs_read(world->tee.paths);
    guint8 value[CVS_DIGEST_MAX];
    g_autoptr(CvsTrail) trail = NULL;
    g_autoptr(GString) found = g_string_new(NULL);

    now(world, rtmr, index, value);
    trail = cvs_boot_logs_explain(logs, rtmr, rtmr ? CVS_SHA384 : CVS_SHA256, index, value);
    g_assert_nonnull(trail);
    for (guint i = 0; i < cvs_trail_size(trail); i++) {
        const CvsStep *step = cvs_trail_step(trail, i);

        if (step->type == CVS_EV_MEASURED)
            g_string_append_printf(found, "%s%s", found->len > 0 ? "," : "", step->text);
    }
    g_assert_cmpstr(found->str, ==, texts);
}

static void
test_measured(void)
{
    g_auto(World) world = {0};

    if (!world_init(&world))
        return;
    must_measure(&world, FALSE, 11, "one");
    must_measure(&world, TRUE, 3, "two");
    must_measure(&world, TRUE, 2, "three");
    must_measure(&world, FALSE, 11, "four");
    must_measure(&world, TRUE, 3, "five");
    assert_explained(&world, FALSE, 11, "one,four");
    assert_explained(&world, TRUE, 3, "two,five");
    /* Behind what the firmware's log has of it. */
    assert_explained(&world, TRUE, 2, "three");
}

static void
test_every_bank(void)
{
    g_auto(World) world = {0};
    guint8 value[CVS_DIGEST_MAX];
    g_autoptr(CvsTrail) trail = NULL;
    g_autoptr(CvsBootLogs) logs = NULL;

    if (!world_init(&world))
        return;
    must_measure(&world, FALSE, 15, "x");
    test_tpm_read_pcr(world.test_tpm, CVS_SHA384, 15, value);
    logs = cvs_boot_logs_read(world.tee.paths);
    trail = cvs_boot_logs_explain(logs, FALSE, CVS_SHA384, 15, value);
    g_assert_nonnull(trail);
    g_assert_cmpuint(cvs_trail_size(trail), ==, 1);
}

static void
test_refused(void)
{
    static const struct {
        gboolean rtmr;
        guint index;
    } registers[] = {{FALSE, 0},  {FALSE, 7},  {FALSE, 8},  {FALSE, 10}, {FALSE, 16}, {FALSE, 17},
                     {FALSE, 23}, {FALSE, 24}, {FALSE, 40}, {TRUE, 0},   {TRUE, 1},   {TRUE, 4}};
    g_autofree char *long_text = g_strnfill(CVS_MEASURE_TEXT_MAX + 1, 'x');
    const char *const texts[] = {"", long_text, "\xff"};
    g_auto(World) world = {0};

    if (!world_init(&world))
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(registers); i++) {
        g_autoptr(CvsMeasured) record = NULL;
        g_autoptr(GError) error = NULL;

        g_assert_false(cvs_measure(&world.measurer, registers[i].rtmr, registers[i].index, "x",
                                   &record, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(CvsMeasured) record = NULL;
        g_autoptr(GError) error = NULL;

        g_assert_false(cvs_measure(&world.measurer, FALSE, 11, texts[i], &record, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
    }
    g_assert_false(g_file_test(world.log, G_FILE_TEST_EXISTS));
    long_text[CVS_MEASURE_TEXT_MAX] = '\0';
    must_measure(&world, FALSE, 11, long_text);
}

/* Dead between record and extension: those who read see that it did not happen, and the next to
 * measure, whatever register, takes it back. */
static void
test_killed_in_between(void)
{
    for (gboolean rtmr = FALSE; rtmr <= TRUE; rtmr++) {
        guint index = rtmr ? 3 : 11;
        g_auto(World) world = {0};
        g_autofree char *before = NULL;
        g_autofree char *after = NULL;
        g_autoptr(CvsMeasured) record = NULL;
        g_autoptr(GError) error = NULL;

        if (!world_init(&world))
            return;
        must_measure(&world, rtmr, index, "done");
        if (rtmr) {
            /* The register can be read and not be written to. */
            g_autofree char *kept = g_steal_pointer(&world.tee.paths->measurements);

            world.tee.paths->measurements = g_strdup("/nowhere");
            cvs_tee_source_free(world.tee.source);
            world.tee.source = cvs_tee_source_new(world.tee.paths, &world.tee.clock);
            world.measurer.source = world.tee.source;
            g_assert_false(cvs_measure(&world.measurer, TRUE, 3, "not done", &record, &error));
            g_free(world.tee.paths->measurements);
            world.tee.paths->measurements = g_steal_pointer(&kept);
            cvs_tee_source_free(world.tee.source);
            world.tee.source = cvs_tee_source_new(world.tee.paths, &world.tee.clock);
            world.measurer.source = world.tee.source;
        } else {
            const TpmMuxFault fault = {
                .code = TPM2_CC_PCR_Event, .kind = TPM_MUX_RC, .value = TPM2_RC_LOCALITY};

            (void)tpm_mux_add_fault(test_tpm_mux(world.test_tpm), &fault);
            g_assert_false(cvs_measure(&world.measurer, FALSE, 11, "not done", &record, &error));
            tpm_mux_clear_faults(test_tpm_mux(world.test_tpm));
        }
        g_assert_nonnull(error);
        g_assert_true(g_file_get_contents(world.log, &before, NULL, NULL));
        g_assert_nonnull(strstr(before, "not done"));
        assert_explained(&world, rtmr, index, "done");
        must_measure(&world, FALSE, 12, "next");
        g_assert_true(g_file_get_contents(world.log, &after, NULL, NULL));
        g_assert_null(strstr(after, "not done"));
        must_measure(&world, rtmr, index, "more");
        assert_explained(&world, rtmr, index, "done,more");
    }
}

/* Dead after the extension: the record stands. */
static void
test_killed_afterwards(void)
{
    const TpmMuxFault fault = {.code = TPM2_CC_PCR_Event, .kind = TPM_MUX_DROP, .after = TRUE};
    g_auto(World) world = {0};
    g_autoptr(CvsMeasured) record = NULL;
    g_autoptr(GError) error = NULL;

    if (!world_init(&world))
        return;
    (void)tpm_mux_add_fault(test_tpm_mux(world.test_tpm), &fault);
    g_assert_false(cvs_measure(&world.measurer, FALSE, 11, "done", &record, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_TPM_UNAVAILABLE);
    tpm_mux_clear_faults(test_tpm_mux(world.test_tpm));
    assert_explained(&world, FALSE, 11, "done");
    must_measure(&world, FALSE, 12, "next");
    assert_explained(&world, FALSE, 11, "done");
    /* And one that was cut while it was written does not stand in the way. */
    {
        g_autofree char *text = NULL;
        g_autofree char *cut = NULL;

        g_assert_true(g_file_get_contents(world.log, &text, NULL, NULL));
        cut = g_strconcat(text, "\x1e{\"pcr\":11,\"dig", NULL);
        g_assert_true(g_file_set_contents(world.log, cut, -1, NULL));
    }
    must_measure(&world, FALSE, 11, "last");
    assert_explained(&world, FALSE, 11, "done,last");
}

/* Whoever says that it was done, the register is asked. */
static void
test_not_what_it_should_be(void)
{
    g_auto(World) world = {0};
    g_autofree char *fake = NULL;
    g_autofree char *file = NULL;
    g_autofree char *kept = NULL;
    g_autoptr(CvsMeasured) record = NULL;
    g_autoptr(GError) error = NULL;

    if (!world_init(&world))
        return;
    fake = g_build_filename(world.tee.dir, "fake", NULL);
    file = g_build_filename(fake, cvs_tsm_mr_name(CVS_TSM_RTMR3), NULL);
    g_assert_cmpint(g_mkdir(fake, 0700), ==, 0);
    g_assert_true(g_file_set_contents(file, "", 0, NULL));
    kept = g_steal_pointer(&world.tee.paths->measurements);
    world.tee.paths->measurements = g_strdup(fake);
    cvs_tee_source_free(world.tee.source);
    world.tee.source = cvs_tee_source_new(world.tee.paths, &world.tee.clock);
    world.measurer.source = world.tee.source;
    g_assert_false(cvs_measure(&world.measurer, TRUE, 3, "x", &record, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_FAILED);
    g_assert_null(record);
}

static void
test_damaged_log(void)
{
    g_auto(World) world = {0};
    g_autoptr(CvsMeasured) record = NULL;
    g_autoptr(GError) error = NULL;
    guint8 value[CVS_DIGEST_MAX];
    const guint8 zero[32] = {0};

    if (!world_init(&world))
        return;
    (void)g_mkdir(world.tee.paths->run_dir, 0700);
    g_assert_true(g_file_set_contents(world.log, "rubbish\n", -1, NULL));
    g_assert_false(cvs_measure(&world.measurer, FALSE, 11, "x", &record, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    test_tpm_read_pcr(world.test_tpm, CVS_SHA256, 11, value);
    g_assert_cmpmem(value, 32, zero, 32);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/release/measure/measured", test_measured);
    g_test_add_func("/release/measure/every-bank", test_every_bank);
    g_test_add_func("/release/measure/refused", test_refused);
    g_test_add_func("/release/measure/killed-in-between", test_killed_in_between);
    g_test_add_func("/release/measure/killed-afterwards", test_killed_afterwards);
    g_test_add_func("/release/measure/not-what-it-should-be", test_not_what_it_should_be);
    g_test_add_func("/release/measure/damaged-log", test_damaged_log);
    return g_test_run();
}
