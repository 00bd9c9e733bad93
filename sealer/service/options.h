/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The options a{sv} of the methods, by one table: which key has which type, and which method takes
 * it. What kind of descriptor was given is found out only where it is read or written. */

#include "base/digest.h"
#include "release/drop.h"
#include "release/predicted.h"
#include "service/fds.h"

#include <gio/gio.h>

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
    CVS_OPTION_REASONS = 1 << 10, /* every method takes it */
    CVS_OPTION_AFTER = 1 << 11,
    CVS_OPTION_LIMIT = 1 << 12,
    CVS_OPTION_RTMRS = 1 << 13,
    CVS_OPTION_REQUIRE = 1 << 14,
    CVS_OPTION_TO = 1 << 15,
    CVS_OPTION_KEEP_OTHERS = 1 << 16,
    CVS_OPTION_USER_DATA = 1 << 17,
    CVS_OPTION_DERIVED_KEY = 1 << 18,
    CVS_OPTION_THIS_BOOT = 1 << 19,
    CVS_OPTION_CHALLENGE = 1 << 20,
    CVS_OPTION_DROP = 1 << 21,
} CvsOptionKey;

typedef struct {
    char *owner;       /* NULL: "self" */
    char *profile;     /* NULL: the default; a valid name otherwise */
    guint32 pcrs;      /* 0: the profile's */
    guint32 rtmrs;     /* 0: the profile's */
    GStrv claims;      /* NULL: the profile's */
    GBytes *user_data; /* of an attestation; NULL: none */
    gboolean has_bank;
    CvsHash bank;
    gboolean replace;
    gboolean allow_unmeasured;
    gboolean derived_key;
    gboolean this_boot;
    CvsPredicted *to;     /* NULL: the present state */
    gboolean keep_others; /* only with that one, which has it too */
    CvsDrop drop;
    gboolean all;
    char *after;      /* where a listing begins; NULL: with the first key */
    guint32 limit;    /* keys in a listing, 1 to CVS_LISTING_MAX, which is the default */
    gboolean reasons; /* an error's body is to have them */
    int pin_fd;       /* -1: none, as with those below */
    int recovery_output_fd;
    int recovery_key_fd;
    int challenge_fd;
} CvsOptions;

void cvs_options_init(CvsOptions *options);
/* Frees, and buries the descriptors. */
void cvs_options_clear(CvsOptions *options);

/* allowed: the keys that this method takes. InvalidArgument naming the key that is unknown, given
 * twice, of a wrong type or with an impossible value. */
gboolean cvs_options_parse(GVariant *dict, guint allowed, CvsFds *fds, CvsOptions *options,
                           GError **error);
