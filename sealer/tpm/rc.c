/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/rc.h"
#include "base/error.h"

#include <tss2/tss2_rc.h>

gboolean
cvs_rc_is_from_tpm(TSS2_RC rc)
{
    TSS2_RC layer = rc & TSS2_RC_LAYER_MASK;

    return rc != TSS2_RC_SUCCESS && (layer == TSS2_TPM_RC_LAYER || layer == TSS2_RESMGR_RC_LAYER ||
                                     layer == TSS2_RESMGR_TPM_RC_LAYER);
}

TSS2_RC
cvs_rc_base(TSS2_RC rc)
{
    TSS2_RC number = rc & 0x3f;

    if (!cvs_rc_is_from_tpm(rc))
        return 0;
    if (rc & TPM2_RC_FMT1)
        return number != 0 ? TPM2_RC_FMT1 | number : 0;
    /* Without this bit it is a code of TPM 1.2, which a TPM 2.0 has for TPM_RC_BAD_TAG alone. */
    return (rc & TPM2_RC_VER1) || (rc & 0xfff) == TPM2_RC_BAD_TAG ? rc & 0xfff : 0;
}

gboolean
cvs_rc_wants_retry(TSS2_RC rc)
{
    switch (cvs_rc_base(rc)) {
    case TPM2_RC_RETRY:
    case TPM2_RC_YIELDED:
    case TPM2_RC_TESTING:
    case TPM2_RC_NV_RATE:
        return TRUE;
    default:
        return FALSE;
    }
}

gboolean
cvs_rc_is_session_lost(TSS2_RC rc)
{
    TSS2_RC base = cvs_rc_base(rc);

    return (base >= TPM2_RC_REFERENCE_H0 && base <= TPM2_RC_REFERENCE_H6) ||
           (base >= TPM2_RC_REFERENCE_S0 && base <= TPM2_RC_REFERENCE_S6) ||
           base == TPM2_RC_CONTEXT_GAP || base == TPM2_RC_HANDLE ||
           (base == TPM2_RC_VALUE && !(rc & TPM2_RC_P)); /* no handle that a TPM gives out */
}

gboolean
cvs_rc_is_fatal(TSS2_RC rc)
{
    TSS2_RC base = cvs_rc_base(rc);

    return base == 0 || base == TPM2_RC_FAILURE || base == TPM2_RC_INITIALIZE;
}

void
cvs_rc_set_error(TSS2_RC rc, const char *doing, GError **error)
{
    int code = CVS_ERROR_FAILED;
    const char *remedy = NULL;

    switch (cvs_rc_base(rc)) {
    case 0:
        code = CVS_ERROR_TPM_UNAVAILABLE;
        remedy = "the TPM does not answer, or not as a TPM does";
        break;
    case TPM2_RC_INITIALIZE:
        code = CVS_ERROR_TPM_UNAVAILABLE;
        remedy = "the TPM was not started (TPM2_Startup): the firmware does that at boot";
        break;
    case TPM2_RC_FAILURE:
        code = CVS_ERROR_TPM_UNAVAILABLE;
        remedy = "the TPM is in failure mode: restart the machine";
        break;
    case TPM2_RC_RETRY:
    case TPM2_RC_YIELDED:
    case TPM2_RC_TESTING:
    case TPM2_RC_NV_RATE:
        code = CVS_ERROR_TPM_UNAVAILABLE;
        remedy = "the TPM keeps asking to try again: do so later";
        break;
    case TPM2_RC_LOCKOUT:
        code = CVS_ERROR_TPM_LOCKOUT;
        remedy = "too many wrong PINs";
        break;
    case TPM2_RC_PCR_CHANGED:
        code = CVS_ERROR_BUSY;
        remedy = "PCRs are being extended all the time: try again";
        break;
    case TPM2_RC_SESSION_HANDLES:
    case TPM2_RC_SESSION_MEMORY:
    case TPM2_RC_OBJECT_HANDLES:
    case TPM2_RC_OBJECT_MEMORY:
    case TPM2_RC_MEMORY:
    case TPM2_RC_CONTEXT_GAP:
        code = CVS_ERROR_BUSY;
        remedy = "other programs fill the TPM's memory: try again";
        break;
    default:
        if (cvs_rc_is_session_lost(rc)) {
            code = CVS_ERROR_BUSY;
            remedy = "what we had in the TPM was removed from it: try again";
        }
        break;
    }
    g_set_error(error, CVS_ERROR, code, "%s: %s%s%s (0x%x)", doing, remedy ? remedy : "",
                remedy ? ": " : "", Tss2_RC_Decode(rc), rc);
}
