/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "release/bed.h"
#include "release/slot.h"
#include "release/state.h"
#include "vault/recovery.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static gboolean
seal(Bed *bed, const char *name, const CvsSecret *secret, const CvsSealOptions *options,
     GError **error)
{
    const CvsSealOptions none = {0};
    g_autofree char *id = NULL;

    return cvs_release_seal(&bed->release, &bed->owner, name, secret, options ? options : &none,
                            &id, error);
}

/* A refused seal leaves no trace: no key, no folder, no record. */
static void
assert_nothing_written(Bed *bed)
{
    g_autofree char *keys = g_build_filename(bed->vault, "keys", NULL);
    g_autoptr(GDir) dir = g_dir_open(keys, 0, NULL);

    g_assert_nonnull(dir);
    g_assert_null(g_dir_read_name(dir));
}

static void
test_sizes(void)
{
    g_autoptr(Bed) bed = bed_new();
    const gsize sizes[] = {1, 32, 4096, CVS_SECRET_MAX};

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(CvsSecret) secret = cvs_secret_new_random(sizes[i], &error);
        g_autoptr(CvsSecret) back = NULL;
        g_autofree char *name = g_strdup_printf("size-%zu", sizes[i]);

        g_assert_true(seal(bed, name, secret, NULL, &error));
        back = cvs_release_unseal(&bed->release, &bed->owner, name, NULL, &error);
        g_assert_no_error(error);
        g_assert_true(cvs_secret_equal(secret, back));
    }
}

static void
test_too_large(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) secret = cvs_secret_new(CVS_SECRET_MAX + 1);
    g_autoptr(GError) error = NULL;

    g_assert_false(seal(bed, "big", secret, NULL, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE);
    assert_nothing_written(bed);
}

static void
test_names(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) secret = bed_secret("x");
    g_autofree char *longest = g_strnfill(CVS_KEY_NAME_MAX, 'n');
    g_autofree char *too_long = g_strnfill(CVS_KEY_NAME_MAX + 1, 'n');
    const char *bad[] = {"", ".", "..", ".hidden", "a/b", "../a", "a b", "a\nb", "ä", too_long};

    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GError) unseal_error = NULL;
        g_autoptr(GError) remove_error = NULL;

        g_assert_false(seal(bed, bad[i], secret, NULL, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
        g_assert_null(cvs_release_unseal(&bed->release, &bed->owner, bad[i], NULL, &unseal_error));
        g_assert_error(unseal_error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
        g_assert_false(cvs_release_remove(&bed->release, &bed->owner, bad[i], &remove_error));
        g_assert_error(remove_error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
    }
    assert_nothing_written(bed);
    bed_seal(bed, longest, NULL);
    bed_assert_opens(bed, longest, NULL);
}

static void
test_replace(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) other = bed_secret("another");
    g_autoptr(CvsSecret) back = NULL;
    g_autoptr(GError) error = NULL;
    CvsSealOptions replace = {.replace = TRUE};

    bed_seal(bed, "db", NULL);
    g_assert_false(seal(bed, "db", other, NULL, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_KEY_EXISTS);
    g_clear_error(&error);
    bed_assert_opens(bed, "db", NULL);

    g_assert_true(seal(bed, "db", other, &replace, &error));
    back = cvs_release_unseal(&bed->release, &bed->owner, "db", NULL, &error);
    g_assert_no_error(error);
    g_assert_true(cvs_secret_equal(other, back));
}

/* What cannot be opened is not taken for a key, nor for none. */
static void
test_name_unreadable(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) secret = bed_secret("x");
    g_autofree char *path = bed_key_path(bed, "db");
    g_autoptr(GError) error = NULL;

    bed_seal(bed, "other", NULL);
    g_assert_cmpint(symlink("nowhere", path), ==, 0);
    g_assert_false(seal(bed, "db", secret, NULL, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_STORAGE_ERROR);
    g_clear_error(&error);

    g_assert_cmpint(unlink(path), ==, 0);
    g_assert_true(g_file_set_contents(path, "damaged", -1, NULL));
    g_assert_false(seal(bed, "db", secret, NULL, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_KEY_EXISTS);
}

static void
test_unmeasured(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) secret = bed_secret("x");
    const struct {
        guint pcr;
        const char *reason;
    } cases[] = {
        {10, CVS_REASON_PCR_ZERO},
        {17, CVS_REASON_PCR_ONES},
        {16, CVS_REASON_PCR_RESETTABLE},
        {23, CVS_REASON_PCR_RESETTABLE},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        CvsSealOptions options = {.pcrs = 1u << 0 | 1u << cases[i].pcr};
        g_autofree char *name = g_strdup_printf("pcr-%u", cases[i].pcr);

        g_assert_false(seal(bed, name, secret, &options, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_PCR_UNMEASURED);
        g_assert_true(cvs_error_has_reason(error, cases[i].reason));
        g_clear_error(&error);

        options.allow_unmeasured = TRUE;
        g_assert_true(seal(bed, name, secret, &options, &error));
        g_assert_no_error(error);
    }
}

static void
test_profile_rules(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) secret = bed_secret("x");
    g_autoptr(CvsSecret) short_pin = bed_secret("123");
    g_autoptr(CvsSecret) short_umlauts = bed_secret("\u00e4\u00f6\u00fc");
    g_autoptr(CvsSecret) pin = bed_secret("123456");
    const struct {
        const char *profile;
        CvsSealOptions options;
        int code;
        const char *reason;
    } cases[] = {
        {"[Registers]\nPCRs=0+2+7\nRequirePCRs=7\n",
         {.pcrs = 1},
         CVS_ERROR_TEE_REFUSED,
         CVS_REASON_PCR_NOT_SELECTED},
        {"[Registers]\nPCRs=0\n[Secrets]\nPIN=required\n",
         {.pcrs = 1},
         CVS_ERROR_TEE_REFUSED,
         CVS_REASON_PIN_REQUIRED_BY_PROFILE},
        {"[Registers]\nPCRs=0\n[Secrets]\nRecoveryKey=required\n",
         {.pcrs = 1},
         CVS_ERROR_TEE_REFUSED,
         CVS_REASON_RECOVERY_REQUIRED},
        {"[Registers]\nPCRs=0\n[Secrets]\nRecoveryKey=forbidden\n",
         {.want_recovery_key = TRUE},
         CVS_ERROR_INVALID_ARGUMENT,
         NULL},
        {"[Registers]\nPCRs=0\n[Secrets]\nPIN=forbidden\n",
         {.pin = pin},
         CVS_ERROR_INVALID_ARGUMENT,
         NULL},
        {"[Registers]\nPCRs=0\n[Secrets]\nPINMinimumLength=4\n",
         {.pin = short_pin},
         CVS_ERROR_INVALID_ARGUMENT,
         NULL},
        {"[Registers]\nPCRs=0\n[Secrets]\nPINMinimumLength=4\n",
         {.pin = short_umlauts},
         CVS_ERROR_INVALID_ARGUMENT,
         NULL},
        {"[TEE]\n", {.pcrs = 1}, CVS_ERROR_INVALID_ARGUMENT, NULL},
        {"[Registers]\nPCRs=0\n[TEE]\n", {0}, CVS_ERROR_NOT_SUPPORTED, CVS_REASON_NOT_ATTESTED},
        {"[Registers]\nPCRs=0\n[TEE]\nTypes=none\n",
         {0},
         CVS_ERROR_NOT_SUPPORTED,
         CVS_REASON_NOT_ATTESTED},
        {"[Registers]\nPCRs=0\n[Collateral]\nCRL=optional\n",
         {.pin = pin, .want_recovery_key = TRUE},
         CVS_ERROR_NOT_SUPPORTED,
         CVS_REASON_NOT_ATTESTED},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;

        bed_set_profile(bed, "default", cases[i].profile);
        g_assert_false(seal(bed, "db", secret, &cases[i].options, &error));
        g_assert_error(error, CVS_ERROR, cases[i].code);
        if (cases[i].reason)
            g_assert_true(cvs_error_has_reason(error, cases[i].reason));
    }
    {
        g_autoptr(GError) error = NULL;
        CvsSealOptions options = {.profile = "no-such"};

        g_assert_false(seal(bed, "db", secret, &options, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
    }
    assert_nothing_written(bed);
}

static gboolean
deliver(const CvsSecret *recovery_key, gpointer data, GError **error)
{
    CvsSecret **kept = data;

    g_assert_cmpuint(cvs_secret_size(recovery_key), ==, CVS_RECOVERY_KEY_LENGTH);
    *kept = cvs_secret_new_copy(cvs_secret_peek(recovery_key), cvs_secret_size(recovery_key));
    return TRUE;
}

static gboolean
fail_to_deliver(const CvsSecret *recovery_key, gpointer data, GError **error)
{
    g_set_error_literal(error, CVS_ERROR, CVS_ERROR_FAILED, "nobody listens");
    return FALSE;
}

static void
test_recovery_key(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) key = NULL;
    g_autoptr(CvsSecret) secret = NULL;
    g_autoptr(CvsKeyFile) file = NULL;
    g_autoptr(GError) error = NULL;
    CvsSealOptions options = {
        .want_recovery_key = TRUE, .deliver_recovery_key = deliver, .deliver_data = &key};

    bed_seal(bed, "db", &options);
    file = cvs_store_load(bed->store, &bed->owner, "db", &error);
    g_assert_no_error(error);
    g_assert_true(cvs_key_file_open_recovery(file, key, &error));
    secret = cvs_key_file_decrypt(file, &error);
    g_assert_cmpmem(cvs_secret_peek(secret), cvs_secret_size(secret), "the secret of db", 16);
}

static void
test_recovery_key_not_delivered(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) secret = bed_secret("x");
    g_autoptr(GError) error = NULL;
    CvsSealOptions options = {.want_recovery_key = TRUE, .deliver_recovery_key = fail_to_deliver};

    g_assert_false(seal(bed, "db", secret, &options, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_FAILED);
    g_assert_nonnull(strstr(error->message, "nobody listens"));
    assert_nothing_written(bed);
}

static void
test_sha384(void)
{
    g_autoptr(Bed) bed = bed_new();
    const CvsHash bank = CVS_SHA384;
    CvsSealOptions options = {.bank = &bank};
    g_autoptr(GError) error = NULL;

    bed_seal(bed, "db", &options);
    bed_assert_opens(bed, "db", NULL);
    test_tpm_extend(bed->test_tpm, 2, "other");
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_PCR_MISMATCH);
    g_assert_cmpuint(bed_count_reasons(error, CVS_REASON_PCR_DIFFERS), ==, 1);
}

/* The TPM is gone: an error, nothing written, and the next request works when it is back. */
static void
test_tpm_gone(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) secret = bed_secret("the secret of db");
    g_autoptr(GError) error = NULL;

    tpm_mux_power_off(test_tpm_mux(bed->test_tpm));
    g_assert_false(seal(bed, "db", secret, NULL, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_TPM_UNAVAILABLE);
    g_clear_error(&error);
    assert_nothing_written(bed);

    g_assert_true(tpm_mux_power_on(test_tpm_mux(bed->test_tpm), 0, &error));
    for (guint pcr = 0; pcr < 8; pcr++)
        test_tpm_extend(bed->test_tpm, pcr, "boot");
    bed_seal(bed, "db", NULL);
    bed_assert_opens(bed, "db", NULL);
}

/* The last look at what is about to be written. */
static void
test_prove(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) right = bed_secret("the secret of db");
    g_autoptr(CvsSecret) other = bed_secret("the secret of dc");
    g_autoptr(CvsSecret) tpm_secret = NULL;
    g_autoptr(CvsKeyFile) key = NULL;
    g_autoptr(GBytes) file = NULL;
    g_autoptr(GError) error = NULL;
    g_auto(CvsNewSlot) made = {0};
    const CvsTpm2Slot *slot = NULL;

    bed_seal(bed, "db", NULL);
    key = cvs_store_load(bed->store, &bed->owner, "db", &error);
    slot = cvs_key_file_get_tpm2_slot(key, 0);
    tpm_secret = cvs_tpm_unseal(bed->tpm, slot->policy, &slot->object, NULL, &error);
    file = cvs_key_file_serialise(key, &error);
    g_assert_no_error(error);
    made.tpm_secret = g_steal_pointer(&tpm_secret);
    g_assert_true(cvs_slot_prove(file, 0, &made, right, &error));
    g_assert_false(cvs_slot_prove(file, 0, &made, other, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_FAILED);
}

/* A record says nothing about a slot of other PCRs, or of other values, though that may name it. */
static void
test_record_of_other_pcrs(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsKeyFile) key = NULL;
    g_autoptr(GError) error = NULL;
    CvsTpm2Slot other = {0};
    const guint32 masks[] = {1u << 0 | 1u << 2, 1u << 0 | 1u << 2 | 1u << 7};
    const guint8 digest[32] = {0};
    CvsState state;

    bed_seal(bed, "db", NULL);
    key = cvs_store_load(bed->store, &bed->owner, "db", &error);
    g_assert_no_error(error);
    other.state = cvs_key_file_get_tpm2_slot(key, 0)->state;
    for (gsize i = 0; i < G_N_ELEMENTS(masks); i++) {
        const CvsPcrSelection selection = {.bank = CVS_SHA256, .mask = masks[i]};

        other.policy = cvs_policy_new();
        cvs_policy_add_pcr(other.policy, &selection, digest);
        g_assert_false(cvs_state_load(&bed->release, key, &other, &state, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
        g_clear_error(&error);
        cvs_policy_unref(other.policy);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/release/seal/sizes", test_sizes);
    g_test_add_func("/release/seal/too-large", test_too_large);
    g_test_add_func("/release/seal/names", test_names);
    g_test_add_func("/release/seal/replace", test_replace);
    g_test_add_func("/release/seal/name-unreadable", test_name_unreadable);
    g_test_add_func("/release/seal/unmeasured", test_unmeasured);
    g_test_add_func("/release/seal/profile-rules", test_profile_rules);
    g_test_add_func("/release/seal/recovery-key", test_recovery_key);
    g_test_add_func("/release/seal/recovery-key-not-delivered", test_recovery_key_not_delivered);
    g_test_add_func("/release/seal/sha384", test_sha384);
    g_test_add_func("/release/seal/tpm-gone", test_tpm_gone);
    g_test_add_func("/release/seal/prove", test_prove);
    g_test_add_func("/release/seal/record-of-other-pcrs", test_record_of_other_pcrs);
    return g_test_run();
}
