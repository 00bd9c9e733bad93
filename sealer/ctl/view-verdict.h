/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A verdict on a report as text for a terminal. */

#include "ctl/view.h"
#include "policy/verdict.h"

/* `cvmseal verify-report`: the verdict, the reasons with what was seen and wanted, where missing
 * collateral is to be had, and the claims that a person looks for first. file: what was verified.
 * view->now is the time of the verification. */
char *cvs_view_verdict(const CvsView *view, const CvsVerdict *verdict, const char *file);
