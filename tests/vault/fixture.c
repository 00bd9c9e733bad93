/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include "fixture.h"
#include "base/error.h"
#include "base/hex.h"

#include <ftw.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

const char fixture_recovery_key[] =
    "cbdefghi-jklnrtuv-vutrnlkj-ihgfedbc-ccbbddee-ffgghhii-jjkkllnn-"
    "rrttuuvv";

static CvsSecret *
pattern(gsize size, guint first, guint step)
{
    CvsSecret *secret = cvs_secret_new(size);

    for (gsize i = 0; i < size; i++)
        cvs_secret_data(secret)[i] = (guint8)(first + step * i);
    return secret;
}

CvsSecret *
fixture_tpm_secret(guint number)
{
    return pattern(32, 16 * number, 1);
}

CvsSecret *
fixture_store_key(void)
{
    return pattern(32, 11, 3);
}

CvsSecret *
fixture_tee_key(void)
{
    return pattern(32, 13, 5);
}

CvsSecret *
fixture_secret(gsize size)
{
    return pattern(size, 5, 7);
}

CvsSecret *
fixture_secret_text(const char *text)
{
    return cvs_secret_new_copy(text, strlen(text));
}

static GBytes *
filled(gsize size, guint first)
{
    guint8 *bytes = g_malloc(size);

    for (gsize i = 0; i < size; i++)
        bytes[i] = (guint8)(first + i);
    return g_bytes_new_take(bytes, size);
}

void
fixture_slot(guint number, CvsTpm2Slot *ret_slot)
{
    static const guint8 digest[32] = {1, 2, 3, 4};
    const CvsPcrSelection selection = {CVS_SHA256, 1u << 0 | 1u << 7};

    memset(ret_slot, 0, sizeof *ret_slot);
    ret_slot->object.srk_name = filled(34, number);
    ret_slot->object.public_area = filled(78, number + 1);
    ret_slot->object.private_area = filled(160, number + 2);
    ret_slot->policy = cvs_policy_new();
    cvs_policy_add_pcr(ret_slot->policy, &selection, digest);
    ret_slot->factors = CVS_FACTOR_TPM2;
    ret_slot->generation = number + 1;
    ret_slot->profile = g_strdup("default");
}

CvsOwner
fixture_owner(const char *text)
{
    CvsOwner owner;
    g_autoptr(GError) error = NULL;

    (void)cvs_owner_parse(text, &owner, &error);
    g_assert_no_error(error);
    return owner;
}

CvsKeyFile *
fixture_key(const char *owner, const char *name, gsize size)
{
    CvsOwner parsed = fixture_owner(owner);
    g_autoptr(CvsSecret) secret = fixture_secret(size);
    g_autoptr(GError) error = NULL;
    CvsKeyFile *key = cvs_key_file_new(name, &parsed, CVS_STAGE_SYSTEM, secret, &error);

    g_assert_no_error(error);
    return key;
}

void
fixture_set_conditions(CvsTpm2Slot *slot, const char *conditions)
{
    g_autoptr(json_t) json = json_loads(conditions, 0, NULL);
    g_autoptr(GError) error = NULL;

    g_assert_nonnull(json);
    (void)cvs_slot_conditions_parse(json, &slot->conditions, &error);
    g_assert_no_error(error);
}

void
fixture_add_tpm2(CvsKeyFile *key, guint number)
{
    fixture_add_tpm2_with(key, number, NULL, FALSE, FALSE, FALSE);
}

void
fixture_add_tpm2_with(CvsKeyFile *key, guint number, const char *conditions, gboolean store_key,
                      gboolean tee_key, gboolean predicted)
{
    g_auto(CvsTpm2Slot) slot = {0};
    g_autoptr(CvsSecret) secret = fixture_tpm_secret(number);
    g_autoptr(GError) error = NULL;

    fixture_slot(number, &slot);
    slot.predicted = predicted;
    if (conditions)
        fixture_set_conditions(&slot, conditions);
    if (tee_key) {
        g_autoptr(CvsSecret) bytes = fixture_tee_key();

        slot.factors |= CVS_FACTOR_TEE_KEY;
        slot.tee_key = (CvsTeeKeyParams){.algorithm = "snp-1",
                                         .tcb = {3, 0, 0, 0, 0, 0, 21, 209},
                                         .vmpl = 2,
                                         .check = {1, 2, 3, 4, 5, 6, 7, 8}};
        cvs_key_file_set_tee_key(key, bytes);
    }
    if (store_key) {
        g_autoptr(CvsSecret) bytes = fixture_store_key();

        slot.factors |= CVS_FACTOR_STORE_KEY;
        cvs_key_file_set_store_key(key, bytes);
    }
    (void)cvs_key_file_add_tpm2(key, &slot, secret, &error);
    g_assert_no_error(error);
}

void
fixture_add_recovery(CvsKeyFile *key)
{
    g_autoptr(CvsSecret) recovery = fixture_secret_text(fixture_recovery_key);
    g_autoptr(GError) error = NULL;

    (void)cvs_key_file_add_recovery(key, recovery, &error);
    g_assert_no_error(error);
}

char *
fixture_serialise(const CvsKeyFile *key)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = cvs_key_file_serialise(key, &error);

    g_assert_no_error(error);
    return g_strndup(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
}

CvsKeyFile *
fixture_parse(const char *text)
{
    g_autoptr(GError) error = NULL;
    CvsKeyFile *key = cvs_key_file_parse(text, strlen(text), &error);

    g_assert_no_error(error);
    return key;
}

static json_t *
step(json_t *at, const char *name)
{
    return json_is_array(at) ? json_array_get(at, (size_t)g_ascii_strtoull(name, NULL, 10))
                             : json_object_get(at, name);
}

static void
put(json_t *at, const char *name, json_t *value)
{
    if (value == NULL)
        g_assert_cmpint(json_object_del(at, name), ==, 0);
    else if (json_is_array(at))
        g_assert_cmpint(json_array_set_new(at, (size_t)g_ascii_strtoull(name, NULL, 10), value), ==,
                        0);
    else
        g_assert_cmpint(json_object_set_new(at, name, value), ==, 0);
}

static void
set_in(json_t *at, char **path, json_t *value)
{
    if (path[1] == NULL) {
        put(at, path[0], value);
    } else if (g_str_equal(path[1], "#")) {
        g_autoptr(GBytes) bytes =
            cvs_base64url_decode(json_string_value(step(at, path[0])), -1, NULL);
        g_autoptr(json_t) inner =
            cvs_json_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), "inner", NULL);
        g_autofree char *text = NULL;
        g_autofree char *encoded = NULL;

        g_assert_nonnull(inner);
        set_in(inner, path + 2, value);
        text = cvs_json_canonical(inner);
        encoded = cvs_base64url_encode(text, strlen(text));
        put(at, path[0], json_string(encoded));
    } else {
        g_assert_nonnull(step(at, path[0]));
        set_in(step(at, path[0]), path + 1, value);
    }
}

void
fixture_set(json_t *document, const char *path, json_t *value)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);

    set_in(document, parts, value);
}

json_t *
fixture_get(json_t *document, const char *path)
{
    g_auto(GStrv) parts = g_strsplit(path, "/", -1);

    for (char **part = parts; *part != NULL; part++)
        document = step(document, *part);
    g_assert_nonnull(document);
    return document;
}

void
fixture_expect_forged(void)
{
    g_autofree char *pattern = g_strdup_printf("*%s*", CVS_REASON_SLOT_FORGED);

    g_test_expect_message(G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, pattern);
}

char *
fixture_dir_new(void)
{
    g_autoptr(GError) error = NULL;
    char *dir = g_dir_make_tmp("cvmseal-test-XXXXXX", &error);

    g_assert_no_error(error);
    return dir;
}

static int
remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return g_remove(path);
}

void
fixture_dir_remove(char *dir)
{
    g_assert_cmpint(nftw(dir, remove_one, 16, FTW_DEPTH | FTW_PHYS), ==, 0);
    g_free(dir);
}
