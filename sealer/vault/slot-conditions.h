/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A slot's own conditions: what the TEE has to be for this slot to be released, whatever the
 * profile has become since. In the slot (vault/tpm2-slot.h) one JSON object, each member of which
 * is left out where it would be empty:
 *
 *   "claims"   {NAME: value}: claims (tee/claims.h, "vtpm.kind") that have to be equal
 *   "floors"   {NAME: whole number}: claims that have to be at least that
 *   "rtmrs"    {"0": 96 lower-case hex digits, …}: the TD's registers, "0" to "3"
 *
 * Which claims can be conditions is in policy/pinnable.h. Reading refuses every name that is not
 * among them, and every value of another type than the claim's: a condition that is not
 * understood must not count as fulfilled. */

#include "policy/pinnable.h"
#include "tee/td-body.h"

#include <glib.h>

#define CVS_SLOT_CLAIM_TEXT_MAX 128 /* characters of a claim's value: a chip's id */

typedef struct {
    json_t *claims; /* NULL: none */
    json_t *floors; /* NULL: none */
    guint32 rtmrs;  /* bit N: RTMR N */
    guint8 rtmr[CVS_TD_RTMRS][CVS_TD_MR_SIZE];
} CvsSlotConditions;

void cvs_slot_conditions_clear(CvsSlotConditions *conditions);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CvsSlotConditions, cvs_slot_conditions_clear)

/* *ret_copy must be empty or not yet in use. */
void cvs_slot_conditions_copy(const CvsSlotConditions *conditions, CvsSlotConditions *ret_copy);
gboolean cvs_slot_conditions_is_empty(const CvsSlotConditions *conditions);
gboolean cvs_slot_conditions_equal(const CvsSlotConditions *a, const CvsSlotConditions *b);

/* BadFormat naming the member. */
gboolean cvs_slot_conditions_parse(const json_t *object, CvsSlotConditions *ret_conditions,
                                   GError **error);
/* A new reference. */
json_t *cvs_slot_conditions_to_json(const CvsSlotConditions *conditions);

/* The names of claims and floors, sorted, between spaces; "" if there are none. */
char *cvs_slot_conditions_names(const CvsSlotConditions *conditions);

/* Makes the claim's present value a condition. FALSE, and nothing is changed, if it is not among
 * the claims, or is none of this name's type, or too long. */
gboolean cvs_slot_conditions_pin(CvsSlotConditions *conditions, const char *name,
                                 const json_t *claims);
/* The same as a floor; one that is there already is never lowered. */
gboolean cvs_slot_conditions_raise(CvsSlotConditions *conditions, const char *name,
                                   const json_t *claims);
void cvs_slot_conditions_set_rtmr(CvsSlotConditions *conditions, guint index,
                                  const guint8 value[static CVS_TD_MR_SIZE]);
