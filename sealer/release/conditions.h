/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a profile asks of a key: of one that is about to be sealed, and, since a profile can be
 * tightened later, of each slot again when it is to be released. A profile that asks for a TEE
 * (policy/tee-rules.h) is NotSupported in both, with the reason NotAttested: its rules are never
 * passed over. */

#include "release/release.h"

/* At sealing. pin and recovery say whether the new key has them. InvalidArgument or TeeRefused with
 * the reasons. */
gboolean cvs_conditions_check_sealing(const CvsProfile *profile, const CvsPcrSelection *selection,
                                      const CvsSecret *pin, gboolean recovery, GError **error);

/* At release: TeeRefused with every reason. */
gboolean cvs_conditions_check_slot(const CvsRelease *release, const CvsTpm2Slot *slot,
                                   GError **error);
