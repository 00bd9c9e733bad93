/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What real hardware wrote, with the outcome that the README beside the captures states. */

#include "base/error.h"
#include "base/hex.h"
#include "snp-vectors.h"
#include "tee/snp-certs.h"
#include "tee/snp-verify.h"
#include "tee/x509-crl.h"

#include <glib/gstdio.h>
#include <openssl/ecdsa.h>
#include <openssl/pem.h>
#include <string.h>

#define MILAN "roots/ask_ark_milan.pem"
#define MILAN_VLEK "roots/ask_ark_milan_vlek.pem"
#define GENOA "roots/ask_ark_genoa.pem"
#define GENOA_VLEK "roots/ask_ark_genoa_vlek.pem"
#define TURIN "roots/ask_ark_turin_vcek.pem"
#define TURIN_VLEK "roots/ask_ark_turin_vlek.pem"
#define CRL_MILAN "roots/milan_crl.pem"
#define CRL_GENOA "roots/genoa_crl.pem"

#define AT_2025 G_GINT64_CONSTANT(1748736000) /* 2025-06-01 */
#define AT_2026 G_GINT64_CONSTANT(1782864000) /* 2026-07-01 */

typedef struct {
    const char *report; /* an .hcl.bin has it inside */
    const char *leaf;   /* or NULL */
    const char *roots;
    const char *crl; /* or NULL */
    gint64 at;
    int code;            /* of the error, -1: verified */
    const char *reasons; /* all of them, sorted, with spaces between */
    const char *line;    /* claim tee.line; NULL: absent */
} Case;

static const Case cases[] = {
    {"reports/milan-v2-debug.report.bin", "reports/milan-v2-debug.vcek.der", MILAN, NULL, AT_2026,
     -1, "", "Milan"},
    {"reports/milan-v2.report.bin", "reports/milan-v2.vcek.der", MILAN, NULL, AT_2026, -1, "",
     "Milan"},
    {"reports/milan-v3-vlek-vmpl1.report.bin", "reports/milan-v3-vlek-vmpl1.vlek.der", MILAN_VLEK,
     NULL, AT_2025, -1, "", "Milan"},
    {"reports/milan-v3-vlek-vmpl1.report.bin", "reports/milan-v3-vlek-vmpl1.vlek.der", MILAN_VLEK,
     NULL, AT_2026, CVS_ERROR_COLLATERAL_EXPIRED, "CertExpired", "Milan"},
    {"reports/milan-v3.report.bin", "reports/milan-v3.vcek.der", MILAN, NULL, AT_2026, -1, "",
     "Milan"},
    {"reports/milan-v3.report.bin", "reports/milan-v3.vcek.der", MILAN, NULL, AT_2025,
     CVS_ERROR_ATTESTATION_FAILED, "CertNotYetValid", "Milan"},
    {"reports/milan-v3.report.bin", "reports/milan-v3.vcek-reissue.der", MILAN, NULL, AT_2026, -1,
     "", "Milan"},
    {"reports/milan-v3-b.report.bin", "reports/milan-v3-b.vcek.der", MILAN, NULL, AT_2026, -1, "",
     "Milan"},
    {"reports/genoa-v3.report.bin", "reports/genoa-v3.vcek.der", GENOA, NULL, AT_2026, -1, "",
     "Genoa"},
    {"reports/genoa-v3-b.report.bin", "reports/genoa-v3-b.vcek.der", GENOA, NULL, AT_2026, -1, "",
     "Genoa"},
    {"reports/genoa-modela0-v3.report.bin", "reports/genoa-modela0-v3.vcek.der", GENOA, NULL,
     AT_2026, -1, "", "Genoa"},
    {"reports/turin-v5.report.bin", "reports/turin-v5.vcek.der", TURIN, NULL, AT_2026, -1, "",
     "Turin"},
    {"reports/turin-v5-mit0.report.bin", "reports/turin-v5-mit0.vcek.der", TURIN, NULL, AT_2026, -1,
     "", "Turin"},
    {"azure/milan-v2.hcl.bin", "azure/milan-v2.vcek.der", MILAN, NULL, AT_2026, -1, "", "Milan"},
    {"azure/genoa-v3-noquote.hcl.bin", "azure/genoa-v3-noquote.vcek.der", GENOA, NULL, AT_2026, -1,
     "", "Genoa"},

    /* No leaf: never valid. */
    {"reports/milan-v4-novcek.report.bin", NULL, MILAN, NULL, AT_2026, CVS_ERROR_COLLATERAL_MISSING,
     "CollateralMissing", "Milan"},
    {"reports/genoa-v2-novcek.report.bin", NULL, GENOA, NULL, AT_2026, CVS_ERROR_COLLATERAL_MISSING,
     "CollateralMissing", NULL},
    /* Its chain is good, its report another's. */
    {"reports/turin-v5.report.bin", "reports/turin-preproduction.vcek.der", TURIN, NULL, AT_2026,
     CVS_ERROR_ATTESTATION_FAILED, "ChipMismatch ReportSignature TcbMismatch", "Turin"},
    {"negative/azure-wrongchip.hcl.bin", "negative/azure-wrongchip.vcek.der", MILAN, NULL, AT_2026,
     CVS_ERROR_ATTESTATION_FAILED, "ChipMismatch ReportSignature", "Milan"},
    /* Doctored: no AMD key signed them. */
    {"reports/milan-v3.report.bin", "negative/vcek-invalid-legacy.der", MILAN, NULL, AT_2026,
     CVS_ERROR_ATTESTATION_FAILED, "CertSignature ChipMismatch ReportSignature TcbMismatch",
     "Milan"},
    {"reports/milan-v3.report.bin", "negative/vcek-invalid-new.der", MILAN, NULL, AT_2026,
     CVS_ERROR_ATTESTATION_FAILED, "CertSignature ChipMismatch ReportSignature TcbMismatch",
     "Milan"},

    /* Another chip of the same line. */
    {"reports/milan-v3.report.bin", "reports/milan-v3-b.vcek.der", MILAN, NULL, AT_2026,
     CVS_ERROR_ATTESTATION_FAILED, "ChipMismatch ReportSignature", "Milan"},
    {"reports/genoa-v3.report.bin", "reports/genoa-v3-b.vcek.der", GENOA, NULL, AT_2026,
     CVS_ERROR_ATTESTATION_FAILED, "ChipMismatch ReportSignature TcbMismatch", "Genoa"},
    /* Another line, whole or in part. */
    {"reports/milan-v3.report.bin", "reports/genoa-v3.vcek.der", GENOA, NULL, AT_2026,
     CVS_ERROR_ATTESTATION_FAILED, "ChipMismatch LineMismatch ReportSignature TcbMismatch",
     "Milan"},
    {"reports/milan-v2.report.bin", "reports/turin-v5.vcek.der", TURIN, NULL, AT_2026,
     CVS_ERROR_ATTESTATION_FAILED, "ChipMismatch LineMismatch ReportSignature TcbMismatch",
     "Turin"},
    {"reports/turin-v5.report.bin", "reports/milan-v3.vcek.der", MILAN, NULL, AT_2026,
     CVS_ERROR_ATTESTATION_FAILED, "ChipMismatch LineMismatch ReportSignature TcbMismatch",
     "Turin"},
    {"reports/milan-v3.report.bin", "reports/milan-v3.vcek.der", GENOA, NULL, AT_2026,
     CVS_ERROR_COLLATERAL_MISSING, "ChainIncomplete", "Milan"},
    /* ASK and ASVK swapped: the issuer that the leaf names is not there. */
    {"reports/milan-v3.report.bin", "reports/milan-v3.vcek.der", MILAN_VLEK, NULL, AT_2026,
     CVS_ERROR_COLLATERAL_MISSING, "ChainIncomplete", "Milan"},
    {"reports/milan-v3-vlek-vmpl1.report.bin", "reports/milan-v3-vlek-vmpl1.vlek.der", MILAN, NULL,
     AT_2025, CVS_ERROR_COLLATERAL_MISSING, "ChainIncomplete", "Milan"},
    /* The leaf of the other kind. */
    {"reports/milan-v3-b.report.bin", "reports/milan-v3-vlek-vmpl1.vlek.der", MILAN_VLEK, NULL,
     AT_2025, CVS_ERROR_ATTESTATION_FAILED, "ReportSignature SignerMismatch TcbMismatch", "Milan"},
    {"reports/milan-v3-vlek-vmpl1.report.bin", "reports/milan-v3-b.vcek.der", MILAN, NULL, AT_2025,
     CVS_ERROR_ATTESTATION_FAILED, "ChipMasked ReportSignature SignerMismatch TcbMismatch",
     "Milan"},

    /* Revocation lists: AMD's own, in time, too late, too early, of another line. */
    {"reports/milan-v3.report.bin", "reports/milan-v3.vcek.der", MILAN, CRL_MILAN,
     G_GINT64_CONSTANT(1775000000), -1, "", "Milan"},
    {"azure/genoa-v3-noquote.hcl.bin", "azure/genoa-v3-noquote.vcek.der", GENOA, CRL_GENOA,
     G_GINT64_CONSTANT(1756684800), -1, "", "Genoa"},
    {"reports/genoa-v3.report.bin", "reports/genoa-v3.vcek.der", GENOA, CRL_GENOA, AT_2026,
     CVS_ERROR_COLLATERAL_EXPIRED, "CrlStale", "Genoa"},
    {"reports/milan-v2.report.bin", "reports/milan-v2.vcek.der", MILAN, CRL_MILAN,
     G_GINT64_CONSTANT(1735689600), CVS_ERROR_COLLATERAL_EXPIRED, "CrlStale", "Milan"},
    {"reports/milan-v3.report.bin", "reports/milan-v3.vcek.der", MILAN, CRL_GENOA, AT_2026, -1, "",
     "Milan"},
};

static GBytes *
load_report(const char *name)
{
    return g_str_has_suffix(name, ".hcl.bin") ? snp_vector_hcl_report(name) : snp_vector(name);
}

static void
load_into(GPtrArray *certs, GPtrArray *crls, const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = snp_vector(name);

    (void)cvs_x509_load(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), name, certs, crls,
                        &error);
    g_assert_no_error(error);
}

static CvsSnpVerifier *
new_verifier(void)
{
    g_autoptr(CvsSnpRoots) roots = cvs_snp_roots_new();

    return cvs_snp_verifier_new(roots);
}

static int
compare_strings(gconstpointer a, gconstpointer b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static char *
reasons_of(const GError *error)
{
    g_autoptr(GPtrArray) codes = g_ptr_array_new();
    const GPtrArray *reasons = cvs_error_get_reasons(error);

    for (guint i = 0; reasons && i < reasons->len; i++)
        g_ptr_array_add(codes, ((CvsReason *)g_ptr_array_index(reasons, i))->code);
    g_ptr_array_sort(codes, compare_strings);
    g_ptr_array_add(codes, NULL);
    return g_strjoinv(" ", (char **)codes->pdata);
}

static void
check_case(CvsSnpVerifier *verifier, const Case *c)
{
    g_autoptr(GPtrArray) certs = cvs_x509_certs_new();
    g_autoptr(GPtrArray) crls = cvs_x509_crls_new();
    g_autoptr(GBytes) report = load_report(c->report);
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) claims = NULL;
    g_autofree char *reasons = NULL;
    CvsSnpEvidence evidence = {.report = g_bytes_get_data(report, NULL),
                               .report_size = g_bytes_get_size(report),
                               .certs = certs,
                               .crls = crls,
                               .at = c->at};
    gboolean ok = FALSE;

    g_test_message("%s with %s, %s, %s", c->report, c->leaf ? c->leaf : "no leaf", c->roots,
                   c->crl ? c->crl : "no CRL");
    if (c->leaf)
        load_into(certs, NULL, c->leaf);
    load_into(certs, NULL, c->roots);
    if (c->crl)
        load_into(NULL, crls, c->crl);
    ok = cvs_snp_verify(verifier, &evidence, NULL, &claims, &error);
    if (error)
        g_test_message("%s", error->message);
    reasons = reasons_of(error);
    g_assert_cmpstr(reasons, ==, c->reasons);
    g_assert_cmpint(ok, ==, c->code == -1);
    if (c->code == -1)
        g_assert_no_error(error);
    else
        g_assert_error(error, CVS_ERROR, c->code);
    g_assert_nonnull(claims);
    g_assert_cmpint(json_is_true(json_object_get(claims, "tee.verified")), ==, ok);
    g_assert_true(json_is_false(json_object_get(claims, "tee.test_roots")));
    g_assert_cmpstr(json_string_value(json_object_get(claims, "tee.line")), ==, c->line);
}

/* Twice with one verifier: the second time everything that is remembered is used. */
static void
test_outcomes(void)
{
    g_autoptr(CvsSnpVerifier) warm = new_verifier();

    if (!snp_vectors_present())
        return;
    for (int round = 0; round < 2; round++) {
        for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
            g_autoptr(CvsSnpVerifier) cold = new_verifier();

            check_case(round == 0 ? cold : warm, &cases[i]);
            check_case(warm, &cases[i]);
        }
    }
}

/* Every capture is in the table, so that one that is added is not forgotten. */
static void
test_complete(void)
{
    const char *const folders[] = {"reports", "azure", "negative"};

    if (!snp_vectors_present())
        return;
    for (gsize f = 0; f < G_N_ELEMENTS(folders); f++) {
        g_autofree char *path = snp_vectors_path(folders[f]);
        g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
        const char *name = NULL;

        g_assert_nonnull(dir);
        while ((name = g_dir_read_name(dir)) != NULL) {
            g_autofree char *file = g_build_filename(folders[f], name, NULL);
            gboolean found = FALSE;

            /* Quotes of the vTPM are not the TEE's. */
            if (g_str_has_suffix(name, ".quote.msg") || g_str_has_suffix(name, ".quote.sig") ||
                g_str_has_suffix(name, ".pcrs.bin"))
                continue;
            for (gsize i = 0; i < G_N_ELEMENTS(cases) && !found; i++)
                found = g_str_equal(cases[i].report, file) || g_strcmp0(cases[i].leaf, file) == 0;
            if (!found)
                g_error("%s is in no case", file);
        }
    }
}

static void
test_leaves(void)
{
    const struct {
        const char *name;
        CvsSnpCertKind kind;
        guint8 struct_version;
        const char *product;
        gsize hwid_size;
        CvsSnpTcbLayout layout;
        CvsSnpTcb tcb;
        const char *csp;
    } leaves[] = {
        {"reports/milan-v3.vcek.der",
         CVS_SNP_CERT_VCEK,
         0,
         "Milan-B0",
         64,
         CVS_SNP_TCB_LEGACY,
         {0, 4, 0, 0x18, 0xdb, {0}},
         ""},
        {"reports/genoa-v3.vcek.der",
         CVS_SNP_CERT_VCEK,
         0,
         "Genoa",
         64,
         CVS_SNP_TCB_LEGACY,
         {0, 0x0a, 0, 0x17, 0x54, {0}},
         ""},
        {"reports/turin-v5.vcek.der",
         CVS_SNP_CERT_VCEK,
         1,
         "Turin",
         8,
         CVS_SNP_TCB_TURIN,
         {1, 3, 2, 5, 0x61, {0}},
         ""},
        {"reports/turin-preproduction.vcek.der",
         CVS_SNP_CERT_VCEK,
         1,
         "Turin",
         8,
         CVS_SNP_TCB_TURIN,
         {0, 0, 0, 0, 9, {0}},
         ""},
        {"reports/milan-v3-vlek-vmpl1.vlek.der",
         CVS_SNP_CERT_VLEK,
         0,
         "Milan",
         0,
         CVS_SNP_TCB_LEGACY,
         {0, 4, 0, 0x18, 0xd9, {0}},
         "CN=cc-us-east-2.amazonaws.com"},
        {"negative/vcek-invalid-legacy.der",
         CVS_SNP_CERT_VCEK,
         0,
         "Milan-B0",
         64,
         CVS_SNP_TCB_LEGACY,
         {0, 0, 0, 0, 0, {0}},
         ""},
        {"negative/vcek-invalid-new.der",
         CVS_SNP_CERT_VCEK,
         0,
         "Milan-B0",
         64,
         CVS_SNP_TCB_LEGACY,
         {0, 0, 0, 0, 0, {0}},
         ""},
    };

    if (!snp_vectors_present())
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(leaves); i++) {
        g_autoptr(GPtrArray) certs = cvs_x509_certs_new();
        g_autoptr(GError) error = NULL;
        CvsSnpLeaf leaf;

        g_test_message("%s", leaves[i].name);
        load_into(certs, NULL, leaves[i].name);
        (void)cvs_snp_leaf_parse(g_ptr_array_index(certs, 0), &leaf, &error);
        g_assert_no_error(error);
        g_assert_cmpint(leaf.kind, ==, leaves[i].kind);
        g_assert_cmpuint(leaf.struct_version, ==, leaves[i].struct_version);
        g_assert_cmpstr(leaf.product_name, ==, leaves[i].product);
        g_assert_cmpuint(leaf.hwid_size, ==, leaves[i].hwid_size);
        g_assert_cmpint(leaf.layout, ==, leaves[i].layout);
        g_assert_cmpstr(leaf.csp_id, ==, leaves[i].csp);
        if (g_str_has_prefix(leaves[i].name, "negative/")) {
            for (guint8 j = 0; j < 64; j++)
                g_assert_cmpuint(leaf.hwid[j], ==, j);
        } else {
            g_assert_true(cvs_snp_tcb_equal(&leaf.tcb, &leaves[i].tcb));
        }
    }
}

/* The pinned keys are those of AMD's certificates, and of no other certificate. */
static void
test_roots(void)
{
    const struct {
        const char *name;
        CvsSnpLine line;
        CvsSnpCertKind kind;
    } files[] = {
        {MILAN, CVS_SNP_LINE_MILAN, CVS_SNP_CERT_ASK},
        {MILAN_VLEK, CVS_SNP_LINE_MILAN, CVS_SNP_CERT_ASVK},
        {GENOA, CVS_SNP_LINE_GENOA, CVS_SNP_CERT_ASK},
        {GENOA_VLEK, CVS_SNP_LINE_GENOA, CVS_SNP_CERT_ASVK},
        {TURIN, CVS_SNP_LINE_TURIN, CVS_SNP_CERT_ASK},
        {TURIN_VLEK, CVS_SNP_LINE_TURIN, CVS_SNP_CERT_ASVK},
    };
    g_autoptr(CvsSnpRoots) roots = cvs_snp_roots_new();

    if (!snp_vectors_present())
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autoptr(GPtrArray) certs = cvs_x509_certs_new();
        CvsX509Chain chain = {.at = AT_2026};
        g_autoptr(GPtrArray) path = NULL;
        g_autoptr(GPtrArray) anchors = cvs_x509_certs_new();
        g_autoptr(GError) refusal =
            g_error_new_literal(CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED, "");
        CvsSnpLine line = CVS_SNP_LINE_UNKNOWN;
        gboolean test = TRUE;

        load_into(certs, NULL, files[i].name);
        g_assert_cmpuint(certs->len, ==, 2);
        g_assert_cmpint(cvs_snp_cert_kind(certs->pdata[0], &line), ==, files[i].kind);
        g_assert_cmpint(line, ==, files[i].line);
        g_assert_cmpint(cvs_snp_cert_kind(certs->pdata[1], &line), ==, CVS_SNP_CERT_ARK);
        g_assert_cmpint(line, ==, files[i].line);
        g_assert_cmpint(cvs_snp_roots_find(roots, certs->pdata[0], NULL), ==, CVS_SNP_LINE_UNKNOWN);
        g_assert_cmpint(cvs_snp_roots_find(roots, certs->pdata[1], &test), ==, files[i].line);
        g_assert_false(test);
        g_assert_true(cvs_snp_roots_have_line(roots, files[i].line));

        {
            /* The pinned key under the name of another line. */
            g_autoptr(X509) renamed = X509_dup(certs->pdata[1]);
            X509_NAME *name = X509_NAME_new();

            g_assert_cmpint(X509_NAME_add_entry_by_txt(
                                name, "CN", MBSTRING_ASC,
                                (const guint8 *)(files[i].line == CVS_SNP_LINE_MILAN ? "ARK-Genoa"
                                                                                     : "ARK-Milan"),
                                -1, -1, 0),
                            ==, 1);
            g_assert_cmpint(X509_set_subject_name(renamed, name), ==, 1);
            g_assert_cmpint(X509_set_issuer_name(renamed, name), ==, 1);
            g_assert_cmpint(cvs_snp_cert_kind(renamed, NULL), ==, CVS_SNP_CERT_ARK);
            g_assert_cmpint(cvs_snp_roots_find(roots, renamed, NULL), ==, CVS_SNP_LINE_UNKNOWN);
            X509_NAME_free(name);
        }

        (void)X509_up_ref(certs->pdata[1]);
        g_ptr_array_add(anchors, certs->pdata[1]);
        chain.leaf = certs->pdata[0];
        chain.anchors = anchors;
        path = cvs_x509_chain_verify(&chain, refusal);
        g_assert_nonnull(path);
        g_assert_cmpuint(path->len, ==, 2);
    }
    g_assert_false(cvs_snp_roots_have_line(roots, CVS_SNP_LINE_VENICE));
    g_assert_false(cvs_snp_roots_have_test(roots));
}

static void
test_revoked(void)
{
    g_autoptr(GPtrArray) crls = cvs_x509_crls_new();
    g_autoptr(GPtrArray) certs = cvs_x509_certs_new();
    g_autoptr(GError) refusal = g_error_new_literal(CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED, "");
    g_autoptr(X509) first_ask = NULL;
    g_autofree char *number = NULL;
    X509_CRL *used = NULL;

    if (!snp_vectors_present())
        return;
    load_into(NULL, crls, CRL_GENOA);
    load_into(certs, NULL, GENOA);
    number = cvs_x509_crl_number(crls->pdata[0]);
    g_assert_cmpstr(number, ==, "4");
    /* The first ASK of Genoa itself is not at hand: its serial number in another certificate. */
    first_ask = X509_dup(certs->pdata[0]);
    g_assert_cmpint(ASN1_INTEGER_set(X509_get_serialNumber(first_ask), 0x20001), ==, 1);

    g_assert_cmpint(cvs_x509_check_crls(certs->pdata[0], certs->pdata[1], crls,
                                        G_GINT64_CONSTANT(1756684800), NULL, &used, refusal),
                    ==, CVS_CRL_FRESH);
    g_assert_true(used == crls->pdata[0]);
    g_assert_cmpuint(cvs_error_get_reasons(refusal)->len, ==, 0);
    g_assert_cmpint(cvs_x509_check_crls(first_ask, certs->pdata[1], crls,
                                        G_GINT64_CONSTANT(1756684800), NULL, NULL, refusal),
                    ==, CVS_CRL_BAD);
    g_assert_true(cvs_error_has_reason(refusal, CVS_REASON_CERT_REVOKED));
}

static const char *
claim_string(const json_t *claims, const char *name)
{
    return json_string_value(json_object_get(claims, name));
}

static void
test_claims(void)
{
    g_autoptr(CvsSnpVerifier) verifier = new_verifier();
    g_autoptr(GPtrArray) certs = cvs_x509_certs_new();
    g_autoptr(GBytes) report = NULL;
    g_autoptr(json_t) claims = NULL;
    CvsSnpEvidence evidence = {.certs = certs, .at = AT_2025};

    if (!snp_vectors_present())
        return;
    report = snp_vector("reports/milan-v3-vlek-vmpl1.report.bin");
    load_into(certs, NULL, "reports/milan-v3-vlek-vmpl1.vlek.der");
    load_into(certs, NULL, MILAN_VLEK);
    evidence.report = g_bytes_get_data(report, &evidence.report_size);
    g_assert_true(cvs_snp_verify(verifier, &evidence, NULL, &claims, NULL));
    g_assert_cmpstr(claim_string(claims, "tee.type"), ==, "snp");
    g_assert_cmpstr(claim_string(claims, "tee.signing_key"), ==, "vlek");
    g_assert_cmpstr(claim_string(claims, "tee.csp_id"), ==, "CN=cc-us-east-2.amazonaws.com");
    g_assert_cmpstr(claim_string(claims, "tee.crl"), ==, "missing");
    g_assert_cmpstr(claim_string(claims, "tee.cpuid"), ==, "190101");
    g_assert_null(json_object_get(claims, "tee.chip_id"));
    g_assert_null(json_object_get(claims, "tee.mit_vector.current"));
    g_assert_null(json_object_get(claims, "tee.tcb.reported.fmc"));
#define INT(name) json_integer_value(json_object_get(claims, name))
    g_assert_cmpint(INT("tee.vmpl"), ==, 1);
    g_assert_cmpint(INT("tee.tcb.reported.microcode"), ==, 0xd9);
    g_assert_cmpint(INT("tee.tcb.committed.microcode"), ==, 0xdb);
    g_assert_cmpint(INT("tee.tcb.current.microcode"), ==, 0xdc);
    g_assert_cmpint(INT("tee.tcb.launch.snp"), ==, 0x18);
    g_assert_cmpint(INT("tee.firmware.current.minor"), ==, 55);
    g_assert_cmpint(INT("tee.collateral.not_after"), ==, INT("tee.cert.not_after"));
}

static void
test_debug_is_a_claim(void)
{
    g_autoptr(GBytes) report = NULL;
    g_autoptr(GBytes) turin = NULL;
    g_autoptr(json_t) claims = NULL;
    g_autoptr(json_t) turin_claims = NULL;
    g_autoptr(CvsSnpVerifier) verifier = new_verifier();
    CvsSnpEvidence evidence = {.at = AT_2025};

    if (!snp_vectors_present())
        return;
    report = snp_vector("reports/milan-v2-debug.report.bin");
    evidence.report = g_bytes_get_data(report, &evidence.report_size);
    g_assert_false(cvs_snp_verify(verifier, &evidence, NULL, &claims, NULL));
    g_assert_true(json_is_true(json_object_get(claims, "tee.policy.debug")));
    g_assert_true(json_is_false(json_object_get(claims, "tee.policy.migrate_ma")));
    g_assert_cmpstr(claim_string(claims, "tee.policy"), ==, "0xb0000");

    turin = snp_vector("reports/turin-v5-mit0.report.bin");
    evidence.report = g_bytes_get_data(turin, &evidence.report_size);
    g_assert_false(cvs_snp_verify(verifier, &evidence, NULL, &turin_claims, NULL));
    g_assert_cmpstr(claim_string(turin_claims, "tee.platform_info.unknown"), ==, "0x40");
    g_assert_cmpstr(claim_string(turin_claims, "tee.chip_id"), ==, "3b42092f69c656d3");
    g_assert_cmpstr(claim_string(turin_claims, "tee.mit_vector.current"), ==, "0x0");
}

/* One bit of every byte, of a report of each layout: never verified. What the flip hits says which
 * other reason there must be. */
static void
test_every_byte(void)
{
    const Case *flipped[] = {&cases[1], &cases[4], &cases[11]};

    if (!snp_vectors_present())
        return;
    for (gsize i = 0; i < G_N_ELEMENTS(flipped); i++) {
        g_autoptr(CvsSnpVerifier) verifier = new_verifier();
        g_autoptr(GPtrArray) certs = cvs_x509_certs_new();
        g_autoptr(GBytes) original = load_report(flipped[i]->report);
        g_autofree guint8 *report = NULL;
        CvsSnpEvidence evidence = {.certs = certs, .at = flipped[i]->at};

        report = g_memdup2(g_bytes_get_data(original, NULL), CVS_SNP_REPORT_SIZE);
        load_into(certs, NULL, flipped[i]->leaf);
        load_into(certs, NULL, flipped[i]->roots);
        evidence.report = report;
        evidence.report_size = CVS_SNP_REPORT_SIZE;
        g_assert_true(cvs_snp_verify(verifier, &evidence, NULL, NULL, NULL));
        for (gsize at = 0; at < CVS_SNP_REPORT_SIZE; at++) {
            g_autoptr(GError) error = NULL;
            g_autoptr(json_t) claims = NULL;

            report[at] ^= (guint8)(1 << at % 8);
            g_assert_false(cvs_snp_verify(verifier, &evidence, NULL, &claims, &error));
            if (g_error_matches(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT)) {
                g_assert_null(claims);
            } else {
                g_assert_error(error, CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED);
                g_assert_true(cvs_error_has_reason(error, CVS_REASON_REPORT_SIGNATURE));
                g_assert_cmpint(cvs_error_has_reason(error, CVS_REASON_TCB_MISMATCH), ==,
                                at >= 0x180 && at < 0x188);
                if (at >= 0x1a0 && at < 0x1e0)
                    g_assert_true(cvs_error_has_reason(error, CVS_REASON_CHIP_MISMATCH));
                g_assert_true(json_is_false(json_object_get(claims, "tee.verified")));
            }
            report[at] ^= (guint8)(1 << at % 8);
        }
        g_assert_true(cvs_snp_verify(verifier, &evidence, NULL, NULL, NULL));
    }
}

/* The claim "verified" of a certificate must not survive the change of any of its bytes. */
static void
test_every_byte_of_leaf(void)
{
    g_autoptr(CvsSnpVerifier) verifier = new_verifier();
    g_autoptr(GPtrArray) roots = cvs_x509_certs_new();
    g_autoptr(GBytes) report = NULL;
    g_autoptr(GBytes) original = NULL;
    g_autofree guint8 *leaf = NULL;
    gsize size = 0;
    guint parsed = 0;

    if (!snp_vectors_present())
        return;
    report = snp_vector("reports/turin-v5.report.bin");
    original = snp_vector("reports/turin-v5.vcek.der");
    size = g_bytes_get_size(original);
    leaf = g_memdup2(g_bytes_get_data(original, NULL), size);
    load_into(roots, NULL, TURIN);
    for (gsize at = 0; at <= size; at++) {
        g_autoptr(GPtrArray) certs = cvs_x509_certs_new();
        CvsSnpEvidence evidence = {.certs = certs, .at = AT_2026};

        evidence.report = g_bytes_get_data(report, &evidence.report_size);
        if (at < size)
            leaf[at] ^= (guint8)(1 << at % 8);
        if (cvs_x509_load(leaf, size, "leaf", certs, NULL, NULL)) {
            for (guint i = 0; i < roots->len; i++) {
                (void)X509_up_ref(roots->pdata[i]);
                g_ptr_array_add(certs, roots->pdata[i]);
            }
            parsed++;
            g_assert_cmpint(cvs_snp_verify(verifier, &evidence, NULL, NULL, NULL), ==, at == size);
        }
        if (at < size)
            leaf[at] ^= (guint8)(1 << at % 8);
    }
    g_assert_cmpuint(parsed, >, 256);
}

/* A second opinion: the program openssl, on the same bytes. */
static int
run_openssl(const char *const *arguments)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *out = NULL;
    g_autofree char *err = NULL;
    int status = 0;

    (void)g_spawn_sync(NULL, (char **)arguments, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &err,
                       &status, &error);
    g_assert_no_error(error);
    return status;
}

static void
write_file(const char *path, const void *data, gsize size)
{
    g_autoptr(GError) error = NULL;

    (void)g_file_set_contents(path, data, (gssize)size, &error);
    g_assert_no_error(error);
}

static void
write_pem(const char *path, X509 *cert)
{
    FILE *file = g_fopen(path, "w");

    g_assert_nonnull(file);
    g_assert_cmpint(PEM_write_X509(file, cert), ==, 1);
    g_assert_cmpint(fclose(file), ==, 0);
}

static void
write_key(const char *path, X509 *cert)
{
    FILE *file = g_fopen(path, "w");

    g_assert_nonnull(file);
    g_assert_cmpint(PEM_write_PUBKEY(file, X509_get0_pubkey(cert)), ==, 1);
    g_assert_cmpint(fclose(file), ==, 0);
}

static void
write_signature(const char *path, const CvsSnpReport *report)
{
    ECDSA_SIG *sig = ECDSA_SIG_new();
    guint8 *der = NULL;
    int size = 0;

    g_assert_cmpint(ECDSA_SIG_set0(sig, BN_bin2bn(report->signature_r, 48, NULL),
                                   BN_bin2bn(report->signature_s, 48, NULL)),
                    ==, 1);
    size = i2d_ECDSA_SIG(sig, &der);
    g_assert_cmpint(size, >, 0);
    write_file(path, der, (gsize)size);
    OPENSSL_free(der);
    ECDSA_SIG_free(sig);
}

static void
second_opinion(const Case *c, const char *dir)
{
    g_autoptr(GPtrArray) certs = cvs_x509_certs_new();
    g_autoptr(GBytes) bytes = load_report(c->report);
    g_autofree char *leaf = g_build_filename(dir, "leaf.pem", NULL);
    g_autofree char *ask = g_build_filename(dir, "ask.pem", NULL);
    g_autofree char *ark = g_build_filename(dir, "ark.pem", NULL);
    g_autofree char *key = g_build_filename(dir, "key.pem", NULL);
    g_autofree char *body = g_build_filename(dir, "body", NULL);
    g_autofree char *sig = g_build_filename(dir, "sig", NULL);
    g_autofree char *at = g_strdup_printf("%" G_GINT64_FORMAT, c->at);
    const char *const verify[] = {"openssl",    "verify", "-no-CApath", "-no-CAstore",
                                  "-attime",    at,       "-CAfile",    ark,
                                  "-untrusted", ask,      leaf,         NULL};
    const char *const dgst[] = {"openssl",    "dgst", "-sha384", "-verify", key,
                                "-signature", sig,    body,      NULL};
    const char *const files[] = {leaf, ask, ark, key, body, sig};
    gboolean chain_ok =
        strstr(c->reasons, "Cert") == NULL && strstr(c->reasons, "ChainIncomplete") == NULL;
    CvsSnpReport report;

    load_into(certs, NULL, c->leaf);
    load_into(certs, NULL, c->roots);
    g_assert_true(cvs_snp_report_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes),
                                       &report, NULL));
    write_pem(leaf, certs->pdata[0]);
    write_pem(ask, certs->pdata[1]);
    write_pem(ark, certs->pdata[2]);
    write_key(key, certs->pdata[0]);
    write_file(body, g_bytes_get_data(bytes, NULL), 0x2a0);
    write_signature(sig, &report);
    g_test_message("%s with %s", c->report, c->leaf);
    g_assert_cmpint(run_openssl(verify) == 0, ==, chain_ok);
    g_assert_cmpint(run_openssl(dgst) == 0, ==, strstr(c->reasons, "ReportSignature") == NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++)
        g_assert_cmpint(g_unlink(files[i]), ==, 0);
}

static void
test_second_opinion(void)
{
    g_autofree char *program = g_find_program_in_path("openssl");
    g_autofree char *dir = NULL;

    if (!snp_vectors_present())
        return;
    if (program == NULL) {
        g_test_skip("the program openssl is not installed");
        return;
    }
    dir = g_dir_make_tmp("cvs-snp-XXXXXX", NULL);
    g_assert_nonnull(dir);
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        if (cases[i].leaf)
            second_opinion(&cases[i], dir);
    }
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tee/snp-captures/outcomes", test_outcomes);
    g_test_add_func("/tee/snp-captures/complete", test_complete);
    g_test_add_func("/tee/snp-captures/leaves", test_leaves);
    g_test_add_func("/tee/snp-captures/roots", test_roots);
    g_test_add_func("/tee/snp-captures/revoked", test_revoked);
    g_test_add_func("/tee/snp-captures/claims", test_claims);
    g_test_add_func("/tee/snp-captures/debug-is-a-claim", test_debug_is_a_claim);
    g_test_add_func("/tee/snp-captures/every-byte", test_every_byte);
    g_test_add_func("/tee/snp-captures/every-byte-of-leaf", test_every_byte_of_leaf);
    g_test_add_func("/tee/snp-captures/second-opinion", test_second_opinion);
    return g_test_run();
}
