/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "policy/pinnable.h"

static void
test_names(void)
{
    static const struct {
        const char *text;
        const char *names;
    } cases[] = {
        {"measurement", "tee.measurement"},
        {"tee.measurement", "tee.measurement"},
        {"measurement,host_data", "tee.measurement tee.host_data"},
        {"measurement host_data+tcb", "tee.measurement tee.host_data tcb"},
        {" measurement,, tcb ", "tee.measurement tcb"},
        {"vtpm.kind,policy,policy.debug", "vtpm.kind tee.policy tee.policy.debug"},
        {"guest_svn,tcb.reported.snp", "tee.guest_svn tee.tcb.reported.snp"},
    };
    static const char *const wrong[] = {
        "",
        ",",
        "rtmr0",
        "report_id",
        "report_data",
        "Measurement",
        "kind",
        "tee.tee.measurement",
        "debug",
        "measurement,tee.measurement",
        "tcb,tcb",
        "tee.tcb",
        "measurement;tcb",
        "tee.",
        "verified",
    };

    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_auto(GStrv) names = cvs_pinnable_parse(cases[i].text, &error);
        g_autofree char *joined = NULL;

        g_assert_no_error(error);
        joined = g_strjoinv(" ", names);
        g_assert_cmpstr(joined, ==, cases[i].names);
    }
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;
        g_auto(GStrv) names = cvs_pinnable_parse(wrong[i], &error);

        if (names)
            g_error("\"%s\" was read", wrong[i]);
        g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
    }
}

static void
test_rtmr_mask(void)
{
    static const char *const wrong[] = {"",    "4",  "0+",    "+0",  "0++1", "0 1",
                                        "0+0", "00", "0+1+4", "all", "-1",   "1-2"};
    guint32 mask = 0;
    g_autoptr(GError) error = NULL;

    g_assert_true(cvs_rtmr_mask_parse("0+1+2", &mask, &error));
    g_assert_cmphex(mask, ==, 7);
    g_assert_true(cvs_rtmr_mask_parse("3", &mask, &error));
    g_assert_cmphex(mask, ==, 8);
    g_assert_true(cvs_rtmr_mask_parse("3,0+1,2", &mask, &error));
    g_assert_cmphex(mask, ==, CVS_RTMR_MASK_ALL);
    for (guint i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) local = NULL;

        if (cvs_rtmr_mask_parse(wrong[i], &mask, &local))
            g_error("\"%s\" was read", wrong[i]);
        g_assert_error(local, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
    }
    g_assert_cmphex(mask, ==, CVS_RTMR_MASK_ALL);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/policy/pinnable/names", test_names);
    g_test_add_func("/policy/pinnable/rtmr-mask", test_rtmr_mask);
    return g_test_run();
}
