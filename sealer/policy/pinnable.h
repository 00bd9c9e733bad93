/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a key can be sealed to besides PCRs: which claims (tee/claims.h, "vtpm.kind") can be its own
 * conditions, and RTMRs. Only claims that stay the same from boot to boot can; the claims of the
 * list below stay, or rise as long as nobody turns firmware or collateral back. */

#include "tee/claims.h"

#include <glib.h>

#define CVS_RTMR_MASK_ALL 0xfu

/* TRUE if it can be a condition that a claim of that name be equal. */
gboolean cvs_pinnable_get_type(const char *name, CvsClaimType *ret_type);
/* TRUE if it can be one that it be at least so much: a whole number. */
gboolean cvs_pinnable_is_floor(const char *name);

/* The word for the TCB as a whole: every floor of the form "tee.tcb…" that is among the claims. */
#define CVS_PINNABLE_TCB "tcb"

/* "measurement,host_data": names of claims, with or without "tee.", and "tcb"; separated by commas,
 * "+" or spaces, each once. Gives whole names, and CVS_PINNABLE_TCB. InvalidArgument for a name
 * that cannot be a condition, and for an empty list. */
GStrv cvs_pinnable_parse(const char *text, GError **error);

/* "0+1+2" (also "0,1,2"), each once, 0 to 3. InvalidArgument. It is written by
 * cvs_pcr_mask_format(). */
gboolean cvs_rtmr_mask_parse(const char *text, guint32 *ret_mask, GError **error);
