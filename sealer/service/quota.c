/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/quota.h"
#include "base/error.h"

/* A key file is its secret in base64url, and slots and headers. */
#define OVERHEAD_BYTES 4096

static gboolean
is_there(CvsStore *store, const CvsOwner *owner, const char *name)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsKeyFile) key = cvs_store_load(store, owner, name, &error);

    return key || !g_error_matches(error, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY);
}

gboolean
cvs_quota_check(CvsStore *store, const CvsConfig *config, const CvsOwner *owner, const char *name,
                gsize secret_size, GError **error)
{
    guint keys = 0;
    guint64 bytes = 0;

    if (!cvs_store_usage(store, owner, name, &keys, &bytes, error))
        return FALSE;
    /* Replaced one by one, keys stay as many as they are, even where the limit was lowered. */
    if (keys >= config->max_keys_per_owner && !is_there(store, owner, name)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE,
                    "this owner has %u keys and may have %u (MaxKeysPerOwner=): remove one first",
                    keys, config->max_keys_per_owner);
        return FALSE;
    }
    if (bytes + (secret_size + 2) / 3 * 4 + OVERHEAD_BYTES > config->max_bytes_per_owner) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE,
                    "this owner's other keys take %" G_GUINT64_FORMAT " bytes of %" G_GUINT64_FORMAT
                    " (MaxBytesPerOwner=): remove one first",
                    bytes, config->max_bytes_per_owner);
        return FALSE;
    }
    return TRUE;
}
