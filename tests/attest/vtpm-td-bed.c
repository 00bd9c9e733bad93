/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attest/vtpm-td-bed.h"
#include "base/hex.h"
#include "tee/eventlog-replay.h"
#include "tee/log-builder.h"
#include "tee/tdx-guest.h"
#include "tpm/attesting.h"

#include <glib/gstdio.h>
#include <openssl/ec.h>
#include <string.h>

#define EK_INDEX 0x01c00016u
#define CA_INDEX 0x01c00100u
#define PIECE 1800
#define PIECES 8
#define NV_ATTRIBUTES "ppwrite|ppread|ownerread|authread|no_da|writedefine|platformcreate"

static void
write_index(TestTpm *tpm, guint32 index, const guint8 *data, gsize size)
{
    g_autofree char *path = g_build_filename(test_tpm_dir(tpm), "piece", NULL);

    g_assert_true(g_file_set_contents(path, (const char *)data, (gssize)size, NULL));
    g_free(test_tpm_run(
        tpm, "tpm2_nvdefine 0x%x -C p -s %" G_GSIZE_FORMAT " -a '" NV_ATTRIBUTES "'", index, size));
    g_free(test_tpm_run(tpm, "tpm2_nvwrite 0x%x -C p -i piece", index));
}

static void
clear(TestTpm *tpm)
{
    g_autofree char *indices = test_tpm_run(tpm, "tpm2_getcap handles-nv-index");
    g_autofree char *keys = test_tpm_run(tpm, "tpm2_getcap handles-persistent");

    if (strstr(indices, "0x1C00016"))
        g_free(test_tpm_run(tpm, "tpm2_nvundefine -C p 0x%x", EK_INDEX));
    for (guint i = 0; i < PIECES; i++) {
        g_autofree char *text = g_strdup_printf("0x%X", CA_INDEX + i);

        if (strstr(indices, text))
            g_free(test_tpm_run(tpm, "tpm2_nvundefine -C p 0x%x", CA_INDEX + i));
    }
    if (strstr(keys, "0x81010016"))
        g_free(test_tpm_run(tpm, "tpm2_evictcontrol -C o -c 0x81010016"));
}

static void
write_ca(TestTpm *tpm, GBytes *ca, VtpmTdPieces pieces)
{
    gsize size = 0;
    const guint8 *data = g_bytes_get_data(ca, &size);
    guint n = (guint)((size + PIECE - 1) / PIECE);

    g_assert_cmpuint(n, <=, PIECES);
    if (pieces == VTPM_TD_PIECES_CUT) {
        g_assert_cmpuint(n, >=, 2);
        n--;
    }
    for (guint i = 0; i < n; i++) {
        g_autofree guint8 *piece = g_memdup2(data + i * PIECE, MIN(PIECE, size - i * PIECE));

        if (i == 0 && pieces == VTPM_TD_PIECES_GARBAGE)
            memset(piece, 0x55, PIECE);
        write_index(tpm, CA_INDEX + i, piece, MIN(PIECE, size - i * PIECE));
    }
}

void
vtpm_td_certify(TestTpm *tpm, TeeSim *sim, const VtpmTdCertsWish *wish)
{
    EVP_PKEY *ca_key = EVP_EC_gen("P-384");
    EVP_PKEY *stranger = EVP_EC_gen("P-384");
    g_autoptr(CvsPublicArea) area = NULL;
    g_autoptr(GBytes) quote = NULL, ek = NULL, ca = NULL;
    guint8 data[64];

    clear(tpm);
    g_free(test_tpm_run(tpm, "tpm2_createek -G ecc384 -c 0x81010016"));
    g_free(test_tpm_run(tpm, "tpm2_readpublic -c 0x81010016 -o vtpm-td-ek.pub"));
    area = attest_read_public(tpm, "vtpm-td-ek.pub");
    vtpm_td_report_data(wish->other_data ? stranger : ca_key, data);
    quote = tee_sim_vtpm_td_quote(sim, data, wish->td);
    vtpm_td_make_certs(ca_key, wish->other_ek ? stranger : area->key, quote, wish->cert, &ek, &ca);
    write_index(tpm, EK_INDEX, g_bytes_get_data(ek, NULL), g_bytes_get_size(ek));
    if (wish->pieces != VTPM_TD_PIECES_NONE)
        write_ca(tpm, ca, wish->pieces);
    EVP_PKEY_free(ca_key);
    EVP_PKEY_free(stranger);
}

/* The first three records that extend a register, in the CC log. */
static void
replay_some(TeeSim *sim, guint8 rtmr[static 3][48])
{
    g_autofree char *path = tee_sim_path(sim, "sys/firmware/acpi/tables/data/CCEL");
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(CvsEventLog) log = NULL;
    g_autoptr(GError) error = NULL;
    char *data = NULL;
    gsize size = 0;
    guint n = 0;

    (void)g_file_get_contents(path, &data, &size, &error);
    g_assert_no_error(error);
    bytes = g_bytes_new_take(data, size);
    log = cvs_event_log_parse(bytes, CVS_EVENT_LOG_CC, &error);
    g_assert_no_error(error);
    for (guint i = 0; n < 3; i++) {
        const CvsEvent *event = cvs_event_log_event(log, i);

        if (event->reg < 0)
            continue;
        cvs_register_extend(CVS_SHA384, rtmr[event->reg], event->digest[CVS_SHA384]);
        n++;
    }
}

/* SHA-384 of the TDREPORT as the vTPM's TD was sent it. */
static void
digest_report(TeeSim *sim, gboolean later, gboolean other, guint8 digest[static 48])
{
    static const guint8 data[64] = "of the session's key";
    g_autofree char *device = tee_sim_path(sim, "dev/tdx_guest");
    g_autoptr(GBytes) bytes = NULL;
    g_autofree guint8 *report = NULL;
    g_autoptr(GError) error = NULL;
    CvsTdReport parsed;
    guint8 rtmr[4][48] = {{0}};

    (void)cvs_tdx_guest_get_report(device, data, &bytes, &parsed, &error);
    g_assert_no_error(error);
    report = g_memdup2(g_bytes_get_data(bytes, NULL), CVS_TDREPORT_SIZE);
    if (later)
        replay_some(sim, rtmr);
    memcpy(report + 720, rtmr, sizeof rtmr);
    if (other)
        report[576] ^= 1; /* MRCONFIGID */
    cvs_hash_bytes(CVS_SHA384, report + 512, 512, report + 80);
    memset(report + 128, 0, 64);
    memset(report + 224, 0, 32);
    cvs_hash_bytes(CVS_SHA384, report, CVS_TDREPORT_SIZE, digest);
}

static void
write_log(const char *path, guint32 type, const guint8 *digest, gboolean boot)
{
    static const guint8 locality[17] = "StartupLocality\0\4";
    LogBuilder *log = log_builder_new();
    g_autoptr(GBytes) bytes = NULL;

    log_builder_header(log, 0, ALG_SHA256, 0);
    if (digest) {
        log_builder_event(log, 0, CVS_EV_NO_ACTION, ALG_SHA256, locality, sizeof locality);
        log_builder_event_over(log, 0, type, ALG_SHA256, digest, 48, "HCRTM", 5);
    }
    if (boot || digest == NULL)
        log_builder_event(log, 0, CVS_EV_S_CRTM_CONTENTS, ALG_SHA256, "boot", 4);
    bytes = log_builder_end(log);
    g_assert_true(g_file_set_contents(path, g_bytes_get_data(bytes, NULL),
                                      (gssize)g_bytes_get_size(bytes), NULL));
}

void
vtpm_td_measure(TestTpm *tpm, TeeSim *sim, const char *log_path, VtpmTdMeasured how, gboolean boot)
{
    gboolean other = how == VTPM_TD_MEASURED_OTHER || how == VTPM_TD_LOG_LIES;
    g_autoptr(GError) error = NULL;
    guint8 digest[48];

    digest_report(sim, how == VTPM_TD_MEASURED_LATER, other, digest);
    if (how == VTPM_TD_MEASURED_NOT)
        test_tpm_set_hcrtm(tpm, NULL, 0);
    else
        test_tpm_set_hcrtm(tpm, digest, sizeof digest);
    /* Orderly: what is cut off too often locks the TPM. */
    (void)tpm_mux_reboot(test_tpm_mux(tpm), &error);
    g_assert_no_error(error);
    if (how == VTPM_TD_LOG_LIES)
        digest_report(sim, FALSE, FALSE, digest);
    if (how == VTPM_TD_LOG_NONE)
        (void)g_unlink(log_path);
    else
        write_log(log_path,
                  how == VTPM_TD_LOG_TYPE ? CVS_EV_S_CRTM_VERSION : CVS_EV_EFI_HCRTM_EVENT,
                  how == VTPM_TD_MEASURED_NOT ? NULL : digest, boot);
}

void
vtpm_td_extend_rtmr3(TeeSim *sim)
{
    static const guint8 digest[48] = "the session";

    tee_sim_extend(sim, 3, digest);
}

char *
vtpm_td_lists(TeeSim *sim)
{
    guint8 measurement[48], rtmr1[48];
    g_autofree char *measurement_hex = NULL;
    g_autofree char *rtmr1_hex = NULL;

    tee_sim_vtpm_td_measurements(sim, measurement, rtmr1);
    measurement_hex = cvs_hex_encode(measurement, sizeof measurement);
    rtmr1_hex = cvs_hex_encode(rtmr1, sizeof rtmr1);
    return g_strdup_printf("TDMeasurements=%s\nTDRTMR1=%s\n", measurement_hex, rtmr1_hex);
}
