/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/hex.h"
#include "policy/pinnable.h"
#include "release/bed.h"

#include <string.h>

/* Lock 2 at release. The PCRs stay as they were, so that the TPM would give the secret, but where a
 * test says otherwise. */

#define TEE "[Registers]\nPCRs=0+2+7\n[TEE]\n"

static const char *const snp_claims[] = {"tee.measurement", "tee.host_data", "tcb", "tee.guest_svn",
                                         NULL};
static const char *const tdx_claims[] = {"tee.measurement", "tcb", NULL};

static Bed *
sealed(const char *type, const char *const *claims, guint32 rtmrs)
{
    Bed *bed = bed_new();
    CvsSealOptions options = {.claims = claims, .rtmrs = rtmrs};

    bed_attest(bed, type);
    bed_set_profile(bed, "default", TEE);
    bed_seal(bed, "db", &options);
    return bed;
}

static void
assert_reason(const GError *error, guint index, const char *code, const char *detail,
              const char *seen, const char *wanted)
{
    const GPtrArray *reasons = cvs_error_get_reasons(error);
    const CvsReason *reason = NULL;

    g_assert_cmpuint(reasons->len, >, index);
    reason = g_ptr_array_index(reasons, index);
    g_assert_cmpstr(reason->code, ==, code);
    if (strstr(reason->detail, detail) == NULL)
        g_error("\"%s\" does not name %s", reason->detail, detail);
    g_assert_cmpstr(reason->seen, ==, seen);
    g_assert_cmpstr(reason->wanted, ==, wanted);
}

static void
test_opens(void)
{
    g_autoptr(Bed) snp = sealed("snp", snp_claims, 0);
    g_autoptr(Bed) tdx = sealed("tdx", tdx_claims, 7);

    bed_assert_opens(snp, "db", NULL);
    bed_assert_opens(tdx, "db", NULL);
    /* What rises above its floor, and a register that was not asked for, are no reason. */
    bed_set_claim(snp, "tee.tcb.reported.snp", json_integer(9));
    bed_set_claim(snp, "tee.guest_svn", json_integer(3));
    bed_assert_opens(snp, "db", NULL);
    bed_set_claim(tdx, "tee.tcb.date", json_integer(1800000000));
    bed_set_claim(tdx, "tee.tcb.evaluation", json_integer(18));
    memset(tdx->rtmr[3], 9, sizeof tdx->rtmr[3]);
    bed_assert_opens(tdx, "db", NULL);
}

/* With equal PCRs each changed claim is refused by lock 2 alone. */
static void
test_each_claim(void)
{
    static const struct {
        const char *type;
        const char *name;
        const char *value; /* JSON; NULL: not there any more */
        const char *code;
        const char *seen;
        const char *wanted;
        int error;
    } cases[] = {
        {"snp", "tee.measurement", "\"ac\"", "ClaimDiffers", "ac", "ab", CVS_ERROR_TEE_REFUSED},
        {"snp", "tee.measurement", NULL, "ClaimDiffers", "(not there)", "ab",
         CVS_ERROR_TEE_REFUSED},
        {"snp", "tee.measurement", "171", "ClaimDiffers", "171", "ab", CVS_ERROR_TEE_REFUSED},
        {"snp", "tee.host_data", "\"ce\"", "ClaimDiffers", "ce", "cd", CVS_ERROR_TEE_REFUSED},
        {"snp", "tee.line", "\"Genoa\"", "ClaimDiffers", "Genoa", "Milan", CVS_ERROR_TEE_REFUSED},
        {"snp", "vtpm.kind", "\"host\"", "ClaimDiffers", "host", "svsm", CVS_ERROR_TEE_REFUSED},
        {"snp", "tee.tcb.reported.snp", "7", "TcbBelowFloor", "7", "8", CVS_ERROR_TCB_TOO_OLD},
        {"snp", "tee.tcb.reported.snp", NULL, "TcbBelowFloor", "(not there)", "8",
         CVS_ERROR_TCB_TOO_OLD},
        {"snp", "tee.tcb.reported.snp", "\"8\"", "TcbBelowFloor", "8", "8", CVS_ERROR_TCB_TOO_OLD},
        {"snp", "tee.tcb.reported.microcode", "99", "TcbBelowFloor", "99", "100",
         CVS_ERROR_TCB_TOO_OLD},
        {"snp", "tee.guest_svn", "1", "GuestSvnTooLow", "1", "2", CVS_ERROR_TCB_TOO_OLD},
        {"tdx", "tee.measurement", "\"\"", "ClaimDiffers", "", "ab", CVS_ERROR_TEE_REFUSED},
        {"tdx", "vtpm.kind", "\"svsm\"", "ClaimDiffers", "svsm", "azure", CVS_ERROR_TEE_REFUSED},
        {"tdx", "tee.tcb.date", "1699999999", "TcbDateTooOld", "1699999999", "1700000000",
         CVS_ERROR_TCB_TOO_OLD},
        {"tdx", "tee.tcb.evaluation", "16", "CollateralRollback", "16", "17",
         CVS_ERROR_TCB_TOO_OLD},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        gboolean snp = g_str_equal(cases[i].type, "snp");
        g_autoptr(Bed) bed = sealed(cases[i].type, snp ? snp_claims : tdx_claims, 0);
        g_autoptr(GError) error = NULL;
        json_t *before = json_incref(json_object_get(bed->claims, cases[i].name));

        bed_set_claim(bed, cases[i].name,
                      cases[i].value ? json_loads(cases[i].value, JSON_DECODE_ANY, NULL) : NULL);
        error = bed_assert_refused(bed, "db", NULL, cases[i].error);
        g_assert_cmpuint(cvs_error_get_reasons(error)->len, ==, 1);
        assert_reason(error, 0, cases[i].code, cases[i].name, cases[i].seen, cases[i].wanted);
        bed_set_claim(bed, cases[i].name, before);
        bed_assert_opens(bed, "db", NULL);
    }
}

static void
test_each_rtmr(void)
{
    for (guint i = 0; i < CVS_TD_RTMRS; i++) {
        g_autoptr(Bed) bed = sealed("tdx", NULL, CVS_RTMR_MASK_ALL);
        g_autofree char *wanted = cvs_hex_encode(bed->rtmr[i], CVS_TD_MR_SIZE);
        g_autofree char *name = g_strdup_printf("RTMR %u", i);
        g_autofree char *seen = NULL;
        g_autoptr(GError) error = NULL;

        bed->rtmr[i][47] ^= 1;
        seen = cvs_hex_encode(bed->rtmr[i], CVS_TD_MR_SIZE);
        error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_REGISTER_MISMATCH);
        g_assert_cmpuint(cvs_error_get_reasons(error)->len, ==, 1);
        assert_reason(error, 0, "RtmrDiffers", name, seen, wanted);
        bed->rtmr[i][47] ^= 1;
        bed_assert_opens(bed, "db", NULL);
    }
}

/* Registers that cannot be read are not as they were. */
static void
test_rtmrs_unreadable(void)
{
    g_autoptr(Bed) bed = sealed("tdx", NULL, 1);
    g_autoptr(GError) error = NULL;

    bed->rtmr_error = g_error_new_literal(CVS_ERROR, CVS_ERROR_NOT_SUPPORTED, "no TDREPORT");
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_NOT_SUPPORTED);
    assert_reason(error, 0, "NotAttested", "no TDREPORT", "", "");
    g_clear_error(&bed->rtmr_error);
    bed_assert_opens(bed, "db", NULL);
}

/* A changed PCR is refused by the TPM, whatever the claims say. */
static void
test_pcr_changed(void)
{
    g_autoptr(Bed) bed = sealed("tdx", tdx_claims, 7);
    g_autoptr(GError) error = NULL;

    test_tpm_extend(bed->test_tpm, 2, "tampered");
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_PCR_MISMATCH);
    g_assert_cmpuint(cvs_error_get_reasons(error)->len, ==, 1);
    assert_reason(error, 0, "PcrDiffers", "PCR 2",
                  ((CvsReason *)g_ptr_array_index(cvs_error_get_reasons(error), 0))->seen,
                  ((CvsReason *)g_ptr_array_index(cvs_error_get_reasons(error), 0))->wanted);
}

/* The TPM is not asked before lock 2 has opened: no PIN is guessed, no counter counted. */
static void
test_lock_2_first(void)
{
    g_autoptr(Bed) bed = sealed("snp", snp_claims, 0);
    guint sent = 0;

    bed_set_claim(bed, "tee.measurement", json_string("00"));
    sent = cvs_tpm_commands_sent(bed->tpm);
    g_error_free(bed_assert_refused(bed, "db", NULL, CVS_ERROR_TEE_REFUSED));
    g_assert_cmpuint(cvs_tpm_commands_sent(bed->tpm), ==, sent);
}

/* Every reason of lock 2 comes at once, in the order of its parts. */
static void
test_every_reason(void)
{
    g_autoptr(Bed) bed = sealed("tdx", tdx_claims, 7);
    g_autoptr(GError) error = NULL;
    static const char *const codes[] = {"DebugAllowed", "PcrNotSelected", "ClaimDiffers",
                                        "ClaimDiffers", "TcbDateTooOld",  "RtmrDiffers"};
    const GPtrArray *reasons = NULL;

    bed_set_profile(bed, "default", "[Registers]\nPCRs=0+11\nRequirePCRs=11\n[TEE]\n");
    bed_set_claim(bed, "tee.policy.debug", json_true());
    bed_set_claim(bed, "tee.measurement", json_string("00"));
    bed_set_claim(bed, "tee.tcb.date", json_integer(1));
    bed->rtmr[1][0] ^= 1;
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_TEE_REFUSED);
    reasons = cvs_error_get_reasons(error);
    g_assert_cmpuint(reasons->len, ==, G_N_ELEMENTS(codes));
    for (guint i = 0; i < reasons->len; i++)
        g_assert_cmpstr(((CvsReason *)g_ptr_array_index(reasons, i))->code, ==, codes[i]);
}

/* A profile that has lost its PCRs= seals nothing, and takes no key from anybody. */
static void
test_reports_only(void)
{
    g_autoptr(Bed) bed = sealed("snp", snp_claims, 0);
    g_autoptr(GError) error = NULL;
    CvsResealOptions options = {0};

    bed_set_profile(bed, "default", "[TEE]\nTypes=snp\n");
    bed_assert_opens(bed, "db", NULL);
    g_assert_false(cvs_release_reseal(&bed->release, &bed->owner, "db", &options, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
    g_assert_nonnull(strstr(error->message, "for reports alone"));
    bed_assert_opens(bed, "db", NULL);
}

static void
test_profile_tightened(void)
{
    g_autoptr(Bed) bed = sealed("snp", snp_claims, 0);
    g_autoptr(GError) error = NULL;

    bed_set_profile(bed, "default",
                    TEE "Measurements=" /* 48 bytes */
                        "000000000000000000000000000000000000000000000000"
                        "000000000000000000000000000000000000000000000000\n");
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_TEE_REFUSED);
    assert_reason(error, 0, "MeasurementUnlisted", "", "ab",
                  ((CvsReason *)g_ptr_array_index(cvs_error_get_reasons(error), 0))->wanted);
    /* A key that was sealed without a TEE comes under the profile as well. */
    bed_set_profile(bed, "plain", "[Registers]\nPCRs=0+2+7\n");
    bed_seal(bed, "old", &(CvsSealOptions){.profile = "plain"});
    bed_assert_opens(bed, "old", NULL);
    bed_set_profile(bed, "plain", TEE "Types=tdx\n");
    g_error_free(bed_assert_refused(bed, "old", NULL, CVS_ERROR_TEE_REFUSED));
}

/* A profile that asks for nothing any more does not open what the slot keeps shut. */
static void
test_profile_loosened(void)
{
    static const char *const loose[] = {
        TEE "Types=snp tdx none\nAllowDebug=yes\nAllowMigration=yes\n",
        "[Registers]\nPCRs=0+2+7\n",
    };

    for (guint i = 0; i < G_N_ELEMENTS(loose); i++) {
        g_autoptr(Bed) bed = sealed("tdx", tdx_claims, 7);
        g_autoptr(GError) error = NULL;

        bed_set_profile(bed, "default", loose[i]);
        bed_assert_opens(bed, "db", NULL);
        bed->rtmr[2][0] ^= 1;
        g_error_free(bed_assert_refused(bed, "db", NULL, CVS_ERROR_REGISTER_MISMATCH));
        bed->rtmr[2][0] ^= 1;
        bed_set_claim(bed, "tee.measurement", json_string("00"));
        g_error_free(bed_assert_refused(bed, "db", NULL, CVS_ERROR_TEE_REFUSED));
        bed->release.attester = NULL;
        error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_NOT_SUPPORTED);
        assert_reason(error, 0, "NotAttested", "asks for a TEE", "", "");
    }
}

/* Claims that were not verified, or a TEE that the host reads along with, are refused by the rules
 * that hold without a profile's. */
static void
test_default_rules(void)
{
    g_autoptr(Bed) bed = sealed("snp", NULL, 0);
    g_autoptr(GError) error = NULL;

    bed_set_profile(bed, "default", "[Registers]\nPCRs=0+2+7\n");
    bed_set_claim(bed, "tee.verified", json_false());
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_ATTESTATION_FAILED);
    assert_reason(error, 0, "NotVerified", "", "false", "true");
}

static void
test_not_attested(void)
{
    g_autoptr(Bed) bed = sealed("snp", NULL, 0);
    g_autoptr(GError) error = NULL;

    bed->attest_error = g_error_new_literal(CVS_ERROR, CVS_ERROR_COLLATERAL_MISSING, "no VCEK");
    cvs_error_add_reason(bed->attest_error, CVS_REASON_CHAIN_INCOMPLETE, "x", "y", "no ASK");
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_COLLATERAL_MISSING);
    g_assert_nonnull(strstr(error->message, "no VCEK"));
    g_assert_cmpuint(cvs_error_get_reasons(error)->len, ==, 2);
    assert_reason(error, 0, "NotAttested", "no VCEK", "", "");
    assert_reason(error, 1, "ChainIncomplete", "no ASK", "x", "y");
    g_clear_error(&bed->attest_error);
    bed_assert_opens(bed, "db", NULL);

    /* Also one that is not ours. */
    bed->attest_error = g_error_new_literal(G_FILE_ERROR, G_FILE_ERROR_IO, "broken");
    g_clear_error(&error);
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_ATTESTATION_FAILED);
    assert_reason(error, 0, "NotAttested", "broken", "", "");
}

/* An attestation that fails is not tried again for each slot of the key. */
static void
test_tried_once(void)
{
    g_autoptr(Bed) bed = sealed("snp", NULL, 0);
    g_autoptr(json_t) recipients = NULL;

    bed_forge_slot(bed, "db", json_pack("{s:i}", "generation", 7));
    bed_forge_slot(bed, "db", json_pack("{s:i}", "generation", 8));
    bed->attest_error = g_error_new_literal(CVS_ERROR, CVS_ERROR_BUSY, "later");
    bed->attested = 0;
    g_error_free(bed_assert_refused(bed, "db", NULL, CVS_ERROR_BUSY));
    g_assert_cmpuint(bed->attested, ==, 1);
}

/* Keys that ask for nothing are released as ever, and nothing is attested for them. */
static void
test_not_asked(void)
{
    g_autoptr(Bed) bed = bed_new();

    bed_attest(bed, "snp");
    bed_seal(bed, "db", NULL);
    bed_assert_opens(bed, "db", NULL);
    g_assert_cmpuint(bed->attested, ==, 0);
}

/* Whoever can write to the disk cannot take the conditions out of a slot: the TPM gives its secret,
 * and the KEK is another. */
static void
test_conditions_edited(void)
{
    g_autoptr(Bed) bed = sealed("snp", snp_claims, 0);
    g_autoptr(json_t) all = NULL;
    g_autoptr(GError) error = NULL;

    bed_forge_slot(bed, "db", json_pack("{s:{}}", "conditions"));
    all = bed_read_recipients(bed, "db");
    g_assert_cmpint(json_array_remove(all, 0), ==, 0);
    bed_write_recipients(bed, "db", g_steal_pointer(&all));
    bed_set_profile(bed, "default", "[Registers]\nPCRs=0+2+7\n");
    bed_set_claim(bed, "tee.measurement", json_string("00"));
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_BAD_FORMAT);
    g_assert_cmpuint(bed_count_reasons(error, "SlotAltered"), ==, 1);
}

/* A floor of nothing is one all the same. */
static void
test_floor_of_zero(void)
{
    static const char *const svn[] = {"tee.guest_svn", NULL};
    g_autoptr(Bed) bed = bed_new();

    bed_attest(bed, "snp");
    bed_set_claim(bed, "tee.guest_svn", json_integer(0));
    bed_seal(bed, "db", &(CvsSealOptions){.claims = svn});
    bed_assert_opens(bed, "db", NULL);
    bed_set_claim(bed, "tee.guest_svn", NULL);
    g_error_free(bed_assert_refused(bed, "db", NULL, CVS_ERROR_TCB_TOO_OLD));
}

/* Intel's lists all have one number: an older one than at sealing shows by its date. A key that was
 * sealed without knows none. */
static void
test_older_crl(void)
{
    static const char *const lists[] = {"tee.pck.crl.this_update", "tee.root.crl.this_update"};
    g_autoptr(Bed) without = sealed("tdx", tdx_claims, 0);

    for (gsize i = 0; i < G_N_ELEMENTS(lists); i++) {
        g_autoptr(Bed) bed = sealed("tdx", tdx_claims, 0);
        g_autoptr(GError) error = NULL, none = NULL;

        bed_set_claim(bed, lists[i], json_integer(1790000000));
        bed_seal(bed, "dated", &(CvsSealOptions){.claims = tdx_claims});
        bed_assert_opens(bed, "dated", NULL);
        bed_set_claim(bed, lists[i], json_integer(1790000001));
        bed_assert_opens(bed, "dated", NULL);
        bed_set_claim(bed, lists[i], json_integer(1789999999));
        error = bed_assert_refused(bed, "dated", NULL, CVS_ERROR_TCB_TOO_OLD);
        assert_reason(error, 0, "CollateralRollback", lists[i], "1789999999", "1790000000");
        bed_assert_opens(bed, "db", NULL);
        bed_set_claim(bed, lists[i], NULL);
        none = bed_assert_refused(bed, "dated", NULL, CVS_ERROR_TCB_TOO_OLD);
        assert_reason(none, 0, "CollateralRollback", lists[i], "(not there)", "1790000000");
    }
    bed_set_claim(without, lists[0], json_integer(1));
    bed_assert_opens(without, "db", NULL);
}

/* Whatever the attester does not say, nothing opens. */
static void
test_broken_attester(void)
{
    g_autoptr(Bed) bed = sealed("snp", snp_claims, 0);
    g_autoptr(CvsSecret) secret = bed_secret("new");

    for (int how = BED_REFUSES_SILENTLY; how <= BED_ACCEPTS_NOTHING; how++) {
        g_autoptr(GError) error = NULL, seal_error = NULL;
        g_autofree char *id = NULL;

        bed->broken = how;
        error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_ATTESTATION_FAILED);
        g_assert_false(cvs_release_seal(&bed->release, &bed->owner, "new", secret,
                                        &(CvsSealOptions){.claims = snp_claims}, &id, &seal_error));
        g_assert_error(seal_error, CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED);
    }
    bed->broken = BED_SOUND;
    bed_assert_opens(bed, "db", NULL);
}

/* What the attestation failed by is nothing to a slot that needs none. */
static void
test_other_slot_without(void)
{
    static const char plain[] = "[Profile]\nDescription=x\n[Registers]\nPCRs=0+2+7\n";
    static const char tee[] = "[Profile]\nDescription=x\n[Registers]\nPCRs=0+2+7\n[TEE]\n"
                              "Types=snp\n";
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(GError) error = NULL;

    bed_attest(bed, "snp");
    bed_set_profile(bed, "default", plain);
    bed_seal(bed, "db", NULL);
    bed_set_profile(bed, "default", tee);
    (void)cvs_release_reseal(&bed->release, &bed->owner, "db",
                             &(CvsResealOptions){.authorized = TRUE}, &error);
    g_assert_no_error(error);
    bed_set_profile(bed, "default", plain);
    bed->attest_error = g_error_new_literal(CVS_ERROR, CVS_ERROR_TPM_UNAVAILABLE, "no TPM");
    bed_assert_opens(bed, "db", NULL);
    g_assert_cmpuint(bed->attested, >, 0);
}

static json_t *
explain_slot(Bed *bed)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = cvs_release_explain(&bed->release, &bed->owner, "db", &error);
    g_autoptr(json_t) json = NULL;

    g_assert_no_error(error);
    json = json_loads(text, 0, NULL);
    g_assert_nonnull(json);
    return json_incref(json_array_get(json_object_get(json, "slots"), 0));
}

/* Registers and claims that differ, with both values, beside the PCRs. */
static void
test_explain(void)
{
    g_autoptr(Bed) bed = sealed("tdx", tdx_claims, 5);
    g_autoptr(json_t) before = explain_slot(bed);
    g_autoptr(json_t) after = NULL;
    const json_t *reasons = NULL;
    static const char *const codes[] = {"ClaimDiffers", "RtmrDiffers", "PcrDiffers"};
    const json_t *conditions = json_object_get(before, "conditions");

    g_assert_true(json_is_true(json_object_get(before, "matches")));
    g_assert_cmpuint(json_object_size(json_object_get(conditions, "rtmrs")), ==, 2);
    g_assert_cmpstr(json_string_value(
                        json_object_get(json_object_get(conditions, "claims"), "tee.measurement")),
                    ==, "ab");
    bed->rtmr[2][0] = 0xff;
    bed->rtmr[1][0] = 0xff;
    bed_set_claim(bed, "tee.measurement", json_string("00"));
    test_tpm_extend(bed->test_tpm, 7, "other");
    after = explain_slot(bed);
    g_assert_true(json_is_false(json_object_get(after, "matches")));
    reasons = json_object_get(after, "reasons");
    g_assert_cmpuint(json_array_size(reasons), ==, G_N_ELEMENTS(codes));
    for (guint i = 0; i < G_N_ELEMENTS(codes); i++) {
        const json_t *reason = json_array_get(reasons, i);

        g_assert_cmpstr(json_string_value(json_object_get(reason, "code")), ==, codes[i]);
        g_assert_cmpstr(json_string_value(json_object_get(reason, "seen")), !=,
                        json_string_value(json_object_get(reason, "wanted")));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/release/attested/opens", test_opens);
    g_test_add_func("/release/attested/each-claim", test_each_claim);
    g_test_add_func("/release/attested/each-rtmr", test_each_rtmr);
    g_test_add_func("/release/attested/rtmrs-unreadable", test_rtmrs_unreadable);
    g_test_add_func("/release/attested/pcr-changed", test_pcr_changed);
    g_test_add_func("/release/attested/lock-2-first", test_lock_2_first);
    g_test_add_func("/release/attested/every-reason", test_every_reason);
    g_test_add_func("/release/attested/reports-only", test_reports_only);
    g_test_add_func("/release/attested/profile-tightened", test_profile_tightened);
    g_test_add_func("/release/attested/profile-loosened", test_profile_loosened);
    g_test_add_func("/release/attested/default-rules", test_default_rules);
    g_test_add_func("/release/attested/not-attested", test_not_attested);
    g_test_add_func("/release/attested/tried-once", test_tried_once);
    g_test_add_func("/release/attested/not-asked", test_not_asked);
    g_test_add_func("/release/attested/conditions-edited", test_conditions_edited);
    g_test_add_func("/release/attested/floor-of-zero", test_floor_of_zero);
    g_test_add_func("/release/attested/older-crl", test_older_crl);
    g_test_add_func("/release/attested/broken-attester", test_broken_attester);
    g_test_add_func("/release/attested/other-slot-without", test_other_slot_without);
    g_test_add_func("/release/attested/explain", test_explain);
    return g_test_run();
}
