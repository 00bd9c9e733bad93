/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "tpm/rc.h"
#include "tpm/session.h"
#include "tpm/tpm.h"
#include "tpm/wire.h"

#include <string.h>

static const char doing[] = "asking the TPM about itself";

static gboolean
get_capability(CvsTpm *tpm, ESYS_TR session, TPM2_CAP capability, guint32 first, guint32 count,
               TPMS_CAPABILITY_DATA **ret_data, GError **error)
{
    TPMI_YES_NO more = TPM2_NO;
    TSS2_RC rc = Esys_GetCapability(tpm->esys, session, ESYS_TR_NONE, ESYS_TR_NONE, capability,
                                    first, count, &more, ret_data);

    if (rc != TSS2_RC_SUCCESS)
        return cvs_tpm_fail(tpm, rc, doing, error);
    if ((*ret_data)->capability != capability)
        return cvs_tpm_nonsense(tpm, doing, error);
    return TRUE;
}

/* The four characters of a property, as far as they can be shown. */
static void
append_text(char *text, gsize size, guint32 value)
{
    gsize length = strlen(text);

    for (guint i = 0; i < 4 && length + 1 < size; i++) {
        char c = (char)(value >> (24 - 8 * i));

        if (g_ascii_isprint(c))
            text[length++] = c;
    }
    text[length] = '\0';
}

static void
take_property(CvsTpmInfo *info, guint32 property, guint32 value)
{
    switch (property) {
    case TPM2_PT_MANUFACTURER:
        append_text(info->manufacturer, sizeof info->manufacturer, value);
        break;
    case TPM2_PT_VENDOR_STRING_1:
    case TPM2_PT_VENDOR_STRING_2:
    case TPM2_PT_VENDOR_STRING_3:
    case TPM2_PT_VENDOR_STRING_4:
        append_text(info->vendor, sizeof info->vendor, value);
        break;
    case TPM2_PT_FIRMWARE_VERSION_1:
        info->firmware |= (guint64)value << 32;
        break;
    case TPM2_PT_FIRMWARE_VERSION_2:
        info->firmware |= value;
        break;
    case TPM2_PT_PERMANENT:
        info->in_lockout = (value & TPMA_PERMANENT_INLOCKOUT) != 0;
        break;
    case TPM2_PT_LOCKOUT_COUNTER:
        info->lockout_counter = value;
        break;
    case TPM2_PT_MAX_AUTH_FAIL:
        info->lockout_max = value;
        break;
    case TPM2_PT_LOCKOUT_INTERVAL:
        info->lockout_recovery_s = value;
        break;
    default:
        break;
    }
}

static gboolean
get_properties(CvsTpm *tpm, ESYS_TR session, guint32 first, guint32 count, CvsTpmInfo *info,
               GError **error)
{
    CVS_AUTO_ESYS(TPMS_CAPABILITY_DATA) data = NULL;
    const TPML_TAGGED_TPM_PROPERTY *list = NULL;

    if (!get_capability(tpm, session, TPM2_CAP_TPM_PROPERTIES, first, count, &data, error))
        return FALSE;
    list = &data->data.tpmProperties;
    for (guint i = 0; i < list->count && i < G_N_ELEMENTS(list->tpmProperty); i++) {
        /* The TPM goes on with the next group when one ends. */
        if (list->tpmProperty[i].property - first < TPM2_PT_GROUP)
            take_property(info, list->tpmProperty[i].property, list->tpmProperty[i].value);
    }
    return TRUE;
}

static gboolean
get_banks(CvsTpm *tpm, ESYS_TR session, CvsTpmInfo *info, GError **error)
{
    CVS_AUTO_ESYS(TPMS_CAPABILITY_DATA) data = NULL;
    const TPML_PCR_SELECTION *list = NULL;

    if (!get_capability(tpm, session, TPM2_CAP_PCRS, 0, 1, &data, error))
        return FALSE;
    list = &data->data.assignedPCR;
    for (guint i = 0; i < list->count && i < G_N_ELEMENTS(list->pcrSelections); i++) {
        const TPMS_PCR_SELECTION *entry = &list->pcrSelections[i];
        gboolean any = FALSE;

        for (guint j = 0; j < entry->sizeofSelect && j < sizeof entry->pcrSelect; j++)
            any |= entry->pcrSelect[j] != 0;
        info->has_sha256 |= any && entry->hash == TPM2_ALG_SHA256;
        info->has_sha384 |= any && entry->hash == TPM2_ALG_SHA384;
    }
    return TRUE;
}

static gboolean
read_clock(CvsTpm *tpm, ESYS_TR session, CvsClock *ret_clock, GError **error)
{
    CVS_AUTO_ESYS(TPMS_TIME_INFO) time = NULL;
    TSS2_RC rc = Esys_ReadClock(tpm->esys, session, ESYS_TR_NONE, ESYS_TR_NONE, &time);

    if (rc != TSS2_RC_SUCCESS)
        return cvs_tpm_fail(tpm, rc, "reading the TPM's clock", error);
    *ret_clock = (CvsClock){
        .clock_ms = time->clockInfo.clock,
        .reset_count = time->clockInfo.resetCount,
        .restart_count = time->clockInfo.restartCount,
        .safe = time->clockInfo.safe == TPM2_YES,
    };
    return TRUE;
}

static gboolean
get_clock(CvsTpm *tpm, ESYS_TR session, CvsTpmInfo *info, GError **error)
{
    CvsClock clock = {0};

    if (!read_clock(tpm, session, &clock, error))
        return FALSE;
    info->clock_ms = clock.clock_ms;
    info->reset_count = clock.reset_count;
    info->restart_count = clock.restart_count;
    return TRUE;
}

static gboolean
clock_step(CvsTpm *tpm, gpointer data, GError **error)
{
    ESYS_TR session = cvs_session_open(tpm, CVS_SESSION_HMAC, FALSE, error);

    return session != ESYS_TR_NONE && read_clock(tpm, session, data, error);
}

gboolean
cvs_tpm_read_clock(CvsTpm *tpm, CvsClock *ret_clock, GError **error)
{
    CvsClock clock = {0};

    if (!cvs_tpm_run(tpm, clock_step, &clock, error))
        return FALSE;
    *ret_clock = clock;
    return TRUE;
}

static gboolean
info_step(CvsTpm *tpm, gpointer data, GError **error)
{
    CvsTpmInfo *info = data;
    g_autoptr(GError) local = NULL;
    ESYS_TR session = cvs_session_open(tpm, CVS_SESSION_HMAC, FALSE, &local);

    /* Looking at a TPM must not write to it: one that has no SRK yet is asked in the clear. */
    if (session == ESYS_TR_NONE && !g_error_matches(local, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    *info = (CvsTpmInfo){0};
    return get_properties(tpm, session, TPM2_PT_FIXED, TPM2_MAX_TPM_PROPERTIES, info, error) &&
           get_properties(tpm, session, TPM2_PT_VAR, TPM2_MAX_TPM_PROPERTIES, info, error) &&
           get_banks(tpm, session, info, error) && get_clock(tpm, session, info, error);
}

gboolean
cvs_tpm_get_info(CvsTpm *tpm, CvsTpmInfo *ret_info, GError **error)
{
    CvsTpmInfo info = {0};

    if (!cvs_tpm_run(tpm, info_step, &info, error))
        return FALSE;
    *ret_info = info;
    return TRUE;
}

static gboolean
tries_step(CvsTpm *tpm, gpointer data, GError **error)
{
    CvsTpmInfo *info = data;
    ESYS_TR session = cvs_session_open(tpm, CVS_SESSION_HMAC, FALSE, error);

    *info = (CvsTpmInfo){0};
    return session != ESYS_TR_NONE &&
           get_properties(tpm, session, TPM2_PT_LOCKOUT_COUNTER, 2, info, error);
}

gboolean
cvs_tpm_read_tries(CvsTpm *tpm, guint32 *ret_failed, guint32 *ret_max, GError **error)
{
    CvsTpmInfo info = {0};

    if (!cvs_tpm_run(tpm, tries_step, &info, error))
        return FALSE;
    *ret_failed = info.lockout_counter;
    *ret_max = info.lockout_max;
    return TRUE;
}
