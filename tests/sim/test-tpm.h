/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What every test with a TPM starts from: a TPM fresh from the factory, the multiplexer before it
 * (in this process), and a temporary directory for both. Whatever fails here ends the test program,
 * so nothing has to be checked. */

#include "base/digest.h"
#include "sim/tpm-mux.h"

#include <glib.h>

typedef struct _TestTpm TestTpm;

TestTpm *test_tpm_new(TpmMuxFlags flags);
/* Ends TPM and clients and removes the directory. */
void test_tpm_free(TestTpm *tpm);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(TestTpm, test_tpm_free)

TpmMux *test_tpm_mux(TestTpm *tpm);
/* For files of the test's own too. */
const char *test_tpm_dir(TestTpm *tpm);
/* The TCTI string of the port "main"; a second TCTI of this process needs a port of its own. */
const char *test_tpm_tcti(TestTpm *tpm);
/* That of another process port, made if it is not there. */
const char *test_tpm_port(TestTpm *tpm, const char *name);

/* Extends a PCR with the digest of the text, in the banks SHA-256 and SHA-384. Not counted. */
void test_tpm_extend(TestTpm *tpm, guint pcr, const char *text);
void test_tpm_extend_digests(TestTpm *tpm, guint pcr, const guint8 *sha256, const guint8 *sha384);
/* Its value; digest has room for cvs_hash_size() bytes. */
void test_tpm_read_pcr(TestTpm *tpm, CvsHash bank, guint pcr, guint8 *digest);

/* What the TPM measures as H-CRTM at each start from the next one on; NULL: nothing. */
void test_tpm_set_hcrtm(TestTpm *tpm, const void *data, gsize size);
/* Power off and on, and another TPM in its place (numbers as in tpm_mux_power_on()). */
void test_tpm_power_cycle(TestTpm *tpm);
void test_tpm_replace(TestTpm *tpm, guint number);

/* Runs a command line (without a shell) in the directory, with TPM2TOOLS_TCTI set to the port
 * "tools", and asserts that it succeeds. Returns what it wrote to stdout. */
char *test_tpm_run(TestTpm *tpm, const char *format, ...) G_GNUC_PRINTF(2, 3);
/* Asserts that it fails, and returns what it wrote to stderr. */
char *test_tpm_run_fails(TestTpm *tpm, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Objects and sessions alive, of all clients. */
guint test_tpm_count_handles(TestTpm *tpm);

/* Removes a directory and all in it; follows no links. */
void test_remove_tree(const char *path);
