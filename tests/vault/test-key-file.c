/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fixture.h"
#include "base/error.h"
#include "base/hex.h"
#include "vault/key-file.h"

#include <string.h>

#define SLOT_MEMBER "recipients/0/header/slot"

static gboolean
open_with(CvsKeyFile *key, guint slot, guint number, GError **error)
{
    g_autoptr(CvsSecret) secret = fixture_tpm_secret(number);

    return cvs_key_file_open_tpm2(key, slot, secret, error);
}

static void
assert_opens(CvsKeyFile *key, guint slot, guint number, gsize size)
{
    g_autoptr(CvsSecret) wanted = fixture_secret(size);
    g_autoptr(CvsSecret) secret = NULL;
    g_autoptr(GError) error = NULL;

    (void)open_with(key, slot, number, &error);
    g_assert_no_error(error);
    secret = cvs_key_file_decrypt(key, &error);
    g_assert_no_error(error);
    g_assert_true(cvs_secret_equal(secret, wanted));
}

static void
assert_altered(CvsKeyFile *key, guint slot, guint number)
{
    g_autoptr(GError) error = NULL;

    g_assert_false(open_with(key, slot, number, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_SLOT_ALTERED));
    g_assert_false(cvs_key_file_is_open(key));
}

static gboolean
open_recovery(CvsKeyFile *key, const char *text, GError **error)
{
    g_autoptr(CvsSecret) recovery = fixture_secret_text(text);

    return cvs_key_file_open_recovery(key, recovery, error);
}

static json_t *
to_json(const CvsKeyFile *key)
{
    g_autofree char *text = fixture_serialise(key);

    return cvs_json_parse(text, strlen(text), "test", NULL);
}

static CvsKeyFile *
from_json(const json_t *json)
{
    g_autofree char *text = cvs_json_canonical(json);

    return fixture_parse(text);
}

/* All that a key says survives writing and reading, and so does the secret, by each slot. */
static void
test_round_trip(void)
{
    static const gsize sizes[] = {1, 2, 31, 32, 4096, CVS_SECRET_MAX};

    for (guint i = 0; i < G_N_ELEMENTS(sizes); i++) {
        g_autoptr(CvsKeyFile) key = fixture_key("unit:foo.service", "db.key", sizes[i]);
        g_autoptr(CvsKeyFile) read = NULL;
        g_autofree char *text = NULL;
        g_autofree char *again = NULL;
        const CvsTpm2Slot *slot = NULL;
        CvsOwner owner = fixture_owner("unit:foo.service");
        g_autoptr(GError) error = NULL;

        fixture_add_tpm2(key, 1);
        fixture_add_tpm2(key, 2);
        fixture_add_recovery(key);
        text = fixture_serialise(key);
        read = fixture_parse(text);
        again = fixture_serialise(read);
        g_assert_cmpstr(text, ==, again);

        g_assert_cmpstr(cvs_key_file_get_name(read), ==, "db.key");
        g_assert_true(cvs_owner_equal(cvs_key_file_get_owner(read), &owner));
        g_assert_cmpint(cvs_key_file_get_stage(read), ==, CVS_STAGE_SYSTEM);
        g_assert_cmpstr(cvs_key_file_get_id(read), ==, cvs_key_file_get_id(key));
        g_assert_cmpuint(strlen(cvs_key_file_get_id(read)), ==, 32);
        g_assert_cmpint(cvs_key_file_get_created(read), ==, cvs_key_file_get_created(key));
        g_assert_cmpint(ABS(cvs_key_file_get_created(read) - g_get_real_time() / G_USEC_PER_SEC), <,
                        600);
        g_assert_cmpuint(cvs_key_file_get_secret_size(read), ==, sizes[i]);

        g_assert_cmpuint(cvs_key_file_get_n_slots(read), ==, 3);
        g_assert_cmpint(cvs_key_file_get_slot_kind(read, 0), ==, CVS_SLOT_TPM2);
        g_assert_cmpint(cvs_key_file_get_slot_kind(read, 2), ==, CVS_SLOT_RECOVERY);
        g_assert_null(cvs_key_file_get_tpm2_slot(read, 2));
        slot = cvs_key_file_get_tpm2_slot(read, 1);
        g_assert_cmpuint(slot->generation, ==, 3);
        g_assert_cmpstr(slot->profile, ==, "default");
        g_assert_cmpint(slot->factors, ==, CVS_FACTOR_TPM2);
        g_assert_null(slot->state);

        g_assert_false(cvs_key_file_is_open(read));
        assert_opens(read, 0, 1, sizes[i]);
        assert_opens(read, 1, 2, sizes[i]);
        (void)open_recovery(read, fixture_recovery_key, &error);
        g_assert_no_error(error);
        g_assert_true(cvs_key_file_is_open(read));
    }
}

static void
test_new_refuses(void)
{
    CvsOwner owner = fixture_owner("system");
    g_autoptr(CvsSecret) large = cvs_secret_new(CVS_SECRET_MAX + 1);
    g_autoptr(CvsSecret) small = cvs_secret_new(1);
    g_autoptr(GError) error = NULL;

    g_assert_null(cvs_key_file_new("a", &owner, CVS_STAGE_BOOT, large, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE);
    g_clear_error(&error);
    g_assert_null(cvs_key_file_new("../a", &owner, CVS_STAGE_BOOT, small, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
}

/* Two keys never share an id, a CEK or an IV: the same secret under the same name looks different.
 */
static void
test_fresh(void)
{
    static const char *const members[] = {"iv", "ciphertext", "tag", "protected"};
    g_autoptr(CvsKeyFile) a = fixture_key("system", "k", 32);
    g_autoptr(CvsKeyFile) b = fixture_key("system", "k", 32);
    g_autoptr(json_t) x = NULL;
    g_autoptr(json_t) y = NULL;

    fixture_add_tpm2(a, 0);
    fixture_add_tpm2(b, 0);
    g_assert_cmpstr(cvs_key_file_get_id(a), !=, cvs_key_file_get_id(b));
    x = to_json(a);
    y = to_json(b);
    for (guint i = 0; i < G_N_ELEMENTS(members); i++)
        g_assert_false(json_equal(json_object_get(x, members[i]), json_object_get(y, members[i])));
}

static void
test_no_slots(void)
{
    g_autoptr(CvsKeyFile) key = fixture_key("system", "k", 8);
    g_autoptr(GError) error = NULL;

    g_assert_null(cvs_key_file_serialise(key, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_FAILED);
}

static void
test_wrong_tpm_secret(void)
{
    g_autoptr(CvsKeyFile) key = fixture_key("system", "k", 8);
    g_autoptr(CvsKeyFile) read = NULL;
    g_autofree char *text = NULL;

    fixture_add_tpm2(key, 1);
    text = fixture_serialise(key);
    read = fixture_parse(text);
    assert_altered(read, 0, 2);
    assert_opens(read, 0, 1, 8);
}

/* A slot is bound to the key by the protected header, which has the key's id. */
static void
test_slot_moved(void)
{
    g_autoptr(CvsKeyFile) a = fixture_key("uid:1000", "k", 8);
    g_autoptr(CvsKeyFile) b = fixture_key("uid:1000", "k", 8);
    g_autoptr(CvsKeyFile) moved = NULL;
    g_autoptr(json_t) x = NULL;
    g_autoptr(json_t) y = NULL;

    fixture_add_tpm2(a, 1);
    fixture_add_tpm2(b, 2);
    x = to_json(a);
    y = to_json(b);
    json_object_set(y, "recipients", json_object_get(x, "recipients"));
    moved = from_json(y);
    assert_altered(moved, 0, 1);
}

/* Every byte of the slot's JSON, changed to what still reads as a slot. */
static void
test_slot_edited(void)
{
    static const struct {
        const char *path;
        const char *json;
    } edits[] = {
        {SLOT_MEMBER "/#/generation", "[3]"},
        {SLOT_MEMBER "/#/profile", "[\"unattested\"]"},
        {SLOT_MEMBER "/#/state", "[\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"]"},
        {SLOT_MEMBER "/#/private", "[\"AAAA\"]"},
        {SLOT_MEMBER "/#/public", "[\"AAAA\"]"},
        {SLOT_MEMBER "/#/policy", "[[{\"type\": \"auth-value\"}]]"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(edits); i++) {
        g_autoptr(CvsKeyFile) key = fixture_key("system", "k", 8);
        g_autoptr(CvsKeyFile) edited = NULL;
        g_autoptr(json_t) json = NULL;
        g_autoptr(json_t) value = json_loads(edits[i].json, 0, NULL);

        fixture_add_tpm2(key, 1);
        json = to_json(key);
        fixture_set(json, edits[i].path, json_incref(json_array_get(value, 0)));
        edited = from_json(json);
        assert_altered(edited, 0, 1);
    }
}

static void
test_protected_edited(void)
{
    static const struct {
        const char *member;
        const char *value;
    } edits[] = {
        {"name", "\"other\""},
        {"owner", "\"uid:1001\""},
        {"stage", "\"boot\""},
        {"created", "1"},
        {"id", "\"00000000000000000000000000000000\""},
    };

    for (guint i = 0; i < G_N_ELEMENTS(edits); i++) {
        g_autoptr(CvsKeyFile) key = fixture_key("uid:1000", "k", 8);
        g_autoptr(CvsKeyFile) edited = NULL;
        g_autoptr(json_t) json = NULL;
        g_autofree char *path = g_strconcat("protected/#/cvmseal/", edits[i].member, NULL);
        g_autoptr(CvsSecret) secret = NULL;
        g_autoptr(GError) error = NULL;

        fixture_add_tpm2(key, 1);
        fixture_add_recovery(key);
        json = to_json(key);
        fixture_set(json, path, json_loads(edits[i].value, JSON_DECODE_ANY, NULL));
        edited = from_json(json);
        assert_altered(edited, 0, 1);
        /* A recovery slot unwraps without the header, and then the ciphertext refuses it. */
        fixture_expect_forged();
        (void)open_recovery(edited, fixture_recovery_key, &error);
        g_test_assert_expected_messages();
        g_assert_no_error(error);
        secret = cvs_key_file_decrypt(edited, &error);
        g_assert_null(secret);
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    }
}

static void
test_encrypted_keys_swapped(void)
{
    g_autoptr(CvsKeyFile) key = fixture_key("system", "k", 8);
    g_autoptr(CvsKeyFile) swapped = NULL;
    g_autoptr(json_t) json = NULL;
    json_t *first = NULL, *second = NULL;

    fixture_add_tpm2(key, 1);
    fixture_add_tpm2(key, 2);
    json = to_json(key);
    first = json_incref(fixture_get(json, "recipients/0/encrypted_key"));
    second = json_incref(fixture_get(json, "recipients/1/encrypted_key"));
    fixture_set(json, "recipients/0/encrypted_key", second);
    fixture_set(json, "recipients/1/encrypted_key", first);
    swapped = from_json(json);
    assert_altered(swapped, 0, 1);
    assert_altered(swapped, 1, 2);
}

/* The ciphertext, iv and tag are authenticated by the CEK. */
static void
test_ciphertext_edited(void)
{
    static const char *const members[] = {"iv", "ciphertext", "tag"};

    for (guint i = 0; i < G_N_ELEMENTS(members); i++) {
        g_autoptr(CvsKeyFile) key = fixture_key("system", "k", 12);
        g_autoptr(CvsKeyFile) edited = NULL;
        g_autoptr(json_t) json = NULL;
        g_autofree char *text = NULL;
        g_autoptr(CvsSecret) secret = NULL;
        g_autoptr(GError) error = NULL;

        fixture_add_tpm2(key, 1);
        json = to_json(key);
        text = g_strdup(json_string_value(json_object_get(json, members[i])));
        text[0] = text[0] == 'A' ? 'B' : 'A';
        fixture_set(json, members[i], json_string(text));
        edited = from_json(json);
        (void)open_with(edited, 0, 1, &error);
        g_assert_no_error(error);
        secret = cvs_key_file_decrypt(edited, &error);
        g_assert_null(secret);
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    }
}

static void
test_recovery_wrong(void)
{
    static const char wrong[] = "bbdefghi-jklnrtuv-vutrnlkj-ihgfedbc-ccbbddee-ffgghhii-jjkkllnn-"
                                "rrttuuvv";
    g_autoptr(CvsKeyFile) key = fixture_key("system", "kk", 8);
    g_autoptr(CvsKeyFile) read = NULL;
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;

    fixture_add_tpm2(key, 1);
    text = fixture_serialise(key);
    read = fixture_parse(text);
    g_assert_false(open_recovery(read, fixture_recovery_key, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED);
    g_clear_error(&error);

    fixture_add_recovery(key);
    g_free(text);
    text = fixture_serialise(key);
    cvs_key_file_free(read);
    read = fixture_parse(text);
    g_assert_false(open_recovery(read, wrong, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED);
    for (guint i = 0; i + 8 <= strlen(wrong); i += 9) {
        g_autofree char *group = g_strndup(wrong + i, 8);

        g_assert_null(strstr(error->message, group));
    }
    g_assert_false(cvs_key_file_is_open(read));
    g_clear_error(&error);
    /* Not even text. */
    g_assert_false(open_recovery(read, "\xff\xfe", &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED);
}

static void
test_recovery_form(void)
{
    g_autoptr(CvsKeyFile) key = fixture_key("system", "k", 8);
    g_autofree char *upper = g_ascii_strup(fixture_recovery_key, -1);
    const char *const forms[] = {upper, "password", "cbdefghi"};

    for (guint i = 0; i < G_N_ELEMENTS(forms); i++) {
        g_autoptr(CvsSecret) recovery = fixture_secret_text(forms[i]);
        g_autoptr(GError) error = NULL;

        g_assert_false(cvs_key_file_add_recovery(key, recovery, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
    }
    g_assert_cmpuint(cvs_key_file_get_n_slots(key), ==, 0);
}

/* A reseal: opened by one slot, another is added; the slots that nobody opened are byte for byte
 * what they were, and so are protected header and ciphertext. */
static void
test_add_keeps_the_rest(void)
{
    static const char *const members[] = {"protected", "iv", "ciphertext", "tag"};
    g_autoptr(CvsKeyFile) key = fixture_key("system", "k", 40);
    g_autoptr(CvsKeyFile) read = NULL;
    g_autoptr(CvsKeyFile) last = NULL;
    g_autoptr(json_t) before = NULL;
    g_autoptr(json_t) after = NULL;
    g_autofree char *text = NULL;
    g_autofree char *resealed = NULL;

    fixture_add_tpm2(key, 1);
    fixture_add_tpm2(key, 2);
    fixture_add_recovery(key);
    before = to_json(key);
    text = fixture_serialise(key);
    read = fixture_parse(text);
    assert_opens(read, 1, 2, 40);
    fixture_add_tpm2(read, 3);
    after = to_json(read);
    for (guint i = 0; i < G_N_ELEMENTS(members); i++)
        g_assert_true(
            json_equal(json_object_get(before, members[i]), json_object_get(after, members[i])));
    for (guint i = 0; i < 3; i++)
        g_assert_true(json_equal(json_array_get(json_object_get(before, "recipients"), i),
                                 json_array_get(json_object_get(after, "recipients"), i)));

    cvs_key_file_remove_slot(read, 1);
    resealed = fixture_serialise(read);
    last = fixture_parse(resealed);
    g_assert_cmpuint(cvs_key_file_get_n_slots(last), ==, 3);
    assert_opens(last, 0, 1, 40);
    g_assert_cmpint(cvs_key_file_get_slot_kind(last, 1), ==, CVS_SLOT_RECOVERY);
    assert_opens(last, 2, 3, 40);
}

/* The contents move on success and stay on an error. */
static void
test_add_takes(void)
{
    g_autoptr(CvsKeyFile) key = fixture_key("system", "k", 8);
    g_auto(CvsTpm2Slot) slot = {0};
    g_autoptr(CvsSecret) secret = fixture_tpm_secret(1);
    g_autoptr(GError) error = NULL;

    fixture_slot(1, &slot);
    slot.generation = 0;
    g_assert_false(cvs_key_file_add_tpm2(key, &slot, secret, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    g_clear_error(&error);
    g_assert_nonnull(slot.policy);
    g_assert_cmpuint(cvs_key_file_get_n_slots(key), ==, 0);

    slot.generation = 1;
    g_assert_true(cvs_key_file_add_tpm2(key, &slot, secret, &error));
    g_assert_no_error(error);
    g_assert_null(slot.policy);
    g_assert_null(slot.object.private_area);
    g_assert_null(slot.profile);
}

static void
test_slots_max(void)
{
    g_autoptr(CvsKeyFile) key = fixture_key("system", "k", 8);
    g_autoptr(CvsKeyFile) read = NULL;
    g_autoptr(CvsSecret) secret = fixture_tpm_secret(1);
    g_autoptr(CvsSecret) recovery = fixture_secret_text(fixture_recovery_key);
    g_auto(CvsTpm2Slot) slot = {0};
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;

    for (guint i = 0; i < CVS_SLOTS_MAX; i++)
        fixture_add_tpm2(key, i);
    fixture_slot(1, &slot);
    g_assert_false(cvs_key_file_add_tpm2(key, &slot, secret, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE);
    g_clear_error(&error);
    g_assert_false(cvs_key_file_add_recovery(key, recovery, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE);
    text = fixture_serialise(key);
    read = fixture_parse(text);
    assert_opens(read, CVS_SLOTS_MAX - 1, CVS_SLOTS_MAX - 1, 8);
}

/* The limit of the parser itself, beside that of the store. */
static void
test_too_large(void)
{
    g_autoptr(CvsKeyFile) key = fixture_key("system", "k", 8);
    g_autofree char *text = NULL;
    g_autofree char *padded = g_strnfill(CVS_KEY_FILE_MAX + 1, ' ');
    g_autoptr(CvsKeyFile) read = NULL;
    g_autoptr(GError) error = NULL;

    fixture_add_tpm2(key, 1);
    text = fixture_serialise(key);
    memcpy(padded, text, strlen(text));
    read = cvs_key_file_parse(padded, CVS_KEY_FILE_MAX, &error);
    g_assert_no_error(error);
    g_assert_null(cvs_key_file_parse(padded, CVS_KEY_FILE_MAX + 1, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE);
}

static guint warnings;

static void
count_warning(const char *domain, GLogLevelFlags level, const char *message, gpointer data)
{
    g_assert_nonnull(strstr(message, CVS_REASON_SLOT_FORGED));
    warnings++;
}

/* Instead of ending the test; until stop_counting(). */
static guint
count_warnings(void)
{
    warnings = 0;
    (void)g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
    return g_log_set_handler(G_LOG_DOMAIN, G_LOG_LEVEL_WARNING, count_warning, NULL);
}

static void
stop_counting(guint handler)
{
    g_log_remove_handler(G_LOG_DOMAIN, handler);
    (void)g_log_set_always_fatal(G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_WARNING);
}

/* Whatever becomes of the bytes: an error, or the very secret. Returns whether it opened. */
static gboolean
survives(const char *data, gsize size, const CvsSecret *wanted)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsKeyFile) key = cvs_key_file_parse(data, size, &error);
    g_autoptr(CvsSecret) secret = NULL;

    if (key != NULL && cvs_key_file_get_slot_kind(key, 0) == CVS_SLOT_TPM2 &&
        open_with(key, 0, 1, &error))
        secret = cvs_key_file_decrypt(key, &error);
    if (secret != NULL)
        g_assert_true(cvs_secret_equal(secret, wanted));
    else if (key == NULL || cvs_key_file_get_slot_kind(key, 0) == CVS_SLOT_TPM2)
        g_assert_nonnull(error);
    return secret != NULL;
}

static void
test_truncated(void)
{
    g_autoptr(CvsKeyFile) key = fixture_key("system", "k", 8);
    g_autoptr(CvsSecret) wanted = fixture_secret(8);
    g_autofree char *text = NULL;
    gsize size = 0;

    fixture_add_tpm2(key, 1);
    fixture_add_recovery(key);
    text = fixture_serialise(key);
    size = strlen(text);
    /* Only the newline can go. */
    for (gsize i = 0; i < size; i++) {
        g_autofree char *cut = g_memdup2(text, i);

        g_assert_cmpint(survives(cut, i, wanted), ==, i == size - 1);
    }
}

static void
test_flipped(void)
{
    g_autoptr(CvsKeyFile) key = fixture_key("system", "k", 8);
    g_autoptr(CvsSecret) wanted = fixture_secret(8);
    g_autofree char *text = NULL;
    guint opened = 0, handler = 0;
    gsize size = 0;

    fixture_add_tpm2(key, 1);
    text = fixture_serialise(key);
    size = strlen(text);
    handler = count_warnings();
    for (gsize i = 0; i < size; i++) {
        for (guint bit = 0; bit < 8; bit++) {
            text[i] = (char)(text[i] ^ (1 << bit));
            opened += survives(text, size, wanted);
            text[i] = (char)(text[i] ^ (1 << bit));
        }
    }
    stop_counting(handler);
    /* White space for white space, at the end of the file, is all that a flip can do for nothing;
     * in the MAC of the slot that opens it is noticed. */
    g_assert_cmpuint(warnings, >, 43);
    g_assert_cmpuint(opened, <=, 8 + warnings);
}

/* The same for the way by the recovery key; its 32768 rounds allow one flip a byte. */
static void
test_flipped_recovery(void)
{
    g_autoptr(CvsKeyFile) key = fixture_key("system", "k", 8);
    g_autoptr(CvsSecret) wanted = fixture_secret(8);
    g_autofree char *text = NULL;
    guint handler = 0;
    gsize size = 0;

    fixture_add_recovery(key);
    text = fixture_serialise(key);
    size = strlen(text);
    handler = count_warnings();
    for (gsize i = 0; i < size; i++) {
        g_autoptr(CvsKeyFile) flipped = NULL;
        g_autoptr(CvsSecret) secret = NULL;

        warnings = 0;
        text[i] = (char)(text[i] ^ 1);
        flipped = cvs_key_file_parse(text, size, NULL);
        if (flipped != NULL && open_recovery(flipped, fixture_recovery_key, NULL))
            secret = cvs_key_file_decrypt(flipped, NULL);
        g_assert_true(secret == NULL || cvs_secret_equal(secret, wanted));
        g_assert_true(secret == NULL || warnings == 1);
        text[i] = (char)(text[i] ^ 1);
    }
    stop_counting(handler);
}

/* A slot whose MAC was changed opens nevertheless, and is put right for whoever writes it next. */
static void
test_mac_repaired(void)
{
    for (guint recovery = 0; recovery < 2; recovery++) {
        g_autoptr(CvsKeyFile) key = fixture_key("system", "k", 8);
        g_autoptr(CvsKeyFile) changed = NULL;
        g_autoptr(json_t) before = NULL;
        g_autoptr(json_t) json = NULL;
        g_autoptr(json_t) after = NULL;
        g_autofree char *mac = g_strnfill(43, 'A');
        g_autofree char *path = g_strdup_printf("recipients/%u/header/mac", recovery);
        g_autoptr(GError) error = NULL;

        fixture_add_tpm2(key, 1);
        fixture_add_recovery(key);
        before = to_json(key);
        json = to_json(key);
        fixture_set(json, path, json_string(mac));
        changed = from_json(json);
        fixture_expect_forged();
        if (recovery)
            (void)open_recovery(changed, fixture_recovery_key, &error);
        else
            (void)open_with(changed, 0, 1, &error);
        g_test_assert_expected_messages();
        g_assert_no_error(error);
        after = to_json(changed);
        g_assert_true(json_equal(before, after));
    }
}

/* No secret outlives the keys that held it. */
static void
test_secrets_freed(void)
{
    guint before = cvs_secret_count_alive();

    {
        g_autoptr(CvsKeyFile) key = fixture_key("system", "k", 8);
        g_autoptr(CvsKeyFile) read = NULL;
        g_autofree char *text = NULL;

        fixture_add_tpm2(key, 1);
        fixture_add_recovery(key);
        text = fixture_serialise(key);
        read = fixture_parse(text);
        assert_opens(read, 0, 1, 8);
        assert_opens(read, 0, 1, 8);
    }
    g_assert_cmpuint(cvs_secret_count_alive(), ==, before);
}

/* A slot whose state has come: in its place, opened by the same factors, the others as they were;
 * and nothing is changed without them. */
static void
test_arrived(void)
{
    g_autoptr(CvsKeyFile) key = fixture_key("uid:1000", "db", 40);
    g_autoptr(CvsKeyFile) read = NULL;
    g_autoptr(CvsSecret) store_key = fixture_store_key();
    g_autoptr(CvsSecret) tee_key = fixture_tee_key();
    g_autoptr(CvsSecret) secret = fixture_tpm_secret(1);
    g_autoptr(GError) error = NULL;
    g_autofree char *before = NULL;
    g_autofree char *same = NULL;
    g_autofree char *after = NULL;
    g_auto(CvsSlotConditions) conditions = {0};
    const CvsTpm2Slot *slot = NULL;

    fixture_add_tpm2(key, 0);
    fixture_add_tpm2_with(key, 1, NULL, TRUE, TRUE, TRUE);
    fixture_add_tpm2(key, 2);
    fixture_add_recovery(key);
    cvs_slot_conditions_copy(&cvs_key_file_get_tpm2_slot(key, 1)->conditions, &conditions);
    before = fixture_serialise(key);
    cvs_key_file_set_tee_key(key, NULL);
    g_assert_false(cvs_key_file_set_arrived(key, 1, &conditions, 9, secret, &error));
    g_assert_true(cvs_error_has_reason(error, CVS_REASON_DERIVED_KEY_UNAVAILABLE));
    same = fixture_serialise(key);
    g_assert_cmpstr(before, ==, same);
    cvs_key_file_set_tee_key(key, tee_key);
    g_clear_error(&error);
    (void)cvs_key_file_set_arrived(key, 1, &conditions, 9, secret, &error);
    g_assert_no_error(error);

    after = fixture_serialise(key);
    g_assert_cmpuint(strlen(after), <, strlen(before));
    for (guint i = 0; i < 3; i++) {
        g_clear_pointer(&read, cvs_key_file_free);
        read = fixture_parse(after);
        cvs_key_file_set_store_key(read, store_key);
        cvs_key_file_set_tee_key(read, tee_key);
        assert_opens(read, i, i, 40);
        for (guint n = 0; n < 4; n++)
            g_assert_true(cvs_key_file_slot_is_genuine(read, n));
    }
    slot = cvs_key_file_get_tpm2_slot(read, 1);
    g_assert_false(slot->predicted);
    g_assert_cmpuint(slot->generation, ==, 9);
    g_assert_cmpint(slot->factors, ==, CVS_FACTOR_TPM2 | CVS_FACTOR_STORE_KEY | CVS_FACTOR_TEE_KEY);
    g_assert_cmpint(cvs_key_file_get_slot_kind(read, 3), ==, CVS_SLOT_RECOVERY);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/vault/key-file/round-trip", test_round_trip);
    g_test_add_func("/vault/key-file/new-refuses", test_new_refuses);
    g_test_add_func("/vault/key-file/fresh", test_fresh);
    g_test_add_func("/vault/key-file/no-slots", test_no_slots);
    g_test_add_func("/vault/key-file/wrong-tpm-secret", test_wrong_tpm_secret);
    g_test_add_func("/vault/key-file/slot-moved", test_slot_moved);
    g_test_add_func("/vault/key-file/slot-edited", test_slot_edited);
    g_test_add_func("/vault/key-file/protected-edited", test_protected_edited);
    g_test_add_func("/vault/key-file/encrypted-keys-swapped", test_encrypted_keys_swapped);
    g_test_add_func("/vault/key-file/ciphertext-edited", test_ciphertext_edited);
    g_test_add_func("/vault/key-file/recovery-wrong", test_recovery_wrong);
    g_test_add_func("/vault/key-file/recovery-form", test_recovery_form);
    g_test_add_func("/vault/key-file/add-keeps-the-rest", test_add_keeps_the_rest);
    g_test_add_func("/vault/key-file/add-takes", test_add_takes);
    g_test_add_func("/vault/key-file/slots-max", test_slots_max);
    g_test_add_func("/vault/key-file/too-large", test_too_large);
    g_test_add_func("/vault/key-file/truncated", test_truncated);
    g_test_add_func("/vault/key-file/flipped", test_flipped);
    g_test_add_func("/vault/key-file/flipped-recovery", test_flipped_recovery);
    g_test_add_func("/vault/key-file/mac-repaired", test_mac_repaired);
    g_test_add_func("/vault/key-file/arrived", test_arrived);
    g_test_add_func("/vault/key-file/secrets-freed", test_secrets_freed);
    return g_test_run();
}
