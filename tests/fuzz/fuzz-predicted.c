/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "fuzz.h"
#include "policy/pinnable.h"
#include "release/predicted.h"

#include <string.h>

/* What is known can be had, and what is not known cannot. */
static void
check_registers(const CvsPredicted *predicted, const CvsPcrValues *bank)
{
    for (guint pcr = 0; pcr < CVS_PCR_COUNT; pcr++) {
        const CvsPcrSelection selection = {bank->selection.bank, 1u << pcr};
        gboolean known = (bank->selection.mask & 1u << pcr) != 0;
        g_autoptr(GError) error = NULL;
        CvsPcrValues values;

        g_assert_cmpint(cvs_predicted_get_pcrs(predicted, &selection, NULL, &values, &error), ==,
                        known);
        if (known)
            g_assert_cmpmem(values.value[pcr], cvs_hash_size(selection.bank), bank->value[pcr],
                            cvs_hash_size(selection.bank));
        else
            g_assert_true(cvs_error_has_reason(error, CVS_REASON_REGISTER_NOT_PREDICTED));
    }
}

/* An event log or values, as a file has them: values that are read are written so that they are
 * read as the same, also as those that a log leads to. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(GBytes) bytes = g_bytes_new(data, size);
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    g_autofree char *same = NULL;
    guint8 rtmrs[CVS_TD_RTMRS][CVS_TD_MR_SIZE] = {0};
    CvsPredicted predicted = {.rtmrs = ~0u};
    CvsPredicted again;

    if (!cvs_predicted_parse(bytes, "fuzz", &predicted, &error)) {
        g_assert_nonnull(error);
        g_assert_cmphex(predicted.rtmrs, ==, ~0u);
        return 0;
    }
    g_assert_no_error(error);
    g_assert_false(predicted.keep_others);
    g_assert_cmpint(predicted.sha256.selection.bank, ==, CVS_SHA256);
    g_assert_cmpint(predicted.sha384.selection.bank, ==, CVS_SHA384);
    g_assert_cmphex(
        predicted.sha256.selection.mask | predicted.sha384.selection.mask | predicted.rtmrs, !=, 0);
    g_assert_cmphex((predicted.sha256.selection.mask | predicted.sha384.selection.mask) &
                        ~CVS_PCR_MASK_ALL,
                    ==, 0);
    g_assert_cmphex(predicted.rtmrs & ~CVS_RTMR_MASK_ALL, ==, 0);
    check_registers(&predicted, &predicted.sha256);
    check_registers(&predicted, &predicted.sha384);
    g_assert_true(cvs_predicted_get_rtmrs(&predicted, predicted.rtmrs, rtmrs, NULL));
    g_assert_cmpint(cvs_predicted_get_rtmrs(&predicted, CVS_RTMR_MASK_ALL, rtmrs, NULL), ==,
                    predicted.rtmrs == CVS_RTMR_MASK_ALL);

    text = cvs_predicted_to_json(&predicted);
    g_assert_true(cvs_predicted_parse_json(text, strlen(text), "fuzz", &again, &error));
    g_assert_no_error(error);
    same = cvs_predicted_to_json(&again);
    g_assert_cmpstr(text, ==, same);
    return 0;
}
