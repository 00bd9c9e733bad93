/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "base/error.h"
#include "base/json.h"

#include <string.h>

/* What is read gives a canonical text that is read as the same value and says of itself that it is
 * canonical. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(json_t) json = cvs_json_parse(data, size, "fuzz", &error);
    g_autoptr(json_t) again = NULL;
    g_autofree char *text = NULL;

    g_assert_true((json == NULL) == (error != NULL));
    if (json == NULL)
        return 0;
    text = cvs_json_canonical(json);
    again = cvs_json_parse(text, strlen(text), "fuzz", NULL);
    g_assert_nonnull(again);
    g_assert_true(json_equal(json, again));
    g_assert_true(cvs_json_is_canonical(json, text, strlen(text)));
    return 0;
}
