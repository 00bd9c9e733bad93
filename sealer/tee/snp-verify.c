/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/snp-verify.h"
#include "base/error.h"
#include "base/hex.h"
#include "tee/refusal.h"
#include "tee/snp-certs.h"
#include "tee/snp-claims.h"
#include "tee/snp-kds.h"
#include "tee/x509-chain.h"
#include "tee/x509-crl.h"

#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <string.h>

G_DEFINE_AUTOPTR_CLEANUP_FUNC(ECDSA_SIG, ECDSA_SIG_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(EVP_MD_CTX, EVP_MD_CTX_free)

struct _CvsSnpVerifier {
    CvsSnpRoots *roots;
    CvsX509Memo *memo;
    GPtrArray *certs; /* X509* */
};

CvsSnpVerifier *
cvs_snp_verifier_new(CvsSnpRoots *roots)
{
    CvsSnpVerifier *verifier = g_new0(CvsSnpVerifier, 1);

    verifier->roots = cvs_snp_roots_ref(roots);
    verifier->memo = cvs_x509_memo_new();
    verifier->certs = cvs_x509_certs_new();
    return verifier;
}

void
cvs_snp_verifier_free(CvsSnpVerifier *verifier)
{
    if (verifier == NULL)
        return;
    cvs_snp_roots_unref(verifier->roots);
    cvs_x509_memo_free(verifier->memo);
    g_ptr_array_unref(verifier->certs);
    g_free(verifier);
}

static void
add_cert(GPtrArray *certs, X509 *cert)
{
    (void)X509_up_ref(cert);
    g_ptr_array_add(certs, cert);
}

void
cvs_snp_verifier_add_certs(CvsSnpVerifier *verifier, const GPtrArray *certs)
{
    for (guint i = 0; i < certs->len; i++)
        add_cert(verifier->certs, g_ptr_array_index(certs, i));
}

/* One verification under way. */
typedef struct {
    CvsSnpVerifier *verifier;
    const CvsSnpEvidence *evidence;
    CvsSnpReport report;
    GError *refusal;
    X509 *cert; /* the leaf, borrowed */
    gboolean leaf_ok;
    CvsSnpLeaf leaf;        /* if leaf_ok */
    GPtrArray *path;        /* leaf, ASK or ASVK, ARK; or NULL */
    CvsSnpLine issuer_line; /* by the name of the leaf's issuer */
    CvsSnpLine line;        /* of the report, or, where it does not say, of the root */
    CvsCrlStatus crl_status;
    X509_CRL *crl; /* borrowed */
} Run;

static CvsSnpCertKind
wanted_kind(const CvsSnpReport *report)
{
    switch (report->signing_key) {
    case CVS_SNP_SIGNER_VCEK:
        return CVS_SNP_CERT_VCEK;
    case CVS_SNP_SIGNER_VLEK:
        return CVS_SNP_CERT_VLEK;
    default:
        return CVS_SNP_CERT_OTHER;
    }
}

static gboolean
hwid_is_chip_id(const CvsSnpLeaf *leaf, const CvsSnpReport *report)
{
    guint8 padded[CVS_SNP_CHIP_ID_SIZE] = {0};

    memcpy(padded, leaf->hwid, leaf->hwid_size);
    return leaf->hwid_size > 0 && memcmp(padded, report->chip_id, sizeof padded) == 0;
}

static gboolean
tcb_is_reported(const CvsSnpLeaf *leaf, const CvsSnpReport *report)
{
    CvsSnpTcb reported = cvs_snp_tcb_decode(report->reported_tcb, leaf->layout);

    return cvs_snp_tcb_equal(&leaf->tcb, &reported);
}

static gboolean
signature_holds(const CvsSnpReport *report, const void *signed_bytes, X509 *cert)
{
    g_autoptr(EVP_MD_CTX) ctx = EVP_MD_CTX_new();
    g_autoptr(ECDSA_SIG) sig = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(report->signature_r, sizeof report->signature_r, NULL);
    BIGNUM *s = BN_bin2bn(report->signature_s, sizeof report->signature_s, NULL);
    EVP_PKEY *key = X509_get0_pubkey(cert);
    guint8 *der = NULL;
    int size = 0;
    gboolean ok = FALSE;

    if (ctx == NULL || sig == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(sig, r, s) != 1)
        g_error("OpenSSL is out of memory");
    size = i2d_ECDSA_SIG(sig, &der);
    ok = size > 0 && key && EVP_PKEY_is_a(key, "EC") &&
         EVP_DigestVerifyInit_ex(ctx, NULL, "SHA384", NULL, NULL, key, NULL) == 1 &&
         EVP_DigestVerify(ctx, der, (gsize)size, signed_bytes, CVS_SNP_SIGNED_SIZE) == 1;
    OPENSSL_free(der);
    ERR_clear_error();
    return ok;
}

/* Of two leaves that say the same: the one whose key signed the report goes before, then the one
 * whose time it is. Leaves are certified anew with other dates, and a provider's VLEK with another
 * key. */
static gboolean
is_better_leaf(const Run *run, X509 *one, X509 *other)
{
    gboolean one_signed = signature_holds(&run->report, run->evidence->report, one);
    gboolean other_signed = signature_holds(&run->report, run->evidence->report, other);

    if (one_signed != other_signed)
        return one_signed;
    return cvs_x509_is_in_time(one, run->evidence->at) &&
           !cvs_x509_is_in_time(other, run->evidence->at);
}

/* Several leaves may be at hand: of all kinds, chips and TCBs that a store holds. */
static void
consider_leaf(Run *run, X509 *cert, int *best)
{
    CvsSnpCertKind kind = cvs_snp_cert_kind(cert, NULL);
    CvsSnpLeaf leaf = {0};
    int score = 0;

    if (kind != CVS_SNP_CERT_VCEK && kind != CVS_SNP_CERT_VLEK)
        return;
    score = kind == wanted_kind(&run->report) ? 8 : 1;
    if (cvs_snp_leaf_parse(cert, &leaf, NULL))
        score += (hwid_is_chip_id(&leaf, &run->report) ? 4 : 0) +
                 (tcb_is_reported(&leaf, &run->report) ? 2 : 0);
    if (score > *best || (score == *best && is_better_leaf(run, cert, run->cert))) {
        *best = score;
        run->cert = cert;
    }
}

static void
add_leaf_missing(Run *run, CvsSnpCertKind kind)
{
    g_autofree char *url = cvs_snp_kds_vcek_url(&run->report, run->report.line);
    /* Version 2 does not say which of the two it is of. */
    gboolean either = !run->report.has_cpuid && run->report.layout == CVS_SNP_TCB_LEGACY;
    g_autofree char *milan = either ? cvs_snp_kds_vcek_url(&run->report, CVS_SNP_LINE_MILAN) : NULL;
    g_autofree char *genoa = either ? cvs_snp_kds_vcek_url(&run->report, CVS_SNP_LINE_GENOA) : NULL;

    if (milan && genoa && kind == CVS_SNP_CERT_VCEK)
        cvs_error_add_reason(run->refusal, CVS_REASON_COLLATERAL_MISSING, NULL, NULL,
                             "there is no VCEK certificate for this chip and TCB; AMD has it at "
                             "%s if it is a Milan, at %s if it is a Genoa",
                             milan, genoa);
    else if (url)
        cvs_error_add_reason(run->refusal, CVS_REASON_COLLATERAL_MISSING, NULL, url,
                             "there is no VCEK certificate for this chip and TCB; AMD has it at %s",
                             url);
    else if (kind == CVS_SNP_CERT_VLEK)
        cvs_error_add_reason(
            run->refusal, CVS_REASON_COLLATERAL_MISSING, NULL, NULL,
            "there is no VLEK certificate for this TCB; the cloud provider has it");
    else
        cvs_error_add_reason(run->refusal, CVS_REASON_COLLATERAL_MISSING, NULL, NULL,
                             "there is no certificate of the key that signed the report");
}

static void
choose_leaf(Run *run)
{
    const GPtrArray *piles[] = {run->evidence->certs, run->verifier->certs,
                                run->evidence->host_leaves};
    CvsSnpCertKind kind = wanted_kind(&run->report);
    g_autoptr(GError) error = NULL;
    int best = 0;

    for (gsize i = 0; i < G_N_ELEMENTS(piles); i++) {
        for (guint j = 0; piles[i] && j < piles[i]->len; j++)
            consider_leaf(run, g_ptr_array_index(piles[i], j), &best);
    }
    if (kind == CVS_SNP_CERT_OTHER)
        cvs_error_add_reason(run->refusal, CVS_REASON_SIGNER_UNKNOWN, NULL, "0 (VCEK) or 1 (VLEK)",
                             "the report says that %s signed it (SIGNING_KEY %u)",
                             run->report.signing_key == CVS_SNP_SIGNER_NONE ? "no key"
                                                                            : "an unknown key",
                             run->report.signing_key);
    if (run->cert == NULL) {
        add_leaf_missing(run, kind);
        return;
    }
    if (kind != CVS_SNP_CERT_OTHER && kind != cvs_snp_cert_kind(run->cert, NULL))
        cvs_error_add_reason(run->refusal, CVS_REASON_SIGNER_MISMATCH,
                             cvs_snp_cert_kind_name(cvs_snp_cert_kind(run->cert, NULL)),
                             cvs_snp_cert_kind_name(kind),
                             "the report is signed by a %s and the certificate is of a %s",
                             cvs_snp_cert_kind_name(kind),
                             cvs_snp_cert_kind_name(cvs_snp_cert_kind(run->cert, NULL)));
    run->leaf_ok = cvs_snp_leaf_parse(run->cert, &run->leaf, &error);
    if (!run->leaf_ok)
        cvs_error_add_reason(run->refusal, CVS_REASON_LEAF_MALFORMED, NULL, NULL, "%s",
                             error->message);
}

/* By name: a VCEK belongs below SEV-LINE, a VLEK below SEV-VLEK-LINE. That the name is true is the
 * chain's part. */
static void
check_issuer_name(Run *run)
{
    gboolean is_vlek = cvs_snp_cert_kind(run->cert, NULL) == CVS_SNP_CERT_VLEK;
    const char *prefix = is_vlek ? "SEV-VLEK-" : "SEV-";
    g_autofree char *issuer = cvs_x509_issuer_common_name(run->cert);
    g_autofree char *wanted = NULL;

    run->issuer_line = issuer && g_str_has_prefix(issuer, prefix)
                           ? cvs_snp_line_from_name(issuer + strlen(prefix))
                           : CVS_SNP_LINE_UNKNOWN;
    if (run->issuer_line != CVS_SNP_LINE_UNKNOWN)
        return;
    wanted = g_strdup_printf(
        "%s%s", prefix,
        run->report.line == CVS_SNP_LINE_UNKNOWN ? "(line)" : cvs_snp_line_name(run->report.line));
    cvs_error_add_reason(run->refusal, CVS_REASON_ISSUER_MISMATCH, issuer, wanted,
                         "the issuer of the %s is %s", is_vlek ? "VLEK" : "VCEK",
                         issuer ? issuer : "without a common name");
}

static void
verify_chain(Run *run)
{
    g_autoptr(GPtrArray) anchors = cvs_x509_certs_new();
    g_autoptr(GPtrArray) others = cvs_x509_certs_new();
    const GPtrArray *piles[] = {run->evidence->certs, run->verifier->certs,
                                cvs_snp_roots_test_certs(run->verifier->roots)};
    CvsX509Chain chain = {.leaf = run->cert,
                          .others = others,
                          .anchors = anchors,
                          .at = run->evidence->at,
                          .memo = run->verifier->memo};

    for (gsize i = 0; i < G_N_ELEMENTS(piles); i++) {
        for (guint j = 0; piles[i] && j < piles[i]->len; j++) {
            X509 *cert = g_ptr_array_index(piles[i], j);
            CvsSnpLine line = cvs_snp_roots_find(run->verifier->roots, cert, NULL);

            add_cert(line != CVS_SNP_LINE_UNKNOWN ? anchors : others, cert);
        }
    }
    run->path = cvs_x509_chain_path(&chain, run->refusal);
    if (run->path && run->path->len != 3) {
        cvs_error_add_reason(run->refusal, CVS_REASON_CERT_UNFIT, NULL, NULL,
                             "the chain has %u certificates; leaf, ASK and ARK are three",
                             run->path->len);
        g_clear_pointer(&run->path, g_ptr_array_unref);
    }
}

/* AMD signs all of its certificates in one way. */
static void
check_algorithms(Run *run)
{
    for (guint i = 0; run->path && i < run->path->len; i++) {
        X509 *cert = g_ptr_array_index(run->path, i);
        g_autofree char *name = cvs_x509_display_name(cert);
        int hash = NID_undef;
        int scheme = NID_undef;

        if (X509_get_signature_info(cert, &hash, &scheme, NULL, NULL) == 1 && hash == NID_sha384 &&
            scheme == NID_rsassaPss)
            continue;
        cvs_error_add_reason(run->refusal, CVS_REASON_CERT_UNFIT, OBJ_nid2sn(scheme),
                             OBJ_nid2sn(NID_rsassaPss),
                             "the certificate %s is not signed by RSASSA-PSS with SHA-384", name);
    }
}

static void
add_line_mismatch(Run *run, CvsSnpLine seen, const char *what)
{
    g_autofree char *wanted =
        run->report.line != CVS_SNP_LINE_UNKNOWN
            ? g_strdup(cvs_snp_line_name(run->report.line))
            : g_strdup_printf("a line of family %s",
                              run->report.layout == CVS_SNP_TCB_TURIN ? "1Ah" : "19h");

    cvs_error_add_reason(run->refusal, CVS_REASON_LINE_MISMATCH, cvs_snp_line_name(seen), wanted,
                         "the report is of a CPU of %s and the %s is of %s", wanted, what,
                         cvs_snp_line_name(seen));
}

/* The report's line by CPUID, the line in the issuer's name and the root's line are one. A version
 * 2 report has only the shape of its chip id to hold against the chain. */
static void
check_line(Run *run)
{
    const CvsSnpReport *report = &run->report;
    CvsSnpLine root_line =
        run->path ? cvs_snp_roots_find(run->verifier->roots,
                                       g_ptr_array_index(run->path, run->path->len - 1), NULL)
                  : CVS_SNP_LINE_UNKNOWN;
    CvsSnpLine chain_line = root_line != CVS_SNP_LINE_UNKNOWN ? root_line : run->issuer_line;

    if (report->has_cpuid && report->line == CVS_SNP_LINE_UNKNOWN) {
        g_autofree char *cpu =
            g_strdup_printf("family 0x%x, model 0x%x", report->cpuid_family, report->cpuid_model);

        cvs_error_add_reason(run->refusal, CVS_REASON_LINE_UNKNOWN, cpu, NULL,
                             "the report is of a CPU of no known product line: %s", cpu);
    } else if (report->line != CVS_SNP_LINE_UNKNOWN &&
               !cvs_snp_roots_have_line(run->verifier->roots, report->line)) {
        cvs_error_add_reason(run->refusal, CVS_REASON_LINE_UNKNOWN, cvs_snp_line_name(report->line),
                             NULL, "there is no root for the product line %s",
                             cvs_snp_line_name(report->line));
    }
    if (root_line != CVS_SNP_LINE_UNKNOWN && run->issuer_line != CVS_SNP_LINE_UNKNOWN &&
        root_line != run->issuer_line)
        cvs_error_add_reason(run->refusal, CVS_REASON_LINE_MISMATCH,
                             cvs_snp_line_name(run->issuer_line), cvs_snp_line_name(root_line),
                             "the leaf's issuer is of the line %s below the root of %s",
                             cvs_snp_line_name(run->issuer_line), cvs_snp_line_name(root_line));
    if (chain_line != CVS_SNP_LINE_UNKNOWN) {
        if (report->line != CVS_SNP_LINE_UNKNOWN && report->line != chain_line)
            add_line_mismatch(run, chain_line, "chain");
        else if (!report->has_cpuid && report->layout != CVS_SNP_TCB_UNKNOWN &&
                 report->layout != cvs_snp_line_layout(chain_line))
            add_line_mismatch(run, chain_line, "chain");
    }
    run->line = report->has_cpuid ? report->line : root_line;
}

static void
check_chip(Run *run)
{
    g_autofree char *seen = NULL;
    g_autofree char *wanted = NULL;

    if (run->leaf.kind != CVS_SNP_CERT_VCEK)
        return;
    if (run->report.chip_id_zero) {
        cvs_error_add_reason(run->refusal, CVS_REASON_CHIP_MASKED, NULL, NULL,
                             "the host masks the chip id, so that the VCEK cannot be shown to "
                             "belong to this chip");
        return;
    }
    if (hwid_is_chip_id(&run->leaf, &run->report) &&
        (run->leaf.hwid_size == CVS_SNP_TURIN_HWID_SIZE) == (run->leaf.layout == CVS_SNP_TCB_TURIN))
        return;
    seen = cvs_hex_encode(run->leaf.hwid, run->leaf.hwid_size);
    wanted = cvs_hex_encode(run->report.chip_id, sizeof run->report.chip_id);
    cvs_error_add_reason(run->refusal, CVS_REASON_CHIP_MISMATCH, seen, wanted,
                         "the VCEK belongs to the chip %s", seen);
}

static void
check_tcb(Run *run)
{
    const CvsSnpReport *report = &run->report;
    CvsSnpTcbLayout layout = report->layout;
    g_autofree char *seen = NULL;
    g_autofree char *wanted = NULL;
    CvsSnpTcb reported;

    /* A VLEK's version 2 report: nothing but the chain tells the layout. */
    if (layout == CVS_SNP_TCB_UNKNOWN)
        layout = cvs_snp_line_layout(run->line);
    /* Without a line there is no layout either; that is a reason already. */
    if (layout == CVS_SNP_TCB_UNKNOWN)
        layout = run->leaf.layout;
    if (layout == run->leaf.layout && tcb_is_reported(&run->leaf, report))
        return;
    reported = cvs_snp_tcb_decode(report->reported_tcb, layout);
    seen = cvs_snp_tcb_describe(&run->leaf.tcb, run->leaf.layout);
    wanted = cvs_snp_tcb_describe(&reported, layout);
    cvs_error_add_reason(run->refusal, CVS_REASON_TCB_MISMATCH, seen, wanted,
                         "the certificate is for the TCB %s and the report's REPORTED_TCB is %s",
                         seen, wanted);
}

static void
check_signature(Run *run)
{
    if (signature_holds(&run->report, run->evidence->report, run->cert))
        return;
    if (run->report.mask_chip_key)
        cvs_error_add_reason(run->refusal, CVS_REASON_REPORT_SIGNATURE, NULL, NULL,
                             "the host forbade the chip's key (MASK_CHIP_KEY), so that the report "
                             "is not signed");
    else
        cvs_error_add_reason(run->refusal, CVS_REASON_REPORT_SIGNATURE, NULL, NULL,
                             "the report is not signed by the key of the %s",
                             cvs_snp_cert_kind_name(cvs_snp_cert_kind(run->cert, NULL)));
}

static void
set_certificate_claims(const Run *run, json_t *claims)
{
    g_autofree char *number = run->crl ? cvs_x509_crl_number(run->crl) : NULL;
    gint64 not_after = G_MAXINT64;

    if (run->leaf_ok) {
        cvs_claims_set_string(claims, "tee.cert.product_name", run->leaf.product_name);
        cvs_claims_set_int(claims, "tee.cert.not_before", cvs_x509_not_before(run->cert));
        cvs_claims_set_int(claims, "tee.cert.not_after", cvs_x509_not_after(run->cert));
        if (run->leaf.kind == CVS_SNP_CERT_VLEK)
            cvs_claims_set_string(claims, "tee.csp_id", run->leaf.csp_id);
    }
    if (run->path == NULL)
        return;
    for (guint i = 0; i < run->path->len; i++)
        not_after = MIN(not_after, cvs_x509_not_after(g_ptr_array_index(run->path, i)));
    cvs_claims_set_int(claims, "tee.collateral.not_after", not_after);
    cvs_claims_set_string(claims, "tee.crl", cvs_crl_status_name(run->crl_status));
    if (run->crl) {
        if (number)
            cvs_claims_set_string(claims, "tee.crl.number", number);
        cvs_claims_set_int(claims, "tee.crl.this_update", cvs_x509_crl_this_update(run->crl));
        cvs_claims_set_int(claims, "tee.crl.next_update", cvs_x509_crl_next_update(run->crl));
    }
}

gboolean
cvs_snp_verify(CvsSnpVerifier *verifier, const CvsSnpEvidence *evidence, CvsSnpReport *ret_report,
               json_t **ret_claims, GError **error)
{
    Run run = {.verifier = verifier, .evidence = evidence};
    gboolean ok = FALSE;

    if (!cvs_snp_report_parse(evidence->report, evidence->report_size, &run.report, error))
        return FALSE;
    run.refusal = cvs_refusal_new();
    choose_leaf(&run);
    if (run.cert) {
        check_issuer_name(&run);
        verify_chain(&run);
        check_algorithms(&run);
    }
    check_line(&run);
    if (run.path)
        run.crl_status = cvs_x509_check_crls_in_grace(
            g_ptr_array_index(run.path, 1), g_ptr_array_index(run.path, 2), evidence->crls,
            evidence->at, evidence->grace, verifier->memo, &run.crl, NULL, run.refusal);
    if (run.leaf_ok) {
        check_chip(&run);
        check_tcb(&run);
    }
    if (run.cert)
        check_signature(&run);

    if (ret_report)
        *ret_report = run.report;
    if (ret_claims) {
        *ret_claims = cvs_snp_claims_new(&run.report, run.line);
        set_certificate_claims(&run, *ret_claims);
        cvs_claims_set_bool(*ret_claims, "tee.verified", cvs_refusal_count(run.refusal) == 0);
        cvs_claims_set_bool(*ret_claims, "tee.test_roots",
                            cvs_snp_roots_have_test(verifier->roots));
    }
    ok = cvs_refusal_end(run.refusal, "the SNP report", error);
    g_clear_pointer(&run.path, g_ptr_array_unref);
    return ok;
}
