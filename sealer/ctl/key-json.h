/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is known of a key, as JSON for --json. The members are those of org.cvmseal1. */

#include "base/json.h"
#include "ctl/backend.h"

/* A new reference. slots: with the member "slots". */
json_t *cvs_key_info_to_json(const CvsKeyInfo *info, gboolean slots);
