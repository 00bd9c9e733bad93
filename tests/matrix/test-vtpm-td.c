/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The lies that the host of a TD can tell whose vTPM is another TD, and that TD itself. */

#include "matrix-bed.h"

#define TD                                                                                         \
    "[Registers]\nPCRs=0+2+7\n[TEE]\nAllowTestRoots=yes\nTypes=tdx\nMeasurements=%M\n[vTPM]\n"
#define LISTED TD "%VPersistent=yes\n"

static void
certify(Matrix *matrix)
{
    const VtpmTdCertsWish honest = {0};

    vtpm_td_certify(matrix->bed->tpm, matrix->sim, &honest);
}

static void
measure(Matrix *matrix)
{
    matrix_measure(matrix, VTPM_TD_MEASURED);
}

/* Each lie of the certificates is told anew by a TD that makes them. */
#define CERTIFY(name, ...)                                                                         \
    static void name(Matrix *matrix)                                                               \
    {                                                                                              \
        const VtpmTdCertsWish wish = {__VA_ARGS__};                                                \
                                                                                                   \
        vtpm_td_certify(matrix->bed->tpm, matrix->sim, &wish);                                     \
    }
CERTIFY(debug, .td = TEE_SIM_TD_DEBUG)
CERTIFY(migratable, .td = TEE_SIM_TD_MIGRATABLE)
CERTIFY(another_td, .td = TEE_SIM_TD_OTHER)
CERTIFY(guest_itself, .td = TEE_SIM_TD_GUEST)
CERTIFY(no_collateral, .td = TEE_SIM_TD_FAMILY)
CERTIFY(signature, .td = TEE_SIM_TD_SIGNATURE)
CERTIFY(report_data, .other_data = TRUE)
CERTIFY(ca_signature, .cert = VTPM_TD_CERT_CA_SIGNATURE)
CERTIFY(ek_unsigned, .cert = VTPM_TD_CERT_EK_SIGNATURE)
CERTIFY(another_ek, .other_ek = TRUE)
CERTIFY(cut, .pieces = VTPM_TD_PIECES_CUT)
CERTIFY(garbage, .pieces = VTPM_TD_PIECES_GARBAGE)
CERTIFY(no_certificates, .pieces = VTPM_TD_PIECES_NONE)

/* What the vTPM's TD has measured, or the log says. */
#define MEASURE(name, how)                                                                         \
    static void name(Matrix *matrix)                                                               \
    {                                                                                              \
        matrix_measure(matrix, how);                                                               \
    }
MEASURE(another_guest, VTPM_TD_MEASURED_OTHER)
MEASURE(no_guest, VTPM_TD_MEASURED_NOT)
MEASURE(no_log, VTPM_TD_LOG_NONE)
MEASURE(log_lies, VTPM_TD_LOG_LIES)
MEASURE(another_event, VTPM_TD_LOG_TYPE)

/* Another one of the same making, which knows this guest as well: the host has started it anew, or
 * relays to it. */
static void
another_instance(Matrix *matrix)
{
    test_tpm_replace(matrix->bed->tpm, 1);
    measure(matrix);
    certify(matrix);
}

static void
first_instance(Matrix *matrix)
{
    test_tpm_replace(matrix->bed->tpm, 0);
    measure(matrix);
}

static void
change_pcr(Matrix *matrix)
{
    test_tpm_extend(matrix->bed->tpm, 7, "tampered");
}

/* Lines of the log for what the firmware has not extended. */
static void
extend_pcr0(Matrix *matrix)
{
    test_tpm_extend(matrix->bed->tpm, 0, "tampered");
}

static const Lie lies[] = {
    {"debug", .act = debug, .undo = certify, .outcome = "VtpmNotTrusted: NotAttested VtpmTdOpen"},
    {"migratable", .act = migratable, .undo = certify,
     .outcome = "VtpmNotTrusted: NotAttested VtpmTdOpen"},
    {"another-td", .act = another_td, .undo = certify,
     .outcome = "VtpmNotTrusted: ClaimDiffers VtpmTdUnlisted"},
    {"guest-itself", .act = guest_itself, .undo = certify,
     .outcome = "VtpmNotTrusted: NotAttested VtpmTdIsGuest"},
    {"no-collateral", .act = no_collateral, .undo = certify,
     .outcome = "AttestationFailed: FmspcMismatch NotAttested"},
    {"signature", .act = signature, .undo = certify,
     .outcome = "AttestationFailed: NotAttested QuoteSignature"},
    {"report-data", .act = report_data, .undo = certify,
     .outcome = "VtpmNotTrusted: NotAttested VtpmTdReportData"},
    {"ca-signature", .act = ca_signature, .undo = certify,
     .outcome = "VtpmNotTrusted: NotAttested VtpmTdCaUnfit"},
    {"ek-unsigned", .act = ek_unsigned, .undo = certify,
     .outcome = "VtpmNotTrusted: NotAttested VtpmTdEkUnsigned"},
    {"another-ek", .act = another_ek, .undo = certify,
     .outcome = "TpmReplaced: EkChanged NotAttested"},
    {"cut", .act = cut, .undo = certify, .outcome = "BadFormat: NotAttested VtpmTdMalformed"},
    {"garbage", .act = garbage, .undo = certify,
     .outcome = "BadFormat: NotAttested VtpmTdMalformed"},
    {"no-certificates", .act = no_certificates, .undo = certify,
     .outcome = "VtpmNotTrusted: ClaimDiffers VtpmKindRefused"},
    {"another-guest", .act = another_guest, .undo = measure,
     .outcome = "VtpmNotTrusted: NotAttested VtpmTdOtherGuest"},
    {"no-guest", .act = no_guest, .undo = measure,
     .outcome = "VtpmNotTrusted: NotAttested VtpmTdNoGuest"},
    {"no-log", .act = no_log, .undo = measure,
     .outcome = "VtpmNotTrusted: NotAttested VtpmTdNoGuest"},
    {"log-lies", .act = log_lies, .undo = measure,
     .outcome = "VtpmNotTrusted: NotAttested VtpmTdNoGuest"},
    {"another-event", .act = another_event, .undo = measure,
     .outcome = "VtpmNotTrusted: NotAttested VtpmTdNoGuest"},
    {"another-instance", .act = another_instance, .undo = first_instance,
     .outcome = "TpmReplaced: SrkChanged"},
    {"pcr-changed", .act = change_pcr, .undo = measure, .outcome = "PcrMismatch: PcrDiffers"},
    {"pcr0-extended", .act = extend_pcr0, .undo = measure,
     .outcome = "VtpmNotTrusted: NotAttested VtpmTdNoGuest"},
    {"not-listed", .profile = TD "Persistent=yes\n",
     .outcome = "VtpmNotTrusted: ClaimDiffers VtpmTdUnlisted"},
    {"ephemeral", .profile = TD "%V", .outcome = "NotSupported: TpmEphemeral", .flags = LIE_SEAL},
    {"ephemeral-said", .profile = TD "%VPersistent=no\n", .outcome = "NotSupported: TpmEphemeral",
     .flags = LIE_SEAL},
    {"guest-debug", .tell = "debug=on", .outcome = "VtpmNotTrusted: NotAttested VtpmTdOtherGuest"},
    {"guest-of-another-quote", .tell = "other-guest=on",
     .outcome = "AttestationFailed: NotAttested QuoteMismatch"},
    {"zero-rtmrs", .tell = "zero-rtmrs=on", .outcome = "VtpmNotTrusted: NotAttested VtpmTdNoGuest"},
    {"tcb-out-of-date", .tell = "tcb-status=OutOfDate", .outcome = "TcbTooOld: TcbStatusRefused"},
};

int
main(int argc, char **argv)
{
    const MatrixMachine machine = {
        .type = TEE_SIM_TDX, .profile = LISTED, .options = "{'replace': <true>}", .vtpm_td = TRUE};
    Matrix *matrix = NULL;
    int result = 0;

    g_test_init(&argc, &argv, NULL);
    matrix = matrix_new(&machine);
    if (matrix == NULL)
        return 0;
    matrix_add_lies(matrix, "/matrix/vtpm-td", lies, G_N_ELEMENTS(lies));
    result = g_test_run();
    matrix_free(matrix);
    return result;
}
