/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The folder of test roots that a configuration names. */

#include "tee/x509.h"

/* All certificates (X509*) of the regular files in the folder, DER or PEM; nothing below it, and no
 * file whose name begins with a dot. Errors: of the folder and the files; BadFormat for a file that
 * holds neither certificate nor CRL. */
GPtrArray *cvs_test_roots_load(const char *path, GError **error);

/* Nobody but root, or who runs this, can have put something else into the folder: it and its files
 * belong to one of these, and nobody else may write to them. StorageError naming what is not so. */
gboolean cvs_test_roots_check_owners(const char *path, GError **error);
