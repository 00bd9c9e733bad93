/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* AMD's part: firmware that reports, the vendor that certifies, the host that hands on. */

#include "tee-sim-private.h"
#include "base/digest.h"

#include <openssl/pem.h>
#include <openssl/rand.h>
#include <string.h>

#define DAY (24 * 3600)
#define PAGE 4096
#define CERTS_MAX (4 * PAGE)

enum { CURRENT_TCB = 0x38, REPORTED_TCB = 0x180, COMMITTED_TCB = 0x1e0, LAUNCH_TCB = 0x1f0 };

void
tee_sim_snp_init(TeeSim *sim)
{
    sim->vendor = snp_hierarchy_new_at(sim->line, sim->now);
    g_assert_cmpint(RAND_bytes(sim->report_id, sizeof(sim->report_id)), ==, 1);
    g_assert_cmpint(RAND_bytes(sim->launch_secret, sizeof(sim->launch_secret)), ==, 1);
}

void
tee_sim_snp_clear(TeeSim *sim)
{
    g_clear_pointer(&sim->vendor, snp_hierarchy_free);
    g_clear_pointer(&sim->impostor, snp_hierarchy_free);
}

const SnpHierarchy *
tee_sim_snp_vendor(TeeSim *sim)
{
    if (!sim->sw[TEE_SIM_OTHER_ROOT])
        return sim->vendor;
    if (sim->impostor == NULL)
        sim->impostor = snp_hierarchy_new_at(sim->line, sim->now);
    return sim->impostor;
}

static gboolean
is_turin(const TeeSim *sim)
{
    return cvs_snp_line_layout(sim->line) == CVS_SNP_TCB_TURIN;
}

static void
chip_id(const TeeSim *sim, guint8 id[static 64])
{
    memset(id, 0, 64);
    tee_sim_derive(sim, "chip", id, is_turin(sim) ? 8 : 64);
}

/* Where the byte of a component is; none: -1. In the order of the switch "low-tcb". */
static int
component(const TeeSim *sim, guint which)
{
    static const gint8 legacy[] = {-1, -1, 0, 1, 6, 7};
    static const gint8 turin[] = {-1, 0, 1, 2, 3, 7};

    return is_turin(sim) ? turin[which] : legacy[which];
}

static guint64
get_policy(const guint8 *report)
{
    guint64 policy = 0;

    memcpy(&policy, report + 8, sizeof(policy));
    return GUINT64_FROM_LE(policy);
}

static void
add_policy(guint8 *report, guint64 bits)
{
    guint64 policy = GUINT64_TO_LE(get_policy(report) | bits);

    memcpy(report + 8, &policy, sizeof(policy));
}

/* What the firmware says of this guest; unsigned. */
static void
make_body(const TeeSim *sim, guint8 report[static CVS_SNP_REPORT_SIZE])
{
    const guint *sw = sim->sw;
    const gsize tcbs[] = {CURRENT_TCB, REPORTED_TCB, COMMITTED_TCB, LAUNCH_TCB};
    gboolean vlek = sw[TEE_SIM_SIGNER] == 1;

    snp_make_report(report, sim->line, sw[TEE_SIM_REPORT_VERSION]);
    tee_sim_derive(sim, "measurement", report + 0x90, 48);
    tee_sim_derive(sim, "host data", report + 0xc0, 32);
    memcpy(report + 0x140, sim->report_id, 32);
    chip_id(sim, report + 0x1a0);
    if (vlek)
        memset(report + 0x1a0, 0, 64);
    report[0x48] = (guint8)(vlek ? CVS_SNP_SIGNER_VLEK << 2 : 0);

    if (sw[TEE_SIM_OTHER_GUEST])
        report[0x90] ^= 1;
    if (sw[TEE_SIM_DEBUG])
        add_policy(report, CVS_SNP_POLICY_DEBUG);
    if (sw[TEE_SIM_MIGRATION]) {
        add_policy(report, CVS_SNP_POLICY_MIGRATE_MA);
        tee_sim_derive(sim, "migration agent", report + 0x160, 32);
    }
    if (sw[TEE_SIM_SMT]) {
        add_policy(report, CVS_SNP_POLICY_SMT);
        report[0x40] |= CVS_SNP_PLATFORM_SMT_EN;
    } else {
        report[0x40] &= (guint8)~CVS_SNP_PLATFORM_SMT_EN;
        report[0x0a] &= (guint8) ~(CVS_SNP_POLICY_SMT >> 16);
    }
    if (sw[TEE_SIM_OTHER_CHIP])
        report[0x1a0] ^= 1;
    if (sw[TEE_SIM_MASK_CHIP_ID])
        memset(report + 0x1a0, 0, 64);
    if (sw[TEE_SIM_WRONG_LINE] && sw[TEE_SIM_REPORT_VERSION] >= 3) {
        report[0x188] = 0x19;
        report[0x189] = sim->line == CVS_SNP_LINE_MILAN ? 0x11 : 0x01;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(tcbs); i++)
        if (sw[TEE_SIM_LOW_TCB] > 0)
            report[tcbs[i] + (gsize)component(sim, sw[TEE_SIM_LOW_TCB])]--;
    if (sw[TEE_SIM_REPORTED_LAGS])
        report[REPORTED_TCB + (gsize)component(sim, 4)]--;
    if (sw[TEE_SIM_MASK_CHIP_KEY])
        report[0x48] = 2 | CVS_SNP_SIGNER_NONE << 2;
}

guint32
tee_sim_snp_report(TeeSim *sim, const guint8 data[static 64], guint vmpl, guint by,
                   guint8 report[static CVS_SNP_REPORT_SIZE])
{
    if (vmpl > 3 || vmpl < by)
        return TEE_SIM_SNP_INVALID_PARAMETER;
    make_body(sim, report);
    tee_sim_report_data(sim, data, report + 0x50);
    report[0x30] = (guint8)(sim->sw[TEE_SIM_WRONG_VMPL] ? (vmpl + 1) % 4 : vmpl);
    if (sim->sw[TEE_SIM_MASK_CHIP_KEY])
        return 0;
    snp_sign_report(report, tee_sim_snp_vendor(sim)->leaf_key);
    if (sim->sw[TEE_SIM_BAD_SIGNATURE])
        report[0x2a0] ^= 1;
    return 0;
}

X509 *
tee_sim_snp_leaf(TeeSim *sim)
{
    const SnpHierarchy *vendor = tee_sim_snp_vendor(sim);
    const guint *sw = sim->sw;
    gboolean vlek = sw[TEE_SIM_SIGNER] == 1;
    guint8 report[CVS_SNP_REPORT_SIZE];
    EVP_PKEY *stranger = NULL;
    X509 *leaf = NULL;
    SnpLeafSpec spec;

    make_body(sim, report);
    spec = snp_leaf_spec(report, sim->line);
    chip_id(sim, spec.hwid);
    if (sw[TEE_SIM_WRONG_LEAF_KIND])
        vlek = !vlek;
    spec.kind = vlek ? CVS_SNP_CERT_VLEK : CVS_SNP_CERT_VCEK;
    spec.not_before = sim->now - DAY;
    spec.not_after = sim->now + 300 * DAY;
    if (sw[TEE_SIM_LEAF_DATES] == TEE_SIM_DATES_EXPIRED)
        spec.not_after = sim->now - 3600;
    if (sw[TEE_SIM_LEAF_DATES] == TEE_SIM_DATES_FUTURE)
        spec.not_before = sim->now + 30 * DAY;
    if (sw[TEE_SIM_LEAF_TCB])
        spec.tcb.microcode--;
    if (sw[TEE_SIM_SWAPPED_CA]) {
        spec.issuer = vlek ? vendor->ask : vendor->asvk;
        spec.issuer_key = vlek ? vendor->ask_key : vendor->asvk_key;
    }
    if (sw[TEE_SIM_OTHER_LEAF]) {
        stranger = snp_make_p384_key();
        spec.key = stranger;
        spec.hwid[0] ^= 1;
    }
    leaf = snp_make_leaf(vendor, &spec);
    EVP_PKEY_free(stranger);
    return leaf;
}

/* GHCB's certificate table: GUIDs in the order of their text. */
static const guint8 guid_vcek[16] = "\x63\xda\x75\x8d\xe6\x64\x45\x64\xad\xc5\xf4\xb9\x3b\xe8\xac"
                                    "\xcd";
static const guint8 guid_vlek[16] = "\xa8\x07\x4b\xc2\xa2\x5a\x48\x3e\xaa\xe6\x39\xc0\x45\xa0\xb8"
                                    "\xa1";
static const guint8 guid_ask[16] = "\x4a\xb7\xb3\x79\xbb\xac\x4f\xe4\xa0\x2f\x05\xae\xf3\x27\xc7"
                                   "\x82";
static const guint8 guid_ark[16] = "\xc0\xb4\x06\xa4\xa8\x03\x49\x52\x97\x43\x3f\xb6\x01\x4c\xd0"
                                   "\xae";

static void
put_u32(guint8 *at, guint32 value)
{
    value = GUINT32_TO_LE(value);
    memcpy(at, &value, sizeof(value));
}

GBytes *
tee_sim_snp_certs(TeeSim *sim)
{
    const SnpHierarchy *vendor = tee_sim_snp_vendor(sim);
    gboolean vlek = sim->sw[TEE_SIM_SIGNER] == 1;
    guint n = sim->sw[TEE_SIM_CERTS] == TEE_SIM_CERTS_NONE   ? 0
              : sim->sw[TEE_SIM_CERTS] == TEE_SIM_CERTS_LEAF ? 1
                                                             : 3;
    const guint8 *guids[] = {vlek ? guid_vlek : guid_vcek, guid_ask, guid_ark};
    g_autoptr(GByteArray) table = g_byte_array_new();
    X509 *certs[] = {NULL, vlek ? vendor->asvk : vendor->ask, vendor->ark};

    if (n == 0)
        return g_bytes_new(NULL, 0);
    certs[0] = tee_sim_snp_leaf(sim);
    g_byte_array_set_size(table, (n + 1) * 24);
    memset(table->data, 0, table->len);
    for (guint i = 0; i < n; i++) {
        g_autoptr(GBytes) der = snp_cert_der(certs[i]);
        guint8 *entry = table->data + i * 24;

        memcpy(entry, guids[i], 16);
        put_u32(entry + 16, table->len);
        put_u32(entry + 20, (guint32)g_bytes_get_size(der));
        g_byte_array_append(table, g_bytes_get_data(der, NULL), (guint)g_bytes_get_size(der));
    }
    X509_free(certs[0]);
    if (sim->sw[TEE_SIM_BAD_AUXBLOB])
        put_u32(table->data + 16, 0xfffffff0);
    return g_byte_array_free_to_bytes(g_steal_pointer(&table));
}

static gboolean
tcb_reaches(const TeeSim *sim, const guint8 *tcb, const guint8 *limit)
{
    for (guint i = 1; i <= 5; i++) {
        int at = component(sim, i);

        if (at >= 0 && tcb[at] > limit[at])
            return FALSE;
    }
    return TRUE;
}

guint32
tee_sim_snp_key(TeeSim *sim, const TeeSimKeyRequest *request, guint8 key[static 32])
{
    enum { POLICY, IMAGE_ID, FAMILY_ID, MEASUREMENT, GUEST_SVN, TCB, N_FIELDS };
    g_autoptr(GByteArray) mixed = g_byte_array_new();
    guint8 body[CVS_SNP_REPORT_SIZE];
    guint32 launch_svn = 0;
    guint8 secret[64];

    memset(key, 0, 32);
    make_body(sim, body);
    memcpy(&launch_svn, body + 4, sizeof(launch_svn));
    if (request->root_key > 1 || request->fields >> N_FIELDS || request->vmpl > 3 ||
        request->vmpl < tee_sim_vmpl(sim) || request->guest_svn > GUINT32_FROM_LE(launch_svn) ||
        !tcb_reaches(sim, request->tcb, body + COMMITTED_TCB))
        return TEE_SIM_SNP_INVALID_PARAMETER;
    if (sim->sw[TEE_SIM_ZERO_KEY])
        return 0;

    tee_sim_derive(sim, "chip secret", secret, sizeof(secret));
    if (sim->sw[TEE_SIM_OTHER_CHIP])
        secret[0] ^= 1;
    if (request->root_key == 1)
        memcpy(secret, sim->launch_secret, sizeof(sim->launch_secret));
    else /* the VCEK of the TCB asked for; a VLEK is loaded for the reported one */
        g_byte_array_append(mixed,
                            request->fields >> TCB & 1 && sim->sw[TEE_SIM_SIGNER] == 0
                                ? request->tcb
                                : body + REPORTED_TCB,
                            8);
    g_byte_array_append(mixed, (const guint8 *)&request->fields, sizeof(request->fields));
    g_byte_array_append(mixed, (const guint8 *)&request->vmpl, sizeof(request->vmpl));
    if (request->fields >> POLICY & 1)
        g_byte_array_append(mixed, body + 0x08, 8);
    if (request->fields >> IMAGE_ID & 1)
        g_byte_array_append(mixed, body + 0x20, 16);
    if (request->fields >> FAMILY_ID & 1)
        g_byte_array_append(mixed, body + 0x10, 16);
    if (request->fields >> MEASUREMENT & 1)
        g_byte_array_append(mixed, body + 0x90, 48);
    if (request->fields >> GUEST_SVN & 1)
        g_byte_array_append(mixed, (const guint8 *)&request->guest_svn, 4);
    if (request->fields >> TCB & 1)
        g_byte_array_append(mixed, request->tcb, 8);
    cvs_hmac(CVS_SHA256, secret, sizeof(secret), mixed->data, mixed->len, key);
    return 0;
}
