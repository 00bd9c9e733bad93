/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a kind of policy element has to bring along. A new kind is a file policy-KIND.c with one of
 * these and its name in the table of policy.c; nothing else changes. */

#include "tpm/policy.h"
#include "tpm/tpm-private.h"

/* Bounds of a policy, for what comes from a file: elements in one list, PolicyOR within PolicyOR,
 * and PolicyORs that are met on one way through. */
#define CVS_POLICY_ELEMENTS_MAX 16
#define CVS_POLICY_DEPTH_MAX 3
#define CVS_POLICY_CHOICES_MAX 8
/* How many ways through a policy there can be, each a combination of branches: all are tried, in
 * each of up to 32 slots that anybody can put into a key's file. */
#define CVS_POLICY_WAYS_MAX 8

/* One way through a policy. */
typedef struct {
    CvsTpm *tpm;
    ESYS_TR session;
    guint n_met; /* PolicyORs met so far; choice and n_branches are in that order */
    guint8 choice[CVS_POLICY_CHOICES_MAX];
    guint8 n_branches[CVS_POLICY_CHOICES_MAX];
} CvsPolicyRun;

typedef struct _CvsPolicyElement CvsPolicyElement;

typedef struct {
    const char *type; /* member "type" in JSON */
    /* Extends the policy digest as the TPM would. */
    void (*calculate)(const CvsPolicyElement *element, guint8 digest[static 32]);
    /* Issues the TPM's command. before: the session's policy digest by calculation. */
    gboolean (*execute)(const CvsPolicyElement *element, CvsPolicyRun *run,
                        const guint8 before[static 32], GError **error);
    gboolean (*needs_pin)(const CvsPolicyElement *element);
    /* Ways through it, to be counted no further than beyond CVS_POLICY_WAYS_MAX; NULL: one. */
    guint (*count_ways)(const CvsPolicyElement *element);
    /* Adds its members to an object that has "type" already. */
    void (*to_json)(const CvsPolicyElement *element, json_t *json);
    /* Members are this kind's to check, "type" is known. depth: of PolicyORs around it. */
    CvsPolicyElement *(*from_json)(const json_t *json, const char *what, guint depth,
                                   GError **error);
    void (*free)(CvsPolicyElement *element);
} CvsPolicyElementClass;

/* The head of each kind's own struct. */
struct _CvsPolicyElement {
    const CvsPolicyElementClass *class;
};

extern const CvsPolicyElementClass cvs_policy_pcr_class;
extern const CvsPolicyElementClass cvs_policy_auth_value_class;
extern const CvsPolicyElementClass cvs_policy_or_class;
extern const CvsPolicyElementClass cvs_policy_secret_class; /* never in JSON */

/* Of an element of cvs_policy_pcr_class. */
void cvs_policy_pcr_get(const CvsPolicyElement *element, CvsPcrSelection *ret_selection,
                        guint8 ret_digest[static 32]);

/* Takes the element. */
void cvs_policy_add(CvsPolicy *policy, CvsPolicyElement *element);

/* digest = SHA-256(digest ‖ command code ‖ data): what all assertions do (Part 1, 19.7). */
void cvs_policy_extend(guint8 digest[static 32], TPM2_CC command, const void *data, gsize size);

/* The elements of a list, in order, from a digest on; for PolicyOR and its branches. */
void cvs_policy_calculate_from(const CvsPolicy *policy, guint8 digest[static 32]);
gboolean cvs_policy_run_list(const CvsPolicy *policy, CvsPolicyRun *run,
                             const guint8 before[static 32], GError **error);
/* At most CVS_POLICY_WAYS_MAX + 1. */
guint cvs_policy_count_ways(const CvsPolicy *policy);
CvsPolicy *cvs_policy_from_json_at(const json_t *json, const char *what, guint depth,
                                   GError **error);

/* True if PolicyAuthValue is an element of the list itself, so that it is sent on every way. */
gboolean cvs_policy_sends_auth_value(const CvsPolicy *policy);

/* The execute twin: issues the policy's commands in a session that is empty of policy. branches:
 * which branch each PolicyOR takes, in the order in which they are met; NULL: the first with which
 * no PCR differs, which needs the session to be the TPM's open policy session, and may replace it
 * by a new one. PcrMismatch; after an error the session has to be restarted. */
gboolean cvs_policy_execute(const CvsPolicy *policy, CvsTpm *tpm, ESYS_TR session,
                            const guint8 *branches, gsize n_branches, GError **error);
