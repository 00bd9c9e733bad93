/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Files that a kernel makes up as they are read (sysfs, configfs, securityfs): what stat() says of
 * their size (0, or a page) is nothing to rely on, so they are read to their end. */

#include <glib.h>

/* The whole file, of at most max bytes. 0, or the errno of what failed: EFBIG for a file that is
 * longer (the kernel's own EFBIG means the same), EINVAL for what is no regular file. EINTR is the
 * caller's to judge, since he knows his deadline. */
int cvs_pseudo_file_read(int dir, const char *name, gsize max, GBytes **ret_bytes);

/* The same by its path, in words: NotSupported where there is no such file, NotAuthorized,
 * TooLarge, Failed. */
GBytes *cvs_pseudo_file_read_path(const char *path, gsize max, GError **error);
