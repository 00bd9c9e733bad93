/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One TPM 2.0 over ESYS: its connection, its storage root key and its sessions.
 *
 * A CvsTpm is used by one thread at a time (the daemon's worker, the CLI's main thread). It
 * connects on first use, and again after the TPM was lost: whatever call finds it gone fails with
 * TpmUnavailable, and the next one tries anew.
 *
 * Every function here maps the TPM's response codes to named errors:
 *   TpmUnavailable  the transport fails, or answers what no TPM answers (short, garbled, a response
 *                   HMAC that does not verify), or the TPM is in failure mode
 *   TpmLockout      dictionary-attack protection is active; the message has the seconds left
 *   PcrMismatch, PinWrong, TpmReplaced, BadFormat where they are the meaning of the code
 *   Failed          any other code, with its text
 * TPM_RC_RETRY, YIELDED, TESTING and NV_RATE are retried with back-off, TPM_RC_PCR_CHANGED by the
 * caller that builds the policy, both bounded. */

#include "tpm/clock.h"
#include "tpm/pcr.h"
#include "tpm/public-area.h"

#include <glib.h>

typedef struct _CvsTpm CvsTpm;

#define CVS_TPM_DEFAULT_TCTI "device:/dev/tpmrm0"
#define CVS_TPM_SRK_HANDLE 0x81000001u
/* Bytes of an object's Name with SHA-256: u16 algorithm, digest (Part 1, section 16). */
#define CVS_TPM_NAME_MAX 66

/* tcti: a configuration string of tss2-tctildr: "device:/dev/tpmrm0", "swtpm:path=…". Does not
 * connect. NULL: CVS_TPM_DEFAULT_TCTI. */
CvsTpm *cvs_tpm_new(const char *tcti);
/* Flushes what is left in the TPM and disconnects. */
void cvs_tpm_free(CvsTpm *tpm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsTpm, cvs_tpm_free)

/* Flushes the object that cvs_tpm_unseal() leaves loaded, so that nobody waits for that who waits
 * for the secret. The owner calls it when the secret is on its way; the next function that uses the
 * TPM does it too, before anything else. Never fails; a TPM that is gone has no objects. */
void cvs_tpm_settle(CvsTpm *tpm);
/* Flushes the sessions that are kept between calls. The owner calls it when no request came for
 * CVS_TPM_IDLE_MS: behind the kernel's resource manager a session that idles while others use the
 * TPM ends in TPM_RC_CONTEXT_GAP for everyone. Never fails; a TPM that is gone has no sessions. */
void cvs_tpm_idle(CvsTpm *tpm);
#define CVS_TPM_IDLE_MS 1000
/* True if sessions are held, so that the owner knows whether to wait for the idle time. */
gboolean cvs_tpm_holds_sessions(const CvsTpm *tpm);

/* The Name of the SRK. Finds the key at CVS_TPM_SRK_HANDLE and checks, in a session salted to it,
 * that it is a storage root key: fixedTPM, fixedParent, sensitiveDataOrigin, restricted, decrypt,
 * not sign, no policy needed for its use, and its qualified name directly under the owner
 * hierarchy. If there is none and make is TRUE, makes the TCG's ECC P-256 template (TCG TPM v2.0
 * Provisioning Guidance 7.5.1; template L-2 of the EK Credential Profile without the EK's policy)
 * and makes it persistent. TpmReplaced with reason SrkUnfit for a key that fails the check;
 * NotSupported if there is none and make is FALSE. Cached until the connection is lost. Borrowed
 * bytes. */
GBytes *cvs_tpm_get_srk_name(CvsTpm *tpm, gboolean make, GError **error);
/* The same without the cache: asks the TPM once more, and makes no key. */
GBytes *cvs_tpm_read_srk_name(CvsTpm *tpm, GError **error);
/* Whether it still is the one that was read when nothing was proven yet. TpmReplaced with reason
 * SrkChanged if not; errors of cvs_tpm_get_srk_name(). */
gboolean cvs_tpm_check_srk_name(CvsTpm *tpm, const CvsName *wanted, GError **error);

/* Pins the TPM to the one whose SRK has this Name, as an attestation found it (cvs_tpm_pin_ek()) or
 * a record of one says: from now on, over this connection and all later ones, every session is
 * salted to a key of that Name, before anything else is said to it. Whoever answers without its
 * private part cannot produce one valid response HMAC. Every function here then fails with
 * TpmReplaced, reason SrkChanged, where the TPM is another; no SRK is made any more. */
void cvs_tpm_pin_srk(CvsTpm *tpm, GBytes *name);

/* The clock now, in the salted session (ReadClock, one command when warm). */
gboolean cvs_tpm_read_clock(CvsTpm *tpm, CvsClock *ret_clock, GError **error);

/* Reads a selection, over as many answers as it takes, in the salted session (audit), so that the
 * transport cannot lie; the SRK is made if there is none. PCR_Read's update counter is equal over
 * all answers, else read again (bounded, then Busy). PcrUnmeasured with reason PcrBankMissing if
 * the TPM has not all of the PCRs asked for in that bank. */
gboolean cvs_tpm_read_pcrs(CvsTpm *tpm, const CvsPcrSelection *selection, CvsPcrValues *ret_values,
                           GError **error);

/* What `cvmseal status` shows of the TPM. Read in the salted session where there is an SRK; a TPM
 * that has none is not given one by looking at it, and its answers then are only what the line
 * says. */
typedef struct {
    char manufacturer[5]; /* "IBM", "SW", … */
    char vendor[17];      /* vendor string */
    guint64 firmware;     /* TPM2_PT_FIRMWARE_VERSION_1 ‖ _2 */
    gboolean has_sha256;
    gboolean has_sha384; /* banks with PCRs allocated */
    gboolean in_lockout;
    guint32 lockout_counter;
    guint32 lockout_max;
    guint32 lockout_recovery_s; /* seconds until one failed try is forgiven */
    guint64 clock_ms;
    guint32 reset_count;
    guint32 restart_count;
} CvsTpmInfo;
gboolean cvs_tpm_get_info(CvsTpm *tpm, CvsTpmInfo *ret_info, GError **error);

/* How many failed tries of authorisation the TPM remembers, and with how many it locks itself: one
 * command in the salted session. */
gboolean cvs_tpm_read_tries(CvsTpm *tpm, guint32 *ret_failed, guint32 *ret_max, GError **error);

/* Commands sent since the object was made: for the tests and the bench. */
guint64 cvs_tpm_commands_sent(const CvsTpm *tpm);
