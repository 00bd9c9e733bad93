/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reading JSON that stands there in just the form that we write: a text is walked through once,
 * piece by piece, without a parser. Whoever reads so gives up at the first piece that is not as
 * expected, and goes the long way (base/json.h), which also says what is wrong. No escapes, no
 * white space. */

#include <glib.h>

typedef struct {
    const char *at;
    const char *end;
} CvsScan;

/* Exactly this text. */
gboolean cvs_scan_literal(CvsScan *scan, const char *text);
/* What stands before the next quote, up to max characters of A-Z a-z 0-9 and those in more; the
 * quote stays. NULL if anything else is met. */
char *cvs_scan_word(CvsScan *scan, const char *more, gsize max);
/* base64url up to the next quote, which stays: min to max bytes. NULL otherwise. */
GBytes *cvs_scan_bytes(CvsScan *scan, gsize min, gsize max);
gboolean cvs_scan_fixed(CvsScan *scan, guint8 *ret_bytes, gsize size);
/* A whole number from min to max, as JSON writes it. */
gboolean cvs_scan_number(CvsScan *scan, guint32 min, guint32 max, guint32 *ret_value);
