/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/clock.h"
#include "base/error.h"

static char *
describe(const CvsClock *clock)
{
    return g_strdup_printf("reset %u, restart %u, %" G_GUINT64_FORMAT " ms", clock->reset_count,
                           clock->restart_count, clock->clock_ms);
}

static gboolean
is_forward(const CvsClock *now, const CvsClock *seen)
{
    if (now->reset_count != seen->reset_count)
        return now->reset_count > seen->reset_count;
    if (now->restart_count != seen->restart_count)
        return now->restart_count > seen->restart_count;
    return !now->safe || now->clock_ms >= seen->clock_ms;
}

gboolean
cvs_clock_check_forward(const CvsClock *now, const CvsClock *seen, GError **error)
{
    g_autofree char *now_text = NULL, *seen_text = NULL;
    GError *local = NULL;

    if (is_forward(now, seen))
        return TRUE;
    now_text = describe(now);
    seen_text = describe(seen);
    local = g_error_new(CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED,
                        "the TPM's state is older than one seen before: it was put back to an "
                        "earlier state, or this is a copy of it");
    cvs_error_add_reason(local, CVS_REASON_TPM_CLOCK_BACK, now_text, seen_text,
                         "the TPM's counts went back");
    g_propagate_error(error, local);
    return FALSE;
}
