/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which TCB level a platform, its TDX module and its quoting enclave have, and the one status that
 * follows from the three. As Intel's quote verification library does it (Verifiers/Checks), so that
 * nobody is told another status here than there. */

#include "tee/td-body.h"
#include "tee/tdx-collateral.h"
#include "tee/tdx-pck.h"
#include "tee/tdx-quote.h"

typedef struct {
    CvsTcbStatus status;   /* converged; NOT_SUPPORTED where any part has no level */
    CvsTcbStatus sgx;      /* of the first level that the PCK reaches */
    CvsTcbStatus platform; /* of the level that PCK and TEE_TCB_SVN reach */
    CvsTcbStatus module;   /* UP_TO_DATE where the platform's level judges it (version 0) */
    CvsTcbStatus qe;
    gint64 date;      /* the oldest tcbDate of the levels that were matched; 0 without any */
    char *advisories; /* of those levels, each once, separated by commas */
} CvsTdxTcb;

void cvs_tdx_tcb_clear(CvsTdxTcb *tcb);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(CvsTdxTcb, cvs_tdx_tcb_clear)

/* Adds to the refusal:
 *   TdxModuleUnknown     no identity for the module's version
 *   TdxModuleMismatch    the module's signer or attributes are not those of its identity
 *   TcbNotSupported      the PCK's SVNs, TEE_TCB_SVN, the module or the enclave are below every
 * level TcbRevoked           any of the levels is revoked QeIdentityMismatch   the enclave's
 * signer, product, MISCSELECT or attributes differ Every other status is a result and no refusal:
 * it is the profile's to judge. The ids of both documents must have been checked. identity may be
 * NULL: then qe and status stay NOT_SUPPORTED. */
void cvs_tdx_tcb_evaluate(const CvsTcbInfo *info, const CvsQeIdentity *identity, const CvsPck *pck,
                          const CvsTdBody *body, const CvsQeReport *qe, CvsTdxTcb *ret_tcb,
                          GError *refusal);
