/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What Azure's paravisor (OpenHCL) writes to NV index 0x01400001; the form is hcl-report.h's. */

#include "tee-sim-private.h"
#include "base/digest.h"
#include "base/hex.h"
#include "tee/log-builder.h"

#include <string.h>

#define NV_SIZE 2600
#define REQUEST_AK_CERT 2
#define HASH_SHA256 1

/* A TPMT_PUBLIC of an RSA key ends with its modulus. */
static char *
modulus(GBytes *public)
{
    gsize size = 0;
    const guint8 *data = g_bytes_get_data(public, &size);

    g_assert_cmpuint(size, >, 256);
    return cvs_base64url_encode(data + size - 256, 256);
}

static char *
make_claims(const TeeSim *sim, const guint8 *user_data)
{
    g_autofree char *ak = modulus(sim->ak);
    g_autofree char *ek = modulus(sim->ek);
    g_autofree char *data = cvs_hex_encode(user_data, 64);
    g_autofree char *upper = g_ascii_strup(data, -1);

    return g_strdup_printf(
        "{\"keys\":[{\"kid\":\"HCLAkPub\",\"key_ops\":[\"sign\"],\"kty\":\"RSA\",\"e\":\"AQAB\","
        "\"n\":\"%s\"},{\"kid\":\"HCLEkPub\",\"key_ops\":[\"encrypt\"],\"kty\":\"RSA\","
        "\"e\":\"AQAB\",\"n\":\"%s\"}],\"vm-configuration\":{\"root-cert-thumbprint\":\"\","
        "\"console-enabled\":false,\"secure-boot\":true,\"tpm-enabled\":true,"
        "\"tpm-persisted\":true,\"vmUniqueId\":\"11111111-2222-3333-4444-555555555555\"},"
        "\"user-data\":\"%s\"}",
        ak, ek, upper);
}

GBytes *
tee_sim_azure_report(TeeSim *sim)
{
    gboolean snp = sim->type == TEE_SIM_AZURE_SNP;
    guint lie = sim->sw[TEE_SIM_HCL];
    const guint8 *user_data = lie == TEE_SIM_HCL_STALE ? sim->old_user_data : sim->user_data;
    guint8 hardware[CVS_SNP_REPORT_SIZE] = {0};
    guint8 report_data[64] = {0};
    g_autofree char *claims = NULL;
    LogBuilder *out = NULL;

    if ((!snp && sim->type != TEE_SIM_AZURE_TDX) || !sim->ek || !sim->ak)
        return NULL;
    claims = make_claims(sim, user_data);
    cvs_hash_bytes(CVS_SHA256, claims, strlen(claims), report_data);
    /* The paravisor runs at VMPL 0. */
    if (snp)
        g_assert_cmpuint(tee_sim_snp_report(sim, report_data, 0, 0, hardware), ==, 0);
    else
        tee_sim_tdx_report(sim, report_data, hardware);
    if (sim->sw[TEE_SIM_FLIP] > 0 && sim->sw[TEE_SIM_FLIP] <= sizeof(hardware))
        hardware[sim->sw[TEE_SIM_FLIP] - 1] ^= 1;
    if (lie == TEE_SIM_HCL_CLAIMS_EDITED) {
        char *at = strstr(claims, "\"secure-boot\":true,");

        memcpy(at, "\"secure-boot\":null,", strlen("\"secure-boot\":null,"));
    }

    out = log_builder_new();
    log_builder_bytes(out, "HCLA", 4);
    log_builder_u32(out, 2);
    log_builder_u32(out, (guint32)(1236 + strlen(claims)));
    log_builder_u32(out, REQUEST_AK_CERT);
    log_builder_u32(out, 0);
    log_builder_fill(out, 0, 12);
    log_builder_bytes(out, hardware, sizeof(hardware));
    log_builder_u32(out, (guint32)(20 + strlen(claims)));
    log_builder_u32(out, 1);
    log_builder_u32(out, snp ? 2 : 4);
    log_builder_u32(out, HASH_SHA256);
    log_builder_u32(out, (guint32)strlen(claims));
    log_builder_bytes(out, claims, strlen(claims));
    log_builder_fill(out, 0, NV_SIZE - out->len);
    return log_builder_end(out);
}
