/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vault/jwe.h"
#include "base/error.h"
#include "base/hex.h"
#include "vault/jwe-cipher.h"
#include "vault/jwe-scan.h"
#include "vault/key-file.h"
#include "vault/slot-mac.h"

#include <jose/b64.h>
#include <jose/jwe.h>
#include <openssl/err.h>
#include <string.h>

#define WHAT "key file"
#define PROTECTED_WHAT WHAT ": protected header"
#define ENC "A256GCM"
#define TYP "cvmseal+json"

void
cvs_jwe_recipient_free(CvsJweRecipient *recipient)
{
    if (recipient == NULL)
        return;
    g_clear_pointer(&recipient->slot, g_bytes_unref);
    g_clear_pointer(&recipient->p2s, g_bytes_unref);
    g_free(recipient);
}

void
cvs_jwe_free(CvsJwe *jwe)
{
    if (jwe == NULL)
        return;
    g_free(jwe->protected_text);
    g_clear_pointer(&jwe->ciphertext, g_bytes_unref);
    g_ptr_array_unref(jwe->recipients);
    g_free(jwe);
}

CvsJwe *
cvs_jwe_new(void)
{
    CvsJwe *jwe = g_new0(CvsJwe, 1);

    jwe->recipients = g_ptr_array_new_with_free_func((GDestroyNotify)cvs_jwe_recipient_free);
    return jwe;
}

/* Reading */

/* A member that has exactly this text. */
static gboolean
expect(const json_t *object, const char *name, const char *wanted, const char *what, GError **error)
{
    const char *text = cvs_json_get_string(object, name, what, error);

    if (text == NULL)
        return FALSE;
    if (!g_str_equal(text, wanted)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: \"%s\" is not \"%s\"", what, name,
                    wanted);
        return FALSE;
    }
    return TRUE;
}

/* A base64url member of exactly size bytes. */
static gboolean
get_fixed(const json_t *object, const char *name, gsize size, const char *what, guint8 *ret_bytes,
          GError **error)
{
    g_autoptr(GBytes) bytes = cvs_json_get_bytes(object, name, size, size, what, error);

    if (bytes == NULL)
        return FALSE;
    memcpy(ret_bytes, g_bytes_get_data(bytes, NULL), size);
    return TRUE;
}

static CvsJweRecipient *
parse_recipient(const json_t *json, const char *what, GError **error)
{
    g_autoptr(CvsJweRecipient) recipient = g_new0(CvsJweRecipient, 1);
    const json_t *header = NULL;
    const char *alg = NULL;
    gint64 p2c = 0;

    if (!json_is_object(json)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s: not an object", what);
        return NULL;
    }
    if (!cvs_json_only(json, what, error, "header", "encrypted_key", NULL) ||
        !get_fixed(json, "encrypted_key", CVS_JWE_WRAPPED_SIZE, what, recipient->encrypted_key,
                   error))
        return NULL;
    header = cvs_json_get_object(json, "header", what, error);
    if (header == NULL)
        return NULL;
    alg = cvs_json_get_string(header, "alg", what, error);
    if (alg == NULL)
        return NULL;

    if (g_str_equal(alg, CVS_JWE_ALG_KEK)) {
        if (!cvs_json_only(header, what, error, "alg", "mac", "slot", NULL))
            return NULL;
        recipient->slot = cvs_json_get_bytes(header, "slot", 1, CVS_SLOT_MAX, what, error);
        if (recipient->slot == NULL)
            return NULL;
    } else if (g_str_equal(alg, CVS_JWE_ALG_PASSWORD)) {
        /* The count is checked here, before anybody computes it. */
        if (!cvs_json_only(header, what, error, "alg", "mac", "p2s", "p2c", NULL) ||
            !cvs_json_get_int(header, "p2c", CVS_JWE_P2C_MIN, CVS_JWE_P2C_MAX, what, &p2c, error))
            return NULL;
        recipient->p2c = (guint)p2c;
        recipient->p2s =
            cvs_json_get_bytes(header, "p2s", CVS_JWE_P2S_MIN, CVS_JWE_P2S_MAX, what, error);
        if (recipient->p2s == NULL)
            return NULL;
    } else {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "%s: \"alg\" is neither " CVS_JWE_ALG_KEK " nor " CVS_JWE_ALG_PASSWORD, what);
        return NULL;
    }
    if (!get_fixed(header, "mac", CVS_JWE_MAC_SIZE, what, recipient->mac, error))
        return NULL;
    return g_steal_pointer(&recipient);
}

static gboolean
parse_recipients(const json_t *json, CvsJwe *jwe, GError **error)
{
    const json_t *array = cvs_json_get_array(json, "recipients", WHAT, error);
    gsize index = 0;
    json_t *value = NULL;

    if (array == NULL)
        return FALSE;
    if (json_array_size(array) < 1 || json_array_size(array) > CVS_SLOTS_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, WHAT ": %zu recipients, wanted 1 to %d",
                    json_array_size(array), CVS_SLOTS_MAX);
        return FALSE;
    }
    json_array_foreach (array, index, value) {
        char what[32];
        CvsJweRecipient *recipient = NULL;

        (void)g_snprintf(what, sizeof what, WHAT ": recipient %u", (guint)index + 1);
        recipient = parse_recipient(value, what, error);
        if (recipient == NULL)
            return FALSE;
        g_ptr_array_add(jwe->recipients, recipient);
    }
    return TRUE;
}

static gboolean
parse_protected(const char *text, json_t **ret_header, GError **error)
{
    g_autoptr(GBytes) bytes = cvs_base64url_decode(text, -1, error);
    g_autoptr(json_t) json = NULL;
    json_t *header = NULL;
    gsize size = 0;
    const void *data = NULL;

    if (bytes == NULL) {
        g_prefix_error(error, PROTECTED_WHAT ": ");
        return FALSE;
    }
    data = g_bytes_get_data(bytes, &size);
    json = cvs_json_parse(data, size, PROTECTED_WHAT, error);
    if (json == NULL ||
        !cvs_json_only(json, PROTECTED_WHAT, error, "enc", "typ", "cvmseal", NULL) ||
        !expect(json, "enc", ENC, PROTECTED_WHAT, error) ||
        !expect(json, "typ", TYP, PROTECTED_WHAT, error))
        return FALSE;
    header = cvs_json_get_object(json, "cvmseal", PROTECTED_WHAT, error);
    if (header == NULL)
        return FALSE;
    *ret_header = json_incref(header);
    return TRUE;
}

CvsJwe *
cvs_jwe_parse_json(const void *data, gsize size, GError **error)
{
    g_autoptr(CvsJwe) jwe = cvs_jwe_new();
    g_autoptr(json_t) json = cvs_json_parse(data, size, WHAT, error);
    const char *text = NULL;

    if (json == NULL || !cvs_json_only(json, WHAT, error, "protected", "recipients", "iv",
                                       "ciphertext", "tag", NULL))
        return NULL;
    text = cvs_json_get_string(json, "protected", WHAT, error);
    if (text == NULL)
        return NULL;
    jwe->protected_text = g_strdup(text);
    if (!get_fixed(json, "iv", CVS_JWE_IV_SIZE, WHAT, jwe->iv, error) ||
        !get_fixed(json, "tag", CVS_JWE_TAG_SIZE, WHAT, jwe->tag, error))
        return NULL;
    jwe->ciphertext = cvs_json_get_bytes(json, "ciphertext", 1, CVS_SECRET_MAX, WHAT, error);
    if (jwe->ciphertext == NULL || !parse_recipients(json, jwe, error))
        return NULL;
    return g_steal_pointer(&jwe);
}

CvsJwe *
cvs_jwe_parse(const void *data, gsize size, json_t **ret_header, GError **error)
{
    g_autoptr(CvsJwe) jwe = NULL;

    if (size > CVS_KEY_FILE_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE, WHAT ": %zu bytes, at most %d are read",
                    size, CVS_KEY_FILE_MAX);
        return NULL;
    }
    jwe = cvs_jwe_scan(data, size);
    if (jwe == NULL)
        jwe = cvs_jwe_parse_json(data, size, error);
    if (jwe == NULL || !parse_protected(jwe->protected_text, ret_header, error))
        return NULL;
    return g_steal_pointer(&jwe);
}

/* Writing */

static void
set_bytes(json_t *json, const char *name, GBytes *bytes)
{
    gsize size = 0;
    const void *data = g_bytes_get_data(bytes, &size);

    cvs_json_set_bytes(json, name, data, size);
}

/* A recipient as libjose and the file have it. */
static json_t *
recipient_to_json(const CvsJweRecipient *recipient)
{
    json_t *header = json_object();
    json_t *json = json_pack("{s:o}", "header", header);

    if (recipient->slot != NULL) {
        (void)json_object_set_new(header, "alg", json_string(CVS_JWE_ALG_KEK));
        set_bytes(header, "slot", recipient->slot);
    } else {
        (void)json_object_set_new(header, "alg", json_string(CVS_JWE_ALG_PASSWORD));
        (void)json_object_set_new(header, "p2c", json_integer(recipient->p2c));
        set_bytes(header, "p2s", recipient->p2s);
    }
    cvs_json_set_bytes(header, "mac", recipient->mac, sizeof recipient->mac);
    cvs_json_set_bytes(json, "encrypted_key", recipient->encrypted_key,
                       sizeof recipient->encrypted_key);
    return json;
}

GBytes *
cvs_jwe_serialise(const CvsJwe *jwe)
{
    g_autoptr(json_t) json = json_object();
    json_t *recipients = json_array();
    g_autofree char *text = NULL;
    gsize size = 0;

    for (guint i = 0; i < jwe->recipients->len; i++)
        (void)json_array_append_new(recipients,
                                    recipient_to_json(g_ptr_array_index(jwe->recipients, i)));
    (void)json_object_set_new(json, "protected", json_string(jwe->protected_text));
    (void)json_object_set_new(json, "recipients", recipients);
    cvs_json_set_bytes(json, "iv", jwe->iv, sizeof jwe->iv);
    set_bytes(json, "ciphertext", jwe->ciphertext);
    cvs_json_set_bytes(json, "tag", jwe->tag, sizeof jwe->tag);

    text = cvs_json_canonical(json);
    size = strlen(text);
    text = g_realloc(text, size + 2);
    text[size] = '\n';
    return g_bytes_new_take(g_steal_pointer(&text), size + 1);
}

/* Cryptography. OpenSSL notes failures in a queue of the thread, where the next one to look for an
 * error of its own would find them. */

static gboolean
failed(GError **error, const char *what)
{
    ERR_clear_error();
    g_set_error(error, CVS_ERROR, CVS_ERROR_FAILED, "libjose could not %s", what);
    return FALSE;
}

/* A secret as a JWK of libjose; jansson's copy is wiped by our allocator. */
static json_t *
jwk_new(const CvsSecret *secret, const char *alg)
{
    char *text = cvs_base64url_encode(cvs_secret_peek(secret), cvs_secret_size(secret));
    json_t *jwk = json_pack("{s:s, s:s, s:s}", "kty", "oct", "alg", alg, "k", text);

    cvs_wipe(text, strlen(text));
    g_free(text);
    return jwk;
}

CvsJwe *
cvs_jwe_encrypt(const json_t *header, const CvsSecret *cek, const CvsSecret *plaintext,
                GError **error)
{
    g_autoptr(CvsJwe) jwe = cvs_jwe_new();
    g_autoptr(json_t) key = jwk_new(cek, ENC);
    g_autoptr(json_t) json = json_pack("{s:{s:s, s:s, s:O}}", "protected", "enc", ENC, "typ", TYP,
                                       "cvmseal", (json_t *)header);
    gsize size = cvs_secret_size(plaintext);
    g_autofree guint8 *ciphertext = g_malloc(size);
    const char *protected_text = NULL;
    gboolean done = FALSE;

    {
        jose_io_auto_t *out = jose_io_buffer(NULL, ciphertext, &size);
        jose_io_auto_t *in = jose_jwe_enc_cek_io(NULL, json, key, out);

        done = out != NULL && in != NULL &&
               in->feed(in, cvs_secret_peek(plaintext), cvs_secret_size(plaintext)) && in->done(in);
    }
    if (!done || size != cvs_secret_size(plaintext)) {
        (void)failed(error, "encrypt");
        return NULL;
    }
    protected_text = cvs_json_get_string(json, "protected", WHAT, error);
    if (protected_text == NULL || !get_fixed(json, "iv", CVS_JWE_IV_SIZE, WHAT, jwe->iv, error) ||
        !get_fixed(json, "tag", CVS_JWE_TAG_SIZE, WHAT, jwe->tag, error))
        return NULL;
    jwe->protected_text = g_strdup(protected_text);
    jwe->ciphertext = g_bytes_new_take(g_steal_pointer(&ciphertext), size);
    return g_steal_pointer(&jwe);
}

CvsSecret *
cvs_jwe_decrypt(const CvsJwe *jwe, const CvsSecret *cek, GError **error)
{
    CvsSecret *plaintext = cvs_jwe_cipher_decrypt(jwe, cek);

    if (plaintext == NULL)
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                            WHAT ": the ciphertext or the header was changed or damaged");
    return plaintext;
}

static CvsJweRecipient *
wrap(const CvsJwe *jwe, json_t *recipient, const json_t *key, const CvsSecret *cek, GError **error)
{
    g_autoptr(json_t) json = json_pack("{s:s}", "protected", jwe->protected_text);
    g_autoptr(json_t) content_key = jwk_new(cek, ENC);
    static const guint8 no_mac[CVS_JWE_MAC_SIZE];
    CvsJweRecipient *made = NULL;

    if (!jose_jwe_enc_jwk(NULL, json, recipient, key, content_key)) {
        (void)failed(error, "wrap the key");
        return NULL;
    }
    /* Read as a file's would be, and then it is known what the MAC is over. */
    cvs_json_set_bytes(json_object_get(recipient, "header"), "mac", no_mac, sizeof no_mac);
    made = parse_recipient(recipient, "new recipient", error);
    if (made != NULL) {
        g_autoptr(CvsSecret) mac_key = cvs_slot_mac_key(jwe, cek);

        cvs_slot_mac(made, mac_key, made->mac);
    }
    return made;
}

CvsJweRecipient *
cvs_jwe_wrap(const CvsJwe *jwe, GBytes *slot, const CvsSecret *kek, const CvsSecret *cek,
             GError **error)
{
    g_autoptr(json_t) key = jwk_new(kek, CVS_JWE_ALG_KEK);
    g_autoptr(json_t) recipient = json_pack("{s:{s:s}}", "header", "alg", CVS_JWE_ALG_KEK);

    set_bytes(json_object_get(recipient, "header"), "slot", slot);
    return wrap(jwe, recipient, key, cek, error);
}

static json_t *
password_to_json(const CvsSecret *password)
{
    return json_stringn((const char *)cvs_secret_peek(password), cvs_secret_size(password));
}

CvsJweRecipient *
cvs_jwe_wrap_password(const CvsJwe *jwe, const CvsSecret *password, const CvsSecret *cek,
                      GError **error)
{
    g_autoptr(json_t) key = password_to_json(password);
    g_autoptr(json_t) recipient =
        json_pack("{s:{s:s, s:i}}", "header", "alg", CVS_JWE_ALG_PASSWORD, "p2c", CVS_JWE_P2C_MAX);

    if (key == NULL) {
        (void)failed(error, "take the password: it is not UTF-8");
        return NULL;
    }
    return wrap(jwe, recipient, key, cek, error);
}

static CvsSecret *
unwrap_by_password(const CvsJwe *jwe, const CvsJweRecipient *recipient, const CvsSecret *password)
{
    g_autoptr(json_t) json = json_pack("{s:s}", "protected", jwe->protected_text);
    g_autoptr(json_t) one = recipient_to_json(recipient);
    g_autoptr(json_t) key = password_to_json(password);
    g_autoptr(json_t) content_key = key ? jose_jwe_dec_jwk(NULL, json, one, key) : NULL;
    const json_t *value = json_object_get(content_key, "k");
    g_autoptr(CvsSecret) cek = NULL;

    /* encrypted_key has 40 bytes, so what comes out has 32. */
    if (value == NULL || jose_b64_dec(value, NULL, 0) != CVS_JWE_CEK_SIZE) {
        ERR_clear_error();
        return NULL;
    }
    cek = cvs_secret_new(CVS_JWE_CEK_SIZE);
    if (jose_b64_dec(value, cvs_secret_data(cek), CVS_JWE_CEK_SIZE) != CVS_JWE_CEK_SIZE)
        return NULL;
    return g_steal_pointer(&cek);
}

CvsSecret *
cvs_jwe_unwrap(const CvsJwe *jwe, const CvsJweRecipient *recipient, const CvsSecret *secret)
{
    return recipient->slot != NULL ? cvs_jwe_cipher_unwrap(secret, recipient->encrypted_key)
                                   : unwrap_by_password(jwe, recipient, secret);
}
