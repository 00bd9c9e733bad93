/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/collateral-store.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hex.h"
#include "base/lock.h"
#include "tee/collateral-seen.h"
#include "tee/refusal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define LOCK_NAME "collateral"
#define LOCK_TIMEOUT_MS 10000
#define FILE_MODE 0644
#define FOLDER_MODE 0755

struct _CvsCollateralStore {
    int dir;
    CvsSnpRoots *snp_roots;
    CvsTdxRoots *tdx_roots;
};

CvsCollateralStore *
cvs_collateral_store_open(const char *path, gboolean create, CvsSnpRoots *snp_roots,
                          CvsTdxRoots *tdx_roots, GError **error)
{
    CvsCollateralStore *store = NULL;
    int dir = cvs_dir_open(path, create, FOLDER_MODE, error);

    if (dir < 0)
        return NULL;
    store = g_new0(CvsCollateralStore, 1);
    store->dir = dir;
    store->snp_roots = cvs_snp_roots_ref(snp_roots);
    store->tdx_roots = cvs_tdx_roots_ref(tdx_roots);
    return store;
}

void
cvs_collateral_store_free(CvsCollateralStore *store)
{
    cvs_close_fd(&store->dir);
    cvs_snp_roots_unref(store->snp_roots);
    cvs_tdx_roots_unref(store->tdx_roots);
    g_free(store);
}

static char *
file_name(const CvsCollateralItem *item)
{
    return g_strconcat(item->id, item->tcb_info || item->qe_identity ? ".json" : ".der", NULL);
}

/* "vcek-0123456789abcdef": a stem that one of our files can have. */
static gboolean
is_id(const char *id)
{
    for (guint i = 0; i < CVS_N_COLLATERAL_KINDS; i++) {
        const char *kind = cvs_collateral_kind_name((CvsCollateralKind)i);
        gsize size = strlen(kind);

        if (g_str_has_prefix(id, kind) && id[size] == '-' && strlen(id) == size + 17 &&
            strspn(id + size + 1, "0123456789abcdef") == 16)
            return TRUE;
    }
    return FALSE;
}

static int
compare_items(gconstpointer a, gconstpointer b)
{
    const CvsCollateralItem *const *one = a;
    const CvsCollateralItem *const *other = b;

    return strcmp((*one)->id, (*other)->id);
}

/* One file as an item; on an error an item that has nothing but the name and the error. */
static void
load_file(CvsCollateralStore *store, const char *name, GPtrArray *items)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsEvidence) evidence = cvs_evidence_new();
    g_autoptr(GBytes) bytes = cvs_file_read(store->dir, name, CVS_COLLATERAL_MAX, &error);
    g_autoptr(GPtrArray) found = cvs_collateral_items_new();
    CvsCollateralItem *item = NULL;

    if (bytes &&
        cvs_evidence_add(evidence, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), name,
                         &error) &&
        cvs_collateral_items_add(found, evidence, &error)) {
        g_autofree char *own = found->len == 1 ? file_name(g_ptr_array_index(found, 0)) : NULL;

        if (g_strcmp0(own, name) == 0) {
            g_ptr_array_add(items, g_ptr_array_steal_index(found, 0));
            return;
        }
        g_set_error(&error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "%s: its contents are not those that its name stands for", name);
    }
    item = g_new0(CvsCollateralItem, 1);
    item->id = g_strndup(name, (gsize)(strrchr(name, '.') - name));
    item->error = g_steal_pointer(&error);
    g_ptr_array_add(items, item);
}

static gboolean
is_our_file(const char *name)
{
    const char *dot = strrchr(name, '.');
    g_autofree char *stem = dot ? g_strndup(name, (gsize)(dot - name)) : NULL;

    return stem && is_id(stem) && (g_str_equal(dot, ".der") || g_str_equal(dot, ".json"));
}

static GPtrArray *
load_files(CvsCollateralStore *store, GError **error)
{
    g_autoptr(GPtrArray) items = cvs_collateral_items_new();
    int copy = openat(store->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = copy < 0 ? NULL : fdopendir(copy);
    struct dirent *entry = NULL;

    if (stream == NULL) {
        cvs_error_set_errno(error, CVS_ERROR_STORAGE_ERROR, errno, "cannot list the collateral");
        cvs_close_fd(&copy);
        return NULL;
    }
    while (items->len < CVS_COLLATERAL_FILES_MAX && (entry = readdir(stream)) != NULL) {
        if (is_our_file(entry->d_name))
            load_file(store, entry->d_name, items);
    }
    (void)closedir(stream);
    g_ptr_array_sort(items, compare_items);
    return g_steal_pointer(&items);
}

/* Certificates and CRLs of the items that are not known to be wrong. */
static void
gather(const GPtrArray *items, GPtrArray *certs, GPtrArray *crls)
{
    for (guint i = 0; i < items->len; i++) {
        CvsCollateralItem *item = g_ptr_array_index(items, i);

        if (item->error)
            continue;
        /* Leaves are nobody's issuers. */
        if (item->cert && item->kind != CVS_COLLATERAL_VCEK && item->kind != CVS_COLLATERAL_VLEK) {
            (void)X509_up_ref(item->cert);
            g_ptr_array_add(certs, item->cert);
        }
        if (item->crl) {
            (void)X509_CRL_up_ref(item->crl);
            g_ptr_array_add(crls, item->crl);
        }
    }
}

/* A CRL that is older than what was seen, beside the one that is not: then it only adds to what is
 * revoked, as where AMD's ARK signs one list for ASKs and one for ASVKs. */
static gboolean
is_beside_newer(const GPtrArray *items, const CvsCollateralItem *item, const json_t *seen)
{
    gboolean found = FALSE;

    for (guint i = 0; item->crl && i < items->len && !found; i++) {
        const CvsCollateralItem *other = g_ptr_array_index(items, i);
        g_autoptr(GError) refusal = cvs_refusal_new();

        found = other->error == NULL && g_strcmp0(other->series, item->series) == 0 &&
                cvs_collateral_seen_check(seen, other, refusal);
    }
    return found;
}

/* Each item found authentic, and not older than what was seen, or given its error. */
static void
judge_items(CvsCollateralStore *store, const GPtrArray *items, const json_t *seen)
{
    g_autoptr(GPtrArray) certs = cvs_x509_certs_new();
    g_autoptr(GPtrArray) crls = cvs_x509_crls_new();

    gather(items, certs, crls);
    for (guint i = 0; i < items->len; i++) {
        CvsCollateralItem *item = g_ptr_array_index(items, i);
        GError *refusal = cvs_refusal_new();

        if (item->error == NULL)
            (void)cvs_collateral_item_authenticate(item, certs, crls, store->snp_roots,
                                                   store->tdx_roots, refusal);
        /* One that has an error already gets no reasons. */
        (void)cvs_refusal_end(refusal, item->id, &item->error);
    }
    for (guint i = 0; i < items->len; i++) {
        CvsCollateralItem *item = g_ptr_array_index(items, i);
        GError *refusal = cvs_refusal_new();

        if (item->error == NULL && !is_beside_newer(items, item, seen))
            (void)cvs_collateral_seen_check(seen, item, refusal);
        (void)cvs_refusal_end(refusal, item->id, &item->error);
    }
}

GPtrArray *
cvs_collateral_store_list(CvsCollateralStore *store, GError **error)
{
    g_autoptr(GPtrArray) items = load_files(store, error);
    g_autoptr(json_t) seen = cvs_collateral_seen_load(store->dir, NULL);

    if (items)
        judge_items(store, items, seen);
    return g_steal_pointer(&items);
}

gboolean
cvs_collateral_store_check_seen(CvsCollateralStore *store, GError **error)
{
    return cvs_collateral_seen_is_whole(store->dir, error);
}

/* One import under way. */
typedef struct {
    CvsCollateralStore *store;
    GPtrArray *here; /* items of the store */
    json_t *seen;
    GPtrArray *certs; /* of the store and of all inputs */
    GPtrArray *crls;
} Import;

static void
free_result(gpointer data)
{
    CvsCollateralResult *result = data;

    g_free(result->name);
    g_ptr_array_unref(result->ids);
    g_clear_error(&result->error);
    g_free(result);
}

/* The newest item of the store that this one would replace, or that is as new. */
static CvsCollateralItem *
find_rival(const Import *import, const CvsCollateralItem *item)
{
    CvsCollateralItem *rival = NULL;

    for (guint i = 0; i < import->here->len; i++) {
        CvsCollateralItem *other = g_ptr_array_index(import->here, i);

        if (other->error == NULL && g_strcmp0(other->series, item->series) == 0 &&
            (rival == NULL || cvs_collateral_item_compare(other, rival) > 0))
            rival = other;
    }
    return rival;
}

/* The newer one says all that the older one does: a revocation does not lapse because another list
 * of the same issuer came later. */
static gboolean
covers(const CvsCollateralItem *newer, const CvsCollateralItem *older)
{
    STACK_OF(X509_REVOKED) *revoked = older->crl ? X509_CRL_get_REVOKED(older->crl) : NULL;

    for (int i = 0; i < sk_X509_REVOKED_num(revoked); i++) {
        const ASN1_INTEGER *serial =
            X509_REVOKED_get0_serialNumber(sk_X509_REVOKED_value(revoked, i));
        X509_REVOKED *entry = NULL;

        if (X509_CRL_get0_by_serial(newer->crl, &entry, serial) == 0)
            return FALSE;
    }
    return TRUE;
}

/* What the store need not hold any more beside the item. */
static void
add_replaced(const Import *import, const CvsCollateralItem *item, GPtrArray *replaced)
{
    for (guint i = 0; i < import->here->len; i++) {
        CvsCollateralItem *other = g_ptr_array_index(import->here, i);

        if (other->error == NULL && g_strcmp0(other->series, item->series) == 0 &&
            covers(item, other))
            g_ptr_array_add(replaced, other);
    }
}

static gboolean
has_room(const Import *import, guint more, GError **error)
{
    if (import->here->len + more <= CVS_COLLATERAL_FILES_MAX)
        return TRUE;
    g_set_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE,
                "the store holds %d pieces of collateral at most: remove what is not needed",
                CVS_COLLATERAL_FILES_MAX);
    return FALSE;
}

/* All items are authentic, and none is older than what was seen. */
static gboolean
check_items(const Import *import, const GPtrArray *items, const char *name, GError **error)
{
    GError *refusal = cvs_refusal_new();

    for (guint i = 0; i < items->len; i++) {
        CvsCollateralItem *item = g_ptr_array_index(items, i);
        const CvsCollateralItem *rival = NULL;

        if (!cvs_collateral_item_authenticate(item, import->certs, import->crls,
                                              import->store->snp_roots, import->store->tdx_roots,
                                              refusal) ||
            !cvs_collateral_seen_check(import->seen, item, refusal))
            continue;
        rival = find_rival(import, item);
        if (rival && item->cert == NULL && cvs_collateral_item_compare(item, rival) < 0)
            cvs_error_add_reason(refusal, CVS_REASON_COLLATERAL_ROLLBACK, item->id, rival->id,
                                 "%s is older than %s, which is in the store", item->id, rival->id);
    }
    return cvs_refusal_end(refusal, name, error);
}

/* Writes what is new, the number first: a crash in between leaves a store that has seen more than
 * it holds, never less. On an error what was written is taken out again. */
static gboolean
write_items(Import *import, GPtrArray *items, CvsCollateralResult *result, GError **error)
{
    g_autoptr(GPtrArray) written = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(GPtrArray) rivals = g_ptr_array_new();
    gboolean ok = TRUE;

    for (guint i = 0; i < items->len; i++)
        cvs_collateral_seen_note(import->seen, g_ptr_array_index(items, i));
    ok = cvs_collateral_seen_save(import->store->dir, import->seen, error);
    for (guint i = 0; ok && i < items->len; i++) {
        CvsCollateralItem *item = g_ptr_array_index(items, i);
        CvsCollateralItem *rival = find_rival(import, item);
        g_autofree char *name = file_name(item);
        gsize size = 0;
        const void *data = g_bytes_get_data(item->content, &size);

        if (rival && cvs_collateral_item_compare(item, rival) <= 0) {
            g_ptr_array_add(result->ids, g_strdup(rival->id));
            continue;
        }
        ok = cvs_file_write(import->store->dir, name, data, size, FILE_MODE, CVS_WRITE_REPLACE,
                            error);
        if (!ok)
            break;
        g_ptr_array_add(result->ids, g_strdup(item->id));
        g_ptr_array_add(written, g_steal_pointer(&name));
        add_replaced(import, item, rivals);
        result->added++;
    }
    for (guint i = 0; !ok && i < written->len; i++)
        (void)cvs_file_remove(import->store->dir, g_ptr_array_index(written, i), NULL);
    if (!ok)
        return FALSE;
    for (guint i = 0; i < rivals->len; i++) {
        g_autofree char *name = file_name(g_ptr_array_index(rivals, i));

        /* One that stays is of no harm: the newer one is preferred. */
        (void)cvs_file_remove(import->store->dir, name, NULL);
        g_ptr_array_remove(import->here, g_ptr_array_index(rivals, i));
    }
    return TRUE;
}

/* Of several versions in one file the newest counts. */
static void
drop_older(GPtrArray *items)
{
    for (guint i = 0; i < items->len;) {
        const CvsCollateralItem *item = g_ptr_array_index(items, i);
        gboolean newest = TRUE;

        for (guint j = 0; j < items->len && newest; j++) {
            const CvsCollateralItem *other = g_ptr_array_index(items, j);
            int order = g_str_equal(item->series, other->series)
                            ? cvs_collateral_item_compare(item, other)
                            : 1;

            newest = j == i || order > 0 || (order == 0 && i < j);
        }
        if (newest)
            i++;
        else
            g_ptr_array_remove_index(items, i);
    }
}

static gboolean
import_items(Import *import, GPtrArray *items, CvsCollateralResult *result, GError **error)
{
    if (!check_items(import, items, result->name, error))
        return FALSE;
    drop_older(items);
    if (!has_room(import, items->len, error) || !write_items(import, items, result, error))
        return FALSE;
    /* Those that were written are here now, for the next file. */
    while (items->len > 0) {
        CvsCollateralItem *item = g_ptr_array_steal_index(items, items->len - 1);
        gboolean is_here = FALSE;

        for (guint i = 0; i < import->here->len && !is_here; i++)
            is_here = g_str_equal(((CvsCollateralItem *)g_ptr_array_index(import->here, i))->id,
                                  item->id);
        if (is_here || !g_ptr_array_find_with_equal_func(result->ids, item->id, g_str_equal, NULL))
            cvs_collateral_item_free(item);
        else
            g_ptr_array_add(import->here, item);
    }
    return TRUE;
}

static GPtrArray *
parse_input(const CvsCollateralInput *input, GError **error)
{
    g_autoptr(CvsEvidence) evidence = cvs_evidence_new();
    g_autoptr(GPtrArray) items = cvs_collateral_items_new();

    if (input->bytes == NULL) {
        if (input->error)
            g_propagate_error(error, g_error_copy(input->error));
        return NULL;
    }
    if (!cvs_evidence_add(evidence, g_bytes_get_data(input->bytes, NULL),
                          g_bytes_get_size(input->bytes), input->name, error))
        return NULL;
    if (!cvs_collateral_items_add(items, evidence, error)) {
        g_prefix_error(error, "%s: ", input->name);
        return NULL;
    }
    return g_steal_pointer(&items);
}

static void
unref_items(gpointer items)
{
    if (items)
        g_ptr_array_unref(items);
}

gboolean
cvs_collateral_store_import(CvsCollateralStore *store, const CvsCollateralInput *inputs,
                            guint n_inputs, GPtrArray **ret_results, GError **error)
{
    g_autoptr(CvsLock) lock = cvs_lock_take(store->dir, LOCK_NAME, LOCK_TIMEOUT_MS, error);
    g_autoptr(GPtrArray) results = g_ptr_array_new_with_free_func(free_result);
    g_autoptr(GPtrArray) parsed = g_ptr_array_new_with_free_func(unref_items);
    g_autoptr(GPtrArray) certs = cvs_x509_certs_new();
    g_autoptr(GPtrArray) crls = cvs_x509_crls_new();
    g_autoptr(GPtrArray) here = NULL;
    g_autoptr(json_t) seen = NULL;
    Import import = {.store = store, .certs = certs, .crls = crls};

    if (lock == NULL)
        return FALSE;
    cvs_file_sweep(store->dir);
    here = cvs_collateral_store_list(store, error);
    if (here == NULL)
        return FALSE;
    seen = cvs_collateral_seen_load(store->dir, NULL);
    cvs_collateral_seen_note_all(seen, here);
    import.here = here;
    import.seen = seen;
    gather(here, certs, crls);
    for (guint i = 0; i < n_inputs; i++) {
        CvsCollateralResult *result = g_new0(CvsCollateralResult, 1);
        GPtrArray *items = parse_input(&inputs[i], &result->error);

        result->name = g_strdup(inputs[i].name);
        result->ids = g_ptr_array_new_with_free_func(g_free);
        g_ptr_array_add(results, result);
        g_ptr_array_add(parsed, items);
        if (items)
            gather(items, certs, crls);
    }
    for (guint i = 0; i < n_inputs; i++) {
        CvsCollateralResult *result = g_ptr_array_index(results, i);
        GPtrArray *items = g_ptr_array_index(parsed, i);

        if (items && !import_items(&import, items, result, &result->error)) {
            g_ptr_array_set_size(result->ids, 0);
            result->added = 0;
        }
    }
    *ret_results = g_steal_pointer(&results);
    return TRUE;
}

/* What is removed must not be forgotten with it. */
static gboolean
keep_seen(CvsCollateralStore *store, GError **error)
{
    g_autoptr(GPtrArray) items = cvs_collateral_store_list(store, error);
    g_autoptr(json_t) seen = cvs_collateral_seen_load(store->dir, NULL);
    g_autoptr(json_t) more = json_deep_copy(seen);

    if (items == NULL)
        return FALSE;
    cvs_collateral_seen_note_all(more, items);
    return json_equal(seen, more) || cvs_collateral_seen_save(store->dir, more, error);
}

gboolean
cvs_collateral_store_remove(CvsCollateralStore *store, const char *id, GError **error)
{
    g_autoptr(CvsLock) lock = cvs_lock_take(store->dir, LOCK_NAME, LOCK_TIMEOUT_MS, error);
    static const char *const endings[] = {".der", ".json"};

    if (lock == NULL || !keep_seen(store, error))
        return FALSE;
    for (gsize i = 0; is_id(id) && i < G_N_ELEMENTS(endings); i++) {
        g_autofree char *name = g_strconcat(id, endings[i], NULL);
        g_autoptr(GError) local = NULL;

        if (cvs_file_remove(store->dir, name, &local))
            return TRUE;
        if (!g_error_matches(local, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY)) {
            g_propagate_error(error, g_steal_pointer(&local));
            return FALSE;
        }
    }
    g_set_error(error, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY, "there is no collateral %s", id);
    return FALSE;
}

static gboolean
is_leaf_for(const CvsCollateralItem *item, const CvsSnpReport *report)
{
    CvsSnpTcb reported = cvs_snp_tcb_decode(report->reported_tcb, item->leaf.layout);

    if (item->kind != CVS_COLLATERAL_VCEK && item->kind != CVS_COLLATERAL_VLEK)
        return FALSE;
    if (report->line != CVS_SNP_LINE_UNKNOWN && report->line != item->line)
        return FALSE;
    return cvs_snp_tcb_equal(&reported, &item->leaf.tcb) &&
           memcmp(item->leaf.hwid, report->chip_id, item->leaf.hwid_size) == 0;
}

static void
add_to(const CvsCollateralItem *item, CvsEvidence *evidence)
{
    /* What was parsed once parses again. */
    (void)cvs_evidence_add(evidence, g_bytes_get_data(item->content, NULL),
                           g_bytes_get_size(item->content), item->id, NULL);
}

gboolean
cvs_collateral_store_collect_snp(CvsCollateralStore *store, const CvsSnpReport *report,
                                 CvsEvidence *evidence, GError **error)
{
    g_autoptr(GPtrArray) items = cvs_collateral_store_list(store, error);

    cvs_collateral_seen_warn(store->dir);
    for (guint i = 0; items && i < items->len; i++) {
        const CvsCollateralItem *item = g_ptr_array_index(items, i);
        gboolean is_issuer =
            !item->error && item->line != CVS_SNP_LINE_UNKNOWN &&
            (item->kind == CVS_COLLATERAL_ASK || item->kind == CVS_COLLATERAL_ASVK ||
             item->kind == CVS_COLLATERAL_ARK || item->kind == CVS_COLLATERAL_CRL);

        if (!item->error && (is_issuer || is_leaf_for(item, report)))
            add_to(item, evidence);
    }
    return items != NULL;
}

gboolean
cvs_collateral_store_collect_tdx(CvsCollateralStore *store, const guint8 *fmspc,
                                 CvsEvidence *evidence, GError **error)
{
    g_autoptr(GPtrArray) items = cvs_collateral_store_list(store, error);
    g_autoptr(json_t) seen = cvs_collateral_seen_load(store->dir, NULL);
    g_autofree char *digits = fmspc ? cvs_hex_encode(fmspc, 6) : NULL;

    if (items == NULL)
        return FALSE;
    cvs_collateral_seen_warn(store->dir);
    cvs_collateral_seen_note_all(seen, items);
    for (guint i = 0; i < items->len; i++) {
        const CvsCollateralItem *item = g_ptr_array_index(items, i);

        if (item->error || item->line != CVS_SNP_LINE_UNKNOWN)
            continue;
        if (item->tcb_info && (fmspc == NULL || memcmp(item->tcb_info->fmspc, fmspc, 6) != 0))
            continue;
        add_to(item, evidence);
    }
    if (digits)
        evidence->evaluation_seen =
            MAX(evidence->evaluation_seen, cvs_collateral_seen_evaluation(seen, digits));
    return TRUE;
}
