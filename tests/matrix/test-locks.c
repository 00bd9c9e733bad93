/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Each lock alone. With lock 2 taken out of the daemon the TPM still refuses each PCR that is not
 * as it was at sealing, in either bank; and shows that it was lock 2 that refused a changed TEE.
 * What lock 2 refuses alone, with the same PCRs, is test-svsm.c. */

#include "matrix-bed.h"

#include <string.h>

static void
change(Matrix *matrix, guint pcr)
{
    test_tpm_extend(matrix->bed->tpm, pcr, "tampered");
}

static void
change_0(Matrix *matrix)
{
    change(matrix, 0);
}

static void
change_2(Matrix *matrix)
{
    change(matrix, 2);
}

static void
change_7(Matrix *matrix)
{
    change(matrix, 7);
}

static void
measure_nothing(Matrix *matrix)
{
    test_tpm_power_cycle(matrix->bed->tpm);
}

static void
change_order(Matrix *matrix)
{
    test_tpm_power_cycle(matrix->bed->tpm);
    test_tpm_extend(matrix->bed->tpm, 0, "boot");
    test_tpm_extend(matrix->bed->tpm, 7, "boot");
}

static const Lie lies[] = {
    {"pcr-0", .act = change_0, .undo = matrix_boot_tpm, .outcome = "PcrMismatch: PcrDiffers"},
    {"pcr-2", .act = change_2, .undo = matrix_boot_tpm, .outcome = "PcrMismatch: PcrDiffers"},
    {"pcr-7", .act = change_7, .undo = matrix_boot_tpm, .outcome = "PcrMismatch: PcrDiffers"},
    {"nothing-measured", .act = measure_nothing, .undo = matrix_boot_tpm,
     .outcome = "PcrMismatch: PcrDiffers"},
    {"one-not-measured", .act = change_order, .undo = matrix_boot_tpm,
     .outcome = "PcrMismatch: PcrDiffers"},
    {"tpm-swapped", .act = matrix_swap_tpm, .undo = matrix_swap_tpm_back,
     .outcome = "TpmReplaced: SrkChanged"},
    /* Lock 2 is out indeed: these open. */
    {"debug", .tell = "debug=on", .outcome = ""},
    {"measurement", .tell = "other-guest=on", .outcome = ""},
    {"ek", .tell = "manifest=other-ek", .outcome = ""},
};

int
main(int argc, char **argv)
{
    MatrixMachine machine = {
        .type = TEE_SIM_SNP,
        .switches = "svsm=on vmpl=2 certs=chain",
        .program = "tests/matrix/cvmseald-without-lock2",
        .profile = "[Registers]\nPCRs=0+2+7\n[TEE]\nAllowTestRoots=yes\nMeasurements=%M\n",
        .options = "{'replace': <true>, 'require': <'measurement'>, 'bank': <'sha256'>}"};

    g_test_init(&argc, &argv, NULL);
    if (argc > 1 && g_str_equal(argv[1], "sha384"))
        machine.options = "{'replace': <true>, 'require': <'measurement'>, 'bank': <'sha384'>}";
    return matrix_run_lies(&machine, "/matrix/locks", lies, G_N_ELEMENTS(lies));
}
