/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The attestation of an SVSM, protocol 1 of "Secure VM Service Module" (AMD 58019): manifests of
 * the vTPM and of all services, and the report at VMPL 0 whose report data is
 * SHA-512(nonce ‖ manifest). */

#include "tee-sim-private.h"
#include "base/digest.h"

#include <string.h>

/* GUIDs as they lie in memory: the first three fields little-endian. */
static const guint8 guid_services[16] = "\xbb\x9e\x84\x63\x92\x3d\x70\x46\xa1\xff\x58\xf9\xc9\x4b"
                                        "\x87\xbb";
static const guint8 guid_vtpm[16] = "\xeb\xf1\x76\xc4\x23\x01\xa5\x45\x96\x41\xb4\xe7\xdd\xe5"
                                    "\xbf\xe3";

static void
append_be(GByteArray *out, guint32 value, guint size)
{
    for (guint i = 0; i < size; i++) {
        guint8 byte = (guint8)(value >> (8 * (size - 1 - i)));

        g_byte_array_append(out, &byte, 1);
    }
}

static void
append_le(GByteArray *out, guint32 value)
{
    value = GUINT32_TO_LE(value);
    g_byte_array_append(out, (const guint8 *)&value, sizeof(value));
}

/* The public area, or one like it of another key: the last bytes are the key itself. */
static void
append_public(GByteArray *out, GBytes *public, gboolean other)
{
    gsize size = 0;
    const guint8 *data = g_bytes_get_data(public, &size);

    g_byte_array_append(out, data, (guint)size);
    if (other)
        out->data[out->len - 8] ^= 0x10;
}

static GByteArray *
vtpm_manifest(const TeeSim *sim, guint version)
{
    guint lie = sim->sw[TEE_SIM_MANIFEST];
    GByteArray *out = g_byte_array_new();

    if (version == 0) {
        append_public(out, sim->ek, lie == TEE_SIM_MANIFEST_OTHER_EK);
    } else {
        append_be(out, 1, 4);
        append_be(out, 2, 4);
        append_be(out, (guint32)g_bytes_get_size(sim->ek), 2);
        append_public(out, sim->ek, lie == TEE_SIM_MANIFEST_OTHER_EK);
        append_be(out, (guint32)g_bytes_get_size(sim->ak), 2);
        append_public(out, sim->ak, lie == TEE_SIM_MANIFEST_OTHER_AK);
    }
    if (lie == TEE_SIM_MANIFEST_TRUNCATED)
        g_byte_array_set_size(out, out->len - 1);
    if (lie == TEE_SIM_MANIFEST_TRAILING)
        append_be(out, 0, 1);
    return out;
}

static GByteArray *
services_manifest(const TeeSim *sim)
{
    g_autoptr(GByteArray) vtpm = vtpm_manifest(sim, 0);
    GByteArray *out = g_byte_array_new();

    g_byte_array_append(out, guid_services, 16);
    append_le(out, 24 + 24 + vtpm->len);
    append_le(out, 1);
    g_byte_array_append(out, guid_vtpm, 16);
    append_le(out, 24 + 24);
    append_le(out, vtpm->len);
    g_byte_array_append(out, vtpm->data, vtpm->len);
    return out;
}

gboolean
tee_sim_svsm_attest(TeeSim *sim, const guint8 nonce[static 64], const guint8 *guid, guint version,
                    guint8 report[static CVS_SNP_REPORT_SIZE], GBytes **ret_manifest)
{
    g_autoptr(CvsHasher) hasher = cvs_hasher_new(CVS_SHA512);
    g_autoptr(GByteArray) manifest = NULL;
    guint8 data[64];

    /* A vTPM without an EK is one that was not started. */
    if (!sim->sw[TEE_SIM_SVSM] || sim->ek == NULL)
        return FALSE;
    if (guid == NULL) {
        manifest = services_manifest(sim);
    } else {
        if (memcmp(guid, guid_vtpm, 16) != 0 || version > 1 ||
            (version == 1 && !(sim->sw[TEE_SIM_MANIFEST_V1] && sim->ak)))
            return FALSE;
        manifest = vtpm_manifest(sim, version);
    }
    cvs_hasher_update(hasher, nonce, 64);
    cvs_hasher_update(hasher, manifest->data, manifest->len);
    cvs_hasher_finish(hasher, data);
    if (tee_sim_snp_report(sim, data, 0, 0, report) != 0)
        return FALSE;
    *ret_manifest = g_byte_array_free_to_bytes(g_steal_pointer(&manifest));
    return TRUE;
}
