/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/td-body.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/reader.h"

#include <stddef.h>
#include <string.h>

void
cvs_td_body_parse(const guint8 *data, gsize size, CvsTdBody *ret_body)
{
    CvsTdBody body = {0};
    CvsReader reader;

    cvs_reader_init(&reader, data, size);
    cvs_reader_copy(&reader, body.tee_tcb_svn, sizeof(body.tee_tcb_svn));
    cvs_reader_copy(&reader, body.mr_seam, CVS_TD_MR_SIZE);
    cvs_reader_copy(&reader, body.mrsigner_seam, CVS_TD_MR_SIZE);
    body.seam_attributes = cvs_reader_u64_le(&reader);
    body.td_attributes = cvs_reader_u64_le(&reader);
    body.xfam = cvs_reader_u64_le(&reader);
    cvs_reader_copy(&reader, body.mr_td, CVS_TD_MR_SIZE);
    cvs_reader_copy(&reader, body.mr_config_id, CVS_TD_MR_SIZE);
    cvs_reader_copy(&reader, body.mr_owner, CVS_TD_MR_SIZE);
    cvs_reader_copy(&reader, body.mr_owner_config, CVS_TD_MR_SIZE);
    cvs_reader_copy(&reader, body.rtmr, sizeof(body.rtmr));
    cvs_reader_copy(&reader, body.report_data, sizeof(body.report_data));
    body.has_15 = size == CVS_TD_BODY_15_SIZE;
    if (body.has_15) {
        cvs_reader_copy(&reader, body.tee_tcb_svn2, sizeof(body.tee_tcb_svn2));
        cvs_reader_copy(&reader, body.mr_servicetd, CVS_TD_MR_SIZE);
    }
    g_assert(cvs_reader_done(&reader));
    *ret_body = body;
}

#define FIELD(name, member, only_15)                                                               \
    {                                                                                              \
        name, offsetof(CvsTdBody, member), sizeof(((CvsTdBody *)NULL)->member), only_15            \
    }

static const struct {
    const char *name;
    gsize offset;
    gsize size;
    gboolean only_15;
} fields[] = {
    FIELD("TEE_TCB_SVN", tee_tcb_svn, FALSE),
    FIELD("MRSEAM", mr_seam, FALSE),
    FIELD("MRSIGNERSEAM", mrsigner_seam, FALSE),
    FIELD("SEAMATTRIBUTES", seam_attributes, FALSE),
    FIELD("TDATTRIBUTES", td_attributes, FALSE),
    FIELD("XFAM", xfam, FALSE),
    FIELD("MRTD", mr_td, FALSE),
    FIELD("MRCONFIGID", mr_config_id, FALSE),
    FIELD("MROWNER", mr_owner, FALSE),
    FIELD("MROWNERCONFIG", mr_owner_config, FALSE),
    FIELD("RTMR0", rtmr[0], FALSE),
    FIELD("RTMR1", rtmr[1], FALSE),
    FIELD("RTMR2", rtmr[2], FALSE),
    FIELD("RTMR3", rtmr[3], FALSE),
    FIELD("REPORTDATA", report_data, FALSE),
    FIELD("TEE_TCB_SVN2", tee_tcb_svn2, TRUE),
    FIELD("MRSERVICETD", mr_servicetd, TRUE),
};

void
cvs_td_body_compare(const CvsTdBody *report, const CvsTdBody *quote, GError *refusal)
{
    for (gsize i = 0; i < G_N_ELEMENTS(fields); i++) {
        const guint8 *in_report = (const guint8 *)report + fields[i].offset;
        const guint8 *in_quote = (const guint8 *)quote + fields[i].offset;

        if (fields[i].only_15 && !(report->has_15 && quote->has_15))
            continue;
        if (memcmp(in_report, in_quote, fields[i].size) != 0) {
            g_autofree char *seen = cvs_hex_encode(in_quote, fields[i].size);
            g_autofree char *wanted = cvs_hex_encode(in_report, fields[i].size);

            cvs_error_add_reason(refusal, CVS_REASON_QUOTE_MISMATCH, seen, wanted,
                                 "%s of the quote is not that of the TD report", fields[i].name);
        }
    }
}
