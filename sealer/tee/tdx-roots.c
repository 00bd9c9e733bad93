/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/tdx-roots.h"

#include <string.h>

#define ROOT_NAME "Intel SGX Root CA"

/* SHA-256 of the certificate, serial 22650cd65a9d3489f383b49552bf501b392706ac, 2018-05-21 to
 * 2049-12-31. */
static const guint8 pinned[32] = {0x44, 0xa0, 0x19, 0x6b, 0x2b, 0x99, 0xf8, 0x89, 0xb8, 0xe1, 0x49,
                                  0xe9, 0x5b, 0x80, 0x7a, 0x35, 0x0e, 0x74, 0x24, 0x96, 0x43, 0x99,
                                  0xe8, 0x85, 0xa7, 0xcb, 0xb8, 0xcc, 0xfa, 0xb6, 0x74, 0xd3};

struct _CvsTdxRoots {
    gatomicrefcount refs;
    gboolean has_test;
    GPtrArray *test; /* X509* */
};

CvsTdxRoots *
cvs_tdx_roots_new(void)
{
    CvsTdxRoots *roots = g_new0(CvsTdxRoots, 1);

    g_atomic_ref_count_init(&roots->refs);
    roots->test = cvs_x509_certs_new();
    return roots;
}

void
cvs_tdx_roots_add_test(CvsTdxRoots *roots, const GPtrArray *certs)
{
    roots->has_test = TRUE;
    for (guint i = 0; i < certs->len; i++) {
        X509 *cert = g_ptr_array_index(certs, i);
        g_autofree char *name = cvs_x509_common_name(cert);

        if (g_strcmp0(name, ROOT_NAME) != 0 ||
            X509_NAME_cmp(X509_get_subject_name(cert), X509_get_issuer_name(cert)) != 0)
            continue;
        (void)X509_up_ref(cert);
        g_ptr_array_add(roots->test, cert);
    }
}

CvsTdxRoots *
cvs_tdx_roots_ref(CvsTdxRoots *roots)
{
    g_atomic_ref_count_inc(&roots->refs);
    return roots;
}

void
cvs_tdx_roots_unref(CvsTdxRoots *roots)
{
    if (roots == NULL || !g_atomic_ref_count_dec(&roots->refs))
        return;
    g_ptr_array_unref(roots->test);
    g_free(roots);
}

gboolean
cvs_tdx_roots_have_test(const CvsTdxRoots *roots)
{
    return roots->has_test;
}

gboolean
cvs_tdx_roots_contain(const CvsTdxRoots *roots, const X509 *cert)
{
    guint8 digest[32];

    cvs_x509_sha256(cert, digest);
    if (memcmp(digest, pinned, sizeof(digest)) == 0)
        return TRUE;
    for (guint i = 0; i < roots->test->len; i++) {
        if (X509_cmp(g_ptr_array_index(roots->test, i), cert) == 0)
            return TRUE;
    }
    return FALSE;
}

const GPtrArray *
cvs_tdx_roots_test_certs(const CvsTdxRoots *roots)
{
    return roots->test;
}
