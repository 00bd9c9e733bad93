/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A client of the TPM that is not ours: ESYS with its own crypto and nothing around it. For tests
 * that need a second client beside the code under test. */

#include <glib.h>
#include <tss2/tss2_esys.h>

/* Asserts that it works. */
ESYS_CONTEXT *test_esys_open(const char *tcti);
/* Closes the TCTI too; flushes nothing. */
void test_esys_close(ESYS_CONTEXT *esys);

/* An unbound, unsalted session (TPM2_SE_HMAC, TPM2_SE_POLICY). */
TSS2_RC test_esys_start_session(ESYS_CONTEXT *esys, TPM2_SE type, ESYS_TR *ret_session);
/* GetRandom of 8 bytes in the session, which goes on, or ESYS_TR_NONE. */
TSS2_RC test_esys_get_random(ESYS_CONTEXT *esys, ESYS_TR session);
/* An ECC storage key in the owner hierarchy: the transient object that is made from nothing. */
TSS2_RC test_esys_create_primary(ESYS_CONTEXT *esys, ESYS_TR *ret_object);
/* What GetCapability(HANDLES) tells this client from the handle on; *ret_first (may be NULL): the
 * first of them. */
guint test_esys_count_handles(ESYS_CONTEXT *esys, guint32 from, guint32 *ret_first);
