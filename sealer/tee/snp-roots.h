/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* AMD's root keys (ARK), pinned by SHA-256 over their SubjectPublicKeyInfo: Milan, Genoa, Turin.
 * The certificates may come from anywhere, since a self-signed one around a pinned key is AMD's.
 *
 * Test roots are roots of somebody's own making. They are taken only from a folder that a
 * configuration names, beside the pinned ones, and every result made with them says so. */

#include "tee/snp-report.h"
#include "tee/x509.h"

#include <glib.h>

typedef struct _CvsSnpRoots CvsSnpRoots;

/* The pinned ones alone. */
CvsSnpRoots *cvs_snp_roots_new(void);
/* Adds every self-issued certificate "ARK-LINE" among the X509* as a test root for its line, and
 * remembers that test roots were allowed even if there was none. */
void cvs_snp_roots_add_test(CvsSnpRoots *roots, const GPtrArray *certs);
/* The same with all certificates of a folder (test-roots.h), and its errors. */
gboolean cvs_snp_roots_add_test_folder(CvsSnpRoots *roots, const char *path, GError **error);
CvsSnpRoots *cvs_snp_roots_ref(CvsSnpRoots *roots);
void cvs_snp_roots_unref(CvsSnpRoots *roots);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsSnpRoots, cvs_snp_roots_unref)

/* A folder of test roots was added, whether it had any or not. */
gboolean cvs_snp_roots_have_test(const CvsSnpRoots *roots);
/* The line whose root this certificate's key is; LINE_UNKNOWN if it is nobody's. The name in the
 * certificate must be that of the line. Its signature is not looked at. ret_test may be NULL. */
CvsSnpLine cvs_snp_roots_find(const CvsSnpRoots *roots, const X509 *cert, gboolean *ret_test);
/* There is a root for the line. */
gboolean cvs_snp_roots_have_line(const CvsSnpRoots *roots, CvsSnpLine line);
/* The test roots' certificates, X509*, owned by roots. */
const GPtrArray *cvs_snp_roots_test_certs(const CvsSnpRoots *roots);
