/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The attester of this machine for commands that ask TEE and TPM themselves: by the daemon's
 * configuration, and the options --config, --tcti, --store and --roots. */

#include "attest/attester.h"
#include "ctl/cli.h"

typedef struct {
    CvsConfig *config;
    CvsTeePaths *paths;
    CvsTeeSource *source;
    CvsSnpRoots *snp_roots;
    CvsTdxRoots *tdx_roots;
    CvsTpm *tpm;
    CvsAttester *attester;
} CvsLocalAttester;

/* store_dir, roots_dir: of the options, or NULL. Says on stderr if test roots are taken. */
CvsLocalAttester *cvs_local_attester_new(const CvsCli *cli, const char *store_dir,
                                         const char *roots_dir, GError **error);
void cvs_local_attester_free(CvsLocalAttester *local);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsLocalAttester, cvs_local_attester_free)
