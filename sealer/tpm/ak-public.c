/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/ak-public.h"

#include <tss2/tss2_tpm2_types.h>

const char *
cvs_ak_lacks(const CvsPublicArea *area)
{
    static const struct {
        TPMA_OBJECT bit;
        gboolean set;
        const char *lack;
    } wanted[] = {
        {TPMA_OBJECT_FIXEDTPM, TRUE, "fixedTPM is clear: it can be moved to another TPM"},
        {TPMA_OBJECT_FIXEDPARENT, TRUE, "fixedParent is clear: it can be moved"},
        {TPMA_OBJECT_SENSITIVEDATAORIGIN, TRUE,
         "sensitiveDataOrigin is clear: its private part came from outside of the TPM"},
        {TPMA_OBJECT_RESTRICTED, TRUE,
         "restricted is clear: it signs what anybody makes look like a quote"},
        {TPMA_OBJECT_SIGN_ENCRYPT, TRUE, "it is no signing key"},
        {TPMA_OBJECT_DECRYPT, FALSE, "it decrypts"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(wanted); i++) {
        if (!!(area->attributes & wanted[i].bit) != wanted[i].set)
            return wanted[i].lack;
    }
    if (area->scheme_hash != TPM2_ALG_SHA256 && area->scheme_hash != TPM2_ALG_SHA384)
        return "it signs over a hash that is not accepted";
    if (area->scheme != TPM2_ALG_RSASSA && area->scheme != TPM2_ALG_RSAPSS &&
        area->scheme != TPM2_ALG_ECDSA)
        return "it signs by an algorithm that is not accepted";
    return NULL;
}
