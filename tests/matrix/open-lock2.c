/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* In a build of the daemon for tests, lock 2 taken out: whatever the TEE is, whatever slot and
 * profile say of it, and whatever is judged beside, is accepted. What still refuses is the TPM. */

#include "release/conditions.h"

gboolean __wrap_cvs_conditions_check_slot(CvsAttested *attested, const CvsTpm2Slot *slot,
                                          GError **error);
gboolean __wrap_cvs_conditions_check_own(CvsAttested *attested, const CvsTpm2Slot *slot,
                                         GError **error);

gboolean
__wrap_cvs_conditions_check_slot(CvsAttested *attested, const CvsTpm2Slot *slot, GError **error)
{
    return TRUE;
}

gboolean
__wrap_cvs_conditions_check_own(CvsAttested *attested, const CvsTpm2Slot *slot, GError **error)
{
    return TRUE;
}
