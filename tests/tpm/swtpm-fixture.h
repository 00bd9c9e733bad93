/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A TPM of the test's own: one swtpm with its state in a temporary directory. It takes one client
 * at a time: while tools run, a CvsTpm must be disconnected. */

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
