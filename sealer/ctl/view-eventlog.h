/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* An event log as text for a terminal. */

#include "ctl/view.h"
#include "tee/eventlog.h"

/* `cvmseal eventlog`: a line for each record, then the registers that they lead to. */
char *cvs_view_eventlog(const CvsView *view, const CvsEventLog *log);
