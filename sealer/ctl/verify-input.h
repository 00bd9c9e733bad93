/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Options that the commands that verify have in common. */

#include "ctl/cli.h"
#include "policy/profile.h"

/* RFC 3339, section 5.6, without leap seconds. GLib takes more of ISO 8601. */
gboolean cvs_verify_parse_time(const char *text, gint64 *ret_time);

/* With a slash or ".policy" at its end it is a file, else the name of a profile that is installed,
 * and only where there is none of that name a file again. */
CvsProfile *cvs_verify_load_profile(const CvsCli *cli, const char *policy_name, GError **error);
