/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The lies that can be told to a guest of Azure's, whose paravisor has the TPM and vouches for its
 * keys: an SNP guest, or a TD, whose quotes the host's service gives. */

#include "matrix-bed.h"
#include "tpm/attesting.h"

#include <string.h>

#define LISTED "[Registers]\nPCRs=0+2+7\n[TEE]\nAllowTestRoots=yes\nTypes=snp\nMeasurements=%M\n"
#define LISTED_TD "[Registers]\nPCRs=0+2+7\n[TEE]\nAllowTestRoots=yes\nTypes=tdx\nMeasurements=%M\n"
#define SILENT "[Registers]\nPCRs=0+2+7\n[TEE]\nAllowTestRoots=yes\n"

/* Bytes of the modulus at the end of an RSA-2048 key's public area. */
#define MODULUS 256

static void
change_pcr(Matrix *matrix)
{
    test_tpm_extend(matrix->bed->tpm, 7, "tampered");
}

/* The paravisor's claims name these keys instead of the TPM's. */
static void
vouch_for(Matrix *matrix, gboolean for_ek, guint8 flip, gboolean zero)
{
    TestTpm *tpm = matrix->bed->tpm;
    g_autoptr(CvsPublicArea) ek = attest_create_ek(tpm, "rsa");
    g_autoptr(CvsPublicArea) ak = attest_read_public(tpm, "ak.pub");
    g_autoptr(GBytes) changed = NULL;
    g_autoptr(GError) error = NULL;
    gsize size = 0;
    const guint8 *bytes = g_bytes_get_data((for_ek ? ek : ak)->bytes, &size);
    g_autofree guint8 *copy = g_memdup2(bytes, size);

    g_assert_cmpuint(size, >, MODULUS);
    if (zero)
        memset(copy + size - MODULUS, 0, MODULUS);
    copy[size - 10] ^= flip;
    changed = g_bytes_new(copy, size);
    (void)tee_sim_set_keys(matrix->sim, for_ek ? changed : ek->bytes, for_ek ? ak->bytes : changed,
                           &error);
    g_assert_no_error(error);
}

static void
another_ek(Matrix *matrix)
{
    vouch_for(matrix, TRUE, 1, FALSE);
}

static void
another_ak(Matrix *matrix)
{
    vouch_for(matrix, FALSE, 1, FALSE);
}

static void
degenerate_ek(Matrix *matrix)
{
    vouch_for(matrix, TRUE, 0, TRUE);
}

static void
degenerate_ak(Matrix *matrix)
{
    vouch_for(matrix, FALSE, 0, TRUE);
}

static void
evict_ak(Matrix *matrix)
{
    g_free(test_tpm_run(matrix->bed->tpm, "tpm2_evictcontrol -C o -c 0x81000003"));
}

/* Somebody has put a key of his own at the handle. */
static void
replace_ak(Matrix *matrix)
{
    evict_ak(matrix);
    g_free(test_tpm_run(matrix->bed->tpm,
                        "tpm2_createprimary -C o -G rsa2048:rsassa-sha256:null -g sha256 -a "
                        "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|sign "
                        "-c other.ctx"));
    g_free(test_tpm_run(matrix->bed->tpm, "tpm2_evictcontrol -C o -c other.ctx 0x81000003"));
}

static void
vouch_again(Matrix *matrix)
{
    evict_ak(matrix);
    matrix_vouch(matrix);
}

static const Lie lies[] = {
    {"claims-edited", .tell = "hcl=claims-edited",
     .outcome = "AttestationFailed: HclBinding NotAttested"},
    {"report-stale", .tell = "hcl=stale", .outcome = "AttestationFailed: HclStale NotAttested"},
    {"another-ek", .act = another_ek, .undo = vouch_again,
     .outcome = "TpmReplaced: EkChanged NotAttested"},
    {"another-ak", .act = another_ak, .undo = vouch_again,
     .outcome = "AttestationFailed: AkMismatch NotAttested"},
    {"degenerate-ek", .act = degenerate_ek, .undo = vouch_again,
     .outcome = "BadFormat: Malformed NotAttested"},
    {"degenerate-ak", .act = degenerate_ak, .undo = vouch_again,
     .outcome = "BadFormat: Malformed NotAttested"},
    {"ak-replaced", .act = replace_ak, .undo = vouch_again,
     .outcome = "AttestationFailed: AkMismatch NotAttested"},
    {"ak-gone", .act = evict_ak, .undo = matrix_vouch, .outcome = "NotSupported: NotAttested"},
    {"paravisor-of-the-host", .tell = "other-guest=on",
     .outcome = "VtpmNotTrusted: ClaimDiffers MeasurementUnlisted ParavisorUnlisted"},
    {"measurement-changed", .tell = "other-guest=on",
     .profile = SILENT "[vTPM]\nKinds=azure azure-unlisted\n",
     .outcome = "TeeRefused: ClaimDiffers"},
    {"paravisor-not-listed", .profile = SILENT, .outcome = "VtpmNotTrusted: ParavisorUnlisted",
     .flags = LIE_SEAL},
    {"debug", .tell = "debug=on",
     .outcome = "VtpmNotTrusted: ClaimDiffers DebugAllowed VtpmKindRefused"},
    {"migration", .tell = "migration=on",
     .outcome = "VtpmNotTrusted: ClaimDiffers MigrationAllowed VtpmKindRefused"},
    {"signature", .tell = "bad-signature=on",
     .outcome = "AttestationFailed: NotAttested ReportSignature"},
    {"vmpl", .tell = "wrong-vmpl=on", .outcome = "AttestationFailed: HclVmpl NotAttested"},
    {"tcb-lowered", .tell = "low-tcb=microcode", .outcome = "TcbTooOld: TcbBelowFloor"},
    {"rtmrs-at-sealing",
     .profile = "[Registers]\nPCRs=0+2+7\nRTMRs=0+1\n[TEE]\nAllowTestRoots=yes\nTypes="
                "snp\nMeasurements=%M\n",
     .outcome = "NotSupported: RtmrsMissing", .flags = LIE_SEAL},
    {"pcr-changed", .act = change_pcr, .undo = matrix_boot_tpm,
     .outcome = "PcrMismatch: PcrDiffers"},
};

static void
bring_nothing(Matrix *matrix)
{
    quote_bringer_set(matrix->bringer, QUOTES_NONE);
}

static void
bring_former(Matrix *matrix)
{
    quote_bringer_set(matrix->bringer, QUOTES_FORMER);
}

static void
bring_quotes(Matrix *matrix)
{
    quote_bringer_set(matrix->bringer, QUOTES_HONEST);
}

static const Lie td_lies[] = {
    {"claims-edited", .tell = "hcl=claims-edited",
     .outcome = "AttestationFailed: HclBinding NotAttested"},
    {"report-stale", .tell = "hcl=stale", .outcome = "AttestationFailed: HclStale NotAttested"},
    {"another-ek", .act = another_ek, .undo = vouch_again,
     .outcome = "TpmReplaced: EkChanged NotAttested"},
    {"another-ak", .act = another_ak, .undo = vouch_again,
     .outcome = "AttestationFailed: AkMismatch NotAttested"},
    {"degenerate-ek", .act = degenerate_ek, .undo = vouch_again,
     .outcome = "BadFormat: Malformed NotAttested"},
    {"degenerate-ak", .act = degenerate_ak, .undo = vouch_again,
     .outcome = "BadFormat: Malformed NotAttested"},
    {"ak-replaced", .act = replace_ak, .undo = vouch_again,
     .outcome = "AttestationFailed: AkMismatch NotAttested"},
    {"ak-gone", .act = evict_ak, .undo = matrix_vouch, .outcome = "NotSupported: NotAttested"},
    {"quote-missing", .act = bring_nothing, .undo = bring_quotes,
     .outcome = "AttestationFailed: NotAttested QuoteMissing"},
    {"quote-of-the-boot-before", .act = bring_former, .undo = bring_quotes,
     .outcome = "AttestationFailed: NotAttested QuoteMissing"},
    {"quote-of-another-tdreport", .tell = "wrong-report-data=on",
     .outcome = "AttestationFailed: NotAttested QuoteMissing"},
    {"quote-of-another-td", .tell = "other-guest=on",
     .outcome = "AttestationFailed: NotAttested QuoteMissing"},
    /* Byte 0 of MRTD, in the TDINFO. */
    {"tdreport-edited", .tell = "flip=529", .outcome = "BadFormat: NotAttested TdReportHash"},
    {"tdreport-for-other-claims", .tell = "flip=129",
     .outcome = "AttestationFailed: HclBinding NotAttested"},
    {"signature", .tell = "bad-signature=on",
     .outcome = "AttestationFailed: NotAttested QuoteSignature"},
    {"qe-identity", .tell = "qe=identity",
     .outcome = "AttestationFailed: NotAttested QeIdentityMismatch"},
    {"other-root", .tell = "other-root=on",
     .outcome = "AttestationFailed: NotAttested RootUntrusted"},
    {"pck-revoked", .tell = "revoked=leaf",
     .outcome = "AttestationFailed: CertRevoked NotAttested"},
    {"tcb-out-of-date", .tell = "tcb-status=OutOfDate", .outcome = "TcbTooOld: TcbStatusRefused"},
    {"collateral-older", .tell = "collateral=older", .outcome = "TcbTooOld: CollateralRollback"},
    {"paravisor-not-listed", .profile = SILENT, .outcome = "VtpmNotTrusted: ParavisorUnlisted",
     .flags = LIE_SEAL},
    {"debug", .tell = "debug=on",
     .outcome = "VtpmNotTrusted: ClaimDiffers DebugAllowed VtpmKindRefused"},
    {"service-td", .tell = "service-td=on", .profile = LISTED_TD "[TDX]\nServiceTDs=none\n",
     .outcome = "TeeRefused: ServiceTdUnlisted"},
    {"rtmrs-at-sealing",
     .profile = "[Registers]\nPCRs=0+2+7\nRTMRs=0+1\n[TEE]\nAllowTestRoots=yes\nTypes="
                "tdx\nMeasurements=%M\n",
     .outcome = "NotSupported: RtmrsUnused", .flags = LIE_SEAL},
    {"pcr-changed", .act = change_pcr, .undo = matrix_boot_tpm,
     .outcome = "PcrMismatch: PcrDiffers"},
};

int
main(int argc, char **argv)
{
    MatrixMachine machine = {.type = TEE_SIM_AZURE_SNP,
                             .program = "tests/matrix/cvmseald-azure",
                             .profile = LISTED,
                             .options = "{'replace': <true>, 'require': <'measurement,tcb'>}"};

    g_test_init(&argc, &argv, NULL);
    if (argc < 2 || !g_str_equal(argv[1], "tdx"))
        return matrix_run_lies(&machine, "/matrix/azure-snp", lies, G_N_ELEMENTS(lies));
    machine.type = TEE_SIM_AZURE_TDX;
    machine.switches = "quote-version=5";
    machine.profile = LISTED_TD;
    return matrix_run_lies(&machine, "/matrix/azure-tdx", td_lies, G_N_ELEMENTS(td_lies));
}
