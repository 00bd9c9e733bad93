/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the files of this floor share about a CvsTpm. Nothing above includes it. */

#include "tpm/tcti.h"
#include "tpm/tpm.h"

#include <tss2/tss2_esys.h>

typedef enum {
    CVS_SESSION_HMAC,   /* for what is sealed and read */
    CVS_SESSION_POLICY, /* for what is unsealed */
    CVS_N_SESSIONS,
} CvsSessionKind;

typedef struct {
    ESYS_TR tr; /* ESYS_TR_NONE: none */
    /* Policy session: it was used, and the TPM has not forgotten what for. */
    gboolean dirty;
    /* Policy session: PolicyAuthValue was sent in it; ESYS remembers that for the session's life,
     * the TPM only until its policy is reset. */
    gboolean auth_value;
    gboolean with_pin; /* policy session: what it was opened for last */
} CvsSession;

struct _CvsTpm {
    char *conf;
    CvsTctiWatch watch;
    CvsTcti *tcti; /* NULL: not connected, and then all below is unset */
    ESYS_CONTEXT *esys;
    ESYS_TR srk; /* a persistent object: nothing to flush */
    gboolean srk_checked;
    GBytes *srk_name; /* set when checked */
    CvsSession sessions[CVS_N_SESSIONS];
    TSS2_RC last_rc; /* of the last command that failed */
};

/* Connects if it is not. TpmUnavailable. */
gboolean cvs_tpm_connect(CvsTpm *tpm, GError **error);
/* Flushes what our commands made and closes. */
void cvs_tpm_disconnect(CvsTpm *tpm);

/* After a command that failed: sets the error, and draws the consequences for connection and
 * sessions. FALSE, so that it can be returned. doing: "unsealing". */
gboolean cvs_tpm_fail(CvsTpm *tpm, TSS2_RC rc, const char *doing, GError **error);
/* Something that came back without an error cannot be: TpmUnavailable, and disconnects. FALSE. */
gboolean cvs_tpm_nonsense(CvsTpm *tpm, const char *doing, GError **error);

/* Flushes a transient object; harmless for ESYS_TR_NONE and after the connection was lost. */
void cvs_tpm_flush(CvsTpm *tpm, ESYS_TR *object);

/* Runs a step; if it fails because a session that was kept from before is lost, runs it once more
 * with new sessions. */
typedef gboolean (*CvsTpmStep)(CvsTpm *tpm, gpointer data, GError **error);
gboolean cvs_tpm_run(CvsTpm *tpm, CvsTpmStep step, gpointer data, GError **error);
