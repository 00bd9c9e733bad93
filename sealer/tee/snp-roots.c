/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/snp-roots.h"
#include "tee/snp-certs.h"
#include "tee/test-roots.h"

#include <string.h>

static const struct {
    CvsSnpLine line;
    guint8 spki[32];
} pinned[] = {
    {CVS_SNP_LINE_MILAN, {0x9f, 0x05, 0x6b, 0xee, 0x44, 0x37, 0x7e, 0x29, 0x30, 0x8c, 0xb5,
                          0xff, 0xa8, 0x95, 0xbd, 0xfb, 0x62, 0xd1, 0x88, 0x81, 0xfa, 0x6b,
                          0xed, 0x8d, 0x6f, 0x07, 0x5b, 0x02, 0x04, 0x08, 0x9c, 0xb9}},
    {CVS_SNP_LINE_GENOA, {0x42, 0x9a, 0x69, 0xc9, 0x42, 0x2a, 0xa2, 0x58, 0xee, 0x4d, 0x8d,
                          0xb5, 0xfc, 0xda, 0x9c, 0x64, 0x70, 0xef, 0x15, 0xf8, 0xcd, 0x5a,
                          0x9c, 0xeb, 0xd6, 0xcb, 0xc7, 0xd9, 0x0b, 0x86, 0x38, 0x31}},
    {CVS_SNP_LINE_TURIN, {0x4f, 0x12, 0x54, 0x10, 0x56, 0x3a, 0x2a, 0xb9, 0xa5, 0x03, 0x56,
                          0xf9, 0x24, 0x3f, 0x6f, 0xe0, 0xb6, 0xf7, 0x3d, 0xe9, 0x86, 0x03,
                          0xf5, 0x3f, 0x90, 0x33, 0x9c, 0x70, 0xe9, 0xd7, 0xad, 0x08}},
};

struct _CvsSnpRoots {
    gatomicrefcount refs;
    gboolean has_test;
    GPtrArray *test; /* X509* */
};

CvsSnpRoots *
cvs_snp_roots_new(void)
{
    CvsSnpRoots *roots = g_new0(CvsSnpRoots, 1);

    g_atomic_ref_count_init(&roots->refs);
    roots->test = cvs_x509_certs_new();
    return roots;
}

CvsSnpRoots *
cvs_snp_roots_ref(CvsSnpRoots *roots)
{
    g_atomic_ref_count_inc(&roots->refs);
    return roots;
}

void
cvs_snp_roots_unref(CvsSnpRoots *roots)
{
    if (roots == NULL || !g_atomic_ref_count_dec(&roots->refs))
        return;
    g_ptr_array_unref(roots->test);
    g_free(roots);
}

void
cvs_snp_roots_add_test(CvsSnpRoots *roots, const GPtrArray *certs)
{
    roots->has_test = TRUE;
    for (guint i = 0; i < certs->len; i++) {
        X509 *cert = g_ptr_array_index(certs, i);

        if (cvs_snp_cert_kind(cert, NULL) == CVS_SNP_CERT_ARK) {
            (void)X509_up_ref(cert);
            g_ptr_array_add(roots->test, cert);
        }
    }
}

gboolean
cvs_snp_roots_add_test_folder(CvsSnpRoots *roots, const char *path, GError **error)
{
    g_autoptr(GPtrArray) certs = cvs_test_roots_load(path, error);

    if (certs)
        cvs_snp_roots_add_test(roots, certs);
    return certs != NULL;
}

gboolean
cvs_snp_roots_have_test(const CvsSnpRoots *roots)
{
    return roots->has_test;
}

const GPtrArray *
cvs_snp_roots_test_certs(const CvsSnpRoots *roots)
{
    return roots->test;
}

CvsSnpLine
cvs_snp_roots_find(const CvsSnpRoots *roots, const X509 *cert, gboolean *ret_test)
{
    CvsSnpLine line = CVS_SNP_LINE_UNKNOWN;
    guint8 spki[32];

    if (ret_test)
        *ret_test = FALSE;
    if (cvs_snp_cert_kind(cert, &line) != CVS_SNP_CERT_ARK)
        return CVS_SNP_LINE_UNKNOWN;
    cvs_x509_spki_sha256(cert, spki);
    for (gsize i = 0; i < G_N_ELEMENTS(pinned); i++) {
        if (pinned[i].line == line && memcmp(pinned[i].spki, spki, sizeof spki) == 0)
            return line;
    }
    for (guint i = 0; i < roots->test->len; i++) {
        if (X509_cmp(g_ptr_array_index(roots->test, i), cert) == 0) {
            if (ret_test)
                *ret_test = TRUE;
            return line;
        }
    }
    return CVS_SNP_LINE_UNKNOWN;
}

gboolean
cvs_snp_roots_have_line(const CvsSnpRoots *roots, CvsSnpLine line)
{
    for (gsize i = 0; i < G_N_ELEMENTS(pinned); i++) {
        if (pinned[i].line == line)
            return TRUE;
    }
    for (guint i = 0; i < roots->test->len; i++) {
        if (cvs_snp_roots_find(roots, g_ptr_array_index(roots->test, i), NULL) == line)
            return TRUE;
    }
    return FALSE;
}
