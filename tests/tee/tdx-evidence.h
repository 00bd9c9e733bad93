/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a test gives to cvs_tdx_verify(), owned in one place. */

#include "tee/tdx-verify.h"

typedef struct {
    CvsTdxRoots *roots;
    GBytes *quote;
    GPtrArray *certs;
    GPtrArray *crls;
    CvsTcbInfo *tcb_info;
    CvsQeIdentity *qe_identity;
    gint64 at;
    gint64 grace;
    guint32 evaluation_seen;
} TdxEvidence;

TdxEvidence *tdx_evidence_new(void);
void tdx_evidence_free(TdxEvidence *evidence);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TdxEvidence, tdx_evidence_free)

/* Seconds since 1970 of "2025-07-01T00:00:00Z". */
gint64 tdx_time(const char *text);
void tdx_evidence_set_quote(TdxEvidence *evidence, GBytes *quote);
/* Certificates or CRLs of a capture. */
void tdx_evidence_add_pem(TdxEvidence *evidence, const char *capture);
void tdx_evidence_add_crl(TdxEvidence *evidence, GBytes *crl);
/* A whole answer of the service, from a capture. */
void tdx_evidence_set_tcb_info(TdxEvidence *evidence, const char *capture);
void tdx_evidence_set_qe_identity(TdxEvidence *evidence, const char *capture);
/* The collateral set that keeps the signed objects as strings (quote-*.collateral.json). */
void tdx_evidence_add_set(TdxEvidence *evidence, const char *capture);

/* Verifies. The reasons' codes, each once, sorted and separated by blanks, "" where the quote was
 * accepted, "malformed" where it could not be parsed. ret_claims may be NULL. */
char *tdx_evidence_verify(const TdxEvidence *evidence, json_t **ret_claims);
/* The same, compared. */
void tdx_evidence_expect(const TdxEvidence *evidence, const char *reasons);
