/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vault/tpm2-slot-scan.h"
#include "base/scan.h"
#include "policy/profile.h"

/* "0+2+7", rising. */
static gboolean
scan_pcrs(CvsScan *scan, guint32 *ret_mask)
{
    guint32 mask = 0, next = 0;

    do {
        guint32 pcr = 0;

        if (!cvs_scan_number(scan, next, CVS_PCR_COUNT - 1, &pcr))
            return FALSE;
        mask |= 1u << pcr;
        next = pcr + 1;
    } while (cvs_scan_literal(scan, "+"));
    *ret_mask = mask;
    return TRUE;
}

static CvsPolicy *
scan_policy(CvsScan *scan)
{
    g_autoptr(CvsPolicy) policy = NULL;
    CvsPcrSelection selection = {.bank = CVS_SHA256};
    guint8 digest[CVS_POLICY_DIGEST_SIZE];

    if (!cvs_scan_literal(scan, "{\"bank\":\""))
        return NULL;
    if (cvs_scan_literal(scan, "sha384"))
        selection.bank = CVS_SHA384;
    else if (!cvs_scan_literal(scan, "sha256"))
        return NULL;
    if (!cvs_scan_literal(scan, "\",\"digest\":\"") ||
        !cvs_scan_fixed(scan, digest, sizeof digest) || !cvs_scan_literal(scan, "\",\"pcrs\":\"") ||
        !scan_pcrs(scan, &selection.mask) || !cvs_scan_literal(scan, "\",\"type\":\"pcr\"}"))
        return NULL;
    policy = cvs_policy_new();
    cvs_policy_add_pcr(policy, &selection, digest);
    if (cvs_scan_literal(scan, ",{\"type\":\"auth-value\"}"))
        cvs_policy_add_auth_value(policy);
    return g_steal_pointer(&policy);
}

static gboolean
scan_bytes(CvsScan *scan, const char *before, gsize min, gsize max, GBytes **ret_bytes)
{
    if (!cvs_scan_literal(scan, before))
        return FALSE;
    *ret_bytes = cvs_scan_bytes(scan, min, max);
    return *ret_bytes != NULL;
}

CvsTpm2Slot *
cvs_tpm2_slot_scan(GBytes *json)
{
    g_autoptr(CvsTpm2Slot) slot = g_new0(CvsTpm2Slot, 1);
    gsize size = 0;
    const char *text = g_bytes_get_data(json, &size);
    CvsScan scan = {text, text + size};

    slot->factors = CVS_FACTOR_TPM2;
    if (!cvs_scan_literal(&scan, "{\"conditions\":{},\"factors\":[\"tpm2\""))
        return NULL;
    if (cvs_scan_literal(&scan, ",\"store-key\""))
        slot->factors |= CVS_FACTOR_STORE_KEY;
    if (!cvs_scan_literal(&scan, "],\"generation\":") ||
        !cvs_scan_number(&scan, 1, CVS_SLOT_GENERATION_MAX, &slot->generation) ||
        !cvs_scan_literal(&scan, ",\"policy\":["))
        return NULL;
    slot->policy = scan_policy(&scan);
    if (slot->policy == NULL ||
        !scan_bytes(&scan, "],\"private\":\"", 1, CVS_SLOT_MAX, &slot->object.private_area) ||
        !cvs_scan_literal(&scan, "\",\"profile\":\""))
        return NULL;
    slot->profile = cvs_scan_word(&scan, "._-", CVS_SLOT_MAX);
    if (slot->profile == NULL || !cvs_profile_name_is_valid(slot->profile) ||
        !scan_bytes(&scan, "\",\"public\":\"", 1, CVS_SLOT_MAX, &slot->object.public_area) ||
        !scan_bytes(&scan, "\",\"srk\":\"", CVS_SLOT_SRK_NAME_MIN, CVS_SLOT_SRK_NAME_MAX,
                    &slot->object.srk_name))
        return NULL;
    if (!cvs_scan_literal(&scan, "\",\"type\"") &&
        (!scan_bytes(&scan, "\",\"state\":\"", CVS_SLOT_STATE_SIZE, CVS_SLOT_STATE_SIZE,
                     &slot->state) ||
         !cvs_scan_literal(&scan, "\",\"type\"")))
        return NULL;
    if (!cvs_scan_literal(&scan, ":\"tpm2\",\"version\":1}") || scan.at != scan.end)
        return NULL;
    return g_steal_pointer(&slot);
}
