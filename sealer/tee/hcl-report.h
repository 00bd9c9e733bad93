/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The report of Azure's paravisor (OpenHCL), as read from NV index 0x01400001: a hardware report
 * whose report data is the hash of claims that name the vTPM's keys. OpenHCL, module igvm_attest.
 *
 * Little-endian: "HCLA", version u32, report size u32 (header and claims), request type u32,
 * status u32, reserved 12; at 32 the hardware report, 1184 bytes (a TDREPORT has 1024, then
 * zeros); at 1216 data size u32 (20 + claims), request version u32, report type u32, hash type
 * u32, claims size u32, [capabilities u32 in request version 2], claims (JSON). Behind them the NV
 * index has zeros, or what an older and longer report left there: it is not looked at.
 *
 * Nothing of the headers is measured. Only the hardware report is, once it is verified (a
 * TDREPORT: through its quote), and the claims, once cvs_hcl_report_check_binding() says so. */

#include "base/digest.h"
#include "base/json.h"
#include "tee/tdreport.h"

#include <glib.h>
#include <openssl/evp.h>

#define CVS_HCL_REPORT_MAX (64 * 1024)
#define CVS_HCL_SNP_REPORT_SIZE 1184
#define CVS_HCL_KEY_MIN 256 /* bytes of an RSA modulus: 2048 bits */
#define CVS_HCL_KEY_MAX 512

typedef enum {
    CVS_HCL_SNP = 2,
    CVS_HCL_TDX = 4,
} CvsHclType;

/* An RSA key of the vTPM; the exponent is 65537. */
typedef struct {
    GBytes *n;      /* big-endian, no leading zero; NULL: the claims do not name this key */
    gboolean signs; /* key_ops has "sign"; older firmware says "encrypt" of every key */
} CvsHclKey;

typedef struct {
    GBytes *bytes;
    guint32 version;
    guint32 request_type;
    guint32 request_version;
    guint32 status;
    CvsHclType type;
    CvsHash hash;
    const guint8 *hardware; /* the SNP report or the TDREPORT, in bytes */
    gsize hardware_size;
    guint8 report_data[64]; /* of the hardware report */
    CvsTdReport td;         /* if type is TDX */
    const guint8 *claims;   /* the bytes that are hashed, in bytes */
    gsize claims_size;
    json_t *json; /* the same, parsed */
    CvsHclKey ak; /* HCLAkPub; always there */
    CvsHclKey ek; /* HCLEkPub; old firmware does not name it */
    gboolean has_user_data;
    guint8 user_data[64]; /* what the guest wrote to NV 0x01400002: the report's freshness */
} CvsHclReport;

/* BadFormat naming offset and field; NotSupported for a report or hash type that is none of
 * ours. */
CvsHclReport *cvs_hcl_report_parse(GBytes *bytes, GError **error);
void cvs_hcl_report_free(CvsHclReport *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsHclReport, cvs_hcl_report_free)

/* The claims are those that the hardware report was made for: report data = hash ‖ zeros, all 64
 * bytes compared. Else adds the reason HclBinding to the refusal. */
void cvs_hcl_report_check_binding(const CvsHclReport *report, GError *refusal);
/* A boolean of vm-configuration ("secure-boot", "tpm-enabled", …). FALSE if it is not there. */
gboolean cvs_hcl_report_get_bool(const CvsHclReport *report, const char *name, gboolean *ret_value);
/* A string of vm-configuration ("vmUniqueId"), borrowed; NULL if it is not there. */
const char *cvs_hcl_report_get_string(const CvsHclReport *report, const char *name);
/* A key that is named. Failed. */
EVP_PKEY *cvs_hcl_key_to_pkey(const CvsHclKey *hcl_key, GError **error);
