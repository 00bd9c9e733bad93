/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/attesting.h"
#include "tpm/nv.h"
#include "tpm/tpm-private.h"

#include <string.h>

typedef struct {
    TestTpm *tpm;
    CvsTpm *client;
} World;

static void
world_set_up(World *world, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    world->tpm = test_tpm_new(TPM_MUX_DEFAULT);
    world->client = attest_open(world->tpm);
    (void)cvs_tpm_get_srk_name(world->client, TRUE, &error);
    g_assert_no_error(error);
}

static void
world_tear_down(World *world, gconstpointer data)
{
    cvs_tpm_idle(world->client);
    g_assert_cmpuint(test_tpm_count_handles(world->tpm), ==, 0);
    cvs_tpm_free(world->client);
    test_tpm_free(world->tpm);
}

static GBytes *
pattern(gsize size)
{
    guint8 *bytes = g_malloc(size);

    for (gsize i = 0; i < size; i++)
        bytes[i] = (guint8)(i * 7 + i / 256);
    return g_bytes_new_take(bytes, size);
}

static void
define(World *world, guint32 index, gsize size, const char *attributes)
{
    g_autoptr(GBytes) bytes = pattern(size);

    attest_write_file(world->tpm, "data", bytes);
    g_free(test_tpm_run(world->tpm, "tpm2_nvdefine 0x%x -C o -s %zu -a '%s'", index, size,
                        attributes));
    g_free(test_tpm_run(world->tpm, "tpm2_nvwrite 0x%x -C o -i data", index));
}

static void
assert_reads(World *world, guint32 index, gsize size)
{
    g_autoptr(GBytes) wanted = pattern(size), got = NULL;
    g_autoptr(GError) error = NULL;

    got = cvs_tpm_nv_read(world->client, index, &error);
    g_assert_no_error(error);
    g_assert_true(g_bytes_equal(got, wanted));
}

static void
assert_not_read(World *world, guint32 index, const char *reason)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(cvs_tpm_nv_read(world->client, index, &error));
    assert_refused(error, NOT_SUPPORTED, reason);
}

static void
test_read(World *world, gconstpointer data)
{
    TpmMux *mux = test_tpm_mux(world->tpm);

    define(world, 0x01400001, 2000, "ownerread|ownerwrite");
    tpm_mux_reset_counts(mux);
    assert_reads(world, 0x01400001, 2000);
    /* swtpm gives 1024 bytes at once. */
    g_assert_cmpuint(tpm_mux_sent(mux, "main", TPM2_CC_NV_Read), ==, 2);
    define(world, 0x01c00002, 1024, "authread|ownerwrite");
    assert_reads(world, 0x01c00002, 1024);
    define(world, 0x01c0000a, 1, "authread|ownerread|ownerwrite");
    assert_reads(world, 0x01c0000a, 1);
}

static void
test_not_read(World *world, gconstpointer data)
{
    assert_not_read(world, CVS_NV_AZURE_REPORT, CVS_REASON_NV_MISSING);
    g_free(
        test_tpm_run(world->tpm, "tpm2_nvdefine 0x01500000 -C o -s 8 -a 'ownerread|ownerwrite'"));
    assert_not_read(world, 0x01500000, CVS_REASON_NV_MISSING);
    g_free(test_tpm_run(world->tpm, "tpm2_nvdefine 0x01500001 -C o -s 8 -a "
                                    "'ownerread|ownerwrite|nt=counter'"));
    g_free(test_tpm_run(world->tpm, "tpm2_nvincrement 0x01500001 -C o"));
    assert_not_read(world, 0x01500001, CVS_REASON_NV_UNFIT);
    define(world, 0x01500002, 8, "policyread|ownerwrite");
    assert_not_read(world, 0x01500002, CVS_REASON_NV_UNFIT);
    define(world, 0x01500003, 8, "ownerread|ownerwrite|read_stclear");
    g_free(test_tpm_run(world->tpm, "tpm2_nvreadlock 0x01500003 -C o"));
    assert_not_read(world, 0x01500003, CVS_REASON_NV_UNFIT);
    g_free(test_tpm_run(world->tpm, "tpm2_nvdefine 0x01500004 -C o -s 8 -p secret -a "
                                    "'authread|ownerwrite|no_da'"));
    g_free(test_tpm_run(world->tpm, "tpm2_nvwrite 0x01500004 -C o -i data"));
    assert_not_read(world, 0x01500004, CVS_REASON_NV_UNFIT);
    define(world, 0x01500005, 8, "ownerread|ownerwrite");
    g_free(test_tpm_run(world->tpm, "tpm2_changeauth -c o password"));
    assert_not_read(world, 0x01500005, CVS_REASON_NV_UNFIT);
}

static void
test_write(World *world, gconstpointer data)
{
    g_autoptr(GError) error = NULL, size = NULL, counter = NULL, password = NULL;
    g_autoptr(GBytes) wanted = pattern(64), got = NULL;
    const guint8 *bytes = g_bytes_get_data(wanted, NULL);
    const guint8 zeros[64] = {0};

    /* Defines it, then writes over it. */
    g_assert_true(cvs_tpm_nv_write(world->client, CVS_NV_AZURE_USER_DATA, zeros, 64, &error));
    g_assert_no_error(error);
    g_assert_true(cvs_tpm_nv_write(world->client, CVS_NV_AZURE_USER_DATA, bytes, 64, &error));
    g_assert_no_error(error);
    assert_reads(world, CVS_NV_AZURE_USER_DATA, 64);
    g_free(test_tpm_run(world->tpm, "tpm2_nvread 0x%x -C o -o got", CVS_NV_AZURE_USER_DATA));
    got = attest_read_file(world->tpm, "got");
    g_assert_true(g_bytes_equal(got, wanted));

    g_assert_false(cvs_tpm_nv_write(world->client, CVS_NV_AZURE_USER_DATA, zeros, 63, &size));
    assert_refused(size, NOT_SUPPORTED, CVS_REASON_NV_UNFIT);
    assert_reads(world, CVS_NV_AZURE_USER_DATA, 64);
    g_free(test_tpm_run(world->tpm, "tpm2_nvdefine 0x01500001 -C o -s 8 -a "
                                    "'ownerread|ownerwrite|nt=counter'"));
    g_assert_false(cvs_tpm_nv_write(world->client, 0x01500001, zeros, 8, &counter));
    assert_refused(counter, NOT_SUPPORTED, CVS_REASON_NV_UNFIT);
    g_free(test_tpm_run(world->tpm, "tpm2_changeauth -c o password"));
    g_assert_false(cvs_tpm_nv_write(world->client, 0x01500002, zeros, 8, &password));
    assert_refused(password, NOT_SUPPORTED, CVS_REASON_NV_UNFIT);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/tpm/nv/read", World, NULL, world_set_up, test_read, world_tear_down);
    g_test_add("/tpm/nv/not-read", World, NULL, world_set_up, test_not_read, world_tear_down);
    g_test_add("/tpm/nv/write", World, NULL, world_set_up, test_write, world_tear_down);
    return g_test_run();
}
