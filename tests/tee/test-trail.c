/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/trail.h"
#include "base/error.h"
#include "base/json.h"
#include "tee/measure-log.h"

#include <string.h>

/* One step a letter, whose digest is full of it. */
static CvsTrail *
trail_of(const char *letters)
{
    CvsTrail *trail = cvs_trail_new(FALSE, CVS_SHA256, 7, 0);

    for (; *letters; letters++) {
        const char text[] = {*letters, '\0'};
        guint8 digest[32];

        memset(digest, *letters, sizeof digest);
        cvs_trail_add(trail, CVS_EV_IPL, digest, text);
    }
    return trail;
}

static void
test_compare(void)
{
    static const struct {
        const char *was;
        const char *is;
        const char *change;
        guint number;
        char was_step; /* 0: none */
        char is_step;
    } cases[] = {
        {"abc", "abc", "same", 3, 0, 0},        {"", "", "same", 0, 0, 0},
        {"abc", "axc", "changed", 1, 'b', 'x'}, {"abc", "xyz", "changed", 0, 'a', 'x'},
        {"abc", "abx", "changed", 2, 'c', 'x'}, {"abc", "abcd", "added", 3, 0, 'd'},
        {"", "a", "added", 0, 0, 'a'},          {"abc", "xabc", "added", 0, 0, 'x'},
        {"abc", "abxc", "added", 2, 0, 'x'},    {"abc", "ab", "removed", 2, 'c', 0},
        {"abc", "", "removed", 0, 'a', 0},      {"abc", "bc", "removed", 0, 'a', 0},
        {"abcd", "abd", "removed", 2, 'c', 0},  {"aab", "ab", "removed", 1, 'a', 0},
        {"ab", "aab", "added", 1, 0, 'a'},      {"abc", "acb", "order", 1, 'b', 'c'},
        {"abcd", "dbca", "order", 0, 'a', 'd'}, {"abcd", "bcda", "order", 0, 'a', 'b'},
        {"aab", "abb", "changed", 1, 'a', 'b'}, {"abcde", "axcdef", "changed", 1, 'b', 'x'},
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(CvsTrail) was = trail_of(cases[i].was);
        g_autoptr(CvsTrail) is = trail_of(cases[i].is);
        CvsTrailDifference found = cvs_trail_compare(was, is);

        g_test_message("%s %s", cases[i].was, cases[i].is);
        g_assert_cmpstr(cvs_trail_change_name(found.change), ==, cases[i].change);
        g_assert_cmpuint(found.number, ==, cases[i].number);
        g_assert_cmpint(found.was ? found.was->text[0] : 0, ==, cases[i].was_step);
        g_assert_cmpint(found.is ? found.is->text[0] : 0, ==, cases[i].is_step);
    }
}

static void
test_locality(void)
{
    g_autoptr(CvsTrail) was = cvs_trail_new(FALSE, CVS_SHA256, 0, 3);
    g_autoptr(CvsTrail) is = cvs_trail_new(FALSE, CVS_SHA256, 0, 0);
    guint8 value[32] = {0};

    g_assert_cmpint(cvs_trail_compare(was, is).change, ==, CVS_TRAIL_START);
    g_assert_cmpint(cvs_trail_fit(was, value), ==, -1);
    g_assert_cmpint(cvs_trail_fit(is, value), ==, 0);
    value[31] = 3;
    g_assert_cmpint(cvs_trail_fit(was, value), ==, 0);
}

static void
test_fit(void)
{
    g_autoptr(CvsTrail) trail = trail_of("abc");
    guint8 value[CVS_DIGEST_MAX] = {0};

    for (guint i = 0; i < 3; i++) {
        g_assert_cmpint(cvs_trail_fit(trail, value), ==, (int)i);
        cvs_register_extend(CVS_SHA256, value, cvs_trail_step(trail, i)->digest);
    }
    g_assert_cmpint(cvs_trail_fit(trail, value), ==, 3);
    cvs_trail_cut(trail, 2);
    g_assert_cmpint(cvs_trail_fit(trail, value), ==, -1);
}

static void
test_json(void)
{
    static const char *const wrong[] = {
        "{}",
        "{\"pcr\":24,\"bank\":\"sha256\",\"events\":[]}",
        "{\"rtmr\":4,\"bank\":\"sha384\",\"events\":[]}",
        "{\"rtmr\":0,\"bank\":\"sha256\",\"events\":[]}",
        "{\"pcr\":0,\"bank\":\"sha1\",\"events\":[]}",
        "{\"pcr\":0,\"bank\":\"md5\",\"events\":[]}",
        "{\"pcr\":1,\"bank\":\"sha256\",\"locality\":3,\"events\":[]}",
        "{\"pcr\":0,\"bank\":\"sha256\",\"locality\":5,\"events\":[]}",
        "{\"pcr\":0,\"bank\":\"sha256\",\"events\":[],\"more\":1}",
        "{\"pcr\":0,\"bank\":\"sha256\",\"events\":[1]}",
        "{\"pcr\":0,\"bank\":\"sha256\",\"events\":[[1,\"AAAA\",\"short\"]]}",
        "{\"pcr\":0,\"bank\":\"sha256\",\"events\":[[-1,\"\",\"\"]]}",
    };
    g_autoptr(CvsTrail) trail = trail_of("ab");
    g_autoptr(CvsTrail) back = NULL;
    g_autoptr(json_t) json = NULL;
    g_autoptr(GError) error = NULL;
    const guint8 digest[32] = {0};

    /* Cut between characters. */
    cvs_trail_add(trail, CVS_EV_MEASURED, digest, "aäöü");
    json = cvs_trail_to_json(trail, 4);
    back = cvs_trail_from_json(json, &error);
    g_assert_no_error(error);
    g_assert_cmpint(cvs_trail_compare(trail, back).change, ==, CVS_TRAIL_SAME);
    g_assert_cmpuint(back->index, ==, 7);
    g_assert_cmpstr(cvs_trail_step(back, 0)->text, ==, "a");
    g_assert_cmpstr(cvs_trail_step(back, 2)->text, ==, "aä");
    g_assert_cmpuint(cvs_trail_step(back, 2)->type, ==, CVS_EV_MEASURED);

    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(json_t) bad = json_loads(wrong[i], 0, NULL);

        g_assert_null(cvs_trail_from_json(bad, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
        g_clear_error(&error);
    }
}

static CvsMeasured
measured(const char *text, guint64 timestamp, const guint8 *before)
{
    CvsMeasured record = {.index = 11, .has = {[CVS_SHA256] = TRUE}, .timestamp = timestamp};

    cvs_hash_bytes(CVS_SHA256, text, strlen(text), record.digest[CVS_SHA256]);
    if (before)
        memcpy(record.before[CVS_SHA256], before, 32);
    return record;
}

/* Records of two files come in the order of their times; one that was not carried out does not
 * count; what was cut short is passed over. */
static void
test_measure_log(void)
{
    const guint8 far[32] = {9};
    CvsMeasured first = measured("one", 10, far);
    CvsMeasured second = measured("two", 20, far);
    CvsMeasured third = measured("three", 30, NULL);
    g_autofree char *one = cvs_measure_log_format(&first, "one", "00");
    g_autofree char *two = cvs_measure_log_format(&second, "two", "00");
    g_autofree char *three = NULL;
    g_autofree char *text = NULL;
    g_autoptr(GPtrArray) records = NULL;
    g_autoptr(CvsTrail) trail = cvs_trail_new(FALSE, CVS_SHA256, 11, 0);
    g_autoptr(CvsTrail) all = cvs_trail_new(FALSE, CVS_SHA256, 11, 0);
    g_autoptr(CvsTrail) other = cvs_trail_new(FALSE, CVS_SHA384, 11, 0);
    g_autoptr(CvsTrail) rtmr = cvs_trail_new(TRUE, CVS_SHA384, 3, 0);
    g_autoptr(GError) error = NULL;
    guint8 value[CVS_DIGEST_MAX] = {0};

    cvs_register_extend(CVS_SHA256, value, first.digest[CVS_SHA256]);
    cvs_register_extend(CVS_SHA256, value, second.digest[CVS_SHA256]);
    memcpy(third.before[CVS_SHA256], value, 32);
    three = cvs_measure_log_format(&third, "three", "00");
    text = g_strdup_printf("%s\x1e{\"nv_index\":1}\n\x1e{\"pcr\":11,%s%s", two, one, three);
    records = cvs_measure_log_parse(text, strlen(text), "log", &error);
    g_assert_no_error(error);
    g_assert_cmpuint(records->len, ==, 3);
    g_assert_cmpuint(((CvsMeasured *)g_ptr_array_index(records, 2))->offset, ==,
                     strlen(text) - strlen(three));

    g_assert_true(cvs_measure_log_add(records, trail, value));
    g_assert_cmpuint(cvs_trail_size(trail), ==, 2);
    g_assert_cmpstr(cvs_trail_step(trail, 0)->text, ==, "one");
    g_assert_cmpint(cvs_trail_fit(trail, value), ==, 2);
    cvs_register_extend(CVS_SHA256, value, third.digest[CVS_SHA256]);
    g_assert_true(cvs_measure_log_add(records, all, value));
    g_assert_cmpint(cvs_trail_fit(all, value), ==, 3);
    /* A bank in which they were not extended cannot be followed; another register has none. */
    g_assert_false(cvs_measure_log_add(records, other, value));
    g_assert_true(cvs_measure_log_add(records, rtmr, value));
    g_assert_cmpuint(cvs_trail_size(rtmr), ==, 0);
}

static void
test_measure_log_malformed(void)
{
    static const char *const wrong[] = {
        "{\"pcr\":11,\"digests\":[]}\n",
        "\x1e[]\n",
        "\x1e{\"pcr\":24,\"digests\":[]}\n",
        "\x1e{\"rtmr\":4,\"digests\":[]}\n",
        "\x1e{\"pcr\":11}\n",
        "\x1e{\"pcr\":11,\"digests\":[1]}\n",
        "\x1e{\"pcr\":11,\"digests\":[{\"hashAlg\":\"sha256\",\"digest\":\"00\"}]}\n",
        "\x1e{\"pcr\":11,\"digests\":[{\"hashAlg\":\"sha256\"}]}\n",
    };
    g_autoptr(GPtrArray) none = cvs_measure_log_parse("", 0, "log", NULL);

    g_assert_cmpuint(none->len, ==, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_null(cvs_measure_log_parse(wrong[i], strlen(wrong[i]), "log", &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
        g_assert_nonnull(strstr(error->message, "log, record 1"));
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tee/trail/compare", test_compare);
    g_test_add_func("/tee/trail/locality", test_locality);
    g_test_add_func("/tee/trail/fit", test_fit);
    g_test_add_func("/tee/trail/json", test_json);
    g_test_add_func("/tee/trail/measure-log", test_measure_log);
    g_test_add_func("/tee/trail/measure-log-malformed", test_measure_log_malformed);
    return g_test_run();
}
