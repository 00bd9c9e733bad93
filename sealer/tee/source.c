/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/source.h"
#include "base/error.h"
#include "tee/answer.h"
#include "tee/hcl-report.h"
#include "tee/pseudo-file.h"
#include "tee/tdx-guest.h"
#include "tee/tsm-mr.h"
#include "tee/tsm-report.h"

#include <string.h>
#include <unistd.h>

#define TRIES 3 /* of a quote, where the TD's registers move meanwhile */

struct _CvsTeeSource {
    gatomicrefcount refs;
    CvsTeePaths *paths;
    const CvsPaceClock *clock;
};

/* By which way the TEE is asked. */
typedef enum {
    WAY_NONE,
    WAY_CONFIGFS,
    WAY_SEV_GUEST,
    WAY_TDX_GUEST,
} Way;

static const char *const way_names[] = {
    [WAY_NONE] = "none",
    [WAY_SEV_GUEST] = "sev-guest-device",
    [WAY_TDX_GUEST] = "tdx-guest-device",
};

CvsTeeSource *
cvs_tee_source_new(const CvsTeePaths *paths, const CvsPaceClock *clock)
{
    CvsTeeSource *source = g_new0(CvsTeeSource, 1);

    g_atomic_ref_count_init(&source->refs);
    source->paths = cvs_tee_paths_copy(paths);
    source->clock = clock ? clock : &cvs_pace_clock;
    return source;
}

CvsTeeSource *
cvs_tee_source_ref(CvsTeeSource *source)
{
    g_atomic_ref_count_inc(&source->refs);
    return source;
}

void
cvs_tee_source_free(CvsTeeSource *source)
{
    if (source == NULL || !g_atomic_ref_count_dec(&source->refs))
        return;
    cvs_tee_paths_free(source->paths);
    g_free(source);
}

const CvsTeePaths *
cvs_tee_source_paths(const CvsTeeSource *source)
{
    return source->paths;
}

const char *
cvs_tee_kind_name(CvsTeeKind kind)
{
    static const char *const names[] = {
        [CVS_TEE_NONE] = "none",
        [CVS_TEE_SNP] = "snp",
        [CVS_TEE_TDX] = "tdx",
    };

    return names[kind];
}

void
cvs_tee_evidence_free(CvsTeeEvidence *evidence)
{
    if (evidence == NULL)
        return;
    g_clear_pointer(&evidence->report, g_bytes_unref);
    g_clear_pointer(&evidence->auxblob, g_bytes_unref);
    g_clear_pointer(&evidence->manifest, g_bytes_unref);
    g_clear_pointer(&evidence->tdreport, g_bytes_unref);
    g_clear_pointer(&evidence->hcl, g_bytes_unref);
    g_free(evidence);
}

CvsTeeEvidence *
cvs_tee_evidence_new_hcl(GBytes *bytes, GError **error)
{
    g_autoptr(CvsHclReport) report = cvs_hcl_report_parse(bytes, error);
    CvsTeeEvidence *evidence = NULL;
    GBytes *hardware = NULL;

    if (report == NULL)
        return NULL;
    evidence = g_new0(CvsTeeEvidence, 1);
    hardware = g_bytes_new(report->hardware, report->hardware_size);
    if (report->type == CVS_HCL_SNP) {
        evidence->kind = CVS_TEE_SNP;
        evidence->report = hardware;
    } else {
        evidence->kind = CVS_TEE_TDX;
        evidence->tdreport = hardware;
    }
    evidence->provider = "azure-hcl";
    evidence->hcl = g_bytes_ref(bytes);
    return evidence;
}

/* The kernel's own VMPL, which is the least that it may ask for. Linux shows it since 6.11, the
 * first version that runs under an SVSM: without the file it is 0. */
static gboolean
read_vmpl(const CvsTeeSource *source, guint *ret_vmpl, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(GBytes) bytes = cvs_pseudo_file_read_path(source->paths->sev_vmpl, 64, &local);
    g_autofree char *text = NULL;
    guint64 vmpl = 0;

    if (bytes == NULL && g_error_matches(local, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED)) {
        *ret_vmpl = 0;
        return TRUE;
    }
    if (bytes == NULL) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    if (g_bytes_get_size(bytes) > 0)
        text = g_strchomp(g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes)));
    if (text == NULL || !g_ascii_string_to_unsigned(text, 10, 0, 3, &vmpl, NULL)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s has no VMPL from 0 to 3",
                    source->paths->sev_vmpl);
        return FALSE;
    }
    *ret_vmpl = (guint)vmpl;
    return TRUE;
}

static gboolean
find_device(const CvsTeeSource *source, Way *ret_way, CvsTeeInfo *ret_info, GError **error)
{
    CvsTeeInfo info = {0};
    Way way = WAY_NONE;

    if (access(source->paths->sev_guest, F_OK) == 0) {
        way = WAY_SEV_GUEST;
        info.kind = CVS_TEE_SNP;
        if (!read_vmpl(source, &info.privlevel, error))
            return FALSE;
    } else if (access(source->paths->tdx_guest, F_OK) == 0) {
        way = WAY_TDX_GUEST;
        info.kind = CVS_TEE_TDX;
    }
    info.provider = way_names[way];
    *ret_way = way;
    *ret_info = info;
    return TRUE;
}

static gboolean
find(const CvsTeeSource *source, Way *ret_way, CvsTeeInfo *ret_info, GError **error)
{
    g_autoptr(GError) local = NULL;
    CvsTsmInfo tsm;
    CvsTeeInfo info = {0};

    /* Where configfs is not mounted (in an initrd), not in this kernel, or has nobody behind it,
     * the devices tell; where it may not be used, they would not help. */
    if (access(source->paths->configfs, F_OK) != 0)
        return find_device(source, ret_way, ret_info, error);
    if (!cvs_tsm_report_probe(source->paths->configfs, &tsm, &local)) {
        if (g_error_matches(local, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED) &&
            !cvs_error_has_reason(local, CVS_REASON_PROVIDER_UNKNOWN))
            return find_device(source, ret_way, ret_info, error);
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    info.kind = tsm.provider == CVS_TSM_SEV_GUEST ? CVS_TEE_SNP : CVS_TEE_TDX;
    info.provider = tsm.provider == CVS_TSM_SEV_GUEST ? "sev_guest" : "tdx_guest";
    info.has_svsm = tsm.has_svsm;
    info.privlevel = tsm.privlevel_floor;
    *ret_way = WAY_CONFIGFS;
    *ret_info = info;
    return TRUE;
}

gboolean
cvs_tee_source_probe(CvsTeeSource *source, CvsTeeInfo *ret_info, GError **error)
{
    Way way;

    return find(source, &way, ret_info, error);
}

static gint64
deadline_after(const CvsTeeSource *source, guint timeout_ms)
{
    return source->clock->now(source->clock->data) +
           (gint64)(timeout_ms ? timeout_ms : CVS_TEE_TIMEOUT_MS) * 1000;
}

static CvsTsmReport *
ask_configfs(const CvsTeeSource *source, const CvsTeeRequest *request, gint64 deadline,
             GError **error)
{
    CvsTsmRequest tsm = {
        .privlevel = request->privlevel,
        .svsm = request->svsm,
        .service_guid = request->service_guid,
        .manifest_version = request->manifest_version,
    };

    memcpy(tsm.report_data, request->report_data, sizeof tsm.report_data);
    return cvs_tsm_report_get(source->paths->configfs, &tsm, source->clock, deadline, error);
}

static gboolean
get_snp_configfs(const CvsTeeSource *source, const CvsTeeRequest *request, gint64 deadline,
                 CvsTeeEvidence *evidence, GError **error)
{
    g_autoptr(CvsPace) pace =
        cvs_pace_begin(source->paths->run_dir, request->svsm ? CVS_PACE_SVSM : CVS_PACE_REPORT,
                       source->clock, deadline, error);
    g_autoptr(CvsTsmReport) report = NULL;

    if (pace == NULL)
        return FALSE;
    report = ask_configfs(source, request, deadline, error);
    if (report == NULL)
        return FALSE;
    evidence->privlevel = report->privlevel;
    evidence->report = g_steal_pointer(&report->outblob);
    evidence->auxblob = g_steal_pointer(&report->auxblob);
    evidence->manifest = g_steal_pointer(&report->manifest);
    return TRUE;
}

static gboolean
get_snp_device(const CvsTeeSource *source, const CvsTeeRequest *request, guint floor,
               gint64 deadline, CvsTeeEvidence *evidence, GError **error)
{
    const char *device = source->paths->sev_guest;
    g_autoptr(CvsPace) pace = NULL;
    g_autoptr(GError) local = NULL;
    guint vmpl = request->privlevel >= 0 ? (guint)request->privlevel : floor;

    if (vmpl < floor || vmpl > 3) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "VMPL %u cannot be asked for: this kernel may ask for %u to 3", vmpl, floor);
        return FALSE;
    }
    pace = cvs_pace_begin(source->paths->run_dir, CVS_PACE_REPORT, source->clock, deadline, error);
    if (pace == NULL)
        return FALSE;
    evidence->privlevel = vmpl;
    if (cvs_sev_guest_get_report(device, request->report_data, vmpl, &evidence->report,
                                 &evidence->auxblob, &local))
        return TRUE;
    if (!g_error_matches(local, CVS_ERROR, CVS_ERROR_TOO_LARGE)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    /* The certificates can come from elsewhere, the report cannot. */
    return cvs_pace_again(pace, CVS_PACE_REPORT, deadline, error) &&
           cvs_sev_guest_get_report(device, request->report_data, vmpl, &evidence->report, NULL,
                                    error);
}

static gboolean
same_td(const CvsTdReport *a, const CvsTdReport *b)
{
    return memcmp(&a->body.rtmr, &b->body.rtmr, sizeof a->body.rtmr) == 0;
}

/* The quote comes from the host, which may give any; the TDREPORTs come from the TDX module. */
static gboolean
get_tdx(const CvsTeeSource *source, const CvsTeeRequest *request, gint64 deadline,
        CvsTeeEvidence *evidence, GError **error)
{
    const char *device = source->paths->tdx_guest;
    g_autoptr(CvsPace) pace = NULL;

    pace = cvs_pace_begin(source->paths->run_dir, CVS_PACE_QUOTE, source->clock, deadline, error);
    if (pace == NULL)
        return FALSE;
    for (guint tries = 0; tries < TRIES; tries++) {
        g_autoptr(CvsTsmReport) quote = NULL;
        g_autoptr(GBytes) bytes = NULL;
        CvsTdReport before;
        CvsTdReport after;

        if (!cvs_tdx_guest_get_report(device, request->report_data, NULL, &before, error))
            return FALSE;
        quote = ask_configfs(source, request, deadline, error);
        if (quote == NULL ||
            !cvs_tdx_guest_get_report(device, request->report_data, &bytes, &after, error))
            return FALSE;
        /* Somebody extended a register meanwhile, as systemd does at each stage of the boot: the
         * quote may be of either state. */
        if (!same_td(&before, &after))
            continue;
        if (!cvs_answer_check_pair(quote->outblob, &after, error))
            return FALSE;
        evidence->report = g_steal_pointer(&quote->outblob);
        evidence->tdreport = g_steal_pointer(&bytes);
        return TRUE;
    }
    g_set_error(
        error, CVS_ERROR, CVS_ERROR_BUSY,
        "the registers of the TD changed each time while it was quoted, %d times; try again",
        TRIES);
    return FALSE;
}

/* Before the turn, which would be over for nothing. */
static gboolean
check_svsm(const CvsTeeSource *source, Way way, const CvsTeeInfo *info, GError **error)
{
    if (info->has_svsm)
        return TRUE;
    if (info->kind == CVS_TEE_TDX)
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                            "this is a TD: it has no SVSM that could be asked");
    else if (way == WAY_SEV_GUEST)
        g_set_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                    "an SVSM can be asked by configfs only, and %s is not there: is configfs "
                    "mounted?",
                    source->paths->configfs);
    else
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                            "no SVSM can be asked: this kernel does not run under one, or cannot "
                            "ask it (Linux 6.11 and later can)");
    return FALSE;
}

CvsTeeEvidence *
cvs_tee_source_get(CvsTeeSource *source, const CvsTeeRequest *request, GError **error)
{
    gint64 deadline = deadline_after(source, request->timeout_ms);
    g_autoptr(CvsTeeEvidence) evidence = g_new0(CvsTeeEvidence, 1);
    CvsTeeInfo info;
    Way way;
    gboolean ok = FALSE;

    if (!find(source, &way, &info, error))
        return NULL;
    if (request->svsm && way != WAY_NONE && !check_svsm(source, way, &info, error))
        return NULL;
    evidence->kind = info.kind;
    evidence->provider = info.provider;
    switch (way) {
    case WAY_CONFIGFS:
        ok = info.kind == CVS_TEE_SNP ? get_snp_configfs(source, request, deadline, evidence, error)
                                      : get_tdx(source, request, deadline, evidence, error);
        break;
    case WAY_SEV_GUEST:
        ok = get_snp_device(source, request, info.privlevel, deadline, evidence, error);
        break;
    case WAY_TDX_GUEST:
        g_set_error(
            error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
            "a TD is quoted by configfs only, and %s is not there: is configfs mounted, and "
            "is the kernel 6.7 or later?",
            source->paths->configfs);
        break;
    case WAY_NONE:
        g_set_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                    "there is no TEE here: neither %s nor %s nor %s. In a confidential VM the "
                    "kernel module sev-guest or tdx-guest may have to be loaded",
                    source->paths->configfs, source->paths->sev_guest, source->paths->tdx_guest);
        break;
    }
    return ok ? g_steal_pointer(&evidence) : NULL;
}

/* What the files have of a TD. */
static gboolean
read_registers(const CvsTeeSource *source, CvsTdBody *ret_body, GError **error)
{
    CvsTdBody body = {0};
    guint8 *const to[CVS_TSM_N_REGISTERS] = {
        [CVS_TSM_MRTD] = body.mr_td,       [CVS_TSM_MRCONFIGID] = body.mr_config_id,
        [CVS_TSM_MROWNER] = body.mr_owner, [CVS_TSM_MROWNERCONFIG] = body.mr_owner_config,
        [CVS_TSM_RTMR0] = body.rtmr[0],    [CVS_TSM_RTMR1] = body.rtmr[1],
        [CVS_TSM_RTMR2] = body.rtmr[2],    [CVS_TSM_RTMR3] = body.rtmr[3],
    };

    for (guint i = 0; i < CVS_TSM_N_REGISTERS; i++) {
        if (!cvs_tsm_mr_read(source->paths->measurements, (CvsTsmRegister)i, to[i], error))
            return FALSE;
    }
    *ret_body = body;
    return TRUE;
}

gboolean
cvs_tee_source_read_td(CvsTeeSource *source, CvsTdBody *ret_body, gboolean *ret_late,
                       GError **error)
{
    const guint8 nothing[64] = {0};
    g_autoptr(GError) local = NULL;
    CvsTdReport report;

    if (cvs_tdx_guest_get_report(source->paths->tdx_guest, nothing, NULL, &report, &local)) {
        *ret_body = report.body;
        *ret_late = FALSE;
        return TRUE;
    }
    /* Where the device is there and fails, files that may be late are no way out. */
    if (!g_error_matches(local, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    if (!read_registers(source, ret_body, error))
        return FALSE;
    *ret_late = TRUE;
    return TRUE;
}

CvsSecret *
cvs_tee_source_derive_key(CvsTeeSource *source, const CvsSevKeyRequest *request, guint timeout_ms,
                          GError **error)
{
    g_autoptr(CvsPace) pace = cvs_pace_begin(source->paths->run_dir, CVS_PACE_REPORT, source->clock,
                                             deadline_after(source, timeout_ms), error);

    return pace ? cvs_sev_guest_derive_key(source->paths->sev_guest, request, error) : NULL;
}
