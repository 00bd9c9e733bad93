/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/hex.h"
#include "snp-maker.h"
#include "tee/refusal.h"
#include "tee/x509-crl.h"

#include <openssl/pem.h>
#include <string.h>

static EVP_PKEY *key;
static X509 *root;
static X509_CRL *crl;

static void
make(void)
{
    key = snp_make_rsa_key();
    root = snp_make_cert(&(SnpCertSpec){.cn = "Root of this test",
                                        .key = key,
                                        .serial = 1,
                                        .ca = TRUE,
                                        .path_length = -1,
                                        .key_usage = "critical,keyCertSign,cRLSign"});
    crl = snp_make_crl(root, key, SNP_MAKER_NOW, SNP_MAKER_NOW + 1, 0xab00, 0, FALSE);
}

static void
put_pem(GByteArray *out, const void *object)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long size = 0;

    if (object == crl)
        g_assert_cmpint(PEM_write_bio_X509_CRL(bio, object), ==, 1);
    else
        g_assert_cmpint(PEM_write_bio_X509(bio, (X509 *)object), ==, 1);
    size = BIO_get_mem_data(bio, &text);
    g_byte_array_append(out, (guint8 *)text, (guint)size);
    BIO_free(bio);
}

static void
put_text(GByteArray *out, const char *text)
{
    g_byte_array_append(out, (const guint8 *)text, (guint)strlen(text));
}

/* Loads into arrays that hold something already; on an error they must be as before. */
static gboolean
loads(const void *data, gsize size, guint n_certs, guint n_crls, int code, const char *message)
{
    g_autoptr(GPtrArray) certs = cvs_x509_certs_new();
    g_autoptr(GPtrArray) crls = cvs_x509_crls_new();
    g_autoptr(GError) error = NULL;

    snp_add_cert(certs, root);
    if (cvs_x509_load(data, size, "FILE", certs, crls, &error)) {
        g_assert_no_error(error);
        g_assert_cmpuint(certs->len, ==, 1 + n_certs);
        g_assert_cmpuint(crls->len, ==, n_crls);
        return TRUE;
    }
    g_assert_error(error, CVS_ERROR, code);
    g_assert_true(g_str_has_prefix(error->message, "FILE: "));
    if (strstr(error->message, message) == NULL)
        g_error("\"%s\" is not in \"%s\"", message, error->message);
    g_assert_cmpuint(certs->len, ==, 1);
    g_assert_cmpuint(crls->len, ==, 0);
    return FALSE;
}

static void
test_der(void)
{
    g_autoptr(GBytes) cert = snp_cert_der(root);
    const guint8 *data = g_bytes_get_data(cert, NULL);
    gsize size = g_bytes_get_size(cert);
    g_autofree guint8 *longer = g_malloc0(size + 1);
    guint8 *der = NULL;
    int der_size = i2d_X509_CRL(crl, &der);

    g_assert_true(loads(data, size, 1, 0, 0, NULL));
    g_assert_true(loads(der, (gsize)der_size, 0, 1, 0, NULL));
    memcpy(longer, data, size);
    g_assert_false(loads(longer, size + 1, 0, 0, CVS_ERROR_BAD_FORMAT, "bytes behind it"));
    for (gsize cut = 0; cut < size; cut++) {
        g_autofree guint8 *copy = g_memdup2(data, cut);

        g_assert_false(loads(copy, cut, 0, 0, CVS_ERROR_BAD_FORMAT,
                             cut < 2 ? "neither DER nor PEM" : "neither a certificate nor a CRL"));
    }
    OPENSSL_free(der);
}

static void
test_pem(void)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    gsize whole = 0;

    put_text(out, "some text\nsubject=...\n");
    put_pem(out, root);
    put_text(out, "between\n");
    put_pem(out, crl);
    put_pem(out, root);
    whole = out->len;
    put_text(out, "behind\n");
    g_assert_true(loads(out->data, out->len, 2, 1, 0, NULL));
    /* A quote's chain ends in a NUL. */
    g_byte_array_append(out, (const guint8 *)"", 1);
    g_assert_true(loads(out->data, out->len, 2, 1, 0, NULL));

    /* Cut anywhere in the last block. */
    g_assert_false(loads(out->data, whole - 30, 0, 0, CVS_ERROR_BAD_FORMAT, "damaged"));
    g_assert_false(loads("", 0, 0, 0, CVS_ERROR_BAD_FORMAT, "neither DER nor PEM"));
    g_assert_false(loads("hello", 5, 0, 0, CVS_ERROR_BAD_FORMAT, "neither DER nor PEM"));
}

static void
test_pem_damaged(void)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    g_autoptr(GByteArray) many = g_byte_array_new();
    g_autoptr(GByteArray) key_block = g_byte_array_new();
    g_autoptr(GByteArray) wrong_name = g_byte_array_new();
    g_autofree guint8 *huge = g_malloc0(CVS_X509_INPUT_MAX + 1);
    BIO *bio = BIO_new(BIO_s_mem());
    char *text = NULL;
    long size = 0;

    put_pem(out, root);
    out->data[200] = '!';
    g_assert_false(loads(out->data, out->len, 0, 0, CVS_ERROR_BAD_FORMAT, "damaged"));

    for (int i = 0; i < CVS_X509_OBJECTS_MAX; i++)
        put_pem(many, root);
    g_assert_true(loads(many->data, many->len, CVS_X509_OBJECTS_MAX, 0, 0, NULL));
    put_pem(many, root);
    g_assert_false(loads(many->data, many->len, 0, 0, CVS_ERROR_BAD_FORMAT, "more than 32"));

    put_pem(key_block, root);
    g_assert_cmpint(PEM_write_bio_PUBKEY(bio, key), ==, 1);
    size = BIO_get_mem_data(bio, &text);
    g_byte_array_append(key_block, (guint8 *)text, (guint)size);
    BIO_free(bio);
    g_assert_false(
        loads(key_block->data, key_block->len, 0, 0, CVS_ERROR_BAD_FORMAT, "PEM block 2"));

    /* A CRL that calls itself a certificate. */
    {
        guint8 *der = NULL;
        int der_size = i2d_X509_CRL(crl, &der);

        bio = BIO_new(BIO_s_mem());
        g_assert_cmpint(PEM_write_bio(bio, "CERTIFICATE", "", der, der_size), >, 0);
        size = BIO_get_mem_data(bio, &text);
        g_byte_array_append(wrong_name, (guint8 *)text, (guint)size);
        BIO_free(bio);
        OPENSSL_free(der);
    }
    g_assert_false(loads(wrong_name->data, wrong_name->len, 0, 0, CVS_ERROR_BAD_FORMAT,
                         "neither a certificate nor a CRL"));
    g_assert_false(
        loads(huge, CVS_X509_INPUT_MAX + 1, 0, 0, CVS_ERROR_BAD_FORMAT, "at most 1048576"));
}

static void
test_not_wanted(void)
{
    g_autoptr(GPtrArray) certs = cvs_x509_certs_new();
    g_autoptr(GPtrArray) crls = cvs_x509_crls_new();
    g_autoptr(GByteArray) cert_pem = g_byte_array_new();
    g_autoptr(GByteArray) crl_pem = g_byte_array_new();
    g_autoptr(GError) no_certs = NULL;
    g_autoptr(GError) no_crls = NULL;

    put_pem(cert_pem, root);
    put_pem(crl_pem, crl);
    g_assert_false(cvs_x509_load(cert_pem->data, cert_pem->len, "x", NULL, crls, &no_certs));
    g_assert_error(no_certs, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    g_assert_false(cvs_x509_load(crl_pem->data, crl_pem->len, "x", certs, NULL, &no_crls));
    g_assert_error(no_crls, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
}

static void
test_fields(void)
{
    g_autofree char *name = cvs_x509_common_name(root);
    g_autofree char *shown = cvs_x509_display_name(NULL);
    g_autofree char *number = cvs_x509_crl_number(crl);
    g_autofree char *time = cvs_x509_display_time(SNP_MAKER_NOW);
    g_autoptr(X509) two = X509_dup(root);
    g_autoptr(X509) none = X509_new();
    g_autofree char *name_of_two = NULL;

    g_assert_cmpstr(name, ==, "Root of this test");
    g_assert_cmpstr(shown, ==, "(without a common name)");
    g_assert_cmpstr(number, ==, "ab00");
    g_assert_cmpstr(time, ==, "2026-01-01T00:00:00Z");
    g_assert_cmpint(cvs_x509_crl_this_update(crl), ==, SNP_MAKER_NOW);
    g_assert_cmpint(cvs_x509_crl_next_update(crl), ==, SNP_MAKER_NOW + 1);
    g_assert_cmpint(cvs_x509_seconds(NULL), ==, G_MININT64);
    g_assert_cmpint(cvs_x509_not_before(root), <, SNP_MAKER_NOW);
    g_assert_cmpint(cvs_x509_not_after(root), >, SNP_MAKER_NOW);
    g_assert_null(cvs_x509_common_name(none));

    /* Two names: neither can be the one that is meant. */
    g_assert_cmpint(X509_NAME_add_entry_by_txt(X509_get_subject_name(two), "CN", MBSTRING_ASC,
                                               (const guint8 *)"SEV-VCEK", -1, -1, 0),
                    ==, 1);
    name_of_two = cvs_x509_common_name(two);
    g_assert_null(name_of_two);
}

static void
test_nul_in_name(void)
{
    g_autoptr(X509) cert = X509_new();

    g_assert_cmpint(X509_NAME_add_entry_by_txt(X509_get_subject_name(cert), "CN", MBSTRING_ASC,
                                               (const guint8 *)"SEV-VCEK\0x", 10, -1, 0),
                    ==, 1);
    g_assert_null(cvs_x509_common_name(cert));
}

/* The gravest reason gives the error its name. */
static void
test_refusal(void)
{
    const struct {
        const char *codes[3];
        int code;
    } cases[] = {
        {{CVS_REASON_CERT_EXPIRED}, CVS_ERROR_COLLATERAL_EXPIRED},
        {{CVS_REASON_CRL_STALE, CVS_REASON_CERT_EXPIRED}, CVS_ERROR_COLLATERAL_EXPIRED},
        {{CVS_REASON_CRL_STALE, CVS_REASON_COLLATERAL_MISSING}, CVS_ERROR_COLLATERAL_MISSING},
        {{CVS_REASON_CHAIN_INCOMPLETE, CVS_REASON_CERT_EXPIRED}, CVS_ERROR_COLLATERAL_MISSING},
        {{CVS_REASON_CERT_EXPIRED, CVS_REASON_CHIP_MISMATCH}, CVS_ERROR_ATTESTATION_FAILED},
        {{CVS_REASON_CERT_REVOKED, CVS_REASON_COLLATERAL_MISSING}, CVS_ERROR_ATTESTATION_FAILED},
        {{CVS_REASON_CERT_NOT_YET_VALID}, CVS_ERROR_ATTESTATION_FAILED},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        GError *refusal = cvs_refusal_new();
        guint count = 0;

        for (; count < 3 && cases[i].codes[count]; count++)
            cvs_error_add_reason(refusal, cases[i].codes[count], NULL, NULL, "fault %u", count);
        g_assert_cmpuint(cvs_refusal_count(refusal), ==, count);
        g_assert_false(cvs_refusal_end(refusal, "the thing", &error));
        g_assert_error(error, CVS_ERROR, cases[i].code);
        g_assert_cmpstr(error->message, ==,
                        count == 1 ? "the thing is refused: fault 0"
                                   : "the thing is refused: fault 0 (and 1 more)");
    }
    g_assert_true(cvs_refusal_end(cvs_refusal_new(), "the thing", NULL));
    {
        GError *refusal = cvs_refusal_new();

        cvs_error_add_reason(refusal, CVS_REASON_CRL_STALE, NULL, NULL, "x");
        g_assert_false(cvs_refusal_end(refusal, "the thing", NULL));
    }
}

/* A leaf that is its own root, pinned or not; no certificates at all. */
static void
test_self_signed(void)
{
    g_autoptr(GPtrArray) anchors = cvs_x509_certs_new();
    GError *refusal = cvs_refusal_new();
    g_autoptr(GError) refused = cvs_refusal_new();
    g_autoptr(GPtrArray) path = NULL;
    CvsX509Chain chain = {.leaf = root, .at = SNP_MAKER_NOW};

    g_assert_null(cvs_x509_chain_verify(&chain, refused));
    g_assert_true(cvs_error_has_reason(refused, CVS_REASON_ROOT_UNTRUSTED));

    snp_add_cert(anchors, root);
    chain.anchors = anchors;
    path = cvs_x509_chain_verify(&chain, refusal);
    g_assert_nonnull(path);
    g_assert_cmpuint(path->len, ==, 1);
    g_assert_true(cvs_refusal_end(refusal, "root", NULL));
}

/* Five certificates are one too many. */
static void
test_depth(void)
{
    g_autoptr(GPtrArray) anchors = cvs_x509_certs_new();
    g_autoptr(GPtrArray) others = cvs_x509_certs_new();
    X509 *issuer = root;

    snp_add_cert(anchors, root);
    for (int depth = 2; depth <= CVS_X509_PATH_MAX + 1; depth++) {
        g_autofree char *cn = g_strdup_printf("CA %d", depth);
        X509 *cert = snp_make_cert(&(SnpCertSpec){.cn = cn,
                                                  .key = key,
                                                  .issuer = issuer,
                                                  .issuer_key = key,
                                                  .serial = depth,
                                                  .ca = TRUE,
                                                  .path_length = -1});
        g_autoptr(GError) refusal = cvs_refusal_new();
        g_autoptr(GPtrArray) path = NULL;
        CvsX509Chain chain = {
            .leaf = cert, .anchors = anchors, .others = others, .at = SNP_MAKER_NOW};

        path = cvs_x509_chain_verify(&chain, refusal);
        g_assert_cmpint(path != NULL, ==, depth <= CVS_X509_PATH_MAX);
        if (path)
            g_assert_cmpuint(path->len, ==, depth);
        else
            g_assert_cmpuint(cvs_refusal_count(refusal), >, 0);
        g_ptr_array_add(others, cert);
        issuer = cert;
    }
}

/* More than the memo holds: it starts anew and answers stay right. */
static void
test_memo_is_bounded(void)
{
    g_autoptr(CvsX509Memo) memo = cvs_x509_memo_new();
    guint8 fact[64] = {0};

    for (guint i = 0; i < 200; i++) {
        fact[0] = (guint8)i;
        g_assert_false(cvs_x509_memo_has_fact(memo, fact));
        cvs_x509_memo_add_fact(memo, fact);
        g_assert_true(cvs_x509_memo_has_fact(memo, fact));
    }
    fact[0] = 0;
    g_assert_false(cvs_x509_memo_has_fact(memo, fact));
    g_assert_false(cvs_x509_memo_has_fact(NULL, fact));
    cvs_x509_memo_add_fact(NULL, fact);
}

/* An issuer whose key usage has no cRLSign signs no lists. */
static void
test_crl_usage(void)
{
    g_autoptr(X509) ca = snp_make_cert(&(SnpCertSpec){.cn = "Root of this test",
                                                      .key = key,
                                                      .serial = 3,
                                                      .ca = TRUE,
                                                      .path_length = -1,
                                                      .key_usage = "critical,keyCertSign"});
    g_autoptr(GPtrArray) crls = cvs_x509_crls_new();
    g_autoptr(GError) refusal = cvs_refusal_new();

    g_ptr_array_add(crls, X509_CRL_dup(crl));
    g_assert_cmpint(cvs_x509_check_crls(root, root, crls, SNP_MAKER_NOW, NULL, NULL, refusal), ==,
                    CVS_CRL_FRESH);
    g_assert_cmpuint(cvs_refusal_count(refusal), ==, 0);
    g_assert_cmpint(cvs_x509_check_crls(root, ca, crls, SNP_MAKER_NOW, NULL, NULL, refusal), ==,
                    CVS_CRL_BAD);
    g_assert_true(cvs_error_has_reason(refusal, CVS_REASON_CRL_INVALID));
}

static void
test_digests(void)
{
    g_autoptr(GBytes) der = snp_cert_der(root);
    g_autofree char *wanted = g_compute_checksum_for_bytes(G_CHECKSUM_SHA256, der);
    guint8 *spki = NULL;
    int size = i2d_PUBKEY(key, &spki);
    g_autofree char *wanted_spki =
        g_compute_checksum_for_data(G_CHECKSUM_SHA256, spki, (gsize)size);
    guint8 digest[32];
    g_autofree char *seen = NULL;
    g_autofree char *seen_spki = NULL;

    cvs_x509_sha256(root, digest);
    seen = cvs_hex_encode(digest, sizeof digest);
    g_assert_cmpstr(seen, ==, wanted);
    cvs_x509_spki_sha256(root, digest);
    seen_spki = cvs_hex_encode(digest, sizeof digest);
    g_assert_cmpstr(seen_spki, ==, wanted_spki);
    OPENSSL_free(spki);
}

int
main(int argc, char **argv)
{
    int result = 0;

    g_test_init(&argc, &argv, NULL);
    make();
    g_test_add_func("/tee/x509/der", test_der);
    g_test_add_func("/tee/x509/pem", test_pem);
    g_test_add_func("/tee/x509/pem-damaged", test_pem_damaged);
    g_test_add_func("/tee/x509/not-wanted", test_not_wanted);
    g_test_add_func("/tee/x509/fields", test_fields);
    g_test_add_func("/tee/x509/nul-in-name", test_nul_in_name);
    g_test_add_func("/tee/x509/refusal", test_refusal);
    g_test_add_func("/tee/x509/self-signed", test_self_signed);
    g_test_add_func("/tee/x509/depth", test_depth);
    g_test_add_func("/tee/x509/memo-is-bounded", test_memo_is_bounded);
    g_test_add_func("/tee/x509/crl-usage", test_crl_usage);
    g_test_add_func("/tee/x509/digests", test_digests);
    result = g_test_run();
    X509_CRL_free(crl);
    X509_free(root);
    EVP_PKEY_free(key);
    return result;
}
