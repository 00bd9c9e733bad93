/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Keys and explanations as text for a terminal: pure functions of what they are given. */

#include "base/json.h"
#include "ctl/backend.h"
#include "ctl/output.h"

/* Everything that depends on the moment and the place. */
typedef struct {
    const CvsOutput *output;
    gint64 now; /* seconds since 1970 */
    GTimeZone *zone;
} CvsView;

/* The table of `cvmseal list`, and below it what is wrong with keys that cannot be read. owners:
 * with a column for them. */
char *cvs_view_list(const CvsView *view, const GPtrArray *keys, gboolean owners);
/* `cvmseal show` */
char *cvs_view_key(const CvsView *view, const CvsKeyInfo *info);
/* `cvmseal explain`. options: what commands that are suggested have to repeat. BadFormat if the
 * explanation is not what cvs_release_explain() gives. */
char *cvs_view_explanation(const CvsView *view, const json_t *explanation, const char *options,
                           GError **error);
/* The line "TEST ROOTS …": where others than the vendors' roots were allowed. */
void cvs_view_append_test_roots(const CvsOutput *output, GString *text);
/* What has to be known where the TPM is the host's. */
#define CVS_VIEW_HOSTS_PCRS                                                                        \
    "PCRs do not bind the host: nothing shows that the TPM is in the TEE, so they and what is "    \
    "sealed in it are the host's"
/* `cvmseal status` */
char *cvs_view_status(const CvsView *view, const CvsStatusInfo *info);
