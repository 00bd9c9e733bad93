/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Sessions salted to the storage root key: only the TPM that holds its private part can answer in
 * them. Each encrypts the first parameter of commands and answers (AES-128-CFB) where that is
 * possible; the HMAC session is also an audit session, so that answers which cannot be encrypted
 * are authenticated. Sessions stay open between calls (continueSession). */

#include "tpm/tpm-private.h"

/* Connects, finds the SRK (makes it if make_srk), starts the session if there is none and, if that
 * was not done on this connection, checks the SRK in it. ESYS_TR_NONE on an error: those of
 * cvs_tpm_get_srk_name(). */
ESYS_TR cvs_session_open(CvsTpm *tpm, CvsSessionKind kind, gboolean make_srk, GError **error);

/* The policy session, with nothing asserted in it yet; counts as used from here on. auth_value: a
 * PolicyAuthValue may follow. ESYS_TR_NONE on an error. */
ESYS_TR cvs_session_open_policy(CvsTpm *tpm, gboolean auth_value, GError **error);
/* TPM2_PolicyRestart in the open policy session. */
gboolean cvs_session_restart_policy(CvsTpm *tpm, GError **error);
/* A command was authorized by the policy session: the TPM has reset it (Part 1, 19.3.x,
 * continueSession). */
void cvs_session_policy_was_used(CvsTpm *tpm);

/* Flushes it in the TPM, too. Never fails. */
void cvs_session_flush(CvsTpm *tpm, CvsSessionKind kind);
/* Only forgets it: the connection is gone. */
void cvs_session_forget(CvsTpm *tpm, CvsSessionKind kind);
