/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "snp-maker.h"
#include "tee/tee-roots.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    CvsConfig *config;
    char *file;
    char *link;
} Bed;

static void
bed_init(Bed *bed)
{
    SnpHierarchy *milan = snp_hierarchy_new(CVS_SNP_LINE_MILAN);
    g_autoptr(GBytes) der = snp_cert_der(milan->ark);

    bed->config = cvs_config_new();
    bed->config->test_roots = g_dir_make_tmp("cvs-roots-XXXXXX", NULL);
    bed->file = g_build_filename(bed->config->test_roots, "ark.der", NULL);
    bed->link = g_strconcat(bed->config->test_roots, "-link", NULL);
    g_assert_true(g_file_set_contents(bed->file, g_bytes_get_data(der, NULL),
                                      (gssize)g_bytes_get_size(der), NULL));
    g_assert_cmpint(g_chmod(bed->file, 0644), ==, 0);
    g_assert_cmpint(g_chmod(bed->config->test_roots, 0755), ==, 0);
    g_assert_cmpint(symlink(bed->config->test_roots, bed->link), ==, 0);
    snp_hierarchy_free(milan);
}

static void
bed_clear(Bed *bed)
{
    (void)g_unlink(bed->file);
    (void)g_unlink(bed->link);
    (void)g_rmdir(bed->config->test_roots);
    cvs_config_free(bed->config);
    g_free(bed->file);
    g_free(bed->link);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Bed, bed_clear)

static void
expect(const Bed *bed, gboolean test_roots)
{
    g_autoptr(CvsSnpRoots) snp = NULL;
    g_autoptr(CvsTdxRoots) tdx = NULL;
    g_autoptr(GError) error = NULL;

    (void)cvs_tee_roots_new(bed->config, &snp, &tdx, &error);
    g_assert_no_error(error);
    g_assert_cmpint(cvs_snp_roots_have_test(snp), ==, test_roots);
    g_assert_cmpint(cvs_tdx_roots_have_test(tdx), ==, test_roots);
    g_assert_cmpuint(cvs_snp_roots_test_certs(snp)->len, ==, test_roots);
}

static void
expect_refused(const Bed *bed, const char *says)
{
    CvsSnpRoots *snp = NULL;
    CvsTdxRoots *tdx = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_false(cvs_tee_roots_new(bed->config, &snp, &tdx, &error));
    g_assert_nonnull(error);
    if (!strstr(error->message, says) || !g_str_has_prefix(error->message, "[TEE] TestRoots="))
        g_error("%s", error->message);
    g_assert_null(snp);
    g_assert_null(tdx);
}

static void
test_taken(void)
{
    g_auto(Bed) bed = {0};

    bed_init(&bed);
    expect(&bed, TRUE);
    g_free(bed.config->test_roots);
    bed.config->test_roots = NULL;
    expect(&bed, FALSE);
    bed.config->test_roots = g_path_get_dirname(bed.file);
}

/* Whoever could write there could say what the TEE is. */
static void
test_refused(void)
{
    g_auto(Bed) bed = {0};
    char *folder = NULL;

    bed_init(&bed);
    folder = bed.config->test_roots;
    for (guint i = 0; i < 2; i++) {
        const char *path = i == 0 ? folder : bed.file;
        const int good = i == 0 ? 0755 : 0644;

        g_assert_cmpint(g_chmod(path, good | 0020), ==, 0);
        expect_refused(&bed, path);
        g_assert_cmpint(g_chmod(path, good | 0002), ==, 0);
        expect_refused(&bed, "others than its owner");
        g_assert_cmpint(g_chmod(path, good), ==, 0);
        if (geteuid() == 0) {
            g_assert_cmpint(chown(path, 1, 0), ==, 0);
            expect_refused(&bed, "belongs to uid 1");
            g_assert_cmpint(chown(path, 0, 0), ==, 0);
        }
        expect(&bed, TRUE);
    }
    bed.config->test_roots = bed.link;
    expect_refused(&bed, "-link");
    g_assert_cmpint(g_unlink(bed.link), ==, 0);
    expect_refused(&bed, "-link");
    bed.config->test_roots = folder;
    g_assert_true(g_file_set_contents(bed.file, "nothing", -1, NULL));
    expect_refused(&bed, "ark.der");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tee/tee-roots/taken", test_taken);
    g_test_add_func("/tee/tee-roots/refused", test_refused);
    return g_test_run();
}
