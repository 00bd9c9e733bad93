/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Which bytes are the keys of a vTPM, and which are anything else that a report might vouch for. */

#include "attest/svsm-manifest.h"
#include "base/error.h"
#include "base/writer.h"
#include "tpm/ak.h"
#include "tpm/attesting.h"

#include <string.h>

typedef struct {
    TestTpm *tpm;
    CvsPublicArea *rsa, *ecc, *ak, *srk;
} Keys;

static void
keys_set_up(Keys *keys, gconstpointer data)
{
    g_autoptr(CvsTpm) client = NULL;
    g_autoptr(GError) error = NULL;

    keys->tpm = test_tpm_new(TPM_MUX_DEFAULT);
    keys->rsa = attest_create_ek(keys->tpm, "rsa");
    keys->ecc = attest_create_ek(keys->tpm, "ecc");
    client = attest_open_pinned(keys->tpm, keys->ecc);
    keys->ak = cvs_tpm_read_ak(client, CVS_AK_OWN, NULL, &error);
    g_assert_no_error(error);
    g_free(test_tpm_run(keys->tpm, "tpm2_createprimary -C o -c srk.ctx"));
    g_free(test_tpm_run(keys->tpm, "tpm2_readpublic -c srk.ctx -o srk.pub"));
    keys->srk = attest_read_public(keys->tpm, "srk.pub");
}

static void
keys_tear_down(Keys *keys, gconstpointer data)
{
    cvs_public_area_free(keys->rsa);
    cvs_public_area_free(keys->ecc);
    cvs_public_area_free(keys->ak);
    cvs_public_area_free(keys->srk);
    test_tpm_free(keys->tpm);
}

static void
assert_refused_bytes(const void *data, gsize size)
{
    g_autoptr(GError) error = NULL;

    if (cvs_svsm_manifest_parse(data, size, &error))
        g_error("%zu bytes were taken", size);
    assert_refused(error, BAD_FORMAT, CVS_REASON_MANIFEST_MALFORMED);
}

static void
append_area(CvsWriter *writer, const CvsPublicArea *area)
{
    cvs_writer_u16_be(writer, (guint16)g_bytes_get_size(area->bytes));
    cvs_writer_bytes(writer, g_bytes_get_data(area->bytes, NULL), g_bytes_get_size(area->bytes));
}

static GBytes *
list_of(guint32 version, guint32 count, const CvsPublicArea *a, const CvsPublicArea *b,
        const CvsPublicArea *c)
{
    g_auto(CvsWriter) writer = {0};

    cvs_writer_init(&writer);
    cvs_writer_u32_be(&writer, version);
    cvs_writer_u32_be(&writer, count);
    append_area(&writer, a);
    if (b)
        append_area(&writer, b);
    if (c)
        append_area(&writer, c);
    return cvs_writer_steal(&writer);
}

static void
test_bare(Keys *keys, gconstpointer data)
{
    const CvsPublicArea *const good[] = {keys->rsa, keys->ecc};

    for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
        gsize size = 0;
        const guint8 *bytes = g_bytes_get_data(good[i]->bytes, &size);
        g_autofree guint8 *changed = g_malloc(size + 1);
        g_autoptr(GError) error = NULL;
        g_autoptr(CvsSvsmManifest) manifest = cvs_svsm_manifest_parse(bytes, size, &error);

        g_assert_no_error(error);
        g_assert_cmpuint(manifest->version, ==, 0);
        g_assert_true(cvs_public_area_equal(manifest->ek, good[i]));
        g_assert_null(manifest->ak);
        for (gsize cut = 0; cut < size; cut++)
            assert_refused_bytes(bytes, cut);
        memcpy(changed, bytes, size);
        changed[size] = 0;
        assert_refused_bytes(changed, size + 1);
        /* Its attributes and its policy, bit by bit. */
        for (gsize bit = 8 * 4; bit < 8 * (10 + 32); bit++) {
            changed[bit / 8] ^= (guint8)(1u << bit % 8);
            /* noDA, encryptedDuplication, clear at restart and reserved bits say nothing. */
            if (bit >= 8 * 8 ||
                ((1u << bit % 8) & ((const guint8[]){0, 0x07, 0, 0xf2})[bit / 8 - 4]))
                assert_refused_bytes(changed, size);
            changed[bit / 8] ^= (guint8)(1u << bit % 8);
        }
    }
    assert_refused_bytes(g_bytes_get_data(keys->ak->bytes, NULL),
                         g_bytes_get_size(keys->ak->bytes));
    assert_refused_bytes(g_bytes_get_data(keys->srk->bytes, NULL),
                         g_bytes_get_size(keys->srk->bytes));
}

static void
assert_list(GBytes *bytes, gboolean good)
{
    g_autoptr(GBytes) owned = bytes;
    g_autoptr(CvsSvsmManifest) manifest = NULL;
    g_autoptr(GError) error = NULL;

    if (!good) {
        assert_refused_bytes(g_bytes_get_data(owned, NULL), g_bytes_get_size(owned));
        return;
    }
    manifest =
        cvs_svsm_manifest_parse(g_bytes_get_data(owned, NULL), g_bytes_get_size(owned), &error);
    g_assert_no_error(error);
    g_assert_cmpuint(manifest->version, ==, 1);
    g_assert_nonnull(manifest->ek);
    g_assert_nonnull(manifest->ak);
}

static void
test_list(Keys *keys, gconstpointer data)
{
    assert_list(list_of(1, 2, keys->rsa, keys->ak, NULL), TRUE);
    assert_list(list_of(1, 2, keys->ak, keys->ecc, NULL), TRUE);
    assert_list(list_of(1, 3, keys->rsa, keys->ak, keys->srk), TRUE);
    assert_list(list_of(2, 2, keys->rsa, keys->ak, NULL), FALSE);
    assert_list(list_of(0, 2, keys->rsa, keys->ak, NULL), FALSE);
    assert_list(list_of(1, 1, keys->rsa, NULL, NULL), FALSE);
    assert_list(list_of(1, 1, keys->rsa, keys->ak, NULL), FALSE);
    assert_list(list_of(1, 3, keys->rsa, keys->ak, NULL), FALSE);
    assert_list(list_of(1, 2, keys->rsa, keys->ak, keys->srk), FALSE);
    assert_list(list_of(1, G_MAXUINT32, keys->rsa, keys->ak, NULL), FALSE);
    assert_list(list_of(1, 2, keys->rsa, keys->srk, NULL), FALSE);
    assert_list(list_of(1, 2, keys->srk, keys->ak, NULL), FALSE);
    assert_list(list_of(1, 3, keys->rsa, keys->ak, keys->ecc), FALSE);
    assert_list(list_of(1, 3, keys->rsa, keys->ak, keys->ak), FALSE);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add("/attest/svsm-manifest/bare", Keys, NULL, keys_set_up, test_bare, keys_tear_down);
    g_test_add("/attest/svsm-manifest/list", Keys, NULL, keys_set_up, test_list, keys_tear_down);
    return g_test_run();
}
