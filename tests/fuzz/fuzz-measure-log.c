/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "base/json.h"
#include "tee/measure-log.h"

/* The logs of running programs, and the trails that are kept beside a key. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(GPtrArray) records = cvs_measure_log_parse(data, size, "log", NULL);
    g_autoptr(json_t) json = cvs_json_parse(data, size, "trail", NULL);
    g_autoptr(CvsTrail) kept = json ? cvs_trail_from_json(json, NULL) : NULL;
    g_autoptr(CvsTrail) trail = cvs_trail_new(FALSE, CVS_SHA256, 11, 0);
    const guint8 zero[CVS_DIGEST_MAX] = {0};

    if (records && cvs_measure_log_add(records, trail, zero)) {
        g_autoptr(json_t) formatted = cvs_trail_to_json(trail, CVS_TRAIL_TEXT_MAX);
        g_autoptr(CvsTrail) back = cvs_trail_from_json(formatted, NULL);

        g_assert_nonnull(back);
        g_assert_cmpint(cvs_trail_compare(trail, back).change, ==, CVS_TRAIL_SAME);
        (void)cvs_trail_fit(trail, zero);
    }
    if (kept)
        g_assert_cmpint(cvs_trail_compare(kept, kept).change, ==, CVS_TRAIL_SAME);
    return 0;
}
