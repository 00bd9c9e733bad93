/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"
#include "base/error.h"
#include "tee/tdx-claims.h"
#include "vault/slot-conditions.h"

#include <string.h>

#define HEX_16 "0123456789abcdef"
#define RTMR HEX_16 HEX_16 HEX_16 HEX_16 HEX_16 HEX_16
#define TEXT_64 RTMR "0123456789abcdef0123456789abcdef"

static gboolean
parse(const char *text, CvsSlotConditions *conditions, GError **error)
{
    g_autoptr(json_t) json = json_loads(text, 0, NULL);

    g_assert_nonnull(json);
    return cvs_slot_conditions_parse(json, conditions, error);
}

/* What is read is written again, byte for byte. */
static void
test_round_trip(void)
{
    static const char *const texts[] = {
        "{}",
        "{\"claims\":{\"tee.type\":\"snp\"}}",
        "{\"claims\":{\"tee.guest_svn\":0,\"tee.measurement\":\"00ff\",\"tee.policy\":\"0x30000\","
        "\"tee.policy.debug\":false,\"vtpm.kind\":\"svsm\"}}",
        "{\"floors\":{\"tee.tcb.reported.snp\":0}}",
        "{\"floors\":{\"tee.tcb.date\":1700000000,\"tee.tcb.evaluation\":17}}",
        "{\"rtmrs\":{\"0\":\"" RTMR "\"}}",
        "{\"claims\":{\"tee.type\":\"tdx\"},\"floors\":{\"tee.tcb.evaluation\":1},"
        "\"rtmrs\":{\"1\":\"" RTMR "\",\"3\":\"" RTMR "\"}}",
    };

    static const char *const all_names[] = {
        "",
        "tee.type",
        "tee.guest_svn tee.measurement tee.policy tee.policy.debug vtpm.kind",
        "tee.tcb.reported.snp",
        "tee.tcb.date tee.tcb.evaluation",
        "",
        "tee.tcb.evaluation tee.type",
    };

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_auto(CvsSlotConditions) conditions = {0};
        g_autoptr(GError) error = NULL;
        g_autoptr(json_t) json = NULL;
        g_autofree char *again = NULL;
        g_autofree char *names = NULL;

        (void)parse(texts[i], &conditions, &error);
        g_assert_no_error(error);
        json = cvs_slot_conditions_to_json(&conditions);
        again = cvs_json_canonical(json);
        g_assert_cmpstr(again, ==, texts[i]);
        g_assert_cmpint(cvs_slot_conditions_is_empty(&conditions), ==, i == 0);
        names = cvs_slot_conditions_names(&conditions);
        g_assert_cmpstr(names, ==, all_names[i]);
    }
}

/* Whatever is not understood is refused, and the message names it. */
static void
test_refused(void)
{
    static const struct {
        const char *text;
        const char *message;
    } cases[] = {
        {"{\"more\":{}}", "\"more\""},
        {"{\"tee.type\":\"snp\"}", "\"tee.type\""},
        {"{\"claims\":{}}", "\"claims\" is empty"},
        {"{\"claims\":[]}", "\"claims\""},
        {"{\"claims\":null}", "\"claims\""},
        {"{\"claims\":{\"tee.new\":1}}", "\"tee.new\""},
        {"{\"claims\":{\"tee\":\"snp\"}}", "\"tee\""},
        {"{\"claims\":{\"tee.report_id\":\"00\"}}", "\"tee.report_id\""},
        {"{\"claims\":{\"tee.tcb.reported.snp\":1}}", "\"tee.tcb.reported.snp\""},
        {"{\"claims\":{\"tee.type\":1}}", "\"tee.type\""},
        {"{\"claims\":{\"tee.type\":null}}", "\"tee.type\""},
        {"{\"claims\":{\"tee.measurement\":\"0F\"}}", "\"tee.measurement\""},
        {"{\"claims\":{\"tee.measurement\":\"00f\"}}", "\"tee.measurement\""},
        {"{\"claims\":{\"tee.guest_svn\":\"1\"}}", "\"tee.guest_svn\""},
        {"{\"claims\":{\"tee.guest_svn\":1.0}}", "\"tee.guest_svn\""},
        {"{\"claims\":{\"tee.policy\":\"0x01\"}}", "\"tee.policy\""},
        {"{\"claims\":{\"tee.policy.debug\":\"false\"}}", "\"tee.policy.debug\""},
        {"{\"claims\":{\"tee.type\":\"" TEXT_64 "x\"}}", "\"tee.type\""},
        {"{\"floors\":{}}", "\"floors\" is empty"},
        {"{\"floors\":{\"tee.measurement\":1}}", "\"tee.measurement\""},
        {"{\"floors\":{\"tee.tcb.reported.snp\":\"1\"}}", "\"tee.tcb.reported.snp\""},
        {"{\"floors\":{\"tee.tcb.reported.snp\":-1}}", "\"tee.tcb.reported.snp\""},
        {"{\"floors\":{\"tee.tcb.reported.snp\":1.5}}", "\"tee.tcb.reported.snp\""},
        {"{\"rtmrs\":{}}", "\"rtmrs\" is empty"},
        {"{\"rtmrs\":{\"4\":\"" RTMR "\"}}", "\"4\""},
        {"{\"rtmrs\":{\"00\":\"" RTMR "\"}}", "\"00\""},
        {"{\"rtmrs\":{\"\":\"" RTMR "\"}}", "\"\""},
        {"{\"rtmrs\":{\"/\":\"" RTMR "\"}}", "\"/\""},
        {"{\"rtmrs\":{\"0\":\"" RTMR "00\"}}", "\"0\""},
        {"{\"rtmrs\":{\"0\":\"\"}}", "\"0\""},
        {"{\"rtmrs\":{\"0\":0}}", "\"0\""},
        {"{\"rtmrs\":{\"0\":\"A123456789abcdef" HEX_16 HEX_16 HEX_16 HEX_16 HEX_16 "\"}}", "\"0\""},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_auto(CvsSlotConditions) conditions = {0};
        g_autoptr(GError) error = NULL;

        if (parse(cases[i].text, &conditions, &error))
            g_error("%s was read", cases[i].text);
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
        if (strstr(error->message, cases[i].message) == NULL)
            g_error("%s: \"%s\" does not say %s", cases[i].text, error->message, cases[i].message);
        g_assert_true(cvs_slot_conditions_is_empty(&conditions));
    }
}

/* A name that claims.h does not have, or has with another type, could never be fulfilled. */
static void
test_names_are_claims(void)
{
    static const struct {
        const char *name;
        CvsClaimType type;
    } all[] = {
#define X(name, type, text) {name, CVS_CLAIM_##type},
        CVS_CLAIMS_COMMON(X) CVS_CLAIMS_SNP(X) CVS_CLAIMS_TDX(X)
#undef X
    };
    static const char *const values[] = {
        [CVS_CLAIM_BOOL] = "true",    [CVS_CLAIM_INT] = "1",        [CVS_CLAIM_STRING] = "\"x\"",
        [CVS_CLAIM_HEX] = "\"00ff\"", [CVS_CLAIM_MASK] = "\"0x1\"", [CVS_CLAIM_TIME] = "1",
    };
    guint claims = 0, floors = 0;
    CvsClaimType type;

    for (guint i = 0; i < G_N_ELEMENTS(all); i++) {
        g_autoptr(json_t) present = json_object();
        g_auto(CvsSlotConditions) conditions = {0};

        (void)json_object_set_new(present, all[i].name,
                                  json_loads(values[all[i].type], JSON_DECODE_ANY, NULL));
        g_assert_cmpint(cvs_slot_conditions_pin(&conditions, all[i].name, present), ==,
                        cvs_pinnable_get_type(all[i].name, &type));
        g_assert_cmpint(cvs_slot_conditions_raise(&conditions, all[i].name, present), ==,
                        cvs_pinnable_is_floor(all[i].name));
        claims += conditions.claims != NULL;
        floors += conditions.floors != NULL;
    }
    g_assert_true(cvs_pinnable_get_type("vtpm.kind", &type));
    g_assert_cmpuint(claims, ==, 26);
    g_assert_cmpuint(floors, ==, 10);
}

static void
test_pin(void)
{
    g_autoptr(json_t) claims =
        json_pack("{s:s, s:i, s:i, s:n}", "tee.measurement", "ab", "tee.guest_svn", 3,
                  "tee.tcb.reported.snp", 9, "tee.host_data");
    g_autofree char *long_text = g_strnfill(CVS_SLOT_CLAIM_TEXT_MAX + 1, 'x');
    g_auto(CvsSlotConditions) conditions = {0};
    g_autoptr(json_t) json = NULL;
    g_autofree char *text = NULL;

    (void)json_object_set_new(claims, "tee.csp_id", json_string(long_text));
    g_assert_true(cvs_slot_conditions_pin(&conditions, "tee.measurement", claims));
    g_assert_false(cvs_slot_conditions_pin(&conditions, "tee.host_data", claims));
    g_assert_false(cvs_slot_conditions_pin(&conditions, "tee.type", claims));
    g_assert_false(cvs_slot_conditions_pin(&conditions, "tee.csp_id", claims));
    g_assert_false(cvs_slot_conditions_pin(&conditions, "tee.tcb.reported.snp", claims));
    g_assert_false(cvs_slot_conditions_raise(&conditions, "tee.tcb.reported.tee", claims));
    g_assert_true(cvs_slot_conditions_raise(&conditions, "tee.tcb.reported.snp", claims));
    (void)json_object_set_new(claims, "tee.tcb.reported.snp", json_integer(7));
    g_assert_true(cvs_slot_conditions_raise(&conditions, "tee.tcb.reported.snp", claims));
    json = cvs_slot_conditions_to_json(&conditions);
    text = cvs_json_canonical(json);
    g_assert_cmpstr(text, ==,
                    "{\"claims\":{\"tee.measurement\":\"ab\"},"
                    "\"floors\":{\"tee.tcb.reported.snp\":9}}");
}

static void
test_equal(void)
{
    static const char *const texts[] = {
        "{}",
        "{\"claims\":{\"tee.type\":\"snp\"}}",
        "{\"claims\":{\"tee.type\":\"tdx\"}}",
        "{\"floors\":{\"tee.tcb.evaluation\":1}}",
        "{\"rtmrs\":{\"0\":\"" RTMR "\"}}",
        "{\"rtmrs\":{\"1\":\"" RTMR "\"}}",
    };

    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        for (guint j = 0; j < G_N_ELEMENTS(texts); j++) {
            g_auto(CvsSlotConditions) a = {0};
            g_auto(CvsSlotConditions) b = {0};

            g_assert_true(parse(texts[i], &a, NULL));
            g_assert_true(parse(texts[j], &b, NULL));
            g_assert_cmpint(cvs_slot_conditions_equal(&a, &b), ==, i == j);
        }
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vault/slot-conditions/round-trip", test_round_trip);
    g_test_add_func("/vault/slot-conditions/refused", test_refused);
    g_test_add_func("/vault/slot-conditions/names-are-claims", test_names_are_claims);
    g_test_add_func("/vault/slot-conditions/pin", test_pin);
    g_test_add_func("/vault/slot-conditions/equal", test_equal);
    return g_test_run();
}
