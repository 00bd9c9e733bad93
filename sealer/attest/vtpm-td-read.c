/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attest/vtpm-td-read.h"
#include "base/error.h"
#include "tee/vtpm-td-cert.h"
#include "tpm/ek.h"
#include "tpm/nv.h"

/* Of the pieces; ample for the largest certificate in pieces of 512 bytes. */
#define PIECES_MAX 128

/* NULL without an error: there is none of ours. */
static GBytes *
read_index(CvsTpm *tpm, guint32 index, GError **error)
{
    g_autoptr(GError) local = NULL;
    GBytes *bytes = cvs_tpm_nv_read(tpm, index, &local);

    if (local && !cvs_error_has_reason(local, CVS_REASON_NV_MISSING) &&
        !cvs_error_has_reason(local, CVS_REASON_NV_UNFIT))
        g_propagate_error(error, g_steal_pointer(&local));
    return bytes;
}

/* What is longer than any certificate is none. */
static gboolean
read_ca(CvsTpm *tpm, GBytes **ret_ca, GError **error)
{
    g_autoptr(GByteArray) whole = g_byte_array_new();
    GError *local = NULL;

    for (guint32 i = 0; i < PIECES_MAX && whole->len <= CVS_VTPM_TD_CA_MAX; i++) {
        g_autoptr(GBytes) piece = read_index(tpm, CVS_NV_EK_CERTIFICATE_CHAIN + i, &local);

        if (local) {
            g_propagate_error(error, local);
            return FALSE;
        }
        if (piece == NULL)
            break;
        g_byte_array_append(whole, g_bytes_get_data(piece, NULL), (guint)g_bytes_get_size(piece));
    }
    *ret_ca = whole->len > 0 ? g_byte_array_free_to_bytes(g_steal_pointer(&whole)) : NULL;
    return TRUE;
}

gboolean
cvs_vtpm_td_read(CvsTpm *tpm, CvsEvidenceBundle *bundle, GError **error)
{
    GError *local = NULL;
    g_autoptr(GBytes) ek = read_index(tpm, CVS_NV_EK_CERTIFICATE_P384, &local);
    g_autoptr(GBytes) ca = NULL;
    g_autoptr(CvsVtpmTdCerts) certs = NULL;

    if (local) {
        g_propagate_error(error, local);
        return FALSE;
    }
    if (ek == NULL)
        return TRUE;
    if (!read_ca(tpm, &ca, error))
        return FALSE;
    if (ca == NULL || cvs_vtpm_td_is_another_ca(ca))
        return TRUE;
    certs = cvs_vtpm_td_certs_parse(ek, ca, error);
    if (certs == NULL)
        return FALSE;
    bundle->ek = cvs_tpm_find_ek(tpm, certs->ek_key, error);
    if (bundle->ek == NULL)
        return FALSE;
    bundle->ek_cert = g_steal_pointer(&ek);
    bundle->ca_cert = g_steal_pointer(&ca);
    return TRUE;
}
