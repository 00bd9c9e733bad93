/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a reseal is to leave behind, as the option "drop" of the CLI and of D-Bus has it: names with
 * commas between them.
 *
 *   "pin"           the PIN
 *   "derived-key"   the key that the TEE derives, as a factor
 *   "prepared"      the slots for states to come */

#include <glib.h>

typedef enum {
    CVS_DROP_PIN = 1 << 0,
    CVS_DROP_DERIVED_KEY = 1 << 1,
    CVS_DROP_PREPARED = 1 << 2,
} CvsDrop;

/* InvalidArgument for a name that is not there, or twice. */
gboolean cvs_drop_parse(const char *text, CvsDrop *ret_drop, GError **error);
/* NULL for none. */
char *cvs_drop_format(CvsDrop drop);
