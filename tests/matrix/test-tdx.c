/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The lies that the host of a TD can tell. Its TPM is the host's, which the profile takes here:
 * what holds the key are the quote and the RTMRs. */

#include "matrix-bed.h"
#include "tee/eventlog.h"
#include "tee/log-builder.h"
#include "tee/tsm-mr.h"

#include <glib/gstdio.h>

#include <string.h>

#define TD                                                                                         \
    "[Registers]\nPCRs=0+2+7\nRTMRs=0+1+2\n[TEE]\nAllowTestRoots=yes\nTypes=tdx\n[vTPM]\nKinds="   \
    "host\n"

static void
extend_by_sysfs(Matrix *matrix)
{
    const guint8 digest[48] = {1};
    g_autofree char *folder =
        tee_sim_path(matrix->sim, "sys/devices/virtual/misc/tdx_guest/measurements");
    g_autoptr(GError) error = NULL;

    (void)cvs_tsm_mr_extend(folder, CVS_TSM_RTMR2, digest, &error);
    g_assert_no_error(error);
}

static void
extend_past_sysfs(Matrix *matrix)
{
    const guint8 digest[48] = {2};

    tee_sim_extend(matrix->sim, 2, digest);
}

static void
extend_another(Matrix *matrix)
{
    const guint8 digest[48] = {3};

    tee_sim_extend(matrix->sim, 3, digest);
}

static void
change_pcr(Matrix *matrix)
{
    test_tpm_extend(matrix->bed->tpm, 7, "tampered");
}

/* The firmware's settings, as the TPM's log has them, are others than in the TD's. */
static void
give_tpm_log(Matrix *matrix)
{
    static const char data[] = "not what the TD's log has";
    LogBuilder *log = log_builder_new();
    g_autoptr(GBytes) bytes = NULL;

    log_builder_header(log, 0, ALG_SHA256, 0);
    log_builder_event(log, 7, CVS_EV_EFI_VARIABLE_DRIVER_CONFIG, ALG_SHA256, data, sizeof data);
    bytes = log_builder_end(log);
    g_assert_true(g_file_set_contents(matrix->tpm_log, g_bytes_get_data(bytes, NULL),
                                      (gssize)g_bytes_get_size(bytes), NULL));
}

static void
take_tpm_log(Matrix *matrix)
{
    g_assert_cmpint(g_unlink(matrix->tpm_log), ==, 0);
}

static const Lie lies[] = {
    {"rtmr-by-sysfs", .act = extend_by_sysfs,
     .outcome = "RegisterMismatch: EventUnrecorded RtmrDiffers", .flags = LIE_LIVE | LIE_RESEAL},
    {"rtmr-past-sysfs", .act = extend_past_sysfs, .outcome = "RegisterMismatch: RtmrDiffers",
     .flags = LIE_LIVE | LIE_RESEAL},
    {"rtmr-that-is-not-sealed-to", .act = extend_another, .outcome = "", .flags = LIE_LIVE},
    {"zero-rtmrs-at-sealing", .tell = "zero-rtmrs=on", .outcome = "NotSupported: RtmrsUnused",
     .flags = LIE_SEAL},
    {"zero-rtmrs", .tell = "zero-rtmrs=on",
     .outcome = "RegisterMismatch: EventMissing RtmrDiffers"},
    {"ccel-contradicts-tpm-log", .act = give_tpm_log, .undo = take_tpm_log,
     .outcome = "AttestationFailed: LogsDiffer"},
    {"pcr-changed", .act = change_pcr, .undo = matrix_boot_tpm,
     .outcome = "PcrMismatch: PcrDiffers"},
    {"vtpm-of-the-host",
     .profile = "[Registers]\nPCRs=0+2+7\nRTMRs=0+1+2\n[TEE]\nAllowTestRoots="
                "yes\nTypes=tdx\n",
     .outcome = "VtpmNotTrusted: VtpmKindRefused"},
    {"debug", .tell = "debug=on", .outcome = "TeeRefused: ClaimDiffers DebugAllowed"},
    {"profile-loosened", .tell = "debug=on",
     .profile = "[Registers]\nPCRs=0+2+7\nRTMRs=0+1+2\n[TEE]\nAllowTestRoots=yes\nTypes=tdx\n"
                "AllowDebug=yes\n[vTPM]\nKinds=host\n",
     .outcome = "TeeRefused: ClaimDiffers"},
    {"service-td", .tell = "service-td=on", .profile = TD "[TDX]\nServiceTDs=none\n",
     .outcome = "TeeRefused: ServiceTdUnlisted"},
    {"quote-of-another-td", .tell = "other-guest=on",
     .outcome = "AttestationFailed: NotAttested QuoteMismatch"},
    {"quote-for-another-nonce", .tell = "wrong-report-data=on",
     .outcome = "AttestationFailed: AnswerDiffers NotAttested"},
    {"quote-of-the-request-before", .tell = "stale-report=on",
     .outcome = "AttestationFailed: AnswerDiffers NotAttested"},
    {"signature", .tell = "bad-signature=on",
     .outcome = "AttestationFailed: NotAttested QuoteSignature"},
    {"qe-identity", .tell = "qe=identity",
     .outcome = "AttestationFailed: NotAttested QeIdentityMismatch"},
    {"qe-report-data", .tell = "qe=report-data",
     .outcome = "AttestationFailed: NotAttested QeReportData"},
    {"qe-signature", .tell = "qe=signature",
     .outcome = "AttestationFailed: NotAttested QeReportSignature"},
    {"other-root", .tell = "other-root=on",
     .outcome = "AttestationFailed: NotAttested RootUntrusted"},
    {"pck-expired", .tell = "leaf-dates=expired",
     .outcome = "CollateralExpired: CertExpired NotAttested"},
    {"pck-revoked", .tell = "revoked=leaf",
     .outcome = "AttestationFailed: CertRevoked NotAttested"},
    {"signer-revoked", .tell = "revoked=signer",
     .outcome = "CollateralMissing: CollateralMissing NotAttested"},
    {"other-fmspc", .tell = "other-fmspc=on",
     .outcome = "CollateralMissing: CollateralMissing NotAttested"},
    {"tcb-out-of-date", .tell = "tcb-status=OutOfDate", .outcome = "TcbTooOld: TcbStatusRefused"},
    {"tcb-revoked", .tell = "tcb-status=Revoked",
     .outcome = "AttestationFailed: NotAttested TcbRevoked"},
    {"module-unknown", .tell = "no-module-identity=on",
     .outcome = "AttestationFailed: NotAttested TdxModuleUnknown"},
    {"collateral-past-its-grace", .tell = "collateral=expired",
     .profile = TD "[Collateral]\nCollateralGrace=0d\n",
     .outcome = "CollateralExpired: CollateralExpired"},
    {"collateral-older", .tell = "collateral=older", .outcome = "TcbTooOld: CollateralRollback"},
    {"source-never-answers", .tell = "hang=report",
     .outcome = "Busy: AttestationUnderWay NotAttested"},
    {"source-eio", .tell = "fail-once=EIO", .outcome = "AttestationFailed: NoReport NotAttested"},
    {"source-times-out", .tell = "fail-once=ETIMEDOUT",
     .outcome = "AttestationFailed: NoReport NotAttested"},
    {"source-empty", .tell = "empty-outblob=on",
     .outcome = "AttestationFailed: AnswerEmpty NotAttested"},
    {"source-occupied-for-a-while", .tell = "busy=2", .outcome = ""},
    {"no-tdreport", .tell = "no-tdreport=on", .outcome = "AttestationFailed: NoReport NotAttested"},
};

int
main(int argc, char **argv)
{
    const MatrixMachine machine = {.type = TEE_SIM_TDX,
                                   .switches = "quote-version=5",
                                   .profile = TD,
                                   .options = "{'replace': <true>}"};

    g_test_init(&argc, &argv, NULL);
    return matrix_run_lies(&machine, "/matrix/tdx", lies, G_N_ELEMENTS(lies));
}
