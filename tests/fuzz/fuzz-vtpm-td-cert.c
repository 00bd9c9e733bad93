/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The pair of certificates: a size (u16, big-endian), as many bytes of the EK's, the rest the CA's.
 */

#include "base/error.h"
#include "fuzz.h"
#include "tee/refusal.h"
#include "tee/vtpm-td-cert.h"

#define AT G_GINT64_CONSTANT(1767225600)

int
LLVMFuzzerTestOneInput(const guint8 *data, gsize size)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsVtpmTdCerts) certs = NULL;
    g_autoptr(GBytes) ek = NULL, ca = NULL;
    gsize cut = 0;

    if (size < 2)
        return 0;
    cut = MIN((gsize)data[0] << 8 | data[1], size - 2);
    ek = g_bytes_new(data + 2, cut);
    ca = g_bytes_new(data + 2 + cut, size - 2 - cut);
    certs = cvs_vtpm_td_certs_parse(ek, ca, &error);
    g_assert_true((certs == NULL) == (error != NULL));
    if (certs) {
        g_autoptr(GError) refusal = cvs_refusal_new();

        g_assert_false(cvs_vtpm_td_is_another_ca(ca));
        g_assert_cmpuint(g_bytes_get_size(certs->quote), >, 0);
        cvs_vtpm_td_certs_check(certs, AT, refusal);
    } else {
        g_assert_true(cvs_error_has_reason(error, CVS_REASON_VTPM_TD_MALFORMED));
        (void)cvs_vtpm_td_is_another_ca(ca);
    }
    return 0;
}
