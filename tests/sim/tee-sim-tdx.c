/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Intel's part: the TDX module with the TD's registers, the quoting enclave, the PCS's answers. */

#include "tee-sim-private.h"
#include "base/digest.h"
#include "tee/eventlog-replay.h"
#include "tee/td-body.h"

#include <string.h>

#define DAY (24 * 3600)

/* Places in a quote's body. */
enum {
    TD_MRSEAM = 16,
    TD_ATTRIBUTES = 120,
    TD_XFAM = 128,
    TD_MRTD = 136,
    TD_MRCONFIGID = 184,
    TD_MROWNER = 232,
    TD_MROWNERCONFIG = 280,
    TD_RTMR0 = 328,
    TD_REPORT_DATA = 520,
    TD_TCB_SVN2 = 584,
    TD_MRSERVICETD = 600,
};

static const char *
text_time(gint64 seconds)
{
    g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc(seconds);
    g_autofree char *text = g_date_time_format(time, "%Y-%m-%dT%H:%M:%SZ");

    return g_intern_string(text);
}

static gboolean
measure_boot(TeeSim *sim, GError **error)
{
    g_autoptr(CvsEventLog) log = cvs_event_log_parse(sim->ccel, CVS_EVENT_LOG_CC, error);
    CvsRegister registers[CVS_EVENT_LOG_REGISTERS];

    if (log == NULL)
        return FALSE;
    cvs_event_log_replay(log, CVS_SHA384, registers);
    for (guint i = 0; i < CVS_TD_RTMRS; i++)
        memcpy(sim->rtmr[i], registers[i].value, CVS_TD_MR_SIZE);
    return TRUE;
}

gboolean
tee_sim_tdx_init(TeeSim *sim, GError **error)
{
    TdxMaker *maker = tdx_maker_new();
    guint8 *body = maker->body;

    sim->maker = maker;
    tee_sim_derive(sim, "TDX module", body + TD_MRSEAM, CVS_TD_MR_SIZE);
    memset(body + TD_XFAM, 0, 8);
    body[TD_XFAM] = 0xe7;
    body[TD_XFAM + 2] = 0x06;
    tee_sim_derive(sim, "measurement", body + TD_MRTD, CVS_TD_MR_SIZE);
    tee_sim_derive(sim, "host data", body + TD_MRCONFIGID, CVS_TD_MR_SIZE);
    memset(body + TD_MROWNER, 0, CVS_TD_MR_SIZE);
    memset(body + TD_MROWNERCONFIG, 0, CVS_TD_MR_SIZE);
    tee_sim_derive(sim, "quoting enclave", maker->qe_report + 64, 32);
    tee_sim_derive(sim, "PPID", maker->pck.ppid, 16);
    sim->platform = tdx_platform_new(maker);
    tee_sim_tdx_apply(sim);
    return sim->ccel == NULL || measure_boot(sim, error);
}

void
tee_sim_tdx_clear(TeeSim *sim)
{
    g_clear_pointer(&sim->platform, tdx_platform_free);
    g_clear_pointer(&sim->impostor_platform, tdx_platform_free);
    g_clear_pointer(&sim->maker, tdx_maker_free);
}

const TdxPlatform *
tee_sim_tdx_platform(TeeSim *sim)
{
    if (!sim->sw[TEE_SIM_OTHER_ROOT])
        return sim->platform;
    if (sim->impostor_platform == NULL)
        sim->impostor_platform = tdx_platform_new(sim->maker);
    return sim->impostor_platform;
}

static const char *const statuses[] = {
    "UpToDate",
    "SWHardeningNeeded",
    "ConfigurationNeeded",
    "ConfigurationAndSWHardeningNeeded",
    "OutOfDate",
    "OutOfDateConfigurationNeeded",
    "Revoked",
};

void
tee_sim_tdx_apply(TeeSim *sim)
{
    TdxMaker *maker = sim->maker;
    const guint *sw = sim->sw;
    guint dates = sw[TEE_SIM_LEAF_DATES];
    guint collateral = sw[TEE_SIM_COLLATERAL];
    gint64 issued = sim->now - 12 * DAY;
    gint64 from = dates == TEE_SIM_DATES_FUTURE ? sim->now + 30 * DAY : 0;
    gint64 to = dates == TEE_SIM_DATES_EXPIRED ? sim->now - 3600 : 0;

    maker->version = (guint16)sw[TEE_SIM_QUOTE_VERSION];
    if (maker->leaf.from != from || maker->leaf.to != to) {
        maker->leaf.from = from;
        maker->leaf.to = to;
        tdx_platform_renew_pck(sim->platform, maker);
    }
    maker->revoke_ca = sw[TEE_SIM_REVOKED] == TEE_SIM_REVOKED_CA;
    maker->revoke_leaf = sw[TEE_SIM_REVOKED] == TEE_SIM_REVOKED_LEAF;
    maker->revoke_signer = sw[TEE_SIM_REVOKED] == TEE_SIM_REVOKED_SIGNER;
    maker->crl_from = sim->now - 12 * DAY;
    maker->crl_to = sw[TEE_SIM_STALE_CRL] ? sim->now - 3600 : sim->now + 18 * DAY;

    if (collateral == TEE_SIM_COLLATERAL_EXPIRED)
        issued = sim->now - 31 * DAY;
    if (collateral == TEE_SIM_COLLATERAL_FUTURE)
        issued = sim->now + DAY;
    maker->issue_date = text_time(issued);
    maker->next_update = text_time(issued + 30 * DAY);
    maker->evaluation = collateral == TEE_SIM_COLLATERAL_OLDER ? 17 : 18;
    tdx_maker_clear_levels(maker);
    tdx_maker_add_level(maker, 5, 11, 5, 0, 5, statuses[sw[TEE_SIM_TCB_STATUS]]);
    tdx_maker_add_identity(maker, sw[TEE_SIM_NO_MODULE_IDENTITY] ? 3 : 1, 5, "UpToDate", 0u, NULL);
    tdx_maker_add_qe_level(maker, 4, "UpToDate");

    maker->qe_report[128] = sw[TEE_SIM_QE] == TEE_SIM_QE_IDENTITY ? 0x78 : 0x77;
    maker->keep_qe_report_data = sw[TEE_SIM_QE] == TEE_SIM_QE_REPORT_DATA;
    maker->wrong_pck_key = sw[TEE_SIM_QE] == TEE_SIM_QE_SIGNATURE;
    maker->wrong_attestation_key = sw[TEE_SIM_BAD_SIGNATURE] != 0;
}

/* What the module says of this TD. */
static void
make_body(const TeeSim *sim, const guint8 *data, guint8 body[static 648])
{
    const guint *sw = sim->sw;

    memcpy(body, sim->maker->body, 648);
    memset(body + TD_ATTRIBUTES, 0, 8);
    body[TD_ATTRIBUTES + 3] = 1 << (CVS_TD_ATTR_SEPT_VE_DISABLE - 24);
    if (sw[TEE_SIM_DEBUG])
        body[TD_ATTRIBUTES] |= 1;
    if (sw[TEE_SIM_MIGRATION])
        body[TD_ATTRIBUTES + 3] |= 1 << (CVS_TD_ATTR_MIGRATABLE - 24);
    if (sw[TEE_SIM_SERVICE_TD])
        tee_sim_derive(sim, "service TD", body + TD_MRSERVICETD, CVS_TD_MR_SIZE);
    for (guint i = 0; i < CVS_TD_RTMRS; i++) {
        guint8 *rtmr = body + TD_RTMR0 + i * CVS_TD_MR_SIZE;

        memcpy(rtmr, sim->rtmr[i], CVS_TD_MR_SIZE);
        if (sw[TEE_SIM_ZERO_RTMRS])
            memset(rtmr, 0, CVS_TD_MR_SIZE);
    }
    memcpy(body + TD_REPORT_DATA, data, 64);
}

GBytes *
tee_sim_tdx_quote(TeeSim *sim, const guint8 data[static 64])
{
    TdxMaker maker = *sim->maker;
    guint8 put[64];

    tee_sim_report_data(sim, data, put);
    make_body(sim, put, maker.body);
    if (sim->sw[TEE_SIM_OTHER_GUEST])
        maker.body[TD_MRTD] ^= 1;
    return tdx_platform_quote(tee_sim_tdx_platform(sim), &maker);
}

GBytes *
tee_sim_tdx_other_quote(TeeSim *sim, const guint8 data[static 64], guint flags)
{
    TdxPlatform *platform = sim->platform;
    TdxMaker maker = *sim->maker;
    guint8 *body = maker.body;
    GBytes *quote = NULL;

    memset(body + TD_ATTRIBUTES, 0, 8);
    body[TD_ATTRIBUTES + 3] = 1 << (CVS_TD_ATTR_SEPT_VE_DISABLE - 24);
    if (flags & TEE_SIM_TD_DEBUG)
        body[TD_ATTRIBUTES] |= 1;
    if (flags & TEE_SIM_TD_MIGRATABLE)
        body[TD_ATTRIBUTES + 3] |= 1 << (CVS_TD_ATTR_MIGRATABLE - 24);
    memset(body + TD_RTMR0, 0, 4 * CVS_TD_MR_SIZE);
    if (flags & TEE_SIM_TD_GUEST)
        tee_sim_derive(sim, "measurement", body + TD_MRTD, CVS_TD_MR_SIZE);
    else
        tee_sim_vtpm_td_measurements(sim, body + TD_MRTD, body + TD_RTMR0 + CVS_TD_MR_SIZE);
    if (flags & TEE_SIM_TD_OTHER)
        body[TD_MRTD] ^= 1;
    memcpy(body + TD_REPORT_DATA, data, 64);
    maker.wrong_attestation_key = (flags & TEE_SIM_TD_SIGNATURE) != 0;
    if (flags & TEE_SIM_TD_FAMILY) {
        maker.pck.fmspc[0] ^= 1;
        tdx_platform_renew_pck(platform, &maker);
    }
    quote = tdx_platform_quote(platform, &maker);
    if (flags & TEE_SIM_TD_FAMILY)
        tdx_platform_renew_pck(platform, sim->maker);
    return quote;
}

void
tee_sim_tdx_report(TeeSim *sim, const guint8 data[static 64],
                   guint8 report[static TEE_SIM_TD_REPORT_SIZE])
{
    guint8 body[648];
    guint8 key[64];

    make_body(sim, data, body);
    memset(report, 0, TEE_SIM_TD_REPORT_SIZE);
    /* TEE_TCB_INFO */
    report[256] = 0xff;
    report[257] = 0x01;
    report[258] = 0x03;
    memcpy(report + 264, body, 16 + 48 + 48 + 8);
    memcpy(report + 384, body + TD_TCB_SVN2, 16);
    /* TDINFO */
    memcpy(report + 512, body + TD_ATTRIBUTES, 8 + 8 + 8 * 48);
    memcpy(report + 912, body + TD_MRSERVICETD, 48);
    /* REPORTMACSTRUCT */
    report[0] = 0x81;
    report[2] = sim->sw[TEE_SIM_SERVICE_TD] ? 1 : 0;
    memset(report + 16, 5, 16);
    cvs_hash_bytes(CVS_SHA384, report + 256, 239, report + 32);
    cvs_hash_bytes(CVS_SHA384, report + 512, 512, report + 80);
    memcpy(report + 128, data, 64);
    tee_sim_derive(sim, "report key", key, sizeof(key));
    cvs_hmac(CVS_SHA256, key, sizeof(key), report, 224, report + 224);
}

/* The measurement files. */

static const struct {
    const char *name;
    guint place;
} mrs[TEE_SIM_MRS] = {
    {"mrtd:sha384", TD_MRTD},        {"mrconfigid", TD_MRCONFIGID},
    {"mrowner", TD_MROWNER},         {"mrownerconfig", TD_MROWNERCONFIG},
    {"rtmr0:sha384", TD_RTMR0},      {"rtmr1:sha384", TD_RTMR0 + 48},
    {"rtmr2:sha384", TD_RTMR0 + 96}, {"rtmr3:sha384", TD_RTMR0 + 144},
};
#define FIRST_RTMR 4

const char *
tee_sim_tdx_mr_name(guint n)
{
    return mrs[n].name;
}

gboolean
tee_sim_tdx_mr_writable(guint n)
{
    return n >= FIRST_RTMR;
}

void
tee_sim_tdx_mr_read(TeeSim *sim, guint n, guint8 value[static 48])
{
    static const guint8 no_data[64];
    guint8 body[648];

    make_body(sim, no_data, body);
    if (n < FIRST_RTMR) {
        memcpy(value, body + mrs[n].place, 48);
        return;
    }
    /* One flag for all registers, and only writes through these files make it fall. */
    if (!sim->in_sync)
        memcpy(sim->shown, body + TD_RTMR0, sizeof(sim->shown));
    sim->in_sync = TRUE;
    memcpy(value, sim->shown[n - FIRST_RTMR], 48);
}

void
tee_sim_tdx_mr_extend(TeeSim *sim, guint n, const guint8 digest[static 48])
{
    cvs_register_extend(CVS_SHA384, sim->rtmr[n - FIRST_RTMR], digest);
    sim->in_sync = FALSE;
}

void
tee_sim_tdx_extend(TeeSim *sim, guint rtmr, const guint8 digest[static 48])
{
    cvs_register_extend(CVS_SHA384, sim->rtmr[rtmr], digest);
}
