/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "policy/pinnable.h"
#include "release/bed.h"
#include "vault/recovery.h"

#include <glib/gstdio.h>
#include <string.h>

/* What a key is sealed to besides PCRs, at sealing and at resealing. */

#define PLAIN "[Registers]\nPCRs=0+2+7\n"
#define TEE PLAIN "[TEE]\n"

static Bed *
attested(const char *type)
{
    Bed *bed = bed_new();

    bed_attest(bed, type);
    bed_set_profile(bed, "default", TEE);
    return bed;
}

/* The conditions of a key's slot, as canonical text. */
static char *
conditions_of(Bed *bed, const char *name, guint slot)
{
    g_autoptr(CvsKeyFile) key = cvs_store_load(bed->store, &bed->owner, name, NULL);
    g_autoptr(json_t) json = NULL;

    g_assert_nonnull(key);
    json = cvs_slot_conditions_to_json(&cvs_key_file_get_tpm2_slot(key, slot)->conditions);
    return cvs_json_canonical(json);
}

static void
assert_conditions(Bed *bed, const char *name, guint slot, const char *wanted)
{
    g_autofree char *text = conditions_of(bed, name, slot);

    g_assert_cmpstr(text, ==, wanted);
}

static char *
rtmr_hex(guint8 byte)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < CVS_TD_MR_SIZE; i++)
        g_string_append_printf(text, "%02x", byte);
    return g_string_free(text, FALSE);
}

static GError *
refused(Bed *bed, const CvsSealOptions *options, int code, const char *reason)
{
    g_autoptr(CvsSecret) secret = bed_secret("x");
    g_autofree char *id = NULL;
    g_autofree char *path = bed_key_path(bed, "x");
    GError *error = NULL;

    g_assert_false(cvs_release_seal(&bed->release, &bed->owner, "x", secret, options, &id, &error));
    g_assert_error(error, CVS_ERROR, code);
    g_assert_cmpuint(bed_count_reasons(error, reason), ==, 1);
    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    return error;
}

#define ALWAYS_SNP "\"tee.policy.debug\":false,\"tee.type\":\"snp\",\"vtpm.kind\":\"svsm\""
#define ALWAYS_TDX "\"tee.policy.debug\":false,\"tee.type\":\"tdx\",\"vtpm.kind\":\"azure\""

static void
test_what_is_pinned(void)
{
    static const char *const host_data[] = {"tee.host_data", NULL};
    static const char *const tcb[] = {"tcb", NULL};
    static const char *const svn[] = {"tee.guest_svn", NULL};
    static const struct {
        const char *type;
        const char *profile;
        const char *const *claims;
        const char *wanted;
    } cases[] = {
        {"snp", PLAIN, NULL, "{}"},
        {"snp", TEE, NULL, "{\"claims\":{\"tee.measurement\":\"ab\"," ALWAYS_SNP "}}"},
        {"snp", TEE, host_data, "{\"claims\":{\"tee.host_data\":\"cd\"," ALWAYS_SNP "}}"},
        {"snp", PLAIN, host_data, "{\"claims\":{\"tee.host_data\":\"cd\"," ALWAYS_SNP "}}"},
        {"snp", PLAIN "Claims=host_data\n", NULL,
         "{\"claims\":{\"tee.host_data\":\"cd\"," ALWAYS_SNP "}}"},
        {"snp", PLAIN "Claims=host_data\n", svn,
         "{\"claims\":{" ALWAYS_SNP "},\"floors\":{\"tee.guest_svn\":2}}"},
        {"snp", PLAIN "Claims=tcb\n", NULL,
         "{\"claims\":{\"tee.line\":\"Milan\"," ALWAYS_SNP "},"
         "\"floors\":{\"tee.tcb.reported.microcode\":100,\"tee.tcb.reported.snp\":8}}"},
        {"tdx", TEE, tcb,
         "{\"claims\":{" ALWAYS_TDX "},"
         "\"floors\":{\"tee.tcb.date\":1700000000,\"tee.tcb.evaluation\":17}}"},
        {"tdx", TEE, NULL,
         "{\"claims\":{\"tee.measurement\":\"ab\"," ALWAYS_TDX "},"
         "\"floors\":{\"tee.tcb.evaluation\":17}}"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Bed) bed = attested(cases[i].type);

        bed_set_profile(bed, "default", cases[i].profile);
        bed_seal(bed, "db", &(CvsSealOptions){.claims = cases[i].claims});
        assert_conditions(bed, "db", 0, cases[i].wanted);
        bed_assert_opens(bed, "db", NULL);
    }
}

static void
test_rtmrs(void)
{
    static const struct {
        const char *profile;
        guint32 rtmrs;
        guint32 wanted;
    } cases[] = {
        {TEE, 0, 0},
        {TEE, 1 << 1, 1 << 1},
        {PLAIN, 1 << 0 | 1 << 3, 1 << 0 | 1 << 3},
        {PLAIN "RTMRs=0+1+2\n", 0, 7},
        {PLAIN "RTMRs=0+1+2\n", 1 << 2, 1 << 2},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(Bed) bed = attested("tdx");
        g_autofree char *text = NULL;

        bed_set_profile(bed, "default", cases[i].profile);
        bed_seal(bed, "db", &(CvsSealOptions){.rtmrs = cases[i].rtmrs});
        text = conditions_of(bed, "db", 0);
        for (guint j = 0; j < CVS_TD_RTMRS; j++) {
            g_autofree char *hex = rtmr_hex(bed->rtmr[j][0]);
            g_autofree char *member = g_strdup_printf("\"%u\":\"%s\"", j, hex);

            g_assert_cmpint(strstr(text, member) != NULL, ==, (cases[i].wanted >> j) & 1);
        }
    }
}

/* What would mean nothing here is refused at sealing, and the message has the way out. */
static void
test_meaningless(void)
{
    const CvsSealOptions rtmrs = {.rtmrs = 7};
    const CvsSealOptions none = {0};
    static const char *const chip[] = {"tee.chip_id", NULL};
    static const char *const tcb[] = {"tcb", NULL};

    {
        g_autoptr(Bed) bed = attested("snp");
        g_autoptr(GError) error = refused(bed, &rtmrs, CVS_ERROR_NOT_SUPPORTED, "RtmrsMissing");

        g_assert_nonnull(strstr(error->message, "Leave them out"));
        g_error_free(refused(bed, &(CvsSealOptions){.claims = chip}, CVS_ERROR_NOT_SUPPORTED,
                             "ClaimMissing"));
        bed_set_claim(bed, "vtpm.kind", json_string("host"));
        g_clear_error(&error);
        error = refused(bed, &none, CVS_ERROR_VTPM_NOT_TRUSTED, "VtpmNotBound");
        g_assert_nonnull(strstr(error->message, "use a machine"));
        g_clear_error(&error);
        bed_set_profile(bed, "default", TEE "[vTPM]\nKinds=svsm host\n");
        error = refused(bed, &none, CVS_ERROR_VTPM_NOT_TRUSTED, "VtpmNotBound");
        g_assert_nonnull(strstr(error->message, "--derived-key"));
        /* No TEE stands behind this attestation. */
        g_error_free(refused(bed, &(CvsSealOptions){.derived_key = TRUE}, CVS_ERROR_NOT_SUPPORTED,
                             "DerivedKeyUnavailable"));
    }
    {
        g_autoptr(Bed) bed = attested("tdx");
        g_autoptr(GError) error = NULL;

        bed_set_claim(bed, "vtpm.kind", json_string("host"));
        error = refused(bed, &none, CVS_ERROR_VTPM_NOT_TRUSTED, "VtpmNotBound");
        bed_set_profile(bed, "default", TEE "[vTPM]\nKinds=host\n");
        bed_seal(bed, "db", &none);
    }
    {
        g_autoptr(Bed) bed = attested("tdx");
        g_autoptr(GError) error = NULL;

        memset(bed->rtmr, 0, sizeof bed->rtmr);
        error = refused(bed, &rtmrs, CVS_ERROR_NOT_SUPPORTED, "RtmrsUnused");
        g_assert_nonnull(strstr(error->message, "Leave them out"));
        bed->rtmr[3][47] = 1;
        bed_seal(bed, "db", &(CvsSealOptions){.rtmrs = 1 << 3});
        bed_set_claim(bed, "tee.tcb.date", NULL);
        bed_set_claim(bed, "tee.tcb.evaluation", NULL);
        g_error_free(refused(bed, &(CvsSealOptions){.claims = tcb}, CVS_ERROR_NOT_SUPPORTED,
                             "ClaimMissing"));
    }
    {
        g_autoptr(Bed) bed = attested("tdx");
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(g_unlink(bed->tee_paths->ccel_table), ==, 0);
        error = refused(bed, &rtmrs, CVS_ERROR_NOT_SUPPORTED, "CcelMissing");
        g_assert_nonnull(strstr(error->message, "Leave them out"));
        bed->release.tee_paths = NULL;
        g_error_free(refused(bed, &rtmrs, CVS_ERROR_NOT_SUPPORTED, "CcelMissing"));
    }
}

static void
test_not_attested(void)
{
    static const char *const profiles[] = {TEE, PLAIN "Claims=measurement\n", PLAIN "RTMRs=0\n"};

    for (guint i = 0; i < G_N_ELEMENTS(profiles); i++) {
        g_autoptr(Bed) bed = attested("tdx");

        bed_set_profile(bed, "default", profiles[i]);
        bed->attest_error = g_error_new_literal(CVS_ERROR, CVS_ERROR_BUSY, "later");
        g_error_free(refused(bed, &(CvsSealOptions){0}, CVS_ERROR_BUSY, "NotAttested"));
        bed->release.attester = NULL;
        g_error_free(refused(bed, &(CvsSealOptions){0}, CVS_ERROR_NOT_SUPPORTED, "NotAttested"));
    }
    {
        g_autoptr(Bed) bed = attested("tdx");

        bed->rtmr_error = g_error_new_literal(CVS_ERROR, CVS_ERROR_BUSY, "later");
        g_error_free(refused(bed, &(CvsSealOptions){.rtmrs = 1}, CVS_ERROR_BUSY, "NotAttested"));
        bed_set_claim(bed, "tee.policy.debug", json_true());
        g_error_free(refused(bed, &(CvsSealOptions){0}, CVS_ERROR_TEE_REFUSED, "DebugAllowed"));
    }
}

static GError *
reseal_as(Bed *bed, const CvsSecret *recovery_key, gboolean authorized)
{
    const CvsResealOptions options = {.recovery_key = recovery_key, .authorized = authorized};
    GError *error = NULL;

    (void)cvs_release_reseal(&bed->release, &bed->owner, "db", &options, &error);
    return error;
}

static GError *
reseal(Bed *bed, const CvsSecret *recovery_key)
{
    return reseal_as(bed, recovery_key, FALSE);
}

static gboolean
keep(const CvsSecret *recovery_key, gpointer data, GError **error)
{
    *(CvsSecret **)data = cvs_secret_ref((CvsSecret *)recovery_key);
    return TRUE;
}

/* With equal PCRs the TPM opens the slot in any TEE: a reseal must not move the key to one that may
 * not have it. */
static void
test_reseal_refused(void)
{
    static const char *const claims[] = {"tee.measurement", "tcb", NULL};
    g_autoptr(Bed) bed = attested("tdx");
    g_autoptr(GError) error = NULL;

    bed_seal(bed, "db", &(CvsSealOptions){.claims = claims, .rtmrs = 7});
    bed->rtmr[1][5] ^= 1;
    error = reseal(bed, NULL);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_REGISTER_MISMATCH);
    g_assert_cmpuint(bed_count_reasons(error, "RtmrDiffers"), ==, 1);
    bed->rtmr[1][5] ^= 1;
    bed_set_claim(bed, "tee.measurement", json_string("00"));
    g_clear_error(&error);
    error = reseal(bed, NULL);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_TEE_REFUSED);
    /* Nor by way of a profile that was loosened meanwhile. */
    bed_set_profile(bed, "default", PLAIN);
    g_clear_error(&error);
    error = reseal(bed, NULL);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_TEE_REFUSED);
    bed_set_claim(bed, "tee.measurement", json_string("ab"));
    bed->attest_error = g_error_new_literal(CVS_ERROR, CVS_ERROR_BUSY, "later");
    g_clear_error(&error);
    error = reseal(bed, NULL);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BUSY);
    g_clear_error(&bed->attest_error);
    g_clear_error(&error);
    error = reseal(bed, NULL);
    g_assert_no_error(error);
    bed_assert_opens(bed, "db", NULL);
}

/* The recovery key opens in any state, and the new slot has the same registers and claims with
 * their present values; floors only rise. */
static void
test_reseal_carries_over(void)
{
    static const char *const claims[] = {"tee.measurement", "tcb", NULL};
    g_autoptr(Bed) bed = attested("tdx");
    g_autoptr(CvsSecret) recovery_key = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *old_0 = rtmr_hex(1);
    g_autofree char *old_2 = rtmr_hex(3);
    g_autofree char *new_2 = rtmr_hex(0x44);
    g_autofree char *before =
        g_strdup_printf("{\"claims\":{\"tee.measurement\":\"ab\"," ALWAYS_TDX
                        "},\"floors\":{\"tee.tcb.date\":1700000000,\"tee.tcb.evaluation\":17},"
                        "\"rtmrs\":{\"0\":\"%s\",\"2\":\"%s\"}}",
                        old_0, old_2);
    g_autofree char *after =
        g_strdup_printf("{\"claims\":{\"tee.measurement\":\"ac\"," ALWAYS_TDX
                        "},\"floors\":{\"tee.tcb.date\":1800000000,\"tee.tcb.evaluation\":17},"
                        "\"rtmrs\":{\"0\":\"%s\",\"2\":\"%s\"}}",
                        old_0, new_2);

    bed_seal(bed, "db",
             &(CvsSealOptions){.claims = claims,
                               .rtmrs = 1 << 0 | 1 << 2,
                               .want_recovery_key = TRUE,
                               .deliver_recovery_key = keep,
                               .deliver_data = &recovery_key});
    assert_conditions(bed, "db", 0, before);
    memset(bed->rtmr[2], 0x44, sizeof bed->rtmr[2]);
    bed_set_claim(bed, "tee.measurement", json_string("ac"));
    bed_set_claim(bed, "tee.tcb.date", json_integer(1800000000));
    /* What the profile says now is not what the key has: it has more. */
    bed_set_profile(bed, "default", PLAIN "Claims=type\nRTMRs=1\n");
    error = reseal(bed, recovery_key);
    g_assert_no_error(error);
    /* The same PCRs, and yet two states: the former slot stays until the new one has opened. */
    assert_conditions(bed, "db", 0, before);
    assert_conditions(bed, "db", 2, after);
    bed_assert_opens(bed, "db", NULL);
    assert_conditions(bed, "db", 1, after);
}

/* Slots of other RTMRs are for other states, though their PCRs are the same: whoever reseals twice
 * can still go back to where he came from. */
static void
test_reseal_keeps_states(void)
{
    g_autoptr(Bed) bed = attested("tdx");
    g_autoptr(CvsSecret) recovery_key = NULL;

    bed_seal(bed, "db",
             &(CvsSealOptions){.rtmrs = 1,
                               .want_recovery_key = TRUE,
                               .deliver_recovery_key = keep,
                               .deliver_data = &recovery_key});
    for (guint i = 0; i < 2; i++) {
        g_autoptr(GError) error = NULL;

        bed->rtmr[0][0]++;
        error = reseal(bed, recovery_key);
        g_assert_no_error(error);
    }
    bed->rtmr[0][0] -= 2;
    bed_assert_opens(bed, "db", NULL);
}

static void
test_reseal_never_weakens(void)
{
    static const char *const claims[] = {"tee.host_data", "tcb", NULL};
    g_autoptr(Bed) bed = attested("snp");
    g_autoptr(CvsSecret) recovery_key = NULL;
    g_autoptr(GError) error = NULL;

    bed_seal(bed, "db",
             &(CvsSealOptions){.claims = claims,
                               .want_recovery_key = TRUE,
                               .deliver_recovery_key = keep,
                               .deliver_data = &recovery_key});
    bed_set_claim(bed, "tee.tcb.reported.snp", json_integer(7));
    error = reseal(bed, recovery_key);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_TCB_TOO_OLD);
    g_assert_cmpuint(bed_count_reasons(error, "TcbBelowFloor"), ==, 1);
    bed_set_claim(bed, "tee.tcb.reported.snp", NULL);
    g_clear_error(&error);
    error = reseal(bed, recovery_key);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED);
    g_assert_cmpuint(bed_count_reasons(error, "ClaimMissing"), ==, 1);
    bed_set_claim(bed, "tee.tcb.reported.snp", json_integer(8));
    bed_set_claim(bed, "tee.host_data", NULL);
    g_clear_error(&error);
    error = reseal(bed, recovery_key);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED);
    bed_set_claim(bed, "tee.host_data", json_string("cd"));
    bed_set_claim(bed, "vtpm.kind", json_string("host"));
    g_clear_error(&error);
    error = reseal(bed, recovery_key);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_VTPM_NOT_TRUSTED);
    bed->release.attester = NULL;
    g_clear_error(&error);
    error = reseal(bed, recovery_key);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED);
    g_assert_cmpuint(bed_count_reasons(error, "NotAttested"), ==, 1);
}

/* A key from before is brought under a profile that has come to ask for a TEE, by who may say that
 * the TEE of now is the right one: nothing that the key was sealed to does. */
static void
test_reseal_into_profile(void)
{
    g_autoptr(Bed) bed = attested("snp");
    g_autoptr(CvsSecret) recovery_key = NULL;
    g_autoptr(CvsSecret) wrong = cvs_recovery_key_new(NULL);
    g_autoptr(GError) error = NULL;

    bed_set_profile(bed, "default", PLAIN);
    bed_seal(bed, "db",
             &(CvsSealOptions){.want_recovery_key = TRUE,
                               .deliver_recovery_key = keep,
                               .deliver_data = &recovery_key});
    assert_conditions(bed, "db", 0, "{}");
    bed_set_profile(bed, "default", TEE);
    bed_set_claim(bed, "tee.policy.debug", json_true());
    error = reseal_as(bed, NULL, TRUE);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_TEE_REFUSED);
    bed_set_claim(bed, "tee.policy.debug", json_false());
    g_clear_error(&error);
    error = reseal_as(bed, NULL, FALSE);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED);
    g_assert_cmpuint(bed_count_reasons(error, CVS_REASON_RESEAL_NOT_AUTHORIZED), ==, 4);
    g_clear_error(&error);
    error = reseal_as(bed, wrong, FALSE);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED);
    g_clear_error(&error);
    assert_conditions(bed, "db", 0, "{}");
    bed_assert_opens(bed, "db", NULL);
    for (guint authorized = 0; authorized < 2; authorized++) {
        error = reseal_as(bed, authorized ? NULL : recovery_key, authorized);
        g_assert_no_error(error);
        assert_conditions(bed, "db", 2, "{\"claims\":{\"tee.measurement\":\"ab\"," ALWAYS_SNP "}}");
    }
    bed_assert_opens(bed, "db", NULL);
    /* What it is sealed to now vouches for itself. */
    error = reseal_as(bed, NULL, FALSE);
    g_assert_no_error(error);
}

/* Nor does a slot that asks less than the newest one vouch for what that one asks more. */
static void
test_reseal_by_lesser_slot(void)
{
    g_autoptr(Bed) bed = attested("tdx");
    g_autoptr(GError) error = NULL;
    guint registers = 0;

    bed_set_profile(bed, "default", PLAIN);
    bed_seal(bed, "db", NULL);
    bed_set_profile(bed, "default", PLAIN "RTMRs=0+1\n");
    error = reseal_as(bed, NULL, FALSE);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED);
    for (guint i = 0; i < cvs_error_get_reasons(error)->len; i++) {
        const CvsReason *reason = g_ptr_array_index(cvs_error_get_reasons(error), i);

        g_assert_nonnull(strstr(reason->detail, "vouches"));
        registers += strstr(reason->detail, "RTMR") != NULL;
    }
    g_assert_cmpuint(registers, ==, 2);
    g_clear_error(&error);
    error = reseal_as(bed, NULL, TRUE);
    g_assert_no_error(error);
    bed_set_profile(bed, "default", PLAIN);
    /* The newest does not open, the first does. */
    bed->rtmr[0][0]++;
    error = reseal_as(bed, NULL, FALSE);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED);
    g_clear_error(&error);
    bed->rtmr[0][0]--;
    error = reseal_as(bed, NULL, FALSE);
    g_assert_no_error(error);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/release/pinning/what-is-pinned", test_what_is_pinned);
    g_test_add_func("/release/pinning/rtmrs", test_rtmrs);
    g_test_add_func("/release/pinning/meaningless", test_meaningless);
    g_test_add_func("/release/pinning/not-attested", test_not_attested);
    g_test_add_func("/release/pinning/reseal-refused", test_reseal_refused);
    g_test_add_func("/release/pinning/reseal-carries-over", test_reseal_carries_over);
    g_test_add_func("/release/pinning/reseal-keeps-states", test_reseal_keeps_states);
    g_test_add_func("/release/pinning/reseal-never-weakens", test_reseal_never_weakens);
    g_test_add_func("/release/pinning/reseal-into-profile", test_reseal_into_profile);
    g_test_add_func("/release/pinning/reseal-by-lesser-slot", test_reseal_by_lesser_slot);
    return g_test_run();
}
