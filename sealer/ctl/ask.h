/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* PINs and recovery keys, from a file or a person. A person is asked with the key's name. */

#include "base/secret.h"

/* file NULL: asks on the terminal, twice if the PIN is a new one. */
CvsSecret *cvs_ask_pin(const char *key, const char *file, gboolean is_new, GError **error);
/* In its written form. file NULL: asks on the terminal. key NULL: "the key". */
CvsSecret *cvs_ask_recovery_key(const char *key, const char *file, GError **error);
/* Shows a new recovery key on the terminal, once. */
gboolean cvs_ask_to_keep_recovery_key(const char *key, const CvsSecret *recovery_key,
                                      GError **error);
