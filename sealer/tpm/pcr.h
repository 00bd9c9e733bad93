/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* PCR selections and values. Part 2 of the TPM 2.0 Library specification, section 10.6
 * (TPMS_PCR_SELECTION) and 10.9 (TPML_DIGEST); the TCG PC Client Platform TPM Profile says which
 * PCRs there are (0 to 23) and which of them can be reset (16 and 23). */

#include "base/digest.h"

#include <glib.h>
#include <jansson.h>

#define CVS_PCR_COUNT 24
#define CVS_PCR_MASK_ALL 0xffffffu
#define CVS_PCR_MASK_RESETTABLE (1u << 16 | 1u << 23)

/* Which PCRs of which bank: CVS_SHA256 or CVS_SHA384. An empty mask is never a valid selection. */
typedef struct {
    CvsHash bank;
    guint32 mask; /* bit N: PCR N */
} CvsPcrSelection;

/* "0+2+7" (also "0,2,7"), each once, 0 to 23. InvalidArgument. */
gboolean cvs_pcr_mask_parse(const char *text, guint32 *ret_mask, GError **error);
/* "0+2+7" */
char *cvs_pcr_mask_format(guint32 mask);
/* "sha256" or "sha384". InvalidArgument. */
gboolean cvs_pcr_bank_parse(const char *text, CvsHash *ret_bank, GError **error);
/* What the TCG profile has each PCR measure, in a few words: "Secure Boot policy". */
const char *cvs_pcr_title(guint pcr);

/* The values of a selection at one moment. */
typedef struct {
    CvsPcrSelection selection;
    guint8 value[CVS_PCR_COUNT][CVS_DIGEST_MAX]; /* bytes beyond the bank's digest are zero */
} CvsPcrValues;

/* The digest over the concatenated values, lowest PCR first: TPMI pcrDigest of PolicyPCR (Part 3,
 * TPM2_PolicyPCR), with the policy's own hash, SHA-256. */
void cvs_pcr_values_digest(const CvsPcrValues *values, guint8 digest[static 32]);

/* PcrUnmeasured, with one reason for each PCR at fault, if a value is all 0x00 or all 0xff or the
 * PCR can be reset. */
gboolean cvs_pcr_values_check_measured(const CvsPcrValues *values, GError **error);

/* {"bank": "sha256", "pcrs": {"0": "hex", …}}, the form that is kept beside a key. New reference;
 * from_json refuses anything else with BadFormat. */
json_t *cvs_pcr_values_to_json(const CvsPcrValues *values);
gboolean cvs_pcr_values_from_json(const json_t *json, CvsPcrValues *ret_values, GError **error);

/* Adds a reason PcrDiffers for each PCR in which the two differ (same selection). */
void cvs_pcr_values_explain(const CvsPcrValues *seen, const CvsPcrValues *wanted, GError *error);
