/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Changes of a profile's text that leave the rest of it, comments too, as it is. */

#include <glib.h>

/* Adds a measurement (48 bytes in lower-case digits) to Measurements= in [TEE] of a text that
 * cvs_profile_parse() takes; key and group are made where they are not there. ret_added FALSE: it
 * is on the list already, and the text is the same. */
char *cvs_profile_add_measurement(const char *text, const char *measurement, gboolean *ret_added);
