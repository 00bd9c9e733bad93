/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vault/key-file.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/hex.h"
#include "base/json.h"
#include "vault/jwe.h"
#include "vault/kek.h"
#include "vault/recovery.h"
#include "vault/slot-mac.h"

#include <string.h>
#include <sys/random.h>

#define WHAT "key file: protected header"
#define ID_SIZE 16
/* The last second of the year 9999, the most that a date is written for. */
#define CREATED_MAX G_GINT64_CONSTANT(253402300799)

struct _CvsKeyFile {
    CvsJwe *jwe;
    GPtrArray *tpm2; /* beside jwe->recipients: CvsTpm2Slot*, NULL for another kind */
    char *id;
    char *name;
    CvsOwner owner;
    CvsStage stage;
    gint64 created;
    CvsSecret *cek;       /* NULL until it is open */
    CvsSecret *mac_key;   /* beside the CEK: vault/slot-mac.h */
    CvsSecret *store_key; /* NULL: none */
    CvsSecret *tee_key;   /* NULL: none */
};

static const char *const stages[] = {
    [CVS_STAGE_BOOT] = "boot",
    [CVS_STAGE_SYSTEM] = "system",
};

static CvsKeyFile *
key_file_alloc(void)
{
    CvsKeyFile *key = g_new0(CvsKeyFile, 1);

    key->tpm2 = g_ptr_array_new_with_free_func((GDestroyNotify)cvs_tpm2_slot_free);
    return key;
}

void
cvs_key_file_free(CvsKeyFile *key)
{
    if (key == NULL)
        return;
    cvs_jwe_free(key->jwe);
    g_ptr_array_unref(key->tpm2);
    g_free(key->id);
    g_free(key->name);
    cvs_secret_unref(key->cek);
    cvs_secret_unref(key->mac_key);
    cvs_secret_unref(key->store_key);
    cvs_secret_unref(key->tee_key);
    g_free(key);
}

const char *
cvs_key_file_get_name(const CvsKeyFile *key)
{
    return key->name;
}

const CvsOwner *
cvs_key_file_get_owner(const CvsKeyFile *key)
{
    return &key->owner;
}

CvsStage
cvs_key_file_get_stage(const CvsKeyFile *key)
{
    return key->stage;
}

const char *
cvs_key_file_get_id(const CvsKeyFile *key)
{
    return key->id;
}

gint64
cvs_key_file_get_created(const CvsKeyFile *key)
{
    return key->created;
}

gsize
cvs_key_file_get_secret_size(const CvsKeyFile *key)
{
    return g_bytes_get_size(key->jwe->ciphertext);
}

static gboolean
id_is_valid(const char *id)
{
    return strlen(id) == 2 * (gsize)ID_SIZE && strspn(id, "0123456789abcdef") == strlen(id);
}

/* Names and owners are arguments elsewhere; here a wrong one is a wrong file. */
static gboolean
as_bad_format(GError **error, const char *member)
{
    if (error != NULL && *error != NULL) {
        GError *inner = g_steal_pointer(error);

        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, WHAT ": member \"%s\": %s", member,
                    inner->message);
        g_error_free(inner);
    }
    return FALSE;
}

static gboolean
parse_header(const json_t *header, CvsKeyFile *key, GError **error)
{
    const char *text = NULL;
    gint64 version = 0;

    /* First the version: what else is wrong with a newer file follows from it. */
    if (!cvs_json_get_int(header, "version", CVS_KEY_FILE_VERSION, CVS_KEY_FILE_VERSION, WHAT,
                          &version, error) ||
        !cvs_json_only(header, WHAT, error, "version", "id", "name", "owner", "stage", "created",
                       NULL))
        return FALSE;

    text = cvs_json_get_string(header, "id", WHAT, error);
    if (text == NULL)
        return FALSE;
    if (!id_is_valid(text)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    WHAT ": member \"id\" is not %d lower-case hexadecimal digits", 2 * ID_SIZE);
        return FALSE;
    }
    key->id = g_strdup(text);

    text = cvs_json_get_string(header, "name", WHAT, error);
    if (text == NULL)
        return FALSE;
    if (!cvs_key_name_check(text, error))
        return as_bad_format(error, "name");
    key->name = g_strdup(text);

    text = cvs_json_get_string(header, "owner", WHAT, error);
    if (text == NULL)
        return FALSE;
    if (!cvs_owner_parse(text, &key->owner, error))
        return as_bad_format(error, "owner");

    text = cvs_json_get_string(header, "stage", WHAT, error);
    if (text == NULL)
        return FALSE;
    if (g_str_equal(text, stages[CVS_STAGE_BOOT])) {
        key->stage = CVS_STAGE_BOOT;
    } else if (g_str_equal(text, stages[CVS_STAGE_SYSTEM])) {
        key->stage = CVS_STAGE_SYSTEM;
    } else {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    WHAT ": member \"stage\" is neither \"boot\" nor \"system\"");
        return FALSE;
    }
    return cvs_json_get_int(header, "created", 0, CREATED_MAX, WHAT, &key->created, error);
}

CvsKeyFile *
cvs_key_file_parse(const void *data, gsize size, GError **error)
{
    g_autoptr(CvsKeyFile) key = key_file_alloc();
    g_autoptr(json_t) header = NULL;

    key->jwe = cvs_jwe_parse(data, size, &header, error);
    if (key->jwe == NULL || !parse_header(header, key, error))
        return NULL;
    for (guint i = 0; i < key->jwe->recipients->len; i++) {
        const CvsJweRecipient *recipient = g_ptr_array_index(key->jwe->recipients, i);
        CvsTpm2Slot *slot = NULL;

        if (recipient->slot != NULL) {
            slot = cvs_tpm2_slot_parse(recipient->slot, error);
            if (slot == NULL) {
                g_prefix_error(error, "key file: recipient %u: ", i + 1);
                return NULL;
            }
        }
        g_ptr_array_add(key->tpm2, slot);
    }
    return g_steal_pointer(&key);
}

static char *
new_id(GError **error)
{
    guint8 bytes[ID_SIZE];

    if (getrandom(bytes, sizeof bytes, 0) != sizeof bytes) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_FAILED, "the kernel gives no random bytes");
        return NULL;
    }
    return cvs_hex_encode(bytes, sizeof bytes);
}

CvsKeyFile *
cvs_key_file_new(const char *name, const CvsOwner *owner, CvsStage stage, const CvsSecret *secret,
                 GError **error)
{
    g_autoptr(CvsKeyFile) key = key_file_alloc();
    g_autoptr(json_t) header = NULL;
    g_autofree char *owner_text = cvs_owner_format(owner);

    if (!cvs_key_name_check(name, error))
        return NULL;
    if (cvs_secret_size(secret) > CVS_SECRET_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE,
                    "the secret has %zu bytes, and a key holds at most %d", cvs_secret_size(secret),
                    CVS_SECRET_MAX);
        return NULL;
    }
    key->id = new_id(error);
    if (key->id == NULL)
        return NULL;
    key->name = g_strdup(name);
    key->owner = *owner;
    key->stage = stage;
    key->created = g_get_real_time() / G_USEC_PER_SEC;
    key->cek = cvs_secret_new_random(CVS_JWE_CEK_SIZE, error);
    if (key->cek == NULL)
        return NULL;

    header = json_pack("{s:i, s:s, s:s, s:s, s:s, s:I}", "version", CVS_KEY_FILE_VERSION, "id",
                       key->id, "name", name, "owner", owner_text, "stage", stages[stage],
                       "created", (json_int_t)key->created);
    key->jwe = cvs_jwe_encrypt(header, key->cek, secret, error);
    if (key->jwe == NULL)
        return NULL;
    key->mac_key = cvs_slot_mac_key(key->jwe, key->cek);
    return g_steal_pointer(&key);
}

GBytes *
cvs_key_file_serialise(const CvsKeyFile *key, GError **error)
{
    if (key->tpm2->len == 0) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_FAILED,
                            "a key without slots would never open again: it is not written");
        return NULL;
    }
    return cvs_jwe_serialise(key->jwe);
}

guint
cvs_key_file_get_n_slots(const CvsKeyFile *key)
{
    return key->tpm2->len;
}

CvsSlotKind
cvs_key_file_get_slot_kind(const CvsKeyFile *key, guint slot)
{
    return cvs_key_file_get_tpm2_slot(key, slot) != NULL ? CVS_SLOT_TPM2 : CVS_SLOT_RECOVERY;
}

const CvsTpm2Slot *
cvs_key_file_get_tpm2_slot(const CvsKeyFile *key, guint slot)
{
    g_return_val_if_fail(slot < key->tpm2->len, NULL);

    return g_ptr_array_index(key->tpm2, slot);
}

gboolean
cvs_key_file_slot_is_genuine(const CvsKeyFile *key, guint slot)
{
    g_return_val_if_fail(key->cek != NULL && slot < key->tpm2->len, FALSE);

    return cvs_slot_mac_holds(g_ptr_array_index(key->jwe->recipients, slot), key->mac_key);
}

gboolean
cvs_key_file_slots_are_copies(const CvsKeyFile *key, guint a, guint b)
{
    const CvsJweRecipient *x = g_ptr_array_index(key->jwe->recipients, a);
    const CvsJweRecipient *y = g_ptr_array_index(key->jwe->recipients, b);

    return cvs_key_file_slot_is_genuine(key, a) && cvs_key_file_slot_is_genuine(key, b) &&
           memcmp(x->mac, y->mac, sizeof x->mac) == 0;
}

/* opened: the slot that the CEK came from, which is believed whatever its MAC. */
static void
check_macs(CvsKeyFile *key, guint opened)
{
    g_autoptr(GString) forged = NULL;

    for (guint i = 0; i < key->tpm2->len; i++) {
        CvsJweRecipient *recipient = g_ptr_array_index(key->jwe->recipients, i);
        guint8 wanted[CVS_JWE_MAC_SIZE];

        cvs_slot_mac(recipient, key->mac_key, wanted);
        if (cvs_equal_bytes(recipient->mac, wanted, sizeof wanted))
            continue;
        if (i == opened)
            memcpy(recipient->mac, wanted, sizeof wanted);
        if (forged == NULL)
            forged = g_string_new(NULL);
        g_string_append_printf(forged, "%s%u", forged->len > 0 ? ", " : "", i);
    }
    if (forged)
        g_warning(
            "%s: the file of the key \"%s\" was changed: slot %s has not the MAC that this "
            "key gave it, and is not believed unless it opens; find out who wrote to the vault",
            CVS_REASON_SLOT_FORGED, key->name, forged->str);
}

static void
take_cek(CvsKeyFile *key, guint opened, CvsSecret *cek)
{
    cvs_secret_unref(key->cek);
    cvs_secret_unref(key->mac_key);
    key->cek = cek;
    key->mac_key = cvs_slot_mac_key(key->jwe, cek);
    check_macs(key, opened);
}

void
cvs_key_file_set_tee_key(CvsKeyFile *key, CvsSecret *tee_key)
{
    CvsSecret *old = key->tee_key;

    key->tee_key = tee_key ? cvs_secret_ref(tee_key) : NULL;
    cvs_secret_unref(old);
}

void
cvs_key_file_set_store_key(CvsKeyFile *key, CvsSecret *store_key)
{
    CvsSecret *old = key->store_key;

    key->store_key = store_key ? cvs_secret_ref(store_key) : NULL;
    cvs_secret_unref(old);
}

/* The factors that the slot lists, in their order. */
static CvsSecret *
derive(const CvsKeyFile *key, const CvsTpm2Slot *slot, GBytes *slot_json,
       const CvsSecret *tpm_secret, GError **error)
{
    const CvsSecret *factors[3] = {tpm_secret};
    gsize n = 1;

    if ((slot->factors & CVS_FACTOR_STORE_KEY) != 0) {
        if (key->store_key == NULL) {
            g_autoptr(GError) missing = g_error_new(
                CVS_ERROR, CVS_ERROR_TEE_REFUSED,
                "the key \"%s\" opens only with the store key, which is not here: it is "
                "released when the machine has booted as it should",
                key->name);

            cvs_error_add_reason(missing, CVS_REASON_STORE_KEY_MISSING, NULL, NULL,
                                 "the slot lists the store key as a factor, and there is none");
            g_propagate_error(error, g_steal_pointer(&missing));
            return NULL;
        }
        factors[n++] = key->store_key;
    }
    if ((slot->factors & CVS_FACTOR_TEE_KEY) != 0) {
        if (key->tee_key == NULL) {
            g_autoptr(GError) missing =
                g_error_new(CVS_ERROR, CVS_ERROR_TEE_REFUSED,
                            "the key \"%s\" opens only with a key that the TEE derives", key->name);

            cvs_error_add_reason(missing, CVS_REASON_DERIVED_KEY_UNAVAILABLE, NULL, NULL,
                                 "the slot lists the TEE's key as a factor, and there is none");
            g_propagate_error(error, g_steal_pointer(&missing));
            return NULL;
        }
        factors[n++] = key->tee_key;
    }
    return cvs_kek_derive(factors, n, slot_json, key->jwe->protected_text);
}

gboolean
cvs_key_file_open_tpm2(CvsKeyFile *key, guint slot, const CvsSecret *tpm_secret, GError **error)
{
    const CvsJweRecipient *recipient = NULL;
    g_autoptr(CvsSecret) kek = NULL;
    CvsSecret *cek = NULL;

    g_return_val_if_fail(cvs_key_file_get_tpm2_slot(key, slot) != NULL, FALSE);

    recipient = g_ptr_array_index(key->jwe->recipients, slot);
    kek = derive(key, cvs_key_file_get_tpm2_slot(key, slot), recipient->slot, tpm_secret, error);
    if (kek == NULL)
        return FALSE;
    cek = cvs_jwe_unwrap(key->jwe, recipient, kek);
    if (cek == NULL) {
        g_autoptr(GError) altered =
            g_error_new(CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                        "slot %u of the key \"%s\" does not open with what the TPM gave for it",
                        slot, key->name);

        cvs_error_add_reason(altered, CVS_REASON_SLOT_ALTERED, NULL, NULL,
                             "slot %u or the key's header was edited, or the slot comes from "
                             "another key%s",
                             slot, key->store_key ? ", or was sealed with another store key" : "");
        g_propagate_error(error, g_steal_pointer(&altered));
        return FALSE;
    }
    take_cek(key, slot, cek);
    return TRUE;
}

gboolean
cvs_key_file_open_recovery(CvsKeyFile *key, const CvsSecret *recovery_key, GError **error)
{
    gboolean any = FALSE;

    for (guint i = 0; i < key->jwe->recipients->len; i++) {
        const CvsJweRecipient *recipient = g_ptr_array_index(key->jwe->recipients, i);
        CvsSecret *cek = NULL;

        if (recipient->slot != NULL)
            continue;
        any = TRUE;
        cek = cvs_jwe_unwrap(key->jwe, recipient, recovery_key);
        if (cek != NULL) {
            take_cek(key, i, cek);
            return TRUE;
        }
    }
    g_set_error(error, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED,
                any ? "this is not a recovery key of the key \"%s\""
                    : "the key \"%s\" has no recovery key",
                key->name);
    return FALSE;
}

gboolean
cvs_key_file_is_open(const CvsKeyFile *key)
{
    return key->cek != NULL;
}

CvsSecret *
cvs_key_file_decrypt(const CvsKeyFile *key, GError **error)
{
    g_return_val_if_fail(key->cek != NULL, NULL);

    return cvs_jwe_decrypt(key->jwe, key->cek, error);
}

static gboolean
has_room(const CvsKeyFile *key, GError **error)
{
    if (key->tpm2->len < CVS_SLOTS_MAX)
        return TRUE;
    g_set_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE,
                "the key \"%s\" has %d slots, the most there can be; remove one first", key->name,
                CVS_SLOTS_MAX);
    return FALSE;
}

/* A slot of the open key as a recipient of its file, and as what will be read of it. */
static gboolean
wrap_tpm2(const CvsKeyFile *key, const CvsTpm2Slot *slot, const CvsSecret *tpm_secret,
          CvsJweRecipient **ret_recipient, CvsTpm2Slot **ret_copy, GError **error)
{
    g_autoptr(GBytes) json = cvs_tpm2_slot_format(slot, error);
    g_autoptr(CvsTpm2Slot) copy = NULL;
    g_autoptr(CvsSecret) kek = NULL;

    if (json == NULL)
        return FALSE;
    /* What the reader would refuse later is refused now, while there is something to do about it.
     */
    copy = cvs_tpm2_slot_parse(json, error);
    if (copy == NULL)
        return FALSE;
    kek = derive(key, copy, json, tpm_secret, error);
    if (kek == NULL)
        return FALSE;
    *ret_recipient = cvs_jwe_wrap(key->jwe, json, kek, key->cek, error);
    if (*ret_recipient == NULL)
        return FALSE;
    *ret_copy = g_steal_pointer(&copy);
    return TRUE;
}

gboolean
cvs_key_file_add_tpm2(CvsKeyFile *key, CvsTpm2Slot *slot, const CvsSecret *tpm_secret,
                      GError **error)
{
    CvsJweRecipient *recipient = NULL;
    CvsTpm2Slot *copy = NULL;

    g_return_val_if_fail(key->cek != NULL, FALSE);

    if (!has_room(key, error) || !wrap_tpm2(key, slot, tpm_secret, &recipient, &copy, error))
        return FALSE;
    g_ptr_array_add(key->jwe->recipients, recipient);
    g_ptr_array_add(key->tpm2, copy);
    cvs_tpm2_slot_clear(slot);
    return TRUE;
}

static gboolean
unwraps(const CvsKeyFile *key, const CvsTpm2Slot *slot, const CvsJweRecipient *recipient,
        const CvsSecret *tpm_secret, GError **error)
{
    g_autoptr(CvsSecret) kek = derive(key, slot, recipient->slot, tpm_secret, error);
    g_autoptr(CvsSecret) cek = kek ? cvs_jwe_unwrap(key->jwe, recipient, kek) : NULL;

    if (kek == NULL || (cek && cvs_secret_equal(cek, key->cek)))
        return kek != NULL;
    g_set_error(error, CVS_ERROR, CVS_ERROR_FAILED,
                "the slot of the key \"%s\" does not open any more when it is written anew",
                key->name);
    return FALSE;
}

gboolean
cvs_key_file_set_arrived(CvsKeyFile *key, guint slot, const CvsSlotConditions *conditions,
                         guint32 generation, const CvsSecret *tpm_secret, GError **error)
{
    CvsJweRecipient *recipient = NULL;
    CvsTpm2Slot *copy = NULL;
    CvsTpm2Slot changed;

    g_return_val_if_fail(key->cek != NULL && cvs_key_file_get_tpm2_slot(key, slot) != NULL, FALSE);

    changed = *cvs_key_file_get_tpm2_slot(key, slot);
    changed.predicted = FALSE;
    changed.conditions = *conditions;
    changed.generation = generation;
    if (!wrap_tpm2(key, &changed, tpm_secret, &recipient, &copy, error))
        return FALSE;
    /* It takes the place of one that opens. */
    if (!unwraps(key, copy, recipient, tpm_secret, error)) {
        cvs_jwe_recipient_free(recipient);
        cvs_tpm2_slot_free(copy);
        return FALSE;
    }
    cvs_key_file_remove_slot(key, slot);
    g_ptr_array_insert(key->jwe->recipients, (gint)slot, recipient);
    g_ptr_array_insert(key->tpm2, (gint)slot, copy);
    return TRUE;
}

gboolean
cvs_key_file_add_recovery(CvsKeyFile *key, const CvsSecret *recovery_key, GError **error)
{
    g_autoptr(CvsSecret) written = NULL;
    CvsJweRecipient *recipient = NULL;

    g_return_val_if_fail(key->cek != NULL, FALSE);

    if (!has_room(key, error))
        return FALSE;
    written = cvs_recovery_key_normalise(recovery_key, error);
    if (written == NULL)
        return FALSE;
    if (!cvs_secret_equal(written, recovery_key)) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                            "the recovery key is not in its written form: lower-case, with all "
                            "its dashes and nothing around it");
        return FALSE;
    }
    recipient = cvs_jwe_wrap_password(key->jwe, recovery_key, key->cek, error);
    if (recipient == NULL)
        return FALSE;
    g_ptr_array_add(key->jwe->recipients, recipient);
    g_ptr_array_add(key->tpm2, NULL);
    return TRUE;
}

void
cvs_key_file_remove_slot(CvsKeyFile *key, guint slot)
{
    g_return_if_fail(slot < key->tpm2->len);

    g_ptr_array_remove_index(key->jwe->recipients, slot);
    g_ptr_array_remove_index(key->tpm2, slot);
}
