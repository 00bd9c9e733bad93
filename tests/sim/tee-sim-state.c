/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The state folder: roots to be named in a configuration, and what an administrator would import.
 */

#include "tee-sim-private.h"
#include "base/error.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <openssl/pem.h>
#include <string.h>

#define DAY (24 * 3600)

typedef struct {
    const char *dir;
    GError **error;
    gboolean failed;
} Writer;

static void
put(Writer *writer, const char *name, const void *data, gsize size)
{
    g_autofree char *path = g_build_filename(writer->dir, name, NULL);

    if (!writer->failed)
        writer->failed = !g_file_set_contents(path, data, (gssize)size, writer->error);
}

static void
put_bytes(Writer *writer, const char *name, GBytes *bytes)
{
    put(writer, name, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
}

static void
put_text(Writer *writer, const char *name, const char *text)
{
    put(writer, name, text, strlen(text));
}

/* Certificates in PEM, up to a NULL. */
static void G_GNUC_NULL_TERMINATED
put_pem(Writer *writer, const char *name, X509 *cert, ...)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data = NULL;
    long size = 0;
    va_list args;

    va_start(args, cert);
    for (; cert; cert = va_arg(args, X509 *))
        g_assert_cmpint(PEM_write_bio_X509(bio, cert), ==, 1);
    va_end(args);
    size = BIO_get_mem_data(bio, &data);
    put(writer, name, data, (gsize)size);
    BIO_free(bio);
}

static void
put_snp_crl(TeeSim *sim, Writer *writer)
{
    /* The CRL is the real vendor's: a host with another root has no use for one. */
    const SnpHierarchy *vendor = sim->vendor;
    gboolean vlek = sim->sw[TEE_SIM_SIGNER] == 1;
    long revoked = sim->sw[TEE_SIM_REVOKED] == TEE_SIM_REVOKED_CA
                       ? ASN1_INTEGER_get(X509_get0_serialNumber(vlek ? vendor->asvk : vendor->ask))
                       : 0;
    X509_CRL *crl = snp_make_crl(
        vendor->ark, vendor->ark_key, sim->now - 12 * DAY,
        sim->sw[TEE_SIM_STALE_CRL] ? sim->now - 3600 : sim->now + 180 * DAY, 7, revoked, FALSE);
    guint8 *der = NULL;
    int size = i2d_X509_CRL(crl, &der);

    put(writer, "crl.der", der, (gsize)size);
    OPENSSL_free(der);
    X509_CRL_free(crl);
}

static void
put_snp(TeeSim *sim, Writer *writer)
{
    const SnpHierarchy *vendor = tee_sim_snp_vendor(sim);
    X509 *leaf = tee_sim_snp_leaf(sim);
    g_autoptr(GBytes) der = snp_cert_der(leaf);

    put_pem(writer, "../roots/ark.pem", sim->vendor->ark, NULL);
    put_pem(writer, "ark.pem", vendor->ark, NULL);
    put_pem(writer, "ask.pem", vendor->ask, NULL);
    put_pem(writer, "asvk.pem", vendor->asvk, NULL);
    put_bytes(writer, "leaf.der", der);
    put_snp_crl(sim, writer);
    X509_free(leaf);
}

static void
put_tdx(TeeSim *sim, Writer *writer)
{
    const TdxPlatform *real = sim->platform;
    TdxMaker maker = *sim->maker;
    X509 *root = tdx_platform_cert(real, TDX_ROOT);
    X509 *signer = tdx_platform_cert(real, TDX_SIGNER);
    g_autoptr(GBytes) root_crl = tdx_platform_crl(real, &maker, TDX_ROOT);
    g_autoptr(GBytes) pck_crl = tdx_platform_crl(real, &maker, TDX_CA);
    g_autofree char *tcb_info = NULL;
    g_autofree char *qe_identity = tdx_platform_qe_identity(real, &maker);

    if (sim->sw[TEE_SIM_OTHER_FMSPC])
        maker.pck.fmspc[0] ^= 1;
    tcb_info = tdx_platform_tcb_info(real, &maker);
    put_pem(writer, "../roots/intel-root.pem", root, NULL);
    put_text(writer, "tcb-info.json", tcb_info);
    put_pem(writer, "tcb-info-issuer-chain.pem", signer, root, NULL);
    put_text(writer, "qe-identity.json", qe_identity);
    put_pem(writer, "qe-identity-issuer-chain.pem", signer, root, NULL);
    put_pem(writer, "pck-chain.pem", tdx_platform_cert(real, TDX_PCK),
            tdx_platform_cert(real, TDX_CA), root, NULL);
    put_pem(writer, "pck-crl-issuer-chain.pem", tdx_platform_cert(real, TDX_CA), root, NULL);
    put_bytes(writer, "root-crl.der", root_crl);
    put_bytes(writer, "pck-crl.der", pck_crl);
}

gboolean
tee_sim_write_state(TeeSim *sim, GError **error)
{
    g_autoptr(GBytes) hcl = NULL;
    g_autofree char *roots = NULL;
    g_autofree char *collateral = NULL;
    Writer writer = {.error = error};

    if (sim->state_dir == NULL)
        return TRUE;
    roots = g_build_filename(sim->state_dir, "roots", NULL);
    collateral = g_build_filename(sim->state_dir, "collateral", NULL);
    if (g_mkdir_with_parents(roots, 0755) != 0 || g_mkdir_with_parents(collateral, 0755) != 0) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_FAILED, "tee-sim: cannot make folders in %s: %s",
                    sim->state_dir, g_strerror(errno));
        return FALSE;
    }
    writer.dir = collateral;
    if (tee_sim_is_snp(sim))
        put_snp(sim, &writer);
    if (tee_sim_is_tdx(sim))
        put_tdx(sim, &writer);
    hcl = tee_sim_azure_report(sim);
    if (hcl)
        put_bytes(&writer, "../hcl-report.bin", hcl);
    return !writer.failed;
}
