/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/conditions.h"
#include "base/error.h"
#include "release/slot.h"

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
                             const CvsSecret *pin, gboolean recovery, gboolean derived_key,
                             GError **error)
{
    g_autoptr(GError) refusal = NULL;

    if (profile->pcrs == 0) {
        g_set_error(
            error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
            "nothing is sealed by profile %s: it is for reports alone, since it has no PCRs= "
            "in its group [Registers]; add that, or name another profile",
            profile->name);
        return FALSE;
    }
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
    if (derived_key && profile->derived_key == CVS_PROFILE_FORBIDDEN) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "profile %s allows no key that the TEE derives", profile->name);
        return FALSE;
    }

    refusal =
        g_error_new(CVS_ERROR, CVS_ERROR_TEE_REFUSED, "profile %s refuses this key", profile->name);
    (void)check_required_pcrs(profile, selection->mask, refusal);
    if (!pin && profile->pin == CVS_PROFILE_REQUIRED)
        cvs_error_add_reason(refusal, CVS_REASON_PIN_REQUIRED_BY_PROFILE, NULL, NULL,
                             "profile %s wants a PIN", profile->name);
    if (!derived_key && profile->derived_key == CVS_PROFILE_REQUIRED)
        cvs_error_add_reason(refusal, CVS_REASON_DERIVED_KEY_REQUIRED, NULL, NULL,
                             "profile %s wants a key that the TEE derives", profile->name);
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
cvs_conditions_check_forbidden(const CvsProfile *profile, const CvsTpm2Slot *slot, CvsDrop drop,
                               GError **error)
{
    gboolean pin = profile->pin == CVS_PROFILE_FORBIDDEN && cvs_policy_needs_pin(slot->policy) &&
                   !(drop & CVS_DROP_PIN);
    gboolean derived_key = profile->derived_key == CVS_PROFILE_FORBIDDEN &&
                           (slot->factors & CVS_FACTOR_TEE_KEY) && !(drop & CVS_DROP_DERIVED_KEY);
    GError *refusal = NULL;

    if (!pin && !derived_key)
        return TRUE;
    refusal = g_error_new(CVS_ERROR, CVS_ERROR_TEE_REFUSED,
                          "profile %s has come to forbid what this key has, %s%s%s, and without it "
                          "the key would be weaker",
                          profile->name, pin ? "a PIN" : "", pin && derived_key ? " and " : "",
                          derived_key ? "a key that the TEE derives" : "");
    if (pin)
        cvs_error_add_reason(refusal, CVS_REASON_PIN_FORBIDDEN, NULL, NULL,
                             "profile %s says PIN=forbidden, and this key has one: let the profile "
                             "allow it, or reseal with --drop pin",
                             profile->name);
    if (derived_key)
        cvs_error_add_reason(refusal, CVS_REASON_DERIVED_KEY_FORBIDDEN, NULL, NULL,
                             "profile %s says DerivedKey=forbidden, and this key opens with one "
                             "only: let the profile allow it, or reseal with --drop derived-key",
                             profile->name);
    g_propagate_error(error, refusal);
    return FALSE;
}

gboolean
cvs_conditions_check_persistent(const CvsProfile *profile, const CvsSlotConditions *conditions,
                                gboolean this_boot, GError **error)
{
    const CvsTeeRule *rule = &profile->tee.rules[CVS_TEE_PERSISTENT];
    const char *kind = json_string_value(json_object_get(conditions->claims, "vtpm.kind"));
    /* vtpm-td-unlisted too. */
    gboolean is_td = kind && g_str_has_prefix(kind, "vtpm-td");
    gboolean persistent = rule->given ? rule->number != 0 : !is_td;
    GError *refusal = NULL;

    if (this_boot || persistent)
        return TRUE;
    refusal = rule->given
                  ? g_error_new(CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                                "profile %s says that the TPM here is new at each boot "
                                "(Persistent=no): what is sealed now is lost with this boot. Seal "
                                "with --this-boot if that is meant",
                                profile->name)
                  : g_error_new(CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                                "the TPM here is a TD that has its state in its memory alone: what "
                                "is sealed now is lost when it ends. Seal with --this-boot if that "
                                "is meant; if the provider keeps it over boots, say Persistent=yes "
                                "in profile %s",
                                profile->name);
    cvs_error_add_reason(refusal, CVS_REASON_TPM_EPHEMERAL, NULL, NULL, "%s", refusal->message);
    g_propagate_error(error, refusal);
    return FALSE;
}

/* Whatever is wrong with the profile, without one that accepts there is no release. */
static CvsProfile *
load_profile(const CvsRelease *release, const char *name, GError **error)
{
    g_autoptr(GError) refusal = NULL;
    g_autoptr(GError) load_error = NULL;
    CvsProfile *profile = cvs_profile_load(release->profile_folders, name, &load_error);

    if (profile)
        return profile;
    refusal = g_error_new(CVS_ERROR, CVS_ERROR_TEE_REFUSED,
                          "the key's profile %s cannot be used: %s", name, load_error->message);
    cvs_error_add_reason(refusal, CVS_REASON_PROFILE_MISSING, NULL, name, "profile %s: %s", name,
                         load_error->message);
    g_propagate_error(error, g_steal_pointer(&refusal));
    return NULL;
}

static gboolean
check_key(const CvsProfile *profile, const CvsTpm2Slot *slot, GError **error)
{
    g_autoptr(GError) refusal =
        g_error_new(CVS_ERROR, CVS_ERROR_TEE_REFUSED,
                    "profile %s refuses this key, which was sealed under laxer rules; an "
                    "administrator, or whoever has its recovery key, brings it under the present "
                    "ones with cvmseal reseal",
                    profile->name);
    CvsPcrSelection selection = {0};
    guint8 digest[32];

    (void)cvs_policy_get_pcr(slot->policy, &selection, digest);
    (void)check_required_pcrs(profile, selection.mask, refusal);
    if (profile->pin == CVS_PROFILE_REQUIRED && !cvs_policy_needs_pin(slot->policy))
        cvs_error_add_reason(refusal, CVS_REASON_PIN_REQUIRED_BY_PROFILE, NULL, NULL,
                             "profile %s wants a PIN and this key has none", profile->name);
    if (profile->derived_key == CVS_PROFILE_REQUIRED && !(slot->factors & CVS_FACTOR_TEE_KEY))
        cvs_error_add_reason(refusal, CVS_REASON_DERIVED_KEY_REQUIRED, NULL, NULL,
                             "profile %s wants a key that the TEE derives, and this key opens "
                             "without",
                             profile->name);
    if (cvs_error_get_reasons(refusal)->len > 0) {
        g_propagate_error(error, g_steal_pointer(&refusal));
        return FALSE;
    }
    return TRUE;
}

/* Takes the next error, if there is one: the first stands, with the reasons of all. What does not
 * hold refuses, whether or not somebody said why. */
static void
collect(GError **refusal, gboolean holds, GError **next)
{
    if (!holds && *next == NULL) {
        *next = g_error_new_literal(CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED,
                                    "a condition does not hold, and nothing says why");
        cvs_error_add_reason(*next, CVS_REASON_NOT_ATTESTED, NULL, NULL, "%s", (*next)->message);
    }
    if (*next == NULL)
        return;
    if (*refusal == NULL) {
        *refusal = g_steal_pointer(next);
        return;
    }
    cvs_error_add_reasons_of(*refusal, *next);
    g_clear_error(next);
}

static gboolean
end(GError **refusal, GError **error)
{
    if (*refusal == NULL)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(refusal));
    return FALSE;
}

/* Of claims that are there. */
static void
collect_own(CvsAttested *attested, const CvsTpm2Slot *slot, const json_t *claims, GError **refusal)
{
    GError *next = NULL;
    gboolean holds = cvs_attested_check_claims(&slot->conditions, claims, &next);

    collect(refusal, holds, &next);
    holds = cvs_attested_check_rtmrs(attested, &slot->conditions, &next);
    collect(refusal, holds, &next);
}

gboolean
cvs_conditions_check_slot(CvsAttested *attested, const CvsTpm2Slot *slot, GError **error)
{
    g_autoptr(CvsProfile) profile = load_profile(attested->release, slot->profile, error);
    g_autoptr(json_t) claims = NULL;
    g_autoptr(GError) refusal = NULL;
    GError *next = NULL;
    gboolean holds = FALSE;

    if (profile == NULL)
        return FALSE;
    if (cvs_attested_is_needed(profile, &slot->conditions)) {
        holds = cvs_attested_appraise(attested, profile, &claims, &next) && claims;
        collect(&refusal, holds, &next);
    }
    holds = check_key(profile, slot, &next);
    collect(&refusal, holds, &next);
    if (claims)
        collect_own(attested, slot, claims, &refusal);
    return end(&refusal, error);
}

gboolean
cvs_conditions_check_key(const CvsRelease *release, const CvsTpm2Slot *slot, GError **error)
{
    g_autoptr(CvsProfile) profile = load_profile(release, slot->profile, error);

    return profile && check_key(profile, slot, error);
}

gboolean
cvs_conditions_check_former_floors(CvsAttested *attested, const CvsKeyFile *key, guint opened,
                                   GError **error)
{
    guint former = cvs_slot_newest_that_came(key, opened);
    const CvsTpm2Slot *slot = former == G_MAXUINT ? NULL : cvs_key_file_get_tpm2_slot(key, former);
    CvsTpm2Slot floors = {0};

    if (slot == NULL)
        return TRUE;
    floors.profile = slot->profile;
    floors.conditions.floors = slot->conditions.floors;
    return cvs_conditions_check_own(attested, &floors, error);
}

gboolean
cvs_conditions_check_own(CvsAttested *attested, const CvsTpm2Slot *slot, GError **error)
{
    g_autoptr(CvsProfile) profile = NULL;
    g_autoptr(json_t) claims = NULL;
    g_autoptr(GError) refusal = NULL;

    if (cvs_slot_conditions_is_empty(&slot->conditions))
        return TRUE;
    profile = load_profile(attested->release, slot->profile, error);
    if (profile == NULL)
        return FALSE;
    (void)cvs_attested_appraise(attested, profile, &claims, &refusal);
    if (claims == NULL) {
        GError *next = g_steal_pointer(&refusal);

        collect(&refusal, FALSE, &next);
        return end(&refusal, error);
    }
    g_clear_error(&refusal);
    collect_own(attested, slot, claims, &refusal);
    return end(&refusal, error);
}
