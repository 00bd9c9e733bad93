/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The verdict on a report: what was verified (tee/report-verify.h) and appraised (appraisal.h),
 * with every reason and all claims. */

#include "policy/appraisal.h"
#include "tee/report-verify.h"

typedef enum {
    CVS_VERDICT_ACCEPTED,
    CVS_VERDICT_REFUSED,
    CVS_VERDICT_MALFORMED, /* a file could not be read for what it should be */
} CvsVerdictKind;

typedef struct {
    CvsVerdictKind kind;
    CvsReportType type;  /* that was found, or asked for; UNKNOWN: neither */
    gboolean test_roots; /* roots that are not the vendors' were allowed */
    GError *reasons;     /* its reasons are those of the verdict; none where it is accepted */
    json_t *claims;      /* an empty object where the report does not parse */
} CvsVerdict;

/* NULL with InvalidArgument if a quote was given that does not belong to such a report. Whatever
 * else is wrong is in the verdict. */
CvsVerdict *cvs_verdict_new(const CvsReportInput *input, const CvsProfile *profile, GError **error);
/* Of a report of which not even the bytes are there, for cvs_verdict_add_malformed(). */
CvsVerdict *cvs_verdict_new_empty(CvsReportType type);
void cvs_verdict_free(CvsVerdict *verdict);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsVerdict, cvs_verdict_free)

/* A file that is malformed makes the verdict so. Its reasons are then what is wrong with files and
 * nothing else. A reason has the code of the first one that the error has, or Malformed. */
void cvs_verdict_add_malformed(CvsVerdict *verdict, const GError *error);

/* "accepted", "refused", "malformed" */
const char *cvs_verdict_name(CvsVerdictKind kind);
/* CVS_EXIT_DONE, CVS_EXIT_REFUSED, CVS_EXIT_MALFORMED */
int cvs_verdict_exit_code(CvsVerdictKind kind);
/* {"verdict", "type" (null if unknown), "reasons": [{"code", "detail", "seen", "wanted"}],
 * "claims": {…}}, and "test_roots": true where they were allowed. A new reference. */
json_t *cvs_verdict_to_json(const CvsVerdict *verdict);
