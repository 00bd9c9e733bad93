/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/json.h"
#include "release/bed.h"

#include <glib/gstdio.h>
#include <string.h>

/* The store key as a factor of what is sealed while it is there. */

static const char first[] = "0123456789abcdef0123456789abcdef";
static const char second[] = "fedcba9876543210fedcba9876543210";

static void
put(const char *path, const char *bytes, int mode)
{
    g_autoptr(GError) error = NULL;

    (void)g_unlink(path);
    if (bytes == NULL)
        return;
    (void)g_file_set_contents(path, bytes, 32, &error);
    g_assert_no_error(error);
    g_assert_cmpint(g_chmod(path, mode), ==, 0);
}

static char *
give_path(Bed *bed)
{
    char *path = g_build_filename(bed->dir, "store-key", NULL);

    bed->release.store_key_file = path;
    return path;
}

static CvsFactors
factors_of(Bed *bed, guint slot)
{
    g_autoptr(CvsKeyFile) key = cvs_store_load(bed->store, &bed->owner, "db", NULL);

    g_assert_nonnull(key);
    return cvs_key_file_get_tpm2_slot(key, slot)->factors;
}

/* A stolen key file and the TPM in its right state are not enough. */
static void
test_factor(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autofree char *path = give_path(bed);
    g_autoptr(GError) error = NULL;

    put(path, first, 0400);
    bed_seal(bed, "db", NULL);
    g_assert_cmpint(factors_of(bed, 0), ==, CVS_FACTOR_TPM2 | CVS_FACTOR_STORE_KEY);
    bed_assert_opens(bed, "db", NULL);

    put(path, NULL, 0);
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_TEE_REFUSED);
    g_assert_cmpuint(bed_count_reasons(error, "StoreKeyMissing"), ==, 1);
    bed->release.store_key_file = NULL;
    g_clear_error(&error);
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_TEE_REFUSED);
    g_assert_cmpuint(bed_count_reasons(error, "StoreKeyMissing"), ==, 1);
    bed->release.store_key_file = path;

    put(path, second, 0400);
    g_clear_error(&error);
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_BAD_FORMAT);
    g_assert_cmpuint(bed_count_reasons(error, "SlotAltered"), ==, 1);
    g_assert_nonnull(
        strstr(((CvsReason *)g_ptr_array_index(cvs_error_get_reasons(error), 0))->detail,
               "another store key"));

    put(path, first, 0400);
    bed_assert_opens(bed, "db", NULL);
}

/* None at sealing: no factor, and none is asked for later. */
static void
test_unmeasured(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autofree char *path = give_path(bed);

    bed_seal(bed, "db", NULL);
    g_assert_cmpint(factors_of(bed, 0), ==, CVS_FACTOR_TPM2);
    put(path, first, 0400);
    bed_assert_opens(bed, "db", NULL);
}

/* A file that is not as it must be is not taken for none, at sealing either. */
static void
test_unfit(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autofree char *path = give_path(bed);
    g_autoptr(CvsSecret) secret = bed_secret("x");
    g_autoptr(GError) error = NULL;
    g_autofree char *id = NULL;
    const CvsSealOptions options = {0};

    put(path, first, 0400);
    bed_seal(bed, "db", NULL);
    put(path, first, 0444);
    g_assert_false(
        cvs_release_seal(&bed->release, &bed->owner, "x", secret, &options, &id, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_STORAGE_ERROR);
    g_assert_cmpuint(bed_count_reasons(error, "StoreKeyUnfit"), ==, 1);
    g_clear_error(&error);
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_STORAGE_ERROR);
    g_assert_cmpuint(bed_count_reasons(error, "StoreKeyUnfit"), ==, 1);
}

/* Without it the TPM is not asked: a PIN is not tried in vain. */
static void
test_before_the_tpm(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autofree char *path = give_path(bed);
    guint sent = 0;

    put(path, first, 0400);
    bed_seal(bed, "db", NULL);
    put(path, NULL, 0);
    sent = cvs_tpm_commands_sent(bed->tpm);
    g_error_free(bed_assert_refused(bed, "db", NULL, CVS_ERROR_TEE_REFUSED));
    g_assert_cmpuint(cvs_tpm_commands_sent(bed->tpm), ==, sent);
}

static gboolean
keep(const CvsSecret *recovery_key, gpointer data, GError **error)
{
    *(CvsSecret **)data = cvs_secret_ref((CvsSecret *)recovery_key);
    return TRUE;
}

/* A reseal gives a key the factor that it had not, and never takes it away. */
static void
test_reseal(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autofree char *path = give_path(bed);
    g_autoptr(CvsSecret) recovery_key = NULL;
    CvsResealOptions options = {0};
    g_autoptr(GError) error = NULL;

    bed_seal(bed, "db",
             &(CvsSealOptions){.want_recovery_key = TRUE,
                               .deliver_recovery_key = keep,
                               .deliver_data = &recovery_key});
    put(path, first, 0400);
    g_assert_true(cvs_release_reseal(&bed->release, &bed->owner, "db", &options, &error));
    g_assert_cmpint(factors_of(bed, 0), ==, CVS_FACTOR_TPM2);
    g_assert_cmpint(factors_of(bed, 2), ==, CVS_FACTOR_TPM2 | CVS_FACTOR_STORE_KEY);
    bed_assert_opens(bed, "db", NULL);

    put(path, NULL, 0);
    options.recovery_key = recovery_key;
    g_assert_false(cvs_release_reseal(&bed->release, &bed->owner, "db", &options, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_TEE_REFUSED);
    g_assert_cmpuint(bed_count_reasons(error, "StoreKeyMissing"), ==, 1);
    /* With another store key, the recovery key moves it. */
    put(path, second, 0400);
    g_clear_error(&error);
    (void)cvs_release_reseal(&bed->release, &bed->owner, "db", &options, &error);
    g_assert_no_error(error);
    bed_assert_opens(bed, "db", NULL);
}

static void
test_explain(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autofree char *path = give_path(bed);

    put(path, first, 0400);
    bed_seal(bed, "db", NULL);
    for (guint there = 0; there < 2; there++) {
        g_autofree char *text = NULL;
        g_autoptr(json_t) json = NULL;
        const json_t *slot = NULL;

        put(path, there ? first : NULL, 0400);
        text = cvs_release_explain(&bed->release, &bed->owner, "db", NULL);
        json = json_loads(text, 0, NULL);
        slot = json_array_get(json_object_get(json, "slots"), 0);
        g_assert_true(json_is_true(json_object_get(slot, "store_key")));
        g_assert_cmpint(json_is_true(json_object_get(slot, "matches")), ==, there);
        g_assert_cmpuint(json_array_size(json_object_get(slot, "reasons")), ==, 1 - there);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/release/store-key/factor", test_factor);
    g_test_add_func("/release/store-key/unmeasured", test_unmeasured);
    g_test_add_func("/release/store-key/unfit", test_unfit);
    g_test_add_func("/release/store-key/before-the-tpm", test_before_the_tpm);
    g_test_add_func("/release/store-key/reseal", test_reseal);
    g_test_add_func("/release/store-key/explain", test_explain);
    return g_test_run();
}
