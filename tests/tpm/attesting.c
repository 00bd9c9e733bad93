/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/attesting.h"

GBytes *
attest_read_file(TestTpm *tpm, const char *name)
{
    g_autofree char *path = g_build_filename(test_tpm_dir(tpm), name, NULL);
    g_autoptr(GError) error = NULL;
    char *data = NULL;
    gsize size = 0;

    g_assert_true(g_file_get_contents(path, &data, &size, &error));
    return g_bytes_new_take(data, size);
}

void
attest_write_file(TestTpm *tpm, const char *name, GBytes *bytes)
{
    g_autofree char *path = g_build_filename(test_tpm_dir(tpm), name, NULL);

    g_assert_true(g_file_set_contents(path, g_bytes_get_data(bytes, NULL),
                                      (gssize)g_bytes_get_size(bytes), NULL));
}

CvsPublicArea *
attest_read_public(TestTpm *tpm, const char *name)
{
    g_autoptr(GBytes) bytes = attest_read_file(tpm, name);
    g_autoptr(GError) error = NULL;
    CvsReader reader = {0};
    CvsPublicArea *area = NULL;

    cvs_reader_init(&reader, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
    area = cvs_public_area_read(&reader, name, &error);
    g_assert_no_error(error);
    g_assert_true(cvs_reader_done(&reader));
    return area;
}

CvsPublicArea *
attest_create_ek(TestTpm *tpm, const char *algorithm)
{
    g_free(test_tpm_run(tpm, "tpm2_createek -G %s -c ek.ctx -u ek.pub", algorithm));
    return attest_read_public(tpm, "ek.pub");
}

CvsTpm *
attest_open(TestTpm *tpm)
{
    return cvs_tpm_new(test_tpm_tcti(tpm));
}

CvsTpm *
attest_open_pinned(TestTpm *tpm, const CvsPublicArea *ek)
{
    CvsTpm *client = attest_open(tpm);
    g_autoptr(GError) error = NULL;

    (void)cvs_tpm_pin_ek(client, ek, TRUE, &error);
    g_assert_no_error(error);
    return client;
}

void
attest_quote(CvsTpm *tpm, CvsPublicArea **ret_ak, CvsQuote *ret_quote, CvsQuoteWanted *ret_wanted)
{
    const CvsPcrSelection selection = {.bank = CVS_SHA256, .mask = 0x85};
    g_autoptr(GError) error = NULL;
    CvsQuoteFacts facts = {0};

    *ret_wanted = (CvsQuoteWanted){
        .nonce = ATTEST_NONCE, .nonce_size = strlen(ATTEST_NONCE), .selection = selection};
    *ret_ak = cvs_tpm_read_ak(tpm, CVS_AK_OWN, &ret_wanted->qualified, &error);
    g_assert_no_error(error);
    ret_wanted->ak = (*ret_ak)->key;
    (void)cvs_tpm_quote(tpm, CVS_AK_OWN, *ret_ak, &selection, ATTEST_NONCE, strlen(ATTEST_NONCE),
                        ret_quote, &facts, &error);
    g_assert_no_error(error);
}

void
attest_assert_refused(const CvsQuote *quote, const CvsQuoteWanted *wanted, const char *reason)
{
    g_autoptr(GError) error = NULL;
    CvsQuoteFacts facts = {0};

    g_assert_false(cvs_quote_judge(quote, wanted, &facts, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED);
    if (!cvs_error_has_reason(error, reason))
        g_error("not refused by %s: %s", reason, error->message);
    g_assert_cmpuint(cvs_error_get_reasons(error)->len, ==, 1);
}
