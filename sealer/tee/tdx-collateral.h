/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Intel's statements about TCB levels: TCB info (version 3) and the identity of the TD quoting
 * enclave (version 2), as the Provisioning Certification Service, version 4, and its caches give
 * them: {"tcbInfo": {…}, "signature": "…"} and {"enclaveIdentity": {…}, "signature": "…"}. The
 * signature, ECDSA P-256 as 128 digits, covers the bytes of the object exactly as they were sent.
 *
 * Parsing judges the form. The signature and the dates are tdx-verify.h's. Members that are not
 * known are left alone: Intel adds to these. */

#include "base/json.h"

#include <glib.h>

#define CVS_COLLATERAL_MAX (1024 * 1024)
#define CVS_TCB_LEVELS_MAX 256
#define CVS_TCB_IDENTITIES_MAX 64
#define CVS_TCB_COMPONENTS 16

typedef enum {
    CVS_TCB_UP_TO_DATE,
    CVS_TCB_SW_HARDENING_NEEDED,
    CVS_TCB_CONFIGURATION_NEEDED,
    CVS_TCB_CONFIGURATION_AND_SW_HARDENING_NEEDED,
    CVS_TCB_OUT_OF_DATE,
    CVS_TCB_OUT_OF_DATE_CONFIGURATION_NEEDED,
    CVS_TCB_REVOKED,
    /* Only as results: current but for the TDX module that made the TD. */
    CVS_TCB_RELAUNCH_ADVISED,
    CVS_TCB_RELAUNCH_ADVISED_CONFIGURATION_NEEDED,
    CVS_TCB_NOT_SUPPORTED, /* below every level */
} CvsTcbStatus;

/* "UpToDate", …, "TDRelaunchAdvised", "TDRelaunchAdvisedConfigurationNeeded", "NotSupported" */
const char *cvs_tcb_status_name(CvsTcbStatus status);

/* What both have. */
typedef struct {
    GBytes *raw;          /* the object as sent, what is signed */
    guint8 signature[64]; /* r, s */
    char *id;             /* "TDX", "TD_QE"; others are of SGX */
    gint64 issue_date;    /* seconds since 1970 */
    gint64 next_update;
    guint32 evaluation; /* tcbEvaluationDataNumber: grows with every TCB recovery */
} CvsCollateral;

/* A level of the platform; of an enclave or a TDX module only isv_svn. */
typedef struct {
    guint16 sgx[CVS_TCB_COMPONENTS];
    guint16 tdx[CVS_TCB_COMPONENTS];
    guint16 pce_svn;
    guint16 isv_svn;
    gint64 date;
    CvsTcbStatus status;
    char *advisories; /* "INTEL-SA-00001,INTEL-SA-00002", or "" */
} CvsTcbLevel;

typedef struct {
    char *id; /* "TDX_01"; NULL: tdxModule, of modules of version 0 */
    guint8 mr_signer[48];
    guint64 attributes;
    guint64 attributes_mask;
    GPtrArray *levels; /* CvsTcbLevel*, newest first, as sent */
} CvsTdxModule;

typedef struct {
    CvsCollateral base;
    guint8 fmspc[6];
    guint8 pce_id[2];
    CvsTdxModule *module;  /* tdxModule; NULL if id is not "TDX" */
    GPtrArray *identities; /* CvsTdxModule*; NULL if the member is not there (before 2024) */
    GPtrArray *levels;     /* CvsTcbLevel*, newest first, as sent */
} CvsTcbInfo;

typedef struct {
    CvsCollateral base;
    guint8 miscselect[4];
    guint8 miscselect_mask[4];
    guint8 attributes[16];
    guint8 attributes_mask[16];
    guint8 mr_signer[32];
    guint16 isv_prod_id;
    GPtrArray *levels;
} CvsQeIdentity;

/* Of a whole answer. BadFormat naming the member, or the limit; NotSupported for another version.
 */
CvsTcbInfo *cvs_tcb_info_parse(const void *data, gsize size, GError **error);
CvsQeIdentity *cvs_qe_identity_parse(const void *data, gsize size, GError **error);
/* Of the object alone with its signature beside it. */
CvsTcbInfo *cvs_tcb_info_parse_signed(GBytes *raw, const guint8 signature[static 64],
                                      GError **error);
CvsQeIdentity *cvs_qe_identity_parse_signed(GBytes *raw, const guint8 signature[static 64],
                                            GError **error);

void cvs_tcb_info_free(CvsTcbInfo *info);
void cvs_qe_identity_free(CvsQeIdentity *identity);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsTcbInfo, cvs_tcb_info_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsQeIdentity, cvs_qe_identity_free)
