/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Secrets from and to files and streams, straight into and out of a CvsSecret. */

#include "base/secret.h"

#include <glib.h>

/* Reads a descriptor to its end. what names it in messages: "the secret", "the PIN".
 * InvalidArgument if there is nothing, if it is a directory or closed; TooLarge for more than max
 * bytes. */
CvsSecret *cvs_secret_io_read_fd(int fd, gsize max, const char *what, GError **error);
/* Reads a file, a FIFO or a device; follows links. InvalidArgument if it is not there. */
CvsSecret *cvs_secret_io_read_file(const char *path, gsize max, const char *what, GError **error);
/* As read_file(), without the line end that editors put behind a single line. A line in the middle
 * is kept. InvalidArgument if nothing is left. */
CvsSecret *cvs_secret_io_read_line(const char *path, gsize max, const char *what, GError **error);

/* Whether cvs_secret_io_write() could write: the folder is there, and either nothing has that name,
 * or force is TRUE and it is a regular file. Asked before work whose result would be lost.
 * InvalidArgument says how to go on. path NULL: stdout, which must not be a terminal unless force
 * is TRUE. */
gboolean cvs_secret_io_check(const char *path, gboolean force, GError **error);
/* Writes the secret and then tail (NULL: nothing) to a file of mode 0600 that appears whole or not
 * at all; links in the last component are not followed. path NULL: to stdout. */
gboolean cvs_secret_io_write(const char *path, gboolean force, const CvsSecret *secret,
                             const char *tail, GError **error);
/* Removes a file that cvs_secret_io_write() made; keeps silent if it is gone. */
void cvs_secret_io_remove(const char *path);
