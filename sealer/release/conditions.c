/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/conditions.h"
#include "base/error.h"

/* Adds a reason for each PCR that the profile wants and the selection lacks. */
static gboolean
check_required_pcrs(const CvsProfile *profile, guint32 mask, GError *refusal)
{
    guint32 lacking = profile->required_pcrs & ~mask;

    for (guint pcr = 0; pcr < CVS_PCR_COUNT; pcr++) {
        if (lacking & 1u << pcr)
            cvs_error_add_reason(refusal, CVS_REASON_PCR_NOT_SELECTED, NULL, NULL,
                                 "profile %s wants PCR %u (%s) in every key", profile->name, pcr,
                                 cvs_pcr_title(pcr));
    }
    return lacking == 0;
}

/* Nothing here attests, so that a profile which wants a TEE can accept no state at all. */
static gboolean
check_attestation(const CvsProfile *profile, GError **error)
{
    g_autoptr(GError) refusal = NULL;

    if (!profile->tee.present)
        return TRUE;
    refusal =
        g_error_new(CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                    "profile %s asks for a TEE ([TEE], [SNP], [TDX] or [Collateral]), and this "
                    "version seals and releases keys without attestation: take these groups "
                    "out of it, or use another profile",
                    profile->name);
    cvs_error_add_reason(refusal, CVS_REASON_NOT_ATTESTED, NULL, NULL,
                         "profile %s asks for a TEE, and none is attested by this version",
                         profile->name);
    g_propagate_error(error, g_steal_pointer(&refusal));
    return FALSE;
}

/* Characters of UTF-8; of anything else, the bytes that do not look like the rest of one. */
static gsize
count_characters(const CvsSecret *pin)
{
    gsize n = 0;

    for (gsize i = 0; i < cvs_secret_size(pin); i++)
        n += (cvs_secret_peek(pin)[i] & 0xc0) != 0x80;
    return n;
}

gboolean
cvs_conditions_check_sealing(const CvsProfile *profile, const CvsPcrSelection *selection,
                             const CvsSecret *pin, gboolean recovery, GError **error)
{
    g_autoptr(GError) refusal = NULL;

    if (!check_attestation(profile, error))
        return FALSE;
    if (selection->mask == 0) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                            "no PCR is selected: such a key would open in any state");
        return FALSE;
    }
    if (pin && profile->pin == CVS_PROFILE_FORBIDDEN) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT, "profile %s allows no PIN",
                    profile->name);
        return FALSE;
    }
    if (pin && count_characters(pin) < profile->pin_min_length) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "the PIN is too short: profile %s wants at least %u characters", profile->name,
                    profile->pin_min_length);
        return FALSE;
    }
    if (recovery && profile->recovery == CVS_PROFILE_FORBIDDEN) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "profile %s allows no recovery key", profile->name);
        return FALSE;
    }

    refusal =
        g_error_new(CVS_ERROR, CVS_ERROR_TEE_REFUSED, "profile %s refuses this key", profile->name);
    (void)check_required_pcrs(profile, selection->mask, refusal);
    if (!pin && profile->pin == CVS_PROFILE_REQUIRED)
        cvs_error_add_reason(refusal, CVS_REASON_PIN_REQUIRED_BY_PROFILE, NULL, NULL,
                             "profile %s wants a PIN", profile->name);
    if (!recovery && profile->recovery == CVS_PROFILE_REQUIRED)
        cvs_error_add_reason(refusal, CVS_REASON_RECOVERY_REQUIRED, NULL, NULL,
                             "profile %s wants a recovery key", profile->name);
    if (cvs_error_get_reasons(refusal)->len > 0) {
        g_propagate_error(error, g_steal_pointer(&refusal));
        return FALSE;
    }
    return TRUE;
}

gboolean
cvs_conditions_check_slot(const CvsRelease *release, const CvsTpm2Slot *slot, GError **error)
{
    g_autoptr(CvsProfile) profile = NULL;
    g_autoptr(GError) refusal = NULL;
    g_autoptr(GError) load_error = NULL;
    CvsPcrSelection selection = {0};
    guint8 digest[32];

    profile = cvs_profile_load(release->profile_folders, slot->profile, &load_error);
    if (profile == NULL) {
        /* Whatever is wrong with the profile, without one that accepts there is no release. */
        refusal =
            g_error_new(CVS_ERROR, CVS_ERROR_TEE_REFUSED, "the key's profile %s cannot be used: %s",
                        slot->profile, load_error->message);
        cvs_error_add_reason(refusal, CVS_REASON_PROFILE_MISSING, NULL, slot->profile,
                             "profile %s: %s", slot->profile, load_error->message);
        g_propagate_error(error, g_steal_pointer(&refusal));
        return FALSE;
    }
    if (!check_attestation(profile, error))
        return FALSE;

    if (!cvs_slot_conditions_is_empty(&slot->conditions)) {
        refusal = g_error_new_literal(CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                                      "the key wants a TEE to be as it was, and nothing is attested "
                                      "by this version");
        cvs_error_add_reason(refusal, CVS_REASON_NOT_ATTESTED, NULL, NULL,
                             "the slot has conditions of its own, and no TEE is attested");
        g_propagate_error(error, g_steal_pointer(&refusal));
        return FALSE;
    }

    refusal =
        g_error_new(CVS_ERROR, CVS_ERROR_TEE_REFUSED, "profile %s refuses this key", profile->name);
    (void)cvs_policy_get_pcr(slot->policy, &selection, digest);
    (void)check_required_pcrs(profile, selection.mask, refusal);
    if (profile->pin == CVS_PROFILE_REQUIRED && !cvs_policy_needs_pin(slot->policy))
        cvs_error_add_reason(refusal, CVS_REASON_PIN_REQUIRED_BY_PROFILE, NULL, NULL,
                             "profile %s wants a PIN and this key has none", profile->name);
    if (cvs_error_get_reasons(refusal)->len > 0) {
        g_propagate_error(error, g_steal_pointer(&refusal));
        return FALSE;
    }
    return TRUE;
}
