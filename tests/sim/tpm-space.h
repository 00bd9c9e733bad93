/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the kernel's resource manager (/dev/tpmrm0) keeps for one open file: at most three transient
 * objects under virtual handles and at most three sessions under their own, all of them saved after
 * each command and loaded before the next. Nothing is de-gapped.
 *
 * Its failures are those of the kernel too: where the kernel lets the write or read fail, the
 * functions here return FALSE, what is loaded is flushed, and the space is as it was before the
 * command but for sessions, which are lost. */

#include "sim/swtpm.h"

#define TPM_SPACE_SLOTS 3

typedef struct _TpmSpace TpmSpace;

/* Which handles a command has (TPMA_CC), read from the TPM: command codes to attributes. */
GHashTable *tpm_attributes_read(Swtpm *swtpm);

TpmSpace *tpm_space_new(void);
/* Frees the memory only. */
void tpm_space_free(TpmSpace *space);
/* The TPM was started anew, or is another: what the space holds is not in it, and under the same
 * handles it may have what others made since, which is not to be flushed. */
void tpm_space_lose_power(TpmSpace *space);
/* At the end of a client: its sessions are flushed from the TPM. */
void tpm_space_close(TpmSpace *space, Swtpm *swtpm);

/* Loads everything of the space and puts physical handles into the command. */
gboolean tpm_space_prepare(TpmSpace *space, Swtpm *swtpm, GHashTable *attributes,
                           GByteArray *command);
/* Puts virtual handles into the answer, saves everything, and makes that the space's state. */
gboolean tpm_space_commit(TpmSpace *space, Swtpm *swtpm, GHashTable *attributes, guint32 code,
                          GByteArray *response);

guint tpm_space_count_objects(const TpmSpace *space);
guint tpm_space_count_sessions(const TpmSpace *space);
