/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/tdreport.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/reader.h"

#include <string.h>

#define TYPE_TDX 0x81
#define TCB_INFO_OFFSET 256
#define TCB_INFO_SIZE 239 /* what the hash is over; the field is padded to 256 */
#define TD_INFO_OFFSET 512
#define TD_INFO_SIZE 512

static gboolean
refuse(GError **error, gsize offset, const char *text)
{
    g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "TDREPORT, byte %zu: %s", offset, text);
    return FALSE;
}

static gboolean
check_hash(const guint8 *data, gsize offset, gsize size, const guint8 *wanted, const char *name,
           GError **error)
{
    guint8 digest[48];

    cvs_hash_bytes(CVS_SHA384, data + offset, size, digest);
    if (cvs_equal_bytes(digest, wanted, sizeof(digest)))
        return TRUE;
    g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                "TDREPORT: %s is not the hash of the part at byte %zu: it is damaged or was edited",
                name, offset);
    if (error)
        cvs_error_add_reason(*error, CVS_REASON_TD_REPORT_HASH, NULL, NULL,
                             "%s is not the hash of its part", name);
    return FALSE;
}

gboolean
cvs_tdreport_parse(const void *data, gsize size, CvsTdReport *ret_report, GError **error)
{
    CvsTdReport report = {0};
    CvsTdBody *body = &report.body;
    const guint8 *tcb_info_hash = NULL;
    const guint8 *td_info_hash = NULL;
    guint8 type = 0;
    guint8 subtype = 0;
    CvsReader r;

    if (size != CVS_TDREPORT_SIZE) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    size < CVS_TDREPORT_SIZE
                        ? "TDREPORT: byte %zu: it ends there, in %s, and has %d"
                        : "TDREPORT: %zu bytes: it goes on behind %s at %d",
                    size,
                    size < TCB_INFO_OFFSET  ? "REPORTMACSTRUCT"
                    : size < TD_INFO_OFFSET ? "TEE_TCB_INFO"
                                            : "TDINFO_STRUCT",
                    CVS_TDREPORT_SIZE);
        return FALSE;
    }
    cvs_reader_init(&r, data, size);

    /* REPORTMACSTRUCT */
    type = cvs_reader_u8(&r);
    subtype = cvs_reader_u8(&r);
    report.version = cvs_reader_u8(&r);
    if (type != TYPE_TDX || subtype != 0)
        return refuse(error, 0, "not a TD's report");
    if (report.version > 1)
        return refuse(error, 2, "a version that is not known");
    if (!cvs_reader_skip_zero(&r, 1 + 12))
        return refuse(error, 3, "reserved bytes that are not zero");
    cvs_reader_copy(&r, report.cpu_svn, sizeof(report.cpu_svn));
    tcb_info_hash = cvs_reader_bytes(&r, 48);
    td_info_hash = cvs_reader_bytes(&r, 48);
    cvs_reader_copy(&r, body->report_data, sizeof(body->report_data));
    if (!cvs_reader_skip_zero(&r, 32))
        return refuse(error, 192, "reserved bytes that are not zero");
    cvs_reader_copy(&r, report.mac, sizeof(report.mac));

    /* TEE_TCB_INFO */
    report.tcb_info_valid = cvs_reader_u64_le(&r);
    cvs_reader_copy(&r, body->tee_tcb_svn, sizeof(body->tee_tcb_svn));
    cvs_reader_copy(&r, body->mr_seam, CVS_TD_MR_SIZE);
    cvs_reader_copy(&r, body->mrsigner_seam, CVS_TD_MR_SIZE);
    body->seam_attributes = cvs_reader_u64_le(&r);
    cvs_reader_copy(&r, body->tee_tcb_svn2, sizeof(body->tee_tcb_svn2));
    cvs_reader_skip(&r, 95);
    if (!cvs_reader_skip_zero(&r, 17))
        return refuse(error, TCB_INFO_OFFSET + TCB_INFO_SIZE, "padding that is not zero");

    /* TDINFO_STRUCT */
    body->td_attributes = cvs_reader_u64_le(&r);
    body->xfam = cvs_reader_u64_le(&r);
    cvs_reader_copy(&r, body->mr_td, CVS_TD_MR_SIZE);
    cvs_reader_copy(&r, body->mr_config_id, CVS_TD_MR_SIZE);
    cvs_reader_copy(&r, body->mr_owner, CVS_TD_MR_SIZE);
    cvs_reader_copy(&r, body->mr_owner_config, CVS_TD_MR_SIZE);
    cvs_reader_copy(&r, body->rtmr, sizeof(body->rtmr));
    cvs_reader_copy(&r, body->mr_servicetd, CVS_TD_MR_SIZE);
    if (!cvs_reader_skip_zero(&r, 64))
        return refuse(error, 960, "an extension of TDINFO that is not known");
    body->has_15 = TRUE;

    if (!check_hash(data, TCB_INFO_OFFSET, TCB_INFO_SIZE, tcb_info_hash, "TEE_TCB_INFO_HASH",
                    error) ||
        !check_hash(data, TD_INFO_OFFSET, TD_INFO_SIZE, td_info_hash, "TEE_INFO_HASH", error))
        return FALSE;
    if (!cvs_reader_finish(&r, "TDREPORT", error))
        return FALSE;
    *ret_report = report;
    return TRUE;
}
