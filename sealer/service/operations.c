/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/operations.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hex.h"
#include "release/release.h"
#include "service/describe.h"
#include "service/listing.h"
#include "service/quota.h"
#include "service/secret-out.h"

/* Everybody waits while we wait for a key that another program is changing. */
#define LOCK_TIMEOUT_MS 1000
/* And while a caller's descriptor takes a recovery key, which takes no time if it is an honest one.
 */
#define OUTPUT_TIMEOUT_MS 1000

void
cvs_operation_clear(CvsOperation *op)
{
    g_clear_pointer(&op->name, g_free);
    cvs_options_clear(&op->options);
    g_clear_pointer(&op->secret, cvs_secret_unref);
    g_clear_pointer(&op->pin, cvs_secret_unref);
    g_clear_pointer(&op->recovery_key, cvs_secret_unref);
    g_clear_pointer(&op->nonce, g_bytes_unref);
    g_clear_pointer(&op->challenge_text, cvs_secret_unref);
    g_clear_pointer(&op->making, cvs_making_free);
    g_clear_pointer(&op->tee_keys, cvs_tee_keys_free);
    g_clear_pointer(&op->challenge, cvs_challenge_free);
    g_clear_pointer(&op->reply, g_variant_unref);
    cvs_close_fd(&op->reply_fd);
    g_clear_pointer(&op->released, cvs_secret_unref);
    g_clear_error(&op->error);
}

static CvsRelease
release_of(CvsTpm *tpm, CvsStore *store, const CvsOperation *op)
{
    return (CvsRelease){
        .tpm = tpm,
        .store = store,
        .profile_folders = op->profile_folders,
        .lock_timeout_ms = LOCK_TIMEOUT_MS,
        .spares_tries = op->uid != 0,
        .store_key_file = op->config->store_key_file,
        .require_store_key = op->config->require_store_key,
        .attester = op->attester,
        .tee_keys = op->tee_keys,
        .tee_paths = op->tee ? cvs_tee_source_paths(op->tee) : NULL,
        .test_roots = op->config->test_roots != NULL,
    };
}

static void
set_reply(CvsOperation *op, GVariant *value)
{
    op->reply = g_variant_ref_sink(g_variant_new_tuple(&value, 1));
}

static void
set_empty_reply(CvsOperation *op)
{
    op->reply = g_variant_ref_sink(g_variant_new_tuple(NULL, 0));
}

static gboolean
deliver_recovery_key(const CvsSecret *recovery_key, gpointer data, GError **error)
{
    CvsOperation *op = data;

    return cvs_secret_out_write(cvs_steal_fd(&op->options.recovery_output_fd), recovery_key,
                                OUTPUT_TIMEOUT_MS, op->place, error);
}

static void
seal(CvsTpm *tpm, CvsStore *store, CvsOperation *op, const CvsSecret *secret)
{
    CvsRelease release = release_of(tpm, store, op);
    CvsSealOptions options = {
        .profile = op->options.profile,
        .pcrs = op->options.pcrs,
        .bank = op->options.has_bank ? &op->options.bank : NULL,
        .rtmrs = op->options.rtmrs,
        .claims = (const char *const *)op->options.claims,
        .allow_unmeasured = op->options.allow_unmeasured,
        .derived_key = op->options.derived_key,
        .this_boot = op->options.this_boot,
        .replace = op->options.replace,
        .pin = op->pin,
        .want_recovery_key = op->options.recovery_output_fd >= 0,
        .deliver_recovery_key = op->options.recovery_output_fd >= 0 ? deliver_recovery_key : NULL,
        .deliver_data = op,
    };
    g_autofree char *id = NULL;

    if (cvs_quota_check(store, op->config, &op->owner, op->name, cvs_secret_size(secret),
                        &op->error) &&
        cvs_release_seal(&release, &op->owner, op->name, secret, &options, &id, &op->error))
        set_reply(op, g_variant_new_string(id));
}

void
cvs_operation_seal(CvsTpm *tpm, CvsStore *store, CvsOperation *op)
{
    seal(tpm, store, op, op->secret);
}

void
cvs_operation_generate(CvsTpm *tpm, CvsStore *store, CvsOperation *op)
{
    g_autoptr(CvsSecret) secret = cvs_secret_new_random(op->size, &op->error);

    if (secret)
        seal(tpm, store, op, secret);
}

void
cvs_operation_unseal(CvsTpm *tpm, CvsStore *store, CvsOperation *op)
{
    CvsRelease release = release_of(tpm, store, op);

    op->released = cvs_release_unseal(&release, &op->owner, op->name, op->pin, &op->error);
}

void
cvs_operation_list(CvsTpm *tpm, CvsStore *store, CvsOperation *op)
{
    const CvsOwner *owner = op->options.all ? NULL : &op->owner;
    GVariant *page =
        cvs_listing_page(store, owner, op->options.after, op->options.limit, &op->error);

    if (page)
        op->reply = g_variant_ref_sink(page);
}

void
cvs_operation_describe(CvsTpm *tpm, CvsStore *store, CvsOperation *op)
{
    g_autoptr(CvsKeyFile) key = cvs_store_load(store, &op->owner, op->name, &op->error);

    if (key)
        set_reply(op, cvs_describe_key(key));
}

void
cvs_operation_explain(CvsTpm *tpm, CvsStore *store, CvsOperation *op)
{
    CvsRelease release = release_of(tpm, store, op);
    g_autofree char *text = cvs_release_explain(&release, &op->owner, op->name, &op->error);

    if (text)
        set_reply(op, g_variant_new_take_string(g_utf8_make_valid(text, -1)));
}

void
cvs_operation_remove(CvsTpm *tpm, CvsStore *store, CvsOperation *op)
{
    CvsRelease release = release_of(tpm, store, op);

    if (cvs_release_remove(&release, &op->owner, op->name, &op->error))
        set_empty_reply(op);
}

void
cvs_operation_reseal(CvsTpm *tpm, CvsStore *store, CvsOperation *op)
{
    CvsRelease release = release_of(tpm, store, op);
    CvsResealOptions options = {
        .pin = op->pin,
        .recovery_key = op->recovery_key,
        .allow_unmeasured = op->options.allow_unmeasured,
        .authorized = op->authorized,
        .to = op->options.to,
        .drop = op->options.drop,
    };

    if (cvs_release_reseal(&release, &op->owner, op->name, &options, &op->error))
        set_empty_reply(op);
}

static void
add(GVariantBuilder *dict, const char *name, GVariant *value)
{
    g_variant_builder_add(dict, "{sv}", name, value);
}

static GVariant *
banks_of(const CvsTpmInfo *info)
{
    GVariantBuilder banks;

    g_variant_builder_init(&banks, G_VARIANT_TYPE_STRING_ARRAY);
    if (info->has_sha256)
        g_variant_builder_add(&banks, "s", cvs_hash_name(CVS_SHA256));
    if (info->has_sha384)
        g_variant_builder_add(&banks, "s", cvs_hash_name(CVS_SHA384));
    return g_variant_builder_end(&banks);
}

/* TRUE with an empty text if there is no root key yet. */
static gboolean
srk_name_of(CvsTpm *tpm, char **ret_hex, GError **error)
{
    g_autoptr(GError) local = NULL;
    GBytes *name = cvs_tpm_get_srk_name(tpm, FALSE, &local);

    if (name == NULL && !g_error_matches(local, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED)) {
        g_propagate_error(error, g_steal_pointer(&local));
        return FALSE;
    }
    *ret_hex =
        name ? cvs_hex_encode(g_bytes_get_data(name, NULL), g_bytes_get_size(name)) : g_strdup("");
    return TRUE;
}

void
cvs_operation_status(CvsTpm *tpm, CvsStore *store, CvsOperation *op)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *srk_name = NULL;
    CvsTpmInfo info = {0};
    GVariantBuilder dict;

    g_variant_builder_init(&dict, G_VARIANT_TYPE_VARDICT);
    if (cvs_tpm_get_info(tpm, &info, &error) && srk_name_of(tpm, &srk_name, &error)) {
        add(&dict, "tpm-available", g_variant_new_boolean(TRUE));
        add(&dict, "tpm-manufacturer",
            g_variant_new_take_string(g_utf8_make_valid(info.manufacturer, -1)));
        add(&dict, "tpm-firmware", g_variant_new_uint64(info.firmware));
        add(&dict, "tpm-banks", banks_of(&info));
        add(&dict, "tpm-in-lockout", g_variant_new_boolean(info.in_lockout));
        add(&dict, "tpm-lockout-counter", g_variant_new_uint32(info.lockout_counter));
        add(&dict, "tpm-lockout-max", g_variant_new_uint32(info.lockout_max));
        add(&dict, "tpm-srk-name", g_variant_new_string(srk_name));
    } else {
        add(&dict, "tpm-available", g_variant_new_boolean(FALSE));
        add(&dict, "tpm-error", g_variant_new_take_string(g_utf8_make_valid(error->message, -1)));
    }
    add(&dict, "lock2", g_variant_new_string(cvs_release_lock2(op->config->store_key_file)));
    add(&dict, "test-roots", g_variant_new_boolean(op->config->test_roots != NULL));
    add(&dict, "memory-locked",
        g_variant_new_boolean(op->memory_locked && cvs_secret_all_locked()));
    set_reply(op, g_variant_builder_end(&dict));
}
