/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "release/bed.h"
#include "vault/recovery.h"

#include <glib/gstdio.h>
#include <string.h>

static gboolean
deliver(const CvsSecret *recovery_key, gpointer data, GError **error)
{
    CvsSecret **kept = data;

    *kept = cvs_secret_new_copy(cvs_secret_peek(recovery_key), cvs_secret_size(recovery_key));
    return TRUE;
}

static void
reseal(Bed *bed, const CvsResealOptions *options)
{
    const CvsResealOptions none = {0};
    g_autoptr(GError) error = NULL;
    gboolean ok =
        cvs_release_reseal(&bed->release, &bed->owner, "db", options ? options : &none, &error);

    g_assert_no_error(error);
    g_assert_true(ok);
}

static GError *
assert_not_resealed(Bed *bed, const CvsResealOptions *options, int code)
{
    const CvsResealOptions none = {0};
    g_autofree char *path = bed_key_path(bed, "db");
    g_autofree char *before = NULL;
    g_autofree char *after = NULL;
    GError *error = NULL;

    g_assert_true(g_file_get_contents(path, &before, NULL, NULL));
    g_assert_false(
        cvs_release_reseal(&bed->release, &bed->owner, "db", options ? options : &none, &error));
    g_assert_error(error, CVS_ERROR, code);
    g_assert_true(g_file_get_contents(path, &after, NULL, NULL));
    g_assert_cmpstr(before, ==, after);
    return error;
}

static guint
count_slots(Bed *bed, CvsSlotKind kind)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsKeyFile) key = cvs_store_load(bed->store, &bed->owner, "db", &error);
    guint n = 0;

    g_assert_no_error(error);
    for (guint i = 0; i < cvs_key_file_get_n_slots(key); i++)
        n += cvs_key_file_get_slot_kind(key, i) == kind;
    return n;
}

static guint
count_records(Bed *bed)
{
    g_autofree char *path = bed_key_path(bed, "db");
    g_autofree char *folder = g_path_get_dirname(path);
    g_autoptr(GDir) dir = g_dir_open(folder, 0, NULL);
    const char *name = NULL;
    guint n = 0;

    while ((name = g_dir_read_name(dir)) != NULL)
        n += g_str_has_prefix(name, ".state.");
    return n;
}

static CvsSecret *
seal_with_recovery(Bed *bed)
{
    CvsSecret *recovery_key = NULL;
    CvsSealOptions options = {
        .want_recovery_key = TRUE, .deliver_recovery_key = deliver, .deliver_data = &recovery_key};

    bed_seal(bed, "db", &options);
    return recovery_key;
}

/* After an update that was meant: the recovery key opens, the new state is sealed to. */
static void
test_by_recovery_key(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) recovery_key = seal_with_recovery(bed);
    g_autoptr(GError) error = NULL;
    CvsResealOptions options = {.recovery_key = recovery_key};

    test_tpm_extend(bed->test_tpm, 7, "update");
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_PCR_MISMATCH);
    g_clear_error(&error);
    error = assert_not_resealed(bed, NULL, CVS_ERROR_PCR_MISMATCH);
    reseal(bed, &options);
    g_assert_cmpuint(count_slots(bed, CVS_SLOT_TPM2), ==, 2);
    g_assert_cmpuint(count_slots(bed, CVS_SLOT_RECOVERY), ==, 1);
    g_assert_cmpuint(count_records(bed), ==, 2);

    /* The new slot opens once, and the old one goes, with its record. */
    bed_assert_opens(bed, "db", NULL);
    g_assert_cmpuint(count_slots(bed, CVS_SLOT_TPM2), ==, 1);
    g_assert_cmpuint(count_slots(bed, CVS_SLOT_RECOVERY), ==, 1);
    g_assert_cmpuint(count_records(bed), ==, 1);
    bed_assert_opens(bed, "db", NULL);
}

static void
test_wrong_recovery_key(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) recovery_key = seal_with_recovery(bed);
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsSecret) wrong = cvs_recovery_key_new(&error);
    CvsResealOptions options = {.recovery_key = wrong};

    test_tpm_extend(bed->test_tpm, 7, "update");
    error = assert_not_resealed(bed, &options, CVS_ERROR_NOT_AUTHORIZED);
}

/* Resealed in a state that does not come again, and never opened in it: the way back is there. */
static void
test_old_slot_stays_until_new_one_opened(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) recovery_key = seal_with_recovery(bed);
    CvsResealOptions options = {.recovery_key = recovery_key};

    test_tpm_extend(bed->test_tpm, 7, "an installer");
    reseal(bed, &options);
    bed_reboot(bed);
    for (guint pcr = 0; pcr < 8; pcr++)
        test_tpm_extend(bed->test_tpm, pcr, "boot");
    bed_assert_opens(bed, "db", NULL);
    /* An older slot that opens says nothing about the newest: it stays. */
    g_assert_cmpuint(count_slots(bed, CVS_SLOT_TPM2), ==, 2);
}

/* Again and again in the same state: never more than two tpm2 slots. */
static void
test_slots_do_not_grow(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) recovery_key = seal_with_recovery(bed);
    CvsResealOptions options = {.recovery_key = recovery_key};

    for (guint i = 0; i < 5; i++) {
        reseal(bed, &options);
        g_assert_cmpuint(count_slots(bed, CVS_SLOT_TPM2), ==, 2);
        g_assert_cmpuint(count_records(bed), ==, 1);
    }
    bed_assert_opens(bed, "db", NULL);
    g_assert_cmpuint(count_slots(bed, CVS_SLOT_TPM2), ==, 1);
}

static void
boot_again(Bed *bed)
{
    bed_reboot(bed);
    for (guint pcr = 0; pcr < 8; pcr++)
        test_tpm_extend(bed->test_tpm, pcr, "boot");
}

/* In ever new states nothing of the key's own is lost, though none of it opens when the next state
 * is there; but for the oldest, when the file is full. */
static void
test_states_are_kept(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) recovery_key = seal_with_recovery(bed);
    g_autoptr(GError) error = NULL;
    CvsResealOptions options = {.recovery_key = recovery_key};

    for (guint i = 1; i <= CVS_SLOTS_MAX; i++) {
        test_tpm_extend(bed->test_tpm, 2, "update");
        reseal(bed, &options);
        g_assert_cmpuint(count_slots(bed, CVS_SLOT_TPM2), ==, MIN(i + 1, CVS_SLOTS_MAX - 1));
        g_assert_cmpuint(count_slots(bed, CVS_SLOT_RECOVERY), ==, 1);
    }
    /* Three updates in, the fourth oldest state; the two oldest were those that went. */
    boot_again(bed);
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_PCR_MISMATCH);
    g_clear_error(&error);
    test_tpm_extend(bed->test_tpm, 2, "update");
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_PCR_MISMATCH);
    test_tpm_extend(bed->test_tpm, 2, "update");
    bed_assert_opens(bed, "db", NULL);
    g_assert_cmpuint(count_slots(bed, CVS_SLOT_TPM2), ==, CVS_SLOTS_MAX - 1);
}

static void
test_pin(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) pin = bed_secret("123456");
    g_autoptr(CvsSecret) wrong = bed_secret("654321");
    g_autoptr(GError) error = NULL;
    CvsSealOptions seal_options = {.pin = pin};
    CvsResealOptions right_pin = {.pin = pin};
    CvsResealOptions wrong_pin = {.pin = wrong};

    bed_seal(bed, "db", &seal_options);
    error = assert_not_resealed(bed, NULL, CVS_ERROR_PIN_REQUIRED);
    g_clear_error(&error);
    error = assert_not_resealed(bed, &wrong_pin, CVS_ERROR_PIN_WRONG);
    g_clear_error(&error);
    reseal(bed, &right_pin);
    bed_assert_opens(bed, "db", pin);
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_PIN_REQUIRED);
}

/* A key that has a PIN never loses it by a reseal with the recovery key. */
static void
test_pin_is_kept_with_recovery_key(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) pin = bed_secret("123456");
    g_autoptr(CvsSecret) new_pin = bed_secret("new pin");
    g_autoptr(CvsSecret) recovery_key = NULL;
    g_autoptr(GError) error = NULL;
    CvsSealOptions seal_options = {.pin = pin,
                                   .want_recovery_key = TRUE,
                                   .deliver_recovery_key = deliver,
                                   .deliver_data = &recovery_key};
    CvsResealOptions options = {0};

    bed_seal(bed, "db", &seal_options);
    test_tpm_extend(bed->test_tpm, 7, "update");
    options.recovery_key = recovery_key;
    error = assert_not_resealed(bed, &options, CVS_ERROR_PIN_REQUIRED);
    g_clear_error(&error);
    options.pin = new_pin;
    reseal(bed, &options);
    bed_assert_opens(bed, "db", new_pin);
}

/* A profile that was tightened is what a reseal brings a key under; but not for its owner, whom a
 * PCR that was changed before the reseal would otherwise serve from then on. */
static void
test_tightened_profile(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) recovery_key = seal_with_recovery(bed);
    g_autoptr(GError) error = NULL;
    CvsResealOptions recovery = {.recovery_key = recovery_key};
    CvsResealOptions authorized = {.authorized = TRUE};

    bed_set_profile(bed, "default", "[Registers]\nPCRs=0+2+4+7\nRequirePCRs=4\n");
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_TEE_REFUSED);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_PCR_NOT_SELECTED));
    g_assert_nonnull(strstr(error->message, "cvmseal reseal"));
    g_clear_error(&error);
    test_tpm_extend(bed->test_tpm, 4, "tampered before");
    error = assert_not_resealed(bed, NULL, CVS_ERROR_NOT_AUTHORIZED);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_RESEAL_NOT_AUTHORIZED));
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_PCR_NOT_SELECTED));
    g_clear_error(&error);
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_TEE_REFUSED);
    g_clear_error(&error);

    reseal(bed, &authorized);
    bed_assert_opens(bed, "db", NULL);
    test_tpm_extend(bed->test_tpm, 4, "tampered after");
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_PCR_MISMATCH);
    g_clear_error(&error);

    bed_set_profile(bed, "default", "[Registers]\nPCRs=0+1+2+4+7\nRequirePCRs=1\n");
    error = assert_not_resealed(bed, NULL, CVS_ERROR_NOT_AUTHORIZED);
    reseal(bed, &recovery);
    bed_assert_opens(bed, "db", NULL);
    /* Under the profile as it is now, its owner may. */
    reseal(bed, NULL);
}

/* A PIN is chosen by whoever reseals, so it proves nothing of him. */
static void
test_tightened_pin(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) pin = bed_secret("123456");
    g_autoptr(GError) error = NULL;
    CvsResealOptions options = {.pin = pin};

    bed_seal(bed, "db", NULL);
    bed_set_profile(bed, "default", "[Registers]\nPCRs=0+2+7\n[Secrets]\nPIN=required\n");
    error = assert_not_resealed(bed, &options, CVS_ERROR_NOT_AUTHORIZED);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_PIN_REQUIRED_BY_PROFILE));
    options.authorized = TRUE;
    reseal(bed, &options);
    bed_assert_opens(bed, "db", pin);
}

/* A profile that was loosened loosens neither the slot nor what a reseal makes of it. */
static void
test_loosened_profile(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(GError) error = NULL;

    bed_set_profile(bed, "default", "[Registers]\nPCRs=0+2+4+7\nRequirePCRs=0+4\n");
    bed_seal(bed, "db", NULL);
    bed_set_profile(bed, "default", "[Registers]\nPCRs=7\nPCRBank=sha384\nAllowUnmeasured=yes\n");
    bed_assert_opens(bed, "db", NULL);
    reseal(bed, NULL);
    bed_assert_opens(bed, "db", NULL);
    test_tpm_extend(bed->test_tpm, 4, "tampered");
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_PCR_MISMATCH);
    g_clear_error(&error);
    error = assert_not_resealed(bed, NULL, CVS_ERROR_PCR_MISMATCH);
}

/* The key opens, and still nothing is sealed under rules that nobody judges. */
static void
test_tee_profile(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(GError) error = NULL;
    CvsResealOptions options = {0};

    bed_seal(bed, "db", NULL);
    bed_set_profile(bed, "default", "[Registers]\nPCRs=0+2+7\n[TEE]\nTypes=snp tdx\n");
    g_assert_false(cvs_release_reseal(&bed->release, &bed->owner, "db", &options, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_NOT_ATTESTED));

    bed_set_profile(bed, "default", "[Registers]\nPCRs=0+2+7\n");
    bed_assert_opens(bed, "db", NULL);
}

static void
test_unmeasured(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(GError) error = NULL;
    CvsSealOptions seal_options = {.pcrs = 1u << 0 | 1u << 12, .allow_unmeasured = TRUE};
    CvsResealOptions options = {.allow_unmeasured = TRUE};

    bed_seal(bed, "db", &seal_options);
    error = assert_not_resealed(bed, NULL, CVS_ERROR_PCR_UNMEASURED);
    reseal(bed, &options);
    bed_assert_opens(bed, "db", NULL);
}

static void
test_other_tpm(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) recovery_key = seal_with_recovery(bed);
    g_autoptr(GError) error = NULL;
    CvsResealOptions options = {.recovery_key = recovery_key};

    bed_replace_tpm(bed, 1);
    error = assert_not_resealed(bed, NULL, CVS_ERROR_TPM_REPLACED);
    reseal(bed, &options);
    bed_assert_opens(bed, "db", NULL);
}

static void
test_no_such_key(void)
{
    g_autoptr(Bed) bed = bed_new();
    const CvsResealOptions none = {0};
    g_autoptr(GError) error = NULL;

    g_assert_false(cvs_release_reseal(&bed->release, &bed->owner, "db", &none, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY);
}

/* A slot that anybody can add to the file, newer than all: PCR 1 alone, which is measured in every
 * state, a lax profile, no PIN. */
static void
forge_lax_slot(Bed *bed, guint generation)
{
    g_autofree char *digest = g_strnfill(43, 'A');

    bed_set_profile(bed, "lax", "[Registers]\nPCRs=1\n");
    bed_forge_slot(bed, "db",
                   json_pack("{s:s, s:I, s:[{s:s, s:s, s:s, s:s}]}", "profile", "lax", "generation",
                             (json_int_t)generation, "policy", "type", "pcr", "bank", "sha256",
                             "pcrs", "1", "digest", digest));
}

/* What the new slot is to be is taken from the slot that opened, whose text is authenticated; a
 * forged one that only claims to be newer cannot make the key weaker. */
static void
test_forged_newest_slot(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) pin = bed_secret("123456");
    g_autoptr(CvsKeyFile) key = NULL;
    g_autoptr(GError) error = NULL;
    CvsSealOptions seal_options = {.pin = pin};
    CvsResealOptions options = {.pin = pin};

    bed_seal(bed, "db", &seal_options);
    forge_lax_slot(bed, 7);
    bed_expect_forged();
    reseal(bed, &options);
    g_test_assert_expected_messages();

    key = cvs_store_load(bed->store, &bed->owner, "db", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(cvs_key_file_get_n_slots(key), ==, 2);
    for (guint i = 0; i < 2; i++) {
        const CvsTpm2Slot *slot = cvs_key_file_get_tpm2_slot(key, i);
        CvsPcrSelection selection = {0};
        guint8 digest[32];

        g_assert_true(cvs_policy_get_pcr(slot->policy, &selection, digest));
        g_assert_cmphex(selection.mask, ==, 1u << 0 | 1u << 2 | 1u << 7);
        g_assert_true(cvs_policy_needs_pin(slot->policy));
        g_assert_cmpstr(slot->profile, ==, "default");
        g_assert_cmpuint(slot->generation, ==, i + 1);
    }
    bed_assert_opens(bed, "db", pin);
    test_tpm_extend(bed->test_tpm, 2, "tampered");
    error = bed_assert_refused(bed, "db", pin, CVS_ERROR_PCR_MISMATCH);
}

/* Nor can a slot that claims the last generation there is keep a key from being resealed. */
static void
test_last_generation(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) recovery_key = seal_with_recovery(bed);
    CvsResealOptions options = {.recovery_key = recovery_key};

    bed_forge_slot(bed, "db", json_pack("{s:I}", "generation", (json_int_t)G_MAXINT32));
    bed_expect_forged();
    bed_assert_opens(bed, "db", NULL);
    g_test_assert_expected_messages();
    /* The newest of the key's own has opened, so what stood before it is gone. */
    g_assert_cmpuint(count_slots(bed, CVS_SLOT_TPM2), ==, 1);
    reseal(bed, NULL);
    bed_assert_opens(bed, "db", NULL);

    bed_forge_slot(bed, "db", json_pack("{s:I}", "generation", (json_int_t)G_MAXINT32));
    test_tpm_extend(bed->test_tpm, 7, "update");
    bed_expect_forged();
    reseal(bed, &options);
    g_test_assert_expected_messages();
    bed_assert_opens(bed, "db", NULL);
}

/* The key's newest slot is what it was at first: the PCRs of the default profile, and a PIN. */
static void
assert_not_laxer(Bed *bed, guint generation)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsKeyFile) key = cvs_store_load(bed->store, &bed->owner, "db", &error);
    const CvsTpm2Slot *newest = NULL;
    CvsPcrSelection selection = {0};
    guint8 digest[32];

    g_assert_no_error(error);
    newest = cvs_key_file_get_tpm2_slot(key, cvs_key_file_get_n_slots(key) - 1);
    g_assert_true(cvs_policy_get_pcr(newest->policy, &selection, digest));
    g_assert_cmphex(selection.mask, ==, 1u << 0 | 1u << 2 | 1u << 7);
    g_assert_true(cvs_policy_needs_pin(newest->policy));
    g_assert_cmpstr(newest->profile, ==, "default");
    g_assert_cmpuint(newest->generation, ==, generation);
}

static CvsSecret *
seal_with_pin_and_recovery(Bed *bed, const CvsSecret *pin)
{
    CvsSecret *recovery_key = NULL;
    CvsSealOptions options = {.pin = pin,
                              .want_recovery_key = TRUE,
                              .deliver_recovery_key = deliver,
                              .deliver_data = &recovery_key};

    bed_seal(bed, "db", &options);
    return recovery_key;
}

/* Opened by the recovery key, no slot for a TPM has proven itself by opening; which of them are the
 * key's own, the MACs say. */
static void
test_forged_model(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) pin = bed_secret("123456");
    g_autoptr(CvsSecret) recovery_key = seal_with_pin_and_recovery(bed, pin);
    CvsResealOptions options = {.pin = pin, .recovery_key = recovery_key};

    forge_lax_slot(bed, 7);
    test_tpm_extend(bed->test_tpm, 7, "update");
    bed_expect_forged();
    reseal(bed, &options);
    g_test_assert_expected_messages();
    assert_not_laxer(bed, 2);
    /* What was forged is gone; what only did not open is not. */
    g_assert_cmpuint(count_slots(bed, CVS_SLOT_TPM2), ==, 2);
    bed_assert_opens(bed, "db", pin);
}

/* A lax slot that is a genuine one, of another key of the same owner. */
static void
test_model_of_another_key(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) pin = bed_secret("123456");
    g_autoptr(CvsSecret) recovery_key = seal_with_pin_and_recovery(bed, pin);
    g_autoptr(json_t) lax = NULL;
    const CvsResealOptions none = {0};
    CvsSealOptions lax_options = {.profile = "lax"};
    CvsResealOptions options = {.pin = pin, .recovery_key = recovery_key};
    g_autoptr(GError) error = NULL;
    json_t *recipients = NULL;

    bed_set_profile(bed, "lax", "[Registers]\nPCRs=1\n");
    bed_seal(bed, "other", &lax_options);
    g_assert_true(cvs_release_reseal(&bed->release, &bed->owner, "other", &none, &error));
    lax = bed_read_recipients(bed, "other");
    recipients = bed_read_recipients(bed, "db");
    g_assert_cmpint(json_array_extend(recipients, lax), ==, 0);
    bed_write_recipients(bed, "db", recipients);
    test_tpm_extend(bed->test_tpm, 7, "update");
    bed_expect_forged();
    reseal(bed, &options);
    g_test_assert_expected_messages();
    assert_not_laxer(bed, 2);
    g_assert_cmpuint(count_slots(bed, CVS_SLOT_TPM2), ==, 2);
}

/* Without any slot of the key's own there is no model, and none is made up: neither where all were
 * taken away nor where a lax one stands in their place. */
static void
test_no_model(void)
{
    for (guint with_forged = 0; with_forged < 2; with_forged++) {
        g_autoptr(Bed) bed = bed_new();
        g_autoptr(CvsSecret) pin = bed_secret("123456");
        g_autoptr(CvsSecret) recovery_key = seal_with_pin_and_recovery(bed, pin);
        CvsResealOptions options = {.pin = pin, .recovery_key = recovery_key};
        g_autoptr(GError) error = NULL;
        json_t *recipients = NULL;

        if (with_forged)
            forge_lax_slot(bed, 7);
        recipients = bed_read_recipients(bed, "db");
        g_assert_cmpint(json_array_remove(recipients, 0), ==, 0);
        bed_write_recipients(bed, "db", recipients);
        test_tpm_extend(bed->test_tpm, 7, "update");
        if (with_forged)
            bed_expect_forged();
        error = assert_not_resealed(bed, &options, CVS_ERROR_BAD_FORMAT);
        g_test_assert_expected_messages();
        g_assert_true(cvs_error_has_reason(error, CVS_REASON_SLOT_FORGED));
    }
}

/* A slot of the key's own that was superseded and is put back: it opens in its own state as the old
 * file would, but what a reseal follows is the newest that is there. */
static void
test_old_slot_put_back(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) recovery_key = NULL;
    g_autoptr(json_t) old = NULL;
    g_autoptr(CvsKeyFile) key = NULL;
    g_autoptr(GError) error = NULL;
    CvsSealOptions seal_options = {.pcrs = 1u << 0,
                                   .want_recovery_key = TRUE,
                                   .deliver_recovery_key = deliver,
                                   .deliver_data = &recovery_key};
    CvsResealOptions options = {0};
    const CvsResealOptions authorized = {.authorized = TRUE};
    CvsPcrSelection selection = {0};
    guint8 digest[32];
    json_t *recipients = NULL;

    bed_seal(bed, "db", &seal_options);
    old = bed_read_recipients(bed, "db");
    bed_set_profile(bed, "default", "[Registers]\nPCRs=0+2+7\nRequirePCRs=0+7\n");
    reseal(bed, &authorized);
    bed_assert_opens(bed, "db", NULL);
    g_assert_cmpuint(count_slots(bed, CVS_SLOT_TPM2), ==, 1);
    bed_set_profile(bed, "default", "[Registers]\nPCRs=0+2+7\n");

    for (guint by_recovery_key = 0; by_recovery_key < 2; by_recovery_key++) {
        recipients = bed_read_recipients(bed, "db");
        g_assert_cmpint(json_array_insert(recipients, 0, json_array_get(old, 0)), ==, 0);
        bed_write_recipients(bed, "db", recipients);
        /* The old slot opens here, the new one does not. */
        test_tpm_extend(bed->test_tpm, by_recovery_key ? 0 : 7, "other");
        options.recovery_key = by_recovery_key ? recovery_key : NULL;
        if (!by_recovery_key) {
            /* To PCR 7 as it is now, for which the slot that opens does not vouch. */
            error = assert_not_resealed(bed, &options, CVS_ERROR_NOT_AUTHORIZED);
            g_assert_cmpuint(bed_count_reasons(error, CVS_REASON_RESEAL_NOT_AUTHORIZED), ==, 1);
            g_clear_error(&error);
        }
        options.authorized = !by_recovery_key;
        reseal(bed, &options);
        g_clear_pointer(&key, cvs_key_file_free);
        key = cvs_store_load(bed->store, &bed->owner, "db", &error);
        g_assert_no_error(error);
        g_assert_true(cvs_policy_get_pcr(
            cvs_key_file_get_tpm2_slot(key, cvs_key_file_get_n_slots(key) - 1)->policy, &selection,
            digest));
        g_assert_cmphex(selection.mask, ==, 1u << 0 | 1u << 7);
        bed_assert_opens(bed, "db", NULL);
        g_assert_cmpuint(count_slots(bed, CVS_SLOT_TPM2), ==, 1);
    }
}

/* A file filled up with slots that are not the key's own, or with copies of those that are, can be
 * resealed, and afterwards has neither. */
static void
test_crowded(void)
{
    static const struct {
        const char *what;
        gsize copy; /* this slot again and again: 0 for the TPM, 1 for recovery */
        gboolean forged;
    } cases[] = {
        {"copies of the tpm2 slot", 0, FALSE},
        {"copies of the recovery slot", 1, FALSE},
        {"forged tpm2 slots", 0, TRUE},
        {"forged recovery slots", 1, TRUE},
    };

    for (guint i = 0; i < 2 * G_N_ELEMENTS(cases); i++) {
        g_autoptr(Bed) bed = bed_new();
        g_autoptr(CvsSecret) recovery_key = seal_with_recovery(bed);
        CvsResealOptions options = {0};
        json_t *recipients = bed_read_recipients(bed, "db");
        const guint which = i / 2;

        g_test_message("%s, %s", cases[which].what, i % 2 ? "by the recovery key" : "by the TPM");
        while (json_array_size(recipients) < CVS_SLOTS_MAX) {
            json_t *copy = json_deep_copy(json_array_get(recipients, cases[which].copy));
            guint8 bytes[CVS_SLOTS_MAX + 8] = {0};

            bytes[0] = (guint8)json_array_size(recipients);
            if (cases[which].forged)
                cvs_json_set_bytes(copy, "encrypted_key", bytes, sizeof bytes);
            g_assert_cmpint(json_array_append_new(recipients, copy), ==, 0);
        }
        bed_write_recipients(bed, "db", recipients);
        if (i % 2) {
            options.recovery_key = recovery_key;
            test_tpm_extend(bed->test_tpm, 7, "update");
        }
        if (cases[which].forged)
            bed_expect_forged();
        reseal(bed, &options);
        g_test_assert_expected_messages();
        g_assert_cmpuint(count_slots(bed, CVS_SLOT_TPM2), ==, 2);
        g_assert_cmpuint(count_slots(bed, CVS_SLOT_RECOVERY), ==, 1);
        bed_assert_opens(bed, "db", NULL);
        options.recovery_key = recovery_key;
        test_tpm_extend(bed->test_tpm, 7, "update");
        reseal(bed, &options);
    }
}

/* A recovery slot that was changed does not count as one, and goes; the owner learns it now and not
 * on the day of need. */
static void
test_forged_recovery_slot(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) recovery_key = seal_with_recovery(bed);
    g_autoptr(GError) error = NULL;
    json_t *recipients = bed_read_recipients(bed, "db");

    g_assert_cmpint(
        json_object_set(json_array_get(recipients, 1), "encrypted_key",
                        json_object_get(json_array_get(recipients, 0), "encrypted_key")),
        ==, 0);
    bed_write_recipients(bed, "db", recipients);
    bed_expect_forged();
    bed_assert_opens(bed, "db", NULL);
    g_test_assert_expected_messages();
    g_assert_cmpuint(count_slots(bed, CVS_SLOT_RECOVERY), ==, 1);

    bed_set_profile(bed, "default", "[Registers]\nPCRs=0+2+7\n[Secrets]\nRecoveryKey=required\n");
    bed_expect_forged();
    error = assert_not_resealed(bed, NULL, CVS_ERROR_TEE_REFUSED);
    g_test_assert_expected_messages();
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_RECOVERY_REQUIRED));

    bed_set_profile(bed, "default", "[Registers]\nPCRs=0+2+7\n");
    bed_expect_forged();
    reseal(bed, NULL);
    g_test_assert_expected_messages();
    g_assert_cmpuint(count_slots(bed, CVS_SLOT_RECOVERY), ==, 0);
}

/* Of the slot that opens only the MAC was changed: that is said once, and put right. */
static void
test_mac_put_right(void)
{
    g_autoptr(Bed) bed = bed_new();
    json_t *recipients = NULL;
    g_autofree char *mac = g_strnfill(43, 'A');

    bed_seal(bed, "db", NULL);
    recipients = bed_read_recipients(bed, "db");
    g_assert_cmpint(json_object_set_new(json_object_get(json_array_get(recipients, 0), "header"),
                                        "mac", json_string(mac)),
                    ==, 0);
    bed_write_recipients(bed, "db", recipients);
    bed_expect_forged();
    reseal(bed, NULL);
    g_test_assert_expected_messages();
    g_assert_cmpuint(count_slots(bed, CVS_SLOT_TPM2), ==, 2);
    bed_assert_opens(bed, "db", NULL);
}

/* A profile that has come to forbid PINs: the key opens with its PIN still, and loses it only if
 * that is said. */
static void
test_pin_forbidden(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) pin = bed_secret("123456");
    g_autoptr(CvsSecret) recovery_key = seal_with_pin_and_recovery(bed, pin);
    g_autoptr(GError) error = NULL;
    CvsResealOptions options = {0};

    bed_set_profile(bed, "default", "[Registers]\nPCRs=0+2+7\n[Secrets]\nPIN=forbidden\n");
    error = assert_not_resealed(bed, NULL, CVS_ERROR_PIN_REQUIRED);
    bed_assert_opens(bed, "db", pin);
    for (guint by_recovery_key = 0; by_recovery_key < 2; by_recovery_key++) {
        if (by_recovery_key) {
            g_clear_pointer(&recovery_key, cvs_secret_unref);
            g_assert_true(cvs_release_remove(&bed->release, &bed->owner, "db", NULL));
            bed_set_profile(bed, "default", "[Registers]\nPCRs=0+2+7\n");
            recovery_key = seal_with_pin_and_recovery(bed, pin);
            bed_set_profile(bed, "default", "[Registers]\nPCRs=0+2+7\n[Secrets]\nPIN=forbidden\n");
            test_tpm_extend(bed->test_tpm, 7, "update");
        }
        options.recovery_key = by_recovery_key ? recovery_key : NULL;
        options.pin = by_recovery_key ? NULL : pin;
        options.authorized = TRUE;
        for (CvsDrop drop = 0; drop <= CVS_DROP_PREPARED; drop += CVS_DROP_DERIVED_KEY) {
            options.drop = drop;
            g_clear_error(&error);
            error = assert_not_resealed(bed, &options, CVS_ERROR_TEE_REFUSED);
            g_assert_cmpuint(bed_count_reasons(error, CVS_REASON_PIN_FORBIDDEN), ==, 1);
            g_assert_cmpuint(cvs_error_get_reasons(error)->len, ==, 1);
        }
        options.drop = CVS_DROP_PIN;
        options.authorized = FALSE;
        reseal(bed, &options);
        bed_assert_opens(bed, "db", NULL);
    }
}

/* A PIN goes where it is said that it may, but not against the profile. */
static void
test_pin_dropped(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) pin = bed_secret("123456");
    g_autoptr(CvsSecret) recovery_key = seal_with_pin_and_recovery(bed, pin);
    g_autoptr(GError) error = NULL;
    CvsResealOptions options = {.pin = pin, .drop = CVS_DROP_PIN};

    bed_set_profile(bed, "default", "[Registers]\nPCRs=0+2+7\n[Secrets]\nPIN=required\n");
    error = assert_not_resealed(bed, &options, CVS_ERROR_TEE_REFUSED);
    g_assert_cmpuint(bed_count_reasons(error, CVS_REASON_PIN_REQUIRED_BY_PROFILE), ==, 1);
    bed_set_profile(bed, "default", "[Registers]\nPCRs=0+2+7\n");
    reseal(bed, &options);
    bed_assert_opens(bed, "db", NULL);
}

static void
test_drop_names(void)
{
    static const struct {
        const char *text;
        CvsDrop drop;
    } good[] = {
        {"pin", CVS_DROP_PIN},
        {"derived-key", CVS_DROP_DERIVED_KEY},
        {"prepared", CVS_DROP_PREPARED},
        {"pin,derived-key,prepared", CVS_DROP_PIN | CVS_DROP_DERIVED_KEY | CVS_DROP_PREPARED},
    };
    static const char *const bad[] = {
        "", "pin,", ",pin", "pin,pin", "PIN", "pin derived-key", "recovery"};
    CvsDrop drop = 0;
    g_autofree char *none = cvs_drop_format(0);

    g_assert_null(none);
    for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autofree char *text = cvs_drop_format(good[i].drop);
        g_autoptr(GError) error = NULL;

        g_assert_true(cvs_drop_parse(good[i].text, &drop, &error));
        g_assert_no_error(error);
        g_assert_cmpuint(drop, ==, good[i].drop);
        g_assert_cmpstr(text, ==, good[i].text);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        g_test_message("%s", bad[i]);
        drop = CVS_DROP_PREPARED;
        g_assert_false(cvs_drop_parse(bad[i], &drop, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
        g_assert_cmpuint(drop, ==, CVS_DROP_PREPARED);
    }
}

static guint
failed_tries(Bed *bed)
{
    g_autoptr(GError) error = NULL;
    CvsTpmInfo info;

    g_assert_true(cvs_tpm_get_info(bed->tpm, &info, &error));
    return info.lockout_counter;
}

/* Whoever writes to the disk can copy a slot thirty times: a wrong PIN is tried in one of them,
 * also when one that does not open at all comes first. */
static void
test_wrong_pin_counts_once(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) pin = bed_secret("123456");
    g_autoptr(CvsSecret) wrong = bed_secret("654321");
    g_autoptr(GError) error = NULL;
    g_autofree char *digest = g_strnfill(43, 'A');
    CvsSealOptions seal_options = {.pin = pin};
    CvsResealOptions options = {.pin = wrong};

    bed_seal(bed, "db", &seal_options);
    bed_forge_slot(bed, "db", json_pack("{s:i}", "generation", 2));
    bed_forge_slot(bed, "db", json_pack("{s:i}", "generation", 3));
    bed_forge_slot(bed, "db",
                   json_pack("{s:i, s:[{s:s, s:s, s:s, s:s}]}", "generation", 4, "policy", "type",
                             "pcr", "bank", "sha256", "pcrs", "1", "digest", digest));
    error = assert_not_resealed(bed, &options, CVS_ERROR_PIN_WRONG);
    g_clear_error(&error);
    g_assert_cmpuint(failed_tries(bed), ==, 1);
    error = bed_assert_refused(bed, "db", wrong, CVS_ERROR_PIN_WRONG);
    g_assert_cmpuint(failed_tries(bed), ==, 2);
}

/* Over D-Bus a recovery key comes as a person or a file has it. */
static void
test_recovery_key_as_typed(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) recovery_key = seal_with_recovery(bed);
    g_autoptr(CvsSecret) typed = cvs_secret_new(cvs_secret_size(recovery_key) + 1);
    g_autoptr(CvsSecret) broken = NULL;
    g_autoptr(GError) error = NULL;
    CvsResealOptions options = {0};

    for (gsize i = 0; i < cvs_secret_size(recovery_key); i++)
        cvs_secret_data(typed)[i] = (guint8)g_ascii_toupper((char)cvs_secret_peek(recovery_key)[i]);
    cvs_secret_data(typed)[cvs_secret_size(recovery_key)] = '\n';
    broken = cvs_secret_new_copy(cvs_secret_peek(typed), 20);

    test_tpm_extend(bed->test_tpm, 7, "update");
    options.recovery_key = broken;
    error = assert_not_resealed(bed, &options, CVS_ERROR_INVALID_ARGUMENT);
    options.recovery_key = typed;
    reseal(bed, &options);
    bed_assert_opens(bed, "db", NULL);
}

static void
test_remove(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(GError) error = NULL;

    bed_seal(bed, "db", NULL);
    g_assert_true(cvs_release_remove(&bed->release, &bed->owner, "db", &error));
    g_assert_no_error(error);
    g_assert_cmpuint(count_records(bed), ==, 0);
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_NO_SUCH_KEY);
    g_clear_error(&error);
    g_assert_false(cvs_release_remove(&bed->release, &bed->owner, "db", &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/release/reseal/by-recovery-key", test_by_recovery_key);
    g_test_add_func("/release/reseal/wrong-recovery-key", test_wrong_recovery_key);
    g_test_add_func("/release/reseal/old-slot-stays", test_old_slot_stays_until_new_one_opened);
    g_test_add_func("/release/reseal/slots-do-not-grow", test_slots_do_not_grow);
    g_test_add_func("/release/reseal/pin", test_pin);
    g_test_add_func("/release/reseal/pin-is-kept", test_pin_is_kept_with_recovery_key);
    g_test_add_func("/release/reseal/tightened-profile", test_tightened_profile);
    g_test_add_func("/release/reseal/tightened-pin", test_tightened_pin);
    g_test_add_func("/release/reseal/loosened-profile", test_loosened_profile);
    g_test_add_func("/release/reseal/tee-profile", test_tee_profile);
    g_test_add_func("/release/reseal/unmeasured", test_unmeasured);
    g_test_add_func("/release/reseal/other-tpm", test_other_tpm);
    g_test_add_func("/release/reseal/no-such-key", test_no_such_key);
    g_test_add_func("/release/reseal/forged-newest-slot", test_forged_newest_slot);
    g_test_add_func("/release/reseal/states-are-kept", test_states_are_kept);
    g_test_add_func("/release/reseal/forged-model", test_forged_model);
    g_test_add_func("/release/reseal/model-of-another-key", test_model_of_another_key);
    g_test_add_func("/release/reseal/no-model", test_no_model);
    g_test_add_func("/release/reseal/old-slot-put-back", test_old_slot_put_back);
    g_test_add_func("/release/reseal/crowded", test_crowded);
    g_test_add_func("/release/reseal/forged-recovery-slot", test_forged_recovery_slot);
    g_test_add_func("/release/reseal/mac-put-right", test_mac_put_right);
    g_test_add_func("/release/reseal/pin-forbidden", test_pin_forbidden);
    g_test_add_func("/release/reseal/pin-dropped", test_pin_dropped);
    g_test_add_func("/release/reseal/drop-names", test_drop_names);
    g_test_add_func("/release/reseal/last-generation", test_last_generation);
    g_test_add_func("/release/reseal/wrong-pin-counts-once", test_wrong_pin_counts_once);
    g_test_add_func("/release/reseal/recovery-key-as-typed", test_recovery_key_as_typed);
    g_test_add_func("/release/remove", test_remove);
    return g_test_run();
}
