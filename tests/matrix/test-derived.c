/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The lies that can be told to an SNP guest whose TPM is the host's: what holds the key is the one
 * that the secure processor derives. The profile says nothing of the TEE, so that nothing else
 * refuses. */

#include "matrix-bed.h"

#include <string.h>

#define PLAIN "[Registers]\nPCRs=0+2+7\n"

static void
change_pcr(Matrix *matrix)
{
    test_tpm_extend(matrix->bed->tpm, 7, "tampered");
}

static void
lose_device(Matrix *matrix)
{
    g_autofree char *path = g_build_filename(matrix->bed->dir, "cvmseal.conf", NULL);
    g_autofree char *text = NULL;
    g_autofree char *without = NULL;
    g_auto(GStrv) parts = NULL;

    g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    parts = g_strsplit(text, "/dev/sev-guest\n", -1);
    g_assert_cmpuint(g_strv_length(parts), ==, 2);
    without = g_strjoinv("/dev/none\n", parts);
    g_assert_true(g_file_set_contents(path, without, -1, NULL));
}

static void
bring_device(Matrix *matrix)
{
    matrix_configure(matrix, TRUE);
}

static const Lie lies[] = {
    {"key-all-zero", .tell = "zero-key=on", .outcome = "AttestationFailed: AnswerEmpty"},
    {"key-all-zero-at-sealing", .tell = "zero-key=on", .outcome = "AttestationFailed: AnswerEmpty",
     .flags = LIE_SEAL},
    {"other-measurement", .tell = "other-guest=on", .outcome = "TeeRefused: DerivedKeyDiffers"},
    {"other-policy", .tell = "debug=on", .outcome = "TeeRefused: DerivedKeyDiffers"},
    {"other-chip", .tell = "other-chip=on", .outcome = "TeeRefused: DerivedKeyDiffers"},
    {"reported-tcb-moved", .tell = "reported-lags=on", .outcome = ""},
    {"committed-tcb-below", .tell = "low-tcb=snp",
     .outcome = "AttestationFailed: DerivedKeyRefused"},
    {"device-gone", .act = lose_device, .undo = bring_device,
     .outcome = "NotSupported: DerivedKeyUnavailable"},
    {"device-gone-at-sealing", .act = lose_device, .undo = bring_device,
     .outcome = "NotSupported: DerivedKeyUnavailable", .flags = LIE_SEAL},
    {"channel-closed", .tell = "wiped=on", .outcome = "AttestationFailed: TeeChannelClosed"},
    {"host-fails", .tell = "fail-once=EIO", .outcome = "AttestationFailed: DerivedKeyRefused"},
    {"host-throttles", .tell = "fail-once=ETIMEDOUT",
     .outcome = "AttestationFailed: TeeChannelClosed"},
    {"never-answered", .tell = "hang=key", .outcome = "Busy: AttestationUnderWay"},
    {"report-never-answered", .tell = "hang=report", .outcome = "Busy: AttestationUnderWay",
     .flags = LIE_SEAL},
    {"pcr-changed", .act = change_pcr, .undo = matrix_boot_tpm,
     .outcome = "PcrMismatch: PcrDiffers"},
};

int
main(int argc, char **argv)
{
    const MatrixMachine machine = {.type = TEE_SIM_SNP,
                                   .profile = PLAIN,
                                   .options = "{'replace': <true>, 'derived-key': <true>}"};

    g_test_init(&argc, &argv, NULL);
    return matrix_run_lies(&machine, "/matrix/derived", lies, G_N_ELEMENTS(lies));
}
