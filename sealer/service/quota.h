/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How much one owner may keep in the vault. */

#include "base/daemon-config.h"
#include "vault/store.h"

/* Before a key with a secret of that many bytes is written: TooLarge if the owner would then have
 * more keys, or more bytes of key files, than the configuration lets him. Replacing a key costs no
 * further one. */
gboolean cvs_quota_check(CvsStore *store, const CvsConfig *config, const CvsOwner *owner,
                         const char *name, gsize secret_size, GError **error);
