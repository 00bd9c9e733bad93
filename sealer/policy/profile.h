/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Profiles: what keys may be sealed to and under which conditions they are released, as GKeyFile
 * text; cvmseal.policy(5). NAME.policy is looked for in the administrator's folder, then in the
 * shipped one; the first found is the whole profile, nothing is merged. */

#include "policy/tee-rules.h"
#include "tpm/pcr.h"

#include <glib.h>

typedef enum {
    CVS_PROFILE_OPTIONAL,
    CVS_PROFILE_REQUIRED,
    CVS_PROFILE_FORBIDDEN,
} CvsProfileRule;

typedef struct {
    gatomicrefcount refs;
    char *name;        /* without ".policy" */
    char *description; /* for `cvmseal status` */
    /* [Registers] */
    guint32 pcrs; /* PCRs=      the default selection at sealing; 0: nothing is sealed by it */
    CvsHash bank; /* PCRBank=   the default bank */
    guint32 required_pcrs; /* RequirePCRs=  every key has at least these; 0: any */
    guint32 rtmrs;         /* RTMRs=     the default selection of RTMRs; 0: none */
    GStrv claims;          /* Claims=    claims that new keys pin (policy/pinnable.h); NULL: none
                            * said */
    gboolean allow_unmeasured; /* AllowUnmeasured=  what PcrUnmeasured refuses is let through */
    /* [Secrets] */
    CvsProfileRule pin;         /* PIN= optional, required, forbidden */
    guint pin_min_length;       /* PINMinimumLength=  characters, 1 to 32, default 4 */
    CvsProfileRule recovery;    /* RecoveryKey= optional, required, forbidden */
    CvsProfileRule derived_key; /* DerivedKey= likewise: a key that the TEE derives is a factor */
    /* [TEE], [SNP], [TDX], [Collateral], [vTPM] */
    CvsTeeRules tee;
} CvsProfile;

CvsProfile *cvs_profile_ref(CvsProfile *profile);
void cvs_profile_unref(CvsProfile *profile);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsProfile, cvs_profile_unref)

#define CVS_PROFILE_DEFAULT "default"
#define CVS_PROFILE_SIZE_MAX 65536

/* [A-Za-z0-9._-], not starting with a dot, at most 64 bytes. */
gboolean cvs_profile_name_is_valid(const char *name);

/* Parses a profile's text; file is for messages. BadFormat with "FILE:LINE: …" for an unknown
 * group or key, a group or key given twice, a value out of range, bytes that are no text, a profile
 * that has neither PCRs= nor a group about TEEs, RequirePCRs= that PCRs= has not, resettable PCRs
 * without AllowUnmeasured=, [SNP] or [TDX] whose type Types= does not name. TooLarge. */
CvsProfile *cvs_profile_parse(const char *name, const char *file, const void *data, gsize size,
                              GError **error);

/* The profile by which a report is judged that comes without one. Refused are: debug, migration
 * (MIGRATABLE too), any TCB status but UpToDate, outdated collateral. All else is only a claim: a
 * missing CRL, test roots, VMPL, a bound service TD. It has no registers to seal to. */
CvsProfile *cvs_profile_strict_new(void);

/* The profile's folders, most important first; NULL-terminated. A folder that is not there is an
 * empty one; links are not followed. InvalidArgument for what is no name, and, with the reason
 * ProfileMissing and the folders in the message, for a profile that is in none of them. A file that
 * cannot be read or parsed is an error: a less important one never stands in for it. */
CvsProfile *cvs_profile_load(const char *const *folders, const char *name, GError **error);
