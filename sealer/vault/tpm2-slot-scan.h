/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The short way of reading a slot, for the same reason as vault/jwe-scan.h: with PCRs and perhaps a
 * PIN as its policy, and no conditions beside it, it stands there in one form only, the canonical
 * one, and needs no JSON parser. Whatever else it is goes the long way in tpm2-slot.c. The short
 * way takes nothing that the long way does not, and gives the same: a test and a fuzzer hold them
 * against each other. So whoever lists keys and whoever releases one reads with the same
 * strictness. */

#include "vault/tpm2-slot.h"

/* NULL if the text is not in that form. */
CvsTpm2Slot *cvs_tpm2_slot_scan(GBytes *json);
