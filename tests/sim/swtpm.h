/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One swtpm process, spoken to over a socket pair: there is nothing to wait for when it starts, and
 * it ends by itself when this process does, since its end of the pair then reports the end. */

#include <glib.h>

/* The longest command and answer of a TPM 2.0 (TPM_PT_MAX_COMMAND_SIZE of swtpm). */
#define SWTPM_MESSAGE_MAX 4096
/* As TPM2_TRANSIENT_FIRST, whose shift of 0x80 overflows an int, which a sanitizer minds. */
#define TPM_TRANSIENT_FIRST 0x80000000u

typedef struct _Swtpm Swtpm;

Swtpm *swtpm_new(void);
/* Ends the process too. */
void swtpm_free(Swtpm *swtpm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(Swtpm, swtpm_free)

/* Starts it on a state directory, made if it is not there (an empty one: a TPM fresh from the
 * factory), with TPM2_Startup(CLEAR) done. It must not be running. */
gboolean swtpm_start(Swtpm *swtpm, const char *state_dir, GError **error);
/* What is measured into PCR 0 before each TPM2_Startup from now on, by the sequence of H-CRTM
 * (_TPM_Hash_Start, _TPM_Hash_Data, _TPM_Hash_End; Part 1, 34.2); NULL: nothing. */
void swtpm_set_hcrtm(Swtpm *swtpm, GBytes *data);
/* Power is cut: no TPM2_Shutdown. Does nothing if it is not running. */
void swtpm_kill(Swtpm *swtpm);
/* TPM2_Shutdown(CLEAR), then the end. */
void swtpm_stop(Swtpm *swtpm);
gboolean swtpm_is_running(const Swtpm *swtpm);

/* One command and its answer (replaced, not appended). FALSE if the TPM is gone or answered
 * something that is not an answer; the process is then ended. */
gboolean swtpm_send(Swtpm *swtpm, const void *command, gsize size, GByteArray *response);

/* How many commands of this code (0: of all) were sent since the last reset. */
guint64 swtpm_seen(const Swtpm *swtpm, guint32 code);
/* Codes (GUINT_TO_POINTER) to counts (GUINT_TO_POINTER); borrowed. */
GHashTable *swtpm_seen_table(const Swtpm *swtpm);
void swtpm_reset_seen(Swtpm *swtpm);
/* While quiet, commands are not counted: for what a test bed asks on its own account. */
void swtpm_set_quiet(Swtpm *swtpm, gboolean quiet);

/* Big-endian fields at an offset; the caller has checked the size. */
guint16 tpm_get_u16(const guint8 *at);
guint32 tpm_get_u32(const guint8 *at);
void tpm_put_u32(guint8 *at, guint32 value);
/* The response code of an answer of at least 10 bytes. */
guint32 tpm_response_code(const GByteArray *response);
