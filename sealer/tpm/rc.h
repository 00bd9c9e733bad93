/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Response codes: of the TPM itself (Part 2, 6.6), and of the layers of tpm2-tss between it and us
 * (TSS 2.0 Overview and Common Structures, section 3.10). */

#include <glib.h>
#include <tss2/tss2_common.h>
#include <tss2/tss2_tpm2_types.h>

/* True if a TPM (or a resource manager speaking for it) answered; else the transport or tpm2-tss
 * failed, or what came back was not an answer. */
gboolean cvs_rc_is_from_tpm(TSS2_RC rc);

/* The code without the layer and without the number of the handle, parameter or session that it is
 * about, as the constants TPM2_RC_… have it. 0 if it is not from a TPM, or no code that a TPM has.
 */
TSS2_RC cvs_rc_base(TSS2_RC rc);

/* True if the TPM did not do the command and asks to send it again. */
gboolean cvs_rc_wants_retry(TSS2_RC rc);

/* True if a session that was there is there no more (flushed by somebody, or the TPM was reset). */
gboolean cvs_rc_is_session_lost(TSS2_RC rc);

/* True if nothing more can be had over this connection. */
gboolean cvs_rc_is_fatal(TSS2_RC rc);

/* Sets the error that tpm/tpm.h promises for the code. doing: "unsealing". TpmLockout comes without
 * the time that is left: it has to be asked of the TPM. */
void cvs_rc_set_error(TSS2_RC rc, const char *doing, GError **error);
