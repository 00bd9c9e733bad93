/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The collateral store as text for a terminal. */

#include "ctl/view.h"

#include <glib.h>

/* `cvmseal collateral list`: what there is, for whom, and how long it lasts. items:
 * CvsCollateralItem*; damage: of the store itself, or NULL. */
char *cvs_view_collateral(const CvsView *view, const GPtrArray *items, const GError *damage);
/* `cvmseal collateral import`: what became of each file. results: CvsCollateralResult*. */
char *cvs_view_collateral_import(const CvsView *view, const GPtrArray *results);
