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
    ESYS_TR tr;      /* ESYS_TR_NONE: none */
    gboolean proven; /* an answer in it was verified, so both ends have the same key and nonces */
    /* Policy session: it was used, and the TPM has not forgotten what for. */
    gboolean dirty;
    /* Policy session: PolicyAuthValue was sent in it; ESYS remembers that for the session's life,
     * the TPM only until its policy is reset. */
    gboolean auth_value;
    gboolean with_pin; /* policy session: what it was opened for last */
    gboolean spare;    /* HMAC session: what was done since it was opened last had no use for it */
} CvsSession;

struct _CvsTpm {
    char *conf;
    CvsTctiWatch watch;
    CvsTcti *tcti; /* NULL: not connected, and then all below is unset */
    ESYS_CONTEXT *esys;
    ESYS_TR srk; /* a persistent object: nothing to flush */
    gboolean srk_checked;
    GBytes *srk_name; /* set when checked */
    /* Outlives the connection: the only Name that the SRK may have. */
    GBytes *pinned_srk;
    CvsSession sessions[CVS_N_SESSIONS];
    ESYS_TR unflushed; /* a transient object that has served: cvs_tpm_settle() */
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

/* Lets go of a key that was found: flushes it if it is transient. */
void cvs_tpm_let_go(CvsTpm *tpm, ESYS_TR *object, gboolean transient);

/* ESYS decrypts an answer in the buffer of the layer below, and leaves it there. */
void cvs_tpm_wipe_answer(CvsTpm *tpm);

/* True if the last failure is that of one who does not have the private part of the key that a
 * session was salted to. */
gboolean cvs_tpm_lacks_key(const CvsTpm *tpm);

/* Runs a step; if it fails because a session that was kept from before is lost, or the root key
 * that was found before is gone, runs it once more with new sessions, or on a new connection. */
typedef gboolean (*CvsTpmStep)(CvsTpm *tpm, gpointer data, GError **error);
gboolean cvs_tpm_run(CvsTpm *tpm, CvsTpmStep step, gpointer data, GError **error);
