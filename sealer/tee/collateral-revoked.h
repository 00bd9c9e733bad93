/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a collateral store gives out although it is revoked. */

#include "tee/collateral-item.h"

/* An issuer of which nothing is wrong but that it was revoked, where none of that name among the
 * items is in force: given out beside the list that says so, so that what it issued is refused for
 * what it is, and not for an issuer that is missing. */
gboolean cvs_collateral_is_revoked_issuer(const GPtrArray *items, const CvsCollateralItem *item);
