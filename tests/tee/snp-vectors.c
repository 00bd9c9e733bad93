/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "snp-vectors.h"
#include "tee/snp-report.h"

char *
snp_vectors_path(const char *name)
{
    const char *root = g_getenv("CVS_SOURCE_ROOT");

    return g_build_filename(root ? root : ".", "..", "shared", "vectors", "snp", name, NULL);
}

gboolean
snp_vectors_present(void)
{
    g_autofree char *path = snp_vectors_path("");

    if (g_file_test(path, G_FILE_TEST_IS_DIR))
        return TRUE;
    if (g_strcmp0(g_getenv("CI"), "true") == 0)
        g_test_fail_printf("no captures in %s", path);
    else
        g_test_skip("no captures in ../shared/vectors/snp");
    return FALSE;
}

GBytes *
snp_vector(const char *name)
{
    g_autofree char *path = snp_vectors_path(name);
    g_autoptr(GError) error = NULL;
    char *data = NULL;
    gsize size = 0;

    (void)g_file_get_contents(path, &data, &size, &error);
    g_assert_no_error(error);
    return g_bytes_new_take(data, size);
}

GBytes *
snp_vector_hcl_report(const char *name)
{
    g_autoptr(GBytes) blob = snp_vector(name);

    g_assert_cmpuint(g_bytes_get_size(blob), >=, 0x20 + CVS_SNP_REPORT_SIZE);
    return g_bytes_new_from_bytes(blob, 0x20, CVS_SNP_REPORT_SIZE);
}
