/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a TD report says of a TD, be it in a TDREPORT of this machine or in the body of a quote.
 * TDX Module ABI 1.5, TEE_TCB_INFO and TDINFO_STRUCT; the body of a quote: Intel TDX DCAP Quoting
 * Library API, "TD Quote Body". */

#include <glib.h>

#define CVS_TD_BODY_10_SIZE 584 /* a quote's body, TDX 1.0 */
#define CVS_TD_BODY_15_SIZE 648 /* the same with TEE_TCB_SVN2 and MRSERVICETD */
#define CVS_TD_MR_SIZE 48
#define CVS_TD_RTMRS 4

/* ATTRIBUTES. Bits 7:0 (TUD): any of them set and the TD is not to be trusted. */
enum {
    CVS_TD_ATTR_DEBUG = 0,
    CVS_TD_ATTR_SEPT_VE_DISABLE = 28,
    CVS_TD_ATTR_MIGRATABLE = 29,
    CVS_TD_ATTR_PKS = 30,
    CVS_TD_ATTR_KL = 31,
    CVS_TD_ATTR_PERFMON = 63,
};
#define CVS_TD_ATTR_TUD_MASK 0xffull

typedef struct {
    guint8 tee_tcb_svn[16]; /* [0] module's ISVSVN, [1] its version, [2] late microcode */
    guint8 mr_seam[CVS_TD_MR_SIZE];
    guint8 mrsigner_seam[CVS_TD_MR_SIZE];
    guint64 seam_attributes;
    guint64 td_attributes;
    guint64 xfam;
    guint8 mr_td[CVS_TD_MR_SIZE];
    guint8 mr_config_id[CVS_TD_MR_SIZE];
    guint8 mr_owner[CVS_TD_MR_SIZE];
    guint8 mr_owner_config[CVS_TD_MR_SIZE];
    guint8 rtmr[CVS_TD_RTMRS][CVS_TD_MR_SIZE];
    guint8 report_data[64];
    gboolean has_15;         /* the two below are given; a quote v4 drops them */
    guint8 tee_tcb_svn2[16]; /* of the module that runs now; tee_tcb_svn is the creator's */
    guint8 mr_servicetd[CVS_TD_MR_SIZE]; /* hash over bound service TDs; zero without any */
} CvsTdBody;

/* Of a quote's body; size is one of the two above. */
void cvs_td_body_parse(const guint8 *data, gsize size, CvsTdBody *ret_body);
/* Adds a reason QuoteMismatch to the refusal for each field in which the two differ: for a quote
 * and the TDREPORT that it must have been made from. MRSERVICETD and TEE_TCB_SVN2 are compared
 * where both have them. */
void cvs_td_body_compare(const CvsTdBody *report, const CvsTdBody *quote, GError *refusal);
