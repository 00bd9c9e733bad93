/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/tdx-verify.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/hex.h"
#include "tee/p256.h"
#include "tee/refusal.h"
#include "tee/tdx-claims.h"
#include "tee/tdx-pck.h"
#include "tee/tdx-tcb.h"
#include "tee/x509-crl.h"

#include <openssl/asn1.h>
#include <openssl/err.h>

#include <string.h>

#define LEAF_NAME "SGX PCK Certificate"
#define PLATFORM_CA_NAME "SGX PCK Platform CA"
#define PROCESSOR_CA_NAME "SGX PCK Processor CA"
#define SIGNER_NAME "SGX TCB Signing"
#define CHAIN "PCK chain of the quote"
#define DER_SEQUENCE 0x30

struct _CvsTdxVerifier {
    CvsTdxRoots *roots;
    CvsX509Memo *memo;
};

/* One verification under way. */
typedef struct {
    CvsTdxVerifier *verifier;
    const CvsTdxEvidence *evidence;
    const CvsTdxQuote *quote;
    GError *refusal;
    json_t *claims;
    GPtrArray *certs;   /* X509*: the quote's, then the evidence's; owned */
    GPtrArray *anchors; /* those of them that are roots */
    X509 *leaf;         /* PCK, borrowed from certs; or NULL */
    GPtrArray *path;    /* of the leaf, if its chain holds, dates aside */
    CvsPck pck;
    gboolean has_pck;
    gint64 not_after; /* of the certificates that were used, the first to end */
    gboolean in_grace;
} Run;

CvsTdxVerifier *
cvs_tdx_verifier_new(CvsTdxRoots *roots)
{
    CvsTdxVerifier *verifier = g_new0(CvsTdxVerifier, 1);

    verifier->roots = cvs_tdx_roots_ref(roots);
    verifier->memo = cvs_x509_memo_new();
    return verifier;
}

void
cvs_tdx_verifier_free(CvsTdxVerifier *verifier)
{
    cvs_tdx_roots_unref(verifier->roots);
    cvs_x509_memo_free(verifier->memo);
    g_free(verifier);
}

static gboolean
name_has(const X509 *cert, const char *part)
{
    g_autofree char *name = cvs_x509_common_name(cert);

    return name && strstr(name, part) != NULL;
}

static void
add_certs(Run *run, const GPtrArray *certs)
{
    for (guint i = 0; certs && i < certs->len; i++) {
        X509 *cert = g_ptr_array_index(certs, i);

        (void)X509_up_ref(cert);
        g_ptr_array_add(run->certs, cert);
        if (cvs_tdx_roots_contain(run->verifier->roots, cert)) {
            (void)X509_up_ref(cert);
            g_ptr_array_add(run->anchors, cert);
        }
    }
}

/* PEM from every quoting enclave; Intel's own samples have DER, one certificate after the other. */
static gboolean
load_chain(const guint8 *data, gsize size, GPtrArray *certs, GError **error)
{
    if (size == 0 || data[0] != DER_SEQUENCE)
        return cvs_x509_load(data, size, CHAIN, certs, NULL, error);
    while (size > 0) {
        const guint8 *contents = data;
        long length = 0;
        int tag = 0;
        int class = 0;
        gsize whole = size;

        if (certs->len < CVS_X509_PATH_MAX &&
            !(ASN1_get_object(&contents, &length, &tag, &class, (long)size) & 0x80))
            whole = (gsize)(contents - data) + (gsize)length;
        ERR_clear_error();
        if (!cvs_x509_load(data, whole, CHAIN, certs, NULL, error))
            return FALSE;
        data += whole;
        size -= whole;
    }
    return TRUE;
}

/* The quote's own chain comes first: its leaf is the one that is meant. */
static void
collect_certs(Run *run)
{
    const CvsTdxQuote *quote = run->quote;
    g_autoptr(GPtrArray) own = cvs_x509_certs_new();
    g_autoptr(GError) error = NULL;

    if (quote->cert_type == CVS_TDX_CERT_TYPE_PCK_CHAIN &&
        !load_chain(quote->cert_data, quote->cert_size, own, &error))
        cvs_error_add_reason(run->refusal, CVS_REASON_LEAF_MALFORMED, NULL, NULL, "%s",
                             error->message);
    add_certs(run, own);
    add_certs(run, run->evidence->certs);
    add_certs(run, cvs_tdx_roots_test_certs(run->verifier->roots));
    for (guint i = 0; i < run->certs->len && run->leaf == NULL; i++) {
        X509 *cert = g_ptr_array_index(run->certs, i);

        if (name_has(cert, LEAF_NAME))
            run->leaf = cert;
    }
    /* A chain without one is judged by what stands where the leaf belongs. */
    if (run->leaf == NULL && own->len > 0)
        run->leaf = g_ptr_array_index(run->certs, 0);
    if (run->leaf == NULL && error == NULL)
        cvs_error_add_reason(run->refusal, CVS_REASON_COLLATERAL_MISSING, NULL, NULL,
                             "there is no PCK certificate: the quote has certification data of "
                             "type %u, and none was given",
                             quote->cert_type);
}

/* Returns the path of a certificate if its chain has this many members, dates aside. */
static GPtrArray *
chain_of(Run *run, X509 *cert, guint length)
{
    CvsX509Chain chain = {.leaf = cert,
                          .others = run->certs,
                          .anchors = run->anchors,
                          .at = run->evidence->at,
                          .memo = run->verifier->memo};
    GPtrArray *path = cvs_x509_chain_path(&chain, run->refusal);

    if (path && path->len != length) {
        cvs_error_add_reason(run->refusal, CVS_REASON_CERT_UNFIT, NULL, NULL,
                             "the chain has %u certificates instead of %u", path->len, length);
        g_clear_pointer(&path, g_ptr_array_unref);
    }
    for (guint i = 0; path && i < path->len; i++)
        run->not_after = MIN(run->not_after, cvs_x509_not_after(g_ptr_array_index(path, i)));
    return path;
}

static void
check_leaf(Run *run)
{
    g_autofree char *name = cvs_x509_common_name(run->leaf);
    g_autofree char *issuer = cvs_x509_issuer_common_name(run->leaf);
    g_autoptr(GError) error = NULL;
    gboolean platform = issuer && strstr(issuer, PLATFORM_CA_NAME);
    gboolean processor = issuer && strstr(issuer, PROCESSOR_CA_NAME);

    if (!name_has(run->leaf, LEAF_NAME))
        cvs_error_add_reason(run->refusal, CVS_REASON_CERT_UNFIT, name, LEAF_NAME,
                             "the leaf of the quote's chain is no PCK certificate");
    if (!cvs_p256_is_key(X509_get0_pubkey(run->leaf)))
        cvs_error_add_reason(run->refusal, CVS_REASON_LEAF_MALFORMED, NULL, NULL,
                             "the PCK is no ECDSA P-256 key");
    run->has_pck = cvs_pck_parse(run->leaf, &run->pck, &error);
    if (!run->has_pck)
        cvs_error_add_reason(run->refusal, CVS_REASON_LEAF_MALFORMED, NULL, NULL, "%s",
                             error->message);
    else
        cvs_td_claims_add_pck(run->claims, &run->pck);
    cvs_claims_set_int(run->claims, "tee.pck.not_after", cvs_x509_not_after(run->leaf));
    if (platform || processor)
        cvs_claims_set_string(run->claims, "tee.pck.ca", platform ? "platform" : "processor");
    else
        cvs_error_add_reason(run->refusal, CVS_REASON_ISSUER_MISMATCH, issuer,
                             PLATFORM_CA_NAME " or " PROCESSOR_CA_NAME,
                             "the issuer of the PCK certificate is none of Intel's PCK CAs");
    run->path = chain_of(run, run->leaf, 3);
}

/* With the grace, and with claims if there is a prefix for them. */
static CvsCrlStatus
check_crls(Run *run, X509 *cert, X509 *issuer, const char *prefix)
{
    const CvsTdxEvidence *evidence = run->evidence;
    X509_CRL *crl = NULL;
    gboolean in_grace = FALSE;
    CvsCrlStatus status =
        cvs_x509_check_crls_in_grace(cert, issuer, evidence->crls, evidence->at, evidence->grace,
                                     run->verifier->memo, &crl, &in_grace, run->refusal);

    run->in_grace |= in_grace;
    if (prefix) {
        g_autofree char *number_name = g_strconcat(prefix, ".number", NULL);
        g_autofree char *this_name = g_strconcat(prefix, ".this_update", NULL);
        g_autofree char *next_name = g_strconcat(prefix, ".next_update", NULL);
        g_autofree char *number = crl ? cvs_x509_crl_number(crl) : NULL;

        cvs_claims_set_string(run->claims, prefix, cvs_crl_status_name(status));
        if (number)
            cvs_claims_set_string(run->claims, number_name, number);
        if (crl) {
            cvs_claims_set_int(run->claims, this_name, cvs_x509_crl_this_update(crl));
            cvs_claims_set_int(run->claims, next_name, cvs_x509_crl_next_update(crl));
        }
    }
    return status;
}

static void
check_signatures(Run *run)
{
    const CvsTdxQuote *quote = run->quote;
    const void *signed_bytes = g_bytes_get_data(quote->bytes, NULL);
    g_autoptr(EVP_PKEY) key = cvs_p256_key_new(quote->attestation_key);
    g_autoptr(CvsHasher) hasher = cvs_hasher_new(CVS_SHA256);
    guint8 wanted[64] = {0};

    if (run->leaf && !cvs_p256_verify(X509_get0_pubkey(run->leaf), quote->qe_report,
                                      CVS_TDX_QE_REPORT_SIZE, quote->qe_signature))
        cvs_error_add_reason(run->refusal, CVS_REASON_QE_REPORT_SIGNATURE, NULL, NULL,
                             "the report of the quoting enclave is not signed by the PCK");

    cvs_hasher_update(hasher, quote->attestation_key, 64);
    cvs_hasher_update(hasher, quote->qe_auth_data, quote->qe_auth_size);
    cvs_hasher_finish(hasher, wanted);
    if (!cvs_equal_bytes(wanted, quote->qe.report_data, sizeof(wanted))) {
        g_autofree char *seen_text = cvs_hex_encode(quote->qe.report_data, sizeof(wanted));
        g_autofree char *wanted_text = cvs_hex_encode(wanted, sizeof(wanted));

        cvs_error_add_reason(run->refusal, CVS_REASON_QE_REPORT_DATA, seen_text, wanted_text,
                             "the report of the quoting enclave does not stand for the key that "
                             "signed the quote");
    }

    if (key == NULL || !cvs_p256_verify(key, signed_bytes, quote->signed_size, quote->signature))
        cvs_error_add_reason(run->refusal, CVS_REASON_QUOTE_SIGNATURE, NULL, NULL,
                             "the quote is not signed by its attestation key");
}

static void
check_times(Run *run, const CvsCollateral *document, const char *what)
{
    gint64 at = run->evidence->at;

    if (at < document->issue_date || at > document->next_update) {
        g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(
            at < document->issue_date ? document->issue_date : document->next_update);
        g_autofree char *bound = g_date_time_format_iso8601(time);

        if (at < document->issue_date)
            cvs_error_add_reason(run->refusal, CVS_REASON_COLLATERAL_NOT_YET_VALID, NULL, bound,
                                 "the %s was issued on %s, which is still to come", what, bound);
        else if (at - document->next_update <= run->evidence->grace)
            run->in_grace = TRUE;
        else
            cvs_error_add_reason(run->refusal, CVS_REASON_COLLATERAL_EXPIRED, NULL, bound,
                                 "the %s was to be renewed by %s: import a new one", what, bound);
    }
    if (document->evaluation < run->evidence->evaluation_seen) {
        g_autofree char *seen = g_strdup_printf("%u", document->evaluation);
        g_autofree char *wanted = g_strdup_printf("%u", run->evidence->evaluation_seen);

        cvs_error_add_reason(run->refusal, CVS_REASON_COLLATERAL_ROLLBACK, seen, wanted,
                             "the %s is older than one that was already seen", what);
    }
}

/* Signed by a TCB signer below the root. Several signers' certificates may be at hand: Intel has
 * renewed them around one key, and the one counts whose time it is. FALSE: not authentic, and its
 * contents mean nothing. */
static gboolean
check_authentic(Run *run, const CvsCollateral *document, const char *reason, const char *what)
{
    gsize size = 0;
    const void *raw = g_bytes_get_data(document->raw, &size);
    g_autoptr(GPtrArray) path = NULL;
    X509 *signer = NULL;
    gboolean any = FALSE;
    gboolean in_time = FALSE; /* the signer */

    for (guint i = 0; i < run->certs->len && !in_time; i++) {
        X509 *cert = g_ptr_array_index(run->certs, i);

        if (!name_has(cert, SIGNER_NAME))
            continue;
        any = TRUE;
        in_time = cvs_x509_is_in_time(cert, run->evidence->at);
        if (!cvs_p256_verify(X509_get0_pubkey(cert), raw, size, document->signature))
            in_time = FALSE;
        else if (signer == NULL || in_time)
            signer = cert;
    }
    if (!any) {
        cvs_error_add_reason(run->refusal, CVS_REASON_COLLATERAL_MISSING, NULL, NULL,
                             "there is no TCB signing certificate for the %s", what);
        return FALSE;
    }
    if (signer == NULL) {
        cvs_error_add_reason(run->refusal, reason, NULL, NULL,
                             "the %s is not signed by Intel's TCB signing key: it was edited, or "
                             "written anew by a tool",
                             what);
        return FALSE;
    }
    path = chain_of(run, signer, 2);
    return path && check_crls(run, signer, g_ptr_array_index(path, 1), NULL) != CVS_CRL_BAD;
}

static gboolean
check_id(Run *run, const CvsCollateral *document, const char *wanted, const char *what)
{
    if (g_str_equal(document->id, wanted))
        return TRUE;
    cvs_error_add_reason(run->refusal, CVS_REASON_TCB_INFO_MISMATCH, document->id, wanted,
                         "the %s is not one for TDX", what);
    return FALSE;
}

static gboolean
check_equal(Run *run, const guint8 *seen, const guint8 *wanted, gsize size, const char *reason,
            const char *name)
{
    g_autofree char *seen_text = NULL;
    g_autofree char *wanted_text = NULL;

    if (memcmp(seen, wanted, size) == 0)
        return TRUE;
    seen_text = cvs_hex_encode(seen, size);
    wanted_text = cvs_hex_encode(wanted, size);
    cvs_error_add_reason(run->refusal, reason, seen_text, wanted_text,
                         "the TCB info is for the %s %s and the platform has %s", name, seen_text,
                         wanted_text);
    return FALSE;
}

static void
check_collateral(Run *run)
{
    const CvsTcbInfo *info = run->evidence->tcb_info;
    const CvsQeIdentity *identity = run->evidence->qe_identity;
    gboolean info_good = FALSE;
    gboolean identity_good = FALSE;

    if (info == NULL) {
        g_autofree char *fmspc = cvs_hex_encode(run->pck.fmspc, sizeof(run->pck.fmspc));

        cvs_error_add_reason(run->refusal, CVS_REASON_COLLATERAL_MISSING, NULL,
                             run->has_pck ? fmspc : NULL, "there is no TCB info for FMSPC %s",
                             run->has_pck ? fmspc : "(unknown)");
    } else {
        info_good = check_id(run, &info->base, "TDX", "TCB info");
        info_good &= check_authentic(run, &info->base, CVS_REASON_TCB_INFO_SIGNATURE, "TCB info");
        check_times(run, &info->base, "TCB info");
        if (run->has_pck) {
            info_good &= check_equal(run, info->fmspc, run->pck.fmspc, sizeof(info->fmspc),
                                     CVS_REASON_FMSPC_MISMATCH, "FMSPC");
            info_good &= check_equal(run, info->pce_id, run->pck.pce_id, sizeof(info->pce_id),
                                     CVS_REASON_PCE_ID_MISMATCH, "PCEID");
        }
    }
    if (identity == NULL) {
        cvs_error_add_reason(run->refusal, CVS_REASON_COLLATERAL_MISSING, NULL, NULL,
                             "there is no identity of the quoting enclave");
    } else {
        identity_good = check_id(run, &identity->base, "TD_QE", "QE identity");
        identity_good &=
            check_authentic(run, &identity->base, CVS_REASON_QE_IDENTITY_SIGNATURE, "QE identity");
        check_times(run, &identity->base, "QE identity");
    }

    /* A level of a document that is not Intel's is no level. */
    if (info_good && run->has_pck) {
        g_auto(CvsTdxTcb) tcb = {0};
        const CvsCollateral *a = &info->base;
        const CvsCollateral *b = identity_good ? &identity->base : a;

        cvs_tdx_tcb_evaluate(info, identity_good ? identity : NULL, &run->pck, &run->quote->body,
                             &run->quote->qe, &tcb, run->refusal);
        cvs_td_claims_add_tcb(run->claims, &tcb);
        cvs_claims_set_int(run->claims, "tee.tcb.evaluation", MIN(a->evaluation, b->evaluation));
        cvs_claims_set_int(run->claims, "tee.tcb.issue_date", MIN(a->issue_date, b->issue_date));
        cvs_claims_set_int(run->claims, "tee.tcb.next_update", MIN(a->next_update, b->next_update));
    }
}

static void
run_checks(Run *run)
{
    collect_certs(run);
    if (run->leaf)
        check_leaf(run);
    check_signatures(run);
    if (run->path) {
        (void)check_crls(run, run->leaf, g_ptr_array_index(run->path, 1), "tee.pck.crl");
        (void)check_crls(run, g_ptr_array_index(run->path, 1), g_ptr_array_index(run->path, 2),
                         "tee.root.crl");
    }
    check_collateral(run);
    if (run->not_after != G_MAXINT64)
        cvs_claims_set_int(run->claims, "tee.collateral.not_after", run->not_after);
    cvs_claims_set_bool(run->claims, "tee.tcb.in_grace", run->in_grace);
    cvs_claims_set_bool(run->claims, "tee.test_roots",
                        cvs_tdx_roots_have_test(run->verifier->roots));
    cvs_claims_set_bool(run->claims, "tee.verified", cvs_refusal_count(run->refusal) == 0);
}

gboolean
cvs_tdx_verify(CvsTdxVerifier *verifier, const CvsTdxEvidence *evidence, json_t **ret_claims,
               GError **error)
{
    g_autoptr(CvsTdxQuote) quote = cvs_tdx_quote_parse(evidence->quote, error);
    g_autoptr(json_t) claims = NULL;
    Run run = {.verifier = verifier, .evidence = evidence, .not_after = G_MAXINT64};

    if (quote == NULL)
        return FALSE;
    claims = cvs_td_claims_new(&quote->body, "quote");
    cvs_td_claims_add_quote(claims, quote);
    run.quote = quote;
    run.claims = claims;
    run.refusal = cvs_refusal_new();
    run.certs = cvs_x509_certs_new();
    run.anchors = cvs_x509_certs_new();
    run_checks(&run);
    g_ptr_array_unref(run.certs);
    g_ptr_array_unref(run.anchors);
    g_clear_pointer(&run.path, g_ptr_array_unref);
    if (ret_claims)
        *ret_claims = g_steal_pointer(&claims);
    return cvs_refusal_end(run.refusal, "the TD quote", error);
}
