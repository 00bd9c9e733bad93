/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the verification of a TD quote with collateral costs above the OpenSSL calls that it cannot
 * do without: loading the three certificates of the quote, checking the signatures of the four
 * certificates (the root's own too), of two CRLs, of quote, QE report, TCB info and QE identity.
 * Bare, cold (a new verifier each time) and warm take turns in the same run.
 *
 *   bench-tdx [ROUNDS]
 *
 * Reads the captures in ../shared/vectors/tdx of CVS_SOURCE_ROOT. Exit 1 if cold costs more than
 * 1.5 times the bare calls; 77 if there are no captures. */

#include "base/hex.h"
#include "tee/p256.h"
#include "tee/tdx-verify.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AT G_GINT64_CONSTANT(1751328000) /* 2025-07-01 */
#define COLD_MAX 1.5

typedef struct {
    GBytes *quote;
    CvsTdxQuote *parsed;
    GPtrArray *certs; /* TCB signer, root, PCK CA */
    GPtrArray *crls;
    X509_CRL *root_crl;
    X509_CRL *pck_crl;
    CvsTcbInfo *info;
    CvsQeIdentity *identity;
} Input;

static GBytes *
read_file(const char *name)
{
    const char *root = g_getenv("CVS_SOURCE_ROOT");
    g_autofree char *path =
        g_build_filename(root ? root : ".", "..", "shared", "vectors", "tdx", name, NULL);
    char *data = NULL;
    gsize size = 0;

    return g_file_get_contents(path, &data, &size, NULL) ? g_bytes_new_take(data, size) : NULL;
}

static void
must(gboolean ok)
{
    if (!ok)
        g_error("a verification failed");
}

static GBytes *
member(const json_t *set, const char *name, gboolean hex)
{
    const char *text = json_string_value(json_object_get(set, name));

    must(text != NULL);
    return hex ? cvs_hex_decode(text, -1, NULL) : g_bytes_new(text, strlen(text));
}

static void
load(Input *input, const json_t *set, const char *name, gboolean hex)
{
    g_autoptr(GBytes) bytes = member(set, name, hex);

    must(cvs_x509_load(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), name, input->certs,
                       input->crls, NULL));
}

static gboolean
input_load(Input *input)
{
    g_autoptr(GBytes) text = read_file("quote-v4-uptodate.collateral.json");
    g_autoptr(json_t) set = NULL;
    g_autoptr(GBytes) info = NULL;
    g_autoptr(GBytes) info_signature = NULL;
    g_autoptr(GBytes) identity = NULL;
    g_autoptr(GBytes) identity_signature = NULL;

    input->quote = read_file("quote-v4-uptodate.dat");
    if (text == NULL || input->quote == NULL)
        return FALSE;
    set = cvs_json_parse(g_bytes_get_data(text, NULL), g_bytes_get_size(text), "set", NULL);
    must(set != NULL);
    input->parsed = cvs_tdx_quote_parse(input->quote, NULL);
    input->certs = cvs_x509_certs_new();
    input->crls = cvs_x509_crls_new();
    load(input, set, "tcb_info_issuer_chain", FALSE);
    load(input, set, "root_ca_crl", TRUE);
    load(input, set, "pck_crl", TRUE);
    input->root_crl = g_ptr_array_index(input->crls, 0);
    input->pck_crl = g_ptr_array_index(input->crls, 1);
    info = member(set, "tcb_info", FALSE);
    info_signature = member(set, "tcb_info_signature", TRUE);
    identity = member(set, "qe_identity", FALSE);
    identity_signature = member(set, "qe_identity_signature", TRUE);
    input->info = cvs_tcb_info_parse_signed(info, g_bytes_get_data(info_signature, NULL), NULL);
    input->identity =
        cvs_qe_identity_parse_signed(identity, g_bytes_get_data(identity_signature, NULL), NULL);
    must(input->parsed && input->info && input->identity);
    return TRUE;
}

static void
check_document(X509 *signer, const CvsCollateral *document)
{
    must(cvs_p256_verify(X509_get0_pubkey(signer), g_bytes_get_data(document->raw, NULL),
                         g_bytes_get_size(document->raw), document->signature));
}

static void
bare(const Input *input)
{
    const CvsTdxQuote *quote = input->parsed;
    g_autoptr(GPtrArray) chain = cvs_x509_certs_new();
    g_autoptr(EVP_PKEY) key = cvs_p256_key_new(quote->attestation_key);
    X509 *signer = g_ptr_array_index(input->certs, 0);
    X509 *leaf = NULL;
    X509 *ca = NULL;
    X509 *root = NULL;

    must(cvs_x509_load(quote->cert_data, quote->cert_size, "chain", chain, NULL, NULL));
    leaf = g_ptr_array_index(chain, 0);
    ca = g_ptr_array_index(chain, 1);
    root = g_ptr_array_index(chain, 2);
    must(X509_verify(leaf, X509_get0_pubkey(ca)) == 1);
    must(X509_verify(ca, X509_get0_pubkey(root)) == 1);
    must(X509_verify(root, X509_get0_pubkey(root)) == 1);
    must(X509_verify(signer, X509_get0_pubkey(root)) == 1);
    must(X509_CRL_verify(input->root_crl, X509_get0_pubkey(root)) == 1);
    must(X509_CRL_verify(input->pck_crl, X509_get0_pubkey(ca)) == 1);
    must(cvs_p256_verify(X509_get0_pubkey(leaf), quote->qe_report, CVS_TDX_QE_REPORT_SIZE,
                         quote->qe_signature));
    must(cvs_p256_verify(key, g_bytes_get_data(input->quote, NULL), quote->signed_size,
                         quote->signature));
    check_document(signer, &input->info->base);
    check_document(signer, &input->identity->base);
}

static void
ours(CvsTdxVerifier *verifier, const Input *input)
{
    CvsTdxEvidence evidence = {.quote = input->quote,
                               .certs = input->certs,
                               .crls = input->crls,
                               .tcb_info = input->info,
                               .qe_identity = input->identity,
                               .at = AT};

    must(cvs_tdx_verify(verifier, &evidence, NULL, NULL));
}

int
main(int argc, char **argv)
{
    guint rounds = argc > 1 ? (guint)atoi(argv[1]) : 100;
    g_autoptr(CvsTdxRoots) roots = cvs_tdx_roots_new();
    g_autoptr(CvsTdxVerifier) warm = cvs_tdx_verifier_new(roots);
    Input input = {0};
    gint64 time[3] = {0};

    if (!input_load(&input)) {
        printf("no captures\n");
        return 77;
    }
    bare(&input);
    ours(warm, &input);
    for (guint i = 0; i < rounds; i++) {
        g_autoptr(CvsTdxVerifier) cold = cvs_tdx_verifier_new(roots);
        gint64 marks[4] = {g_get_monotonic_time()};

        bare(&input);
        marks[1] = g_get_monotonic_time();
        ours(cold, &input);
        marks[2] = g_get_monotonic_time();
        ours(warm, &input);
        marks[3] = g_get_monotonic_time();
        for (guint j = 0; j < 3; j++)
            time[j] += marks[j + 1] - marks[j];
    }
    printf("TD quote with collateral: bare %.0f us, cold %.0f us (%.2f times), warm %.0f us\n",
           (double)time[0] / rounds, (double)time[1] / rounds, (double)time[1] / (double)time[0],
           (double)time[2] / rounds);
    cvs_tdx_quote_free(input.parsed);
    cvs_tcb_info_free(input.info);
    cvs_qe_identity_free(input.identity);
    g_ptr_array_unref(input.certs);
    g_ptr_array_unref(input.crls);
    g_bytes_unref(input.quote);
    return (double)time[1] <= COLD_MAX * (double)time[0] ? 0 : 1;
}
