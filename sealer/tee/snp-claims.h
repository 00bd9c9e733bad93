/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Claims of an SEV-SNP report: CVS_CLAIMS_SNP and the common ones that a report has. */

#include "tee/claims.h"
#include "tee/snp-report.h"

/* What the report says by itself: no tee.verified, nothing of certificates. TCBs only where the
 * layout is known: report->layout, or that of the line, which the caller knows from the chain (else
 * LINE_UNKNOWN). A new reference. */
json_t *cvs_snp_claims_new(const CvsSnpReport *report, CvsSnpLine line);
