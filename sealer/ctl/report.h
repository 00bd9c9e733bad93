/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Errors for people, with their reasons and what to do about them, and for programs, as JSON. */

#include "ctl/cli.h"

/* "cvmseal: cannot DOING: MESSAGE", a line for each reason (values shortened to the first digits),
 * and a line with the remedy, if there is one; each ended by a newline. */
char *cvs_report_text(const CvsCli *cli, const GError *error);
/* {"name", "message", "reasons": [{"code", "detail", "seen", "wanted"}]}, values whole. A new
 * reference. */
json_t *cvs_report_json(const GError *error);
/* What to do about it, with the command lines to type; NULL if nothing is known to help. */
char *cvs_report_remedy(const CvsCli *cli, const GError *error);
