/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/tsm-report.h"
#include "base/error.h"
#include "base/file.h"
#include "tee/answer.h"
#include "tee/pseudo-file.h"
#include "tee/sev-channel.h"
#include "tee/tsm-folder.h"

#include <errno.h>
#include <string.h>

#define NAP_US (G_GINT64_CONSTANT(200) * 1000)

void
cvs_tsm_report_free(CvsTsmReport *report)
{
    if (report == NULL)
        return;
    g_clear_pointer(&report->outblob, g_bytes_unref);
    g_clear_pointer(&report->auxblob, g_bytes_unref);
    g_clear_pointer(&report->manifest, g_bytes_unref);
    g_free(report);
}

static gboolean
get_provider(CvsTsmFolder *folder, CvsTsmProvider *ret_provider, GError **error)
{
    g_autofree char *text = cvs_tsm_folder_get(folder, "provider", error);

    if (text == NULL)
        return FALSE;
    if (g_str_equal(text, "sev_guest")) {
        *ret_provider = CVS_TSM_SEV_GUEST;
        return TRUE;
    }
    if (g_str_equal(text, "tdx_guest")) {
        *ret_provider = CVS_TSM_TDX_GUEST;
        return TRUE;
    }
    g_set_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                "the kernel's TEE is \"%.32s\"; only sev_guest and tdx_guest are known here", text);
    if (error)
        cvs_error_add_reason(*error, CVS_REASON_PROVIDER_UNKNOWN, text, "sev_guest, tdx_guest",
                             "the kernel's TEE is of a kind that is not known here");
    return FALSE;
}

static gboolean
get_info(CvsTsmFolder *folder, CvsTsmInfo *ret_info, GError **error)
{
    CvsTsmInfo info = {0};
    guint64 floor = 0;

    if (!get_provider(folder, &info.provider, error))
        return FALSE;
    if (info.provider == CVS_TSM_SEV_GUEST) {
        info.has_svsm = cvs_tsm_folder_has(folder, "service_provider");
        if (!cvs_tsm_folder_get_number(folder, "privlevel_floor", CVS_TSM_PRIVLEVEL_MAX, &floor,
                                       error))
            return FALSE;
        info.privlevel_floor = (guint)floor;
    }
    *ret_info = info;
    return TRUE;
}

gboolean
cvs_tsm_report_probe(const char *path, CvsTsmInfo *ret_info, GError **error)
{
    g_autoptr(CvsTsmFolder) folder = cvs_tsm_folder_new(path, error);

    return folder && get_info(folder, ret_info, error);
}

static gboolean
check_request(const CvsTsmInfo *info, const CvsTsmRequest *request, GError **error)
{
    if (request->svsm && !info->has_svsm) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                            "no SVSM can be asked: this kernel does not run under one, or cannot "
                            "ask it (Linux 6.11 and later can)");
        return FALSE;
    }
    if (request->service_guid && !g_uuid_string_is_valid(request->service_guid)) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                            "the service of the SVSM is not named by a GUID");
        return FALSE;
    }
    if (!request->svsm && info->provider == CVS_TSM_SEV_GUEST && request->privlevel >= 0 &&
        ((guint)request->privlevel < info->privlevel_floor ||
         request->privlevel > CVS_TSM_PRIVLEVEL_MAX)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "VMPL %d cannot be asked for: this kernel may ask for %u to %d",
                    request->privlevel, info->privlevel_floor, CVS_TSM_PRIVLEVEL_MAX);
        return FALSE;
    }
    return TRUE;
}

/* The generation must be the number of our writes, or somebody else wrote too, or the kernel lost
 * one: that of inblob it takes when the file is closed, and tells nobody if it does not. */
static gboolean
check_generation(CvsTsmFolder *folder, const char *when, GError **error)
{
    guint64 wanted = cvs_tsm_folder_writes(folder);
    guint64 seen = 0;

    if (!cvs_tsm_folder_get_number(folder, "generation", G_MAXUINT64, &seen, error))
        return FALSE;
    if (seen == wanted)
        return TRUE;
    g_set_error(error, CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED,
                "%s reading the report the kernel had counted %" G_GUINT64_FORMAT
                " writes, and we had made %" G_GUINT64_FORMAT ": %s",
                when, seen, wanted,
                seen > wanted ? "another program writes into our request"
                              : "it did not take one of ours; try again");
    if (error) {
        g_autofree char *seen_text = g_strdup_printf("%" G_GUINT64_FORMAT, seen);
        g_autofree char *wanted_text = g_strdup_printf("%" G_GUINT64_FORMAT, wanted);

        cvs_error_add_reason(*error, CVS_REASON_REQUEST_OVERTAKEN, seen_text, wanted_text,
                             "the generation of the request is not ours");
    }
    return FALSE;
}

static gboolean
set(CvsTsmFolder *folder, const char *name, const char *value, GError **error)
{
    return cvs_tsm_folder_write(folder, name, value, strlen(value), error);
}

static gboolean
write_request(CvsTsmFolder *folder, const CvsTsmInfo *info, const CvsTsmRequest *request,
              guint privlevel, GError **error)
{
    char number[16];

    if (request->svsm) {
        if (!set(folder, "service_provider", "svsm", error))
            return FALSE;
        if (request->service_guid) {
            (void)g_snprintf(number, sizeof number, "%u", request->manifest_version);
            if (!set(folder, "service_guid", request->service_guid, error) ||
                !set(folder, "service_manifest_version", number, error))
                return FALSE;
        }
    } else if (info->provider == CVS_TSM_SEV_GUEST) {
        /* Always: VMPL 0, which the kernel would take, is below the floor under an SVSM. */
        (void)g_snprintf(number, sizeof number, "%u", privlevel);
        if (!set(folder, "privlevel", number, error))
            return FALSE;
    }
    /* Last, so that a report can be made only of the whole request. */
    return cvs_tsm_folder_write(folder, "inblob", request->report_data, sizeof request->report_data,
                                error);
}

static void
explain_sev(int errnum, const CvsTsmRequest *request, guint privlevel, GError **error)
{
    if (errnum == EINVAL && request->svsm)
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED,
                            "the SVSM refused to attest (EINVAL): it does not know the service or "
                            "this version of its manifest, or its own channel to the secure "
                            "processor was closed after the host throttled it, and then only a "
                            "reboot helps");
    else if (errnum == EINVAL)
        g_set_error(error, CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED,
                    "the secure processor refused to report (EINVAL): VMPL %u is below the "
                    "caller's, or the firmware does not know this form of request",
                    privlevel);
    else if (errnum == ENXIO)
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED,
                            "the secure processor refused to report (ENXIO): the kernel's log has "
                            "its status, if the driver sev-guest was not unloaded just now");
    else
        cvs_sev_channel_set_errno(error, errnum, "cannot get a report");
}

static void
explain_tdx(int errnum, GError **error)
{
    switch (errnum) {
    case ETIMEDOUT:
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED,
                            "the host's quoting service did not answer within 30 seconds: its "
                            "administrator has to look at it (QGS, vsock or GetQuote of the VMM)");
        return;
    case EIO:
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED,
                            "the host's quoting service failed (EIO): it has no connection to the "
                            "platform's quoting enclave, or the TDX module refused the TDREPORT");
        return;
    case EINVAL:
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED,
                            "the kernel refused to ask for a quote (EINVAL)");
        return;
    case ENXIO:
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED,
                            "the kernel's driver tdx_guest was unloaded while it was asked");
        return;
    default:
        cvs_error_set_errno(error, CVS_ERROR_ATTESTATION_FAILED, errnum, "cannot get a quote");
    }
}

/* A blob; again until the deadline where the quoting service is occupied, which it is also by a
 * request that was given up, and after a signal. */
static GBytes *
read_blob(CvsTsmFolder *folder, const char *name, gsize max, const CvsTsmInfo *info,
          const CvsTsmRequest *request, guint privlevel, const CvsPaceClock *clock, gint64 deadline,
          GError **error)
{
    for (;;) {
        GBytes *bytes = NULL;
        int errnum = cvs_tsm_folder_read(folder, name, max, &bytes);

        if (errnum == 0)
            return bytes;
        if (errnum == EBUSY || errnum == EINTR) {
            gint64 left = deadline - clock->now(clock->data);

            if (left > 0) {
                clock->sleep(clock->data, MIN(left, NAP_US));
                continue;
            }
            g_set_error_literal(error, CVS_ERROR, CVS_ERROR_BUSY,
                                errnum == EBUSY
                                    ? "the host's quoting service is still occupied by another "
                                      "request; try again"
                                    : "a signal interrupted the request for a report; try again");
            return NULL;
        }
        if (errnum == EFBIG)
            g_set_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE,
                        "%s is larger than the %zu bytes that are read, or than the kernel allows",
                        name, max);
        else if (info->provider == CVS_TSM_SEV_GUEST)
            explain_sev(errnum, request, privlevel, error);
        else
            explain_tdx(errnum, error);
        if (error && cvs_error_get_reasons(*error)->len == 0)
            cvs_error_add_reason(*error, CVS_REASON_NO_REPORT, g_strerror(errnum), NULL,
                                 "asked for a report, the kernel answers: %s", g_strerror(errnum));
        return NULL;
    }
}

static gboolean
check_answer(const CvsTsmReport *report, const CvsTsmRequest *request, GError **error)
{
    if (report->provider == CVS_TSM_TDX_GUEST)
        return cvs_answer_check_quote(report->outblob, request->report_data, error);
    if (!request->svsm)
        return cvs_answer_check_snp(report->outblob, request->report_data, (int)report->privlevel,
                                    error);
    return cvs_answer_check_svsm(report->outblob, report->manifest, request->report_data, error);
}

CvsTsmReport *
cvs_tsm_report_get(const char *path, const CvsTsmRequest *request, const CvsPaceClock *clock,
                   gint64 deadline, GError **error)
{
    g_autoptr(CvsTsmFolder) folder = NULL;
    g_autoptr(CvsTsmReport) report = g_new0(CvsTsmReport, 1);
    CvsTsmInfo info;
    guint privlevel = 0;

    cvs_tsm_folder_sweep(path);
    folder = cvs_tsm_folder_new(path, error);
    if (folder == NULL || !get_info(folder, &info, error) || !check_request(&info, request, error))
        return NULL;
    if (info.provider == CVS_TSM_SEV_GUEST && !request->svsm)
        privlevel = request->privlevel >= 0 ? (guint)request->privlevel : info.privlevel_floor;
    report->provider = info.provider;
    report->privlevel = privlevel;

    if (!write_request(folder, &info, request, privlevel, error) ||
        !check_generation(folder, "before", error))
        return NULL;
    report->outblob = read_blob(folder, "outblob", CVS_TSM_OUTBLOB_MAX, &info, request, privlevel,
                                clock, deadline, error);
    if (report->outblob == NULL)
        return NULL;
    if (request->svsm) {
        report->manifest = read_blob(folder, "manifestblob", CVS_TSM_MANIFEST_MAX, &info, request,
                                     privlevel, clock, deadline, error);
        if (report->manifest == NULL)
            return NULL;
    }
    if (info.provider == CVS_TSM_SEV_GUEST) {
        report->auxblob = read_blob(folder, "auxblob", CVS_TSM_AUXBLOB_MAX, &info, request,
                                    privlevel, clock, deadline, error);
        if (report->auxblob == NULL)
            return NULL;
        if (g_bytes_get_size(report->auxblob) == 0)
            g_clear_pointer(&report->auxblob, g_bytes_unref);
    }
    /* First, since it says why the report is another one. */
    if (!check_generation(folder, "after", error) || !check_answer(report, request, error))
        return NULL;
    return g_steal_pointer(&report);
}
