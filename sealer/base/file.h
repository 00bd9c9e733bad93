/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Files inside a directory that is held open: read whole with a bound, written so that a crash at
 * any point leaves the old content or the new, removed so that the removal lasts.
 *
 * Names are single components, never paths. Errors: StorageError (with the name and the system's
 * own words), NotAuthorized, NoSuchKey where a file is not there, KeyExists, TooLarge. */

#include <glib.h>
#include <sys/types.h>

/* A file descriptor that closes itself and keeps errno: CVS_AUTO_FD int fd = -1; */
#define CVS_AUTO_FD __attribute__((cleanup(cvs_close_fd)))
/* Closes *fd if it is not negative and sets it to -1; errno is kept. */
void cvs_close_fd(int *fd);
/* The descriptor; *fd becomes -1. */
int cvs_steal_fd(int *fd);

/* Opens a directory, not following a link in the last component. create: made with the mode if it
 * is not there (only the last component), and its parent synced. -1 on error. */
int cvs_dir_open(const char *path, gboolean create, mode_t mode, GError **error);
int cvs_dir_open_at(int dir, const char *name, gboolean create, mode_t mode, GError **error);

/* The whole file, a regular one of at most max bytes. Not for secrets. */
GBytes *cvs_file_read(int dir, const char *name, gsize max, GError **error);
/* What somebody named on a command line: the path as it is, links followed; a FIFO too, and the
 * files of sysfs and securityfs, whose size says nothing. InvalidArgument where there is no such
 * file or it is a folder; BadFormat for more than max bytes, since no such file has so many: it is
 * not what it is taken for. Messages begin with the path. */
GBytes *cvs_file_read_path(const char *path, gsize max, GError **error);

typedef enum {
    CVS_WRITE_CREATE,  /* KeyExists if the name is taken */
    CVS_WRITE_REPLACE, /* whether there is an old one or not */
} CvsWriteMode;

/* Temporary file in the same directory (its name has no part of the name), write, fsync, rename,
 * fsync of the directory. On an error nothing has changed, but where the last fsync fails: then the
 * new content may or may not survive a crash, and the error says so. */
gboolean cvs_file_write(int dir, const char *name, const void *data, gsize size, mode_t mode,
                        CvsWriteMode how, GError **error);

/* Removes and syncs the directory. NoSuchKey if it is not there. */
gboolean cvs_file_remove(int dir, const char *name, GError **error);

/* Removes a temporary file that a crashed cvs_file_write() left, unless one that lives holds it. */
void cvs_file_sweep_one(int dir, const char *name);
/* All of them. */
void cvs_file_sweep(int dir);
/* True for the names that cvs_file_write() gives to its temporary files. */
gboolean cvs_file_is_temporary(const char *name);

/* Writes all of it, through signals and short writes. errno on FALSE. */
gboolean cvs_write_all(int fd, const void *data, gsize size);
