/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One appraisal under way: how a rule gets at the claim that it is about, and the ways of judging
 * that several rules share. Only appraisal.c is above this. */

#include "base/json.h"
#include "policy/tee-rules.h"
#include "tee/claims.h"

#include <glib.h>

typedef struct {
    const CvsTeeRules *rules;
    const json_t *claims;
    gint64 at;
    GError *refusal;
    gboolean refused; /* the refusal came with reasons: whoever verified has said what is wrong */
    gboolean none;    /* there is no TEE, and the profile takes that */
    gboolean snp;     /* tee.type */
    gboolean tdx;
} CvsJudge;

/* What a reason says was seen if the claim is not there. */
#define CVS_NOT_THERE "(not there)"

const CvsTeeRule *cvs_judge_rule(const CvsJudge *judge, CvsTeeKey key);
gboolean cvs_judge_is_given(const CvsJudge *judge, CvsTeeKey key);

/* "0x3f", as in claims. */
char *cvs_judge_mask_text(guint64 mask);
/* ISO 8601. */
char *cvs_judge_time_text(gint64 seconds);

void cvs_judge_add_malformed(CvsJudge *judge, CvsTeeKey key, const char *claim);
/* The claim if it is there and has this type, borrowed; else NULL, and a reason ClaimMissing (not
 * for a rule that holds by default, where the refusal came with reasons) or ClaimMalformed. wanted
 * may be NULL. */
const json_t *cvs_judge_get(CvsJudge *judge, CvsTeeKey key, const char *claim, CvsClaimType type,
                            const char *wanted);
gboolean cvs_judge_get_int(CvsJudge *judge, CvsTeeKey key, const char *claim, gint64 *ret_value);
gboolean cvs_judge_get_mask(CvsJudge *judge, CvsTeeKey key, const char *claim, guint64 *ret_value);

/* The claim must be there and be what is wanted. */
void cvs_judge_flag(CvsJudge *judge, CvsTeeKey key, const char *claim, gboolean wanted,
                    const char *detail);
/* The key's claim must be one of these values, as a whole. */
void cvs_judge_list(CvsJudge *judge, CvsTeeKey key, const char *const *list);
/* The same with the list of the profile, if there is one. */
void cvs_judge_given_list(CvsJudge *judge, CvsTeeKey key);
/* For each word of the list the claim PREFIX.WORD must be what is wanted. */
void cvs_judge_bits(CvsJudge *judge, CvsTeeKey key, const char *prefix, gboolean wanted);
/* If the key is given: all of its bits must be set in this claim. */
void cvs_judge_mask(CvsJudge *judge, CvsTeeKey key, const char *claim);
