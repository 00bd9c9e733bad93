/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/hex.h"
#include "tpm/sealing.h"
#include "tpm/tpm-private.h"

#include <string.h>

#define ALL "0+1+2+3+4+5+6+7+8+9+10+11+12+13+14+15+16+17+18+19+20+21+22+23"

static void
test_tools_agree(gconstpointer data)
{
    CvsHash bank = GPOINTER_TO_INT(data);
    g_autoptr(Swtpm) swtpm = swtpm_new();
    g_autoptr(CvsTpm) tpm = cvs_tpm_new(swtpm_tcti(swtpm));
    g_autofree char *out = NULL;
    CvsPcrValues values;

    for (guint pcr = 0; pcr < 16; pcr++) {
        for (guint i = 0; i <= pcr; i++)
            swtpm_extend(tpm, pcr);
    }
    values = read_pcrs(tpm, ALL, bank);
    out = swtpm_tool(swtpm, "tpm2_pcrread %s:all", cvs_hash_name(bank));
    for (guint pcr = 0; pcr < CVS_PCR_COUNT; pcr++) {
        g_autofree char *hex = cvs_hex_encode(values.value[pcr], cvs_hash_size(bank));
        g_autofree char *upper = g_ascii_strup(hex, -1);
        g_autofree char *line = g_strdup_printf("%-2u: 0x%s\n", pcr, upper);

        g_assert_nonnull(strstr(out, line));
        g_assert_true(memcmp(values.value[pcr] + cvs_hash_size(bank),
                             (const guint8[CVS_DIGEST_MAX]){0},
                             CVS_DIGEST_MAX - cvs_hash_size(bank)) == 0);
    }
}

static void
test_bank_missing(void)
{
    g_autoptr(Swtpm) swtpm = swtpm_new();
    g_autoptr(CvsTpm) tpm = cvs_tpm_new(swtpm_tcti(swtpm));
    CvsPcrSelection selection = {.bank = CVS_SHA384, .mask = 0x85};
    CvsPcrValues values = {.selection.mask = 77};
    g_autoptr(GError) error = NULL;
    CvsTpmInfo info;

    g_free(swtpm_tool(swtpm, "tpm2_pcrallocate sha1:none+sha256:all+sha384:none+sha512:none"));
    swtpm_kill(swtpm);
    swtpm_start(swtpm);
    g_assert_false(cvs_tpm_read_pcrs(tpm, &selection, &values, &error));
    assert_refused(error, PCR_UNMEASURED);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_PCR_BANK_MISSING));
    g_assert_cmpuint(cvs_error_get_reasons(error)->len, ==, 3);
    g_assert_cmpuint(values.selection.mask, ==, 77);
    (void)read_pcrs(tpm, "0+2+7", CVS_SHA256);
    g_assert_true(cvs_tpm_get_info(tpm, &info, NULL));
    g_assert_true(info.has_sha256);
    g_assert_false(info.has_sha384);
}

typedef struct {
    Swtpm *swtpm;
    guint times;
} Between;

static gboolean
extend_between(guint32 command, guint8 *response, gsize *size, gpointer data)
{
    Between *between = data;

    if (command == TPM2_CC_PCR_Read && between->times > 0) {
        between->times--;
        swtpm_raw_extend(between->swtpm, 0);
    }
    return TRUE;
}

/* PCR 0 is in the first answer, and is extended before the second. */
static void
test_torn_read(void)
{
    g_autoptr(Swtpm) swtpm = swtpm_new();
    g_autoptr(CvsTpm) tpm = cvs_tpm_new(swtpm_tcti(swtpm));
    Between between = {.swtpm = swtpm, .times = 1};
    CvsPcrSelection selection = {.bank = CVS_SHA256, .mask = CVS_PCR_MASK_ALL};
    CvsPcrValues before = read_pcrs(tpm, ALL, CVS_SHA256), torn, after;
    g_autoptr(GError) error = NULL;

    tpm->watch.hook = extend_between;
    tpm->watch.hook_data = &between;
    torn = read_pcrs(tpm, ALL, CVS_SHA256);
    g_assert_cmpuint(between.times, ==, 0);
    after = read_pcrs(tpm, ALL, CVS_SHA256);
    g_assert_true(memcmp(&torn, &after, sizeof after) == 0);
    g_assert_true(memcmp(&before, &after, sizeof after) != 0);

    between.times = G_MAXUINT;
    g_assert_false(cvs_tpm_read_pcrs(tpm, &selection, &torn, &error));
    assert_refused(error, BUSY);
    tpm->watch.hook = NULL;
}

/* One command for up to eight PCRs, once there is a session. */
static void
test_command_counts(void)
{
    g_autoptr(Swtpm) swtpm = swtpm_new();
    g_autoptr(CvsTpm) tpm = cvs_tpm_new(swtpm_tcti(swtpm));
    guint64 before = 0;

    (void)read_pcrs(tpm, "0", CVS_SHA256);
    before = cvs_tpm_commands_sent(tpm);
    (void)read_pcrs(tpm, "0+2+7", CVS_SHA256);
    g_assert_cmpuint(cvs_tpm_commands_sent(tpm) - before, ==, 1);
    (void)read_pcrs(tpm, ALL, CVS_SHA384);
    g_assert_cmpuint(cvs_tpm_commands_sent(tpm) - before, ==, 4);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_data_func("/tpm/pcr-read/tools-agree/sha256", GINT_TO_POINTER(CVS_SHA256),
                         test_tools_agree);
    g_test_add_data_func("/tpm/pcr-read/tools-agree/sha384", GINT_TO_POINTER(CVS_SHA384),
                         test_tools_agree);
    g_test_add_func("/tpm/pcr-read/bank-missing", test_bank_missing);
    g_test_add_func("/tpm/pcr-read/torn-read", test_torn_read);
    g_test_add_func("/tpm/pcr-read/command-counts", test_command_counts);
    return g_test_run();
}
