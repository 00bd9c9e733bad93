/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Registers of a boot that is to come, for a key that is sealed ahead of time. Whoever gives them
 * says that they are good: nothing proves a prediction.
 *
 * They come from an event log (tee/eventlog.h) of that boot, where a register is known if the log
 * extends it and every record has a digest in the bank; or from a JSON object, in which both
 * members and every register may be left out, but one has to be there:
 *
 *   {"pcrs": {"sha256": {"7": "hex", …}, "sha384": {…}}, "rtmrs": {"0": "hex", …}} */

#include "base/json.h"
#include "tee/td-body.h"
#include "tpm/pcr.h"

#define CVS_PREDICTED_TEXT_MAX 32768 /* bytes of the JSON text */

typedef struct {
    CvsPcrValues sha256; /* the selection's mask: the PCRs that are known */
    CvsPcrValues sha384;
    guint32 rtmrs; /* bit N: RTMR N is known */
    guint8 rtmr[CVS_TD_RTMRS][CVS_TD_MR_SIZE];
    gboolean keep_others; /* a register that is not known keeps its present value; never in a file
                           */
} CvsPredicted;

/* A file of either form, told by its first byte. BadFormat, TooLarge; InvalidArgument for a log of
 * which no register can be had. what: for messages. */
gboolean cvs_predicted_parse(GBytes *bytes, const char *what, CvsPredicted *ret_predicted,
                             GError **error);
/* The JSON form only. */
gboolean cvs_predicted_parse_json(const char *text, gsize size, const char *what,
                                  CvsPredicted *ret_predicted, GError **error);
char *cvs_predicted_to_json(const CvsPredicted *predicted);

/* The PCRs of a selection. present NULL: where one is not known it is an error; else its present
 * values are taken. InvalidArgument with a reason RegisterNotPredicted for each. */
gboolean cvs_predicted_get_pcrs(const CvsPredicted *predicted, const CvsPcrSelection *selection,
                                const CvsPcrValues *present, CvsPcrValues *ret_values,
                                GError **error);
/* The same of RTMRs, put into values that hold the present ones. */
gboolean cvs_predicted_get_rtmrs(const CvsPredicted *predicted, guint32 mask,
                                 guint8 values[static CVS_TD_RTMRS][CVS_TD_MR_SIZE],
                                 GError **error);
