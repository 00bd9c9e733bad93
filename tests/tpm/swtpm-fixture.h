/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A TPM of the test's own: one swtpm with its state in a temporary directory. It takes one client
 * at a time, and the swtpm: TCTI is one only from a command to its answer; so tools can run beside
 * a CvsTpm, but share its room for three objects. */

#include "tpm/tpm.h"

#include <glib.h>
#include <tss2/tss2_tpm2_types.h>

typedef struct _Swtpm Swtpm;

/* Started up, with banks SHA-1, SHA-256, SHA-384 and SHA-512, and no key in it. */
Swtpm *swtpm_new(void);
/* Stops it and removes its state. */
void swtpm_free(Swtpm *swtpm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Swtpm, swtpm_free)

/* For cvs_tpm_new(). */
const char *swtpm_tcti(const Swtpm *swtpm);
/* A path in its directory. */
char *swtpm_path(const Swtpm *swtpm, const char *name);

/* Ends the process, as a crash would; nothing listens then. */
void swtpm_kill(Swtpm *swtpm);
/* Starts a process on the same state (a reset of the TPM), or on a fresh one (another TPM). */
void swtpm_start(Swtpm *swtpm);
void swtpm_forget_state(Swtpm *swtpm);
/* With the next start: no TPM2_Startup is done. */
void swtpm_without_startup(Swtpm *swtpm);

/* Runs a tool of tpm2-tools with "-T" and the given command line, split as a shell would, in the
 * swtpm's directory. Its standard output; the test fails if the tool does. */
char *swtpm_tool(Swtpm *swtpm, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* The same, and gives back whether it succeeded. */
gboolean swtpm_tool_try(Swtpm *swtpm, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Extends a PCR in its SHA-256 and SHA-384 banks over an open connection. */
void swtpm_extend(CvsTpm *tpm, guint pcr);
/* How many sessions and transient objects the TPM holds, asked over an open connection. */
guint swtpm_count_handles(CvsTpm *tpm);
/* Flushes them all, as a resource manager does for a client that is gone. */
void swtpm_flush_all(Swtpm *swtpm);

/* Sends a command on a line of its own between two commands of a CvsTpm. The response code. */
guint32 swtpm_raw(Swtpm *swtpm, const guint8 *command, gsize size);
/* TPM2_PCR_Extend in the SHA-256 bank in that way. */
void swtpm_raw_extend(Swtpm *swtpm, guint pcr);
/* TPM2_FlushContext in that way. */
void swtpm_raw_flush(Swtpm *swtpm, guint32 handle);
