/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The files of the measurement registers: reading, extending, and that reading may be late. */

#include "base/digest.h"
#include "base/error.h"
#include "tee/eventlog.h"
#include "tee/log-source.h"
#include "tee/tdx-guest.h"
#include "tee/tsm-mr.h"

#include "tee-bed.h"

#include <glib/gstdio.h>
#include <string.h>

static void
td_body(TeeBed *bed, CvsTdBody *ret_body)
{
    g_autoptr(GError) error = NULL;
    const guint8 data[64] = {0};
    CvsTdReport report;

    g_assert_true(cvs_tdx_guest_get_report(bed->paths->tdx_guest, data, NULL, &report, &error));
    g_assert_no_error(error);
    *ret_body = report.body;
}

static void
test_read(void)
{
    g_auto(TeeBed) bed = {0};
    guint8 values[CVS_TSM_N_REGISTERS][48];
    CvsTdBody body;

    if (!tee_bed_init(&bed, TEE_SIM_TDX))
        return;
    td_body(&bed, &body);
    for (guint i = 0; i < CVS_TSM_N_REGISTERS; i++) {
        g_autoptr(GError) error = NULL;

        g_assert_true(
            cvs_tsm_mr_read(bed.paths->measurements, (CvsTsmRegister)i, values[i], &error));
        g_assert_no_error(error);
    }
    g_assert_cmpmem(values[CVS_TSM_MRTD], 48, body.mr_td, 48);
    g_assert_cmpmem(values[CVS_TSM_MRCONFIGID], 48, body.mr_config_id, 48);
    g_assert_cmpmem(values[CVS_TSM_MROWNER], 48, body.mr_owner, 48);
    g_assert_cmpmem(values[CVS_TSM_MROWNERCONFIG], 48, body.mr_owner_config, 48);
    for (guint i = 0; i < CVS_TD_RTMRS; i++)
        g_assert_cmpmem(values[CVS_TSM_RTMR0 + i], 48, body.rtmr[i], 48);
}

static void
test_extend(void)
{
    g_auto(TeeBed) bed = {0};
    g_autoptr(GError) error = NULL;
    guint8 value[48];
    guint8 digest[48];

    if (!tee_bed_init(&bed, TEE_SIM_TDX))
        return;
    for (guint i = 0; i < CVS_TD_RTMRS; i++) {
        CvsTsmRegister which = (CvsTsmRegister)(CVS_TSM_RTMR0 + i);
        g_autoptr(CvsHasher) hasher = cvs_hasher_new(CVS_SHA384);
        guint8 wanted[48];
        CvsTdBody body;

        td_body(&bed, &body);
        memset(digest, (int)i + 1, sizeof digest);
        cvs_hasher_update(hasher, body.rtmr[i], 48);
        cvs_hasher_update(hasher, digest, 48);
        cvs_hasher_finish(hasher, wanted);
        g_assert_true(cvs_tsm_mr_extend(bed.paths->measurements, which, digest, &error));
        g_assert_no_error(error);
        g_assert_true(cvs_tsm_mr_read(bed.paths->measurements, which, value, &error));
        g_assert_cmpmem(value, 48, wanted, 48);
        td_body(&bed, &body);
        g_assert_cmpmem(body.rtmr[i], 48, wanted, 48);
    }
    for (guint i = CVS_TSM_MRTD; i < CVS_TSM_RTMR0; i++) {
        g_assert_false(
            cvs_tsm_mr_extend(bed.paths->measurements, (CvsTsmRegister)i, digest, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
        g_clear_error(&error);
    }
}

/* What the header warns of. */
static void
test_late(void)
{
    g_auto(TeeBed) bed = {0};
    g_autoptr(GError) error = NULL;
    guint8 digest[48] = {9};
    guint8 before[48];
    guint8 after[48];
    CvsTdBody body;

    if (!tee_bed_init(&bed, TEE_SIM_TDX))
        return;
    g_assert_true(cvs_tsm_mr_read(bed.paths->measurements, CVS_TSM_RTMR3, before, &error));
    tee_sim_extend(bed.sim, 3, digest);
    g_assert_true(cvs_tsm_mr_read(bed.paths->measurements, CVS_TSM_RTMR3, after, &error));
    g_assert_no_error(error);
    td_body(&bed, &body);
    g_assert_cmpmem(before, 48, after, 48);
    g_assert_cmpint(memcmp(after, body.rtmr[3], 48), !=, 0);
}

static void
test_bad_files(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *dir = g_dir_make_tmp("cvs-mr-XXXXXX", NULL);
    g_autofree char *file = g_build_filename(dir, "rtmr2:sha384", NULL);
    const gsize sizes[] = {0, 47, 49, 96, 5000};
    guint8 bytes[5000] = {1};
    guint8 value[48] = {0x55};

    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_assert_true(g_file_set_contents(file, (const char *)bytes, (gssize)sizes[i], NULL));
        g_assert_false(cvs_tsm_mr_read(dir, CVS_TSM_RTMR2, value, &error));
        if (sizes[i] > 4096)
            g_assert_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE);
        else
            g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
        g_assert_nonnull(strstr(error->message, "rtmr2:sha384"));
        g_assert_cmpuint(value[0], ==, 0x55);
        g_clear_error(&error);
    }
    g_assert_true(g_file_set_contents(file, (const char *)bytes, 48, NULL));
    g_assert_true(cvs_tsm_mr_read(dir, CVS_TSM_RTMR2, value, &error));
    g_assert_cmpuint(value[0], ==, 1);
    g_assert_false(cvs_tsm_mr_read(dir, CVS_TSM_RTMR1, value, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED);
    g_clear_error(&error);
    g_assert_false(cvs_tsm_mr_extend(dir, CVS_TSM_RTMR1, value, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED);
    g_assert_cmpint(g_unlink(file), ==, 0);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

/* The log of the simulated TD, by the files that Linux has. */
static void
test_ccel(void)
{
    g_auto(TeeBed) bed = {0};
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(CvsEventLog) log = NULL;
    CvsCcType type = 0;

    if (!tee_bed_init(&bed, TEE_SIM_TDX))
        return;
    bytes = cvs_log_source_read_ccel(bed.paths->ccel_table, bed.paths->ccel_data, &type, &error);
    g_assert_no_error(error);
    g_assert_cmpint(type, ==, CVS_CC_TDX);
    log = cvs_event_log_parse(bytes, CVS_EVENT_LOG_CC, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(cvs_event_log_size(log), >, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tee/tsm-mr/read", test_read);
    g_test_add_func("/tee/tsm-mr/extend", test_extend);
    g_test_add_func("/tee/tsm-mr/late", test_late);
    g_test_add_func("/tee/tsm-mr/bad-files", test_bad_files);
    g_test_add_func("/tee/tsm-mr/ccel", test_ccel);
    return g_test_run();
}
