/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Profiles written out, and changed where they stand. */

#include "base/error.h"
#include "policy/profile-edit.h"
#include "policy/profile-format.h"

#include <string.h>

#define X8(text) text text text text text text text text
#define A48 X8("aaaaaaaaaaaa")
#define B48 X8("bbbbbbbbbbbb")
#define B48_UPPER X8("BBBBBBBBBBBB")
#define C48 X8("cccccccccccc")

static CvsProfile *
parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    CvsProfile *profile = cvs_profile_parse("x", "f", text, strlen(text), &error);

    g_assert_no_error(error);
    return profile;
}

#define HEAD "# mine\n[Registers]\nPCRs=7 \n"

static const struct {
    const char *before, *after; /* after NULL: the same, since it is listed */
} edits[] = {
    {HEAD, HEAD "\n[TEE]\nMeasurements=" C48 "\n"},
    {"[Registers]\nPCRs=7", "[Registers]\nPCRs=7\n\n[TEE]\nMeasurements=" C48 "\n"},
    {HEAD "[TEE]\n# why\nTypes=snp\n", HEAD "[TEE]\nMeasurements=" C48 "\n# why\nTypes=snp\n"},
    {HEAD "[TEE] \nTypes=snp", HEAD "[TEE]\nMeasurements=" C48 "\nTypes=snp"},
    {HEAD "[TEE]\nMeasurements=" A48 "\n# end\n",
     HEAD "[TEE]\nMeasurements=" A48 " " C48 "\n# end\n"},
    {HEAD "[TEE]\n Measurements = " A48 "  " B48_UPPER " \t\nTypes=snp\n",
     HEAD "[TEE]\n Measurements = " A48 "  " B48_UPPER " " C48 "\nTypes=snp\n"},
    /* A comment is no list, nor is what looks like one elsewhere. */
    {HEAD "[TEE]\n#Measurements=" C48 "\nTypes=snp\n",
     HEAD "[TEE]\nMeasurements=" C48 "\n#Measurements=" C48 "\nTypes=snp\n"},
    {HEAD "[TEE]\nTypes=snp\n[SNP]\n#[TEE]\nIDKeyDigests=" C48 "\n",
     HEAD "[TEE]\nMeasurements=" C48 "\nTypes=snp\n[SNP]\n#[TEE]\nIDKeyDigests=" C48 "\n"},
    {HEAD "[TEE]\nMeasurements=" A48 " " C48 "\n", NULL},
    {HEAD "[TEE]\nMeasurements=" X8("CCCCCCCCCCCC") " " A48 "\n", NULL},
};

static void
test_add(void)
{
    for (gsize i = 0; i < G_N_ELEMENTS(edits); i++) {
        const char *wanted = edits[i].after ? edits[i].after : edits[i].before;
        g_autoptr(CvsProfile) before = parse(edits[i].before);
        gboolean added = FALSE, again = TRUE;
        g_autofree char *text = cvs_profile_add_measurement(edits[i].before, C48, &added);
        g_autofree char *same = cvs_profile_add_measurement(text, C48, &again);
        g_autoptr(CvsProfile) after = parse(text);
        GStrv list = after->tee.rules[CVS_TEE_MEASUREMENTS].list;
        GStrv former = before->tee.rules[CVS_TEE_MEASUREMENTS].list;

        g_assert_cmpstr(text, ==, wanted);
        g_assert_cmpint(added, ==, edits[i].after != NULL);
        g_assert_false(again);
        g_assert_cmpstr(text, ==, same);
        g_assert_true(g_strv_contains((const char *const *)list, C48));
        for (guint j = 0; former && former[j]; j++)
            g_assert_true(g_strv_contains((const char *const *)list, former[j]));
        g_assert_cmpuint(g_strv_length(list), ==,
                         (former ? g_strv_length(former) : 0) + (added ? 1 : 0));
    }
}

/* Every form that a value can have. */
#define ALL                                                                                        \
    "[Profile]\nDescription=a\\\\b c\n[Registers]\nPCRs=0+2+7\nPCRBank=sha384\nRequirePCRs=2\n"    \
    "RTMRs=0+1\nClaims=measurement tcb\nAllowUnmeasured=yes\n[Secrets]\nPIN=required\n"            \
    "PINMinimumLength=8\nRecoveryKey=forbidden\nDerivedKey=required\n[TEE]\nTypes=snp tdx "        \
    "none\nMeasurements=" A48 " " B48                                                              \
    "\nAllowDebug=yes\nAllowSMT=no\n[SNP]\nMinimumTCB.Milan=bootloader:4 microcode:213\n"          \
    "MinimumTCB.Turin=fmc:1 snp:5\nMinimumFirmware=1.55.29\nMinimumGuestSVN=2\nVMPL=0 1\n"         \
    "RequireMitigations=0x3f\nRequirePolicy=single-socket\n[TDX]\nMinimumTCBDate=2025-01-31\n"     \
    "AllowXFAM=0xffffffffffffffff\nServiceTDs=any\nTCBStatus=UpToDate OutOfDate\n[Collateral]\n"   \
    "CRL=required\nCollateralGrace=36h\nCollateralMaximumAge=60d\n[vTPM]\nKinds=svsm host\n"       \
    "AllowAssertedAK=yes\nMaxAge=90min\n"

static void
assert_same(const CvsProfile *a, const CvsProfile *b)
{
    g_assert_cmpstr(a->description, ==, b->description);
    g_assert_cmpuint(a->pcrs, ==, b->pcrs);
    g_assert_cmpint(a->bank, ==, b->bank);
    g_assert_cmpuint(a->required_pcrs, ==, b->required_pcrs);
    g_assert_cmpuint(a->rtmrs, ==, b->rtmrs);
    g_assert_cmpint(a->claims != NULL, ==, b->claims != NULL);
    if (a->claims)
        g_assert_cmpstrv(a->claims, b->claims);
    g_assert_cmpint(a->allow_unmeasured, ==, b->allow_unmeasured);
    g_assert_cmpint(a->pin, ==, b->pin);
    g_assert_cmpuint(a->pin_min_length, ==, b->pin_min_length);
    g_assert_cmpint(a->recovery, ==, b->recovery);
    g_assert_cmpint(a->derived_key, ==, b->derived_key);
    g_assert_cmpint(a->tee.present, ==, b->tee.present);
    for (guint i = 0; i < CVS_TEE_N_KEYS; i++) {
        const CvsTeeRule *left = &a->tee.rules[i], *right = &b->tee.rules[i];

        g_assert_cmpint(left->given, ==, right->given);
        g_assert_cmpuint(left->number, ==, right->number);
        g_assert_cmpmem(left->levels, sizeof left->levels, right->levels, sizeof right->levels);
        g_assert_cmpint(left->list != NULL, ==, right->list != NULL);
        if (left->list)
            g_assert_cmpstrv(left->list, right->list);
    }
}

static void
test_format(void)
{
    static const char *const texts[] = {ALL,
                                        "[Registers]\nPCRs=7\n",
                                        "[Registers]\nPCRs=7\n[TEE]\n",
                                        "[Registers]\nPCRs=7\n[Collateral]\n",
                                        "[Registers]\nPCRs=7\n[vTPM]\nMaxAge=0\n",
                                        "[TEE]\n"};

    for (gsize i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autoptr(CvsProfile) profile = parse(texts[i]);
        g_autofree char *text = cvs_profile_format(profile);
        g_autoptr(CvsProfile) again = parse(text);

        assert_same(profile, again);
    }
}

/* What is said to hold by default does. */
static void
test_defaults(void)
{
    g_autoptr(CvsProfile) nothing = parse("[Registers]\nPCRs=7\n[TEE]\n");
    g_autoptr(json_t) defaults = NULL;
    g_autoptr(json_t) groups = cvs_profile_to_json(nothing, &defaults);
    g_autofree char *text = cvs_profile_format(nothing);
    g_auto(GStrv) parts = NULL;
    g_autofree char *said = NULL;
    g_autoptr(CvsProfile) profile = NULL;

    g_assert_cmpuint(json_array_size(defaults), ==, 10);
    g_assert_nonnull(strstr(text, "\n#AllowDebug=no\n"));
    g_assert_nonnull(strstr(text, "\n#[vTPM]\n#Kinds=svsm azure vtpm-td\n"));
    g_assert_cmpstr(json_string_value(json_object_get(json_object_get(groups, "TEE"), "Types")), ==,
                    "snp tdx");
    parts = g_strsplit(text, "\n#", -1);
    said = g_strjoinv("\n", parts);
    profile = parse(said);
    g_assert_cmpint(cvs_tee_rules_grace(&profile->tee), ==, cvs_tee_rules_grace(&nothing->tee));
    for (guint i = 0; i < 3; i++) {
        const char *type = (const char *const[]){"snp", "tdx", "none"}[i];

        g_assert_cmpint(cvs_tee_rules_take_type(&profile->tee, type), ==,
                        cvs_tee_rules_take_type(&nothing->tee, type));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/policy/profile-edit/add", test_add);
    g_test_add_func("/policy/profile-edit/format", test_format);
    g_test_add_func("/policy/profile-edit/defaults", test_defaults);
    return g_test_run();
}
