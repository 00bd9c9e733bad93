/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/json.h"
#include "release/bed.h"

#include <glib/gstdio.h>
#include <string.h>

static json_t *
read_key(const char *path)
{
    json_t *json = json_load_file(path, 0, NULL);

    g_assert_nonnull(json);
    return json;
}

static void
write_key(const char *path, const json_t *json)
{
    g_assert_cmpint(json_dump_file(json, path, JSON_COMPACT), ==, 0);
}

/* Each PCR of a selection in turn: it is extended, and the refusal names it and no other. */
static void
test_each_pcr(void)
{
    g_autoptr(Bed) bed = bed_new();
    const guint pcrs[] = {0, 1, 2, 3, 4, 5, 6, 7};

    for (guint i = 0; i < G_N_ELEMENTS(pcrs); i++) {
        CvsSealOptions options = {.pcrs = 0xff, .replace = TRUE};
        g_autoptr(GError) error = NULL;
        g_autofree char *wanted = g_strdup_printf("PCR %u ", pcrs[i]);
        const CvsReason *reason = NULL;

        bed_seal(bed, "db", &options);
        bed_assert_opens(bed, "db", NULL);
        test_tpm_extend(bed->test_tpm, pcrs[i], "tampered");
        error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_PCR_MISMATCH);
        g_assert_cmpuint(cvs_error_get_reasons(error)->len, ==, 1);
        reason = g_ptr_array_index(cvs_error_get_reasons(error), 0);
        g_assert_cmpstr(reason->code, ==, CVS_REASON_PCR_DIFFERS);
        g_assert_true(g_str_has_prefix(reason->detail, wanted));
        g_assert_cmpuint(strlen(reason->seen), ==, 64);
        g_assert_cmpuint(strlen(reason->wanted), ==, 64);
        g_assert_cmpstr(reason->seen, !=, reason->wanted);
    }
}

static void
test_two_pcrs(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(GError) error = NULL;

    bed_seal(bed, "db", NULL);
    test_tpm_extend(bed->test_tpm, 0, "tampered");
    test_tpm_extend(bed->test_tpm, 7, "tampered");
    test_tpm_extend(bed->test_tpm, 5, "not selected");
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_PCR_MISMATCH);
    g_assert_cmpuint(bed_count_reasons(error, CVS_REASON_PCR_DIFFERS), ==, 2);
    g_assert_cmpuint(cvs_error_get_reasons(error)->len, ==, 2);
}

static void
test_unselected_pcr(void)
{
    g_autoptr(Bed) bed = bed_new();

    bed_seal(bed, "db", NULL);
    test_tpm_extend(bed->test_tpm, 5, "not selected");
    bed_assert_opens(bed, "db", NULL);
}

static void
test_no_such_key(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(GError) error = bed_assert_refused(bed, "none", NULL, CVS_ERROR_NO_SUCH_KEY);

    g_assert_cmpuint(cvs_error_get_reasons(error)->len, ==, 0);
}

static void
test_pin(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) pin = bed_secret("1234 horses");
    g_autoptr(CvsSecret) wrong = bed_secret("1234 Horses");
    g_autoptr(GError) error = NULL;
    CvsSealOptions options = {.pin = pin};

    bed_seal(bed, "db", &options);
    bed_assert_opens(bed, "db", pin);
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_PIN_REQUIRED);
    g_clear_error(&error);
    error = bed_assert_refused(bed, "db", wrong, CVS_ERROR_PIN_WRONG);
    g_clear_error(&error);
    bed_assert_opens(bed, "db", pin);

    /* The right PIN does not help in the wrong state, and that is not a wrong PIN. */
    test_tpm_extend(bed->test_tpm, 7, "tampered");
    error = bed_assert_refused(bed, "db", pin, CVS_ERROR_PCR_MISMATCH);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_PCR_DIFFERS));
}

/* Whoever spares the TPM's tries locks it for nobody, not even with the right PIN of a key of his
 * own, and by no way to open one. */
static void
test_tries_spared(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) pin = bed_secret("1234 horses");
    g_autoptr(CvsSecret) wrong = bed_secret("1234 Horses");
    g_autoptr(GError) error = NULL;
    CvsSealOptions options = {.pin = pin};
    CvsResealOptions reseal = {.pin = wrong};

    g_free(test_tpm_run(bed->test_tpm, "tpm2_dictionarylockout -s -n 5 -t 777 -l 10"));
    bed_seal(bed, "db", &options);
    bed_seal(bed, "plain", NULL);
    bed->release.spares_tries = TRUE;
    for (guint i = 0; i < 3; i++) {
        g_autoptr(GError) refusal = bed_assert_refused(bed, "db", wrong, CVS_ERROR_PIN_WRONG);

        g_assert_nonnull(refusal);
    }
    error = bed_assert_refused(bed, "db", pin, CVS_ERROR_TPM_LOCKOUT);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_LOCKED_OUT));
    g_clear_error(&error);
    g_assert_false(cvs_release_reseal(&bed->release, &bed->owner, "db", &reseal, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_TPM_LOCKOUT);
    g_clear_error(&error);
    bed_assert_opens(bed, "plain", pin);
    bed->release.spares_tries = FALSE;
    bed_assert_opens(bed, "db", pin);
    for (guint i = 0; i < 2; i++) {
        g_autoptr(GError) refusal = bed_assert_refused(bed, "db", wrong, CVS_ERROR_PIN_WRONG);

        g_assert_nonnull(refusal);
    }
    /* Now the TPM says so, to all. */
    bed->release.spares_tries = TRUE;
    error = bed_assert_refused(bed, "db", pin, CVS_ERROR_TPM_LOCKOUT);
    g_assert_nonnull(strstr(error->message, "777"));
    g_clear_error(&error);
    bed_replace_tpm(bed, 2);
    error = bed_assert_refused(bed, "db", pin, CVS_ERROR_TPM_REPLACED);
}

/* A PIN for a key that has none is not an error: one caller may serve both kinds. */
static void
test_pin_not_needed(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) pin = bed_secret("123456");

    bed_seal(bed, "db", NULL);
    bed_assert_opens(bed, "db", pin);
}

static void
test_slot_edited(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autofree char *path = NULL;
    g_autoptr(json_t) key = NULL;
    g_autoptr(json_t) slot = NULL;
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) decoded = NULL;
    g_autofree char *text = NULL;
    json_t *header = NULL;

    bed_seal(bed, "db", NULL);
    path = bed_key_path(bed, "db");
    key = read_key(path);
    header = json_object_get(json_array_get(json_object_get(key, "recipients"), 0), "header");
    decoded = cvs_json_get_bytes(header, "slot", 1, CVS_SLOT_MAX, "header", &error);
    slot =
        cvs_json_parse(g_bytes_get_data(decoded, NULL), g_bytes_get_size(decoded), "slot", &error);
    g_assert_no_error(error);
    /* The policy of the object itself stays true, so the TPM unseals; the KEK does not fit. */
    g_assert_cmpint(json_object_set_new(slot, "generation", json_integer(2)), ==, 0);
    text = cvs_json_canonical(slot);
    cvs_json_set_bytes(header, "slot", text, strlen(text));
    write_key(path, key);

    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_BAD_FORMAT);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_SLOT_ALTERED));
}

static void
test_slot_moved(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autofree char *path_a = NULL;
    g_autofree char *path_b = NULL;
    g_autoptr(json_t) a = NULL;
    g_autoptr(json_t) b = NULL;
    g_autoptr(GError) error = NULL;

    bed_seal(bed, "a", NULL);
    bed_seal(bed, "b", NULL);
    path_a = bed_key_path(bed, "a");
    path_b = bed_key_path(bed, "b");
    a = read_key(path_a);
    b = read_key(path_b);
    g_assert_cmpint(json_object_set(b, "recipients", json_object_get(a, "recipients")), ==, 0);
    write_key(path_b, b);

    error = bed_assert_refused(bed, "b", NULL, CVS_ERROR_BAD_FORMAT);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_SLOT_ALTERED));
    bed_assert_opens(bed, "a", NULL);
}

/* A whole file under another name or in another owner's folder. */
static void
test_file_moved(void)
{
    g_autoptr(Bed) bed = bed_new();
    const CvsOwner other = {.kind = CVS_OWNER_UID, .uid = 1001};
    g_autofree char *path = NULL;
    g_autofree char *renamed = NULL;
    g_autofree char *stolen = NULL;
    g_autofree char *contents = NULL;
    g_autoptr(GError) error = NULL;
    gsize size = 0;

    bed_seal(bed, "db", NULL);
    path = bed_key_path(bed, "db");
    renamed = bed_key_path(bed, "other");
    g_assert_true(g_file_get_contents(path, &contents, &size, NULL));
    g_assert_true(g_file_set_contents(renamed, contents, (gssize)size, NULL));
    error = bed_assert_refused(bed, "other", NULL, CVS_ERROR_BAD_FORMAT);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_OWNER_DIFFERS));
    g_clear_error(&error);

    stolen = g_build_filename(bed->vault, "keys", "uid-1001", NULL);
    g_assert_cmpint(g_mkdir(stolen, 0700), ==, 0);
    g_free(renamed);
    renamed = g_build_filename(stolen, "db", NULL);
    g_assert_true(g_file_set_contents(renamed, contents, (gssize)size, NULL));
    g_assert_null(cvs_release_unseal(&bed->release, &other, "db", NULL, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_OWNER_DIFFERS));
}

static void
test_other_tpm(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(GError) error = NULL;

    bed_seal(bed, "db", NULL);
    bed_replace_tpm(bed, 1);
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_TPM_REPLACED);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_SRK_CHANGED));
    g_clear_error(&error);

    /* And back: nothing was lost. */
    bed_replace_tpm(bed, 0);
    bed_assert_opens(bed, "db", NULL);
}

/* The same boot once more: the same PCRs, and the key opens. */
static void
test_reboot(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(GError) error = NULL;

    bed_seal(bed, "db", NULL);
    /* The session that was sealed in goes here: that it is gone would be found out when it is given
     * back, and the request would go on over a new connection. */
    bed_assert_opens(bed, "db", NULL);
    g_assert_true(tpm_mux_reboot(test_tpm_mux(bed->test_tpm), &error));
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_TPM_UNAVAILABLE);
    g_clear_error(&error);
    /* Before anything is measured it is another state. */
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_PCR_MISMATCH);
    g_clear_error(&error);
    for (guint pcr = 0; pcr < 8; pcr++)
        test_tpm_extend(bed->test_tpm, pcr, "boot");
    bed_assert_opens(bed, "db", NULL);
}

static void
test_profile_tightened(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(GError) error = NULL;
    g_autofree char *profile = NULL;

    bed_seal(bed, "db", NULL);
    bed_set_profile(bed, "default", "[Registers]\nPCRs=0+2+4+7\nRequirePCRs=0+4\n");
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_TEE_REFUSED);
    g_assert_cmpuint(bed_count_reasons(error, CVS_REASON_PCR_NOT_SELECTED), ==, 1);
    g_clear_error(&error);

    bed_set_profile(bed, "default", "[Registers]\nPCRs=0+2+7\n[Secrets]\nPIN=required\n");
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_TEE_REFUSED);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_PIN_REQUIRED_BY_PROFILE));
    g_clear_error(&error);

    bed_set_profile(bed, "default", "[Registers]\nPCRs=0+2+7\nNoSuchKey=1\n");
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_TEE_REFUSED);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_PROFILE_MISSING));
    g_clear_error(&error);

    /* Nothing here can judge that, and it is not passed over. */
    bed_set_profile(bed, "default", "[Registers]\nPCRs=0+2+7\n[TEE]\nTypes=snp\n");
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_NOT_SUPPORTED);
    g_assert_cmpuint(bed_count_reasons(error, CVS_REASON_NOT_ATTESTED), ==, 1);
    g_assert_nonnull(strstr(error->message, "profile default asks for a TEE"));
    g_clear_error(&error);

    profile = g_build_filename(bed->policies, "default.policy", NULL);
    g_assert_cmpint(g_remove(profile), ==, 0);
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_TEE_REFUSED);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_PROFILE_MISSING));
    g_clear_error(&error);

    bed_set_profile(bed, "default", "[Registers]\nPCRs=0+2+7\n");
    bed_assert_opens(bed, "db", NULL);
}

/* Without the record of the values the refusal stands; only the name of the PCR is lost. */
static void
test_record_lost(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autofree char *path = NULL;
    g_autofree char *folder = NULL;
    g_autoptr(GDir) dir = NULL;
    g_autoptr(GError) error = NULL;
    const char *name = NULL;
    guint removed = 0;

    bed_seal(bed, "db", NULL);
    path = bed_key_path(bed, "db");
    folder = g_path_get_dirname(path);
    dir = g_dir_open(folder, 0, NULL);
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *record = g_build_filename(folder, name, NULL);

        if (g_str_has_prefix(name, ".state."))
            removed += g_remove(record) == 0;
    }
    g_assert_cmpuint(removed, ==, 1);

    bed_assert_opens(bed, "db", NULL);
    test_tpm_extend(bed->test_tpm, 7, "tampered");
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_PCR_MISMATCH);
    g_assert_cmpuint(cvs_error_get_reasons(error)->len, ==, 1);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_PCR_STATE_UNKNOWN));
}

/* Four commands with everything warm: Load, PolicyPCR, Unseal, FlushContext. With what a resource
 * manager does around them for the policy session, the only one by now, and for the object, the TPM
 * sees 19. */
static void
test_warm_command_count(void)
{
    g_autoptr(Bed) bed = bed_new();
    TpmMux *mux = test_tpm_mux(bed->test_tpm);

    bed_seal(bed, "db", NULL);
    bed_assert_opens(bed, "db", NULL);
    for (guint i = 0; i < 10; i++) {
        guint64 sent = tpm_mux_sent(mux, NULL, 0);
        guint64 seen = tpm_mux_seen(mux, 0);

        bed_assert_opens(bed, "db", NULL);
        g_assert_cmpuint(tpm_mux_sent(mux, NULL, 0) - sent, ==, 4);
        g_assert_cmpuint(tpm_mux_seen(mux, 0) - seen, ==, 19);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/release/unseal/each-pcr", test_each_pcr);
    g_test_add_func("/release/unseal/two-pcrs", test_two_pcrs);
    g_test_add_func("/release/unseal/unselected-pcr", test_unselected_pcr);
    g_test_add_func("/release/unseal/no-such-key", test_no_such_key);
    g_test_add_func("/release/unseal/pin", test_pin);
    g_test_add_func("/release/unseal/tries-spared", test_tries_spared);
    g_test_add_func("/release/unseal/pin-not-needed", test_pin_not_needed);
    g_test_add_func("/release/unseal/slot-edited", test_slot_edited);
    g_test_add_func("/release/unseal/slot-moved", test_slot_moved);
    g_test_add_func("/release/unseal/file-moved", test_file_moved);
    g_test_add_func("/release/unseal/other-tpm", test_other_tpm);
    g_test_add_func("/release/unseal/reboot", test_reboot);
    g_test_add_func("/release/unseal/profile-tightened", test_profile_tightened);
    g_test_add_func("/release/unseal/record-lost", test_record_lost);
    g_test_add_func("/release/unseal/warm-command-count", test_warm_command_count);
    return g_test_run();
}
