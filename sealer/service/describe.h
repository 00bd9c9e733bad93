/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Keys as the a{sv} of List and Describe. */

#include "vault/store.h"

/* One entry of List; floating. */
GVariant *cvs_describe_entry(const CvsStoreEntry *entry);
/* One key with its slots, for Describe; floating. */
GVariant *cvs_describe_key(const CvsKeyFile *key);
