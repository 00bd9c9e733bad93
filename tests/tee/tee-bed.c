/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee-bed.h"
#include "sim/test-tpm.h"

#include <string.h>

static void
replace(char **path, const char *with)
{
    g_free(*path);
    *path = g_strdup(with);
}

static void
replace_with(char **path, TeeSim *sim, const char *below)
{
    g_free(*path);
    *path = tee_sim_path(sim, below);
}

static gboolean
init(TeeBed *bed, TeeSimType type, gboolean state)
{
    g_autoptr(GError) error = NULL;
    const char *why = tee_sim_is_impossible();
    TeeSimConfig config = {.type = type};
    g_autofree char *mount = NULL;
    g_autofree char *vmpl = NULL;

    if (why) {
        g_test_skip(why);
        return FALSE;
    }
    bed->dir = g_dir_make_tmp("cvs-tee-XXXXXX", &error);
    g_assert_no_error(error);
    mount = g_build_filename(bed->dir, "mnt", NULL);
    if (state)
        config.state_dir = bed->state = g_build_filename(bed->dir, "state", NULL);
    bed->sim = tee_sim_new(&config, &error);
    g_assert_no_error(error);
    (void)tee_sim_start(bed->sim, mount, &error);
    g_assert_no_error(error);

    vmpl = g_build_filename(bed->dir, "vmpl", NULL);
    bed->paths = cvs_tee_paths_new(NULL);
    replace_with(&bed->paths->configfs, bed->sim, "config/tsm/report");
    replace_with(&bed->paths->sev_guest, bed->sim, "dev/sev-guest");
    replace_with(&bed->paths->tdx_guest, bed->sim, "dev/tdx_guest");
    replace_with(&bed->paths->measurements, bed->sim,
                 "sys/devices/virtual/misc/tdx_guest/measurements");
    replace_with(&bed->paths->ccel_table, bed->sim, "sys/firmware/acpi/tables/CCEL");
    replace_with(&bed->paths->ccel_data, bed->sim, "sys/firmware/acpi/tables/data/CCEL");
    replace(&bed->paths->sev_vmpl, vmpl);
    g_free(bed->paths->run_dir);
    bed->paths->run_dir = g_build_filename(bed->dir, "run", NULL);
    bed->clock = test_clock_init(&bed->test);
    bed->source = cvs_tee_source_new(bed->paths, &bed->clock);
    return TRUE;
}

gboolean
tee_bed_init(TeeBed *bed, TeeSimType type)
{
    return init(bed, type, FALSE);
}

gboolean
tee_bed_init_with_state(TeeBed *bed, TeeSimType type)
{
    return init(bed, type, TRUE);
}

void
tee_bed_clear(TeeBed *bed)
{
    if (bed->sim == NULL)
        return;
    /* Whatever happened in the test, nothing of ours lies about. */
    if (g_file_test(bed->paths->configfs, G_FILE_TEST_IS_DIR))
        g_assert_cmpuint(tee_bed_count_folders(bed), ==, 0);
    cvs_tee_source_free(bed->source);
    cvs_tee_paths_free(bed->paths);
    tee_sim_free(bed->sim);
    test_remove_tree(bed->dir);
    g_free(bed->state);
    g_free(bed->dir);
}

void
tee_bed_data(guint8 data[static 64], guint seed)
{
    for (guint i = 0; i < 64; i++)
        data[i] = (guint8)(seed * 31 + i + 1);
}

gint64
tee_bed_deadline(TeeBed *bed)
{
    return bed->clock.now(bed->clock.data) + 60 * G_USEC_PER_SEC;
}

guint
tee_bed_count_folders(TeeBed *bed)
{
    g_autoptr(GDir) dir = g_dir_open(bed->paths->configfs, 0, NULL);
    guint n = 0;

    g_assert_nonnull(dir);
    while (g_dir_read_name(dir))
        n++;
    return n;
}

char *
tee_bed_folder(TeeBed *bed, const char *name)
{
    return g_build_filename(bed->paths->configfs, name, NULL);
}

void
tee_bed_give_keys(TeeBed *bed)
{
    g_autoptr(GError) error = NULL;
    guint8 bytes[314];
    g_autoptr(GBytes) ek = NULL;
    g_autoptr(GBytes) ak = NULL;

    memset(bytes, 0x5e, sizeof bytes);
    ek = g_bytes_new(bytes, sizeof bytes);
    bytes[200] ^= 1;
    ak = g_bytes_new(bytes, sizeof bytes);
    (void)tee_sim_set_keys(bed->sim, ek, ak, &error);
    g_assert_no_error(error);
}
