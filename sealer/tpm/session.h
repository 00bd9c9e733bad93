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

/* A session of that kind salted to a key that the caller knows to be the right one, by the public
 * area that ESYS has of it. It is the caller's to flush. */
gboolean cvs_session_start(CvsTpm *tpm, CvsSessionKind kind, ESYS_TR key, ESYS_TR *ret_session,
                           GError **error);

/* What comes now goes without this session, whether it is open or not. The second time in a row it
 * is flushed: behind a resource manager it is loaded and saved around each command of the other,
 * and to start one again is dearer than a few of these. */
void cvs_session_not_needed(CvsTpm *tpm, CvsSessionKind kind);

/* Makes sure that an open session works, at the cost of one command the first time. A PIN in a
 * session whose start was changed on its way would count as a wrong one. */
gboolean cvs_session_prove(CvsTpm *tpm, CvsSessionKind kind, GError **error);

/* The policy session, with nothing asserted in it yet; counts as used from here on. ESYS_TR_NONE on
 * an error.
 * with_pin: the object has an auth value; then this session does not encrypt. (The auth value would
 * go into the key: after a branch of a PolicyOR that does not check it, a wrong one would decrypt
 * the answer to garbage without any error.) sends_auth_value: PolicyAuthValue will be sent whatever
 * branches are taken. Else a session in which it was sent before is given up: ESYS would go on with
 * putting the auth value into the HMAC, and the TPM would count that as a wrong PIN. */
ESYS_TR cvs_session_open_policy(CvsTpm *tpm, gboolean with_pin, gboolean sends_auth_value,
                                GError **error);
/* The same once more for the same policy, which was run in part: the session, maybe a new one. */
ESYS_TR cvs_session_restart_policy(CvsTpm *tpm, GError **error);
/* PolicyAuthValue was sent in this session. */
void cvs_session_sent_auth_value(CvsTpm *tpm, ESYS_TR session);
/* A command was authorized by the policy session: the TPM has reset it (Part 1, 19.3.x,
 * continueSession). */
void cvs_session_policy_was_used(CvsTpm *tpm);

/* Flushes it in the TPM, too. Never fails. */
void cvs_session_flush(CvsTpm *tpm, CvsSessionKind kind);
/* Only forgets it: the connection is gone. */
void cvs_session_forget(CvsTpm *tpm, CvsSessionKind kind);
