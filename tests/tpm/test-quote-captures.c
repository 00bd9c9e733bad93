/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Quotes of real machines, where they are beside the project. */

#include "base/error.h"
#include "base/json.h"
#include "tee/captures.h"
#include "tpm/quote-vectors.h"

#include <openssl/pem.h>
#include <string.h>

static const CvsQuoteWanted wanted_all = {
    .nonce = "challenge",
    .nonce_size = 9,
    .name_alg = CVS_SHA256,
    .selection = {.bank = CVS_SHA256, .mask = CVS_PCR_MASK_ALL},
};

static void
assert_good(const CvsQuote *quote, EVP_PKEY *ak)
{
    CvsQuoteWanted wanted = wanted_all;
    CvsQuoteFacts facts = {0};
    g_autoptr(GError) error = NULL;

    wanted.ak = ak;
    (void)cvs_quote_judge(quote, &wanted, &facts, &error);
    g_assert_no_error(error);
    g_assert_cmphex(facts.firmware, ==, G_GUINT64_CONSTANT(0x2020031200120003));
    g_assert_cmpuint(facts.clock.reset_count, <, 10);
}

static GError *
refusal(const CvsQuote *quote, const CvsQuoteWanted *wanted)
{
    CvsQuoteFacts facts = {0};
    GError *error = NULL;

    g_assert_false(cvs_quote_judge(quote, wanted, &facts, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED);
    return error;
}

static void
assert_refused_for(const CvsQuote *quote, const CvsQuoteWanted *wanted, const char *reason)
{
    g_autoptr(GError) error = refusal(quote, wanted);

    g_assert_true(cvs_error_has_reason(error, reason));
    g_assert_cmpuint(cvs_error_get_reasons(error)->len, ==, 1);
}

typedef enum {
    MILAN,
    AZ_SNP,
    AZ_TDX,
    KINVOLK,
    N_MACHINES,
} Machine;

typedef struct {
    CvsQuote quotes[N_MACHINES];
    EVP_PKEY *aks[N_MACHINES];
} Machines;

static void
machines_set_up(Machines *machines)
{
    g_autoptr(GBytes) pem = captures_read("hcl/kinvolk-quote-akpub.pem");
    BIO *bio = BIO_new_mem_buf(g_bytes_get_data(pem, NULL), (int)g_bytes_get_size(pem));

    quote_vectors_read_parts("snp/azure/milan-v2.quote.msg", "snp/azure/milan-v2.quote.sig",
                             "snp/azure/milan-v2.pcrs.bin", &machines->quotes[MILAN]);
    quote_vectors_read_bincode("hcl/az-snp-tpm-quote.bincode", &machines->quotes[AZ_SNP]);
    quote_vectors_read_bincode("hcl/az-tdx-tpm-quote.bincode", &machines->quotes[AZ_TDX]);
    quote_vectors_read_bincode("hcl/kinvolk-quote.bincode", &machines->quotes[KINVOLK]);
    machines->aks[MILAN] = quote_vectors_azure_ak("snp/azure/milan-v2.hcl.bin");
    machines->aks[AZ_SNP] = quote_vectors_azure_ak("hcl/az-snp-hcl-report.bin");
    machines->aks[AZ_TDX] = quote_vectors_azure_ak("hcl/az-tdx-hcl-report.bin");
    machines->aks[KINVOLK] = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    BIO_free(bio);
}

static void
machines_clear(Machines *machines)
{
    for (guint i = 0; i < N_MACHINES; i++) {
        cvs_quote_clear(&machines->quotes[i]);
        EVP_PKEY_free(machines->aks[i]);
    }
}

/* Each is good under its own key, and refused under any other, and with the values of another. */
static void
test_machines(void)
{
    Machines machines = {0};

    if (!captures_there())
        return;
    machines_set_up(&machines);
    for (guint i = 0; i < N_MACHINES; i++) {
        assert_good(&machines.quotes[i], machines.aks[i]);
        for (guint j = 0; j < N_MACHINES; j++) {
            CvsQuoteWanted wanted = wanted_all;
            CvsQuote mixed = machines.quotes[i];

            if (EVP_PKEY_eq(machines.aks[i], machines.aks[j]) == 1)
                continue;
            wanted.ak = machines.aks[j];
            assert_refused_for(&mixed, &wanted, CVS_REASON_TPM_QUOTE_SIGNATURE);
            wanted.ak = machines.aks[i];
            mixed.values = machines.quotes[j].values;
            assert_refused_for(&mixed, &wanted, CVS_REASON_TPM_QUOTE_DIGEST);
            mixed = machines.quotes[i];
            mixed.signature = machines.quotes[j].signature;
            assert_refused_for(&mixed, &wanted, CVS_REASON_TPM_QUOTE_SIGNATURE);
        }
    }
    machines_clear(&machines);
}

/* Of another vTPM, over other PCRs. */
static void
test_foreign(void)
{
    static const char *const names[][2] = {
        {"snp/negative/azure-foreign.quote.msg", "snp/negative/azure-foreign.quote.sig"},
        {"hcl/az-snp-tpm-quote.msg", "hcl/az-snp-tpm-quote.sig"},
    };
    Machines machines = {0};

    if (!captures_there())
        return;
    machines_set_up(&machines);
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_auto(CvsQuote) quote = {0};

        quote_vectors_read_parts(names[i][0], names[i][1], "snp/azure/milan-v2.pcrs.bin", &quote);
        for (guint j = 0; j < N_MACHINES; j++) {
            CvsQuoteWanted wanted = wanted_all;
            g_autoptr(GError) error = NULL;

            wanted.ak = machines.aks[j];
            error = refusal(&quote, &wanted);
            g_assert_true(cvs_error_has_reason(error, CVS_REASON_TPM_QUOTE_SELECTION));
            g_assert_true(cvs_error_has_reason(error, CVS_REASON_TPM_QUOTE_DIGEST));
            g_assert_true(cvs_error_has_reason(error, CVS_REASON_TPM_QUOTE_SIGNATURE));
        }
    }
    machines_clear(&machines);
}

/* Every bit and every length of a real one. */
static void
test_every_byte(void)
{
    Machines machines = {0};
    CvsQuoteWanted wanted = wanted_all;

    if (!captures_there())
        return;
    machines_set_up(&machines);
    wanted.ak = machines.aks[MILAN];
    for (guint part = 0; part < 2; part++) {
        CvsQuote quote = machines.quotes[MILAN];
        GBytes **field = part ? &quote.signature : &quote.attest;
        GBytes *good = *field;
        gsize size = g_bytes_get_size(good);
        g_autofree guint8 *bytes = g_memdup2(g_bytes_get_data(good, NULL), size);

        for (gsize i = 0; i < 9 * size; i++) {
            g_autoptr(GBytes) bad = NULL;
            g_autoptr(GError) error = NULL;
            CvsQuoteFacts facts = {0};

            if (i < 8 * size)
                bytes[i / 8] ^= (guint8)(1u << i % 8);
            bad = g_bytes_new(bytes, i < 8 * size ? size : i - 8 * size);
            if (i < 8 * size)
                bytes[i / 8] ^= (guint8)(1u << i % 8);
            *field = bad;
            if (cvs_quote_judge(&quote, &wanted, &facts, &error))
                g_error("part %u, change %zu was accepted", part, i);
            g_assert_cmpuint(cvs_error_get_reasons(error)->len, >, 0);
        }
    }
    machines_clear(&machines);
}

/* The SHA-1 bank, signed over SHA-1, by a key whose whole public area is known. */
static void
test_sha1(void)
{
    g_autoptr(json_t) json = NULL;
    g_autoptr(CvsPublicArea) ak = NULL;
    g_autoptr(GError) error = NULL, refused = NULL;
    g_autofree guint8 *area = NULL, *attest = NULL, *signature = NULL;
    gsize area_size = 0, attest_size = 0, signature_size = 0;
    CvsQuoteWanted wanted = {.nonce = "", .selection = {.bank = CVS_SHA1, .mask = 0xffffff}};
    g_auto(CvsQuote) quote = {0};
    const json_t *pcrs = NULL;
    json_t *pcr = NULL, *quote_json = NULL;
    size_t i = 0;

    if (!captures_there())
        return;
    json = captures_json("eventlog/attest-windows-gce-sha1.json");
    quote_json = json_object_get(json, "Quote");
    area = g_base64_decode(
        json_string_value(json_object_get(json_object_get(json, "AK"), "Public")), &area_size);
    attest = g_base64_decode(json_string_value(json_object_get(quote_json, "Quote")), &attest_size);
    signature = g_base64_decode(json_string_value(json_object_get(quote_json, "Signature")),
                                &signature_size);
    ak = cvs_public_area_parse(area, area_size, "the AK", &error);
    g_assert_no_error(error);
    quote.attest = g_bytes_new(attest, attest_size);
    quote.signature = g_bytes_new(signature, signature_size);
    quote.values.selection = wanted.selection;
    pcrs = json_object_get(json_object_get(json, "Log"), "PCRs");
    json_array_foreach (pcrs, i, pcr) {
        gsize size = 0;
        g_autofree guint8 *digest =
            g_base64_decode(json_string_value(json_object_get(pcr, "Digest")), &size);

        if (size == 20)
            memcpy(quote.values.value[json_integer_value(json_object_get(pcr, "Index"))], digest,
                   20);
    }
    wanted.ak = ak->key;
    wanted.name_alg = ak->name_alg;
    refused = refusal(&quote, &wanted);
    g_assert_true(cvs_error_has_reason(refused, CVS_REASON_TPM_QUOTE_SELECTION));
    g_assert_true(cvs_error_has_reason(refused, CVS_REASON_TPM_QUOTE_SIGNATURE));
    g_assert_false(cvs_error_has_reason(refused, CVS_REASON_TPM_QUOTE_SIGNER));
    /* Of a parent that is made up. */
    cvs_name_qualify("none", 4, ak, &wanted.qualified);
    g_clear_error(&refused);
    refused = refusal(&quote, &wanted);
    g_assert_true(cvs_error_has_reason(refused, CVS_REASON_TPM_QUOTE_SIGNER));
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tpm/quote-captures/machines", test_machines);
    g_test_add_func("/tpm/quote-captures/foreign", test_foreign);
    g_test_add_func("/tpm/quote-captures/every-byte", test_every_byte);
    g_test_add_func("/tpm/quote-captures/sha1", test_sha1);
    return g_test_run();
}
