/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vault/jwe-scan.h"
#include "base/scan.h"
#include "vault/key-file.h"

static CvsJweRecipient *
scan_recipient(CvsScan *scan)
{
    g_autoptr(CvsJweRecipient) recipient = g_new0(CvsJweRecipient, 1);

    if (!cvs_scan_literal(scan, "{\"encrypted_key\":\"") ||
        !cvs_scan_fixed(scan, recipient->encrypted_key, sizeof recipient->encrypted_key) ||
        !cvs_scan_literal(scan, "\",\"header\":{\"alg\":\""))
        return NULL;
    if (cvs_scan_literal(scan, CVS_JWE_ALG_KEK "\",\"mac\":\"") &&
        cvs_scan_fixed(scan, recipient->mac, sizeof recipient->mac) &&
        cvs_scan_literal(scan, "\",\"slot\":\"")) {
        recipient->slot = cvs_scan_bytes(scan, 1, CVS_SLOT_MAX);
        if (recipient->slot == NULL)
            return NULL;
    } else if (cvs_scan_literal(scan, CVS_JWE_ALG_PASSWORD "\",\"mac\":\"") &&
               cvs_scan_fixed(scan, recipient->mac, sizeof recipient->mac) &&
               cvs_scan_literal(scan, "\",\"p2c\":") &&
               cvs_scan_number(scan, CVS_JWE_P2C_MIN, CVS_JWE_P2C_MAX, &recipient->p2c) &&
               cvs_scan_literal(scan, ",\"p2s\":\"")) {
        recipient->p2s = cvs_scan_bytes(scan, CVS_JWE_P2S_MIN, CVS_JWE_P2S_MAX);
        if (recipient->p2s == NULL)
            return NULL;
    } else {
        return NULL;
    }
    return cvs_scan_literal(scan, "\"}}") ? g_steal_pointer(&recipient) : NULL;
}

CvsJwe *
cvs_jwe_scan(const void *data, gsize size)
{
    CvsScan scan = {data, (const char *)data + size};
    g_autoptr(CvsJwe) jwe = cvs_jwe_new();

    if (!cvs_scan_literal(&scan, "{\"ciphertext\":\""))
        return NULL;
    jwe->ciphertext = cvs_scan_bytes(&scan, 1, CVS_SECRET_MAX);
    if (jwe->ciphertext == NULL || !cvs_scan_literal(&scan, "\",\"iv\":\"") ||
        !cvs_scan_fixed(&scan, jwe->iv, sizeof jwe->iv) ||
        !cvs_scan_literal(&scan, "\",\"protected\":\""))
        return NULL;
    /* Decoded by the caller; here it only has to mean the same in JSON. */
    jwe->protected_text = cvs_scan_word(&scan, "-_", CVS_KEY_FILE_MAX);
    if (jwe->protected_text == NULL)
        return NULL;
    if (!cvs_scan_literal(&scan, "\",\"recipients\":["))
        return NULL;
    do {
        CvsJweRecipient *recipient = scan_recipient(&scan);

        if (recipient == NULL)
            return NULL;
        g_ptr_array_add(jwe->recipients, recipient);
    } while (jwe->recipients->len < CVS_SLOTS_MAX && cvs_scan_literal(&scan, ","));
    if (!cvs_scan_literal(&scan, "],\"tag\":\"") ||
        !cvs_scan_fixed(&scan, jwe->tag, sizeof jwe->tag) || !cvs_scan_literal(&scan, "\"}\n") ||
        scan.at != scan.end)
        return NULL;
    return g_steal_pointer(&jwe);
}
