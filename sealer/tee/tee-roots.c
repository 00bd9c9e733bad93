/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/tee-roots.h"
#include "tee/test-roots.h"

gboolean
cvs_tee_roots_new(const CvsConfig *config, CvsSnpRoots **ret_snp, CvsTdxRoots **ret_tdx,
                  GError **error)
{
    g_autoptr(CvsSnpRoots) snp = cvs_snp_roots_new();
    g_autoptr(CvsTdxRoots) tdx = cvs_tdx_roots_new();
    g_autoptr(GPtrArray) certs = NULL;

    if (config->test_roots) {
        if (cvs_test_roots_check_owners(config->test_roots, error))
            certs = cvs_test_roots_load(config->test_roots, error);
        if (certs == NULL) {
            g_prefix_error(error, "[TEE] TestRoots=: ");
            return FALSE;
        }
        cvs_snp_roots_add_test(snp, certs);
        cvs_tdx_roots_add_test(tdx, certs);
    }
    *ret_snp = g_steal_pointer(&snp);
    *ret_tdx = g_steal_pointer(&tdx);
    return TRUE;
}
