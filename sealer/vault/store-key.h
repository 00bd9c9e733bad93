/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The store key: bytes that only a machine which has booted as it should has, in a file that the
 * boot makes below /run. A factor of the KEK (vault/kek.h): who has the TPM and a stolen key file
 * has not this. */

#include "base/secret.h"

#define CVS_STORE_KEY_SIZE 32

/* Of the file at that path: exactly CVS_STORE_KEY_SIZE bytes that are not all zero, a regular file
 * of this process's user (root, for the daemon) with mode 0400 and one name, with no symbolic link
 * in its whole path. TRUE and NULL if it is not there. StorageError with the reason StoreKeyUnfit
 * for what is not so: such a file is never taken for none. */
gboolean cvs_store_key_load(const char *path, CvsSecret **ret_key, GError **error);
