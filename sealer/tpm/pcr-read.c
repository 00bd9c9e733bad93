/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "tpm/rc.h"
#include "tpm/session.h"
#include "tpm/tpm.h"
#include "tpm/wire.h"

#include <string.h>

/* How often a selection that takes several answers is read anew because a PCR was extended in
 * between. */
#define READS_MAX 16

typedef struct {
    CvsPcrValues values;
    guint32 missing; /* PCRs that the TPM has not in this bank */
} Reading;

/* Takes the values of one answer; FALSE if it is no answer to what was asked. */
static gboolean
take_answer(CvsPcrValues *values, guint32 asked, const TPML_PCR_SELECTION *selection,
            const TPML_DIGEST *digests, guint32 *ret_got)
{
    gsize size = cvs_hash_size(values->selection.bank);
    guint32 got = 0;
    guint n = 0;

    if (!cvs_pcr_mask_from_tpm(selection, values->selection.bank, &got) || (got & ~asked) != 0 ||
        digests->count > G_N_ELEMENTS(digests->digests))
        return FALSE;
    for (guint pcr = 0; pcr < CVS_PCR_COUNT; pcr++) {
        if (!(got & 1u << pcr))
            continue;
        if (n >= digests->count || digests->digests[n].size != size)
            return FALSE;
        memcpy(values->value[pcr], digests->digests[n++].buffer, size);
    }
    *ret_got = got;
    return n == digests->count;
}

/* One pass over the selection. *ret_torn: a PCR was extended meanwhile, and the values are of no
 * one moment. */
static gboolean
read_once(CvsTpm *tpm, ESYS_TR session, Reading *reading, gboolean *ret_torn, GError **error)
{
    static const char doing[] = "reading PCRs";
    guint32 left = reading->values.selection.mask;
    guint32 first_counter = 0;
    gboolean first = TRUE;

    *ret_torn = FALSE;
    reading->missing = 0;
    while (left != 0) {
        CvsPcrSelection ask = {.bank = reading->values.selection.bank, .mask = left};
        TPML_PCR_SELECTION ask_tpm = {0};
        CVS_AUTO_ESYS(TPML_PCR_SELECTION) selection = NULL;
        CVS_AUTO_ESYS(TPML_DIGEST) digests = NULL;
        UINT32 counter = 0;
        guint32 got = 0;
        TSS2_RC rc = TSS2_RC_SUCCESS;

        cvs_pcr_selection_to_tpm(&ask, &ask_tpm);
        rc = Esys_PCR_Read(tpm->esys, session, ESYS_TR_NONE, ESYS_TR_NONE, &ask_tpm, &counter,
                           &selection, &digests);
        /* A hash that the TPM does not know at all. */
        if (cvs_rc_base(rc) == TPM2_RC_HASH) {
            reading->missing = left;
            return TRUE;
        }
        if (rc != TSS2_RC_SUCCESS)
            return cvs_tpm_fail(tpm, rc, doing, error);
        if (!take_answer(&reading->values, left, selection, digests, &got))
            return cvs_tpm_nonsense(tpm, doing, error);
        if (got == 0) {
            reading->missing = left;
            return TRUE;
        }
        if (!first && counter != first_counter) {
            *ret_torn = TRUE;
            return TRUE;
        }
        first = FALSE;
        first_counter = counter;
        left &= ~got;
    }
    return TRUE;
}

static gboolean
read_step(CvsTpm *tpm, gpointer data, GError **error)
{
    Reading *reading = data;
    ESYS_TR session = cvs_session_open(tpm, CVS_SESSION_HMAC, TRUE, error);
    gboolean torn = TRUE;

    if (session == ESYS_TR_NONE)
        return FALSE;
    for (guint tries = 0; torn; tries++) {
        if (tries == READS_MAX) {
            g_set_error(error, CVS_ERROR, CVS_ERROR_BUSY,
                        "PCRs are being extended all the time: try again");
            return FALSE;
        }
        if (!read_once(tpm, session, reading, &torn, error))
            return FALSE;
    }
    return TRUE;
}

static void
set_missing_error(const CvsPcrSelection *selection, guint32 missing, GError **error)
{
    const char *bank = cvs_hash_name(selection->bank);
    GError *local = g_error_new(CVS_ERROR, CVS_ERROR_PCR_UNMEASURED,
                                "the TPM has not all of these PCRs in its %s bank: choose another "
                                "bank",
                                bank);

    for (guint pcr = 0; pcr < CVS_PCR_COUNT; pcr++) {
        if (missing & 1u << pcr)
            cvs_error_add_reason(local, CVS_REASON_PCR_BANK_MISSING, NULL, NULL,
                                 "the TPM has no PCR %u in its %s bank", pcr, bank);
    }
    g_propagate_error(error, local);
}

gboolean
cvs_tpm_read_pcrs(CvsTpm *tpm, const CvsPcrSelection *selection, CvsPcrValues *ret_values,
                  GError **error)
{
    Reading reading = {.values.selection = *selection};

    g_return_val_if_fail(selection->mask != 0 && (selection->mask & ~CVS_PCR_MASK_ALL) == 0, FALSE);

    if (!cvs_tpm_run(tpm, read_step, &reading, error))
        return FALSE;
    if (reading.missing != 0) {
        set_missing_error(selection, reading.missing, error);
        return FALSE;
    }
    *ret_values = reading.values;
    return TRUE;
}
