/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/x509-chain.h"
#include "base/error.h"
#include "tee/refusal.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <time.h>

/* More intermediates than all product lines of all vendors have; a full memo starts anew. */
#define MEMO_MAX 64

G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_STORE, X509_STORE_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(X509_STORE_CTX, X509_STORE_CTX_free)

/* OpenSSL fails at building its own structures only when memory is out. */
static void
must(gboolean ok)
{
    if (!ok)
        g_error("OpenSSL is out of memory");
}

static void
add_cert(GPtrArray *certs, X509 *cert)
{
    (void)X509_up_ref(cert);
    g_ptr_array_add(certs, cert);
}

/* An intermediate whose path up to the anchor held once, dates aside. */
typedef struct {
    X509 *cert;
    GPtrArray *above; /* X509*, anchor last */
} MemoPath;

struct _CvsX509Memo {
    GPtrArray *paths;  /* MemoPath* */
    GHashTable *facts; /* GBytes */
};

static void
memo_path_free(gpointer data)
{
    MemoPath *path = data;

    X509_free(path->cert);
    g_ptr_array_unref(path->above);
    g_free(path);
}

CvsX509Memo *
cvs_x509_memo_new(void)
{
    CvsX509Memo *memo = g_new0(CvsX509Memo, 1);

    memo->paths = g_ptr_array_new_with_free_func(memo_path_free);
    memo->facts =
        g_hash_table_new_full(g_bytes_hash, g_bytes_equal, (GDestroyNotify)g_bytes_unref, NULL);
    return memo;
}

void
cvs_x509_memo_free(CvsX509Memo *memo)
{
    if (memo == NULL)
        return;
    g_ptr_array_unref(memo->paths);
    g_hash_table_unref(memo->facts);
    g_free(memo);
}

gboolean
cvs_x509_memo_has_fact(const CvsX509Memo *memo, const guint8 fact[static 64])
{
    g_autoptr(GBytes) probe = g_bytes_new_static(fact, 64);

    return memo && g_hash_table_contains(memo->facts, probe);
}

void
cvs_x509_memo_add_fact(CvsX509Memo *memo, const guint8 fact[static 64])
{
    if (memo == NULL)
        return;
    if (g_hash_table_size(memo->facts) >= MEMO_MAX)
        g_hash_table_remove_all(memo->facts);
    (void)g_hash_table_add(memo->facts, g_bytes_new(fact, 64));
}

static gboolean
has_cert(const GPtrArray *certs, const X509 *cert)
{
    for (guint i = 0; certs && i < certs->len; i++) {
        if (X509_cmp(g_ptr_array_index(certs, i), cert) == 0)
            return TRUE;
    }
    return FALSE;
}

/* The remembered path of a certificate, if it ends in one of these anchors. */
static const MemoPath *
memo_find(const CvsX509Memo *memo, const X509 *cert, const GPtrArray *anchors)
{
    for (guint i = 0; memo && i < memo->paths->len; i++) {
        const MemoPath *path = g_ptr_array_index(memo->paths, i);

        if (X509_cmp(path->cert, cert) == 0 &&
            has_cert(anchors, g_ptr_array_index(path->above, path->above->len - 1)))
            return path;
    }
    return NULL;
}

static void
memo_add(CvsX509Memo *memo, const GPtrArray *path, const GPtrArray *anchors)
{
    for (guint i = 1; i + 1 < path->len; i++) {
        MemoPath *entry = NULL;

        if (memo_find(memo, g_ptr_array_index(path, i), anchors))
            continue;
        if (memo->paths->len >= MEMO_MAX)
            g_ptr_array_set_size(memo->paths, 0);
        entry = g_new0(MemoPath, 1);
        entry->cert = g_ptr_array_index(path, i);
        (void)X509_up_ref(entry->cert);
        entry->above = cvs_x509_certs_new();
        for (guint j = i + 1; j < path->len; j++)
            add_cert(entry->above, g_ptr_array_index(path, j));
        g_ptr_array_add(memo->paths, entry);
    }
}

static void
add_date_reason(GError *refusal, const X509 *cert, gboolean expired, gint64 at)
{
    g_autofree char *name = cvs_x509_display_name(cert);
    g_autofree char *bound =
        cvs_x509_display_time(expired ? cvs_x509_not_after(cert) : cvs_x509_not_before(cert));
    g_autofree char *now = cvs_x509_display_time(at);

    if (expired)
        cvs_error_add_reason(refusal, CVS_REASON_CERT_EXPIRED, now, bound,
                             "the certificate %s expired on %s", name, bound);
    else
        cvs_error_add_reason(refusal, CVS_REASON_CERT_NOT_YET_VALID, now, bound,
                             "the certificate %s is valid only from %s on", name, bound);
}

typedef struct {
    const CvsX509Chain *chain;
    GError *refusal;
} VerifyContext;

/* OpenSSL goes on after each fault when this returns 1, so that all of them are seen. What counts
 * in the end is the refusal, not the return value of X509_verify_cert(). */
static int
note_fault(int ok, X509_STORE_CTX *store_ctx)
{
    VerifyContext *context = X509_STORE_CTX_get_app_data(store_ctx);
    X509 *cert = X509_STORE_CTX_get_current_cert(store_ctx);
    int fault = X509_STORE_CTX_get_error(store_ctx);
    g_autofree char *name = NULL;
    g_autofree char *issuer = NULL;

    if (ok)
        return 1;
    name = cvs_x509_display_name(cert);
    issuer = cert ? cvs_x509_issuer_common_name(cert) : NULL;
    switch (fault) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
    case X509_V_ERR_CERT_NOT_YET_VALID:
        add_date_reason(context->refusal, cert, fault == X509_V_ERR_CERT_HAS_EXPIRED,
                        context->chain->at);
        break;
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        cvs_error_add_reason(context->refusal, CVS_REASON_CERT_SIGNATURE, NULL, NULL,
                             "the certificate %s is not signed by the key of %s", name,
                             issuer ? issuer : "its issuer");
        break;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        cvs_error_add_reason(context->refusal, CVS_REASON_ROOT_UNTRUSTED, name, NULL,
                             "the chain ends in %s, which is not a pinned root", name);
        break;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        cvs_error_add_reason(context->refusal, CVS_REASON_CHAIN_INCOMPLETE, NULL, issuer,
                             "the issuer of the certificate %s, %s, is not there", name,
                             issuer ? issuer : "a name without a common name");
        break;
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
        /* Said only after one of the two above. */
        if (cvs_refusal_count(context->refusal) > 0)
            break;
        G_GNUC_FALLTHROUGH;
    default:
        cvs_error_add_reason(context->refusal, CVS_REASON_CERT_UNFIT, NULL, NULL,
                             "the certificate %s: %s", name, X509_verify_cert_error_string(fault));
    }
    return 1;
}

/* The rules of X509_verify_cert() for the certificates that it was not shown. */
static void
check_dates(X509 *cert, gint64 at, GError *refusal)
{
    time_t time = (time_t)at;

    /* It never says "equal": a time that is the same counts as earlier, and 0 is an error. */
    if (X509_cmp_time(X509_get0_notBefore(cert), &time) >= 0)
        add_date_reason(refusal, cert, FALSE, at);
    if (X509_cmp_time(X509_get0_notAfter(cert), &time) <= 0)
        add_date_reason(refusal, cert, TRUE, at);
}

/* Everything that was added from the given reason on is about dates. */
static gboolean
only_dates(const GError *refusal, guint from)
{
    const GPtrArray *reasons = cvs_error_get_reasons(refusal);

    for (guint i = from; i < reasons->len; i++) {
        const CvsReason *reason = g_ptr_array_index(reasons, i);

        if (!g_str_equal(reason->code, CVS_REASON_CERT_EXPIRED) &&
            !g_str_equal(reason->code, CVS_REASON_CERT_NOT_YET_VALID))
            return FALSE;
    }
    return TRUE;
}

/* Whoever has subject for issuer by name alone. */
static gboolean
names_match(const X509 *subject, const X509 *issuer)
{
    return X509_NAME_cmp(X509_get_issuer_name(subject), X509_get_subject_name(issuer)) == 0;
}

static gboolean
is_self_issued(const X509 *cert)
{
    return names_match(cert, cert);
}

/* The issuers of the certificate among candidates: all of its issuer's name, and where there are
 * several, those whose key it is signed with, if there is any. */
static GPtrArray *
find_issuers(X509 *cert, const GPtrArray *candidates)
{
    g_autoptr(GPtrArray) named = g_ptr_array_new();
    g_autoptr(GPtrArray) true_ones = g_ptr_array_new();

    for (guint i = 0; i < candidates->len; i++) {
        X509 *candidate = g_ptr_array_index(candidates, i);

        if (names_match(cert, candidate) && X509_cmp(candidate, cert) != 0)
            g_ptr_array_add(named, candidate);
    }
    for (guint i = 0; named->len > 1 && i < named->len; i++) {
        EVP_PKEY *key = X509_get0_pubkey(g_ptr_array_index(named, i));

        if (key && X509_verify(cert, key) == 1)
            g_ptr_array_add(true_ones, g_ptr_array_index(named, i));
    }
    if (true_ones->len > 0)
        return g_steal_pointer(&true_ones);
    return g_steal_pointer(&named);
}

/* OpenSSL takes the first issuer of the right name and does not come back from a wrong one. But
 * there are two ASKs of the name SEV-Genoa, and roots of a test beside true ones: so it is shown
 * only certificates that can be part of this leaf's path. Borrowed. */
static GPtrArray *
collect_path_candidates(const CvsX509Chain *chain)
{
    g_autoptr(GPtrArray) all = g_ptr_array_new();
    g_autoptr(GPtrArray) level = g_ptr_array_new();
    GPtrArray *kept = g_ptr_array_new();
    const GPtrArray *piles[] = {chain->anchors, chain->others};

    for (gsize i = 0; i < G_N_ELEMENTS(piles); i++) {
        for (guint j = 0; piles[i] && j < piles[i]->len; j++) {
            if (!has_cert(all, g_ptr_array_index(piles[i], j)))
                g_ptr_array_add(all, g_ptr_array_index(piles[i], j));
        }
    }
    if (has_cert(chain->anchors, chain->leaf))
        g_ptr_array_add(kept, chain->leaf);
    g_ptr_array_add(level, chain->leaf);
    for (int depth = 1; depth < CVS_X509_PATH_MAX && level->len > 0; depth++) {
        g_autoptr(GPtrArray) next = g_ptr_array_new();

        for (guint i = 0; i < level->len; i++) {
            X509 *cert = g_ptr_array_index(level, i);
            g_autoptr(GPtrArray) issuers = is_self_issued(cert) ? NULL : find_issuers(cert, all);

            for (guint j = 0; issuers && j < issuers->len; j++) {
                if (has_cert(kept, g_ptr_array_index(issuers, j)))
                    continue;
                g_ptr_array_add(kept, g_ptr_array_index(issuers, j));
                g_ptr_array_add(next, g_ptr_array_index(issuers, j));
            }
        }
        g_ptr_array_unref(g_steal_pointer(&level));
        level = g_steal_pointer(&next);
    }
    return kept;
}

GPtrArray *
cvs_x509_chain_verify(const CvsX509Chain *chain, GError *refusal)
{
    guint before = cvs_refusal_count(refusal);
    g_autoptr(GPtrArray) path = cvs_x509_chain_path(chain, refusal);

    return cvs_refusal_count(refusal) == before ? g_steal_pointer(&path) : NULL;
}

GPtrArray *
cvs_x509_chain_path(const CvsX509Chain *chain, GError *refusal)
{
    g_autoptr(X509_STORE) store = X509_STORE_new();
    g_autoptr(X509_STORE_CTX) ctx = X509_STORE_CTX_new();
    g_autoptr(GPtrArray) path = cvs_x509_certs_new();
    g_autoptr(GPtrArray) candidates = collect_path_candidates(chain);
    STACK_OF(X509) *others = sk_X509_new_null();
    const STACK_OF(X509) *built = NULL;
    VerifyContext context = {chain, refusal};
    guint before = cvs_refusal_count(refusal);
    unsigned long flags = X509_V_FLAG_CHECK_SS_SIGNATURE | X509_V_FLAG_TRUSTED_FIRST;
    X509_VERIFY_PARAM *param = NULL;

    must(store && ctx && others);
    for (guint i = 0; i < candidates->len; i++) {
        X509 *cert = g_ptr_array_index(candidates, i);
        gboolean known = memo_find(chain->memo, cert, chain->anchors) != NULL;

        if (known)
            flags |= X509_V_FLAG_PARTIAL_CHAIN;
        if (known || has_cert(chain->anchors, cert))
            must(X509_STORE_add_cert(store, cert) == 1);
        else
            must(sk_X509_push(others, cert) > 0);
    }
    must(X509_STORE_CTX_init(ctx, store, chain->leaf, others) == 1);
    param = X509_STORE_CTX_get0_param(ctx);
    (void)X509_VERIFY_PARAM_set_flags(param, flags);
    X509_VERIFY_PARAM_set_time(param, (time_t)chain->at);
    X509_STORE_CTX_set_app_data(ctx, &context);
    X509_STORE_CTX_set_verify_cb(ctx, note_fault);

    if (X509_verify_cert(ctx) != 1 && cvs_refusal_count(refusal) == before)
        cvs_error_add_reason(refusal, CVS_REASON_CERT_UNFIT, NULL, NULL,
                             "the certificate chain cannot be verified: %s",
                             X509_verify_cert_error_string(X509_STORE_CTX_get_error(ctx)));
    built = X509_STORE_CTX_get0_chain(ctx);
    for (int i = 0; built && i < sk_X509_num(built); i++)
        add_cert(path, sk_X509_value(built, i));
    if (path->len > 0 && !has_cert(chain->anchors, g_ptr_array_index(path, path->len - 1))) {
        const MemoPath *known =
            memo_find(chain->memo, g_ptr_array_index(path, path->len - 1), chain->anchors);

        for (guint i = 0; known && i < known->above->len; i++) {
            check_dates(g_ptr_array_index(known->above, i), chain->at, refusal);
            add_cert(path, g_ptr_array_index(known->above, i));
        }
    }
    if (only_dates(refusal, before) &&
        (path->len == 0 || !has_cert(chain->anchors, g_ptr_array_index(path, path->len - 1))))
        cvs_error_add_reason(refusal, CVS_REASON_ROOT_UNTRUSTED, NULL, NULL,
                             "the chain does not end in a pinned root");
    if (cvs_refusal_count(refusal) == before && chain->memo)
        memo_add(chain->memo, path, chain->anchors);
    sk_X509_free(others);
    ERR_clear_error();
    return only_dates(refusal, before) ? g_steal_pointer(&path) : NULL;
}
