/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Values of profiles: what all of its parts read and complain about in one way. */

#include <glib.h>

/* A piece of the file for an error message: in quotation marks, short, and without what a terminal
 * would obey. */
char *cvs_value_quote(const char *text);
/* BadFormat, "VALUE is not WANTED". Returns FALSE. */
gboolean cvs_value_bad(GError **error, const char *value, const char *wanted);
/* yes, true, no, false. */
gboolean cvs_value_boolean(const char *value, gboolean *ret, GError **error);
/* The words between blanks. */
GStrv cvs_value_words(const char *value);
