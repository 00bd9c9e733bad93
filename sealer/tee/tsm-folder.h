/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A request's own folder in configfs-tsm: made with a name that nobody can guess, its attributes
 * read and written, removed at the end. tsm-report.h has the order in which that is done.
 *
 * The name is "cvmseal-PID-START-RANDOM": the process and the time of its start tell whether a
 * folder still has an owner. */

#include <glib.h>

#define CVS_TSM_FOLDER_PREFIX "cvmseal-"
#define CVS_TSM_PRIVLEVEL_MAX 3

typedef struct _CvsTsmFolder CvsTsmFolder;

/* path is configfs' tsm/report. NotSupported if it is not there or no TEE's driver stands behind
 * it; NotAuthorized, also where it is read-only. */
CvsTsmFolder *cvs_tsm_folder_new(const char *path, GError **error);
/* Removes it. */
void cvs_tsm_folder_free(CvsTsmFolder *folder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsTsmFolder, cvs_tsm_folder_free)

gboolean cvs_tsm_folder_has(const CvsTsmFolder *folder, const char *name);
/* An attribute of one line, without its end. NotSupported if this kernel has it not, BadFormat. */
char *cvs_tsm_folder_get(const CvsTsmFolder *folder, const char *name, GError **error);
gboolean cvs_tsm_folder_get_number(const CvsTsmFolder *folder, const char *name, guint64 max,
                                   guint64 *ret_value, GError **error);
/* A binary attribute to its end; 0 or the errno, as pseudo-file.h says. */
int cvs_tsm_folder_read(const CvsTsmFolder *folder, const char *name, gsize max,
                        GBytes **ret_bytes);

/* Writes an attribute by one write and closes it: only then the kernel takes a binary one, or does
 * not and says nothing. NotSupported if this kernel has it not; AttestationFailed if it refuses. */
gboolean cvs_tsm_folder_write(CvsTsmFolder *folder, const char *name, const void *data, gsize size,
                              GError **error);
/* How many writes that is: what the attribute "generation" should say. */
guint64 cvs_tsm_folder_writes(const CvsTsmFolder *folder);

/* Removes folders of ours whose process is gone. Within a turn (pace.h): a process that cannot be
 * seen from here, in another PID namespace, is then not in the middle of a request. */
void cvs_tsm_folder_sweep(const char *path);
