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
    GPtrArray *names;
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

    for (guint i = job->from; i < job->names->len; i += job->step) {
        const char *name = g_ptr_array_index(job->names, i);
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
read_all(GPtrArray *names, CvsStoreEntry **found, int dir, const CvsOwner *owner)
{
    ReadJob jobs[READERS_MAX];
    const guint wanted = MIN(names->len / NAMES_PER_READER + 1, g_get_num_processors());
    const guint n = MIN(wanted, READERS_MAX);
    GThreadPool *pool =
        n > 1 ? g_thread_pool_new(read_entries, NULL, (gint)n - 1, FALSE, NULL) : NULL;

    for (guint i = n; i > 0; i--) {
        jobs[i - 1] = (ReadJob){names, found, dir, owner, i - 1, n};
        if (i == 1 || pool == NULL || !g_thread_pool_push(pool, &jobs[i - 1], NULL))
            read_entries(&jobs[i - 1], NULL);
    }
    if (pool)
        g_thread_pool_free(pool, FALSE, TRUE);
}

static gboolean
list_folder(GPtrArray *entries, CvsStore *store, const CvsOwner *owner, GError **error)
{
    CVS_AUTO_FD int dir = cvs_store_open_folder(store, owner, FALSE, error);
    g_autoptr(DIR) stream = dir < 0 ? NULL : cvs_store_read_folder(dir, error);
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autofree CvsStoreEntry **found = NULL;
    struct dirent *file = NULL;

    if (stream == NULL)
        return FALSE;
    for (errno = 0; (file = readdir(stream)) != NULL; errno = 0) {
        if (file->d_name[0] != '.')
            g_ptr_array_add(names, g_strdup(file->d_name));
    }
    if (errno != 0) {
        cvs_error_set_errno(error, CVS_ERROR_STORAGE_ERROR, errno, "cannot read a folder of keys");
        return FALSE;
    }
    found = g_new0(CvsStoreEntry *, names->len);
    read_all(names, found, dir, owner);
    for (guint i = 0; i < names->len; i++) {
        if (found[i])
            g_ptr_array_add(entries, found[i]);
    }
    return TRUE;
}

static int
compare_entries(gconstpointer a, gconstpointer b)
{
    const CvsStoreEntry *x = *(const CvsStoreEntry *const *)a;
    const CvsStoreEntry *y = *(const CvsStoreEntry *const *)b;
    int order = cvs_owner_compare(&x->owner, &y->owner);

    return order != 0 ? order : strcmp(x->name, y->name);
}

/* The owners that have a folder; what is not an owner's is not ours. */
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
    return g_steal_pointer(&owners);
}

GPtrArray *
cvs_store_list(CvsStore *store, const CvsOwner *owner, GError **error)
{
    g_autoptr(GPtrArray) entries =
        g_ptr_array_new_with_free_func((GDestroyNotify)cvs_store_entry_free);
    g_autoptr(GError) local = NULL;
    g_autoptr(GArray) owners = NULL;

    if (owner != NULL) {
        if (!list_folder(entries, store, owner, &local) && !is_gone(local)) {
            g_propagate_error(error, g_steal_pointer(&local));
            return NULL;
        }
        g_ptr_array_sort(entries, compare_entries);
        return g_steal_pointer(&entries);
    }

    owners = list_owners(store, error);
    if (owners == NULL)
        return NULL;
    for (guint i = 0; i < owners->len; i++) {
        const CvsOwner *each = &g_array_index(owners, CvsOwner, i);

        /* One owner's folder that cannot be read does not hide the others. */
        if (!list_folder(entries, store, each, &local)) {
            if (!is_gone(local)) {
                CvsStoreEntry *entry = entry_new(each, "");

                entry->error = g_steal_pointer(&local);
                g_ptr_array_add(entries, entry);
            }
            g_clear_error(&local);
        }
    }
    g_ptr_array_sort(entries, compare_entries);
    return g_steal_pointer(&entries);
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
