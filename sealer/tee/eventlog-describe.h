/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a record says, in words. Everything here is text from the log, for people: it is cut to
 * CVS_EVENT_TEXT_MAX, and what is not printable is escaped. Only what cvs_event_log_proof() covers
 * is authenticated. */

#include "tee/eventlog-replay.h"

#include <jansson.h>

#define CVS_EVENT_TEXT_MAX 400 /* bytes of a description, without the note that it was cut */

/* "EV_SEPARATOR"; NULL for a type that has no name. */
const char *cvs_event_type_name(guint32 type);
/* "variable SecureBoot (8be4df61-…), 1 byte"; never NULL, "" where there is nothing to say. UTF-8
 * without control characters. */
char *cvs_event_describe(const CvsEvent *event);

/* {"format": "tpm|sha1|cc", "registers": {"sha256": {"0": "hex", …}, …}, "events": […]}; for a CC
 * log "registers" has "rtmr" instead of banks. Only registers that some record extends (or PCR 0
 * with a locality), each in the banks in which no record lacks a digest. An event: {"number",
 * "offset", "index", "type", "type_name", "extends" ("pcr7", "rtmr0"; not there for EV_NO_ACTION),
 * "digests": {"sha256": "hex"}, "size", "authenticated" ("all", "part", "none"),
 * "authenticated_offset" and "authenticated_size" for "part", "after_separator", "description"}. A
 * new reference. */
json_t *cvs_event_log_to_json(const CvsEventLog *log);
