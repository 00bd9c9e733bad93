/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/writer.h"
#include "tpm/attesting.h"

#include <openssl/pem.h>
#include <string.h>
#include <tss2/tss2_tpm2_types.h>

/* Keys as tpm2_createprimary makes them; Name and PEM are from the tools. */
static void
test_read(gconstpointer data)
{
    g_autoptr(TestTpm) tpm = test_tpm_new(TPM_MUX_DEFAULT);
    g_autoptr(CvsPublicArea) area = NULL, copy = NULL;
    g_autoptr(GBytes) name = NULL, pem = NULL;
    EVP_PKEY *key = NULL;
    BIO *bio = NULL;

    g_free(test_tpm_run(tpm, "tpm2_createprimary %s -c key.ctx", (const char *)data));
    g_free(test_tpm_run(tpm, "tpm2_readpublic -c key.ctx -n name -o key.pub"));
    g_free(test_tpm_run(tpm, "tpm2_readpublic -c key.ctx -f pem -o key.pem"));
    area = attest_read_public(tpm, "key.pub");
    name = attest_read_file(tpm, "name");
    g_assert_cmpmem(area->name.bytes, area->name.size, g_bytes_get_data(name, NULL),
                    g_bytes_get_size(name));
    pem = attest_read_file(tpm, "key.pem");
    bio = BIO_new_mem_buf(g_bytes_get_data(pem, NULL), (int)g_bytes_get_size(pem));
    key = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
    g_assert_cmpint(EVP_PKEY_eq(area->key, key), ==, 1);
    EVP_PKEY_free(key);
    BIO_free(bio);
    copy = cvs_public_area_copy(area);
    g_assert_true(cvs_public_area_equal(area, copy));
}

static void
assert_malformed(const void *data, gsize size)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(cvs_public_area_parse(data, size, "the key", &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    g_assert_true(g_str_has_prefix(error->message, "the key"));
}

/* Whatever is cut or added is refused; whatever is changed is refused or has another Name. */
static void
try_all(const CvsPublicArea *area)
{
    gsize size = g_bytes_get_size(area->bytes);
    g_autofree guint8 *bytes = g_malloc(size + 1);
    guint n_refused = 0;

    memcpy(bytes, g_bytes_get_data(area->bytes, NULL), size);
    bytes[size] = 0;
    for (gsize cut = 0; cut < size; cut++)
        assert_malformed(bytes, cut);
    assert_malformed(bytes, size + 1);
    for (gsize i = 0; i < 8 * size; i++) {
        g_autoptr(CvsPublicArea) other = NULL;

        bytes[i / 8] ^= (guint8)(1u << i % 8);
        other = cvs_public_area_parse(bytes, size, "the key", NULL);
        bytes[i / 8] ^= (guint8)(1u << i % 8);
        if (other == NULL) {
            n_refused++;
            continue;
        }
        g_assert_cmpmem(g_bytes_get_data(other->bytes, NULL), size,
                        g_bytes_get_data(other->bytes, NULL), size);
        g_assert_false(cvs_public_area_equal(other, area));
        g_assert_true(memcmp(other->name.bytes, area->name.bytes, area->name.size) != 0);
    }
    g_assert_cmpuint(n_refused, >, 16);
}

static void
put_u16(guint8 *at, guint16 value)
{
    at[0] = (guint8)(value >> 8);
    at[1] = (guint8)value;
}

/* One field of an area that is good otherwise. */
static void
assert_field_refused(const CvsPublicArea *area, gsize at, guint16 value)
{
    gsize size = g_bytes_get_size(area->bytes);
    g_autofree guint8 *bytes = g_memdup2(g_bytes_get_data(area->bytes, NULL), size);

    put_u16(bytes + at, value);
    assert_malformed(bytes, size);
}

static void
test_refused(void)
{
    g_autoptr(TestTpm) tpm = test_tpm_new(TPM_MUX_DEFAULT);
    g_autoptr(CvsPublicArea) rsa = attest_create_ek(tpm, "rsa"), ecc = attest_create_ek(tpm, "ecc");
    /* Type, nameAlg, attributes, policy, AES, its bits and mode, scheme, and what the type has. */
    const gsize policy = 8, cipher = 42, scheme = 48, rest = 50;

    try_all(rsa);
    try_all(ecc);
    g_assert_cmpuint(g_bytes_get_size(rsa->bytes), ==, 314);
    g_assert_cmpuint(rsa->unique_at, ==, 56);
    g_assert_cmpuint(rsa->aes_bits, ==, 128);
    assert_field_refused(rsa, 0, TPM2_ALG_KEYEDHASH);
    assert_field_refused(rsa, 2, TPM2_ALG_SHA1);
    assert_field_refused(rsa, policy, 31);
    assert_field_refused(rsa, cipher, TPM2_ALG_CAMELLIA);
    assert_field_refused(rsa, cipher + 2, 64);
    assert_field_refused(rsa, cipher + 4, TPM2_ALG_ECB);
    assert_field_refused(rsa, scheme, TPM2_ALG_HMAC);
    assert_field_refused(rsa, rest, 1024);
    assert_field_refused(rsa, rest + 2, 3); /* the exponent */
    assert_field_refused(rsa, 312, 2);      /* even */
    assert_field_refused(rsa, 58, 0x7fff);  /* shorter than it says */
    assert_field_refused(ecc, rest, TPM2_ECC_NIST_P521);
    assert_field_refused(ecc, rest, TPM2_ECC_NIST_P384);
    assert_field_refused(ecc, rest + 2, TPM2_ALG_KDF1_SP800_56A);
    assert_field_refused(ecc, rest + 6, 0); /* a point off the curve */
}

/* An RSA key in an area that fits together in all its parts. */
static void
build(CvsWriter *writer, guint16 name_alg, guint16 policy_size, guint16 bits)
{
    cvs_writer_u16_be(writer, TPM2_ALG_RSA);
    cvs_writer_u16_be(writer, name_alg);
    cvs_writer_u32_be(writer, 0x00050472);
    cvs_writer_u16_be(writer, policy_size);
    cvs_writer_zero(writer, policy_size);
    cvs_writer_u16_be(writer, TPM2_ALG_NULL);
    cvs_writer_u16_be(writer, TPM2_ALG_RSASSA);
    cvs_writer_u16_be(writer, TPM2_ALG_SHA256);
    cvs_writer_u16_be(writer, bits);
    cvs_writer_u32_be(writer, 0);
    cvs_writer_u16_be(writer, bits / 8);
    for (guint i = 0; i < bits / 8u; i++)
        cvs_writer_u8(writer, 0xff);
}

static void
test_built(void)
{
    static const struct {
        guint16 name_alg;
        guint16 policy_size;
        guint16 bits;
        gboolean good;
    } cases[] = {
        {TPM2_ALG_SHA256, 0, 2048, TRUE},   {TPM2_ALG_SHA256, 32, 3072, TRUE},
        {TPM2_ALG_SHA384, 48, 4096, TRUE},  {TPM2_ALG_SHA512, 64, 2048, TRUE},
        {TPM2_ALG_SHA1, 0, 2048, FALSE},    {TPM2_ALG_SHA1, 20, 2048, FALSE},
        {TPM2_ALG_SHA256, 31, 2048, FALSE}, {TPM2_ALG_SHA256, 48, 2048, FALSE},
        {TPM2_ALG_SHA256, 32, 1024, FALSE}, {TPM2_ALG_SHA256, 32, 8192, FALSE},
        {TPM2_ALG_NULL, 0, 2048, FALSE},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(CvsWriter) writer = {0};
        g_autoptr(CvsPublicArea) area = NULL;

        cvs_writer_init(&writer);
        build(&writer, cases[i].name_alg, cases[i].policy_size, cases[i].bits);
        if (cases[i].good) {
            area = cvs_public_area_parse(cvs_writer_data(&writer), cvs_writer_size(&writer), "area",
                                         NULL);
            g_assert_nonnull(area);
            g_assert_cmpint(EVP_PKEY_get_bits(area->key), ==, cases[i].bits);
        } else {
            assert_malformed(cvs_writer_data(&writer), cvs_writer_size(&writer));
        }
    }
}

/* A list of areas with their sizes before them. */
static void
test_list(void)
{
    g_autoptr(TestTpm) tpm = test_tpm_new(TPM_MUX_DEFAULT);
    g_autoptr(CvsPublicArea) ecc = attest_create_ek(tpm, "ecc"), first = NULL, second = NULL;
    g_autoptr(GBytes) file = attest_read_file(tpm, "ek.pub");
    gsize size = g_bytes_get_size(file);
    g_autofree guint8 *twice = g_malloc(2 * size);
    g_autoptr(GError) error = NULL, cut = NULL;
    CvsReader reader = {0};

    memcpy(twice, g_bytes_get_data(file, NULL), size);
    memcpy(twice + size, g_bytes_get_data(file, NULL), size);
    cvs_reader_init(&reader, twice, 2 * size);
    first = cvs_public_area_read(&reader, "the first", &error);
    second = cvs_public_area_read(&reader, "the second", &error);
    g_assert_no_error(error);
    g_assert_true(cvs_reader_done(&reader));
    g_assert_true(cvs_public_area_equal(first, ecc) && cvs_public_area_equal(second, ecc));
    g_assert_null(cvs_public_area_read(&reader, "the third", &cut));
    g_assert_error(cut, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/tpm/public-area/rsa2048", "-G rsa2048", test_read);
    g_test_add_data_func("/tpm/public-area/ecc256", "-G ecc256", test_read);
    g_test_add_data_func("/tpm/public-area/ecc384", "-g sha384 -G ecc384:aes256cfb", test_read);
    g_test_add_data_func("/tpm/public-area/sha512", "-g sha512 -G ecc256", test_read);
    g_test_add_data_func("/tpm/public-area/signer",
                         "-C e -G ecc:ecdsa-sha256:null -a "
                         "'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign'",
                         test_read);
    g_test_add_data_func("/tpm/public-area/rsapss",
                         "-C e -G rsa2048:rsapss-sha384:null -a "
                         "'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign'",
                         test_read);
    g_test_add_func("/tpm/public-area/refused", test_refused);
    g_test_add_func("/tpm/public-area/built", test_built);
    g_test_add_func("/tpm/public-area/list", test_list);
    return g_test_run();
}
