/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The options a{sv} of the methods, by one table: which key has which type, and which method takes
 * it. The descriptors of a call are taken out of its message at once; those that no argument names
 * are closed, and none is handed out twice. */

#include "base/digest.h"

#include <gio/gio.h>
#include <gio/gunixfdlist.h>

/* The descriptors that came with a call. */
typedef struct {
    int *fds; /* -1 where it was taken */
    int n;
} CvsFds;
/* Takes them out of the list, which may be NULL. */
void cvs_fds_init(CvsFds *fds, GUnixFDList *list);
/* The descriptor of a handle, now the caller's to close. InvalidArgument if there is none, or if it
 * was taken before. what: for the message. */
int cvs_fds_take(CvsFds *fds, gint32 handle, const char *what, GError **error);
/* Closes what was not taken. */
void cvs_fds_clear(CvsFds *fds);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CvsFds, cvs_fds_clear)

typedef enum {
    CVS_OPTION_OWNER = 1 << 0,
    CVS_OPTION_PROFILE = 1 << 1,
    CVS_OPTION_PCRS = 1 << 2,
    CVS_OPTION_BANK = 1 << 3,
    CVS_OPTION_REPLACE = 1 << 4,
    CVS_OPTION_ALLOW_UNMEASURED = 1 << 5,
    CVS_OPTION_PIN = 1 << 6,
    CVS_OPTION_RECOVERY_OUTPUT = 1 << 7,
    CVS_OPTION_RECOVERY_KEY = 1 << 8,
    CVS_OPTION_ALL = 1 << 9,
} CvsOptionKey;

typedef struct {
    char *owner;   /* NULL: "self" */
    char *profile; /* NULL: the default; a valid name otherwise */
    guint32 pcrs;  /* 0: the profile's */
    gboolean has_bank;
    CvsHash bank;
    gboolean replace;
    gboolean allow_unmeasured;
    gboolean all;
    int pin_fd; /* -1: none, as with those below */
    int recovery_output_fd;
    int recovery_key_fd;
} CvsOptions;

void cvs_options_init(CvsOptions *options);
/* Frees, and closes the descriptors. */
void cvs_options_clear(CvsOptions *options);

/* allowed: the keys that this method takes. InvalidArgument naming the key that is unknown, given
 * twice, of a wrong type or with an impossible value. */
gboolean cvs_options_parse(GVariant *dict, guint allowed, CvsFds *fds, CvsOptions *options,
                           GError **error);
