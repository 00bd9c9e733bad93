/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What store.c and store-list.c share. */

#include "vault/store.h"

#include <dirent.h>

#define CVS_STATE_PREFIX ".state."
#define CVS_STATE_HEX 16 /* digits of the digest in a record's name */

struct _CvsStore {
    int keys; /* the folder of the owners' folders */
};

static inline void
cvs_closedir(DIR *stream)
{
    (void)closedir(stream);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(DIR, cvs_closedir)

/* A stream of its own over a folder that is open; StorageError. */
DIR *cvs_store_read_folder(int dir, GError **error);
/* The owner's folder; NoSuchKey if it is not there. */
int cvs_store_open_folder(CvsStore *store, const CvsOwner *owner, gboolean create, GError **error);
/* cvs_store_load() in a folder that is open. */
CvsKeyFile *cvs_store_load_at(int dir, const CvsOwner *owner, const char *name, GError **error);
/* The key's name in the name of a state record; NULL if the file is none. */
const char *cvs_store_state_record_of(const char *file);
/* Removes the state records of the key that it does not name (key NULL: all of them), and temporary
 * files in the folder that no writer holds. Under the key's lock. */
void cvs_store_sweep_states(int dir, const char *name, const CvsKeyFile *key);
/* The same after a look at the key; none if it cannot be read. Under the key's lock. */
void cvs_store_sweep_key(int dir, const CvsOwner *owner, const char *name);
