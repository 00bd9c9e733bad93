/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A profile with everything that holds, said or not. */

#include "base/json.h"
#include "policy/profile.h"

/* As a profile's text. What holds though the file does not say it, is commented out; what is not
 * judged is left out. Without rules about a TEE a comment says so. cvs_profile_parse() reads it as
 * the same profile. */
char *cvs_profile_format(const CvsProfile *profile);
/* {GROUP: {KEY: TEXT}} of the same; the groups about a TEE only if there are rules about one.
 * ret_defaults: an array of "GROUP.KEY" that the file does not say. Both new references. */
json_t *cvs_profile_to_json(const CvsProfile *profile, json_t **ret_defaults);
