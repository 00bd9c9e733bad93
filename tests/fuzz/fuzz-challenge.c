/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attest/challenge.h"
#include "fuzz.h"

#include <string.h>

/* What is taken is written as it was read, whichever of the two files it is. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(CvsChallenge) challenge = cvs_challenge_parse(data, size, NULL);
    g_autoptr(CvsChallengeRecord) record = cvs_challenge_record_parse(data, size, NULL);

    g_assert_true(challenge == NULL || record == NULL);
    if (challenge) {
        g_autofree char *text = cvs_challenge_format(challenge), *same = NULL;
        g_autoptr(CvsChallenge) again = cvs_challenge_parse(text, strlen(text), NULL);

        g_assert_nonnull(again);
        same = cvs_challenge_format(again);
        g_assert_cmpstr(text, ==, same);
    }
    if (record) {
        g_autofree char *text = cvs_challenge_record_format(record), *same = NULL;
        g_autoptr(CvsChallengeRecord) again = cvs_challenge_record_parse(text, strlen(text), NULL);

        g_assert_nonnull(again);
        same = cvs_challenge_record_format(again);
        g_assert_cmpstr(text, ==, same);
    }
    return 0;
}
