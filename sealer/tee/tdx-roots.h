/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Intel's root certificate, "Intel SGX Root CA", pinned by the SHA-256 of the whole certificate:
 * there are others of the same name (of pre-production platforms, and of everybody's making). The
 * certificate may come from anywhere. Test roots are taken only from a folder that a configuration
 * names, beside the pinned one, and every result made with them says so. */

#include "tee/x509.h"

typedef struct _CvsTdxRoots CvsTdxRoots;

/* The pinned one alone. */
CvsTdxRoots *cvs_tdx_roots_new(void);
/* Adds every self-issued certificate of that name among the X509* as a test root, and remembers
 * that test roots were allowed even if there was none. */
void cvs_tdx_roots_add_test(CvsTdxRoots *roots, const GPtrArray *certs);
CvsTdxRoots *cvs_tdx_roots_ref(CvsTdxRoots *roots);
void cvs_tdx_roots_unref(CvsTdxRoots *roots);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsTdxRoots, cvs_tdx_roots_unref)

gboolean cvs_tdx_roots_have_test(const CvsTdxRoots *roots);
/* The certificate is the pinned one or a test root. */
gboolean cvs_tdx_roots_contain(const CvsTdxRoots *roots, const X509 *cert);
/* The test roots, X509*, owned by roots. */
const GPtrArray *cvs_tdx_roots_test_certs(const CvsTdxRoots *roots);
