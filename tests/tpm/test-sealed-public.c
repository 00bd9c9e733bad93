/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/sealed-public.h"
#include "base/error.h"

#include <string.h>
#include <tss2/tss2_mu.h>

static const guint8 policy[32] = {1, 2, 3, 4, 5, 6, 7, 8};

static void
make(gboolean with_pin, guint8 bytes[static CVS_SEALED_PUBLIC_SIZE])
{
    TPM2B_PUBLIC area;
    gsize size = 0;

    cvs_sealed_public_template(policy, with_pin, &area);
    area.publicArea.unique.keyedHash.size = 32;
    memset(area.publicArea.unique.keyedHash.buffer, 0x77, 32);
    g_assert_cmphex(Tss2_MU_TPM2B_PUBLIC_Marshal(&area, bytes, CVS_SEALED_PUBLIC_SIZE, &size), ==,
                    TSS2_RC_SUCCESS);
    g_assert_cmpuint(size, ==, CVS_SEALED_PUBLIC_SIZE);
}

static void
test_good(void)
{
    for (guint with_pin = 0; with_pin < 2; with_pin++) {
        guint8 bytes[CVS_SEALED_PUBLIC_SIZE], again[sizeof(TPM2B_PUBLIC)];
        TPM2B_PUBLIC area;
        gsize size = 0;
        g_autoptr(GError) error = NULL;

        make(with_pin != 0, bytes);
        g_assert_true(
            cvs_sealed_public_parse(bytes, sizeof bytes, policy, with_pin != 0, &area, &error));
        g_assert_cmphex(Tss2_MU_TPM2B_PUBLIC_Marshal(&area, again, sizeof again, &size), ==,
                        TSS2_RC_SUCCESS);
        g_assert_cmpmem(again, size, bytes, sizeof bytes);
        /* noDA is part of what the policy asks for. */
        g_assert_false(
            cvs_sealed_public_parse(bytes, sizeof bytes, policy, with_pin == 0, &area, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
        g_assert_true(cvs_error_has_reason(error, CVS_REASON_POLICY_DIFFERS));
    }
}

/* Every bit but those of the hash of the secret. */
static void
test_every_bit_counts(void)
{
    guint8 bytes[CVS_SEALED_PUBLIC_SIZE];
    TPM2B_PUBLIC area;

    make(FALSE, bytes);
    for (gsize bit = 0; bit < 8 * sizeof bytes; bit++) {
        g_autoptr(GError) error = NULL;
        gboolean ok = FALSE;

        bytes[bit / 8] ^= (guint8)(1u << bit % 8);
        ok = cvs_sealed_public_parse(bytes, sizeof bytes, policy, FALSE, &area, &error);
        g_assert_cmpint(ok, ==, bit / 8 >= CVS_SEALED_PUBLIC_SIZE - 32);
        if (!ok)
            g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
        bytes[bit / 8] ^= (guint8)(1u << bit % 8);
    }
}

static void
test_every_length(void)
{
    guint8 bytes[CVS_SEALED_PUBLIC_SIZE + 1] = {0};
    TPM2B_PUBLIC area;

    make(FALSE, bytes);
    for (gsize size = 0; size <= sizeof bytes; size++) {
        g_autofree guint8 *copy = g_memdup2(bytes, size);
        g_autoptr(GError) error = NULL;

        if (size == CVS_SEALED_PUBLIC_SIZE)
            continue;
        g_assert_false(cvs_sealed_public_parse(copy, size, policy, FALSE, &area, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tpm/sealed-public/good", test_good);
    g_test_add_func("/tpm/sealed-public/every-bit-counts", test_every_bit_counts);
    g_test_add_func("/tpm/sealed-public/every-length", test_every_length);
    return g_test_run();
}
