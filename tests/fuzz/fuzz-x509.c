/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fuzz.h"
#include "base/error.h"
#include "tee/refusal.h"
#include "tee/snp-certs.h"
#include "tee/x509-crl.h"

/* Whatever loads can be asked everything; nothing is trusted, since there is no anchor. */
int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(GPtrArray) certs = cvs_x509_certs_new();
    g_autoptr(GPtrArray) crls = cvs_x509_crls_new();
    g_autoptr(GError) error = NULL;
    gboolean ok = cvs_x509_load(data, size, "input", certs, crls, &error);

    g_assert_true(ok == (error == NULL));
    g_assert_true(ok == (certs->len + crls->len > 0));
    for (guint i = 0; i < certs->len; i++) {
        X509 *cert = g_ptr_array_index(certs, i);
        CvsX509Chain chain = {.leaf = cert, .others = certs, .at = 1782864000};
        g_autoptr(GError) refusal = cvs_refusal_new();
        char *name = cvs_x509_display_name(cert);
        guint8 digest[32];
        CvsSnpLeaf leaf;

        (void)cvs_snp_leaf_parse(cert, &leaf, NULL);
        g_free(name);
        (void)cvs_x509_not_before(cert);
        cvs_x509_spki_sha256(cert, digest);
        g_assert_null(cvs_x509_chain_path(&chain, refusal));
        g_assert_cmpuint(cvs_refusal_count(refusal), >, 0);
        (void)cvs_x509_check_crls(cert, cert, crls, 1782864000, NULL, NULL, refusal);
    }
    for (guint i = 0; i < crls->len; i++) {
        char *number = cvs_x509_crl_number(g_ptr_array_index(crls, i));

        g_free(number);
        (void)cvs_x509_crl_next_update(g_ptr_array_index(crls, i));
    }
    return 0;
}
