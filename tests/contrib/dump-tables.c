/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Prints the tables of base/error.h, policy/tee-rules.h and the claims, a line each, for the test
 * of the manual pages. */

#include "attest/logs.h"
#include "attest/vtpm-td.h"
#include "attest/vtpm.h"
#include "base/error.h"
#include "policy/tee-rules.h"
#include "tee/claims.h"
#include "tee/hcl-claims.h"
#include "tee/tdx-claims.h"

#include <stdio.h>

int
main(void)
{
#define X(symbol, name, exit, text) (void)printf("error\t%s\t%d\t%s\n", name, exit, text);
    CVS_ERRORS(X)
#undef X
#define X(symbol, code, text) (void)printf("reason\t%s\t%s\n", code, text);
    CVS_REASONS(X)
#undef X
    for (guint i = 0; i < CVS_TEE_N_KEYS; i++)
        (void)printf("key\t%s\t%s\n", cvs_tee_group_name(cvs_tee_key_group((CvsTeeKey)i)),
                     cvs_tee_key_name((CvsTeeKey)i));
#define X(name, type, text) (void)printf("claim\tCOMMON\t%s\t%s\t%s\n", name, #type, text);
    CVS_CLAIMS_COMMON(X)
#undef X
#define X(name, type, text) (void)printf("claim\tSNP\t%s\t%s\t%s\n", name, #type, text);
    CVS_CLAIMS_SNP(X)
#undef X
#define X(name, type, text) (void)printf("claim\tTDX\t%s\t%s\t%s\n", name, #type, text);
    CVS_CLAIMS_TDX(X)
#undef X
#define X(name, type, text) (void)printf("claim\tHCL\t%s\t%s\t%s\n", name, #type, text);
    CVS_CLAIMS_HCL(X)
#undef X
#define X(name, type, text) (void)printf("claim\tVTPM\t%s\t%s\t%s\n", name, #type, text);
    CVS_CLAIMS_VTPM(X)
#undef X
#define X(name, type, text) (void)printf("claim\tVTPM_TD\t%s\t%s\t%s\n", name, #type, text);
    CVS_CLAIMS_VTPM_TD(X)
#undef X
#define X(name, type, text) (void)printf("claim\tLOG\t%s\t%s\t%s\n", name, #type, text);
    CVS_CLAIMS_LOG(X)
#undef X
    return 0;
}
