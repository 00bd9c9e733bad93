/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The real captures that lie beside the source tree, in ../shared/vectors. */

#include <glib.h>
#include <jansson.h>

/* FALSE if they are not there: the test is skipped, or has failed where CI=true. */
gboolean captures_there(void);
/* The absolute path of "eventlog/ccel-ovmf.bin". */
char *captures_path(const char *name);
/* The contents; the test aborts if it cannot be read. */
GBytes *captures_read(const char *name);
json_t *captures_json(const char *name);
/* The bytes behind a member of hexadecimal text. */
GBytes *captures_hex(const json_t *object, const char *member);
