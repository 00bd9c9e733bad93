/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tpm/sealing.h"
#include "tpm/tpm-private.h"

#include <string.h>

static void
test_made_once(void)
{
    g_autoptr(Swtpm) swtpm = swtpm_new();
    g_autoptr(CvsTpm) tpm = cvs_tpm_new(swtpm_tcti(swtpm));
    g_autoptr(CvsTpm) other = cvs_tpm_new(swtpm_tcti(swtpm));
    g_autoptr(GError) none = NULL, error = NULL;
    g_autoptr(GBytes) by_tool = NULL;
    GBytes *name = NULL;
    guint64 before = 0;

    g_assert_null(cvs_tpm_get_srk_name(tpm, FALSE, &none));
    assert_refused(none, NOT_SUPPORTED);
    name = cvs_tpm_get_srk_name(tpm, TRUE, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(g_bytes_get_size(name), ==, 34);

    before = cvs_tpm_commands_sent(tpm);
    g_assert_true(cvs_tpm_get_srk_name(tpm, FALSE, NULL) == name);
    g_assert_cmpuint(cvs_tpm_commands_sent(tpm), ==, before);

    g_free(swtpm_tool(swtpm, "tpm2_readpublic -c 0x81000001 -n name"));
    by_tool = read_file(swtpm, "name");
    g_assert_true(g_bytes_equal(name, by_tool));
    g_assert_true(g_bytes_equal(cvs_tpm_get_srk_name(other, FALSE, NULL), by_tool));
    cvs_tpm_idle(tpm);
    cvs_tpm_idle(other);
    g_assert_cmpuint(swtpm_count_handles(tpm), ==, 0);
}

/* Keys made by other programs from other templates. */
static void
test_accepted(gconstpointer data)
{
    g_autoptr(Swtpm) swtpm = swtpm_new();
    g_autoptr(CvsTpm) tpm = cvs_tpm_new(swtpm_tcti(swtpm));
    g_autoptr(CvsPolicy) policy = NULL;
    g_auto(CvsSealedObject) object = {0};

    g_free(swtpm_tool(swtpm, "tpm2_createprimary -C o %s -c key", (const char *)data));
    g_free(swtpm_tool(swtpm, "tpm2_flushcontext -t"));
    g_free(swtpm_tool(swtpm, "tpm2_evictcontrol -C o -c key 0x81000001"));
    g_free(swtpm_tool(swtpm, "tpm2_flushcontext -t"));
    policy = present_policy(tpm, "0", CVS_SHA256);
    seal_text(tpm, policy, "secret", NULL, &object);
    assert_unseals(tpm, policy, &object, NULL, "secret");
}

static void
assert_unfit(Swtpm *swtpm, const char *lack)
{
    g_autoptr(CvsTpm) tpm = cvs_tpm_new(swtpm_tcti(swtpm));
    g_autoptr(CvsSecret) secret = secret_of("secret");
    g_autoptr(CvsPolicy) policy = cvs_policy_new();
    g_auto(CvsSealedObject) object = {0};

    /* Every time, not only the first. */
    for (guint i = 0; i < 2; i++) {
        g_autoptr(GError) error = NULL, sealing = NULL;

        g_assert_null(cvs_tpm_get_srk_name(tpm, TRUE, &error));
        assert_refused(error, TPM_REPLACED);
        g_assert_true(cvs_error_has_reason(error, CVS_REASON_SRK_UNFIT));
        g_assert_nonnull(strstr(error->message, lack));
        g_assert_false(cvs_tpm_seal(tpm, policy, secret, NULL, &object, &sealing));
        assert_refused(sealing, TPM_REPLACED);
    }
    g_assert_cmpuint(swtpm_count_handles(tpm), ==, 0);
}

static void
test_unfit_primary(gconstpointer data)
{
    const char *const *parts = data; /* options, what is missing */
    g_autoptr(Swtpm) swtpm = swtpm_new();

    g_free(swtpm_tool(swtpm, "tpm2_createprimary %s -c key", parts[0]));
    g_free(swtpm_tool(swtpm, "tpm2_flushcontext -t"));
    g_free(swtpm_tool(swtpm, "tpm2_evictcontrol -C o -c key 0x81000001"));
    g_free(swtpm_tool(swtpm, "tpm2_flushcontext -t"));
    assert_unfit(swtpm, parts[1]);
}

static void
test_unfit_child(gconstpointer data)
{
    const char *const *parts = data;
    g_autoptr(Swtpm) swtpm = swtpm_new();
    g_autoptr(GBytes) bytes = g_bytes_new_static("data", 4);

    write_file(swtpm, "data", bytes);
    g_free(swtpm_tool(swtpm, "tpm2_createprimary -C o -c parent"));
    g_free(swtpm_tool(swtpm, "tpm2_flushcontext -t"));
    g_free(swtpm_tool(swtpm, "tpm2_create -C parent %s -u public -r private", parts[0]));
    g_free(swtpm_tool(swtpm, "tpm2_flushcontext -t"));
    g_free(swtpm_tool(swtpm, "tpm2_load -C parent -u public -r private -c key"));
    g_free(swtpm_tool(swtpm, "tpm2_flushcontext -t"));
    g_free(swtpm_tool(swtpm, "tpm2_evictcontrol -C o -c key 0x81000001"));
    g_free(swtpm_tool(swtpm, "tpm2_flushcontext -t"));
    assert_unfit(swtpm, parts[1]);
}

/* A storage key whose private part somebody else knows, brought in by an evil boot. */
static void
test_imported(void)
{
    g_autoptr(Swtpm) swtpm = swtpm_new();

    g_free(swtpm_tool(swtpm, "tpm2_createprimary -C o -c parent"));
    g_free(swtpm_tool(swtpm, "tpm2_flushcontext -t"));
    g_free(swtpm_tool(swtpm, "openssl ecparam -name prime256v1 -genkey -noout -out evil.pem"));
    g_free(swtpm_tool(swtpm, "tpm2_import -C parent -G ecc:aes128cfb -i evil.pem "
                             "-a 'userwithauth|restricted|decrypt|noda' -u public -r private"));
    g_free(swtpm_tool(swtpm, "tpm2_flushcontext -t"));
    g_free(swtpm_tool(swtpm, "tpm2_load -C parent -u public -r private -c key"));
    g_free(swtpm_tool(swtpm, "tpm2_flushcontext -t"));
    g_free(swtpm_tool(swtpm, "tpm2_evictcontrol -C o -c key 0x81000001"));
    g_free(swtpm_tool(swtpm, "tpm2_flushcontext -t"));
    assert_unfit(swtpm, "fixedTPM");
}

static void
test_passwords(void)
{
    g_autoptr(Swtpm) swtpm = swtpm_new();
    g_autoptr(CvsTpm) tpm = cvs_tpm_new(swtpm_tcti(swtpm));
    g_autoptr(CvsPolicy) policy = cvs_policy_new();
    g_autoptr(CvsSecret) secret = secret_of("secret");
    CvsPcrSelection selection = {.bank = CVS_SHA256, .mask = 1};
    g_auto(CvsSealedObject) object = {0};
    g_autoptr(GError) owner = NULL, srk = NULL;

    g_free(swtpm_tool(swtpm, "tpm2_changeauth -c o password"));
    g_assert_null(cvs_tpm_get_srk_name(tpm, TRUE, &owner));
    assert_refused(owner, NOT_SUPPORTED);
    g_assert_nonnull(strstr(owner->message, "password"));

    g_free(swtpm_tool(swtpm, "tpm2_createprimary -C o -P password -p secret -c key"));
    g_free(swtpm_tool(swtpm, "tpm2_flushcontext -t"));
    g_free(swtpm_tool(swtpm, "tpm2_evictcontrol -C o -P password -c key 0x81000001"));
    g_free(swtpm_tool(swtpm, "tpm2_flushcontext -t"));
    cvs_policy_add_pcr(policy, &selection, (const guint8[32]){0});
    g_assert_false(cvs_tpm_seal(tpm, policy, secret, NULL, &object, &srk));
    assert_refused(srk, NOT_SUPPORTED);
    g_assert_nonnull(strstr(srk->message, "password"));
}

#define STORAGE "fixedtpm|fixedparent|sensitivedataorigin|userwithauth|restricted|decrypt"

int
main(int argc, char **argv)
{
    static const char *const unrestricted[] = {
        "-C o -G rsa2048 -a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|decrypt'",
        "restricted"};
    static const char *const with_policy[] = {
        "-C o -a 'fixedtpm|fixedparent|sensitivedataorigin|adminwithpolicy|restricted|decrypt'",
        "userWithAuth"};
    static const char *const signer[] = {
        "-C o -G ecc -a 'fixedtpm|fixedparent|sensitivedataorigin|userwithauth|sign'",
        "restricted"};
    static const char *const endorsement[] = {"-C e -G ecc:aes128cfb -a '" STORAGE "'",
                                              "owner hierarchy"};
    static const char *const child[] = {"-G ecc:aes128cfb -a '" STORAGE "'", "owner hierarchy"};
    static const char *const data[] = {"-i data", "neither"};
    static const char *const symmetric[] = {"-G aes128", "neither"};

    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tpm/srk/made-once", test_made_once);
    g_test_add_data_func("/tpm/srk/accepted/rsa2048", "-G rsa2048", test_accepted);
    g_test_add_data_func("/tpm/srk/accepted/ecc", "-G ecc", test_accepted);
    g_test_add_data_func("/tpm/srk/accepted/ecc384", "-g sha384 -G ecc384:aes256cfb",
                         test_accepted);
    g_test_add_data_func("/tpm/srk/unfit/unrestricted", unrestricted, test_unfit_primary);
    g_test_add_data_func("/tpm/srk/unfit/with-policy", with_policy, test_unfit_primary);
    g_test_add_data_func("/tpm/srk/unfit/signer", signer, test_unfit_primary);
    g_test_add_data_func("/tpm/srk/unfit/endorsement", endorsement, test_unfit_primary);
    g_test_add_data_func("/tpm/srk/unfit/child", child, test_unfit_child);
    g_test_add_data_func("/tpm/srk/unfit/data", data, test_unfit_child);
    g_test_add_data_func("/tpm/srk/unfit/symmetric", symmetric, test_unfit_child);
    g_test_add_func("/tpm/srk/imported", test_imported);
    g_test_add_func("/tpm/srk/passwords", test_passwords);
    return g_test_run();
}
