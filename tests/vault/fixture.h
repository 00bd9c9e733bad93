/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Keys and slots with fixed contents, for the vault's tests. What a TPM would seal and unseal is
 * made up here: the vault does not look into it. */

#include "base/json.h"
#include "vault/key-file.h"

#include <glib.h>

/* 71 characters in the written form. */
extern const char fixture_recovery_key[];

/* What the TPM would unseal for the slot of that number: 32 bytes. */
CvsSecret *fixture_tpm_secret(guint number);
/* size bytes of an application's secret. */
CvsSecret *fixture_secret(gsize size);
CvsSecret *fixture_secret_text(const char *text);
/* A complete slot, different for each number. */
void fixture_slot(guint number, CvsTpm2Slot *ret_slot);
/* An open key without slots; aborts the test on an error, as all of these do. */
CvsKeyFile *fixture_key(const char *owner, const char *name, gsize size);
void fixture_add_tpm2(CvsKeyFile *key, guint number);
/* With these conditions, as JSON; NULL: none. store_key: fixture_store_key() is a factor;
 * tee_key: fixture_tee_key() is; predicted: for a state to come. */
void fixture_add_tpm2_with(CvsKeyFile *key, guint number, const char *conditions,
                           gboolean store_key, gboolean tee_key, gboolean predicted);
CvsSecret *fixture_tee_key(void);
CvsSecret *fixture_store_key(void);
void fixture_set_conditions(CvsTpm2Slot *slot, const char *conditions);
void fixture_add_recovery(CvsKeyFile *key);
CvsOwner fixture_owner(const char *text);

char *fixture_serialise(const CvsKeyFile *key);
CvsKeyFile *fixture_parse(const char *text);

/* Changes the value at a path: members and indices between slashes; "#" decodes a base64url text as
 * JSON and goes on inside, and the change is encoded again on the way back. value NULL removes. */
void fixture_set(json_t *document, const char *path, json_t *value);
/* The value at a path without "#"; borrowed. */
json_t *fixture_get(json_t *document, const char *path);

/* The next warning must be that of a forged slot, and must come before
 * g_test_assert_expected_messages(). */
void fixture_expect_forged(void);

/* A folder of the test's own, and its removal with all that is in it. */
char *fixture_dir_new(void);
void fixture_dir_remove(char *dir);
