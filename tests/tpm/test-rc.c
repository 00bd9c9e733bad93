/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/rc.h"
#include "base/error.h"

#include <string.h>

static void
test_base(void)
{
    /* TPM_RC_VALUE about parameter 1, handle 2 and session 3; from two layers. */
    g_assert_cmphex(cvs_rc_base(0x1c4), ==, TPM2_RC_VALUE);
    g_assert_cmphex(cvs_rc_base(0x284), ==, TPM2_RC_VALUE);
    g_assert_cmphex(cvs_rc_base(0xb84), ==, TPM2_RC_VALUE);
    g_assert_cmphex(cvs_rc_base(TSS2_RESMGR_TPM_RC_LAYER | 0x1c4), ==, TPM2_RC_VALUE);
    g_assert_cmphex(cvs_rc_base(0x921), ==, TPM2_RC_LOCKOUT);
    g_assert_cmphex(cvs_rc_base(0x101), ==, TPM2_RC_FAILURE);
    g_assert_cmphex(cvs_rc_base(TPM2_RC_BAD_TAG), ==, TPM2_RC_BAD_TAG);
    g_assert_cmphex(cvs_rc_base(TSS2_RC_SUCCESS), ==, 0);
    /* No TPM 2.0 says these; a changed answer does. */
    g_assert_cmphex(cvs_rc_base(0x80), ==, 0);
    g_assert_cmphex(cvs_rc_base(0x40), ==, 0);
    g_assert_cmphex(cvs_rc_base(0x800), ==, 0);
    g_assert_cmphex(cvs_rc_base(TSS2_ESYS_RC_RSP_AUTH_FAILED), ==, 0);
    g_assert_cmphex(cvs_rc_base(TSS2_TCTI_RC_IO_ERROR), ==, 0);
}

static void
test_classes(void)
{
    static const TSS2_RC retried[] = {TPM2_RC_RETRY, TPM2_RC_YIELDED, TPM2_RC_TESTING,
                                      TPM2_RC_NV_RATE};
    static const TSS2_RC lost[] = {TPM2_RC_REFERENCE_H0, TPM2_RC_REFERENCE_H6, TPM2_RC_REFERENCE_S0,
                                   TPM2_RC_REFERENCE_S6, TPM2_RC_CONTEXT_GAP,  0x98b};

    for (gsize i = 0; i < G_N_ELEMENTS(retried); i++)
        g_assert_true(cvs_rc_wants_retry(retried[i]));
    g_assert_false(cvs_rc_wants_retry(TPM2_RC_LOCKOUT));
    g_assert_false(cvs_rc_wants_retry(TSS2_RC_SUCCESS));
    for (gsize i = 0; i < G_N_ELEMENTS(lost); i++)
        g_assert_true(cvs_rc_is_session_lost(lost[i]));
    g_assert_false(cvs_rc_is_session_lost(0x98e));
    g_assert_true(cvs_rc_is_fatal(TSS2_TCTI_RC_IO_ERROR));
    g_assert_true(cvs_rc_is_fatal(TPM2_RC_FAILURE));
    g_assert_false(cvs_rc_is_fatal(0x1c4));
}

static void
test_errors(void)
{
    static const struct {
        TSS2_RC rc;
        int code;
    } known[] = {
        {TSS2_TCTI_RC_IO_ERROR, CVS_ERROR_TPM_UNAVAILABLE},
        {TSS2_ESYS_RC_RSP_AUTH_FAILED, CVS_ERROR_TPM_UNAVAILABLE},
        {TPM2_RC_FAILURE, CVS_ERROR_TPM_UNAVAILABLE},
        {TPM2_RC_INITIALIZE, CVS_ERROR_TPM_UNAVAILABLE},
        {TPM2_RC_RETRY, CVS_ERROR_TPM_UNAVAILABLE},
        {TPM2_RC_LOCKOUT, CVS_ERROR_TPM_LOCKOUT},
        {TPM2_RC_PCR_CHANGED, CVS_ERROR_BUSY},
        {TPM2_RC_SESSION_MEMORY, CVS_ERROR_BUSY},
        {TSS2_RESMGR_RC_LAYER | TPM2_RC_OBJECT_MEMORY, CVS_ERROR_BUSY},
        {TPM2_RC_CONTEXT_GAP, CVS_ERROR_BUSY},
        {0x1c4, CVS_ERROR_FAILED},
        {TPM2_RC_COMMAND_CODE, CVS_ERROR_FAILED},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(known); i++) {
        g_autoptr(GError) error = NULL;

        cvs_rc_set_error(known[i].rc, "testing", &error);
        g_assert_error(error, CVS_ERROR, known[i].code);
        g_assert_nonnull(strstr(error->message, "testing"));
        g_assert_nonnull(strstr(error->message, "0x"));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tpm/rc/base", test_base);
    g_test_add_func("/tpm/rc/classes", test_classes);
    g_test_add_func("/tpm/rc/errors", test_errors);
    return g_test_run();
}
