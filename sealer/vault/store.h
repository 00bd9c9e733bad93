/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The vault on disk: DIR/keys/OWNER/NAME, one file a key; a state record beside it (what `explain`
 * needs) is ".state.DIGEST16.NAME", named by the first 16 hex digits of its SHA-256. Folders are
 * 0700, files 0600. Nothing is cached: the disk is the truth, and other programs share it. */

#include "base/lock.h"
#include "vault/key-file.h"

#define CVS_STATE_MAX (256 * 1024) /* bytes of a state record */

typedef struct _CvsStore CvsStore;

/* dir: "/var/lib/cvmseal". Made (0700) with its keys folder if it is not there and create is TRUE.
 */
CvsStore *cvs_store_open(const char *dir, gboolean create, GError **error);
void cvs_store_close(CvsStore *store);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsStore, cvs_store_close)

/* One key. NoSuchKey, BadFormat; also BadFormat with reason OwnerDiffers if the file's own header
 * names another owner or key than the place where it lies. */
CvsKeyFile *cvs_store_load(CvsStore *store, const CvsOwner *owner, const char *name,
                           GError **error);

/* The writer's lock of one key; waits up to timeout_ms, then Busy. create: the owner's folder is
 * made if need be. */
typedef struct _CvsKeyLock CvsKeyLock;
CvsKeyLock *cvs_store_lock(CvsStore *store, const CvsOwner *owner, const char *name,
                           gboolean create, guint timeout_ms, GError **error);
void cvs_key_lock_release(CvsKeyLock *lock);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsKeyLock, cvs_key_lock_release)

/* Writes the key under its lock, then removes state records that no slot names any more, and what
 * writers that crashed left in the folder. replace FALSE: KeyExists if there is one. */
gboolean cvs_store_save(CvsStore *store, CvsKeyLock *lock, const CvsKeyFile *key, gboolean replace,
                        GError **error);
/* Removes the key and its state records. NoSuchKey. A key that does not parse can be removed too.
 */
gboolean cvs_store_remove(CvsStore *store, CvsKeyLock *lock, GError **error);

/* Writes a state record (before the key that names it) and gives its SHA-256. TooLarge. */
GBytes *cvs_store_save_state(CvsStore *store, CvsKeyLock *lock, const char *json, GError **error);
/* The record with that digest; NoSuchKey if it is lost, BadFormat if its digest is another. */
GBytes *cvs_store_load_state(CvsStore *store, const CvsOwner *owner, const char *name,
                             GBytes *digest, GError **error);

/* One entry of a listing: a key that cannot be read is an entry with an error, never left out. So
 * is an owner's folder that cannot be read: its entry has an empty name. */
typedef struct {
    CvsOwner owner;
    char *name;      /* UTF-8; of a foreign file not always as on the disk */
    CvsKeyFile *key; /* NULL if error is set */
    GError *error;
} CvsStoreEntry;
void cvs_store_entry_free(CvsStoreEntry *entry);
/* CvsStoreEntry*, by name; owner NULL: those of all owners, by owner and name. */
GPtrArray *cvs_store_list(CvsStore *store, const CvsOwner *owner, GError **error);
/* A part of that: at most limit entries, those behind a key, which need not be there (any more).
 * Only their files are opened. after NULL: from the first on. ret_more: there are more. */
typedef struct {
    CvsOwner owner;
    const char *name; /* as an entry shows it */
} CvsStorePlace;
GPtrArray *cvs_store_list_page(CvsStore *store, const CvsOwner *owner, const CvsStorePlace *after,
                               guint limit, gboolean *ret_more, GError **error);
/* Number of keys in an owner's folder and bytes of keys and state records, for the quota, without
 * the key of the name that is to be replaced; cheap: no file is opened. */
gboolean cvs_store_usage(CvsStore *store, const CvsOwner *owner, const char *except,
                         guint *ret_keys, guint64 *ret_bytes, GError **error);
/* Removes what crashed writers left in all owners' folders: temporary files, lock files, and state
 * records of keys that are gone or name them no more. */
void cvs_store_sweep(CvsStore *store);
