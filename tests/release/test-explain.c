/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/hex.h"
#include "base/json.h"
#include "release/bed.h"

#include <string.h>

static json_t *
explain(Bed *bed, const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *text = cvs_release_explain(&bed->release, &bed->owner, name, &error);
    json_t *json = NULL;

    g_assert_no_error(error);
    json = json_loads(text, 0, NULL);
    g_assert_nonnull(json);
    return json;
}

static json_t *
slot_of(const json_t *explanation, guint index)
{
    return json_array_get(json_object_get(explanation, "slots"), index);
}

static void
test_opens(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(json_t) json = NULL;
    const json_t *slot = NULL;

    bed_seal(bed, "db", NULL);
    json = explain(bed, "db");
    g_assert_cmpstr(json_string_value(json_object_get(json, "name")), ==, "db");
    g_assert_cmpstr(json_string_value(json_object_get(json, "owner")), ==, "uid:1000");
    g_assert_true(json_is_true(json_object_get(json, "opens")));
    slot = slot_of(json, 0);
    g_assert_cmpstr(json_string_value(json_object_get(slot, "kind")), ==, "tpm2");
    g_assert_cmpstr(json_string_value(json_object_get(slot, "pcrs")), ==, "0+2+7");
    g_assert_cmpstr(json_string_value(json_object_get(slot, "bank")), ==, "sha256");
    g_assert_cmpstr(json_string_value(json_object_get(slot, "profile")), ==, "default");
    g_assert_true(json_is_true(json_object_get(slot, "matches")));
    g_assert_cmpuint(json_array_size(json_object_get(slot, "reasons")), ==, 0);
}

static void
test_pcr_differs(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(json_t) json = NULL;
    const json_t *reason = NULL;
    CvsPcrSelection selection = {.bank = CVS_SHA256, .mask = 1u << 2};
    CvsPcrValues before, after;
    g_autoptr(GError) error = NULL;
    g_autofree char *wanted = NULL;
    g_autofree char *seen = NULL;

    bed_seal(bed, "db", NULL);
    g_assert_true(cvs_tpm_read_pcrs(bed->tpm, &selection, &before, &error));
    test_tpm_extend(bed->test_tpm, 2, "tampered");
    g_assert_true(cvs_tpm_read_pcrs(bed->tpm, &selection, &after, &error));
    wanted = cvs_hex_encode(before.value[2], 32);
    seen = cvs_hex_encode(after.value[2], 32);

    json = explain(bed, "db");
    g_assert_true(json_is_false(json_object_get(json, "opens")));
    g_assert_cmpuint(json_array_size(json_object_get(slot_of(json, 0), "reasons")), ==, 1);
    reason = json_array_get(json_object_get(slot_of(json, 0), "reasons"), 0);
    g_assert_cmpstr(json_string_value(json_object_get(reason, "code")), ==, "PcrDiffers");
    g_assert_cmpstr(json_string_value(json_object_get(reason, "seen")), ==, seen);
    g_assert_cmpstr(json_string_value(json_object_get(reason, "wanted")), ==, wanted);
}

/* Every reason at once: another TPM, another state, a tightened profile. */
static void
test_everything_wrong(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(json_t) json = NULL;
    g_autoptr(GError) error = NULL;
    const char *wanted[] = {"PcrNotSelected", "SrkChanged", "PcrDiffers"};
    const json_t *reasons = NULL;

    bed_seal(bed, "db", NULL);
    bed_replace_tpm(bed, 1);
    test_tpm_extend(bed->test_tpm, 7, "other");
    bed_set_profile(bed, "default", "[Registers]\nPCRs=0+11\nRequirePCRs=11\n");
    /* The other TPM gets its root key when something is sealed in it. */
    {
        g_autoptr(CvsSecret) secret = bed_secret("x");
        g_autofree char *id = NULL;
        CvsSealOptions options = {.pcrs = 1u << 0 | 1u << 11, .allow_unmeasured = TRUE};

        g_assert_true(
            cvs_release_seal(&bed->release, &bed->owner, "x", secret, &options, &id, &error));
    }
    json = explain(bed, "db");
    g_assert_true(json_is_false(json_object_get(json, "opens")));
    reasons = json_object_get(slot_of(json, 0), "reasons");
    g_assert_cmpuint(json_array_size(reasons), ==, G_N_ELEMENTS(wanted));
    for (guint i = 0; i < G_N_ELEMENTS(wanted); i++)
        g_assert_cmpstr(json_string_value(json_object_get(json_array_get(reasons, i), "code")), ==,
                        wanted[i]);
}

/* A profile whose rules nobody judges here does not let the key look as if it opened. */
static void
test_tee_profile(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(json_t) json = NULL;
    const json_t *reasons = NULL;

    bed_seal(bed, "db", NULL);
    bed_set_profile(bed, "default", "[Registers]\nPCRs=0+2+7\n[TEE]\n");
    json = explain(bed, "db");
    g_assert_true(json_is_false(json_object_get(json, "opens")));
    reasons = json_object_get(slot_of(json, 0), "reasons");
    g_assert_cmpuint(json_array_size(reasons), ==, 1);
    g_assert_cmpstr(json_string_value(json_object_get(json_array_get(reasons, 0), "code")), ==,
                    "NotAttested");
}

/* A TPM that was cleared, or a fresh one, has no root key yet: that is told, and none is made. */
static void
test_no_srk(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(json_t) json = NULL;
    g_autoptr(GError) error = NULL;
    const json_t *reason = NULL;

    bed_seal(bed, "db", NULL);
    g_free(test_tpm_run(bed->test_tpm, "tpm2_clear"));
    json = explain(bed, "db");
    g_assert_true(json_is_false(json_object_get(json, "opens")));
    g_assert_cmpuint(json_array_size(json_object_get(slot_of(json, 0), "reasons")), ==, 1);
    reason = json_array_get(json_object_get(slot_of(json, 0), "reasons"), 0);
    g_assert_cmpstr(json_string_value(json_object_get(reason, "code")), ==, "SrkChanged");
    g_assert_null(cvs_tpm_get_srk_name(bed->tpm, FALSE, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED);
}

/* The firmware has given up a bank: unsealing says which PCRs are gone, and so does explain. */
static void
test_bank_gone(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(json_t) json = NULL;
    g_autoptr(GError) error = NULL;
    const json_t *reasons = NULL;
    const CvsHash bank = CVS_SHA384;
    CvsSealOptions options = {.bank = &bank};

    bed_seal(bed, "db", &options);
    g_free(test_tpm_run(bed->test_tpm, "tpm2_pcrallocate sha256:all+sha384:none"));
    bed_reboot(bed);
    error = bed_assert_refused(bed, "db", NULL, CVS_ERROR_PCR_MISMATCH);
    g_assert_cmpuint(bed_count_reasons(error, CVS_REASON_PCR_BANK_MISSING), ==, 3);
    json = explain(bed, "db");
    g_assert_true(json_is_false(json_object_get(json, "opens")));
    reasons = json_object_get(slot_of(json, 0), "reasons");
    g_assert_cmpuint(json_array_size(reasons), ==, 3);
    g_assert_cmpstr(json_string_value(json_object_get(json_array_get(reasons, 0), "code")), ==,
                    "PcrBankMissing");
}

/* A slot whose text tells of other PCRs than the TPM will ask for does not pass for one that opens
 * because those of its text are as they should be; nor does an object that is of no use at all. */
static void
test_policy_differs(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(json_t) json = NULL;
    CvsPcrSelection selection = {.bank = CVS_SHA256, .mask = 1u << 1};
    CvsPcrValues values;
    guint8 digest[32];
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    const char *const wanted[] = {"", "PolicyDiffers", "SlotAltered"};

    bed_seal(bed, "db", NULL);
    g_assert_true(cvs_tpm_read_pcrs(bed->tpm, &selection, &values, &error));
    cvs_pcr_values_digest(&values, digest);
    text = cvs_base64url_encode(digest, sizeof digest);
    bed_forge_slot(bed, "db",
                   json_pack("{s:[{s:s, s:s, s:s, s:s}]}", "policy", "type", "pcr", "bank",
                             "sha256", "pcrs", "1", "digest", text));
    bed_forge_slot(bed, "db", json_pack("{s:s}", "public", "AAAA"));
    json = explain(bed, "db");
    for (guint i = 0; i < G_N_ELEMENTS(wanted); i++) {
        const json_t *reasons = json_object_get(slot_of(json, i), "reasons");

        g_assert_cmpint(json_is_true(json_object_get(slot_of(json, i), "matches")), ==, i == 0);
        g_assert_cmpuint(json_array_size(reasons), ==, i > 0);
        if (i > 0)
            g_assert_cmpstr(json_string_value(json_object_get(json_array_get(reasons, 0), "code")),
                            ==, wanted[i]);
    }
}

/* What has come to be forbidden opens the key still; which slot waits for a state is said too. */
static void
test_forbidden(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) pin = bed_secret("123456");
    g_autoptr(json_t) json = NULL;
    g_autoptr(GError) error = NULL;
    CvsPredicted to = {.keep_others = TRUE};
    const CvsResealOptions options = {.pin = pin, .to = &to};
    const json_t *reasons = NULL;

    to.sha256.selection = (CvsPcrSelection){CVS_SHA256, 1u << 7};
    to.sha256.value[7][0] = 1;
    bed_seal(bed, "db", &(CvsSealOptions){.pin = pin});
    (void)cvs_release_reseal(&bed->release, &bed->owner, "db", &options, &error);
    g_assert_no_error(error);
    json = explain(bed, "db");
    for (guint i = 0; i < 2; i++) {
        g_assert_cmpuint(json_array_size(json_object_get(slot_of(json, i), "forbidden")), ==, 0);
        g_assert_true(json_boolean_value(json_object_get(slot_of(json, i), "predicted")) ==
                      (i == 1));
    }
    json_decref(g_steal_pointer(&json));
    bed_set_profile(bed, "default", "[Registers]\nPCRs=0+2+7\n[Secrets]\nPIN=forbidden\n");
    json = explain(bed, "db");
    g_assert_true(json_is_true(json_object_get(json, "opens")));
    g_assert_true(json_is_true(json_object_get(slot_of(json, 0), "matches")));
    reasons = json_object_get(slot_of(json, 0), "forbidden");
    g_assert_cmpuint(json_array_size(reasons), ==, 1);
    g_assert_cmpstr(json_string_value(json_object_get(json_array_get(reasons, 0), "code")), ==,
                    CVS_REASON_PIN_FORBIDDEN);
    g_assert_nonnull(strstr(
        json_string_value(json_object_get(json_array_get(reasons, 0), "detail")), "--drop pin"));
}

/* The session that unsealed with a PIN is the one that reads afterwards. */
static void
test_after_pin(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(CvsSecret) pin = bed_secret("123456");

    bed_seal(bed, "db", &(CvsSealOptions){.pin = pin});
    for (guint i = 0; i < 2; i++) {
        g_autoptr(json_t) json = NULL;

        bed_assert_opens(bed, "db", pin);
        json = explain(bed, "db");
        g_assert_true(json_is_true(json_object_get(json, "opens")));
    }
}

static void
test_no_such_key(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autoptr(GError) error = NULL;

    g_assert_null(cvs_release_explain(&bed->release, &bed->owner, "none", &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/release/explain/opens", test_opens);
    g_test_add_func("/release/explain/pcr-differs", test_pcr_differs);
    g_test_add_func("/release/explain/everything-wrong", test_everything_wrong);
    g_test_add_func("/release/explain/tee-profile", test_tee_profile);
    g_test_add_func("/release/explain/no-srk", test_no_srk);
    g_test_add_func("/release/explain/bank-gone", test_bank_gone);
    g_test_add_func("/release/explain/policy-differs", test_policy_differs);
    g_test_add_func("/release/explain/forbidden", test_forbidden);
    g_test_add_func("/release/explain/after-pin", test_after_pin);
    g_test_add_func("/release/explain/no-such-key", test_no_such_key);
    return g_test_run();
}
