/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A second opinion: the signatures of the real quotes and of their collateral, checked by the
 * openssl program from files. */

#include "base/hex.h"
#include "tee/tdx-quote.h"
#include "tee/x509.h"

#include "captures.h"
#include "tdx-evidence.h"

#include <glib/gstdio.h>
#include <openssl/ecdsa.h>
#include <openssl/pem.h>
#include <string.h>

/* SubjectPublicKeyInfo of a P-256 key, up to the coordinates. */
#define SPKI_HEAD "3059301306072a8648ce3d020106082a8648ce3d03010703420004"

static const char *const files[] = {"key.der",  "signature.der", "data",
                                    "leaf.pem", "chain.pem",     "root.pem"};

static char *
file_in(const char *folder, guint number)
{
    return g_build_filename(folder, files[number], NULL);
}

static void
write_file(const char *folder, guint number, const void *data, gsize size)
{
    g_autofree char *path = file_in(folder, number);
    g_autoptr(GError) error = NULL;

    g_file_set_contents(path, data, (gssize)size, &error);
    g_assert_no_error(error);
}

static gboolean
runs(const char *const *argv)
{
    g_autoptr(GError) error = NULL;
    int status = 0;

    g_spawn_sync(NULL, (char **)argv, NULL,
                 G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL,
                 NULL, NULL, NULL, NULL, &status, &error);
    g_assert_no_error(error);
    return g_spawn_check_wait_status(status, NULL);
}

static void
write_signature(const char *folder, const guint8 *raw)
{
    ECDSA_SIG *sig = ECDSA_SIG_new();
    guint8 *der = NULL;
    int size = 0;

    g_assert_true(ECDSA_SIG_set0(sig, BN_bin2bn(raw, 32, NULL), BN_bin2bn(raw + 32, 32, NULL)));
    size = i2d_ECDSA_SIG(sig, &der);
    write_file(folder, 1, der, (gsize)size);
    OPENSSL_free(der);
    ECDSA_SIG_free(sig);
}

/* The key is in key.der. The good data hold, and with one bit changed they do not. */
static void
check_signature(const char *folder, const void *data, gsize size, const guint8 *signature)
{
    g_autofree char *key = file_in(folder, 0);
    g_autofree char *sig = file_in(folder, 1);
    g_autofree char *path = file_in(folder, 2);
    const char *argv[] = {"openssl", "dgst",       "-sha256", "-keyform", "DER", "-verify",
                          key,       "-signature", sig,       path,       NULL};
    g_autofree guint8 *bad = g_memdup2(data, size);

    write_signature(folder, signature);
    write_file(folder, 2, data, size);
    g_assert_true(runs(argv));
    bad[size / 2] ^= 1;
    write_file(folder, 2, bad, size);
    g_assert_false(runs(argv));
}

static void
write_key_of(const char *folder, const X509 *cert)
{
    guint8 *der = NULL;
    int size = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(cert), &der);

    write_file(folder, 0, der, (gsize)size);
    OPENSSL_free(der);
}

static void
write_point(const char *folder, const guint8 *point)
{
    g_autoptr(GBytes) head = cvs_hex_decode(SPKI_HEAD, -1, NULL);
    guint8 spki[91];

    g_assert_cmpuint(g_bytes_get_size(head) + 64, ==, sizeof(spki));
    memcpy(spki, g_bytes_get_data(head, NULL), g_bytes_get_size(head));
    memcpy(spki + g_bytes_get_size(head), point, 64);
    write_file(folder, 0, spki, sizeof(spki));
}

static void
write_certs(const char *folder, guint number, X509 *const *certs, guint n)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data = NULL;
    long size = 0;

    for (guint i = 0; i < n; i++)
        g_assert_cmpint(PEM_write_bio_X509(bio, certs[i]), ==, 1);
    size = BIO_get_mem_data(bio, &data);
    write_file(folder, number, data, (gsize)size);
    BIO_free(bio);
}

static gboolean
chain_holds(const char *folder, X509 *leaf, X509 *ca, X509 *root)
{
    g_autofree char *leaf_path = file_in(folder, 3);
    g_autofree char *ca_path = file_in(folder, 4);
    g_autofree char *root_path = file_in(folder, 5);
    const char *argv[] = {"openssl", "verify",     "-attime", "1770681600", "-CAfile",
                          root_path, "-untrusted", ca_path,   leaf_path,    NULL};

    write_certs(folder, 3, &leaf, 1);
    write_certs(folder, 4, &ca, 1);
    write_certs(folder, 5, &root, 1);
    return runs(argv);
}

static char *
folder_new(void)
{
    g_autoptr(GError) error = NULL;
    char *folder = g_dir_make_tmp("cvmseal-test-XXXXXX", &error);

    g_assert_no_error(error);
    return folder;
}

static void
folder_remove(const char *folder)
{
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = file_in(folder, i);

        (void)g_unlink(path);
    }
    g_assert_cmpint(g_rmdir(folder), ==, 0);
}

static gboolean
can_run(void)
{
    g_autofree char *tool = g_find_program_in_path("openssl");

    if (!captures_there())
        return FALSE;
    if (tool == NULL)
        g_test_skip("openssl is not installed");
    return tool != NULL;
}

static void
test_quotes(void)
{
    static const char *const names[] = {
        "tdx/quote-v4-uptodate.dat",      "tdx/quote-v4-spr-e4.dat",
        "tdx/quote-v4-debug.dat",         "tdx/quote-v5-td15.dat",
        "tdx/quote-v5-td15-servtd.dat",   "hcl/az-tdx-td-quote.dat",
        "tdx/quote-v4-cos113-padded.dat", "tdx/quote-v4-preproduction-root.dat"};
    g_autofree char *folder = NULL;
    g_autoptr(GBytes) root_bytes = NULL;
    g_autoptr(GPtrArray) root = cvs_x509_certs_new();

    if (!can_run())
        return;
    folder = folder_new();
    root_bytes = captures_read("tdx/intel-sgx-root-ca.der");
    g_assert_true(cvs_x509_load(g_bytes_get_data(root_bytes, NULL), g_bytes_get_size(root_bytes),
                                "root", root, NULL, NULL));
    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(GBytes) bytes = captures_read(names[i]);
        g_autoptr(CvsTdxQuote) quote = cvs_tdx_quote_parse(bytes, NULL);
        g_autoptr(GPtrArray) certs = cvs_x509_certs_new();

        g_assert_nonnull(quote);
        g_assert_true(
            cvs_x509_load(quote->cert_data, quote->cert_size, "chain", certs, NULL, NULL));
        write_point(folder, quote->attestation_key);
        check_signature(folder, g_bytes_get_data(bytes, NULL), quote->signed_size,
                        quote->signature);
        write_key_of(folder, g_ptr_array_index(certs, 0));
        check_signature(folder, quote->qe_report, CVS_TDX_QE_REPORT_SIZE, quote->qe_signature);
        g_assert_cmpint(chain_holds(folder, g_ptr_array_index(certs, 0),
                                    g_ptr_array_index(certs, 1), g_ptr_array_index(root, 0)),
                        ==, strstr(names[i], "preproduction") == NULL);
    }
    folder_remove(folder);
}

static void
test_collateral(void)
{
    static const char *const answers[] = {"tdx/pcs-tdx-tcbinfo-50806f000000-2023.json",
                                          "tdx/pcs-tdx-tcbinfo-90c06f000000-2026.json"};
    g_autofree char *folder = NULL;
    g_autoptr(TdxEvidence) evidence = NULL;

    if (!can_run())
        return;
    folder = folder_new();
    evidence = tdx_evidence_new();
    tdx_evidence_add_pem(evidence, "tdx/derived-tcb-signing-chain.pem");
    tdx_evidence_set_qe_identity(evidence, "tdx/pcs-tdx-qeidentity-2023.json");
    write_key_of(folder, g_ptr_array_index(evidence->certs, 0));
    check_signature(folder, g_bytes_get_data(evidence->qe_identity->base.raw, NULL),
                    g_bytes_get_size(evidence->qe_identity->base.raw),
                    evidence->qe_identity->base.signature);
    for (gsize i = 0; i < G_N_ELEMENTS(answers); i++) {
        tdx_evidence_set_tcb_info(evidence, answers[i]);
        check_signature(folder, g_bytes_get_data(evidence->tcb_info->base.raw, NULL),
                        g_bytes_get_size(evidence->tcb_info->base.raw),
                        evidence->tcb_info->base.signature);
    }
    folder_remove(folder);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tee/tdx/openssl/quotes", test_quotes);
    g_test_add_func("/tee/tdx/openssl/collateral", test_collateral);
    return g_test_run();
}
