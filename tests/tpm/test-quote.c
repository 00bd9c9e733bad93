/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/attesting.h"

#include "base/writer.h"

#include <openssl/rsa.h>
#include <string.h>
#include <tss2/tss2_tpm2_types.h>

/* A TPM with a quote of our own. */
typedef struct {
    TestTpm *tpm;
    CvsTpm *client;
    CvsPublicArea *ak;
    CvsQuote quote;
    CvsQuoteWanted wanted;
} World;

static void
world_set_up(World *world, gconstpointer data)
{
    g_autoptr(CvsPublicArea) ek = NULL;

    world->tpm = test_tpm_new(TPM_MUX_DEFAULT);
    test_tpm_extend(world->tpm, 0, "firmware");
    test_tpm_extend(world->tpm, 7, "Secure Boot");
    ek = attest_create_ek(world->tpm, "ecc");
    world->client = attest_open_pinned(world->tpm, ek);
    attest_quote(world->client, &world->ak, &world->quote, &world->wanted);
}

static void
world_tear_down(World *world, gconstpointer data)
{
    cvs_quote_clear(&world->quote);
    cvs_public_area_free(world->ak);
    cvs_tpm_free(world->client);
    test_tpm_free(world->tpm);
}

static void
assert_good(const CvsQuote *quote, const CvsQuoteWanted *wanted)
{
    CvsQuoteFacts facts = {0};
    g_autoptr(GError) error = NULL;

    (void)cvs_quote_judge(quote, wanted, &facts, &error);
    g_assert_no_error(error);
}

static void
test_good(World *world, gconstpointer data)
{
    CvsQuoteFacts facts = {0};
    CvsClock clock = {0};
    CvsTpmInfo info = {0};
    g_autoptr(GError) error = NULL;

    g_assert_true(cvs_quote_judge(&world->quote, &world->wanted, &facts, &error));
    g_assert_no_error(error);
    g_assert_true(cvs_tpm_read_clock(world->client, &clock, &error));
    g_assert_no_error(error);
    g_assert_true(cvs_tpm_get_info(world->client, &info, &error));
    /* Shown as they are, since the key is one of the endorsement hierarchy. */
    g_assert_cmpuint(facts.clock.reset_count, ==, clock.reset_count);
    g_assert_cmpuint(facts.clock.restart_count, ==, clock.restart_count);
    g_assert_cmpuint(facts.clock.clock_ms, <=, clock.clock_ms);
    g_assert_cmphex(facts.firmware, ==, info.firmware);
    g_assert_true(cvs_clock_check_forward(&clock, &facts.clock, &error));
    g_assert_no_error(error);

    /* Where only the kind of Name is known. */
    world->wanted.qualified.size = 0;
    world->wanted.name_alg = CVS_SHA256;
    assert_good(&world->quote, &world->wanted);
    world->wanted.name_alg = CVS_SHA384;
    attest_assert_refused(&world->quote, &world->wanted, CVS_REASON_TPM_QUOTE_SIGNER);
}

/* tpm2_checkquote of the same. */
static void
test_tools_agree(World *world, gconstpointer data)
{
    g_autoptr(GBytes) other = NULL;
    guint8 *changed = NULL;
    gsize size = g_bytes_get_size(world->quote.attest);

    g_free(test_tpm_run(world->tpm,
                        "tpm2_createprimary -C e -G ecc256:ecdsa-sha256:null -c ak.ctx -a "
                        "'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|noda|restricted|"
                        "sign'"));
    g_free(test_tpm_run(world->tpm, "tpm2_readpublic -c ak.ctx -f pem -o ak.pem -n ak.name"));
    other = attest_read_file(world->tpm, "ak.name");
    g_assert_cmpmem(g_bytes_get_data(other, NULL), g_bytes_get_size(other), world->ak->name.bytes,
                    world->ak->name.size);
    attest_write_file(world->tpm, "quote.msg", world->quote.attest);
    attest_write_file(world->tpm, "quote.sig", world->quote.signature);
    g_free(test_tpm_run(world->tpm, "tpm2_checkquote -u ak.pem -m quote.msg -s quote.sig -g sha256 "
                                    "-q 6e6f6e6365"));
    changed = g_memdup2(g_bytes_get_data(world->quote.attest, NULL), size);
    changed[size - 1] ^= 1;
    g_bytes_unref(world->quote.attest);
    world->quote.attest = g_bytes_new_take(changed, size);
    attest_write_file(world->tpm, "quote.msg", world->quote.attest);
    g_free(test_tpm_run_fails(world->tpm, "tpm2_checkquote -u ak.pem -m quote.msg -s quote.sig "
                                          "-g sha256 -q 6e6f6e6365"));
}

static void
test_wanted(World *world, gconstpointer data)
{
    const CvsQuoteWanted good = world->wanted;
    CvsQuoteWanted wanted = good;
    CvsQuote quote = world->quote;
    EVP_PKEY *other = EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256");

    wanted.ak = other;
    attest_assert_refused(&quote, &wanted, CVS_REASON_TPM_QUOTE_SIGNATURE);
    EVP_PKEY_free(other);
    wanted = good;
    wanted.qualified.bytes[33] ^= 1;
    attest_assert_refused(&quote, &wanted, CVS_REASON_TPM_QUOTE_SIGNER);
    /* Its Name is not its qualified Name. */
    wanted.qualified = world->ak->name;
    attest_assert_refused(&quote, &wanted, CVS_REASON_TPM_QUOTE_SIGNER);
    wanted = good;
    wanted.nonce = "nonsense";
    for (gsize size = 0; size <= 8; size++) {
        wanted.nonce_size = size;
        attest_assert_refused(&quote, &wanted, CVS_REASON_TPM_QUOTE_NONCE);
    }
    wanted.nonce = ATTEST_NONCE;
    wanted.nonce_size = 4;
    attest_assert_refused(&quote, &wanted, CVS_REASON_TPM_QUOTE_NONCE);
    wanted.nonce_size = 0;
    attest_assert_refused(&quote, &wanted, CVS_REASON_TPM_QUOTE_NONCE);

    for (guint pcr = 0; pcr < CVS_PCR_COUNT; pcr++) {
        g_autoptr(GError) error = NULL;
        CvsQuoteFacts facts;

        /* The values are still of what was quoted. */
        wanted = good;
        wanted.selection.mask ^= 1u << pcr;
        g_assert_false(cvs_quote_judge(&quote, &wanted, &facts, &error));
        assert_refused(error, ATTESTATION_FAILED, CVS_REASON_TPM_QUOTE_SELECTION);
    }
    /* Values that give the same digest, said to be of other PCRs: of 16 instead of 7. */
    wanted = good;
    wanted.selection.mask = 0x10005;
    quote.values.selection.mask = 0x10005;
    memcpy(quote.values.value[16], quote.values.value[7], 32);
    attest_assert_refused(&quote, &wanted, CVS_REASON_TPM_QUOTE_SELECTION);
    quote = world->quote;
    wanted = good;
    wanted.selection.mask = 0;
    quote.values.selection.mask = 0;
    {
        g_autoptr(GError) error = NULL;
        CvsQuoteFacts facts;

        g_assert_false(cvs_quote_judge(&quote, &wanted, &facts, &error));
        assert_refused(error, ATTESTATION_FAILED, CVS_REASON_TPM_QUOTE_SELECTION);
    }
    /* Values of fewer PCRs than those asked for. */
    quote = world->quote;
    quote.values.selection.mask = 0x81;
    {
        g_autoptr(GError) error = NULL;
        CvsQuoteFacts facts;

        g_assert_false(cvs_quote_judge(&quote, &good, &facts, &error));
        assert_refused(error, ATTESTATION_FAILED, CVS_REASON_TPM_QUOTE_SELECTION);
    }
    /* Values of what was not asked for, with the right digest. */
    quote = world->quote;
    quote.values.selection.bank = CVS_SHA384;
    {
        g_autoptr(GError) error = NULL;
        CvsQuoteFacts facts;

        g_assert_false(cvs_quote_judge(&quote, &good, &facts, &error));
        assert_refused(error, ATTESTATION_FAILED, CVS_REASON_TPM_QUOTE_SELECTION);
    }
    quote = world->quote;
    for (guint pcr = 0; pcr < CVS_PCR_COUNT; pcr++) {
        if (!(good.selection.mask & 1u << pcr))
            continue;
        quote.values.value[pcr][31] ^= 1;
        attest_assert_refused(&quote, &good, CVS_REASON_TPM_QUOTE_DIGEST);
        quote.values.value[pcr][31] ^= 1;
    }
    assert_good(&quote, &good);
}

/* Every bit of both parts, and every length: what is signed is signed. */
static void
test_every_byte(World *world, gconstpointer data)
{
    for (guint part = 0; part < 2; part++) {
        GBytes *good = part ? world->quote.signature : world->quote.attest;
        gsize size = g_bytes_get_size(good);
        g_autofree guint8 *bytes = g_malloc0(size + 1);

        memcpy(bytes, g_bytes_get_data(good, NULL), size);
        for (gsize i = 0; i < 8 * size + size + 1; i++) {
            g_autoptr(GBytes) bad = NULL;
            g_autoptr(GError) error = NULL;
            CvsQuote quote = world->quote;
            CvsQuoteFacts facts = {0};

            if (i < 8 * size) {
                bytes[i / 8] ^= (guint8)(1u << i % 8);
                bad = g_bytes_new(bytes, size);
                bytes[i / 8] ^= (guint8)(1u << i % 8);
            } else {
                gsize length = i - 8 * size;

                bad = g_bytes_new(bytes, length == size ? size + 1 : length);
            }
            if (part)
                quote.signature = bad;
            else
                quote.attest = bad;
            if (cvs_quote_judge(&quote, &world->wanted, &facts, &error))
                g_error("part %u, change %zu was accepted", part, i);
            g_assert_true(error->domain == CVS_ERROR);
            g_assert_cmpuint(cvs_error_get_reasons(error)->len, >, 0);
            if (i >= 8 * size)
                assert_refused(error, BAD_FORMAT, CVS_REASON_TPM_QUOTE_MALFORMED);
        }
    }
}

/* What a key of ours signs that is no restricted one: so each field can be chosen. */
typedef struct {
    guint32 magic;
    guint16 type;
    guint n_selections;
    guint16 bank;
    guint8 select_size;
    guint8 select[4];
    guint8 safe;
    const char *extra;
} Forged;

static const Forged forged_good = {.magic = TPM2_GENERATED_VALUE,
                                   .type = TPM2_ST_ATTEST_QUOTE,
                                   .n_selections = 1,
                                   .bank = TPM2_ALG_SHA256,
                                   .select_size = 3,
                                   .select = {0x85},
                                   .extra = ATTEST_NONCE};

static GBytes *
build_attest(const Forged *forged, const CvsName *signer, const CvsPcrValues *values, CvsHash hash)
{
    g_auto(CvsWriter) writer = {0};
    g_autoptr(CvsHasher) hasher = cvs_hasher_new(hash);
    guint8 digest[CVS_DIGEST_MAX];

    cvs_writer_init(&writer);
    cvs_writer_u32_be(&writer, forged->magic);
    cvs_writer_u16_be(&writer, forged->type);
    cvs_writer_u16_be(&writer, (guint16)signer->size);
    cvs_writer_bytes(&writer, signer->bytes, signer->size);
    cvs_writer_u16_be(&writer, (guint16)strlen(forged->extra));
    cvs_writer_bytes(&writer, forged->extra, strlen(forged->extra));
    cvs_writer_u64_be(&writer, 1000);
    cvs_writer_u32_be(&writer, 3);
    cvs_writer_u32_be(&writer, 4);
    cvs_writer_u8(&writer, forged->safe);
    cvs_writer_u64_be(&writer, 0x2020031200120003);
    cvs_writer_u32_be(&writer, forged->n_selections);
    for (guint i = 0; i < forged->n_selections; i++) {
        cvs_writer_u16_be(&writer, forged->bank);
        cvs_writer_u8(&writer, forged->select_size);
        cvs_writer_bytes(&writer, forged->select, forged->select_size);
    }
    for (guint pcr = 0; pcr < CVS_PCR_COUNT; pcr++) {
        if (values->selection.mask & 1u << pcr)
            cvs_hasher_update(hasher, values->value[pcr], cvs_hash_size(values->selection.bank));
    }
    cvs_hasher_finish(hasher, digest);
    cvs_writer_u16_be(&writer, (guint16)cvs_hash_size(hash));
    cvs_writer_bytes(&writer, digest, cvs_hash_size(hash));
    return cvs_writer_steal(&writer);
}

/* The raw signature of RSA in a TPMT_SIGNATURE. */
static GBytes *
sign_rsa(EVP_PKEY *key, guint16 scheme, CvsHash hash, GBytes *data)
{
    g_auto(CvsWriter) writer = {0};
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    EVP_PKEY_CTX *key_ctx = NULL;
    guint8 signature[512];
    size_t size = sizeof signature;

    g_assert_cmpint(EVP_DigestSignInit_ex(ctx, &key_ctx,
                                          hash == CVS_SHA1     ? "SHA1"
                                          : hash == CVS_SHA384 ? "SHA384"
                                                               : "SHA256",
                                          NULL, NULL, key, NULL),
                    ==, 1);
    if (scheme == TPM2_ALG_RSAPSS)
        g_assert_cmpint(EVP_PKEY_CTX_set_rsa_padding(key_ctx, RSA_PKCS1_PSS_PADDING), ==, 1);
    g_assert_cmpint(
        EVP_DigestSign(ctx, signature, &size, g_bytes_get_data(data, NULL), g_bytes_get_size(data)),
        ==, 1);
    EVP_MD_CTX_free(ctx);
    cvs_writer_init(&writer);
    cvs_writer_u16_be(&writer, scheme);
    cvs_writer_u16_be(&writer, hash == CVS_SHA1     ? TPM2_ALG_SHA1
                               : hash == CVS_SHA384 ? TPM2_ALG_SHA384
                                                    : TPM2_ALG_SHA256);
    cvs_writer_u16_be(&writer, (guint16)size);
    cvs_writer_bytes(&writer, signature, size);
    return cvs_writer_steal(&writer);
}

static void
judge_forged(World *world, const Forged *forged, EVP_PKEY *key, guint16 scheme, CvsHash hash,
             const char *reason)
{
    g_autoptr(GBytes) attest =
        build_attest(forged, &world->wanted.qualified, &world->quote.values, hash);
    g_autoptr(GBytes) signature = sign_rsa(key, scheme, hash, attest);
    const CvsQuote quote = {
        .attest = attest, .signature = signature, .values = world->quote.values};
    CvsQuoteWanted wanted = world->wanted;

    wanted.ak = key;
    if (reason == NULL)
        assert_good(&quote, &wanted);
    else
        attest_assert_refused(&quote, &wanted, reason);
}

static void
test_forged(World *world, gconstpointer data)
{
    EVP_PKEY *key = EVP_RSA_gen(2048), *weak = EVP_RSA_gen(1024);
    Forged forged = forged_good;

    judge_forged(world, &forged, key, TPM2_ALG_RSASSA, CVS_SHA256, NULL);
    judge_forged(world, &forged, key, TPM2_ALG_RSASSA, CVS_SHA384, NULL);
    judge_forged(world, &forged, key, TPM2_ALG_RSAPSS, CVS_SHA256, NULL);
    judge_forged(world, &forged, key, TPM2_ALG_RSAPSS, CVS_SHA384, NULL);
    judge_forged(world, &forged, weak, TPM2_ALG_RSASSA, CVS_SHA256, CVS_REASON_TPM_QUOTE_SIGNATURE);

    forged.magic = 0xff544348;
    judge_forged(world, &forged, key, TPM2_ALG_RSASSA, CVS_SHA256, CVS_REASON_TPM_QUOTE_MAGIC);
    forged = forged_good;
    forged.type = TPM2_ST_ATTEST_CERTIFY;
    judge_forged(world, &forged, key, TPM2_ALG_RSASSA, CVS_SHA256, CVS_REASON_TPM_QUOTE_TYPE);
    forged = forged_good;
    forged.extra = "nonce2";
    judge_forged(world, &forged, key, TPM2_ALG_RSASSA, CVS_SHA256, CVS_REASON_TPM_QUOTE_NONCE);
    forged = forged_good;
    forged.bank = TPM2_ALG_SHA384;
    judge_forged(world, &forged, key, TPM2_ALG_RSASSA, CVS_SHA256, CVS_REASON_TPM_QUOTE_SELECTION);
    forged = forged_good;
    forged.n_selections = 2;
    judge_forged(world, &forged, key, TPM2_ALG_RSASSA, CVS_SHA256, CVS_REASON_TPM_QUOTE_SELECTION);
    forged.n_selections = 0;
    judge_forged(world, &forged, key, TPM2_ALG_RSASSA, CVS_SHA256, CVS_REASON_TPM_QUOTE_SELECTION);
    forged = forged_good;
    forged.select_size = 4;
    judge_forged(world, &forged, key, TPM2_ALG_RSASSA, CVS_SHA256, NULL);
    forged.select[3] = 1;
    judge_forged(world, &forged, key, TPM2_ALG_RSASSA, CVS_SHA256, CVS_REASON_TPM_QUOTE_SELECTION);
    forged = forged_good;
    forged.select[2] = 1;
    judge_forged(world, &forged, key, TPM2_ALG_RSASSA, CVS_SHA256, CVS_REASON_TPM_QUOTE_SELECTION);
    EVP_PKEY_free(key);
    EVP_PKEY_free(weak);
}

/* About no PCR at all, as was asked; and by a signer whose Name is of another algorithm. */
static void
test_forged_by_request(World *world, gconstpointer data)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    Forged forged = forged_good;

    world->wanted.selection.mask = world->quote.values.selection.mask = 0;
    forged.select[0] = 0;
    judge_forged(world, &forged, key, TPM2_ALG_RSASSA, CVS_SHA256, CVS_REASON_TPM_QUOTE_SELECTION);
    world->wanted.selection.mask = world->quote.values.selection.mask = 0x85;
    for (guint other = 0; other < 2; other++) {
        CvsName signer = world->wanted.qualified;
        g_autoptr(GBytes) attest = NULL, signature = NULL;
        CvsQuote quote = {.values = world->quote.values};
        CvsQuoteWanted wanted = world->wanted;

        signer.bytes[1] += (guint8)other;
        attest = build_attest(&forged_good, &signer, &quote.values, CVS_SHA256);
        signature = sign_rsa(key, TPM2_ALG_RSASSA, CVS_SHA256, attest);
        quote.attest = attest;
        quote.signature = signature;
        wanted.ak = key;
        wanted.qualified.size = 0;
        wanted.name_alg = CVS_SHA256;
        if (other)
            attest_assert_refused(&quote, &wanted, CVS_REASON_TPM_QUOTE_SIGNER);
        else
            assert_good(&quote, &wanted);
    }
    EVP_PKEY_free(key);
}

/* Algorithms that are not accepted, each with a signature that is right. */
static void
test_algorithms(World *world, gconstpointer data)
{
    EVP_PKEY *key = EVP_RSA_gen(2048);
    Forged forged = forged_good;
    g_autoptr(GBytes) attest =
        build_attest(&forged, &world->wanted.qualified, &world->quote.values, CVS_SHA256);
    g_autoptr(GBytes) sha1 = sign_rsa(key, TPM2_ALG_RSASSA, CVS_SHA1, attest);
    g_autoptr(GBytes) ecdaa = g_bytes_new_static("\x00\x1a\x00\x0b\x00\x01\x01\x00\x01\x01", 10);
    CvsQuote quote = {.attest = attest, .signature = sha1, .values = world->quote.values};
    CvsQuoteWanted wanted = world->wanted;

    wanted.ak = key;
    attest_assert_refused(&quote, &wanted, CVS_REASON_TPM_QUOTE_SIGNATURE);
    quote.signature = ecdaa;
    attest_assert_refused(&quote, &wanted, CVS_REASON_TPM_QUOTE_SIGNATURE);
    /* Of the other kind of key. */
    quote.signature = world->quote.signature;
    attest_assert_refused(&quote, &wanted, CVS_REASON_TPM_QUOTE_SIGNATURE);
    forged.safe = 2;
    {
        g_autoptr(GBytes) unsafe =
            build_attest(&forged, &world->wanted.qualified, &world->quote.values, CVS_SHA256);
        g_autoptr(GError) error = NULL;
        CvsQuoteFacts facts;

        quote.attest = unsafe;
        g_assert_false(cvs_quote_judge(&quote, &wanted, &facts, &error));
        assert_refused(error, BAD_FORMAT, CVS_REASON_TPM_QUOTE_MALFORMED);
    }
    EVP_PKEY_free(key);
}

static void
test_clock(void)
{
    static const struct {
        CvsClock now;
        gboolean forward;
    } cases[] = {
        {{1000, 5, 2, TRUE}, TRUE},   {{1001, 5, 2, TRUE}, TRUE}, {{999, 5, 2, TRUE}, FALSE},
        {{999, 5, 2, FALSE}, TRUE},   {{1, 5, 3, TRUE}, TRUE},    {{2000, 5, 1, TRUE}, FALSE},
        {{2000, 5, 1, FALSE}, FALSE}, {{1, 6, 0, TRUE}, TRUE},    {{2000, 4, 9, TRUE}, FALSE},
    };
    const CvsClock seen = {1000, 5, 2, TRUE};

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(cvs_clock_check_forward(&cases[i].now, &seen, &error), ==,
                        cases[i].forward);
        if (!cases[i].forward)
            assert_refused(error, ATTESTATION_FAILED, CVS_REASON_TPM_CLOCK_BACK);
    }
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *path;
        void (*function)(World *world, gconstpointer data);
    } tests[] = {
        {"/tpm/quote/good", test_good},
        {"/tpm/quote/tools-agree", test_tools_agree},
        {"/tpm/quote/wanted", test_wanted},
        {"/tpm/quote/every-byte", test_every_byte},
        {"/tpm/quote/forged", test_forged},
        {"/tpm/quote/forged-by-request", test_forged_by_request},
        {"/tpm/quote/algorithms", test_algorithms},
    };

    g_test_init(&argc, &argv, NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(tests); i++)
        g_test_add(tests[i].path, World, NULL, world_set_up, tests[i].function, world_tear_down);
    g_test_add_func("/tpm/quote/clock", test_clock);
    return g_test_run();
}
