/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include "base/error.h"
#include "base/file.h"
#include "vault/store-private.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#define READERS_MAX 8
#define NAMES_PER_READER 256

DIR *
cvs_store_read_folder(int dir, GError **error)
{
    /* Opened anew: a duplicate would share its place in the folder with other readers. */
    CVS_AUTO_FD int copy = openat(dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *stream = copy < 0 ? NULL : fdopendir(copy);

    if (stream == NULL)
        cvs_error_set_errno(error, CVS_ERROR_STORAGE_ERROR, errno, "cannot read a folder of keys");
    else
        (void)cvs_steal_fd(&copy);
    return stream;
}

void
cvs_store_entry_free(CvsStoreEntry *entry)
{
    if (entry == NULL)
        return;
    g_free(entry->name);
    cvs_key_file_free(entry->key);
    g_clear_error(&entry->error);
    g_free(entry);
}

static CvsStoreEntry *
entry_new(const CvsOwner *owner, const char *name)
{
    CvsStoreEntry *entry = g_new0(CvsStoreEntry, 1);

    entry->owner = *owner;
    /* A file that somebody put there may have any name; entries are shown and sent. */
    entry->name = g_utf8_make_valid(name, -1);
    return entry;
}

/* A key that vanishes between the listing of its folder and its reading is no key any more. */
static gboolean
is_gone(const GError *error)
{
    return g_error_matches(error, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY);
}

/* What one thread of several does of a folder: the entries from, from + step, … */
typedef struct {
    char *const *names;
    guint n_names;
    CvsStoreEntry **found; /* as many as names; NULL: gone */
    int dir;
    const CvsOwner *owner;
    guint from;
    guint step;
} ReadJob;

static void
read_entries(gpointer data, gpointer unused)
{
    const ReadJob *job = data;

    for (guint i = job->from; i < job->n_names; i += job->step) {
        const char *name = job->names[i];
        g_autoptr(GError) error = NULL;
        CvsKeyFile *key = NULL;

        if (cvs_key_name_check(name, &error))
            key = cvs_store_load_at(job->dir, job->owner, name, &error);
        if (!is_gone(error)) {
            job->found[i] = entry_new(job->owner, name);
            job->found[i]->key = key;
            job->found[i]->error = g_steal_pointer(&error);
        }
    }
}

/* Reading and parsing is nearly all the work of a listing, and no key has to do with another, so a
 * large folder is shared among the processors. A pool that gets no thread is no error: this thread
 * takes all that is left. */
static void
read_all(char *const *names, guint n_names, CvsStoreEntry **found, int dir, const CvsOwner *owner)
{
    ReadJob jobs[READERS_MAX];
    const guint wanted = MIN(n_names / NAMES_PER_READER + 1, g_get_num_processors());
    const guint n = MIN(wanted, READERS_MAX);
    GThreadPool *pool =
        n > 1 ? g_thread_pool_new(read_entries, NULL, (gint)n - 1, FALSE, NULL) : NULL;

    for (guint i = n; i > 0; i--) {
        jobs[i - 1] = (ReadJob){names, n_names, found, dir, owner, i - 1, n};
        if (i == 1 || pool == NULL || !g_thread_pool_push(pool, &jobs[i - 1], NULL))
            read_entries(&jobs[i - 1], NULL);
    }
    if (pool)
        g_thread_pool_free(pool, FALSE, TRUE);
}

/* As entries show them. */
static int
compare_shown(const char *a, const char *b)
{
    g_autofree char *x = g_utf8_validate(a, -1, NULL) ? NULL : g_utf8_make_valid(a, -1);
    g_autofree char *y = g_utf8_validate(b, -1, NULL) ? NULL : g_utf8_make_valid(b, -1);

    return strcmp(x ? x : a, y ? y : b);
}

static int
compare_names(gconstpointer a, gconstpointer b)
{
    return compare_shown(*(const char *const *)a, *(const char *const *)b);
}

/* What may be keys, sorted. */
static GPtrArray *
read_names(int dir, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autoptr(DIR) stream = cvs_store_read_folder(dir, error);
    struct dirent *file = NULL;

    if (stream == NULL)
        return NULL;
    for (errno = 0; (file = readdir(stream)) != NULL; errno = 0) {
        if (file->d_name[0] != '.')
            g_ptr_array_add(names, g_strdup(file->d_name));
    }
    if (errno != 0) {
        cvs_error_set_errno(error, CVS_ERROR_STORAGE_ERROR, errno, "cannot read a folder of keys");
        return NULL;
    }
    g_ptr_array_sort(names, compare_names);
    return g_steal_pointer(&names);
}

/* Adds those behind a name (NULL: all) until there are limit entries. *ret_more: some are left. */
static gboolean
list_folder(GPtrArray *entries, CvsStore *store, const CvsOwner *owner, const char *after,
            guint limit, gboolean *ret_more, GError **error)
{
    CVS_AUTO_FD int dir = cvs_store_open_folder(store, owner, FALSE, error);
    g_autoptr(GPtrArray) names = dir < 0 ? NULL : read_names(dir, error);
    guint at = 0;

    if (names == NULL)
        return FALSE;
    while (after && at < names->len && compare_shown(g_ptr_array_index(names, at), after) <= 0)
        at++;
    /* Again for those that were gone when they were to be read. */
    while (at < names->len && entries->len < limit) {
        guint n = MIN(names->len - at, limit - entries->len);
        g_autofree CvsStoreEntry **found = g_new0(CvsStoreEntry *, n);

        read_all((char *const *)names->pdata + at, n, found, dir, owner);
        for (guint i = 0; i < n; i++) {
            if (found[i])
                g_ptr_array_add(entries, found[i]);
        }
        at += n;
    }
    *ret_more = at < names->len;
    return TRUE;
}

static int
compare_owners(gconstpointer a, gconstpointer b)
{
    return cvs_owner_compare(a, b);
}

/* The owners that have a folder, sorted; what is not an owner's is not ours. */
static GArray *
list_owners(CvsStore *store, GError **error)
{
    g_autoptr(GArray) owners = g_array_new(FALSE, FALSE, sizeof(CvsOwner));
    g_autoptr(DIR) stream = cvs_store_read_folder(store->keys, error);
    struct dirent *file = NULL;

    if (stream == NULL)
        return NULL;
    for (errno = 0; (file = readdir(stream)) != NULL; errno = 0) {
        CvsOwner owner;

        if (cvs_owner_from_folder(file->d_name, &owner))
            g_array_append_val(owners, owner);
    }
    if (errno != 0) {
        cvs_error_set_errno(error, CVS_ERROR_STORAGE_ERROR, errno, "cannot read the vault");
        return NULL;
    }
    g_array_sort(owners, compare_owners);
    return g_steal_pointer(&owners);
}

/* Those of one owner among several: a folder that cannot be read does not hide the others, and is
 * an entry itself, before whatever key could be in it. */
static void
list_among(GPtrArray *entries, CvsStore *store, const CvsOwner *owner, const char *after,
           guint limit, gboolean *ret_more)
{
    g_autoptr(GError) local = NULL;
    CvsStoreEntry *entry = NULL;

    *ret_more = FALSE;
    if (list_folder(entries, store, owner, after, limit, ret_more, &local) || is_gone(local) ||
        after)
        return;
    if (entries->len >= limit) {
        *ret_more = TRUE;
        return;
    }
    entry = entry_new(owner, "");
    entry->error = g_steal_pointer(&local);
    g_ptr_array_add(entries, entry);
}

GPtrArray *
cvs_store_list_page(CvsStore *store, const CvsOwner *owner, const CvsStorePlace *after, guint limit,
                    gboolean *ret_more, GError **error)
{
    g_autoptr(GPtrArray) entries =
        g_ptr_array_new_with_free_func((GDestroyNotify)cvs_store_entry_free);
    g_autoptr(GError) local = NULL;
    g_autoptr(GArray) owners = NULL;
    gboolean more = FALSE;

    if (owner != NULL) {
        int order = after ? cvs_owner_compare(owner, &after->owner) : 1;

        if (order >= 0 &&
            !list_folder(entries, store, owner, order == 0 ? after->name : NULL, limit, &more,
                         &local) &&
            !is_gone(local)) {
            g_propagate_error(error, g_steal_pointer(&local));
            return NULL;
        }
        *ret_more = more;
        return g_steal_pointer(&entries);
    }

    owners = list_owners(store, error);
    if (owners == NULL)
        return NULL;
    for (guint i = 0; i < owners->len && !more; i++) {
        const CvsOwner *each = &g_array_index(owners, CvsOwner, i);
        int order = after ? cvs_owner_compare(each, &after->owner) : 1;

        if (order >= 0)
            list_among(entries, store, each, order == 0 ? after->name : NULL, limit, &more);
    }
    *ret_more = more;
    return g_steal_pointer(&entries);
}

GPtrArray *
cvs_store_list(CvsStore *store, const CvsOwner *owner, GError **error)
{
    gboolean more = FALSE;

    return cvs_store_list_page(store, owner, NULL, G_MAXUINT, &more, error);
}

gboolean
cvs_store_usage(CvsStore *store, const CvsOwner *owner, const char *except, guint *ret_keys,
                guint64 *ret_bytes, GError **error)
{
    g_autoptr(GError) local = NULL;
    CVS_AUTO_FD int dir = cvs_store_open_folder(store, owner, FALSE, &local);
    g_autoptr(DIR) stream = dir < 0 ? NULL : cvs_store_read_folder(dir, &local);
    struct dirent *file = NULL;
    guint keys = 0;
    guint64 bytes = 0;

    if (stream == NULL && !is_gone(local)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    while (stream != NULL && (file = readdir(stream)) != NULL) {
        gboolean is_key = file->d_name[0] != '.';
        const char *of = is_key ? file->d_name : cvs_store_state_record_of(file->d_name);
        struct stat st;

        if (of == NULL || g_str_equal(of, except))
            continue;
        if (fstatat(dir, file->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0)
            continue;
        keys += is_key;
        bytes += (guint64)st.st_size;
    }
    *ret_keys = keys;
    *ret_bytes = bytes;
    return TRUE;
}

/* What a crash can leave of a key: its lock file, and records that no slot names. The lock is taken
 * without waiting: whoever holds it cleans up by himself. */
static void
sweep_key(CvsStore *store, const CvsOwner *owner, int dir, const char *name)
{
    g_autoptr(CvsKeyLock) lock = cvs_store_lock(store, owner, name, FALSE, 0, NULL);

    if (lock != NULL)
        cvs_store_sweep_key(dir, owner, name);
}

static void
sweep_folder(CvsStore *store, const CvsOwner *owner)
{
    CVS_AUTO_FD int dir = cvs_store_open_folder(store, owner, FALSE, NULL);
    g_autoptr(GHashTable) names = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    g_autoptr(DIR) stream = dir < 0 ? NULL : cvs_store_read_folder(dir, NULL);
    struct dirent *file = NULL;
    GHashTableIter iter;
    gpointer name = NULL;

    if (stream == NULL)
        return;
    cvs_file_sweep(dir);
    while ((file = readdir(stream)) != NULL) {
        const char *of = cvs_store_state_record_of(file->d_name);

        if (of == NULL && cvs_lock_is_lock_file(file->d_name))
            of = file->d_name + strlen(CVS_LOCK_PREFIX);
        if (of != NULL)
            (void)g_hash_table_add(names, g_strdup(of));
    }
    g_hash_table_iter_init(&iter, names);
    while (g_hash_table_iter_next(&iter, &name, NULL))
        sweep_key(store, owner, dir, name);
}

void
cvs_store_sweep(CvsStore *store)
{
    g_autoptr(GArray) owners = list_owners(store, NULL);

    for (guint i = 0; owners != NULL && i < owners->len; i++)
        sweep_folder(store, &g_array_index(owners, CvsOwner, i));
}
