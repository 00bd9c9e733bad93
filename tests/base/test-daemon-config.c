/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/daemon-config.h"
#include "base/error.h"

#include <glib/gstdio.h>
#include <string.h>

static gboolean
apply(CvsConfig *config, const char *text, GError **error)
{
    return cvs_config_apply(config, "test.conf", text, strlen(text), error);
}

static void
test_config_values(void)
{
    g_autoptr(CvsConfig) config = cvs_config_new();
    g_autoptr(GError) error = NULL;

    g_assert_null(config->tcti);
    g_assert_cmpstr(config->store_key_file, ==, "/run/cvmseal/store-key");
    g_assert_cmpuint(config->max_requests, ==, 256);
    g_assert_cmpuint(config->max_requests_per_user, ==, 32);
    g_assert_cmpuint(config->secret_timeout_s, ==, 30);
    g_assert_cmpuint(config->max_keys_per_owner, ==, 10000);
    g_assert_cmpuint(config->max_bytes_per_owner, ==, 268435456);
    g_assert_true(apply(config, "", &error));
    g_assert_true(
        apply(config,
              "# a comment\n[Daemon]\nTCTI=swtpm:path=/s\nVaultDir=/v\n"
              "StoreKeyFile=/s/"
              "k\nRequireStoreKey=yes\nMaxRequests=7\nMaxRequestsPerUser=3\nSecretTimeoutSec=2\n",
              &error));
    /* The second file lies over the first, key by key. */
    g_assert_true(apply(
        config, "[Daemon]\nMaxRequests=8\nMaxKeysPerOwner=5\nMaxBytesPerOwner=65536\n", &error));
    g_assert_no_error(error);
    g_assert_cmpstr(config->tcti, ==, "swtpm:path=/s");
    g_assert_cmpstr(config->vault_dir, ==, "/v");
    g_assert_cmpstr(config->store_key_file, ==, "/s/k");
    g_assert_true(config->require_store_key);
    g_assert_cmpuint(config->max_requests, ==, 8);
    g_assert_cmpuint(config->max_requests_per_user, ==, 3);
    g_assert_cmpuint(config->secret_timeout_s, ==, 2);
    g_assert_cmpuint(config->max_keys_per_owner, ==, 5);
    g_assert_cmpuint(config->max_bytes_per_owner, ==, 65536);
}

static void
test_config_tee(void)
{
    g_autoptr(CvsConfig) config = cvs_config_new();
    g_autoptr(GString) text = g_string_new("[Daemon]\nMaxRequests=7\n[TEE]\n");
    g_autoptr(GError) error = NULL;

#define X(member, key)                                                                             \
    g_assert_null(config->tee.member);                                                             \
    g_string_append_printf(text, key "=/x/%s\n", #member);
    CVS_CONFIG_TEE_PATHS(X)
#undef X
    g_assert_true(apply(config, text->str, &error));
    g_assert_no_error(error);
    g_assert_cmpuint(config->max_requests, ==, 7);
#define X(member, key) g_assert_cmpstr(config->tee.member, ==, "/x/" #member);
    CVS_CONFIG_TEE_PATHS(X)
#undef X
    g_assert_null(config->test_roots);
    g_assert_true(apply(config, "[TEE]\nTestRoots=/etc/roots\n", &error));
    g_assert_cmpstr(config->test_roots, ==, "/etc/roots");
    /* Key by key here too. */
    g_assert_true(apply(config, "[TEE]\nSevGuestPath=/y\n", &error));
    g_assert_cmpstr(config->tee.sev_guest, ==, "/y");
    g_assert_cmpstr(config->tee.configfs, ==, "/x/configfs");
}

static void
test_config_refused(void)
{
    static const struct {
        const char *text;
        const char *says;
    } cases[] = {
        {"[Daemon]\nMaxRequest=1\n", "MaxRequest"},
        {"[Demon]\nMaxRequests=1\n", "[Demon]"},
        {"[Daemon]\nMaxRequests=0\n", "MaxRequests"},
        {"[Daemon]\nMaxRequests=4097\n", "4096"},
        {"[Daemon]\nMaxRequests=-1\n", "MaxRequests"},
        {"[Daemon]\nMaxRequests=1x\n", "1x"},
        {"[Daemon]\nMaxRequestsPerUser=0\n", "MaxRequestsPerUser"},
        {"[Daemon]\nSecretTimeoutSec=601\n", "SecretTimeoutSec"},
        {"[Daemon]\nMaxKeysPerOwner=0\n", "MaxKeysPerOwner"},
        {"[Daemon]\nMaxBytesPerOwner=65535\n", "MaxBytesPerOwner"},
        {"[Daemon]\nTCTI=\n", "TCTI"},
        {"[Daemon]\nVaultDir=vault\n", "absolute"},
        {"[Daemon]\nRequireStoreKey=maybe\n", "yes or no"},
        {"[TEE]\nSevGuestPath=sev-guest\n", "absolute"},
        {"[TEE]\nRunPath=\n", "RunPath"},
        {"[TEE]\nTestRoots=roots\n", "absolute"},
        {"[Daemon]\nTestRoots=/etc/roots\n", "[Daemon] TestRoots"},
        {"[TEE]\nMaxRequests=1\n", "[TEE] MaxRequests"},
        {"[Daemon]\nRunPath=/run/x\n", "[Daemon] RunPath"},
        {"MaxRequests=1\n", "test.conf"},
        {"[Daemon\n", "test.conf"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(CvsConfig) config = cvs_config_new();
        g_autoptr(GError) error = NULL;

        g_assert_false(apply(config, cases[i].text, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
        g_assert_nonnull(strstr(error->message, "test.conf"));
        g_assert_nonnull(strstr(error->message, cases[i].says));
    }
}

static void
test_config_file(void)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *dir = g_dir_make_tmp("cvs-XXXXXX", NULL);
    g_autofree char *file = g_build_filename(dir, "c", NULL);
    g_autofree char *large = g_strnfill(CVS_CONFIG_SIZE_MAX + 1, '#');
    g_autoptr(CvsConfig) config = cvs_config_load(file, &error);

    g_assert_null(config);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_FAILED);
    g_clear_error(&error);
    g_assert_true(g_file_set_contents(file, large, -1, NULL));
    g_assert_null(cvs_config_load(file, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE);
    g_clear_error(&error);
    g_assert_true(g_file_set_contents(file, "[Daemon]\nMaxRequests=9\n", -1, NULL));
    config = cvs_config_load(file, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(config->max_requests, ==, 9);
    g_unlink(file);
    g_rmdir(dir);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/daemon-config/values", test_config_values);
    g_test_add_func("/daemon-config/tee", test_config_tee);
    g_test_add_func("/daemon-config/refused", test_config_refused);
    g_test_add_func("/daemon-config/file", test_config_file);
    return g_test_run();
}
