/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* In a build of the daemon for tests, the NV index of a paravisor's report, which is larger than
 * any that swtpm has: what the simulator makes of the user data that are in the TPM now. */

#include "base/error.h"
#include "base/hex.h"
#include "tpm/nv.h"

#include <string.h>

GBytes *__real_cvs_tpm_nv_read(CvsTpm *tpm, guint32 index, GError **error);
GBytes *__wrap_cvs_tpm_nv_read(CvsTpm *tpm, guint32 index, GError **error);

/* Once: the simulator's stale report is the one for the user data before. */
static void
tell_simulator(GBytes *user_data)
{
    static GBytes *told;
    g_autofree char *control = g_build_filename(g_getenv("CVS_TEST_TEE"), "control", NULL);
    g_autofree char *hex =
        cvs_hex_encode(g_bytes_get_data(user_data, NULL), g_bytes_get_size(user_data));
    FILE *file = NULL;

    if (told && g_bytes_equal(told, user_data))
        return;
    g_clear_pointer(&told, g_bytes_unref);
    told = g_bytes_ref(user_data);
    file = fopen(control, "w");
    g_assert_nonnull(file);
    g_assert_cmpint(fprintf(file, "user-data=%s\n", hex), >, 0);
    g_assert_cmpint(fclose(file), ==, 0);
}

GBytes *
__wrap_cvs_tpm_nv_read(CvsTpm *tpm, guint32 index, GError **error)
{
    g_autofree char *path = NULL;
    g_autoptr(GBytes) user_data = NULL;
    char *data = NULL;
    gsize size = 0;

    if (index != CVS_NV_AZURE_REPORT)
        return __real_cvs_tpm_nv_read(tpm, index, error);
    user_data = __real_cvs_tpm_nv_read(tpm, CVS_NV_AZURE_USER_DATA, NULL);
    if (user_data)
        tell_simulator(user_data);
    path = g_build_filename(g_getenv("CVS_TEST_TEE_STATE"), "hcl-report.bin", NULL);
    if (!g_file_get_contents(path, &data, &size, NULL)) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_FAILED, "the simulator has no report");
        return NULL;
    }
    return g_bytes_new_take(data, size);
}
