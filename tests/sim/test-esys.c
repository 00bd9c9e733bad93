/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/test-esys.h"

#include <tss2/tss2_tctildr.h>

ESYS_CONTEXT *
test_esys_open(const char *tcti_conf)
{
    TSS2_TCTI_CONTEXT *tcti = NULL;
    ESYS_CONTEXT *esys = NULL;

    g_assert_cmphex(Tss2_TctiLdr_Initialize(tcti_conf, &tcti), ==, TSS2_RC_SUCCESS);
    g_assert_cmphex(Esys_Initialize(&esys, tcti, NULL), ==, TSS2_RC_SUCCESS);
    return esys;
}

void
test_esys_close(ESYS_CONTEXT *esys)
{
    TSS2_TCTI_CONTEXT *tcti = NULL;

    g_assert_cmphex(Esys_GetTcti(esys, &tcti), ==, TSS2_RC_SUCCESS);
    Esys_Finalize(&esys);
    Tss2_TctiLdr_Finalize(&tcti);
}

TSS2_RC
test_esys_start_session(ESYS_CONTEXT *esys, TPM2_SE type, ESYS_TR *ret_session)
{
    const TPMT_SYM_DEF symmetric = {.algorithm = TPM2_ALG_NULL};

    return Esys_StartAuthSession(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                 ESYS_TR_NONE, NULL, type, &symmetric, TPM2_ALG_SHA256,
                                 ret_session);
}

TSS2_RC
test_esys_get_random(ESYS_CONTEXT *esys, ESYS_TR session)
{
    TPM2B_DIGEST *bytes = NULL;
    TSS2_RC rc = TSS2_RC_SUCCESS;

    /* A session beside a command without authorisation must have a purpose, and one that is not
     * told to go on ends with the command. */
    if (session != ESYS_TR_NONE)
        rc = Esys_TRSess_SetAttributes(esys, session,
                                       TPMA_SESSION_CONTINUESESSION | TPMA_SESSION_AUDIT, 0xff);
    if (rc == TSS2_RC_SUCCESS)
        rc = Esys_GetRandom(esys, session, ESYS_TR_NONE, ESYS_TR_NONE, 8, &bytes);
    Esys_Free(bytes);
    return rc;
}

TSS2_RC
test_esys_create_primary(ESYS_CONTEXT *esys, ESYS_TR *ret_object)
{
    const TPM2B_SENSITIVE_CREATE sensitive = {0};
    const TPM2B_DATA outside = {0};
    const TPML_PCR_SELECTION pcrs = {0};
    const TPM2B_PUBLIC public = {
        .publicArea =
            {
                .type = TPM2_ALG_ECC,
                .nameAlg = TPM2_ALG_SHA256,
                .objectAttributes = TPMA_OBJECT_FIXEDTPM | TPMA_OBJECT_FIXEDPARENT |
                                    TPMA_OBJECT_SENSITIVEDATAORIGIN | TPMA_OBJECT_USERWITHAUTH |
                                    TPMA_OBJECT_RESTRICTED | TPMA_OBJECT_DECRYPT,
                .parameters.eccDetail =
                    {
                        .symmetric = {.algorithm = TPM2_ALG_AES,
                                      .keyBits.aes = 128,
                                      .mode.aes = TPM2_ALG_CFB},
                        .scheme.scheme = TPM2_ALG_NULL,
                        .curveID = TPM2_ECC_NIST_P256,
                        .kdf.scheme = TPM2_ALG_NULL,
                    },
            },
    };

    return Esys_CreatePrimary(esys, ESYS_TR_RH_OWNER, ESYS_TR_PASSWORD, ESYS_TR_NONE, ESYS_TR_NONE,
                              &sensitive, &public, &outside, &pcrs, ret_object, NULL, NULL, NULL,
                              NULL);
}

guint
test_esys_count_handles(ESYS_CONTEXT *esys, guint32 from, guint32 *ret_first)
{
    TPMS_CAPABILITY_DATA *data = NULL;
    TPMI_YES_NO more;
    guint n;

    g_assert_cmphex(Esys_GetCapability(esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                       TPM2_CAP_HANDLES, from, 16, &more, &data),
                    ==, TSS2_RC_SUCCESS);
    n = data->data.handles.count;
    if (ret_first && n > 0)
        *ret_first = data->data.handles.handle[0];
    Esys_Free(data);
    return n;
}
