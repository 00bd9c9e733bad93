/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attest/logs.h"
#include "base/error.h"
#include "base/hex.h"
#include "tee/boot-logs.h"
#include "tee/eventlog-compare.h"
#include "tee/log-source.h"
#include "tee/pseudo-file.h"
#include "tee/td-body.h"

#include <string.h>

/* What nobody but the firmware, and what it loads before the kernel runs, extends. */
#define FIRMWARE_PCRS 0xffu
#define FIRMWARE_RTMRS 0x3u

static GBytes *
collect_tpm(const CvsTeePaths *paths)
{
    g_autoptr(GBytes) bytes = cvs_log_source_read_tpm(paths->tpm_log, NULL);
    g_autoptr(CvsEventLog) log =
        bytes ? cvs_event_log_parse(bytes, CVS_EVENT_LOG_AUTO, NULL) : NULL;

    return log && cvs_event_log_format(log) != CVS_EVENT_LOG_CC &&
                   g_bytes_get_size(bytes) <= CVS_BUNDLE_LOG_MAX
               ? g_steal_pointer(&bytes)
               : NULL;
}

/* Without the area's fill. */
static GBytes *
collect_cc(const CvsTeePaths *paths)
{
    CvsCcType type = CVS_CC_SEV;
    g_autoptr(GBytes) bytes =
        cvs_log_source_read_ccel(paths->ccel_table, paths->ccel_data, &type, NULL);
    g_autoptr(CvsEventLog) log =
        bytes && type == CVS_CC_TDX ? cvs_event_log_parse(bytes, CVS_EVENT_LOG_CC, NULL) : NULL;

    return log && cvs_event_log_end(log) <= CVS_BUNDLE_LOG_MAX
               ? g_bytes_new_from_bytes(bytes, 0, cvs_event_log_end(log))
               : NULL;
}

/* Files of records one behind the other are a file of records. */
static GBytes *
collect_measured(const CvsTeePaths *paths)
{
    g_autofree char *own = g_build_filename(paths->run_dir, CVS_MEASURE_LOG_NAME, NULL);
    const char *const files[] = {paths->system_log, own};
    g_autoptr(GByteArray) all = g_byte_array_new();

    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autoptr(GBytes) bytes = cvs_pseudo_file_read_path(files[i], CVS_MEASURE_LOG_MAX, NULL);
        gsize size = 0;
        const guint8 *data = bytes ? g_bytes_get_data(bytes, &size) : NULL;
        g_autoptr(GPtrArray) records =
            size > 0 ? cvs_measure_log_parse(data, size, files[i], NULL) : NULL;

        if (records && all->len + size <= CVS_BUNDLE_LOG_MAX)
            g_byte_array_append(all, data, (guint)size);
    }
    return all->len > 0 ? g_byte_array_free_to_bytes(g_steal_pointer(&all)) : NULL;
}

void
cvs_logs_collect(const CvsTeePaths *paths, CvsEvidenceBundle *bundle)
{
    bundle->tpm_log = collect_tpm(paths);
    bundle->cc_log = collect_cc(paths);
    bundle->measured_log = collect_measured(paths);
}

static CvsBootLogs *
parse(const CvsEvidenceBundle *bundle, GError **error)
{
    g_autoptr(CvsBootLogs) logs = g_new0(CvsBootLogs, 1);

    if (bundle->measured_log)
        logs->measured = cvs_measure_log_parse(g_bytes_get_data(bundle->measured_log, NULL),
                                               g_bytes_get_size(bundle->measured_log),
                                               "the evidence, log of what was measured", error);
    else
        logs->measured = g_ptr_array_new_with_free_func((GDestroyNotify)cvs_measured_free);
    if (logs->measured == NULL)
        return NULL;
    if (bundle->tpm_log) {
        logs->tpm = cvs_event_log_parse(bundle->tpm_log, CVS_EVENT_LOG_AUTO, error);
        if (logs->tpm == NULL)
            return NULL;
        if (cvs_event_log_format(logs->tpm) == CVS_EVENT_LOG_CC) {
            g_set_error_literal(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                                "the evidence has the log of a TD in the place of a TPM's");
            return NULL;
        }
    }
    if (bundle->cc_log) {
        logs->cc = cvs_event_log_parse(bundle->cc_log, CVS_EVENT_LOG_CC, error);
        if (logs->cc == NULL)
            return NULL;
    }
    return g_steal_pointer(&logs);
}

typedef struct {
    guint32 explained;
    guint32 contradicted;
} Found;

static void
judge_register(const CvsBootLogs *logs, gboolean rtmr, CvsHash bank, guint index,
               const guint8 *value, Found *found)
{
    guint32 firmware = rtmr ? FIRMWARE_RTMRS : FIRMWARE_PCRS;
    g_autoptr(CvsTrail) trail = cvs_boot_logs_follow(logs, rtmr, bank, index, value);

    if (trail == NULL || cvs_trail_size(trail) == 0)
        return;
    if (cvs_trail_fit(trail, value) == (int)cvs_trail_size(trail))
        found->explained |= 1u << index;
    else if (firmware & 1u << index)
        found->contradicted |= 1u << index;
}

static void
add_claims(json_t *claims, const char *name, const Found *found)
{
    g_autofree char *explained = cvs_pcr_mask_format(found->explained);
    g_autofree char *contradicted = cvs_pcr_mask_format(found->contradicted);
    g_autofree char *other = g_strconcat(name, "_contradicted", NULL);

    cvs_claims_set_string(claims, name, explained);
    if (found->contradicted != 0)
        cvs_claims_set_string(claims, other, contradicted);
}

static void
judge_pcrs(const CvsBootLogs *logs, const CvsPcrValues *pcrs, json_t *claims)
{
    Found found = {0};

    for (guint pcr = 0; pcr < CVS_PCR_COUNT; pcr++) {
        if (pcrs->selection.mask & 1u << pcr)
            judge_register(logs, FALSE, pcrs->selection.bank, pcr, pcrs->value[pcr], &found);
    }
    add_claims(claims, "log.pcrs", &found);
}

static void
judge_rtmrs(const CvsBootLogs *logs, json_t *claims)
{
    Found found = {0};

    for (guint i = 0; i < CVS_TD_RTMRS; i++) {
        g_autofree char *name = g_strdup_printf("tee.rtmr%u", i);
        const char *hex = json_string_value(json_object_get(claims, name));
        g_autoptr(GBytes) value = hex ? cvs_hex_decode(hex, -1, NULL) : NULL;

        if (value && g_bytes_get_size(value) == CVS_TD_MR_SIZE)
            judge_register(logs, TRUE, CVS_SHA384, i, g_bytes_get_data(value, NULL), &found);
    }
    add_claims(claims, "log.rtmrs", &found);
}

gboolean
cvs_logs_judge(const CvsEvidenceBundle *bundle, json_t *claims, GError **error)
{
    g_autoptr(CvsBootLogs) logs = parse(bundle, error);
    g_autofree char *difference = NULL;

    if (logs == NULL)
        return FALSE;
    if (logs->tpm || logs->measured->len > 0)
        judge_pcrs(logs, &bundle->quote.values, claims);
    /* A paravisor's guest has no registers of its own. */
    if (bundle->hcl == NULL && json_object_get(claims, "tee.rtmr0") &&
        (logs->cc || logs->measured->len > 0))
        judge_rtmrs(logs, claims);
    if (logs->tpm && logs->cc)
        difference = cvs_event_logs_compare(logs->tpm, logs->cc);
    if (difference)
        cvs_claims_set_string(claims, "log.difference", difference);
    return TRUE;
}

static const char *
get_string(const json_t *claims, const char *name)
{
    return json_string_value(json_object_get(claims, name));
}

void
cvs_logs_appraise(const json_t *claims, gboolean remote, GError *refusal)
{
    const char *difference = get_string(claims, "log.difference");
    const char *pcrs = get_string(claims, "log.pcrs_contradicted");
    const char *rtmrs = get_string(claims, "log.rtmrs_contradicted");

    if (difference)
        cvs_error_add_reason(refusal, CVS_REASON_LOGS_DIFFER, NULL, NULL,
                             "the logs of TPM and TD do not tell of the same boot: %s", difference);
    if (remote && pcrs)
        cvs_error_add_reason(refusal, CVS_REASON_LOG_CONTRADICTS, NULL, NULL,
                             "the TPM's event log does not lead to the quoted values of the PCRs "
                             "%s, which only the firmware extends",
                             pcrs);
    if (remote && rtmrs)
        cvs_error_add_reason(refusal, CVS_REASON_LOG_CONTRADICTS, NULL, NULL,
                             "the TD's event log does not lead to the quoted values of the RTMRs "
                             "%s, which only the firmware extends",
                             rtmrs);
}
