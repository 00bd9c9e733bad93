/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl/local-attester.h"
#include "base/daemon-config.h"
#include "ctl/verify-input.h"
#include "ctl/view.h"
#include "tee/tee-roots.h"

void
cvs_local_attester_free(CvsLocalAttester *local)
{
    if (local == NULL)
        return;
    g_clear_pointer(&local->attester, cvs_attester_free);
    g_clear_pointer(&local->tpm, cvs_tpm_free);
    cvs_tee_source_free(local->source);
    g_clear_pointer(&local->snp_roots, cvs_snp_roots_unref);
    g_clear_pointer(&local->tdx_roots, cvs_tdx_roots_unref);
    cvs_tee_paths_free(local->paths);
    cvs_config_free(local->config);
    g_free(local);
}

/* Those of the configuration and of --roots. What goes to stdout is for others, who know their own
 * roots: it is us who have to know. */
static gboolean
take_roots(const CvsCli *cli, CvsLocalAttester *local, const char *roots_dir, GError **error)
{
    g_autoptr(GString) text = g_string_new(NULL);

    if (!cvs_tee_roots_new(local->config, &local->snp_roots, &local->tdx_roots, error) ||
        !cvs_verify_add_roots(roots_dir, local->snp_roots, local->tdx_roots, error))
        return FALSE;
    if (cvs_snp_roots_have_test(local->snp_roots)) {
        cvs_view_append_test_roots(&cli->err, text);
        g_printerr("%s", text->str);
    }
    return TRUE;
}

CvsLocalAttester *
cvs_local_attester_new(const CvsCli *cli, const char *store_dir, const char *roots_dir,
                       GError **error)
{
    g_autoptr(CvsLocalAttester) local = g_new0(CvsLocalAttester, 1);
    CvsAttesterConfig with = {0};

    local->config = cvs_config_load(cli->options.config, error);
    if (local->config == NULL || !take_roots(cli, local, roots_dir, error))
        return NULL;
    local->paths = cvs_tee_paths_new(local->config);
    local->source = cvs_tee_source_new(local->paths, NULL);
    local->tpm = cvs_tpm_new(cli->options.tcti ? cli->options.tcti : local->config->tcti);
    with.tpm = local->tpm;
    with.source = local->source;
    with.collateral_dir = store_dir ? store_dir : local->paths->collateral;
    with.snp_roots = local->snp_roots;
    with.tdx_roots = local->tdx_roots;
    local->attester = cvs_attester_new(&with);
    return g_steal_pointer(&local);
}
