/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The one table that says who may do what. It is asked before a method's own code runs; what is not
 * in it is refused, so a method that somebody adds and forgets here does not work at all. */

#include "service/caller.h"
#include "vault/owner.h"

#define CVS_ACTION_MANAGE "org.cvmseal1.manage"
#define CVS_ACTION_ATTEST "org.cvmseal1.attest"

typedef enum {
    CVS_BOUNCE_REFUSE,  /* nobody */
    CVS_BOUNCE_ANYBODY, /* whoever the bus lets through */
    CVS_BOUNCE_OWNER,   /* the owner of the keys that are named; others by CVS_ACTION_MANAGE */
    CVS_BOUNCE_MANAGE,  /* by CVS_ACTION_MANAGE */
    CVS_BOUNCE_ATTEST,  /* by CVS_ACTION_ATTEST */
} CvsBounceRule;

/* CVS_BOUNCE_REFUSE for what is not in the table. */
CvsBounceRule cvs_bouncer_method_rule(const char *method);
CvsBounceRule cvs_bouncer_property_rule(const char *property);

/* Whose keys a call is about. text: the option "owner", NULL for "self". NotAuthorized for "unit"
 * of a caller whose service is not known; InvalidArgument for what is no owner. */
gboolean cvs_bouncer_resolve_owner(const CvsCaller *caller, const char *text, CvsOwner *ret_owner,
                                   GError **error);

typedef enum {
    CVS_VERDICT_ALLOWED,
    CVS_VERDICT_REFUSED,
    CVS_VERDICT_ASK, /* polkit, for cvs_bouncer_action() */
} CvsVerdict;

/* owner NULL: the call is about the keys of all owners. uid 0 is never asked about: polkit lets it
 * do everything, and it can read the vault and use the TPM without us. */
CvsVerdict cvs_bouncer_judge(const char *method, const CvsCaller *caller, const CvsOwner *owner);
/* The polkit action that lets others than the owner call the method. */
const char *cvs_bouncer_action(const char *method);
