/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The lies that the host of an SNP guest with an SVSM can tell, each with its own refusal, and then
 * the truth again. */

#include "matrix-bed.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#define SILENT "[Registers]\nPCRs=0+2+7\n[TEE]\nAllowTestRoots=yes\n"
#define UNLISTED SILENT "[vTPM]\nKinds=svsm-unlisted svsm\n"
#define NO_TEST_ROOTS "[Registers]\nPCRs=0+2+7\n[TEE]\nTypes=snp\nMeasurements=%M\n"
#define LISTED "[Registers]\nPCRs=0+2+7\n[TEE]\nAllowTestRoots=yes\nTypes=snp\nMeasurements=%M\n"

static void
no_svsm(Matrix *matrix)
{
    matrix_set(matrix, "svsm=off vmpl=0");
}

static void
svsm_again(Matrix *matrix)
{
    matrix_set(matrix, "svsm=on vmpl=2");
}

/* For which the host's SVSM vouches too. */
static void
swap_tpm_and_vouch(Matrix *matrix)
{
    matrix_swap_tpm(matrix);
    matrix_vouch(matrix);
}

static void
reset_tpm(Matrix *matrix)
{
    test_tpm_power_cycle(matrix->bed->tpm);
}

static void
change_pcr(Matrix *matrix)
{
    test_tpm_extend(matrix->bed->tpm, 7, "tampered");
}

static void
no_test_roots(Matrix *matrix)
{
    matrix_configure(matrix, FALSE);
}

static void
test_roots_again(Matrix *matrix)
{
    matrix_configure(matrix, TRUE);
}

/* Sealed while there was a store key; who steals the file and has the TPM has not that. */
static void
steal(Matrix *matrix)
{
    g_assert_true(
        g_file_set_contents(matrix->store_key, "0123456789abcdef0123456789abcdef", 32, NULL));
    g_assert_cmpint(g_chmod(matrix->store_key, 0400), ==, 0);
    matrix_seal(matrix);
    matrix_assert_opens(matrix);
    g_assert_cmpint(g_unlink(matrix->store_key), ==, 0);
}

static void
no_store_key(Matrix *matrix)
{
    (void)g_unlink(matrix->store_key);
}

static const Lie lies[] = {
    {"ek-not-in-manifest", .tell = "manifest=other-ek",
     .outcome = "TpmReplaced: EkChanged NotAttested"},
    {"manifest-cut", .tell = "manifest=truncated",
     .outcome = "BadFormat: ManifestMalformed NotAttested"},
    {"manifest-trailing", .tell = "manifest=trailing",
     .outcome = "BadFormat: ManifestMalformed NotAttested"},
    {"manifest-of-another-nonce", .tell = "wrong-report-data=on",
     .outcome = "AttestationFailed: AnswerDiffers NotAttested"},
    {"report-of-the-request-before", .tell = "stale-report=on",
     .outcome = "AttestationFailed: AnswerDiffers NotAttested"},
    {"vmpl0-of-a-guest-without-svsm", .act = no_svsm, .undo = svsm_again,
     .outcome = "VtpmNotTrusted: ClaimDiffers VtpmKindRefused"},
    {"svsm-not-listed", .profile = SILENT, .outcome = "VtpmNotTrusted: SvsmUnlisted",
     .flags = LIE_SEAL},
    {"svsm-of-the-host", .tell = "other-guest=on",
     .outcome = "VtpmNotTrusted: ClaimDiffers MeasurementUnlisted SvsmUnlisted"},
    {"measurement-changed", .tell = "other-guest=on", .profile = UNLISTED,
     .outcome = "TeeRefused: ClaimDiffers"},
    {"debug", .tell = "debug=on",
     .outcome = "VtpmNotTrusted: ClaimDiffers DebugAllowed VtpmKindRefused"},
    {"migration", .tell = "migration=on",
     .outcome = "VtpmNotTrusted: ClaimDiffers MigrationAllowed VtpmKindRefused"},
    {"tcb-lowered", .tell = "low-tcb=snp", .outcome = "TcbTooOld: TcbBelowFloor"},
    {"profile-loosened", .tell = "debug=on",
     .profile = LISTED "AllowDebug=yes\n[vTPM]\nKinds=svsm host\n",
     .outcome = "TeeRefused: ClaimDiffers"},
    {"profile-tightened", .profile = LISTED "[SNP]\nMinimumTCB.Genoa=snp:200\n",
     .outcome = "TcbTooOld: TcbBelowFloor"},
    {"profile-gone", .profile = "nothing", .outcome = "TeeRefused: ProfileMissing"},
    {"signature", .tell = "bad-signature=on",
     .outcome = "AttestationFailed: NotAttested ReportSignature"},
    {"other-chip", .tell = "other-chip=on",
     .outcome = "AttestationFailed: ChipMismatch NotAttested"},
    {"other-root", .tell = "other-root=on",
     .outcome = "AttestationFailed: NotAttested RootUntrusted"},
    {"revoked-ca", .tell = "revoked=ca", .outcome = "AttestationFailed: CertRevoked NotAttested"},
    {"test-roots-absent", .act = no_test_roots, .undo = test_roots_again,
     .outcome = "AttestationFailed: NotAttested RootUntrusted"},
    {"test-roots-not-taken", .profile = NO_TEST_ROOTS, .outcome = "AttestationFailed: TestRoots"},
    {"pcr-changed", .act = change_pcr, .undo = matrix_boot_tpm,
     .outcome = "PcrMismatch: PcrDiffers"},
    {"tpm-swapped", .act = matrix_swap_tpm, .undo = matrix_swap_tpm_back,
     .outcome = "TpmReplaced: NotAttested SrkChanged", .flags = LIE_LIVE | LIE_TWICE},
    {"tpm-swapped-and-vouched-for", .act = swap_tpm_and_vouch, .undo = matrix_swap_tpm_back,
     .outcome = "TpmReplaced: SrkChanged"},
    {"tpm-reset", .act = reset_tpm, .undo = matrix_boot_tpm, .outcome = "PcrMismatch: PcrDiffers",
     .flags = LIE_LIVE | LIE_TWICE},
    {"source-refuses", .tell = "fail-once=EINVAL",
     .outcome = "AttestationFailed: NoReport NotAttested"},
    {"source-never-answers", .tell = "hang=report",
     .outcome = "Busy: AttestationUnderWay NotAttested"},
    {"source-eio", .tell = "fail-once=EIO", .outcome = "AttestationFailed: NoReport NotAttested"},
    {"source-empty", .tell = "empty-outblob=on",
     .outcome = "AttestationFailed: AnswerEmpty NotAttested"},
    {"source-trailing", .tell = "trailing=8", .outcome = "BadFormat: Malformed NotAttested"},
    {"source-anothers-report", .tell = "flip=100",
     .outcome = "AttestationFailed: AnswerDiffers NotAttested"},
    {"stolen-without-store-key", .act = steal, .undo = no_store_key,
     .outcome = "TeeRefused: StoreKeyMissing", .flags = LIE_RESEAL},
};

static Matrix *says;

/* Wherever it is shown what the machine is. */
static void
test_says_test_roots(void)
{
    g_autoptr(TestReply) status =
        test_call(says->bed->root, "Status", g_variant_new("(@a{sv})", bed_options(NULL)), NULL, 0);
    g_autoptr(TestReply) explained = test_call(
        says->bed->root, "Explain", g_variant_new("(s@a{sv})", "db", bed_options(NULL)), NULL, 0);
    g_autoptr(GVariant) dict = NULL;
    g_autofree char *shown = NULL;
    g_autofree char *log = NULL;
    const char *text = NULL;
    gboolean test_roots = FALSE;

    g_assert_cmpstr(status->error, ==, NULL);
    dict = g_variant_get_child_value(status->body, 0);
    g_assert_true(g_variant_lookup(dict, "test-roots", "b", &test_roots));
    g_assert_true(test_roots);
    g_variant_get(explained->body, "(&s)", &text);
    g_assert_nonnull(strstr(text, "\"test_roots\":true"));
    shown = matrix_run(says, 0, "status --direct --config %s/cvmseal.conf --tcti %s",
                       says->bed->dir, test_tpm_port(says->bed->tpm, "program"));
    g_assert_nonnull(strstr(shown, "TEST ROOTS"));
    g_mutex_lock(&says->bed->mutex);
    log = g_strndup((const char *)says->bed->log->data, says->bed->log->len);
    g_mutex_unlock(&says->bed->mutex);
    g_assert_nonnull(strstr(log, "TEST ROOTS in "));
}

int
main(int argc, char **argv)
{
    const MatrixMachine machine = {.type = TEE_SIM_SNP,
                                   .switches = "svsm=on vmpl=2 certs=chain",
                                   .profile = LISTED,
                                   .options =
                                       "{'replace': <true>, 'require': <'measurement,tcb'>}"};
    Matrix *matrix = NULL;
    int result = 0;

    g_test_init(&argc, &argv, NULL);
    matrix = matrix_new(&machine);
    if (matrix == NULL)
        return 0;
    says = matrix;
    g_test_add_func("/matrix/svsm/says-test-roots", test_says_test_roots);
    matrix_add_lies(matrix, "/matrix/svsm", lies, G_N_ELEMENTS(lies));
    result = g_test_run();
    matrix_free(matrix);
    return result;
}
