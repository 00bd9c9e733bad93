/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/pcr-extend.h"
#include "tpm/session.h"
#include "tpm/wire.h"

#include <string.h>

gboolean
cvs_tpm_pcr_event(CvsTpm *tpm, guint pcr, const void *data, gsize size, GError **error)
{
    static const char doing[] = "extending a PCR";
    CVS_AUTO_ESYS(TPML_DIGEST_VALUES) digests = NULL;
    TPM2B_EVENT event = {.size = (UINT16)size};
    ESYS_TR session = ESYS_TR_NONE;
    TSS2_RC rc = TSS2_RC_SUCCESS;

    g_return_val_if_fail(pcr < CVS_PCR_COUNT && size <= CVS_PCR_EVENT_MAX, FALSE);

    memcpy(event.buffer, data, size);
    session = cvs_session_open(tpm, CVS_SESSION_HMAC, TRUE, error);
    if (session == ESYS_TR_NONE)
        return FALSE;
    rc = Esys_PCR_Event(tpm->esys, ESYS_TR_PCR0 + pcr, ESYS_TR_PASSWORD, session, ESYS_TR_NONE,
                        &event, &digests);
    return rc == TSS2_RC_SUCCESS || cvs_tpm_fail(tpm, rc, doing, error);
}
