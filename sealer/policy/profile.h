/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Profiles: what keys may be sealed to and under which conditions they are released, as GKeyFile
 * text; cvmseal.policy(5). NAME.policy is looked for in the administrator's folder, then in the
 * shipped one; the first found is the whole profile, nothing is merged. */

#include "tpm/pcr.h"

#include <glib.h>

typedef enum {
    CVS_PROFILE_OPTIONAL,
    CVS_PROFILE_REQUIRED,
    CVS_PROFILE_FORBIDDEN,
} CvsProfileRule;

typedef struct {
    gatomicrefcount refs;
    char *name;          /* without ".policy" */
    char *description;   /* for `cvmseal status` */
    /* [Registers] */
    guint32 pcrs;          /* PCRs=      the default selection at sealing; never 0 */
    CvsHash bank;          /* PCRBank=   the default bank */
    guint32 required_pcrs; /* RequirePCRs=  every key has at least these; 0: any */
    gboolean allow_unmeasured; /* AllowUnmeasured=  what PcrUnmeasured refuses is let through */
    /* [Secrets] */
    CvsProfileRule pin;      /* PIN= optional, required, forbidden */
    guint pin_min_length;    /* PINMinimumLength=  characters, default 4 */
    CvsProfileRule recovery; /* RecoveryKey= optional, required, forbidden */
} CvsProfile;

CvsProfile *cvs_profile_ref(CvsProfile *profile);
void cvs_profile_unref(CvsProfile *profile);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsProfile, cvs_profile_unref)

#define CVS_PROFILE_DEFAULT "default"
#define CVS_PROFILE_SIZE_MAX 65536

/* [A-Za-z0-9._-], not starting with a dot, at most 64 bytes. */
gboolean cvs_profile_name_is_valid(const char *name);

/* Parses a profile's text. BadFormat with "FILE:LINE: …" naming the key for an unknown group or key,
 * a value out of range, a key given twice. */
CvsProfile *cvs_profile_parse(const char *name, const char *file, const void *data, gsize size,
                              GError **error);

/* The profile's folders, most important first; NULL-terminated. */
CvsProfile *cvs_profile_load(const char *const *folders, const char *name, GError **error);
