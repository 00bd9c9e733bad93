/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* cvmseal measure as a user meets it. */

#include "base/error.h"
#include "base/json.h"
#include "program.h"
#include "sim/test-tpm.h"
#include "tee/boot-logs.h"
#include "tee/tee-bed.h"

#include <string.h>

typedef struct {
    TeeBed tee;
    TestTpm *tpm;
    char *config;
} World;

static gboolean
world_init(World *world)
{
    g_autofree char *text = NULL;

    if (!tee_bed_init(&world->tee, TEE_SIM_TDX))
        return FALSE;
    world->tpm = test_tpm_new(TPM_MUX_DEFAULT);
    world->config = g_build_filename(world->tee.dir, "cvmseal.conf", NULL);
    text = g_strdup_printf("[Daemon]\nTCTI=%s\n[TEE]\nTdxGuestPath=%s\nMeasurementsPath=%s\n"
                           "RunPath=%s\n",
                           test_tpm_port(world->tpm, "cli"), world->tee.paths->tdx_guest,
                           world->tee.paths->measurements, world->tee.paths->run_dir);
    g_assert_true(g_file_set_contents(world->config, text, -1, NULL));
    return TRUE;
}

static void
world_clear(World *world)
{
    g_clear_pointer(&world->tpm, test_tpm_free);
    tee_bed_clear(&world->tee);
    g_free(world->config);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(World, world_clear)

/* What it ended with; *ret_text: what it wrote, to stderr where it failed. */
static int
measure(const World *world, char **ret_text, const char *first, ...)
{
    const char *const before[] = {"measure", "--config", world->config, NULL};
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;
    va_list list;
    int code = 0;

    va_start(list, first);
    code = program_run_list(&out, &err, before, first, list);
    va_end(list);
    *ret_text = code == 0 ? g_steal_pointer(&out) : g_steal_pointer(&err);
    return code;
}

static void
test_pcr(void)
{
    g_auto(World) world = {0};
    g_autofree char *text = NULL;
    g_autofree char *json_text = NULL;
    g_autoptr(json_t) json = NULL;
    g_autoptr(CvsBootLogs) logs = NULL;
    g_autoptr(CvsTrail) trail = NULL;
    guint8 value[CVS_DIGEST_MAX];

    if (!world_init(&world))
        return;
    g_assert_cmpint(measure(&world, &text, "--pcr", "11", "one\ttext", NULL), ==, 0);
    g_assert_nonnull(strstr(text, "Measured into PCR 11"));
    g_assert_null(strchr(text, '\t'));
    g_assert_cmpint(measure(&world, &json_text, "--pcr=11", "--json", "two", NULL), ==, 0);
    json = json_loads(json_text, 0, NULL);
    g_assert_cmpstr(json_string_value(json_object_get(json, "register")), ==, "pcr11");
    g_assert_cmpstr(json_string_value(json_object_get(json, "text")), ==, "two");
    g_assert_cmpuint(
        strlen(json_string_value(json_object_get(json_object_get(json, "digests"), "sha256"))), ==,
        64);
    test_tpm_read_pcr(world.tpm, CVS_SHA256, 11, value);
    logs = cvs_boot_logs_read(world.tee.paths);
    trail = cvs_boot_logs_explain(logs, FALSE, CVS_SHA256, 11, value);
    g_assert_cmpuint(cvs_trail_size(trail), ==, 2);
}

static void
test_rtmr(void)
{
    g_auto(World) world = {0};
    g_autofree char *text = NULL;
    g_autoptr(CvsBootLogs) logs = NULL;
    g_autoptr(CvsTrail) trail = NULL;
    CvsTdBody body;
    gboolean late = FALSE;

    if (!world_init(&world))
        return;
    g_assert_cmpint(measure(&world, &text, "--rtmr", "3", "one", NULL), ==, 0);
    g_assert_nonnull(strstr(text, "Measured into RTMR 3"));
    g_assert_true(cvs_tee_source_read_td(world.tee.source, &body, &late, NULL));
    logs = cvs_boot_logs_read(world.tee.paths);
    trail = cvs_boot_logs_explain(logs, TRUE, CVS_SHA384, 3, body.rtmr[3]);
    g_assert_cmpuint(cvs_trail_size(trail), ==, 1);
}

static void
test_usage(void)
{
    g_auto(World) world = {0};
    g_autofree char *text = NULL;

    if (!world_init(&world))
        return;
    g_assert_cmpint(measure(&world, &text, "x", NULL), ==, CVS_EXIT_USAGE);
    g_clear_pointer(&text, g_free);
    g_assert_cmpint(measure(&world, &text, "x", "--pcr=11", "--rtmr=3", NULL), ==, CVS_EXIT_USAGE);
    g_clear_pointer(&text, g_free);
    g_assert_cmpint(measure(&world, &text, "x", "--pcr=7", NULL), ==, CVS_EXIT_USAGE);
    g_assert_nonnull(strstr(text, "PCR 7"));
    g_clear_pointer(&text, g_free);
    g_assert_cmpint(measure(&world, &text, "--pcr=11", NULL), ==, CVS_EXIT_USAGE);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ctl/measure/pcr", test_pcr);
    g_test_add_func("/ctl/measure/rtmr", test_rtmr);
    g_test_add_func("/ctl/measure/usage", test_usage);
    return g_test_run();
}
