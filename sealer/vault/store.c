/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vault/store.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hex.h"
#include "vault/store-private.h"

#include <string.h>
#include <unistd.h>

#define KEYS_FOLDER "keys"
#define FOLDER_MODE 0700
#define FILE_MODE 0600
#define DIGEST_SIZE 32

struct _CvsKeyLock {
    CvsOwner owner;
    char *name;
    int dir; /* the owner's folder */
    CvsLock *lock;
};

CvsStore *
cvs_store_open(const char *dir, gboolean create, GError **error)
{
    CVS_AUTO_FD int top = cvs_dir_open(dir, create, FOLDER_MODE, error);
    CVS_AUTO_FD int keys = -1;
    CvsStore *store = NULL;

    if (top >= 0)
        keys = cvs_dir_open_at(top, KEYS_FOLDER, create, FOLDER_MODE, error);
    if (keys < 0) {
        g_prefix_error(error, "vault %s: ", dir);
        return NULL;
    }
    store = g_new0(CvsStore, 1);
    store->keys = cvs_steal_fd(&keys);
    return store;
}

void
cvs_store_close(CvsStore *store)
{
    if (store == NULL)
        return;
    cvs_close_fd(&store->keys);
    g_free(store);
}

static void
set_no_such_key(GError **error, const CvsOwner *owner, const char *name)
{
    g_autofree char *owner_text = cvs_owner_format(owner);

    g_clear_error(error);
    g_set_error(error, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY, "%s has no key \"%s\"", owner_text, name);
}

int
cvs_store_open_folder(CvsStore *store, const CvsOwner *owner, gboolean create, GError **error)
{
    g_autofree char *folder = cvs_owner_folder(owner);

    return cvs_dir_open_at(store->keys, folder, create, FOLDER_MODE, error);
}

/* An owner who has no folder has no keys either. */
static int
open_folder_of(CvsStore *store, const CvsOwner *owner, const char *name, GError **error)
{
    g_autoptr(GError) local = NULL;
    int dir = cvs_store_open_folder(store, owner, FALSE, &local);

    if (dir < 0) {
        if (g_error_matches(local, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY))
            set_no_such_key(error, owner, name);
        else
            g_propagate_error(error, g_steal_pointer(&local));
    }
    return dir;
}

CvsKeyFile *
cvs_store_load_at(int dir, const CvsOwner *owner, const char *name, GError **error)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(GBytes) bytes = cvs_file_read(dir, name, CVS_KEY_FILE_MAX, &local);
    g_autoptr(CvsKeyFile) key = NULL;
    gsize size = 0;
    const void *data = NULL;

    if (bytes == NULL) {
        if (g_error_matches(local, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY))
            set_no_such_key(error, owner, name);
        else
            g_propagate_error(error, g_steal_pointer(&local));
        return NULL;
    }
    data = g_bytes_get_data(bytes, &size);
    key = cvs_key_file_parse(data, size, error);
    if (key == NULL)
        return NULL;
    if (!cvs_owner_equal(cvs_key_file_get_owner(key), owner) ||
        !g_str_equal(cvs_key_file_get_name(key), name)) {
        g_autofree char *here = cvs_owner_format(owner);
        g_autofree char *there = cvs_owner_format(cvs_key_file_get_owner(key));
        g_autofree char *wanted = g_strdup_printf("%s/%s", here, name);
        g_autofree char *seen = g_strdup_printf("%s/%s", there, cvs_key_file_get_name(key));

        g_set_error(&local, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "the file of the key \"%s\" of %s holds another key; put it back where it "
                    "belongs",
                    name, here);
        cvs_error_add_reason(local, CVS_REASON_OWNER_DIFFERS, seen, wanted,
                             "the file's header names another owner or name than its place");
        g_propagate_error(error, g_steal_pointer(&local));
        return NULL;
    }
    return g_steal_pointer(&key);
}

CvsKeyFile *
cvs_store_load(CvsStore *store, const CvsOwner *owner, const char *name, GError **error)
{
    CVS_AUTO_FD int dir = -1;

    if (!cvs_key_name_check(name, error))
        return NULL;
    dir = open_folder_of(store, owner, name, error);
    return dir < 0 ? NULL : cvs_store_load_at(dir, owner, name, error);
}

/* Locks */

CvsKeyLock *
cvs_store_lock(CvsStore *store, const CvsOwner *owner, const char *name, gboolean create,
               guint timeout_ms, GError **error)
{
    CVS_AUTO_FD int dir = -1;
    CvsLock *lock = NULL;
    CvsKeyLock *key_lock = NULL;

    if (!cvs_key_name_check(name, error))
        return NULL;
    dir = create ? cvs_store_open_folder(store, owner, TRUE, error)
                 : open_folder_of(store, owner, name, error);
    if (dir < 0)
        return NULL;
    lock = cvs_lock_take(dir, name, timeout_ms, error);
    if (lock == NULL)
        return NULL;
    key_lock = g_new0(CvsKeyLock, 1);
    key_lock->owner = *owner;
    key_lock->name = g_strdup(name);
    key_lock->dir = cvs_steal_fd(&dir);
    key_lock->lock = lock;
    return key_lock;
}

void
cvs_key_lock_release(CvsKeyLock *lock)
{
    if (lock == NULL)
        return;
    cvs_lock_release(lock->lock);
    cvs_close_fd(&lock->dir);
    g_free(lock->name);
    g_free(lock);
}

/* State records */

static char *
state_file_name(GBytes *digest, const char *name)
{
    g_autofree char *hex = cvs_hex_encode(g_bytes_get_data(digest, NULL), CVS_STATE_HEX / 2);

    return g_strconcat(CVS_STATE_PREFIX, hex, ".", name, NULL);
}

/* By position, since names may hold dots and digits themselves. */
const char *
cvs_store_state_record_of(const char *file)
{
    const char *hex = file + strlen(CVS_STATE_PREFIX);

    if (!g_str_has_prefix(file, CVS_STATE_PREFIX) ||
        strspn(hex, "0123456789abcdef") < CVS_STATE_HEX || hex[CVS_STATE_HEX] != '.')
        return NULL;
    return hex + CVS_STATE_HEX + 1;
}

static gboolean
is_named_by(const CvsKeyFile *key, const char *file, const char *name)
{
    for (guint i = 0; key != NULL && i < cvs_key_file_get_n_slots(key); i++) {
        const CvsTpm2Slot *slot = cvs_key_file_get_tpm2_slot(key, i);

        if (slot != NULL && slot->state != NULL) {
            g_autofree char *wanted = state_file_name(slot->state, name);

            if (g_str_equal(wanted, file))
                return TRUE;
        }
    }
    return FALSE;
}

/* The removals are not synced: a record that comes back after a crash is swept another time. */
void
cvs_store_sweep_states(int dir, const char *name, const CvsKeyFile *key)
{
    g_autoptr(DIR) stream = cvs_store_read_folder(dir, NULL);
    struct dirent *entry = NULL;

    while (stream != NULL && (entry = readdir(stream)) != NULL) {
        const char *of = cvs_store_state_record_of(entry->d_name);

        if (of != NULL && g_str_equal(of, name) && !is_named_by(key, entry->d_name, name))
            (void)unlinkat(dir, entry->d_name, 0);
        /* Of whatever key: what another writer's crash left waits for no daemon to start. */
        if (cvs_file_is_temporary(entry->d_name))
            cvs_file_sweep_one(dir, entry->d_name);
    }
}

void
cvs_store_sweep_key(int dir, const CvsOwner *owner, const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsKeyFile) key = cvs_store_load_at(dir, owner, name, &error);

    /* Of a key that cannot be read nobody knows what it names. */
    if (key != NULL || g_error_matches(error, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY))
        cvs_store_sweep_states(dir, name, key);
}

GBytes *
cvs_store_save_state(CvsStore *store, CvsKeyLock *lock, const char *json, GError **error)
{
    gsize size = strlen(json);
    guint8 bytes[DIGEST_SIZE];
    g_autoptr(GBytes) digest = NULL;
    g_autofree char *file = NULL;

    if (size > CVS_STATE_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE,
                    "the state record of \"%s\" has %zu bytes, at most %d are kept", lock->name,
                    size, CVS_STATE_MAX);
        return NULL;
    }
    cvs_hash_bytes(CVS_SHA256, json, size, bytes);
    digest = g_bytes_new(bytes, sizeof bytes);
    file = state_file_name(digest, lock->name);
    if (!cvs_file_write(lock->dir, file, json, size, FILE_MODE, CVS_WRITE_REPLACE, error)) {
        /* It may be there, if only its folder could not be synced. */
        cvs_store_sweep_key(lock->dir, &lock->owner, lock->name);
        return NULL;
    }
    return g_steal_pointer(&digest);
}

GBytes *
cvs_store_load_state(CvsStore *store, const CvsOwner *owner, const char *name, GBytes *digest,
                     GError **error)
{
    CVS_AUTO_FD int dir = -1;
    g_autofree char *file = NULL;
    g_autoptr(GBytes) bytes = NULL;
    guint8 found[DIGEST_SIZE];
    gsize size = 0;
    const void *data = NULL;

    g_return_val_if_fail(g_bytes_get_size(digest) == DIGEST_SIZE, NULL);

    if (!cvs_key_name_check(name, error))
        return NULL;
    dir = open_folder_of(store, owner, name, error);
    if (dir < 0)
        return NULL;
    file = state_file_name(digest, name);
    bytes = cvs_file_read(dir, file, CVS_STATE_MAX, error);
    if (bytes == NULL)
        return NULL;
    data = g_bytes_get_data(bytes, &size);
    cvs_hash_bytes(CVS_SHA256, data, size, found);
    if (memcmp(found, g_bytes_get_data(digest, NULL), sizeof found) != 0) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "the state record of the key \"%s\" was changed or damaged", name);
        return NULL;
    }
    return g_steal_pointer(&bytes);
}

/* Writing */

gboolean
cvs_store_save(CvsStore *store, CvsKeyLock *lock, const CvsKeyFile *key, gboolean replace,
               GError **error)
{
    g_autoptr(GBytes) bytes = NULL;
    gsize size = 0;
    const void *data = NULL;

    g_return_val_if_fail(cvs_owner_equal(cvs_key_file_get_owner(key), &lock->owner), FALSE);
    g_return_val_if_fail(g_str_equal(cvs_key_file_get_name(key), lock->name), FALSE);

    bytes = cvs_key_file_serialise(key, error);
    if (bytes == NULL)
        return FALSE;
    data = g_bytes_get_data(bytes, &size);
    if (!cvs_file_write(lock->dir, lock->name, data, size, FILE_MODE,
                        replace ? CVS_WRITE_REPLACE : CVS_WRITE_CREATE, error)) {
        /* The record that was written for it. */
        cvs_store_sweep_key(lock->dir, &lock->owner, lock->name);
        return FALSE;
    }
    cvs_store_sweep_states(lock->dir, lock->name, key);
    return TRUE;
}

gboolean
cvs_store_remove(CvsStore *store, CvsKeyLock *lock, GError **error)
{
    g_autoptr(GError) local = NULL;

    if (!cvs_file_remove(lock->dir, lock->name, &local)) {
        if (g_error_matches(local, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY))
            set_no_such_key(error, &lock->owner, lock->name);
        else
            g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    cvs_store_sweep_states(lock->dir, lock->name, NULL);
    return TRUE;
}
