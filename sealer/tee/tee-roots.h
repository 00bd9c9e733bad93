/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The vendors' roots that this machine's own reports are verified with. */

#include "base/daemon-config.h"
#include "tee/snp-roots.h"
#include "tee/tdx-roots.h"

/* The pinned ones, and with TestRoots= those of that folder (test-roots.h), which must be one that
 * only root can write to: whoever can put a root there says what a TEE is. Errors of that, with
 * "TestRoots=" before them. References are given. */
gboolean cvs_tee_roots_new(const CvsConfig *config, CvsSnpRoots **ret_snp, CvsTdxRoots **ret_tdx,
                           GError **error);
