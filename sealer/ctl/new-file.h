/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A text in a new file, which appears whole or not at all. Not for secrets. */

#include <glib.h>
#include <sys/types.h>

/* Whether nothing has that name. InvalidArgument, beginning with the option. */
gboolean cvs_new_file_check(const char *path, const char *option, GError **error);
/* KeyExists if something has got that name meanwhile; StorageError, NotAuthorized. */
gboolean cvs_new_file_write(const char *path, const char *text, mode_t mode, GError **error);
