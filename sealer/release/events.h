/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which event made a register differ: the trail (tee/trail.h) that led to it when the key was
 * sealed beside that of now. */

#include "tee/boot-logs.h"

#include <jansson.h>

/* One register that differs. */
typedef struct {
    const CvsTrail *was;     /* that led to the sealed value; NULL: nothing is kept that did */
    const CvsBootLogs *logs; /* of now; NULL: none */
    gboolean rtmr;
    CvsHash bank;
    guint index;
    const guint8 *value; /* now */
} CvsChangedRegister;

/* Adds the reason to the refusal: EventChanged, EventAdded, EventMissing, EventOrder with the first
 * event that differs, its digest now as what is seen and its digest then as what is wanted;
 * EventUnrecorded if the log is that of then, and so does not lead to the register any more;
 * LogUnexplained if it is another that does not lead there either, so that nothing it says counts.
 * Nothing is added where no trail was kept, which the JSON says:
 *
 * Appends to events (may be NULL) {"register": "pcr7" or "rtmr0", "bank": "sha256", "code": one of
 * these or "" where no trail was kept, "number": of the event in the register, from 0, "was" and
 * "is": {"type": number, "type_name", "digest": hex, "description"}}. number, was and is are there
 * where they make sense; type_name is "measured" for what a program of the running system did. */
void cvs_events_explain(const CvsChangedRegister *changed, GError *refusal, json_t *events);
