/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Attestation keys, quotes, challenges: the TPM's side, and the two sides against each other. */

#include "tpm/attesting.h"
#include "tpm/credential-activate.h"
#include "tpm/tpm-private.h"

#include <string.h>

#define SIGNER "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign"

static void
assert_nothing_left(TestTpm *tpm, CvsTpm *client)
{
    cvs_tpm_idle(client);
    g_assert_cmpuint(test_tpm_count_handles(tpm), ==, 0);
}

/* A whole attestation, and how much of a TPM's time it takes. */
static void
test_whole(gconstpointer data)
{
    g_autoptr(TestTpm) tpm = test_tpm_new(TPM_MUX_DEFAULT);
    g_autoptr(CvsPublicArea) ek = attest_create_ek(tpm, data), ak = NULL, again = NULL;
    g_autoptr(CvsTpm) first = attest_open_pinned(tpm, ek), client = NULL;
    g_auto(CvsQuote) quote = {0};
    CvsQuoteWanted wanted = {0};
    CvsQuoteFacts facts = {0};
    CvsName qualified = {0};
    g_autoptr(GError) error = NULL;
    guint64 pinned = 0, read = 0;

    g_clear_pointer(&first, cvs_tpm_free);
    tpm_mux_reset_counts(test_tpm_mux(tpm));
    client = attest_open_pinned(tpm, ek);
    pinned = cvs_tpm_commands_sent(client);
    again = cvs_tpm_read_ak(client, CVS_AK_OWN, &qualified, &error);
    g_assert_no_error(error);
    read = cvs_tpm_commands_sent(client);
    /* Reads the key once more. */
    attest_quote(client, &ak, &quote, &wanted);
    g_assert_true(cvs_public_area_equal(ak, again));
    g_assert_true(cvs_quote_judge(&quote, &wanted, &facts, &error));
    g_assert_no_error(error);
    g_test_message("commands sent: %" G_GUINT64_FORMAT " to pin, %" G_GUINT64_FORMAT
                   " to read the AK first, %" G_GUINT64_FORMAT " to read it again and quote; "
                   "%" G_GUINT64_FORMAT " seen by the TPM in all",
                   pinned, read - pinned, cvs_tpm_commands_sent(client) - read,
                   tpm_mux_seen(test_tpm_mux(tpm), 0));
    /* The SRK's public area, the handles, the key made, session, flush, the public area in it,
     * flush. */
    g_assert_cmpuint(pinned, ==, 7);
    /* Session, make, flush; then without the first, and PCRs, make, quote, flush. */
    g_assert_cmpuint(read - pinned, ==, 3);
    g_assert_cmpuint(cvs_tpm_commands_sent(client) - read, ==, 6);
    assert_nothing_left(tpm, client);
}

/* A PCR that is extended while it is quoted. */
typedef struct {
    guint n_quotes;
    guint n_disturbed;
    CvsTpm *extender;
} Disturber;

/* Extends PCR 7 in the SHA-256 bank straight before each of the first n quotes. */
static gboolean
extend_before_quote(guint32 command, guint8 *response, gsize *size, gpointer data)
{
    Disturber *disturber = data;

    if (command == TPM2_CC_PCR_Read && disturber->n_quotes++ < disturber->n_disturbed) {
        TPML_DIGEST_VALUES digests = {.count = 1, .digests = {{.hashAlg = TPM2_ALG_SHA256}}};

        digests.digests[0].digest.sha256[0] = 1;
        g_assert_cmphex(Esys_PCR_Extend(disturber->extender->esys, ESYS_TR_PCR7, ESYS_TR_PASSWORD,
                                        ESYS_TR_NONE, ESYS_TR_NONE, &digests),
                        ==, TSS2_RC_SUCCESS);
    }
    return TRUE;
}

static void
test_disturbed(void)
{
    g_autoptr(TestTpm) tpm = test_tpm_new(TPM_MUX_DEFAULT);
    g_autoptr(CvsPublicArea) ek = attest_create_ek(tpm, "ecc"), ak = NULL;
    g_autoptr(CvsTpm) client = attest_open_pinned(tpm, ek);
    g_autoptr(CvsTpm) extender = cvs_tpm_new(test_tpm_port(tpm, "extender"));
    const CvsPcrSelection selection = {.bank = CVS_SHA256, .mask = 0x80};
    Disturber disturber = {.n_disturbed = 3, .extender = extender};
    g_auto(CvsQuote) quote = {0};
    g_autoptr(GError) error = NULL, busy = NULL;
    CvsQuoteFacts facts = {0};
    guint8 truth[CVS_DIGEST_MAX];

    g_assert_true(cvs_tpm_connect(extender, &error));
    ak = cvs_tpm_read_ak(client, CVS_AK_OWN, NULL, &error);
    g_assert_no_error(error);
    client->watch.hook = extend_before_quote;
    client->watch.hook_data = &disturber;
    (void)cvs_tpm_quote(client, CVS_AK_OWN, ak, &selection, "n", 1, &quote, &facts, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(disturber.n_quotes, ==, 4);
    test_tpm_read_pcr(tpm, CVS_SHA256, 7, truth);
    g_assert_cmpmem(quote.values.value[7], 32, truth, 32);

    disturber = (Disturber){.n_disturbed = G_MAXUINT, .extender = extender};
    cvs_quote_clear(&quote);
    g_assert_false(
        cvs_tpm_quote(client, CVS_AK_OWN, ak, &selection, "n", 1, &quote, &facts, &busy));
    g_assert_error(busy, CVS_ERROR, CVS_ERROR_BUSY);
    g_assert_null(quote.attest);
    g_assert_cmpuint(disturber.n_quotes, ==, 16);
    client->watch.hook = NULL;
    cvs_tpm_idle(extender);
    assert_nothing_left(tpm, client);
}

static void
test_banks(void)
{
    g_autoptr(TestTpm) tpm = test_tpm_new(TPM_MUX_DEFAULT);
    g_autoptr(CvsPublicArea) ek = attest_create_ek(tpm, "ecc"), ak = NULL;
    g_autoptr(CvsTpm) client = attest_open_pinned(tpm, ek);
    const CvsPcrSelection all = {.bank = CVS_SHA384, .mask = CVS_PCR_MASK_ALL};
    const CvsPcrSelection sha1 = {.bank = CVS_SHA1, .mask = 1};
    g_auto(CvsQuote) quote = {0}, none = {0};
    g_autoptr(GError) error = NULL, refused = NULL;
    CvsQuoteFacts facts = {0};

    ak = cvs_tpm_read_ak(client, CVS_AK_OWN, NULL, &error);
    (void)cvs_tpm_quote(client, CVS_AK_OWN, ak, &all, "n", 1, &quote, &facts, &error);
    g_assert_no_error(error);
    g_assert_false(cvs_tpm_quote(client, CVS_AK_OWN, ak, &sha1, "n", 1, &none, &facts, &refused));
    assert_refused(refused, ATTESTATION_FAILED, CVS_REASON_TPM_QUOTE_SELECTION);
    g_assert_null(none.attest);
    assert_nothing_left(tpm, client);
}

/* A key as Azure's, which is persistent. */
static void
test_persistent_ak(void)
{
    g_autoptr(TestTpm) tpm = test_tpm_new(TPM_MUX_DEFAULT);
    g_autoptr(CvsPublicArea) ek = attest_create_ek(tpm, "rsa"), ak = NULL, own = NULL;
    g_autoptr(CvsTpm) client = attest_open_pinned(tpm, ek);
    const CvsPcrSelection selection = {.bank = CVS_SHA256, .mask = 0x80};
    const guint32 hierarchy = GUINT32_TO_BE(TPM2_RH_ENDORSEMENT);
    CvsName qualified = {0}, wanted = {0};
    g_auto(CvsQuote) quote = {0}, other = {0};
    g_autoptr(GError) none = NULL, error = NULL, changed = NULL;
    CvsQuoteFacts facts = {0};

    g_assert_null(cvs_tpm_read_ak(client, CVS_AK_AZURE, NULL, &none));
    g_assert_error(none, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED);
    g_free(test_tpm_run(tpm, "tpm2_createprimary -C e -G rsa2048:rsassa-sha256:null -c ak.ctx "
                             "-a '" SIGNER "'"));
    g_free(test_tpm_run(tpm, "tpm2_evictcontrol -C o -c ak.ctx 0x81000003"));
    ak = cvs_tpm_read_ak(client, CVS_AK_AZURE, &qualified, &error);
    g_assert_no_error(error);
    cvs_name_qualify(&hierarchy, 4, ak, &wanted);
    g_assert_cmpmem(qualified.bytes, qualified.size, wanted.bytes, wanted.size);
    (void)cvs_tpm_quote(client, CVS_AK_AZURE, ak, &selection, "n", 1, &quote, &facts, &error);
    g_assert_no_error(error);
    assert_nothing_left(tpm, client);

    own = cvs_tpm_read_ak(client, CVS_AK_OWN, NULL, &error);
    g_assert_no_error(error);
    g_assert_false(
        cvs_tpm_quote(client, CVS_AK_AZURE, own, &selection, "n", 1, &other, &facts, &changed));
    assert_refused(changed, TPM_REPLACED, CVS_REASON_EK_CHANGED);
    assert_nothing_left(tpm, client);
}

static void
test_unfit_ak(gconstpointer data)
{
    const char *const *parts = data; /* options, what is missing */
    g_autoptr(TestTpm) tpm = test_tpm_new(TPM_MUX_DEFAULT);
    g_autoptr(CvsTpm) client = attest_open(tpm);
    g_autoptr(GError) error = NULL;

    g_assert_nonnull(cvs_tpm_get_srk_name(client, TRUE, NULL));
    g_free(test_tpm_run(tpm, "tpm2_createprimary -C o -c parent.ctx"));
    g_free(test_tpm_run(tpm, "tpm2_create -C parent.ctx %s -u ak.pub -r ak.priv", parts[0]));
    g_free(test_tpm_run(tpm, "tpm2_load -C parent.ctx -u ak.pub -r ak.priv -c ak.ctx"));
    g_free(test_tpm_run(tpm, "tpm2_evictcontrol -C o -c ak.ctx 0x81000003"));
    g_assert_null(cvs_tpm_read_ak(client, CVS_AK_AZURE, NULL, &error));
    assert_refused(error, ATTESTATION_FAILED, CVS_REASON_AK_UNFIT);
    if (strstr(error->message, parts[1]) == NULL)
        g_error("%s", error->message);
    assert_nothing_left(tpm, client);
}

static void
test_imported_ak(void)
{
    g_autoptr(TestTpm) tpm = test_tpm_new(TPM_MUX_DEFAULT);
    g_autoptr(CvsTpm) client = attest_open(tpm);
    g_autoptr(GError) error = NULL;

    g_assert_nonnull(cvs_tpm_get_srk_name(client, TRUE, NULL));
    g_free(test_tpm_run(tpm, "tpm2_createprimary -C o -c parent.ctx"));
    g_free(test_tpm_run(tpm, "openssl genrsa -out evil.pem 2048"));
    g_free(test_tpm_run(tpm, "tpm2_import -C parent.ctx -G rsa2048:rsassa-sha256:null -i evil.pem "
                             "-a 'userwithauth|restricted|sign|noda' -u ak.pub -r ak.priv"));
    g_free(test_tpm_run(tpm, "tpm2_load -C parent.ctx -u ak.pub -r ak.priv -c ak.ctx"));
    g_free(test_tpm_run(tpm, "tpm2_evictcontrol -C o -c ak.ctx 0x81000003"));
    g_assert_null(cvs_tpm_read_ak(client, CVS_AK_AZURE, NULL, &error));
    assert_refused(error, ATTESTATION_FAILED, CVS_REASON_AK_UNFIT);
}

static CvsSecret *
random_secret(gsize size)
{
    g_autoptr(GError) error = NULL;
    CvsSecret *secret = cvs_secret_new_random(size, &error);

    g_assert_no_error(error);
    return secret;
}

/* Made without a TPM, answered by one. */
static void
test_challenge(gconstpointer data)
{
    g_autoptr(TestTpm) tpm = test_tpm_new(TPM_MUX_DEFAULT);
    g_autoptr(CvsPublicArea) ek = attest_create_ek(tpm, data), ak = NULL;
    g_autoptr(CvsTpm) client = attest_open_pinned(tpm, ek);
    g_autoptr(GError) error = NULL;
    const gsize max = cvs_hash_size(ek->name_alg);
    const gsize sizes[] = {1, 16, max};

    ak = cvs_tpm_read_ak(client, CVS_AK_OWN, NULL, &error);
    g_assert_no_error(error);
    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(CvsSecret) secret = random_secret(sizes[i]), answer = NULL;
        g_auto(CvsCredential) credential = {0};

        (void)cvs_credential_make(ek, &ak->name, secret, &credential, &error);
        g_assert_no_error(error);
        answer = cvs_tpm_activate_credential(client, ek, CVS_AK_OWN, &credential, &error);
        g_assert_no_error(error);
        g_assert_true(cvs_secret_equal(answer, secret));
        g_test_message("%" G_GUINT64_FORMAT " commands by now", cvs_tpm_commands_sent(client));
    }
    assert_nothing_left(tpm, client);
    {
        g_autoptr(CvsSecret) long_one = random_secret(max + 1), short_one = random_secret(1);
        g_auto(CvsCredential) credential = {0};
        g_autoptr(GError) refused = NULL, unfit = NULL;

        g_assert_false(cvs_credential_make(ek, &ak->name, long_one, &credential, &refused));
        g_assert_error(refused, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
        g_assert_false(cvs_credential_make(ak, &ak->name, short_one, &credential, &unfit));
        g_assert_error(unfit, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
        g_assert_nonnull(strstr(unfit->message, "no storage key"));
    }
}

/* The tools' file: magic, version, TPM2B_ID_OBJECT, TPM2B_ENCRYPTED_SECRET. */
static void
test_tools_make(gconstpointer data)
{
    static const guint8 header[] = {0xba, 0xdc, 0xc0, 0xde, 0, 0, 0, 1};
    g_autoptr(TestTpm) tpm = test_tpm_new(TPM_MUX_DEFAULT);
    g_autoptr(CvsPublicArea) ek = attest_create_ek(tpm, data), ak = NULL;
    g_autoptr(CvsTpm) client = attest_open_pinned(tpm, ek);
    g_autoptr(CvsSecret) secret = random_secret(32), answer = NULL;
    g_autoptr(GBytes) plain = g_bytes_new(cvs_secret_peek(secret), 32), file = NULL;
    g_autoptr(GBytes) id_object = NULL, encrypted = NULL;
    g_autofree char *name = NULL;
    CvsCredential credential = {0};
    g_autoptr(GError) error = NULL;
    const guint8 *bytes = NULL;
    gsize first = 0;
    GString *hex = g_string_new(NULL);

    ak = cvs_tpm_read_ak(client, CVS_AK_OWN, NULL, &error);
    g_assert_no_error(error);
    for (gsize i = 0; i < ak->name.size; i++)
        g_string_append_printf(hex, "%02x", ak->name.bytes[i]);
    name = g_string_free(hex, FALSE);
    attest_write_file(tpm, "secret", plain);
    g_free(test_tpm_run(tpm, "tpm2_makecredential -u ek.pub -s secret -n %s -o file", name));
    file = attest_read_file(tpm, "file");
    bytes = g_bytes_get_data(file, NULL);
    g_assert_cmpmem(bytes, 8, header, 8);
    first = 2u + (gsize)(bytes[8] << 8 | bytes[9]);
    id_object = g_bytes_new_from_bytes(file, 8, first);
    encrypted = g_bytes_new_from_bytes(file, 8 + first, g_bytes_get_size(file) - 8 - first);
    credential = (CvsCredential){.id_object = id_object, .encrypted_secret = encrypted};
    answer = cvs_tpm_activate_credential(client, ek, CVS_AK_OWN, &credential, &error);
    g_assert_no_error(error);
    g_assert_true(cvs_secret_equal(answer, secret));
}

/* Ours, answered by the tools, whose attestation key is any key. */
static void
test_tools_answer(gconstpointer data)
{
    static const guint8 header[] = {0xba, 0xdc, 0xc0, 0xde, 0, 0, 0, 1};
    g_autoptr(TestTpm) tpm = test_tpm_new(TPM_MUX_DEFAULT);
    g_autoptr(CvsPublicArea) ek = attest_create_ek(tpm, data), ak = NULL;
    g_autoptr(CvsSecret) secret = random_secret(32);
    g_autoptr(GBytes) answer = NULL, file = NULL;
    g_auto(CvsCredential) credential = {0};
    g_autoptr(GByteArray) bytes = g_byte_array_new();
    g_autoptr(GError) error = NULL;

    g_free(test_tpm_run(tpm, "tpm2_createprimary -C e -G ecc256:ecdsa-sha256:null -c ak.ctx "
                             "-a '" SIGNER "'"));
    g_free(test_tpm_run(tpm, "tpm2_readpublic -c ak.ctx -o ak.pub"));
    ak = attest_read_public(tpm, "ak.pub");
    (void)cvs_credential_make(ek, &ak->name, secret, &credential, &error);
    g_assert_no_error(error);
    g_byte_array_append(bytes, header, sizeof header);
    g_byte_array_append(bytes, g_bytes_get_data(credential.id_object, NULL),
                        (guint)g_bytes_get_size(credential.id_object));
    g_byte_array_append(bytes, g_bytes_get_data(credential.encrypted_secret, NULL),
                        (guint)g_bytes_get_size(credential.encrypted_secret));
    file = g_byte_array_free_to_bytes(g_steal_pointer(&bytes));
    attest_write_file(tpm, "file", file);
    g_free(test_tpm_run(tpm, "tpm2_startauthsession --policy-session -S session"));
    g_free(test_tpm_run(tpm, "tpm2_policysecret -S session -c e"));
    g_free(test_tpm_run(tpm, "tpm2_activatecredential -c ak.ctx -C ek.ctx -i file -o answer "
                             "-P session:session"));
    answer = attest_read_file(tpm, "answer");
    g_assert_cmpmem(g_bytes_get_data(answer, NULL), g_bytes_get_size(answer),
                    cvs_secret_peek(secret), 32);
}

static void
assert_challenge_refused(CvsTpm *client, const CvsPublicArea *ek, const CvsCredential *credential)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(cvs_tpm_activate_credential(client, ek, CVS_AK_OWN, credential, &error));
    assert_refused(error, ATTESTATION_FAILED, CVS_REASON_CREDENTIAL_REFUSED);
}

/* A bit of either part, at many places; cut; for another key; for another TPM. */
static void
test_challenge_refused(void)
{
    g_autoptr(TestTpm) tpm = test_tpm_new(TPM_MUX_DEFAULT);
    g_autoptr(CvsPublicArea) ek = attest_create_ek(tpm, "ecc"), ak = NULL, foreign = NULL;
    g_autoptr(CvsTpm) client = attest_open_pinned(tpm, ek);
    g_autoptr(CvsSecret) secret = random_secret(32);
    g_auto(CvsCredential) good = {0}, for_other = {0}, for_foreign = {0};
    g_autoptr(GError) error = NULL;
    CvsName other = {0};

    ak = cvs_tpm_read_ak(client, CVS_AK_OWN, NULL, &error);
    g_assert_true(cvs_credential_make(ek, &ak->name, secret, &good, &error));
    for (guint part = 0; part < 2; part++) {
        GBytes *whole = part ? good.encrypted_secret : good.id_object;
        gsize size = g_bytes_get_size(whole);
        g_autofree guint8 *bytes = g_memdup2(g_bytes_get_data(whole, NULL), size);

        for (gsize i = 0; i < size; i += 7) {
            g_autoptr(GBytes) changed = NULL, cut = g_bytes_new(bytes, i);
            g_autoptr(GError) malformed = NULL;
            CvsCredential credential = good;

            bytes[i] ^= 1;
            changed = g_bytes_new(bytes, size);
            bytes[i] ^= 1;
            *(part ? &credential.encrypted_secret : &credential.id_object) = changed;
            if (i >= 2)
                assert_challenge_refused(client, ek, &credential);
            *(part ? &credential.encrypted_secret : &credential.id_object) = cut;
            g_assert_null(
                cvs_tpm_activate_credential(client, ek, CVS_AK_OWN, &credential, &malformed));
            g_assert_error(malformed, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
        }
    }
    other = ak->name;
    other.bytes[33] ^= 1;
    g_assert_true(cvs_credential_make(ek, &other, secret, &for_other, &error));
    assert_challenge_refused(client, ek, &for_other);
    test_tpm_replace(tpm, 1);
    foreign = attest_create_ek(tpm, "ecc");
    test_tpm_replace(tpm, 0);
    g_assert_true(cvs_credential_make(foreign, &ak->name, secret, &for_foreign, &error));
    cvs_tpm_disconnect(client);
    assert_challenge_refused(client, ek, &for_foreign);
    assert_nothing_left(tpm, client);
    /* And still answers the right one. */
    {
        g_autoptr(CvsSecret) answer =
            cvs_tpm_activate_credential(client, ek, CVS_AK_OWN, &good, &error);

        g_assert_no_error(error);
        g_assert_true(cvs_secret_equal(answer, secret));
    }
}

int
main(int argc, char **argv)
{
    static const char *const unfit[][2] = {
        {"-G ecc256:ecdsa-sha256:null -a "
         "'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign'",
         "restricted"},
        {"-G ecc256:aes128cfb -a "
         "'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|decrypt'",
         "no signing key"},
        {"-G rsa2048 -a "
         "'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign|decrypt'",
         "restricted"},
        {"-G ecc256:ecdsa-sha256:null -a 'sensitivedataorigin|userwithauth|restricted|sign'",
         "fixedTPM"},
        {"-G ecc256:ecdsa-sha512:null -a '" SIGNER "'", "hash"},
        {"-G ecc256:ecschnorr-sha256:null -a '" SIGNER "'", "scheme"},
    };

    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/tpm/attest/whole/rsa", "rsa", test_whole);
    g_test_add_data_func("/tpm/attest/whole/ecc", "ecc", test_whole);
    g_test_add_data_func("/tpm/attest/whole/ecc384", "ecc384", test_whole);
    g_test_add_func("/tpm/attest/disturbed", test_disturbed);
    g_test_add_func("/tpm/attest/banks", test_banks);
    g_test_add_func("/tpm/attest/persistent-ak", test_persistent_ak);
    for (gsize i = 0; i < G_N_ELEMENTS(unfit); i++) {
        g_autofree char *path = g_strdup_printf("/tpm/attest/unfit-ak/%zu", i);

        g_test_add_data_func(path, unfit[i], test_unfit_ak);
    }
    g_test_add_func("/tpm/attest/imported-ak", test_imported_ak);
    g_test_add_data_func("/tpm/attest/challenge/rsa", "rsa", test_challenge);
    g_test_add_data_func("/tpm/attest/challenge/ecc", "ecc", test_challenge);
    g_test_add_data_func("/tpm/attest/challenge/ecc384", "ecc384", test_challenge);
    g_test_add_data_func("/tpm/attest/challenge/tools-make/rsa", "rsa", test_tools_make);
    g_test_add_data_func("/tpm/attest/challenge/tools-make/ecc", "ecc", test_tools_make);
    g_test_add_data_func("/tpm/attest/challenge/tools-answer/rsa", "rsa", test_tools_answer);
    g_test_add_data_func("/tpm/attest/challenge/tools-answer/ecc", "ecc", test_tools_answer);
    g_test_add_func("/tpm/attest/challenge/refused", test_challenge_refused);
    return g_test_run();
}
