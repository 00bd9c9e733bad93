/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The way to the TPM: a TCTI (TSS 2.0 TCTI specification, version 1.0) of our own around the one
 * that tss2-tctildr loads. It
 *   - counts the commands,
 *   - takes for an answer only what is one: tag, code and exactly the length that the header says.
 *     ESYS does not check that, and reads what an earlier answer left in its buffer,
 *   - sends a command again, after a while, when the TPM asks for it, a bounded number of times,
 *   - knows which sessions and transient objects its commands made, and flushes what is left of
 * them when it is closed: also those that nobody above heard of because the answer was bad. */

#include <glib.h>
#include <tss2/tss2_tcti.h>

/* The longest answer that a TPM gives (Part 2, table for MAX_RESPONSE_SIZE). */
#define CVS_TCTI_RESPONSE_MAX 4096

/* What outlives one connection: the count, and what the tests put into the way. */
typedef struct {
    guint64 commands_sent;
    /* Called with each answer before it is looked at; may change it, *size is at most
     * CVS_TCTI_RESPONSE_MAX. Returns TRUE to let it pass, FALSE to fail like a broken line. */
    gboolean (*hook)(guint32 command_code, guint8 *response, gsize *size, gpointer data);
    gpointer hook_data;
} CvsTctiWatch;

typedef struct _CvsTcti CvsTcti;

/* conf as for Tss2_TctiLdr_Initialize(). The watch must outlive the connection. TpmUnavailable. */
CvsTcti *cvs_tcti_open(const char *conf, CvsTctiWatch *watch, GError **error);
void cvs_tcti_close(CvsTcti *tcti);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsTcti, cvs_tcti_close)

/* To give to Esys_Initialize(). Borrowed. */
TSS2_TCTI_CONTEXT *cvs_tcti_context(CvsTcti *tcti);
