/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/tdx-guest.h"
#include "base/error.h"
#include "base/file.h"
#include "tee/answer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>

/* include/uapi/linux/tdx-guest.h, which not every distribution has. */
typedef struct {
    guint8 report_data[64];
    guint8 report[CVS_TDREPORT_SIZE];
} ReportCall;

G_STATIC_ASSERT(sizeof(ReportCall) == 1088);

#define GET_REPORT0 _IOWR('T', 1, ReportCall)

gboolean
cvs_tdx_guest_get_report(const char *device, const guint8 report_data[static 64],
                         GBytes **ret_bytes, CvsTdReport *ret_report, GError **error)
{
    static const char no_report[] = "the TDX module gave no TDREPORT";
    CVS_AUTO_FD int fd = -1;
    ReportCall call = {0};
    CvsTdReport report;

    fd = open(device, O_RDWR | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        cvs_error_set_errno(error,
                            errno == ENOENT || errno == ENXIO || errno == ENODEV
                                ? CVS_ERROR_NOT_SUPPORTED
                                : CVS_ERROR_ATTESTATION_FAILED,
                            errno, "cannot open %s", device);
        return FALSE;
    }
    memcpy(call.report_data, report_data, sizeof call.report_data);
    while (ioctl(fd, GET_REPORT0, &call) < 0) {
        if (errno == EINTR)
            continue;
        cvs_error_set_errno(error, CVS_ERROR_ATTESTATION_FAILED, errno, "%s", no_report);
        if (error)
            cvs_error_add_reason(*error, CVS_REASON_NO_REPORT, NULL, NULL, "%s", no_report);
        return FALSE;
    }
    if (!cvs_tdreport_parse(call.report, sizeof call.report, &report, error) ||
        !cvs_answer_check_data(report.body.report_data, report_data, "the TDREPORT", error))
        return FALSE;
    if (ret_bytes)
        *ret_bytes = g_bytes_new(call.report, sizeof call.report);
    *ret_report = report;
    return TRUE;
}
