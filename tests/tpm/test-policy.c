/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/json.h"
#include "tpm/policy-element.h"
#include "tpm/sealing.h"
#include "tpm/tpm-private.h"
#include "tpm/wire.h"

#include <string.h>

static void
add_constant_pcr(CvsPolicy *policy, CvsHash bank, guint32 mask, int byte)
{
    CvsPcrSelection selection = {.bank = bank, .mask = mask};
    guint8 digest[32];

    memset(digest, byte, sizeof digest);
    cvs_policy_add_pcr(policy, &selection, digest);
}

/* PCR, then one of (PCR and PIN, PCR, (PCR or PCR)). */
static CvsPolicy *
tree(CvsHash bank)
{
    CvsPolicy *policy = cvs_policy_new();
    g_autoptr(GPtrArray) inner = g_ptr_array_new_with_free_func((GDestroyNotify)cvs_policy_unref);
    g_autoptr(GPtrArray) outer = g_ptr_array_new_with_free_func((GDestroyNotify)cvs_policy_unref);

    for (int i = 0; i < 2; i++) {
        CvsPolicy *branch = cvs_policy_new();

        add_constant_pcr(branch, bank, 0x10, 0x40 + i);
        g_ptr_array_add(inner, branch);
    }
    for (int i = 0; i < 3; i++) {
        CvsPolicy *branch = cvs_policy_new();

        add_constant_pcr(branch, bank, 0x80, 0x20 + i);
        if (i == 0)
            cvs_policy_add_auth_value(branch);
        if (i == 2)
            g_assert_true(cvs_policy_add_or(branch, inner, NULL));
        g_ptr_array_add(outer, branch);
    }
    add_constant_pcr(policy, bank, 0x800001, 0x10);
    g_assert_true(cvs_policy_add_or(policy, outer, NULL));
    return policy;
}

static void
assert_twins(CvsTpm *tpm, const CvsPolicy *policy, const guint8 *branches, gsize n_branches)
{
    TPMT_SYM_DEF none = {.algorithm = TPM2_ALG_NULL};
    CVS_AUTO_ESYS(TPM2B_DIGEST) executed = NULL;
    guint8 calculated[32];
    ESYS_TR session = ESYS_TR_NONE;
    g_autoptr(GError) error = NULL;

    g_assert_true(cvs_tpm_connect(tpm, &error));
    g_assert_cmphex(Esys_StartAuthSession(tpm->esys, ESYS_TR_NONE, ESYS_TR_NONE, ESYS_TR_NONE,
                                          ESYS_TR_NONE, ESYS_TR_NONE, NULL, TPM2_SE_TRIAL, &none,
                                          TPM2_ALG_SHA256, &session),
                    ==, TSS2_RC_SUCCESS);
    (void)cvs_policy_execute(policy, tpm, session, branches, n_branches, &error);
    g_assert_no_error(error);
    g_assert_cmphex(Esys_PolicyGetDigest(tpm->esys, session, ESYS_TR_NONE, ESYS_TR_NONE,
                                         ESYS_TR_NONE, &executed),
                    ==, TSS2_RC_SUCCESS);
    cvs_policy_calculate(policy, calculated);
    g_assert_cmpmem(executed->buffer, executed->size, calculated, sizeof calculated);
    cvs_tpm_flush(tpm, &session);
}

static void
test_twins(void)
{
    g_autoptr(Swtpm) swtpm = swtpm_new();
    g_autoptr(CvsTpm) tpm = cvs_tpm_new(swtpm_tcti(swtpm));
    static const CvsHash banks[] = {CVS_SHA256, CVS_SHA384};

    for (gsize i = 0; i < G_N_ELEMENTS(banks); i++) {
        static const guint8 ways[][2] = {{0, 0}, {1, 0}, {2, 0}, {2, 1}};
        g_autoptr(CvsPolicy) pcr = cvs_policy_new(), pin = cvs_policy_new(), all = tree(banks[i]);

        add_constant_pcr(pcr, banks[i], CVS_PCR_MASK_ALL, 7);
        assert_twins(tpm, pcr, (const guint8[]){0}, 1);
        add_constant_pcr(pin, banks[i], 0x85, 9);
        cvs_policy_add_auth_value(pin);
        assert_twins(tpm, pin, (const guint8[]){0}, 1);
        for (gsize j = 0; j < G_N_ELEMENTS(ways); j++)
            assert_twins(tpm, all, ways[j], 2);
        cvs_policy_add_endorsement_secret(pcr);
        cvs_policy_add_endorsement_secret(pcr);
        assert_twins(tpm, pcr, (const guint8[]){0}, 1);
    }
}

static void
assert_file_is(Swtpm *swtpm, const char *name, const CvsPolicy *policy)
{
    g_autoptr(GBytes) bytes = read_file(swtpm, name);
    guint8 digest[32];

    cvs_policy_calculate(policy, digest);
    g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), digest, sizeof digest);
}

static void
test_tools_agree(void)
{
    g_autoptr(Swtpm) swtpm = swtpm_new();
    g_autoptr(CvsTpm) tpm = cvs_tpm_new(swtpm_tcti(swtpm));
    g_autoptr(CvsPolicy) first = NULL, second = NULL, either = cvs_policy_new();
    g_autoptr(GPtrArray) branches = g_ptr_array_new();

    swtpm_extend(tpm, 0);
    swtpm_extend(tpm, 7);
    first = present_policy(tpm, "0+2+7", CVS_SHA256);
    second = present_policy(tpm, "7", CVS_SHA384);
    cvs_tpm_disconnect(tpm);

    g_free(swtpm_tool(swtpm, "tpm2_createpolicy --policy-pcr -l sha256:0,2,7 -L a"));
    assert_file_is(swtpm, "a", first);
    g_free(swtpm_tool(swtpm, "tpm2_createpolicy --policy-pcr -l sha384:7 -L b"));
    assert_file_is(swtpm, "b", second);

    g_ptr_array_add(branches, first);
    g_ptr_array_add(branches, second);
    g_assert_true(cvs_policy_add_or(either, branches, NULL));
    g_free(swtpm_tool(swtpm, "tpm2_startauthsession -S session"));
    g_free(swtpm_tool(swtpm, "tpm2_policyor -S session -L c sha256:a,b"));
    assert_file_is(swtpm, "c", either);
    g_free(swtpm_tool(swtpm, "tpm2_policyauthvalue -S session -L d"));
    cvs_policy_add_auth_value(either);
    assert_file_is(swtpm, "d", either);
    g_free(swtpm_tool(swtpm, "tpm2_flushcontext session"));
}

/* PolicyA of the EK Credential Profile, B.6.2. */
static void
test_endorsement_secret(void)
{
    static const guint8 policy_a[32] = {
        0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc,
        0x8d, 0x46, 0xa5, 0xd7, 0x24, 0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52,
        0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
    };
    g_autoptr(Swtpm) swtpm = swtpm_new();
    g_autoptr(CvsPolicy) policy = cvs_policy_new();
    guint8 digest[32];

    cvs_policy_add_endorsement_secret(policy);
    cvs_policy_calculate(policy, digest);
    g_assert_cmpmem(digest, 32, policy_a, 32);
    g_free(swtpm_tool(swtpm, "tpm2_startauthsession -S session"));
    g_free(swtpm_tool(swtpm, "tpm2_policysecret -S session -c e -L a"));
    assert_file_is(swtpm, "a", policy);
    g_free(swtpm_tool(swtpm, "tpm2_flushcontext session"));
    g_assert_false(cvs_policy_needs_pin(policy));
}

static void
test_json(void)
{
    g_autoptr(CvsPolicy) policy = tree(CVS_SHA384), read = NULL;
    g_autoptr(json_t) json = cvs_policy_to_json(policy), again = NULL;
    guint8 before[32], after[32];
    g_autoptr(GError) error = NULL;

    read = cvs_policy_from_json(json, &error);
    g_assert_no_error(error);
    cvs_policy_calculate(policy, before);
    cvs_policy_calculate(read, after);
    g_assert_cmpmem(before, 32, after, 32);
    again = cvs_policy_to_json(read);
    g_assert_true(json_equal(json, again));
    g_assert_true(cvs_policy_needs_pin(read));
}

#define DIGEST "AQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQE"
#define PCR "{\"type\":\"pcr\",\"bank\":\"sha256\",\"pcrs\":\"7\",\"digest\":\"" DIGEST "\"}"
#define OR(a, b) "{\"type\":\"or\",\"branches\":[[" a "],[" b "]]}"

static void
test_bad_json(void)
{
    static const char *const bad[] = {
        "[]",
        "{}",
        "[1]",
        "[{}]",
        "[{\"type\":\"nonsense\"}]",
        "[{\"type\":1}]",
        "[{\"type\":\"auth-value\",\"more\":1}]",
        "[{\"type\":\"endorsement-secret\"}]",
        "[{\"type\":\"pcr\"}]",
        "[{\"type\":\"pcr\",\"bank\":\"sha1\",\"pcrs\":\"7\",\"digest\":\"" DIGEST "\"}]",
        "[{\"type\":\"pcr\",\"bank\":\"sha256\",\"pcrs\":\"\",\"digest\":\"" DIGEST "\"}]",
        "[{\"type\":\"pcr\",\"bank\":\"sha256\",\"pcrs\":\"7+0\",\"digest\":\"" DIGEST "\"}]",
        "[{\"type\":\"pcr\",\"bank\":\"sha256\",\"pcrs\":\"0,7\",\"digest\":\"" DIGEST "\"}]",
        "[{\"type\":\"pcr\",\"bank\":\"sha256\",\"pcrs\":\"7\",\"digest\":\"AQEB\"}]",
        "[{\"type\":\"pcr\",\"bank\":\"sha256\",\"pcrs\":\"7\",\"digest\":\"" DIGEST "\",\"x\":0}]",
        "[{\"type\":\"or\"}]",
        "[{\"type\":\"or\",\"branches\":[]}]",
        "[{\"type\":\"or\",\"branches\":[[" PCR "]]}]",
        "[{\"type\":\"or\",\"branches\":[[" PCR "],[]]}]",
        "[{\"type\":\"or\",\"branches\":[[" PCR "],1]}]",
        "[{\"type\":\"or\",\"branches\":[[" PCR "],[" PCR "],[" PCR "],[" PCR "],[" PCR "],[" PCR
        "],[" PCR "],[" PCR "],[" PCR "]]}]",
        "[" OR(PCR, OR(PCR, OR(PCR, OR(PCR, PCR)))) "]",
        /* 16 ways in a row, 9 by nesting. */
        "[" OR(PCR, PCR) "," OR(PCR, PCR) "," OR(PCR, PCR) "," OR(PCR, PCR) "]",
        "[" OR(PCR, OR(PCR, PCR) "," OR(PCR, PCR) "," OR(PCR, PCR)) "]",
    };
    static const char *const good[] = {
        "[" OR(PCR, OR(PCR, OR(PCR, PCR))) "]",
        "[" OR(PCR, PCR) "," OR(PCR, PCR) "," OR(PCR, PCR) "]",
        "[{\"type\":\"or\",\"branches\":[[" PCR "],[" PCR "],[" PCR "],[" PCR "],[" PCR "],[" PCR
        "],[" PCR "],[" PCR "]]}]",
    };
    g_autoptr(json_t) many = json_array();
    g_autoptr(GError) too_many = NULL;

    for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autoptr(json_t) json = json_loads(good[i], 0, NULL);
        g_autoptr(CvsPolicy) policy = cvs_policy_from_json(json, NULL);

        g_assert_nonnull(policy);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(json_t) json = json_loads(bad[i], 0, NULL);
        g_autoptr(GError) error = NULL;

        g_assert_nonnull(json);
        g_assert_null(cvs_policy_from_json(json, &error));
        assert_refused(error, BAD_FORMAT);
    }
    for (guint i = 0; i <= CVS_POLICY_ELEMENTS_MAX; i++)
        (void)json_array_append_new(many, json_pack("{s:s}", "type", "auth-value"));
    g_assert_null(cvs_policy_from_json(many, &too_many));
    assert_refused(too_many, BAD_FORMAT);
}

static void
test_get_pcr_and_bounds(void)
{
    g_autoptr(CvsPolicy) policy = cvs_policy_new(), all = tree(CVS_SHA256);
    g_autoptr(GPtrArray) branches = g_ptr_array_new();
    CvsPcrSelection selection = {0};
    guint8 digest[32], wanted[32];

    g_assert_false(cvs_policy_get_pcr(policy, &selection, digest));
    cvs_policy_add_auth_value(policy);
    g_assert_false(cvs_policy_get_pcr(policy, &selection, digest));
    g_assert_true(cvs_policy_get_pcr(all, &selection, digest));
    memset(wanted, 0x10, 32);
    g_assert_cmphex(selection.mask, ==, 0x800001);
    g_assert_cmpmem(digest, 32, wanted, 32);

    for (guint n = 0; n <= 9; n++) {
        g_autoptr(GError) error = NULL;

        g_assert_cmpint(cvs_policy_add_or(policy, branches, &error), ==, n >= 2 && n <= 8);
        if (n < 2 || n > 8)
            assert_refused(error, INVALID_ARGUMENT);
        g_ptr_array_add(branches, all);
    }
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tpm/policy/twins", test_twins);
    g_test_add_func("/tpm/policy/tools-agree", test_tools_agree);
    g_test_add_func("/tpm/policy/endorsement-secret", test_endorsement_secret);
    g_test_add_func("/tpm/policy/json", test_json);
    g_test_add_func("/tpm/policy/bad-json", test_bad_json);
    g_test_add_func("/tpm/policy/get-pcr-and-bounds", test_get_pcr_and_bounds);
    return g_test_run();
}
