/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The lies that can be told to an SNP guest of Azure's, whose paravisor has the TPM and vouches for
 * its keys. */

#include "matrix-bed.h"
#include "tpm/attesting.h"

#include <string.h>

#define LISTED "[Registers]\nPCRs=0+2+7\n[TEE]\nAllowTestRoots=yes\nTypes=snp\nMeasurements=%M\n"
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

int
main(int argc, char **argv)
{
    const MatrixMachine machine = {.type = TEE_SIM_AZURE_SNP,
                                   .program = "tests/matrix/cvmseald-azure",
                                   .profile = LISTED,
                                   .options =
                                       "{'replace': <true>, 'require': <'measurement,tcb'>}"};

    g_test_init(&argc, &argv, NULL);
    return matrix_run_lies(&machine, "/matrix/azure", lies, G_N_ELEMENTS(lies));
}
