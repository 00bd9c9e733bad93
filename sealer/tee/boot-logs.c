/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/boot-logs.h"
#include "base/error.h"
#include "tee/log-source.h"
#include "tee/pseudo-file.h"

void
cvs_boot_logs_free(CvsBootLogs *logs)
{
    if (logs == NULL)
        return;
    g_clear_pointer(&logs->tpm, cvs_event_log_free);
    g_clear_pointer(&logs->cc, cvs_event_log_free);
    g_clear_pointer(&logs->measured, g_ptr_array_unref);
    g_free(logs);
}

static void
read_measured(CvsBootLogs *logs, const char *file)
{
    g_autoptr(GBytes) bytes = cvs_pseudo_file_read_path(file, CVS_MEASURE_LOG_MAX, NULL);
    g_autoptr(GPtrArray) records = NULL;

    if (bytes)
        records = cvs_measure_log_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes),
                                        file, NULL);
    if (records)
        g_ptr_array_extend_and_steal(logs->measured, g_steal_pointer(&records));
}

CvsBootLogs *
cvs_boot_logs_read(const CvsTeePaths *paths)
{
    CvsBootLogs *logs = g_new0(CvsBootLogs, 1);
    g_autofree char *own = g_build_filename(paths->run_dir, CVS_MEASURE_LOG_NAME, NULL);
    g_autoptr(GBytes) tpm = cvs_log_source_read_tpm(paths->tpm_log, NULL);
    CvsCcType type = CVS_CC_TDX;
    g_autoptr(GBytes) cc =
        cvs_log_source_read_ccel(paths->ccel_table, paths->ccel_data, &type, NULL);

    if (tpm)
        logs->tpm = cvs_event_log_parse(tpm, CVS_EVENT_LOG_AUTO, NULL);
    if (logs->tpm && cvs_event_log_format(logs->tpm) == CVS_EVENT_LOG_CC)
        g_clear_pointer(&logs->tpm, cvs_event_log_free);
    if (cc && type == CVS_CC_TDX)
        logs->cc = cvs_event_log_parse(cc, CVS_EVENT_LOG_CC, NULL);
    logs->measured = g_ptr_array_new_with_free_func((GDestroyNotify)cvs_measured_free);
    read_measured(logs, paths->system_log);
    read_measured(logs, own);
    return logs;
}

CvsTrail *
cvs_boot_logs_follow(const CvsBootLogs *logs, gboolean rtmr, CvsHash bank, guint index,
                     const guint8 *value)
{
    const CvsEventLog *log = rtmr ? logs->cc : logs->tpm;
    g_autoptr(CvsTrail) trail = NULL;

    if (log)
        trail = cvs_event_log_has_bank(log, bank) ? cvs_trail_new_from_log(log, bank, index) : NULL;
    else
        trail = cvs_trail_new(rtmr, bank, index, 0);
    if (trail == NULL || !cvs_measure_log_add(logs->measured, trail, value) ||
        (log == NULL && cvs_trail_size(trail) == 0))
        return NULL;
    return g_steal_pointer(&trail);
}

CvsTrail *
cvs_boot_logs_explain(const CvsBootLogs *logs, gboolean rtmr, CvsHash bank, guint index,
                      const guint8 *value)
{
    g_autoptr(CvsTrail) trail = cvs_boot_logs_follow(logs, rtmr, bank, index, value);
    int fit = trail ? cvs_trail_fit(trail, value) : -1;

    if (fit < 0)
        return NULL;
    cvs_trail_cut(trail, (guint)fit);
    return g_steal_pointer(&trail);
}
