/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the verification of an SEV-SNP report costs above the OpenSSL calls that it cannot do
 * without: loading three certificates, checking their three signatures and the report's one. Bare,
 * cold (a new verifier each time) and warm (one verifier) take turns in the same run, so that a
 * busy machine slows all three. Loading from DER is part of each.
 *
 *   bench-snp [ROUNDS]
 *
 * Reads the captures in ../shared/vectors/snp of CVS_SOURCE_ROOT. Exit 1 if cold costs more
 * than 1.3 times the bare calls or warm not less than they do; 77 if there are no captures. */

#include "tee/snp-verify.h"
#include "tee/x509-chain.h"

#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>

#define AT G_GINT64_CONSTANT(1782864000)
#define COLD_MAX 1.3
#define WARM_MAX 1.0

typedef struct {
    GBytes *report;
    GBytes *der[3]; /* leaf, ASK, ARK */
} Input;

static GBytes *
read_file(const char *name)
{
    const char *root = g_getenv("CVS_SOURCE_ROOT");
    g_autofree char *path =
        g_build_filename(root ? root : ".", "..", "shared", "vectors", "snp", name, NULL);
    char *data = NULL;
    gsize size = 0;

    return g_file_get_contents(path, &data, &size, NULL) ? g_bytes_new_take(data, size) : NULL;
}

static GBytes *
to_der(X509 *cert)
{
    guint8 *der = NULL;
    int size = i2d_X509(cert, &der);
    GBytes *bytes = g_bytes_new(der, (gsize)size);

    OPENSSL_free(der);
    return bytes;
}

static gboolean
input_load(Input *input, const char *report, const char *leaf, const char *roots)
{
    g_autoptr(GPtrArray) certs = cvs_x509_certs_new();
    g_autoptr(GBytes) pem = read_file(roots);

    input->report = read_file(report);
    input->der[0] = read_file(leaf);
    if (input->report == NULL || input->der[0] == NULL || pem == NULL)
        return FALSE;
    if (!cvs_x509_load(g_bytes_get_data(pem, NULL), g_bytes_get_size(pem), roots, certs, NULL,
                       NULL))
        g_error("%s cannot be read", roots);
    input->der[1] = to_der(g_ptr_array_index(certs, 0));
    input->der[2] = to_der(g_ptr_array_index(certs, 1));
    return TRUE;
}

static void
input_clear(Input *input)
{
    g_clear_pointer(&input->report, g_bytes_unref);
    for (int i = 0; i < 3; i++)
        g_clear_pointer(&input->der[i], g_bytes_unref);
}

static void
must(gboolean ok)
{
    if (!ok)
        g_error("a verification failed");
}

static void
bare(const Input *input)
{
    X509 *certs[3];
    CvsSnpReport report;
    ECDSA_SIG *sig = ECDSA_SIG_new();
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    guint8 *der = NULL;
    int size = 0;

    for (int i = 0; i < 3; i++) {
        const guint8 *at = g_bytes_get_data(input->der[i], NULL);

        certs[i] = d2i_X509(NULL, &at, (long)g_bytes_get_size(input->der[i]));
    }
    for (int i = 0; i < 3; i++)
        must(X509_verify(certs[i], X509_get0_pubkey(certs[MIN(i + 1, 2)])) == 1);
    must(cvs_snp_report_parse(g_bytes_get_data(input->report, NULL),
                              g_bytes_get_size(input->report), &report, NULL));
    must(ECDSA_SIG_set0(sig, BN_bin2bn(report.signature_r, 48, NULL),
                        BN_bin2bn(report.signature_s, 48, NULL)) == 1);
    size = i2d_ECDSA_SIG(sig, &der);
    must(EVP_DigestVerifyInit(ctx, NULL, EVP_sha384(), NULL, X509_get0_pubkey(certs[0])) == 1);
    must(EVP_DigestVerify(ctx, der, (gsize)size, g_bytes_get_data(input->report, NULL),
                          CVS_SNP_SIGNED_SIZE) == 1);
    OPENSSL_free(der);
    EVP_MD_CTX_free(ctx);
    ECDSA_SIG_free(sig);
    for (int i = 0; i < 3; i++)
        X509_free(certs[i]);
}

static void
load_certs(const Input *input, int from, int to, GPtrArray *certs)
{
    for (int i = from; i < to; i++)
        must(cvs_x509_load(g_bytes_get_data(input->der[i], NULL), g_bytes_get_size(input->der[i]),
                           "certificate", certs, NULL, NULL));
}

static void
verify(const Input *input, CvsSnpVerifier *verifier, int n_certs)
{
    g_autoptr(GPtrArray) certs = cvs_x509_certs_new();
    g_autoptr(json_t) claims = NULL;
    CvsSnpEvidence evidence = {.certs = certs, .at = AT};

    load_certs(input, 0, n_certs, certs);
    evidence.report = g_bytes_get_data(input->report, &evidence.report_size);
    must(cvs_snp_verify(verifier, &evidence, NULL, &claims, NULL));
}

static void
cold(const Input *input)
{
    g_autoptr(CvsSnpRoots) roots = cvs_snp_roots_new();
    g_autoptr(CvsSnpVerifier) verifier = cvs_snp_verifier_new(roots);

    verify(input, verifier, 3);
}

static int
compare(const void *a, const void *b)
{
    gint64 x = *(const gint64 *)a, y = *(const gint64 *)b;

    return (x > y) - (x < y);
}

static double
median(gint64 *times, guint n)
{
    qsort(times, n, sizeof *times, compare);
    return (double)times[n / 2];
}

static gboolean
measure(const char *title, const Input *input, guint rounds)
{
    gint64 *times[3];
    g_autoptr(CvsSnpRoots) roots = cvs_snp_roots_new();
    g_autoptr(CvsSnpVerifier) verifier = cvs_snp_verifier_new(roots);
    g_autoptr(GPtrArray) cas = cvs_x509_certs_new();
    double medians[3];
    gboolean ok = FALSE;

    for (int i = 0; i < 3; i++)
        times[i] = g_new(gint64, rounds);
    bare(input);
    cold(input);
    load_certs(input, 1, 3, cas);
    cvs_snp_verifier_add_certs(verifier, cas);
    verify(input, verifier, 1);
    for (guint i = 0; i < rounds; i++) {
        gint64 start = g_get_monotonic_time();

        bare(input);
        times[0][i] = g_get_monotonic_time() - start;
        start = g_get_monotonic_time();
        cold(input);
        times[1][i] = g_get_monotonic_time() - start;
        start = g_get_monotonic_time();
        verify(input, verifier, 1);
        times[2][i] = g_get_monotonic_time() - start;
    }
    for (int i = 0; i < 3; i++)
        medians[i] = median(times[i], rounds);
    ok = medians[1] <= COLD_MAX * medians[0] && medians[2] < WARM_MAX * medians[0];
    printf("%s: bare %.0f us, cold %.0f us (%.2f x, at most %.1f), warm %.0f us (%.2f x, below "
           "%.1f): %s\n",
           title, medians[0], medians[1], medians[1] / medians[0], COLD_MAX, medians[2],
           medians[2] / medians[0], WARM_MAX, ok ? "ok" : "too slow");
    for (int i = 0; i < 3; i++)
        g_free(times[i]);
    return ok;
}

int
main(int argc, char **argv)
{
    const struct {
        const char *title, *report, *leaf, *roots;
    } inputs[] = {
        {"Milan, version 3", "reports/milan-v3.report.bin", "reports/milan-v3.vcek.der",
         "roots/ask_ark_milan.pem"},
        {"Turin, version 5", "reports/turin-v5.report.bin", "reports/turin-v5.vcek.der",
         "roots/ask_ark_turin_vcek.pem"},
    };
    guint rounds = argc > 1 ? (guint)g_ascii_strtoull(argv[1], NULL, 10) : 200;
    gboolean ok = TRUE;

    for (gsize i = 0; i < G_N_ELEMENTS(inputs); i++) {
        Input input = {0};

        if (!input_load(&input, inputs[i].report, inputs[i].leaf, inputs[i].roots)) {
            printf("no captures in ../shared/vectors/snp\n");
            input_clear(&input);
            return 77;
        }
        ok = measure(inputs[i].title, &input, MAX(rounds, 1)) && ok;
        input_clear(&input);
    }
    return ok ? 0 : 1;
}
