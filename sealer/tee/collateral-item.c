/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/collateral-item.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/hex.h"
#include "tee/p256.h"
#include "tee/refusal.h"
#include "tee/x509-chain.h"
#include "tee/x509-crl.h"

#include <openssl/err.h>
#include <string.h>

#define ID_DIGITS 16
#define SGX_ROOT_NAME "Intel SGX Root CA"
#define SIGNER_NAME "Intel SGX TCB Signing"
#define PLATFORM_CA_NAME "Intel SGX PCK Platform CA"
#define PROCESSOR_CA_NAME "Intel SGX PCK Processor CA"

static const char *const kind_names[] = {
    [CVS_COLLATERAL_VCEK] = "vcek",
    [CVS_COLLATERAL_VLEK] = "vlek",
    [CVS_COLLATERAL_ASK] = "ask",
    [CVS_COLLATERAL_ASVK] = "asvk",
    [CVS_COLLATERAL_ARK] = "ark",
    [CVS_COLLATERAL_PCK_CA] = "pck-ca",
    [CVS_COLLATERAL_TCB_SIGNER] = "tcb-signer",
    [CVS_COLLATERAL_SGX_ROOT] = "sgx-root",
    [CVS_COLLATERAL_CRL] = "crl",
    [CVS_COLLATERAL_TCB_INFO] = "tcb-info",
    [CVS_COLLATERAL_QE_IDENTITY] = "qe-identity",
};

const char *
cvs_collateral_kind_name(CvsCollateralKind kind)
{
    return kind_names[kind];
}

void
cvs_collateral_item_free(CvsCollateralItem *item)
{
    g_clear_pointer(&item->content, g_bytes_unref);
    g_clear_pointer(&item->cert, X509_free);
    g_clear_pointer(&item->crl, X509_CRL_free);
    if (item->tcb_info)
        cvs_tcb_info_free((CvsTcbInfo *)item->tcb_info);
    if (item->qe_identity)
        cvs_qe_identity_free((CvsQeIdentity *)item->qe_identity);
    g_free(item->id);
    g_free(item->series);
    g_free(item->number);
    g_clear_error(&item->error);
    g_free(item);
}

static void
free_item(gpointer item)
{
    cvs_collateral_item_free(item);
}

GPtrArray *
cvs_collateral_items_new(void)
{
    return g_ptr_array_new_with_free_func(free_item);
}

static CvsCollateralItem *
item_new(CvsCollateralKind kind, GBytes *content)
{
    CvsCollateralItem *item = g_new0(CvsCollateralItem, 1);
    guint8 digest[32];
    g_autofree char *hex = NULL;

    cvs_hash_bytes(CVS_SHA256, g_bytes_get_data(content, NULL), g_bytes_get_size(content), digest);
    hex = cvs_hex_encode(digest, ID_DIGITS / 2);
    item->kind = kind;
    item->content = content;
    item->id = g_strdup_printf("%s-%s", kind_names[kind], hex);
    return item;
}

/* By its name, which is enough to choose a role and never enough to trust. */
static gboolean
kind_of_cert(const X509 *cert, CvsCollateralKind *ret_kind)
{
    static const CvsCollateralKind amd[] = {
        [CVS_SNP_CERT_VCEK] = CVS_COLLATERAL_VCEK, [CVS_SNP_CERT_VLEK] = CVS_COLLATERAL_VLEK,
        [CVS_SNP_CERT_ASK] = CVS_COLLATERAL_ASK,   [CVS_SNP_CERT_ASVK] = CVS_COLLATERAL_ASVK,
        [CVS_SNP_CERT_ARK] = CVS_COLLATERAL_ARK,
    };
    CvsSnpCertKind snp = cvs_snp_cert_kind(cert, NULL);
    g_autofree char *name = cvs_x509_common_name(cert);

    if (snp != CVS_SNP_CERT_OTHER)
        *ret_kind = amd[snp];
    else if (g_strcmp0(name, SGX_ROOT_NAME) == 0)
        *ret_kind = CVS_COLLATERAL_SGX_ROOT;
    else if (g_strcmp0(name, SIGNER_NAME) == 0)
        *ret_kind = CVS_COLLATERAL_TCB_SIGNER;
    else if (g_strcmp0(name, PLATFORM_CA_NAME) == 0 || g_strcmp0(name, PROCESSOR_CA_NAME) == 0)
        *ret_kind = CVS_COLLATERAL_PCK_CA;
    else
        return FALSE;
    return TRUE;
}

static CvsCollateralItem *
item_of_cert(X509 *cert, GError **error)
{
    CvsCollateralKind kind = CVS_COLLATERAL_VCEK;
    CvsCollateralItem *item = NULL;
    guint8 *der = NULL;
    int size = 0;

    if (!kind_of_cert(cert, &kind)) {
        g_autofree char *name = cvs_x509_display_name(cert);
        g_autoptr(GError) local =
            g_error_new(CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                        "the certificate %s is of no kind that is kept here", name);

        cvs_error_add_reason(local, CVS_REASON_CERT_UNFIT, name, NULL, "%s", local->message);
        g_propagate_error(error, g_steal_pointer(&local));
        return NULL;
    }
    size = i2d_X509(cert, &der);
    if (size <= 0)
        g_error("OpenSSL is out of memory");
    item = item_new(kind, g_bytes_new(der, (gsize)size));
    OPENSSL_free(der);
    (void)X509_up_ref(cert);
    item->cert = cert;
    item->not_before = cvs_x509_not_before(cert);
    item->not_after = cvs_x509_not_after(cert);
    return item;
}

static CvsCollateralItem *
item_of_crl(X509_CRL *crl)
{
    CvsCollateralItem *item = NULL;
    guint8 *der = NULL;
    int size = i2d_X509_CRL(crl, &der);

    if (size <= 0)
        g_error("OpenSSL is out of memory");
    item = item_new(CVS_COLLATERAL_CRL, g_bytes_new(der, (gsize)size));
    OPENSSL_free(der);
    (void)X509_CRL_up_ref(crl);
    item->crl = crl;
    item->not_before = cvs_x509_crl_this_update(crl);
    item->not_after = cvs_x509_crl_next_update(crl);
    return item;
}

/* As the service sends it, around the very bytes that are signed. */
static GBytes *
answer_of(const char *member, const CvsCollateral *document)
{
    g_autofree char *signature = cvs_hex_encode(document->signature, sizeof document->signature);
    GString *text = g_string_new(NULL);
    gsize size = 0;
    const char *raw = g_bytes_get_data(document->raw, &size);

    g_string_append_printf(text, "{\"%s\":", member);
    g_string_append_len(text, raw, (gssize)size);
    g_string_append_printf(text, ",\"signature\":\"%s\"}", signature);
    return g_string_free_to_bytes(text);
}

static gboolean
set_document(CvsCollateralItem *item, const CvsCollateral *document)
{
    item->not_before = document->issue_date;
    item->not_after = document->next_update;
    return TRUE;
}

static CvsCollateralItem *
item_of_info(const CvsTcbInfo *info, GError **error)
{
    g_autoptr(CvsCollateralItem) item =
        item_new(CVS_COLLATERAL_TCB_INFO, answer_of("tcbInfo", &info->base));

    item->tcb_info = cvs_tcb_info_parse(g_bytes_get_data(item->content, NULL),
                                        g_bytes_get_size(item->content), error);
    if (item->tcb_info == NULL || !set_document(item, &item->tcb_info->base))
        return NULL;
    return g_steal_pointer(&item);
}

static CvsCollateralItem *
item_of_identity(const CvsQeIdentity *identity, GError **error)
{
    g_autoptr(CvsCollateralItem) item =
        item_new(CVS_COLLATERAL_QE_IDENTITY, answer_of("enclaveIdentity", &identity->base));

    item->qe_identity = cvs_qe_identity_parse(g_bytes_get_data(item->content, NULL),
                                              g_bytes_get_size(item->content), error);
    if (item->qe_identity == NULL || !set_document(item, &item->qe_identity->base))
        return NULL;
    return g_steal_pointer(&item);
}

static gboolean
add(GPtrArray *items, CvsCollateralItem *item)
{
    if (item == NULL)
        return FALSE;
    for (guint i = 0; i < items->len; i++) {
        const CvsCollateralItem *other = g_ptr_array_index(items, i);

        if (g_bytes_equal(other->content, item->content)) {
            cvs_collateral_item_free(item);
            return TRUE;
        }
    }
    g_ptr_array_add(items, item);
    return TRUE;
}

gboolean
cvs_collateral_items_add(GPtrArray *items, const CvsEvidence *evidence, GError **error)
{
    const GPtrArray *certs[] = {evidence->certs, evidence->host_leaves};
    guint before = items->len;
    gboolean ok = TRUE;

    for (gsize i = 0; i < G_N_ELEMENTS(certs); i++) {
        for (guint j = 0; ok && j < certs[i]->len; j++)
            ok = add(items, item_of_cert(g_ptr_array_index(certs[i], j), error));
    }
    for (guint i = 0; ok && i < evidence->crls->len; i++)
        ok = add(items, item_of_crl(g_ptr_array_index(evidence->crls, i)));
    for (guint i = 0; ok && i < evidence->tcb_infos->len; i++)
        ok = add(items, item_of_info(g_ptr_array_index(evidence->tcb_infos, i), error));
    for (guint i = 0; ok && i < evidence->qe_identities->len; i++)
        ok = add(items, item_of_identity(g_ptr_array_index(evidence->qe_identities, i), error));
    if (!ok)
        g_ptr_array_set_size(items, (int)before);
    return ok;
}

/* One authentication under way. */
typedef struct {
    CvsCollateralItem *item;
    const GPtrArray *candidates;
    const GPtrArray *crls;
    const CvsSnpRoots *snp_roots;
    const CvsTdxRoots *tdx_roots;
    GError *refusal;
} Run;

/* The roots among the certificates. */
static void
split(const Run *run, const GPtrArray *certs, GPtrArray *anchors, GPtrArray *others)
{
    for (guint i = 0; i < certs->len; i++) {
        X509 *cert = g_ptr_array_index(certs, i);
        gboolean root = cvs_snp_roots_find(run->snp_roots, cert, NULL) != CVS_SNP_LINE_UNKNOWN ||
                        cvs_tdx_roots_contain(run->tdx_roots, cert);

        (void)X509_up_ref(cert);
        g_ptr_array_add(root ? anchors : others, cert);
    }
}

/* Adds the reasons but those about dates. */
static void
add_undated(GError *refusal, const GError *found)
{
    const char *const dates[] = {CVS_REASON_CERT_EXPIRED, CVS_REASON_CERT_NOT_YET_VALID,
                                 CVS_REASON_CRL_STALE, NULL};
    const GPtrArray *reasons = cvs_error_get_reasons(found);

    for (guint i = 0; i < reasons->len; i++) {
        const CvsReason *reason = g_ptr_array_index(reasons, i);

        if (!g_strv_contains(dates, reason->code))
            cvs_error_add_reason(refusal, reason->code, reason->seen, reason->wanted, "%s",
                                 reason->detail);
    }
}

/* The path from the certificate to a root, none of which is revoked; else NULL. */
static GPtrArray *
find_path(Run *run, X509 *cert)
{
    g_autoptr(GPtrArray) anchors = cvs_x509_certs_new();
    g_autoptr(GPtrArray) others = cvs_x509_certs_new();
    g_autoptr(GError) found = cvs_refusal_new();
    g_autoptr(GPtrArray) path = NULL;
    CvsX509Chain chain = {
        .leaf = cert, .others = others, .anchors = anchors, .at = cvs_x509_not_before(cert)};
    guint before = cvs_refusal_count(run->refusal);

    split(run, run->candidates, anchors, others);
    split(run, cvs_snp_roots_test_certs(run->snp_roots), anchors, others);
    split(run, cvs_tdx_roots_test_certs(run->tdx_roots), anchors, others);
    path = cvs_x509_chain_path(&chain, found);
    for (guint i = 0; path && i + 1 < path->len; i++)
        (void)cvs_x509_check_crls(g_ptr_array_index(path, i), g_ptr_array_index(path, i + 1),
                                  run->crls, chain.at, NULL, NULL, found);
    add_undated(run->refusal, found);
    return path && cvs_refusal_count(run->refusal) == before ? g_steal_pointer(&path) : NULL;
}

static char *
key_digits(const X509 *cert)
{
    guint8 digest[32];

    cvs_x509_spki_sha256(cert, digest);
    return cvs_hex_encode(digest, sizeof digest);
}

static void
take_root(Run *run, const X509 *root)
{
    gboolean test = FALSE;

    run->item->line = cvs_snp_roots_find(run->snp_roots, root, &test);
    if (run->item->line == CVS_SNP_LINE_UNKNOWN) {
        g_autoptr(CvsTdxRoots) pinned = cvs_tdx_roots_new();

        test = !cvs_tdx_roots_contain(pinned, root);
    }
    run->item->test_root = test;
}

static gboolean
authenticate_root(Run *run)
{
    X509 *cert = run->item->cert;
    g_autofree char *name = cvs_x509_display_name(cert);
    g_autofree char *key = key_digits(cert);
    gboolean known = run->item->kind == CVS_COLLATERAL_ARK
                         ? cvs_snp_roots_find(run->snp_roots, cert, NULL) != CVS_SNP_LINE_UNKNOWN
                         : cvs_tdx_roots_contain(run->tdx_roots, cert);

    if (!known)
        cvs_error_add_reason(run->refusal, CVS_REASON_ROOT_UNTRUSTED, name, NULL,
                             "the root %s is not a pinned one", name);
    else if (X509_verify(cert, X509_get0_pubkey(cert)) != 1)
        cvs_error_add_reason(run->refusal, CVS_REASON_CERT_SIGNATURE, name, NULL,
                             "the root %s is not signed by its own key", name);
    else
        take_root(run, cert);
    ERR_clear_error();
    run->item->series = g_strdup_printf("ca/%s", key);
    return known;
}

static gboolean
authenticate_cert(Run *run)
{
    CvsCollateralItem *item = run->item;
    gboolean is_leaf = item->kind == CVS_COLLATERAL_VCEK || item->kind == CVS_COLLATERAL_VLEK;
    guint length = is_leaf ? 3 : 2;
    g_autoptr(GPtrArray) path = find_path(run, item->cert);
    g_autofree char *name = cvs_x509_display_name(item->cert);
    g_autofree char *key = key_digits(item->cert);
    g_autoptr(GError) error = NULL;

    if (path == NULL)
        return FALSE;
    take_root(run, g_ptr_array_index(path, path->len - 1));
    if (path->len != length ||
        (item->line == CVS_SNP_LINE_UNKNOWN) !=
            (item->kind == CVS_COLLATERAL_PCK_CA || item->kind == CVS_COLLATERAL_TCB_SIGNER)) {
        cvs_error_add_reason(run->refusal, CVS_REASON_CERT_UNFIT, name, NULL,
                             "the chain of %s is not one for its kind", name);
        return FALSE;
    }
    if (is_leaf) {
        if (!cvs_snp_leaf_parse(item->cert, &item->leaf, &error)) {
            cvs_error_add_reason(run->refusal, CVS_REASON_LEAF_MALFORMED, NULL, NULL, "%s",
                                 error->message);
            return FALSE;
        }
        item->series = g_strdup_printf("leaf/%s", key);
    } else {
        item->series = g_strdup_printf("ca/%s", key);
    }
    return TRUE;
}

static gboolean
authenticate_crl(Run *run)
{
    CvsCollateralItem *item = run->item;
    g_autoptr(GPtrArray) one = g_ptr_array_new();
    g_autoptr(GError) found = cvs_refusal_new();
    const GPtrArray *piles[] = {run->candidates, cvs_snp_roots_test_certs(run->snp_roots),
                                cvs_tdx_roots_test_certs(run->tdx_roots)};
    gboolean any = FALSE;

    g_ptr_array_add(one, item->crl);
    for (gsize i = 0; i < G_N_ELEMENTS(piles); i++) {
        for (guint j = 0; j < piles[i]->len; j++) {
            X509 *issuer = g_ptr_array_index(piles[i], j);
            g_autoptr(GPtrArray) path = NULL;
            g_autofree char *key = NULL;

            if (X509_NAME_cmp(X509_CRL_get_issuer(item->crl), X509_get_subject_name(issuer)) != 0)
                continue;
            any = TRUE;
            if (cvs_x509_check_crls(issuer, issuer, one, item->not_before, NULL, NULL, found) ==
                CVS_CRL_BAD)
                continue;
            path = find_path(run, issuer);
            if (path == NULL)
                return FALSE;
            take_root(run, g_ptr_array_index(path, path->len - 1));
            key = key_digits(issuer);
            item->series = g_strdup_printf("crl/%s", key);
            item->number = cvs_x509_crl_number(item->crl);
            return TRUE;
        }
    }
    if (any)
        add_undated(run->refusal, found);
    else
        cvs_error_add_reason(run->refusal, CVS_REASON_CHAIN_INCOMPLETE, NULL, NULL,
                             "the certificate of the revocation list's issuer is not there: import "
                             "it first, or together");
    return FALSE;
}

static gboolean
authenticate_document(Run *run, const CvsCollateral *document, const char *reason, const char *what)
{
    CvsCollateralItem *item = run->item;
    gsize size = 0;
    const void *raw = g_bytes_get_data(document->raw, &size);
    g_autofree char *root = NULL;
    gboolean any = FALSE;

    for (guint i = 0; i < run->candidates->len; i++) {
        X509 *signer = g_ptr_array_index(run->candidates, i);
        CvsCollateralKind kind = CVS_COLLATERAL_VCEK;
        g_autoptr(GPtrArray) path = NULL;

        if (!kind_of_cert(signer, &kind) || kind != CVS_COLLATERAL_TCB_SIGNER)
            continue;
        any = TRUE;
        if (!cvs_p256_verify(X509_get0_pubkey(signer), raw, size, document->signature))
            continue;
        path = find_path(run, signer);
        if (path == NULL)
            return FALSE;
        take_root(run, g_ptr_array_index(path, path->len - 1));
        if (item->line != CVS_SNP_LINE_UNKNOWN)
            break;
        /* By root: what a test root vouches for says nothing about Intel's numbers. */
        if (item->test_root)
            root = key_digits(g_ptr_array_index(path, path->len - 1));
        if (item->tcb_info) {
            g_autofree char *fmspc =
                cvs_hex_encode(item->tcb_info->fmspc, sizeof item->tcb_info->fmspc);

            item->series = cvs_collateral_tcb_series(root, document->id, fmspc);
        } else {
            item->series = cvs_collateral_tcb_series(root, document->id, NULL);
        }
        item->number = g_strdup_printf("%x", document->evaluation);
        return TRUE;
    }
    if (any)
        cvs_error_add_reason(run->refusal, reason, NULL, NULL,
                             "the %s is not signed by a TCB signer whose certificate is there",
                             what);
    else
        cvs_error_add_reason(run->refusal, CVS_REASON_CHAIN_INCOMPLETE, NULL, NULL,
                             "the certificate of the TCB signer is not there: import it first, or "
                             "together with the %s",
                             what);
    return FALSE;
}

gboolean
cvs_collateral_item_authenticate(CvsCollateralItem *item, const GPtrArray *candidates,
                                 const GPtrArray *crls, const CvsSnpRoots *snp_roots,
                                 const CvsTdxRoots *tdx_roots, GError *refusal)
{
    Run run = {item, candidates, crls, snp_roots, tdx_roots, refusal};
    guint before = cvs_refusal_count(refusal);
    gboolean ok = FALSE;

    g_clear_pointer(&item->series, g_free);
    g_clear_pointer(&item->number, g_free);
    switch (item->kind) {
    case CVS_COLLATERAL_ARK:
    case CVS_COLLATERAL_SGX_ROOT:
        ok = authenticate_root(&run);
        break;
    case CVS_COLLATERAL_CRL:
        ok = authenticate_crl(&run);
        break;
    case CVS_COLLATERAL_TCB_INFO:
        ok = authenticate_document(&run, &item->tcb_info->base, CVS_REASON_TCB_INFO_SIGNATURE,
                                   "TCB info");
        break;
    case CVS_COLLATERAL_QE_IDENTITY:
        ok = authenticate_document(&run, &item->qe_identity->base, CVS_REASON_QE_IDENTITY_SIGNATURE,
                                   "QE identity");
        break;
    default:
        ok = authenticate_cert(&run);
        break;
    }
    return ok && cvs_refusal_count(refusal) == before;
}

char *
cvs_collateral_tcb_series(const char *root, const char *id, const char *fmspc)
{
    return g_strdup_printf("tcb/%.16s/%s%s%s", root ? root : "intel", id, fmspc ? "/" : "",
                           fmspc ? fmspc : "");
}

int
cvs_collateral_number_compare(const char *a, const char *b)
{
    gsize a_size = strlen(a);
    gsize b_size = strlen(b);

    return a_size != b_size ? (a_size < b_size ? -1 : 1) : strcmp(a, b);
}

int
cvs_collateral_item_compare(const CvsCollateralItem *a, const CvsCollateralItem *b)
{
    gboolean cert = a->cert != NULL;
    gint64 a_date = cert ? a->not_after : a->not_before;
    gint64 b_date = cert ? b->not_after : b->not_before;
    int order = 0;

    if (a->number && b->number)
        order = cvs_collateral_number_compare(a->number, b->number);
    return order != 0 ? order : (a_date < b_date ? -1 : a_date > b_date);
}

char *
cvs_collateral_item_describe(const CvsCollateralItem *item)
{
    if (item->series && item->kind == CVS_COLLATERAL_VCEK) {
        g_autofree char *hwid = cvs_hex_encode(item->leaf.hwid, MIN(item->leaf.hwid_size, 8));
        g_autofree char *tcb = cvs_snp_tcb_describe(&item->leaf.tcb, item->leaf.layout);

        return g_strdup_printf("%s, chip %s%s, %s", cvs_snp_line_name(item->line), hwid,
                               item->leaf.hwid_size > 8 ? "…" : "", tcb);
    }
    if (item->series && item->kind == CVS_COLLATERAL_VLEK) {
        g_autofree char *tcb = cvs_snp_tcb_describe(&item->leaf.tcb, item->leaf.layout);

        return g_strdup_printf("%s, %s, %s", cvs_snp_line_name(item->line), item->leaf.csp_id, tcb);
    }
    if (item->cert)
        return cvs_x509_display_name(item->cert);
    if (item->crl) {
        g_autofree char *number = cvs_x509_crl_number(item->crl);
        X509_NAME *issuer = X509_CRL_get_issuer(item->crl);
        char name[128] = "";

        (void)X509_NAME_get_text_by_NID(issuer, NID_commonName, name, sizeof name);
        return g_strdup_printf("%s, number %s", name, number ? number : "-");
    }
    if (item->tcb_info) {
        g_autofree char *fmspc =
            cvs_hex_encode(item->tcb_info->fmspc, sizeof item->tcb_info->fmspc);

        return g_strdup_printf("%s, FMSPC %s, evaluation %u", item->tcb_info->base.id, fmspc,
                               item->tcb_info->base.evaluation);
    }
    return g_strdup_printf("%s, evaluation %u", item->qe_identity->base.id,
                           item->qe_identity->base.evaluation);
}
