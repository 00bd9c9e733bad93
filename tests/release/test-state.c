/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* State records as they were written once: read for ever, in each version; and everything else
 * refused, which loses an explanation and no key. */

#include "base/error.h"
#include "base/hex.h"
#include "release/bed.h"
#include "release/state.h"

#include <string.h>

/* What the golden records are of. */
#define PCR_0 "a077c7ffa2b6fc9667b057b22550db4bf0b8659ec10416f32d871599a81b9227"
#define PCR_7 "347fdf29f0c729fb67f12e2d9c9121bd60931b6e3f15c39c7f3fe6855b39f2e1"
#define PCR_14 "62a49eb83b518b7b5146279be0d3214d1d3a579868be4d5144bada296403fd12"
#define RTMR_2                                                                                     \
    "fcfe16df7a62ee3a2656067cfd756440c4c26fffae1aa0466e14b29a0a7ba2c242a32b2519df6d2017986428ede"  \
    "c6319"

static void
put_hex(const char *text, guint8 *ret_bytes)
{
    g_autoptr(GBytes) bytes = cvs_hex_decode(text, -1, NULL);

    g_assert_nonnull(bytes);
    memcpy(ret_bytes, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
}

static void
golden_pcrs(CvsPcrValues *ret_pcrs)
{
    *ret_pcrs = (CvsPcrValues){.selection = {CVS_SHA256, 1u << 0 | 1u << 7 | 1u << 14}};
    put_hex(PCR_0, ret_pcrs->value[0]);
    put_hex(PCR_7, ret_pcrs->value[7]);
    put_hex(PCR_14, ret_pcrs->value[14]);
}

/* The slot that such a record belongs to. */
static CvsTpm2Slot *
golden_slot(void)
{
    CvsTpm2Slot *slot = g_new0(CvsTpm2Slot, 1);
    CvsPcrValues pcrs;
    guint8 digest[32];
    guint8 rtmr[CVS_TD_MR_SIZE];

    golden_pcrs(&pcrs);
    cvs_pcr_values_digest(&pcrs, digest);
    slot->policy = cvs_policy_new();
    cvs_policy_add_pcr(slot->policy, &pcrs.selection, digest);
    put_hex(RTMR_2, rtmr);
    cvs_slot_conditions_set_rtmr(&slot->conditions, 2, rtmr);
    return slot;
}

static char *
read_golden(const char *file)
{
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "release", "golden", file, NULL);
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    (void)g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    return text;
}

static gboolean
load(Bed *bed, const char *text, CvsState *ret_state, GError **error)
{
    g_autoptr(CvsTpm2Slot) slot = golden_slot();
    g_autoptr(CvsKeyFile) key = cvs_store_load(bed->store, &bed->owner, "db", error);
    g_autoptr(CvsKeyLock) lock = cvs_store_lock(bed->store, &bed->owner, "db", FALSE, 1000, error);

    g_assert_nonnull(key);
    g_assert_nonnull(lock);
    slot->state = cvs_store_save_state(bed->store, lock, text, error);
    g_assert_nonnull(slot->state);
    return cvs_state_load(&bed->release, key, slot, ret_state, error);
}

/* As the program writes what it has read. */
static char *
format(const CvsState *state, gboolean with_trails)
{
    g_autoptr(json_t) json = json_pack("{s:i, s:o}", "version", with_trails ? 2 : 1, "registers",
                                       cvs_pcr_values_to_json(&state->pcrs));
    json_t *trails = json_array();

    for (guint i = 0; i < state->trails->len; i++)
        (void)json_array_append_new(
            trails, cvs_trail_to_json(g_ptr_array_index(state->trails, i), CVS_TRAIL_TEXT_MAX));
    if (with_trails)
        (void)json_object_set(json, "trails", trails);
    json_decref(trails);
    return cvs_json_canonical(json);
}

static void
test_golden(void)
{
    static const char *const files[] = {"state-v1.json", "state-v2.json"};
    static const guint events[] = {2, 3, 2};
    g_autoptr(Bed) bed = bed_new();

    bed_seal(bed, "db", NULL);
    for (guint i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *text = read_golden(files[i]);
        g_autofree char *again = NULL;
        g_auto(CvsState) state = {0};
        g_autoptr(GError) error = NULL;
        CvsPcrValues wanted;

        (void)load(bed, text, &state, &error);
        g_assert_no_error(error);
        golden_pcrs(&wanted);
        for (guint pcr = 0; pcr < CVS_PCR_COUNT; pcr++)
            g_assert_cmpmem(state.pcrs.value[pcr], 32, wanted.value[pcr], 32);
        g_assert_cmpuint(state.trails->len, ==, i == 0 ? 0 : 3);
        for (guint n = 0; n < state.trails->len; n++) {
            const CvsTrail *trail = g_ptr_array_index(state.trails, n);

            g_assert_cmpuint(cvs_trail_size(trail), ==, events[n]);
            g_assert_cmpint(trail->rtmr, ==, n == 2);
        }
        again = format(&state, i > 0);
        g_assert_cmpstr(again, ==, text);
    }
}

/* What is written now is of the newest version. */
static void
test_written(void)
{
    g_autofree char *text = NULL;
    g_autofree char *golden = read_golden("state-v2.json");
    g_autoptr(json_t) json = NULL;
    g_autoptr(json_t) wanted = json_loads(golden, 0, NULL);
    CvsPcrValues pcrs;

    golden_pcrs(&pcrs);
    text = cvs_state_record(&pcrs, NULL, NULL);
    json = json_loads(text, 0, NULL);
    (void)json_array_clear(json_object_get(wanted, "trails"));
    g_assert_true(json_equal(json, wanted));
}

/* One member of the record with trails set to what is wrong (JSON text; NULL: it is taken out). */
static const struct {
    const char *member;
    const char *value;
} bad[] = {
    {"version", "0"},
    {"version", "3"},
    {"version", "1"}, /* which has no trails */
    {"version", "\"2\""},
    {"version", NULL},
    {"registers", NULL},
    {"registers", "{}"},
    {"registers", "[]"},
    {"registers", "{\"bank\":\"sha256\",\"pcrs\":{\"0\":\"" PCR_0 "\",\"7\":\"" PCR_7 "\"}}"},
    {"registers", "{\"bank\":\"sha256\",\"pcrs\":{\"0\":\"" PCR_0 "\",\"7\":\"" PCR_7
                  "\",\"14\":\"" PCR_7 "\"}}"},
    {"registers", "{\"bank\":\"sha1\",\"pcrs\":{\"0\":\"" PCR_0 "\"}}"},
    {"trails", NULL},
    {"trails", "{}"},
    {"trails", "[1]"},
    {"trails", "[{}]"},
    {"trails", "[{\"bank\":\"sha256\",\"events\":[],\"pcr\":24}]"},
    {"trails", "[{\"bank\":\"sha256\",\"events\":[],\"rtmr\":0}]"},
    {"trails", "[{\"bank\":\"sha256\",\"events\":[[4,\"AAAA\",\"x\"]],\"pcr\":0}]"},
    {"trails", "[{\"bank\":\"sha256\",\"events\":[[4]],\"pcr\":0}]"},
    {"trails", "[{\"bank\":\"sha256\",\"events\":[],\"pcr\":0,\"more\":1}]"},
    {"more", "1"},
};

static void
test_bad(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autofree char *golden = read_golden("state-v2.json");

    bed_seal(bed, "db", NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(json_t) json = json_loads(golden, 0, NULL);
        g_autofree char *text = NULL;
        g_auto(CvsState) state = {0};
        g_autoptr(GError) error = NULL;

        g_test_message("%s: %s", bad[i].member, bad[i].value ? bad[i].value : "(left out)");
        if (bad[i].value)
            (void)json_object_set_new(json, bad[i].member,
                                      json_loads(bad[i].value, JSON_DECODE_ANY, NULL));
        else
            (void)json_object_del(json, bad[i].member);
        text = cvs_json_canonical(json);
        g_assert_false(load(bed, text, &state, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
        g_assert_null(state.trails);
    }
    for (gsize cut = 0; cut < strlen(golden); cut += 31) {
        g_autofree char *text = g_strndup(golden, cut);
        g_auto(CvsState) state = {0};
        g_autoptr(GError) error = NULL;

        g_assert_false(load(bed, text, &state, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    }
}

/* A trail that does not lead to what the slot was sealed to is left out, and nothing else is. */
static void
test_trail_elsewhere(void)
{
    g_autoptr(Bed) bed = bed_new();
    g_autofree char *golden = read_golden("state-v2.json");
    g_autoptr(json_t) json = json_loads(golden, 0, NULL);
    json_t *trails = json_object_get(json, "trails");
    g_autofree char *text = NULL;
    g_auto(CvsState) state = {0};
    g_autoptr(GError) error = NULL;

    bed_seal(bed, "db", NULL);
    (void)json_array_remove(json_object_get(json_array_get(trails, 1), "events"), 0);
    text = cvs_json_canonical(json);
    (void)load(bed, text, &state, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(state.trails->len, ==, 2);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/release/state/golden", test_golden);
    g_test_add_func("/release/state/written", test_written);
    g_test_add_func("/release/state/bad", test_bad);
    g_test_add_func("/release/state/trail-elsewhere", test_trail_elsewhere);
    return g_test_run();
}
