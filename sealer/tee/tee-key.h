/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A key that only this TEE can derive, the same again as long as it stays what it is: for whoever
 * holds a TPM that the host can see into. What it takes to derive it again is kept as parameters,
 * which are no secret. One row of a table for each way, by its versioned name:
 *
 *   "snp-1"  MSG_KEY_REQ of the secure processor (sev-guest.h): root VCEK, or VLEK where one is
 *            loaded; GUEST_POLICY, MEASUREMENT and TCB_VERSION mixed in, the last as COMMITTED_TCB
 *            was when the parameters were made, so that a firmware that was committed since gives
 *            the old key; VMPL as the kernel's was. With TCB_VERSION among the fields the root
 *            is the VCEK of that version, whatever REPORTED_TCB has become: so AMD's published
 *            firmware has it (AMD-ASPFW, sev_mcmd.c, SNP_MSG_KEY_REQ; sev_plat.c,
 *            vcek_hash_derive()). It moves with the chip. A VLEK is not derived back: it is the
 *            one that is loaded, which has to be of REPORTED_TCB. Where the provider raises that
 *            and loads another, the key is gone.
 *
 * TDX has no such request: a TD's sealing keys exist in no module that is in use. */

#include "base/json.h"
#include "tee/source.h"

#define CVS_TEE_KEY_SIZE 32
#define CVS_TEE_KEY_CHECK_SIZE 8

typedef struct {
    const char *algorithm; /* of the table; NULL: none */
    guint8 tcb[8];         /* as in a report */
    guint vmpl;
    /* The first bytes of HMAC-SHA-256(key, "cvmseal tee key"): tells another key from the same. */
    guint8 check[CVS_TEE_KEY_CHECK_SIZE];
} CvsTeeKeyParams;

/* Derives a key by parameters for the TEE as it is now. NotSupported with the reason
 * DerivedKeyUnavailable for a machine that has no such key; AttestationFailed with the reason
 * DerivedKeyRefused where none says why; errors of sev-guest.h and pace.h, since it takes two
 * requests to the firmware, seconds apart. timeout_ms: for the turn of each (0: as source.h has it);
 * then Busy with the reason AttestationUnderWay. */
CvsSecret *cvs_tee_key_new(CvsTeeSource *source, guint timeout_ms, CvsTeeKeyParams *ret_params,
                           GError **error);

/* The key that this TEE derives by these parameters now, whatever their check says: one request;
 * errors as above. */
CvsSecret *cvs_tee_key_derive(CvsTeeSource *source, const CvsTeeKeyParams *params, guint timeout_ms,
                              GError **error);
/* It is the key that the parameters were made with. TeeRefused with the reason DerivedKeyDiffers.
 */
gboolean cvs_tee_key_check(const CvsSecret *key, const CvsTeeKeyParams *params, GError **error);

gboolean cvs_tee_key_params_equal(const CvsTeeKeyParams *a, const CvsTeeKeyParams *b);

/* {"alg": "snp-1", "check": base64url, "tcb": base64url, "vmpl": 0}. BadFormat. */
json_t *cvs_tee_key_params_to_json(const CvsTeeKeyParams *params);
gboolean cvs_tee_key_params_parse(const json_t *object, const char *what,
                                  CvsTeeKeyParams *ret_params, GError **error);
