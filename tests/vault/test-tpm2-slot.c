/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"
#include "base/error.h"
#include "vault/tpm2-slot-scan.h"

#include <string.h>

#define HEX_96                                                                                     \
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789ab" \
    "cd"                                                                                           \
    "ef"

/* What the reader refuses is in the golden files; here is what a slot says and how large it gets.
 */

static void
assert_equal(GBytes *a, GBytes *b)
{
    g_assert_cmpmem(g_bytes_get_data(a, NULL), g_bytes_get_size(a), g_bytes_get_data(b, NULL),
                    g_bytes_get_size(b));
}

static void
test_round_trip(void)
{
    for (guint with_state = 0; with_state < 2; with_state++) {
        g_auto(CvsTpm2Slot) slot = {0};
        g_autoptr(CvsTpm2Slot) read = NULL;
        g_autoptr(GBytes) json = NULL;
        g_autoptr(GBytes) again = NULL;
        g_autoptr(GError) error = NULL;
        guint8 wanted[32], found[32];

        fixture_slot(5, &slot);
        slot.generation = G_MAXINT32;
        cvs_policy_add_auth_value(slot.policy);
        if (with_state)
            slot.state = g_bytes_new("0123456789abcdef0123456789abcdef", 32);
        slot.predicted = with_state != 0;
        json = cvs_tpm2_slot_format(&slot, &error);
        g_assert_no_error(error);
        read = cvs_tpm2_slot_parse(json, &error);
        g_assert_no_error(error);
        assert_equal(read->object.srk_name, slot.object.srk_name);
        assert_equal(read->object.public_area, slot.object.public_area);
        assert_equal(read->object.private_area, slot.object.private_area);
        g_assert_cmpuint(read->generation, ==, G_MAXINT32);
        g_assert_cmpstr(read->profile, ==, "default");
        g_assert_cmpint(read->factors, ==, CVS_FACTOR_TPM2);
        g_assert_cmpint(read->state != NULL, ==, with_state);
        g_assert_cmpint(read->predicted, ==, with_state);
        if (with_state)
            assert_equal(read->state, slot.state);
        g_assert_true(cvs_policy_needs_pin(read->policy));
        cvs_policy_calculate(slot.policy, wanted);
        cvs_policy_calculate(read->policy, found);
        g_assert_cmpmem(found, sizeof found, wanted, sizeof wanted);
        again = cvs_tpm2_slot_format(read, &error);
        assert_equal(again, json);
    }
}

/* A slot of just the limit is written and read; with one byte more it is neither. */
static void
test_size(void)
{
    g_autofree guint8 *bytes = g_malloc0(CVS_SLOT_MAX);
    gboolean last_fits = TRUE;
    gsize largest = 0;

    for (gsize size = 900; size < 1300; size++) {
        g_auto(CvsTpm2Slot) slot = {0};
        g_autoptr(GBytes) json = NULL;
        g_autoptr(CvsTpm2Slot) read = NULL;
        g_autoptr(GError) error = NULL;

        fixture_slot(1, &slot);
        g_clear_pointer(&slot.object.private_area, g_bytes_unref);
        slot.object.private_area = g_bytes_new(bytes, size);
        json = cvs_tpm2_slot_format(&slot, &error);
        if (json == NULL) {
            g_assert_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE);
            last_fits = FALSE;
            continue;
        }
        g_assert_true(last_fits);
        largest = g_bytes_get_size(json);
        g_assert_cmpuint(largest, <=, CVS_SLOT_MAX);
        read = cvs_tpm2_slot_parse(json, &error);
        g_assert_no_error(error);
    }
    g_assert_false(last_fits);
    g_assert_cmpuint(largest, >, CVS_SLOT_MAX - 4);
}

/* All that can be a condition at once is more than a slot holds: it is refused at sealing. What a
 * TD of real life pins fits. */
static void
test_size_of_conditions(void)
{
    static const char measurement[] = "\"" HEX_96 "\"";
    g_auto(CvsTpm2Slot) slot = {0};
    g_autoptr(GBytes) json = NULL;
    g_autoptr(CvsTpm2Slot) read = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *conditions = g_strdup_printf(
        "{\"claims\":{\"tee.measurement\":%s,\"tee.mr_config_id\":%s,\"tee.policy.debug\":false,"
        "\"tee.type\":\"tdx\",\"vtpm.kind\":\"vtpm-td\"},"
        "\"floors\":{\"tee.tcb.date\":1700000000,\"tee.tcb.evaluation\":17},"
        "\"rtmrs\":{\"0\":%s,\"1\":%s,\"2\":%s,\"3\":%s}}",
        measurement, measurement, measurement, measurement, measurement, measurement);
    json_t *more = NULL;

    fixture_slot(1, &slot);
    cvs_policy_add_auth_value(slot.policy);
    slot.state = g_bytes_new("0123456789abcdef0123456789abcdef", 32);
    fixture_set_conditions(&slot, conditions);
    json = cvs_tpm2_slot_format(&slot, &error);
    g_assert_no_error(error);
    read = cvs_tpm2_slot_parse(json, &error);
    g_assert_no_error(error);
    g_assert_true(cvs_slot_conditions_equal(&read->conditions, &slot.conditions));

    more = slot.conditions.claims;
    (void)json_object_set_new(more, "tee.mr_seam", json_string(HEX_96));
    (void)json_object_set_new(more, "tee.mrsigner_seam", json_string(HEX_96));
    (void)json_object_set_new(more, "tee.mr_owner", json_string(HEX_96));
    (void)json_object_set_new(more, "tee.mr_owner_config", json_string(HEX_96));
    (void)json_object_set_new(more, "tee.mr_servicetd", json_string(HEX_96));
    g_assert_null(cvs_tpm2_slot_format(&slot, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE);
}

static void
test_too_large_to_read(void)
{
    g_autofree char *text = g_strnfill(CVS_SLOT_MAX + 1, ' ');
    g_autoptr(GBytes) json = NULL;
    g_autoptr(GError) error = NULL;

    text[0] = '{';
    text[CVS_SLOT_MAX] = '}';
    json = g_bytes_new(text, strlen(text));
    g_assert_null(cvs_tpm2_slot_parse(json, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE);
}

/* A slot that both ways read, or only the long one; never only the short one. Tried on every flip
 * of a bit and every cut of each form that we write. */
static void
test_both_ways(void)
{
    for (guint form = 0; form < 16; form++) {
        g_auto(CvsTpm2Slot) slot = {0};
        g_autoptr(GBytes) json = NULL;
        g_autofree char *text = NULL;
        gsize size = 0;
        guint both = 0;

        fixture_slot(5, &slot);
        slot.generation = form & 1 ? G_MAXINT32 : 1;
        if (form & 2)
            cvs_policy_add_auth_value(slot.policy);
        if (form & 4)
            slot.state = g_bytes_new("0123456789abcdef0123456789abcdef", 32);
        if (form & 8)
            slot.factors |= CVS_FACTOR_STORE_KEY;
        json = cvs_tpm2_slot_format(&slot, NULL);
        text = g_memdup2(g_bytes_get_data(json, &size), g_bytes_get_size(json));
        for (gsize i = 0; i < 8 * size; i++) {
            g_autoptr(CvsTpm2Slot) brief = NULL;
            g_autoptr(CvsTpm2Slot) full = NULL;
            g_autoptr(GBytes) flipped = NULL;
            g_autoptr(GBytes) cut = g_bytes_new(text, i / 8);

            text[i / 8] = (char)(text[i / 8] ^ (1 << i % 8));
            flipped = g_bytes_new(text, size);
            text[i / 8] = (char)(text[i / 8] ^ (1 << i % 8));
            brief = cvs_tpm2_slot_scan(flipped);
            g_assert_null(cvs_tpm2_slot_scan(cut));
            if (brief != NULL) {
                g_autoptr(GBytes) first = cvs_tpm2_slot_format(brief, NULL);
                g_autoptr(GBytes) second = NULL;

                full = cvs_tpm2_slot_parse_json(flipped, NULL);
                g_assert_nonnull(full);
                second = cvs_tpm2_slot_format(full, NULL);
                assert_equal(first, flipped);
                assert_equal(second, flipped);
                both++;
            }
        }
        g_assert_cmpuint(both, >, size);
    }
}

/* Those forms are what the short way is for. */
static void
test_short_way(void)
{
    for (guint form = 0; form < 8; form++) {
        g_auto(CvsTpm2Slot) slot = {0};
        g_autoptr(CvsTpm2Slot) read = NULL;
        g_autoptr(GBytes) json = NULL;
        const CvsPcrSelection selection = {CVS_SHA384, CVS_PCR_MASK_ALL};
        static const guint8 digest[32] = {9};

        fixture_slot(5, &slot);
        if (form & 1) {
            cvs_policy_unref(slot.policy);
            slot.policy = cvs_policy_new();
            cvs_policy_add_pcr(slot.policy, &selection, digest);
        }
        if (form & 2)
            cvs_policy_add_auth_value(slot.policy);
        if (form & 4)
            slot.factors |= CVS_FACTOR_STORE_KEY;
        json = cvs_tpm2_slot_format(&slot, NULL);
        read = cvs_tpm2_slot_scan(json);
        g_assert_nonnull(read);
        g_assert_cmpint(read->factors, ==, slot.factors);
    }
}

/* What no flip of a bit makes: numbers that say the same in another way, and what is one too large.
 */
static void
test_short_way_refuses(void)
{
    static const struct {
        const char *old;
        const char *new;
    } changes[] = {
        {"\"pcrs\":\"0+7\"", "\"pcrs\":\"7+0\""},
        {"\"pcrs\":\"0+7\"", "\"pcrs\":\"7+7\""},
        {"\"pcrs\":\"0+7\"", "\"pcrs\":\"0+07\""},
        {"\"pcrs\":\"0+7\"", "\"pcrs\":\"0+24\""},
        {"\"pcrs\":\"0+7\"", "\"pcrs\":\"0+\""},
        {"\"pcrs\":\"0+7\"", "\"pcrs\":\"\""},
        {"\"generation\":6", "\"generation\":06"},
        {"\"generation\":6", "\"generation\":0"},
        {"\"generation\":6", "\"generation\":2147483648"},
        {"\"generation\":6", "\"generation\":4294967302"},
        {"\"generation\":6", "\"generation\":"},
        {"\"profile\":\"default\"", "\"profile\":\".x\""},
        {"\"profile\":\"default\"", "\"profile\":\"\""},
        {"\"version\":1}", "\"version\":1} "},
    };
    g_auto(CvsTpm2Slot) slot = {0};
    g_autoptr(GBytes) json = NULL;
    g_autofree char *text = NULL;

    fixture_slot(5, &slot);
    json = cvs_tpm2_slot_format(&slot, NULL);
    text = g_strndup(g_bytes_get_data(json, NULL), g_bytes_get_size(json));
    for (guint i = 0; i < G_N_ELEMENTS(changes); i++) {
        g_auto(GStrv) parts = g_strsplit(text, changes[i].old, -1);
        g_autofree char *changed = g_strjoinv(changes[i].new, parts);
        g_autoptr(GBytes) bytes = g_bytes_new(changed, strlen(changed));

        g_assert_cmpuint(g_strv_length(parts), ==, 2);
        g_assert_null(cvs_tpm2_slot_scan(bytes));
        g_assert_null(cvs_tpm2_slot_parse(bytes, NULL));
    }
}

static void
test_clear(void)
{
    CvsTpm2Slot slot = {0};

    cvs_tpm2_slot_clear(&slot);
    fixture_slot(1, &slot);
    slot.state = g_bytes_new("x", 1);
    cvs_tpm2_slot_clear(&slot);
    g_assert_null(slot.policy);
    g_assert_null(slot.profile);
    g_assert_null(slot.state);
    g_assert_cmpuint(slot.generation, ==, 0);
    cvs_tpm2_slot_free(NULL);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vault/tpm2-slot/round-trip", test_round_trip);
    g_test_add_func("/vault/tpm2-slot/size", test_size);
    g_test_add_func("/vault/tpm2-slot/size-of-conditions", test_size_of_conditions);
    g_test_add_func("/vault/tpm2-slot/too-large-to-read", test_too_large_to_read);
    g_test_add_func("/vault/tpm2-slot/both-ways", test_both_ways);
    g_test_add_func("/vault/tpm2-slot/short-way", test_short_way);
    g_test_add_func("/vault/tpm2-slot/short-way-refuses", test_short_way_refuses);
    g_test_add_func("/vault/tpm2-slot/clear", test_clear);
    return g_test_run();
}
