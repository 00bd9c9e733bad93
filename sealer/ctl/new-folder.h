/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Several files that belong together, in a new folder that appears with all of them or not at all.
 * Not for secrets. */

#include <glib.h>

/* An empty list of files. */
GPtrArray *cvs_new_folder_files(void);
/* Adds one; bytes NULL: does nothing. The name is a single component. */
void cvs_new_folder_add(GPtrArray *files, const char *name, GBytes *bytes);
const char *cvs_new_folder_name(const GPtrArray *files, guint number);

/* Whether it could be made: nothing has that name, and its parent is there. InvalidArgument. */
gboolean cvs_new_folder_check(const char *path, GError **error);
/* Makes it. InvalidArgument if something has got that name meanwhile; StorageError,
 * NotAuthorized. */
gboolean cvs_new_folder_write(const char *path, const GPtrArray *files, GError **error);
