/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/attester.h"

static gboolean
appraise(gpointer data, const CvsProfile *profile, json_t **ret_claims, GError **error)
{
    return cvs_attester_appraise(data, profile, g_get_real_time() / G_USEC_PER_SEC, ret_claims,
                                 error);
}

static gboolean
read_rtmrs(gpointer data, guint8 ret_rtmr[static CVS_TD_RTMRS][CVS_TD_MR_SIZE], GError **error)
{
    return cvs_attester_read_rtmrs(data, ret_rtmr, error);
}

CvsReleaseAttester
cvs_release_attester(CvsAttester *attester)
{
    return (CvsReleaseAttester){appraise, read_rtmrs, attester};
}
