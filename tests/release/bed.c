/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/bed.h"
#include "base/error.h"
#include "policy/appraisal.h"
#include "tee/refusal.h"

#include <glib/gstdio.h>
#include <string.h>

static const char default_profile[] = "[Registers]\nPCRs=0+2+7\nPCRBank=sha256\n";

CvsSecret *
bed_secret(const char *text)
{
    return cvs_secret_new_copy(text, strlen(text));
}

void
bed_set_profile(Bed *bed, const char *name, const char *text)
{
    g_autofree char *file = g_strdup_printf("%s/%s.policy", bed->policies, name);
    g_autoptr(GError) error = NULL;

    (void)g_file_set_contents(file, text, -1, &error);
    g_assert_no_error(error);
}

Bed *
bed_new(void)
{
    return bed_new_with(TPM_MUX_DEFAULT);
}

Bed *
bed_new_with(TpmMuxFlags flags)
{
    Bed *bed = g_new0(Bed, 1);
    g_autoptr(GError) error = NULL;

    bed->dir = g_dir_make_tmp("cvmseal-release-XXXXXX", &error);
    g_assert_no_error(error);
    bed->vault = g_build_filename(bed->dir, "vault", NULL);
    bed->policies = g_build_filename(bed->dir, "policies", NULL);
    g_assert_cmpint(g_mkdir(bed->policies, 0700), ==, 0);
    bed->folders[0] = bed->policies;
    bed_set_profile(bed, "default", default_profile);

    bed->test_tpm = test_tpm_new(flags);
    for (guint pcr = 0; pcr < 8; pcr++)
        test_tpm_extend(bed->test_tpm, pcr, "boot");
    bed->tpm = cvs_tpm_new(test_tpm_tcti(bed->test_tpm));
    bed->store = cvs_store_open(bed->vault, TRUE, &error);
    g_assert_no_error(error);
    bed->owner = (CvsOwner){.kind = CVS_OWNER_UID, .uid = 1000};
    bed->release = (CvsRelease){
        .tpm = bed->tpm,
        .store = bed->store,
        .profile_folders = bed->folders,
        .lock_timeout_ms = 1000,
    };
    return bed;
}

void
bed_free(Bed *bed)
{
    cvs_tee_paths_free(bed->tee_paths);
    json_decref(bed->claims);
    g_clear_error(&bed->attest_error);
    g_clear_error(&bed->rtmr_error);
    cvs_tpm_free(bed->tpm);
    test_tpm_free(bed->test_tpm);
    cvs_store_close(bed->store);
    test_remove_tree(bed->dir);
    g_free(bed->policies);
    g_free(bed->vault);
    g_free(bed->dir);
    g_free(bed);
}

static gboolean
appraise(gpointer data, const CvsProfile *profile, json_t **ret_claims, GError **error)
{
    Bed *bed = data;
    g_autoptr(GError) refusal = cvs_refusal_new();

    bed->attested++;
    if (bed->attest_error) {
        g_propagate_error(error, g_error_copy(bed->attest_error));
        return FALSE;
    }
    if (bed->broken == BED_REFUSES_SILENTLY)
        *ret_claims = json_deep_copy(bed->claims);
    if (bed->broken != BED_SOUND)
        return bed->broken == BED_ACCEPTS_NOTHING;
    cvs_appraise(profile, bed->claims, 0, refusal);
    *ret_claims = json_deep_copy(bed->claims);
    return cvs_refusal_end(g_steal_pointer(&refusal), "the TEE", error);
}

static gboolean
read_rtmrs(gpointer data, guint8 ret_rtmr[static CVS_TD_RTMRS][CVS_TD_MR_SIZE], GError **error)
{
    Bed *bed = data;

    if (bed->rtmr_error) {
        g_propagate_error(error, g_error_copy(bed->rtmr_error));
        return FALSE;
    }
    memcpy(ret_rtmr, bed->rtmr, sizeof bed->rtmr);
    return TRUE;
}

void
bed_set_claim(Bed *bed, const char *name, json_t *value)
{
    if (value)
        g_assert_cmpint(json_object_set_new(bed->claims, name, value), ==, 0);
    else
        g_assert_cmpint(json_object_del(bed->claims, name), ==, 0);
}

static void
write_ccel(Bed *bed)
{
    guint8 table[56] = "CCEL\x38";
    guint8 area[16] = {0};
    g_autoptr(GError) error = NULL;

    table[36] = 2;
    table[40] = sizeof area;
    g_clear_pointer(&bed->tee_paths, cvs_tee_paths_free);
    bed->tee_paths = cvs_tee_paths_new(NULL);
    g_free(bed->tee_paths->ccel_table);
    bed->tee_paths->ccel_table = g_build_filename(bed->dir, "CCEL", NULL);
    g_free(bed->tee_paths->ccel_data);
    bed->tee_paths->ccel_data = g_build_filename(bed->dir, "CCEL-data", NULL);
    (void)g_file_set_contents(bed->tee_paths->ccel_table, (char *)table, sizeof table, &error);
    g_assert_no_error(error);
    (void)g_file_set_contents(bed->tee_paths->ccel_data, (char *)area, sizeof area, &error);
    g_assert_no_error(error);
    bed->release.tee_paths = bed->tee_paths;
}

void
bed_attest(Bed *bed, const char *type)
{
    bed->attester = (CvsReleaseAttester){appraise, read_rtmrs, bed};
    bed->release.attester = &bed->attester;
    json_decref(bed->claims);
    bed->claims =
        json_pack("{s:s, s:b, s:b, s:s, s:b, s:b, s:I, s:s}", "tee.type", type, "tee.verified", 1,
                  "tee.test_roots", 0, "tee.measurement", "ab", "tee.policy.debug", 0,
                  "tee.policy.migrate_ma", 0, "tee.collateral.not_after", (json_int_t)4000000000,
                  "vtpm.kind", g_str_equal(type, "snp") ? "svsm" : "vtpm-td");
    if (g_str_equal(type, "snp")) {
        bed_set_claim(bed, "tee.line", json_string("Milan"));
        bed_set_claim(bed, "tee.host_data", json_string("cd"));
        bed_set_claim(bed, "tee.guest_svn", json_integer(2));
        bed_set_claim(bed, "tee.migration_agent", json_false());
        bed_set_claim(bed, "tee.tcb.reported.snp", json_integer(8));
        bed_set_claim(bed, "tee.tcb.reported.microcode", json_integer(100));
    } else {
        bed_set_claim(bed, "tee.td_attributes", json_string("0x10000000"));
        bed_set_claim(bed, "tee.tcb.status", json_string("UpToDate"));
        bed_set_claim(bed, "tee.tcb.date", json_integer(1700000000));
        bed_set_claim(bed, "tee.tcb.evaluation", json_integer(17));
        bed_set_claim(bed, "tee.tcb.next_update", json_integer(4000000000));
        for (guint i = 0; i < 3; i++)
            memset(bed->rtmr[i], (int)i + 1, sizeof bed->rtmr[i]);
        write_ccel(bed);
    }
}

static CvsSecret *
secret_of(const char *name)
{
    g_autofree char *text = g_strconcat("the secret of ", name, NULL);

    return bed_secret(text);
}

void
bed_seal(Bed *bed, const char *name, const CvsSealOptions *options)
{
    const CvsSealOptions none = {0};
    g_autoptr(CvsSecret) secret = secret_of(name);
    g_autoptr(GError) error = NULL;
    g_autofree char *id = NULL;
    gboolean ok = cvs_release_seal(&bed->release, &bed->owner, name, secret,
                                   options ? options : &none, &id, &error);

    g_assert_no_error(error);
    g_assert_true(ok);
    g_assert_cmpuint(strlen(id), ==, 32);
    cvs_tpm_settle(bed->release.tpm);
}

void
bed_assert_opens(Bed *bed, const char *name, const CvsSecret *pin)
{
    g_autoptr(CvsSecret) wanted = secret_of(name);
    g_autoptr(CvsSecret) secret = NULL;
    g_autoptr(GError) error = NULL;

    secret = cvs_release_unseal(&bed->release, &bed->owner, name, pin, &error);
    g_assert_no_error(error);
    g_assert_nonnull(secret);
    g_assert_true(cvs_secret_equal(secret, wanted));
    /* As the daemon's worker does. */
    cvs_tpm_settle(bed->release.tpm);
}

GError *
bed_assert_refused(Bed *bed, const char *name, const CvsSecret *pin, int code)
{
    g_autoptr(CvsSecret) secret = NULL;
    GError *error = NULL;

    secret = cvs_release_unseal(&bed->release, &bed->owner, name, pin, &error);
    g_assert_null(secret);
    g_assert_error(error, CVS_ERROR, code);
    cvs_tpm_settle(bed->release.tpm);
    return error;
}

static void
find_out(Bed *bed)
{
    CvsPcrSelection selection = {.bank = CVS_SHA256, .mask = 1};
    CvsPcrValues values;
    g_autoptr(GError) error = NULL;

    if (!cvs_tpm_read_pcrs(bed->tpm, &selection, &values, &error))
        g_assert_error(error, CVS_ERROR, CVS_ERROR_TPM_UNAVAILABLE);
}

void
bed_replace_tpm(Bed *bed, guint number)
{
    test_tpm_replace(bed->test_tpm, number);
    for (guint pcr = 0; pcr < 8; pcr++)
        test_tpm_extend(bed->test_tpm, pcr, "boot");
    find_out(bed);
}

void
bed_reboot(Bed *bed)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(tpm_mux_reboot(test_tpm_mux(bed->test_tpm), &error));
    g_assert_no_error(error);
    find_out(bed);
}

guint
bed_count_reasons(const GError *error, const char *code)
{
    const GPtrArray *reasons = cvs_error_get_reasons(error);
    guint n = 0;

    for (guint i = 0; i < reasons->len; i++) {
        const CvsReason *reason = g_ptr_array_index(reasons, i);

        n += g_str_equal(reason->code, code);
    }
    return n;
}

char *
bed_key_path(Bed *bed, const char *name)
{
    g_autofree char *folder = cvs_owner_folder(&bed->owner);

    return g_build_filename(bed->vault, "keys", folder, name, NULL);
}

void
bed_forge_slot(Bed *bed, const char *name, json_t *members)
{
    g_autofree char *path = bed_key_path(bed, name);
    g_autoptr(json_t) key = json_load_file(path, 0, NULL);
    g_autoptr(json_t) changes = members;
    g_autoptr(json_t) slot = NULL;
    g_autoptr(GBytes) decoded = NULL;
    g_autofree char *text = NULL;
    json_t *recipients = json_object_get(key, "recipients");
    json_t *forged = NULL, *header = NULL;
    gsize first = 0;

    while (json_object_get(json_object_get(json_array_get(recipients, first), "header"), "slot") ==
           NULL)
        g_assert_cmpuint(++first, <, json_array_size(recipients));
    forged = json_deep_copy(json_array_get(recipients, first));
    header = json_object_get(forged, "header");
    decoded = cvs_json_get_bytes(header, "slot", 1, CVS_SLOT_MAX, "header", NULL);
    g_assert_nonnull(decoded);
    slot = cvs_json_parse(g_bytes_get_data(decoded, NULL), g_bytes_get_size(decoded), "slot", NULL);
    g_assert_cmpint(json_object_update(slot, changes), ==, 0);
    text = cvs_json_canonical(slot);
    cvs_json_set_bytes(header, "slot", text, strlen(text));
    g_assert_cmpint(json_array_append_new(recipients, forged), ==, 0);
    g_assert_cmpint(json_dump_file(key, path, JSON_COMPACT), ==, 0);
}

json_t *
bed_read_recipients(Bed *bed, const char *name)
{
    g_autofree char *path = bed_key_path(bed, name);
    g_autoptr(json_t) key = json_load_file(path, 0, NULL);

    return json_incref(json_object_get(key, "recipients"));
}

void
bed_write_recipients(Bed *bed, const char *name, json_t *recipients)
{
    g_autofree char *path = bed_key_path(bed, name);
    g_autoptr(json_t) key = json_load_file(path, 0, NULL);

    g_assert_cmpint(json_object_set_new(key, "recipients", recipients), ==, 0);
    g_assert_cmpint(json_dump_file(key, path, JSON_COMPACT), ==, 0);
}

void
bed_expect_forged(void)
{
    g_autofree char *pattern = g_strdup_printf("*%s*", CVS_REASON_SLOT_FORGED);

    g_test_expect_message(G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, pattern);
}
