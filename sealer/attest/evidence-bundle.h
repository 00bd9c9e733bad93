/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Evidence: all that a verifier needs to judge a machine's TEE and TPM, in one JSON object. Nothing
 * in it is trusted; attest/judge.h says what it is worth.
 *
 *   "type"       "cvmseal-evidence"
 *   "version"    1, with logs 2, with certificates 3
 *   "nonce"      of whoever asked, 1 to CVS_BUNDLE_NONCE_MAX bytes
 *   "user_data"  what the guest had to say; left out if there is none
 *   "tee"        {"report", "auxblob", "manifest", "tdreport", "hcl"}: an SNP report or a TD quote;
 *                the host's certificates; what an SVSM says of its vTPM; the TDREPORT that belongs
 *                to the quote; all of a paravisor's report. Left out where there is no TEE
 *   "tpm"        {"ek", "ak", "srk_name", "attest", "signature", "pcrs"}: TPMT_PUBLIC of the keys
 *                (ek: left out where none is vouched for); a Name; TPMS_ATTEST and TPMT_SIGNATURE
 *                of the quote; the values quoted, as tpm/pcr.h has them. From version 3 on also
 *                {"ek_cert", "ca_cert"}, of a vTPM in a TD of its own, in DER, neither without the
 *                other (tee/vtpm-td-cert.h)
 *   "answer"     to the challenge that the nonce belongs to (attest/challenge.h), in all versions;
 *                left out if there was none
 *   "logs"       {"tpm", "cc", "measured"}, from version 2 on: the event logs of the TPM and of the
 *                TD (tee/eventlog.h), and of what was measured since (tee/measure-log.h). Left out
 *                where there are none
 *
 * Bytes are base64url without padding. */

#include "base/json.h"
#include "tpm/public-area.h"
#include "tpm/quote.h"

#define CVS_BUNDLE_SIZE_MAX (1024 * 1024)
#define CVS_BUNDLE_NONCE_MAX 64
#define CVS_BUNDLE_USER_DATA_MAX 1024
#define CVS_BUNDLE_LOG_MAX (192 * 1024) /* bytes of each log */
#define CVS_CHALLENGE_ANSWER_SIZE 32

typedef struct {
    GBytes *nonce;
    GBytes *user_data; /* NULL: none */
    GBytes *report;    /* NULL: no TEE; or a paravisor's TDREPORT to which there is no quote */
    GBytes *auxblob;   /* may be NULL, as all further ones of the TEE */
    GBytes *manifest;
    GBytes *tdreport;
    GBytes *hcl;
    GBytes *tpm_log; /* NULL: there is none, or it is too large; as the next two */
    GBytes *cc_log;
    GBytes *measured_log;
    CvsPublicArea *ek; /* NULL: nothing names one */
    CvsPublicArea *ak;
    GBytes *ek_cert; /* both or none: NULL */
    GBytes *ca_cert;
    CvsName srk_name;
    CvsQuote quote;
    GBytes *answer; /* CVS_CHALLENGE_ANSWER_SIZE bytes; NULL: none */
} CvsEvidenceBundle;

void cvs_evidence_bundle_free(CvsEvidenceBundle *bundle);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsEvidenceBundle, cvs_evidence_bundle_free)

/* Strict: a member that is not known, a field of another size or form, are BadFormat with its name;
 * a newer version is NotSupported. */
CvsEvidenceBundle *cvs_evidence_bundle_parse(const void *data, gsize size, GError **error);
/* Indented text that ends in a newline. */
char *cvs_evidence_bundle_format(const CvsEvidenceBundle *bundle);
