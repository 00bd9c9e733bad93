/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/error.h"
#include "base/json.h"
#include "tpm/pcr.h"

#include <string.h>

static void
test_mask(void)
{
    static const struct {
        const char *text;
        guint32 mask;
        const char *formatted;
    } good[] = {
        {"0", 1, "0"},          {"0+2+7", 0x85, "0+2+7"},      {"7,2,0", 0x85, "0+2+7"},
        {"23", 1u << 23, "23"}, {"1+10,11", 0xc02, "1+10+11"},
    };
    static const char *const bad[] = {"",     "+",     "0+",         "+0",   "24", "0++1",
                                      "0 +1", "-1",    "1+1",        "00",   "01", "0x1",
                                      "a",    "0+2;7", "4294967296", "0+ 2", "2-4"};

    for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
        guint32 mask = 0;
        g_autofree char *formatted = NULL;

        g_assert_true(cvs_pcr_mask_parse(good[i].text, &mask, NULL));
        g_assert_cmphex(mask, ==, good[i].mask);
        formatted = cvs_pcr_mask_format(mask);
        g_assert_cmpstr(formatted, ==, good[i].formatted);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        guint32 mask = 77;
        g_autoptr(GError) error = NULL;

        g_assert_false(cvs_pcr_mask_parse(bad[i], &mask, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
        g_assert_cmpuint(mask, ==, 77);
    }
}

static void
test_bank(void)
{
    static const char *const bad[] = {"", "sha1", "sha512", "SHA256", "sha256 "};
    CvsHash bank = CVS_SHA1;

    g_assert_true(cvs_pcr_bank_parse("sha256", &bank, NULL));
    g_assert_cmpint(bank, ==, CVS_SHA256);
    g_assert_true(cvs_pcr_bank_parse("sha384", &bank, NULL));
    g_assert_cmpint(bank, ==, CVS_SHA384);
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(cvs_pcr_bank_parse(bad[i], &bank, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
    }
    for (guint pcr = 0; pcr < CVS_PCR_COUNT; pcr++)
        g_assert_cmpuint(strlen(cvs_pcr_title(pcr)), >, 0);
}

static CvsPcrValues
some_values(CvsHash bank, guint32 mask)
{
    CvsPcrValues values = {.selection = {.bank = bank, .mask = mask}};

    for (guint pcr = 0; pcr < CVS_PCR_COUNT; pcr++) {
        if (mask & 1u << pcr)
            memset(values.value[pcr], (int)pcr + 1, cvs_hash_size(bank));
    }
    return values;
}

static void
test_measured(void)
{
    CvsPcrValues values = some_values(CVS_SHA384, 0x85);
    g_autoptr(GError) error = NULL;

    g_assert_true(cvs_pcr_values_check_measured(&values, &error));
    memset(values.value[0], 0, 48);
    memset(values.value[2], 0xff, 48);
    values.selection.mask |= 1u << 16 | 1u << 23;
    values.value[16][0] = 1;
    g_assert_false(cvs_pcr_values_check_measured(&values, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_PCR_UNMEASURED);
    g_assert_cmpuint(cvs_error_get_reasons(error)->len, ==, 4);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_PCR_ZERO));
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_PCR_ONES));
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_PCR_RESETTABLE));
    g_clear_error(&error);

    /* One byte that differs makes a measurement. */
    values = some_values(CVS_SHA256, 1);
    memset(values.value[0], 0, 32);
    values.value[0][31] = 1;
    g_assert_true(cvs_pcr_values_check_measured(&values, &error));
    memset(values.value[0], 0xff, 32);
    values.value[0][0] = 0xfe;
    g_assert_true(cvs_pcr_values_check_measured(&values, &error));
}

static void
test_json(void)
{
    static const char *const bad[] = {
        "{}",
        "{\"bank\":\"sha256\"}",
        "{\"bank\":\"sha256\",\"pcrs\":{}}",
        "{\"bank\":\"sha256\",\"pcrs\":[]}",
        "{\"bank\":\"sha1\",\"pcrs\":{\"0\":\"0000000000000000000000000000000000000000\"}}",
        "{\"bank\":\"sha256\",\"pcrs\":{\"0\":\"00\"}}",
        "{\"bank\":\"sha256\",\"pcrs\":{\"0\":1}}",
        "{\"bank\":\"sha256\",\"pcrs\":{\"24\":"
        "\"0101010101010101010101010101010101010101010101010101010101010101\"}}",
        "{\"bank\":\"sha256\",\"pcrs\":{\"00\":"
        "\"0101010101010101010101010101010101010101010101010101010101010101\"}}",
        "{\"bank\":\"sha256\",\"pcrs\":{\"0+1\":"
        "\"0101010101010101010101010101010101010101010101010101010101010101\"}}",
        "{\"bank\":\"sha384\",\"pcrs\":{\"0\":"
        "\"0101010101010101010101010101010101010101010101010101010101010101\"}}",
        "{\"bank\":\"sha256\",\"more\":1,\"pcrs\":{\"0\":"
        "\"0101010101010101010101010101010101010101010101010101010101010101\"}}",
        "[]",
    };

    for (guint i = 0; i < 2; i++) {
        CvsPcrValues values = some_values(i ? CVS_SHA384 : CVS_SHA256, 0x800085), read = {0};
        g_autoptr(json_t) json = cvs_pcr_values_to_json(&values);
        g_autoptr(GError) error = NULL;

        g_assert_true(cvs_pcr_values_from_json(json, &read, &error));
        g_assert_no_error(error);
        g_assert_cmpmem(&read, sizeof read, &values, sizeof values);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(json_t) json = json_loads(bad[i], 0, NULL);
        CvsPcrValues read = {.selection.mask = 5};
        g_autoptr(GError) error = NULL;

        g_assert_nonnull(json);
        g_assert_false(cvs_pcr_values_from_json(json, &read, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
        g_assert_cmpuint(read.selection.mask, ==, 5);
    }
}

static void
test_explain(void)
{
    CvsPcrValues wanted = some_values(CVS_SHA256, 0x85), seen = wanted;
    g_autoptr(GError) error = g_error_new(CVS_ERROR, CVS_ERROR_PCR_MISMATCH, "no");
    const CvsReason *reason = NULL;

    cvs_pcr_values_explain(&seen, &wanted, error);
    g_assert_cmpuint(cvs_error_get_reasons(error)->len, ==, 0);
    seen.value[7][31] ^= 1;
    cvs_pcr_values_explain(&seen, &wanted, error);
    g_assert_cmpuint(cvs_error_get_reasons(error)->len, ==, 1);
    reason = g_ptr_array_index(cvs_error_get_reasons(error), 0);
    g_assert_cmpstr(reason->code, ==, CVS_REASON_PCR_DIFFERS);
    g_assert_nonnull(strstr(reason->detail, "PCR 7"));
    g_assert_cmpstr(reason->seen, ==,
                    "0808080808080808080808080808080808080808080808080808080808080809");
    g_assert_cmpstr(reason->wanted, ==,
                    "0808080808080808080808080808080808080808080808080808080808080808");
}

static void
test_digest(void)
{
    CvsPcrValues values = some_values(CVS_SHA384, 0x85);
    guint8 all[3 * 48], wanted[32], digest[32];

    memset(all, 1, 48);
    memset(all + 48, 3, 48);
    memset(all + 96, 8, 48);
    cvs_hash_bytes(CVS_SHA256, all, sizeof all, wanted);
    cvs_pcr_values_digest(&values, digest);
    g_assert_cmpmem(digest, 32, wanted, 32);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tpm/pcr/mask", test_mask);
    g_test_add_func("/tpm/pcr/bank", test_bank);
    g_test_add_func("/tpm/pcr/measured", test_measured);
    g_test_add_func("/tpm/pcr/json", test_json);
    g_test_add_func("/tpm/pcr/explain", test_explain);
    g_test_add_func("/tpm/pcr/digest", test_digest);
    return g_test_run();
}
