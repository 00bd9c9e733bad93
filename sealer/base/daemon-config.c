/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/daemon-config.h"
#include "base/error.h"

#include "config.h"

#include <string.h>

typedef gboolean (*SetKey)(CvsConfig *config, const char *key, const char *value, GError **error);

void
cvs_config_free(CvsConfig *config)
{
    if (config == NULL)
        return;
    g_free(config->tcti);
    g_free(config->vault_dir);
    g_free(config->store_key_file);
    g_free(config->test_roots);
#define X(member, key) g_free(config->tee.member);
    CVS_CONFIG_TEE_PATHS(X)
#undef X
    g_free(config);
}

CvsConfig *
cvs_config_new(void)
{
    CvsConfig *config = g_new0(CvsConfig, 1);

    config->vault_dir = g_strdup(CVS_STATE_DIR);
    config->store_key_file = g_strdup(CVS_RUN_DIR "/store-key");
    config->max_requests = 256;
    config->max_requests_per_user = 32;
    config->secret_timeout_s = 30;
    config->max_keys_per_owner = 10000;
    config->max_bytes_per_owner = 256 * 1024 * 1024;
    return config;
}

static gboolean
set_string(const char *value, char **ret, GError **error)
{
    if (*value == '\0') {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "an empty value is not allowed");
        return FALSE;
    }
    g_free(*ret);
    *ret = g_strdup(value);
    return TRUE;
}

static gboolean
set_path(const char *value, char **ret, GError **error)
{
    if (!g_path_is_absolute(value)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "\"%s\" is not an absolute path",
                    value);
        return FALSE;
    }
    return set_string(value, ret, error);
}

static gboolean
set_number(const char *value, guint64 min, guint64 max, guint64 *ret, GError **error)
{
    if (!g_ascii_string_to_unsigned(value, 10, min, max, ret, NULL)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "\"%s\" is not a number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT,
                    value, min, max);
        return FALSE;
    }
    return TRUE;
}

static gboolean
set_uint(const char *value, guint min, guint max, guint *ret, GError **error)
{
    guint64 number = 0;

    if (!set_number(value, min, max, &number, error))
        return FALSE;
    *ret = (guint)number;
    return TRUE;
}

static gboolean
set_flag(const char *value, gboolean *ret, GError **error)
{
    *ret = g_str_equal(value, "yes");
    if (!*ret && !g_str_equal(value, "no")) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "\"%s\" is not yes or no", value);
        return FALSE;
    }
    return TRUE;
}

static gboolean
no_such_key(GError **error)
{
    g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                "there is no such key; cvmseald(8) has them");
    return FALSE;
}

static gboolean
set_daemon_key(CvsConfig *config, const char *key, const char *value, GError **error)
{
    if (g_str_equal(key, "TCTI"))
        return set_string(value, &config->tcti, error);
    if (g_str_equal(key, "VaultDir"))
        return set_path(value, &config->vault_dir, error);
    if (g_str_equal(key, "StoreKeyFile"))
        return set_path(value, &config->store_key_file, error);
    if (g_str_equal(key, "RequireStoreKey"))
        return set_flag(value, &config->require_store_key, error);
    if (g_str_equal(key, "MaxRequests"))
        return set_uint(value, 1, 4096, &config->max_requests, error);
    if (g_str_equal(key, "MaxRequestsPerUser"))
        return set_uint(value, 1, 4096, &config->max_requests_per_user, error);
    if (g_str_equal(key, "SecretTimeoutSec"))
        return set_uint(value, 1, 600, &config->secret_timeout_s, error);
    if (g_str_equal(key, "MaxKeysPerOwner"))
        return set_uint(value, 1, 1000000, &config->max_keys_per_owner, error);
    if (g_str_equal(key, "MaxBytesPerOwner"))
        return set_number(value, 65536, G_GUINT64_CONSTANT(1) << 40, &config->max_bytes_per_owner,
                          error);
    return no_such_key(error);
}

static gboolean
set_tee_key(CvsConfig *config, const char *key, const char *value, GError **error)
{
    if (g_str_equal(key, "TestRoots"))
        return set_path(value, &config->test_roots, error);
#define X(member, name)                                                                            \
    if (g_str_equal(key, name))                                                                    \
        return set_path(value, &config->tee.member, error);
    CVS_CONFIG_TEE_PATHS(X)
#undef X
    return no_such_key(error);
}

static gboolean
apply_group(CvsConfig *config, GKeyFile *keys, const char *group, SetKey set_key, const char *file,
            GError **error)
{
    g_autoptr(GError) local = NULL;
    g_auto(GStrv) names = g_key_file_get_keys(keys, group, NULL, NULL);

    for (guint i = 0; names && names[i]; i++) {
        g_autofree char *value = g_key_file_get_string(keys, group, names[i], &local);

        if (value == NULL || !set_key(config, names[i], value, &local)) {
            g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: [%s] %s: %s", file, group,
                        names[i], local->message);
            return FALSE;
        }
    }
    return TRUE;
}

gboolean
cvs_config_apply(CvsConfig *config, const char *file, const char *text, gsize size, GError **error)
{
    g_autoptr(GKeyFile) keys = g_key_file_new();
    g_autoptr(GError) local = NULL;
    g_auto(GStrv) groups = NULL;

    if (size > 0 && !g_key_file_load_from_data(keys, text, size, G_KEY_FILE_NONE, &local)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: %s", file, local->message);
        return FALSE;
    }
    groups = g_key_file_get_groups(keys, NULL);
    for (guint i = 0; groups[i]; i++) {
        SetKey set_key = g_str_equal(groups[i], "Daemon") ? set_daemon_key
                         : g_str_equal(groups[i], "TEE")  ? set_tee_key
                                                          : NULL;

        if (set_key == NULL) {
            g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                        "%s: there is no group [%s], only [Daemon] and [TEE]", file, groups[i]);
            return FALSE;
        }
        if (!apply_group(config, keys, groups[i], set_key, file, error))
            return FALSE;
    }
    return TRUE;
}

/* A file that is not there is fine unless it was asked for by name. */
static gboolean
apply_file(CvsConfig *config, const char *file, gboolean must_exist, GError **error)
{
    g_autofree char *text = NULL;
    g_autoptr(GError) local = NULL;
    gsize size = 0;

    if (!g_file_get_contents(file, &text, &size, &local)) {
        if (!must_exist && g_error_matches(local, G_FILE_ERROR, G_FILE_ERROR_NOENT))
            return TRUE;
        g_set_error(error, CVS_ERROR, CVS_ERROR_FAILED, "%s", local->message);
        return FALSE;
    }
    if (size > CVS_CONFIG_SIZE_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE, "%s has more than %d bytes", file,
                    CVS_CONFIG_SIZE_MAX);
        return FALSE;
    }
    return cvs_config_apply(config, file, text, size, error);
}

CvsConfig *
cvs_config_load(const char *file, GError **error)
{
    g_autoptr(CvsConfig) config = cvs_config_new();

    if (file) {
        if (!apply_file(config, file, TRUE, error))
            return NULL;
    } else if (!apply_file(config, CVS_LIB_DIR "/" CVS_CONFIG_FILE, FALSE, error) ||
               !apply_file(config, CVS_SYSCONF_DIR "/" CVS_CONFIG_FILE, FALSE, error)) {
        return NULL;
    }
    return g_steal_pointer(&config);
}

const char *const *
cvs_config_profile_folders(void)
{
    static const char *const folders[] = {CVS_SYSCONF_DIR "/policies", CVS_LIB_DIR "/policies",
                                          NULL};

    return folders;
}
