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
    const char *wanted[] = {"SrkChanged", "PcrNotSelected", "PcrDiffers"};
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
    g_test_add_func("/release/explain/no-such-key", test_no_such_key);
    return g_test_run();
}
