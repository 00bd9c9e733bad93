/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Key files as they were written once, good ones and bad ones. Those of a version are kept for
 * ever: what opened then opens now, what was refused then is refused now.
 *
 * The files of a new version are made by
 *     CVS_GOLDEN_OUTPUT=DIR test-golden
 * which writes into a folder that it has to make itself, so none is ever overwritten. */

#include "fixture.h"
#include "base/error.h"
#include "base/hex.h"
#include "vault/jwe-scan.h"

#include <glib/gstdio.h>
#include <string.h>

#define SECRET_SIZE 40
#define CVMSEAL "protected/#/cvmseal"
#define HEADER "recipients/0/header"
#define SLOT HEADER "/slot/#"

typedef struct {
    const char *file;
    const char *owner;
    const char *name; /* NULL: the longest there can be */
    guint tpm2_slots; /* with the numbers 0, 1, … */
    gboolean recovery;
    gboolean pretty;        /* as another program might write it */
    const char *conditions; /* of its tpm2 slots; NULL: none */
    gboolean store_key;     /* they want fixture_store_key() */
    gboolean tee_key;       /* and fixture_tee_key() */
    gboolean predicted;     /* the last is for a state to come */
} Good;

#define RTMR                                                                                       \
    "\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef0123456789" \
    "ab"                                                                                           \
    "cdef\""
/* Every part, each claim's type. */
static const char conditions_all[] =
    "{\"claims\":{\"tee.guest_svn\":2,\"tee.measurement\":" RTMR ",\"tee.policy\":\"0x30000\","
    "\"tee.policy.debug\":false,\"tee.type\":\"tdx\"},"
    "\"floors\":{\"tee.tcb.evaluation\":17},\"rtmrs\":{\"0\":" RTMR ",\"2\":" RTMR "}}";

static const Good good[] = {
    {"tpm2.json", "uid:1000", "db", 1, FALSE, FALSE},
    {"recovery.json", "system", "recovery", 0, TRUE, FALSE},
    {"both.json", "unit:foo.service", "both", 1, TRUE, FALSE},
    {"two-tpm2.json", "uid:0", "two", 2, FALSE, FALSE},
    {"max-name.json", "system", NULL, 1, TRUE, FALSE},
    {"pretty.json", "uid:1000", "pretty", 1, TRUE, TRUE},
    {"conditions.json", "system", "conditions", 1, TRUE, FALSE, conditions_all, FALSE},
    {"store-key.json", "system", "store-key", 2, TRUE, FALSE, NULL, TRUE},
    {"tee-key.json", "system", "tee-key", 1, TRUE, FALSE, NULL, TRUE, TRUE},
    {"predicted.json", "uid:1000", "predicted", 2, TRUE, FALSE, conditions_all, TRUE, TRUE, TRUE},
};

/* Made from both.json: the value at the path becomes this JSON, NULL removes it. */
typedef struct {
    const char *file;
    const char *path;
    const char *value;
    const char *message; /* a part of the error's */
} Bad;

#define B64_11 "\"AAAAAAAAAAAAAAA\""
#define TEE_KEY(alg, tcb, vmpl)                                                                    \
    "{\"alg\":\"" alg "\",\"check\":\"AQIDBAUGBwg\",\"tcb\":\"" tcb "\",\"vmpl\":" vmpl "}"
#define B64_12 "\"AAAAAAAAAAAAAAAA\""
#define B64_13 "\"AAAAAAAAAAAAAAAAAA\""

static const Bad bad[] = {
    {"bad-crit.json", "protected/#/crit", "[\"exp\"]", "\"crit\""},
    {"bad-crit-top.json", "crit", "[\"exp\"]", "\"crit\""},
    {"bad-crit-recipient.json", HEADER "/crit", "[\"exp\"]", "\"crit\""},
    {"bad-zip.json", "protected/#/zip", "\"DEF\"", "\"zip\""},
    {"bad-zip-recipient.json", HEADER "/zip", "\"DEF\"", "\"zip\""},
    {"bad-aad.json", "aad", "\"AAAA\"", "\"aad\""},
    {"bad-unprotected.json", "unprotected", "{}", "\"unprotected\""},
    {"bad-unknown-top.json", "more", "1", "\"more\""},
    {"bad-unknown-recipient.json", "recipients/0/more", "1", "\"more\""},
    {"bad-unknown-header.json", HEADER "/kid", "\"x\"", "\"kid\""},
    {"bad-unknown-recovery-header.json", "recipients/1/header/slot", "\"AAAA\"", "\"slot\""},
    {"bad-unknown-protected.json", "protected/#/kid", "\"x\"", "\"kid\""},
    {"bad-unknown-cvmseal.json", CVMSEAL "/more", "1", "\"more\""},
    {"bad-p2c-2147483648.json", "recipients/1/header/p2c", "2147483648", "\"p2c\""},
    {"bad-p2c-32769.json", "recipients/1/header/p2c", "32769", "\"p2c\""},
    {"bad-p2c-999.json", "recipients/1/header/p2c", "999", "\"p2c\""},
    {"bad-p2c-negative.json", "recipients/1/header/p2c", "-1", "\"p2c\""},
    {"bad-p2c-real.json", "recipients/1/header/p2c", "4096.0", "\"p2c\""},
    {"bad-p2c-missing.json", "recipients/1/header/p2c", NULL, "\"p2c\""},
    {"bad-p2s-short.json", "recipients/1/header/p2s", "\"AAAAAAAAAA\"", "\"p2s\""},
    {"bad-p2s-missing.json", "recipients/1/header/p2s", NULL, "\"p2s\""},
    {"bad-mac-missing.json", HEADER "/mac", NULL, "\"mac\""},
    {"bad-mac-missing-recovery.json", "recipients/1/header/mac", NULL, "\"mac\""},
    {"bad-mac-12.json", HEADER "/mac", B64_12, "\"mac\""},
    {"bad-mac-12-recovery.json", "recipients/1/header/mac", B64_12, "\"mac\""},
    {"bad-mac-object.json", HEADER "/mac", "{}", "\"mac\""},
    {"bad-iv-11.json", "iv", B64_11, "\"iv\""},
    {"bad-iv-13.json", "iv", B64_13, "\"iv\""},
    {"bad-iv-missing.json", "iv", NULL, "\"iv\""},
    {"bad-iv-not-canonical.json", "iv", "\"AAAAAAAAAAAAAAA=\"", "\"iv\""},
    {"bad-tag-12.json", "tag", B64_12, "\"tag\""},
    {"bad-tag-missing.json", "tag", NULL, "\"tag\""},
    {"bad-tag-stray-bits.json", "tag", "\"AAAAAAAAAAAAAAAAAAAAAB\"", "\"tag\""},
    {"bad-ciphertext-empty.json", "ciphertext", "\"\"", "\"ciphertext\""},
    {"bad-ciphertext-missing.json", "ciphertext", NULL, "\"ciphertext\""},
    {"bad-encrypted-key-12.json", "recipients/0/encrypted_key", B64_12, "\"encrypted_key\""},
    {"bad-encrypted-key-missing.json", "recipients/1/encrypted_key", NULL, "\"encrypted_key\""},
    {"bad-alg-dir.json", HEADER "/alg", "\"dir\"", "\"alg\""},
    {"bad-alg-a128kw.json", HEADER "/alg", "\"A128KW\"", "\"alg\""},
    {"bad-alg-pbes2-hs256.json", "recipients/1/header/alg", "\"PBES2-HS256+A128KW\"", "\"alg\""},
    {"bad-alg-missing.json", HEADER "/alg", NULL, "\"alg\""},
    {"bad-alg-number.json", HEADER "/alg", "7", "\"alg\""},
    {"bad-alg-protected.json", "protected/#/alg", "\"A256KW\"", "\"alg\""},
    {"bad-enc-a128gcm.json", "protected/#/enc", "\"A128GCM\"", "\"enc\""},
    {"bad-enc-cbc.json", "protected/#/enc", "\"A256CBC-HS512\"", "\"enc\""},
    {"bad-enc-missing.json", "protected/#/enc", NULL, "\"enc\""},
    {"bad-typ.json", "protected/#/typ", "\"JWE\"", "\"typ\""},
    {"bad-cvmseal-missing.json", CVMSEAL, NULL, "\"cvmseal\""},
    {"bad-protected-missing.json", "protected", NULL, "\"protected\""},
    {"bad-protected-object.json", "protected", "{}", "\"protected\""},
    {"bad-protected-not-base64url.json", "protected", "\"e30=\"", "protected"},
    {"bad-protected-not-json.json", "protected", "\"AAAA\"", "protected"},
    {"bad-version-2.json", CVMSEAL "/version", "2", "\"version\""},
    {"bad-version-missing.json", CVMSEAL "/version", NULL, "\"version\""},
    {"bad-id-upper.json", CVMSEAL "/id", "\"ABCDEF0123456789ABCDEF0123456789\"", "\"id\""},
    {"bad-id-short.json", CVMSEAL "/id", "\"0123\"", "\"id\""},
    {"bad-name-slash.json", CVMSEAL "/name", "\"../k\"", "\"name\""},
    {"bad-name-empty.json", CVMSEAL "/name", "\"\"", "\"name\""},
    {"bad-owner.json", CVMSEAL "/owner", "\"root\"", "\"owner\""},
    {"bad-stage.json", CVMSEAL "/stage", "\"late\"", "\"stage\""},
    {"bad-created-negative.json", CVMSEAL "/created", "-1", "\"created\""},
    {"bad-created-text.json", CVMSEAL "/created", "\"now\"", "\"created\""},
    {"bad-created-huge.json", CVMSEAL "/created", "253402300800", "\"created\""},
    {"bad-recipients-none.json", "recipients", "[]", "recipients"},
    {"bad-recipients-missing.json", "recipients", NULL, "\"recipients\""},
    {"bad-recipients-object.json", "recipients", "{}", "\"recipients\""},
    {"bad-recipient-null.json", "recipients/0", "null", "not an object"},
    {"bad-header-missing.json", HEADER, NULL, "\"header\""},
    {"bad-header-array.json", HEADER, "[]", "\"header\""},
    {"bad-slot-missing.json", HEADER "/slot", NULL, "\"slot\""},
    {"bad-slot-not-json.json", HEADER "/slot", "\"AAAA\"", "tpm2 slot"},
    {"bad-slot-unknown.json", SLOT "/more", "1", "\"more\""},
    {"bad-slot-version.json", SLOT "/version", "2", "\"version\""},
    {"bad-slot-type.json", SLOT "/type", "\"fido2\"", "type"},
    {"bad-slot-condition.json", SLOT "/conditions", "{\"tee.type\":\"snp\"}", "condition"},
    {"bad-slot-condition-claim.json", SLOT "/conditions", "{\"claims\":{\"tee.new\":true}}",
     "\"tee.new\""},
    {"bad-slot-condition-type.json", SLOT "/conditions", "{\"claims\":{\"tee.type\":1}}",
     "\"tee.type\""},
    {"bad-slot-condition-empty.json", SLOT "/conditions", "{\"claims\":{}}", "\"claims\""},
    {"bad-slot-condition-floor.json", SLOT "/conditions", "{\"floors\":{\"tee.vmpl\":1}}",
     "\"tee.vmpl\""},
    {"bad-slot-condition-floor-negative.json", SLOT "/conditions",
     "{\"floors\":{\"tee.tcb.date\":-1}}", "\"tee.tcb.date\""},
    {"bad-slot-condition-rtmr-4.json", SLOT "/conditions", "{\"rtmrs\":{\"4\":" RTMR "}}", "\"4\""},
    {"bad-slot-condition-rtmr-short.json", SLOT "/conditions", "{\"rtmrs\":{\"0\":\"00\"}}",
     "\"0\""},
    {"bad-slot-conditions-null.json", SLOT "/conditions", "null", "\"conditions\""},
    {"bad-slot-conditions-missing.json", SLOT "/conditions", NULL, "\"conditions\""},
    {"bad-slot-factor-unknown.json", SLOT "/factors", "[\"tpm2\",\"store\"]", "a factor that"},
    {"bad-slot-factor-order.json", SLOT "/factors", "[\"store-key\",\"tpm2\"]", "out of order"},
    {"bad-slot-factor-alone.json", SLOT "/factors", "[\"store-key\"]", "is missing"},
    {"bad-slot-factor-number.json", SLOT "/factors", "[1]", "a factor that"},
    {"bad-slot-factor-twice.json", SLOT "/factors", "[\"tpm2\",\"tpm2\"]", "out of order"},
    {"bad-slot-tee-key-missing.json", SLOT "/factors", "[\"tpm2\",\"tee-key\"]",
     "without the factor"},
    {"bad-slot-tee-key-alone.json", SLOT "/tee_key", TEE_KEY("snp-1", "AwAAAAAAFdE", "2"),
     "without the factor"},
    {"bad-slot-factors-none.json", SLOT "/factors", "[]", "is missing"},
    {"bad-slot-generation-0.json", SLOT "/generation", "0", "\"generation\""},
    {"bad-slot-generation-huge.json", SLOT "/generation", "2147483648", "\"generation\""},
    {"bad-slot-profile.json", SLOT "/profile", "\"../x\"", "\"profile\""},
    {"bad-slot-profile-missing.json", SLOT "/profile", NULL, "\"profile\""},
    {"bad-slot-policy-element.json", SLOT "/policy", "[{\"type\":\"none\"}]", "tpm2 slot"},
    {"bad-slot-policy-missing.json", SLOT "/policy", NULL, "\"policy\""},
    {"bad-slot-srk-short.json", SLOT "/srk", "\"AAAA\"", "\"srk\""},
    {"bad-slot-public-missing.json", SLOT "/public", NULL, "\"public\""},
    {"bad-slot-private-empty.json", SLOT "/private", "\"\"", "\"private\""},
    {"bad-slot-predicted-false.json", SLOT "/predicted", "false", "\"predicted\""},
    {"bad-slot-predicted-number.json", SLOT "/predicted", "1", "\"predicted\""},
    {"bad-slot-predicted-null.json", SLOT "/predicted", "null", "\"predicted\""},
    {"bad-slot-state-short.json", SLOT "/state", "\"AAAA\"", "\"state\""},
};

/* Read, and open by their first slot, but not every slot is the key's own. Made from a key with the
 * slots 0 and 1 and a recovery slot. */
typedef struct {
    const char *file;
    void (*make)(json_t *json, json_t *other); /* other: the same made for another key */
    const char *own;                           /* a digit for each slot, 1 if it is the key's own */
} Forged;

static void
copy_member(json_t *from, json_t *to, const char *from_path, const char *to_path)
{
    fixture_set(to, to_path, json_incref(fixture_get(from, from_path)));
}

static void
forge_mac(json_t *json, json_t *other)
{
    g_autofree char *mac = g_strnfill(43, 'A');

    fixture_set(json, "recipients/1/header/mac", json_string(mac));
}

static void
forge_mac_of_neighbour(json_t *json, json_t *other)
{
    copy_member(json, json, "recipients/0/header/mac", "recipients/1/header/mac");
}

static void
forge_mac_of_other_key(json_t *json, json_t *other)
{
    copy_member(other, json, "recipients/1/header/mac", "recipients/1/header/mac");
}

static void
forge_slot_of_other_key(json_t *json, json_t *other)
{
    copy_member(other, json, "recipients/1", "recipients/1");
}

static void
forge_slot(json_t *json, json_t *other)
{
    fixture_set(json, "recipients/1/header/slot/#/generation", json_integer(9));
}

static void
forge_encrypted_key(json_t *json, json_t *other)
{
    copy_member(json, json, "recipients/0/encrypted_key", "recipients/1/encrypted_key");
}

static void
forge_recovery_p2c(json_t *json, json_t *other)
{
    fixture_set(json, "recipients/2/header/p2c", json_integer(CVS_JWE_P2C_MAX - 1));
}

static void
forge_recovery_p2s(json_t *json, json_t *other)
{
    fixture_set(json, "recipients/2/header/p2s", json_string("AAAAAAAAAAA"));
}

static void
forge_recovery_encrypted_key(json_t *json, json_t *other)
{
    copy_member(json, json, "recipients/0/encrypted_key", "recipients/2/encrypted_key");
}

static void
forge_nothing(json_t *json, json_t *other)
{
}

static const Forged forged[] = {
    {"three.json", forge_nothing, "111"},
    {"forged-mac.json", forge_mac, "101"},
    {"forged-mac-of-neighbour.json", forge_mac_of_neighbour, "101"},
    {"forged-mac-of-other-key.json", forge_mac_of_other_key, "101"},
    {"forged-slot-of-other-key.json", forge_slot_of_other_key, "101"},
    {"forged-slot.json", forge_slot, "101"},
    {"forged-encrypted-key.json", forge_encrypted_key, "101"},
    {"forged-recovery-p2c.json", forge_recovery_p2c, "110"},
    {"forged-recovery-p2s.json", forge_recovery_p2s, "110"},
    {"forged-recovery-encrypted-key.json", forge_recovery_encrypted_key, "110"},
};

/* Those that no change of a value makes. */
typedef struct {
    const char *file;
    char *(*make)(const char *both);
    const char *message;
} Raw;

static char *
replace_once(const char *text, const char *old, const char *new)
{
    const char *at = strstr(text, old);

    g_assert_nonnull(at);
    return g_strdup_printf("%.*s%s%s", (int)(at - text), text, new, at + strlen(old));
}

/* As we write it, so that the short way of reading has a try at it too. */
static char *
to_line(const json_t *json)
{
    g_autofree char *text = cvs_json_canonical(json);

    return g_strconcat(text, "\n", NULL);
}

static char *
make_truncated(const char *both)
{
    return g_strndup(both, strlen(both) / 2);
}

static char *
make_trailing(const char *both)
{
    return g_strconcat(both, "{}", NULL);
}

static char *
make_duplicate(const char *both)
{
    return replace_once(both, "\"iv\":", "\"iv\":\"AAAAAAAAAAAAAAAA\",\"iv\":");
}

static char *
make_duplicate_header(const char *both)
{
    return replace_once(both, "\"alg\":\"A256KW\"", "\"alg\":\"A256KW\",\"alg\":\"A256KW\"");
}

static char *
make_nul(const char *both)
{
    return replace_once(both, "\"alg\":\"A256KW\"", "\"alg\":\"A256KW\\u0000\"");
}

static char *
make_leading_zero(const char *both)
{
    return replace_once(both, "\"p2c\":", "\"p2c\":0");
}

static char *
make_array(const char *both)
{
    return g_strconcat("[", both, "]", NULL);
}

static char *
make_empty(const char *both)
{
    return g_strdup("");
}

static char *
make_deep(const char *both)
{
    g_autofree char *open = g_strnfill(2000, '[');

    return replace_once(both, "\"recipients\":[", open);
}

static char *
make_compact(const char *both)
{
    return g_strdup("eyJhbGciOiJkaXIiLCJlbmMiOiJBMjU2R0NNIn0..AAAAAAAAAAAAAAAA.AA."
                    "AAAAAAAAAAAAAAAAAAAAAA\n");
}

static char *
make_flattened(const char *both)
{
    g_autoptr(json_t) json = cvs_json_parse(both, strlen(both), "both", NULL);
    json_t *recipient = json_incref(fixture_get(json, "recipients/0"));

    fixture_set(json, "recipients", NULL);
    json_object_update(json, recipient);
    json_decref(recipient);
    return to_line(json);
}

static char *
make_many(const char *both)
{
    g_autoptr(json_t) json = cvs_json_parse(both, strlen(both), "both", NULL);
    json_t *recipients = fixture_get(json, "recipients");

    while (json_array_size(recipients) <= CVS_SLOTS_MAX)
        json_array_append(recipients, json_array_get(recipients, 0));
    return to_line(json);
}

/* The slot's JSON between other white space, or with its members in another order. */
static char *
with_slot(const char *both, char *(*change)(const json_t *slot))
{
    g_autoptr(json_t) json = cvs_json_parse(both, strlen(both), "both", NULL);
    const char *encoded = json_string_value(fixture_get(json, HEADER "/slot"));
    g_autoptr(GBytes) bytes = cvs_base64url_decode(encoded, -1, NULL);
    g_autoptr(json_t) slot =
        cvs_json_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), "slot", NULL);
    g_autofree char *changed = change(slot);
    g_autofree char *text = cvs_base64url_encode(changed, strlen(changed));

    fixture_set(json, HEADER "/slot", json_string(text));
    return to_line(json);
}

static char *
spaced(const json_t *slot)
{
    g_autofree char *text = cvs_json_canonical(slot);

    return g_strconcat(text, " ", NULL);
}

static char *
reordered(const json_t *slot)
{
    g_autofree char *text = cvs_json_canonical(slot);
    g_autofree char *moved = replace_once(text, ",\"version\":1}", "}");

    return replace_once(moved, "{", "{\"version\":1,");
}

static char *
make_slot_spaced(const char *both)
{
    return with_slot(both, spaced);
}

static char *
make_slot_reordered(const char *both)
{
    return with_slot(both, reordered);
}

static char *
make_slot_large(const char *both)
{
    g_autoptr(json_t) json = cvs_json_parse(both, strlen(both), "both", NULL);
    g_autofree char *private_area = g_strnfill(CVS_SLOT_MAX, 'A');

    fixture_set(json, SLOT "/private", json_string(private_area));
    return to_line(json);
}

static const Raw raw[] = {
    {"bad-truncated.json", make_truncated, "JSON"},
    {"bad-trailing.json", make_trailing, "JSON"},
    {"bad-duplicate.json", make_duplicate, "twice"},
    {"bad-duplicate-header.json", make_duplicate_header, "twice"},
    {"bad-nul.json", make_nul, "JSON"},
    {"bad-p2c-leading-zero.json", make_leading_zero, "JSON"},
    {"bad-array.json", make_array, "object"},
    {"bad-empty.json", make_empty, "JSON"},
    {"bad-deep.json", make_deep, "deeper"},
    {"bad-compact.json", make_compact, "JSON"},
    {"bad-flattened.json", make_flattened, "member"},
    {"bad-recipients-33.json", make_many, "33 recipients"},
    {"bad-slot-spaced.json", make_slot_spaced, "canonical"},
    {"bad-slot-reordered.json", make_slot_reordered, "canonical"},
    {"bad-slot-large.json", make_slot_large, "\"slot\""},
};

static char *
max_name(void)
{
    return g_strnfill(CVS_KEY_NAME_MAX, 'n');
}

static char *
read_golden(const char *file)
{
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "vault", "golden", "v1", file, NULL);
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    (void)g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    return text;
}

static void
assert_conditions(const CvsTpm2Slot *slot, const char *wanted)
{
    g_autoptr(json_t) json = cvs_slot_conditions_to_json(&slot->conditions);
    g_autofree char *text = cvs_json_canonical(json);

    g_assert_cmpstr(text, ==, wanted ? wanted : "{}");
}

static void
test_good(gconstpointer data)
{
    const Good *file = data;
    g_autofree char *text = read_golden(file->file);
    g_autoptr(CvsKeyFile) key = fixture_parse(text);
    g_autofree char *name = file->name != NULL ? g_strdup(file->name) : max_name();
    g_autofree char *again = fixture_serialise(key);
    CvsOwner owner = fixture_owner(file->owner);
    g_autoptr(CvsSecret) wanted = fixture_secret(SECRET_SIZE);
    g_autoptr(CvsSecret) recovery = fixture_secret_text(fixture_recovery_key);
    g_autoptr(GError) error = NULL;

    g_assert_cmpstr(cvs_key_file_get_name(key), ==, name);
    g_assert_true(cvs_owner_equal(cvs_key_file_get_owner(key), &owner));
    g_assert_cmpint(cvs_key_file_get_stage(key), ==, CVS_STAGE_SYSTEM);
    g_assert_cmpuint(cvs_key_file_get_n_slots(key), ==,
                     file->tpm2_slots + (file->recovery ? 1 : 0));
    if (!file->pretty)
        g_assert_cmpstr(again, ==, text);
    /* The short way of reading is for what we wrote ourselves. */
    {
        g_autoptr(CvsJwe) jwe = cvs_jwe_scan(text, strlen(text));

        g_assert_cmpint(jwe != NULL, ==, !file->pretty);
    }

    for (guint i = 0; i < file->tpm2_slots; i++) {
        g_autoptr(CvsKeyFile) fresh = fixture_parse(again);
        g_autoptr(CvsSecret) tpm_secret = fixture_tpm_secret(i);
        g_autoptr(CvsSecret) secret = NULL;

        g_assert_cmpuint(cvs_key_file_get_tpm2_slot(fresh, i)->generation, ==, i + 1);
        assert_conditions(cvs_key_file_get_tpm2_slot(fresh, i), file->conditions);
        g_assert_cmpint(cvs_key_file_get_tpm2_slot(fresh, i)->predicted, ==,
                        file->predicted && i + 1 == file->tpm2_slots);
        if (file->store_key) {
            g_autoptr(CvsSecret) store_key = fixture_store_key();
            g_autoptr(GError) missing = NULL;

            g_assert_false(cvs_key_file_open_tpm2(fresh, i, tpm_secret, &missing));
            g_assert_true(cvs_error_has_reason(missing, CVS_REASON_STORE_KEY_MISSING));
            cvs_key_file_set_store_key(fresh, store_key);
        }
        if (file->tee_key) {
            g_autoptr(CvsSecret) tee_key = fixture_tee_key();
            g_autoptr(GError) missing = NULL;

            g_assert_false(cvs_key_file_open_tpm2(fresh, i, tpm_secret, &missing));
            g_assert_true(cvs_error_has_reason(missing, CVS_REASON_DERIVED_KEY_UNAVAILABLE));
            g_clear_error(&missing);
            /* It is in the KEK: with another, what the TPM gave is not enough. */
            cvs_key_file_set_tee_key(fresh, tpm_secret);
            g_assert_false(cvs_key_file_open_tpm2(fresh, i, tpm_secret, &missing));
            g_assert_true(cvs_error_has_reason(missing, CVS_REASON_SLOT_ALTERED));
            cvs_key_file_set_tee_key(fresh, tee_key);
        }
        (void)cvs_key_file_open_tpm2(fresh, i, tpm_secret, &error);
        g_assert_no_error(error);
        secret = cvs_key_file_decrypt(fresh, &error);
        g_assert_no_error(error);
        g_assert_true(cvs_secret_equal(secret, wanted));
    }
    (void)cvs_key_file_open_recovery(key, recovery, &error);
    if (file->recovery) {
        g_autoptr(CvsSecret) secret = NULL;

        g_assert_no_error(error);
        secret = cvs_key_file_decrypt(key, &error);
        g_assert_no_error(error);
        g_assert_true(cvs_secret_equal(secret, wanted));
    } else {
        g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED);
    }
}

static void
refuse(const char *file, const char *message)
{
    g_autofree char *text = read_golden(file);
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsKeyFile) key = cvs_key_file_parse(text, strlen(text), &error);

    g_assert_null(key);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    if (strlen(text) > 0) {
        g_autoptr(CvsJwe) jwe = cvs_jwe_scan(text, strlen(text));
        g_autoptr(CvsJwe) full = cvs_jwe_parse_json(text, strlen(text), NULL);

        g_assert_true(jwe == NULL || full != NULL);
    }
    if (strstr(error->message, message) == NULL)
        g_error("%s: \"%s\" does not say %s", file, error->message, message);
}

static void
test_forged(gconstpointer data)
{
    const Forged *file = data;
    g_autofree char *text = read_golden(file->file);
    g_autoptr(CvsKeyFile) key = fixture_parse(text);
    g_autoptr(CvsSecret) tpm_secret = fixture_tpm_secret(0);
    g_autoptr(CvsSecret) wanted = fixture_secret(SECRET_SIZE);
    g_autoptr(CvsSecret) secret = NULL;
    g_autoptr(GError) error = NULL;

    if (strchr(file->own, '0') != NULL)
        fixture_expect_forged();
    (void)cvs_key_file_open_tpm2(key, 0, tpm_secret, &error);
    g_test_assert_expected_messages();
    g_assert_no_error(error);
    secret = cvs_key_file_decrypt(key, &error);
    g_assert_no_error(error);
    g_assert_true(cvs_secret_equal(secret, wanted));
    g_assert_cmpuint(cvs_key_file_get_n_slots(key), ==, strlen(file->own));
    for (guint i = 0; file->own[i] != '\0'; i++)
        g_assert_cmpint(cvs_key_file_slot_is_genuine(key, i), ==, file->own[i] == '1');
}

static void
test_bad(gconstpointer data)
{
    refuse(((const Bad *)data)->file, ((const Bad *)data)->message);
}

static void
test_raw(gconstpointer data)
{
    refuse(((const Raw *)data)->file, ((const Raw *)data)->message);
}

/* A file that both ways read, or only the long one; never only the short one. Tried on every flip
 * of a bit, since most of them leave the form as it is. */
static void
test_both_ways(void)
{
    g_autofree char *text = read_golden("both.json");
    gsize size = strlen(text);
    guint both = 0;

    for (gsize i = 0; i < size; i++) {
        for (guint bit = 0; bit < 8; bit++) {
            g_autoptr(CvsJwe) brief = NULL;
            g_autoptr(CvsJwe) full = NULL;

            text[i] = (char)(text[i] ^ (1 << bit));
            brief = cvs_jwe_scan(text, size);
            if (brief != NULL) {
                g_autoptr(GBytes) first = cvs_jwe_serialise(brief);
                g_autoptr(GBytes) second = NULL;

                full = cvs_jwe_parse_json(text, size, NULL);
                g_assert_nonnull(full);
                second = cvs_jwe_serialise(full);
                g_assert_cmpmem(g_bytes_get_data(first, NULL), g_bytes_get_size(first), text, size);
                g_assert_true(g_bytes_equal(first, second));
                both++;
            }
            text[i] = (char)(text[i] ^ (1 << bit));
        }
        /* Cut short it is not in our form, wherever. */
        {
            g_autofree char *cut = g_memdup2(text, i);

            g_assert_null(cvs_jwe_scan(cut, i));
        }
    }
    g_assert_cmpuint(both, >, size);
}

/* No file without a test. */
static void
test_all_known(void)
{
    g_autofree char *path = g_test_build_filename(G_TEST_DIST, "vault", "golden", "v1", NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    guint n = 0;

    g_assert_nonnull(dir);
    while (g_dir_read_name(dir) != NULL)
        n++;
    g_assert_cmpuint(
        n, ==, G_N_ELEMENTS(good) + G_N_ELEMENTS(forged) + G_N_ELEMENTS(bad) + G_N_ELEMENTS(raw));
}

static void
write_golden(const char *dir, const char *file, const char *text)
{
    g_autofree char *path = g_build_filename(dir, file, NULL);
    g_autoptr(GError) error = NULL;

    (void)g_file_set_contents(path, text, -1, &error);
    g_assert_no_error(error);
}

static json_t *
make_three(void)
{
    g_autoptr(CvsKeyFile) key = fixture_key("uid:1000", "three", SECRET_SIZE);
    g_autofree char *text = NULL;

    fixture_add_tpm2(key, 0);
    fixture_add_tpm2(key, 1);
    fixture_add_recovery(key);
    text = fixture_serialise(key);
    return cvs_json_parse(text, strlen(text), "three", NULL);
}

static void
make_forged(const char *dir)
{
    for (guint i = 0; i < G_N_ELEMENTS(forged); i++) {
        g_autoptr(json_t) json = make_three();
        g_autoptr(json_t) other = make_three();
        g_autofree char *text = NULL;

        forged[i].make(json, other);
        text = to_line(json);
        write_golden(dir, forged[i].file, text);
    }
}

static void
make(const char *dir)
{
    g_autofree char *both = NULL;

    if (g_mkdir(dir, 0755) < 0)
        g_error("%s: the folder is there already or cannot be made", dir);
    for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autofree char *name = good[i].name != NULL ? g_strdup(good[i].name) : max_name();
        g_autoptr(CvsKeyFile) key = fixture_key(good[i].owner, name, SECRET_SIZE);
        g_autofree char *text = NULL;

        for (guint slot = 0; slot < good[i].tpm2_slots; slot++)
            fixture_add_tpm2_with(key, slot, good[i].conditions, good[i].store_key, good[i].tee_key,
                                  good[i].predicted && slot + 1 == good[i].tpm2_slots);
        if (good[i].recovery)
            fixture_add_recovery(key);
        text = fixture_serialise(key);
        if (good[i].pretty) {
            g_autoptr(json_t) json = cvs_json_parse(text, strlen(text), "pretty", NULL);

            g_free(text);
            text = cvs_json_pretty(json);
        }
        write_golden(dir, good[i].file, text);
        if (g_str_equal(good[i].file, "both.json"))
            both = g_strdup(text);
    }
    make_forged(dir);
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(json_t) json = cvs_json_parse(both, strlen(both), "both", NULL);
        g_autofree char *text = NULL;

        fixture_set(json, bad[i].path,
                    bad[i].value != NULL ? json_loads(bad[i].value, JSON_DECODE_ANY, NULL) : NULL);
        text = to_line(json);
        write_golden(dir, bad[i].file, text);
    }
    for (guint i = 0; i < G_N_ELEMENTS(raw); i++) {
        g_autofree char *text = raw[i].make(both);

        write_golden(dir, raw[i].file, text);
    }
}

static void
add(const char *file, gconstpointer data, GTestDataFunc function)
{
    g_autofree char *path = g_strconcat("/vault/golden/v1/", file, NULL);

    g_test_add_data_func(path, data, function);
}

int
main(int argc, char **argv)
{
    const char *output = g_getenv("CVS_GOLDEN_OUTPUT");

    g_test_init(&argc, &argv, NULL);
    if (output != NULL) {
        make(output);
        g_printerr("golden files are in %s; nothing was tested\n", output);
        return 1;
    }
    for (guint i = 0; i < G_N_ELEMENTS(good); i++)
        add(good[i].file, &good[i], test_good);
    for (guint i = 0; i < G_N_ELEMENTS(forged); i++)
        add(forged[i].file, &forged[i], test_forged);
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++)
        add(bad[i].file, &bad[i], test_bad);
    for (guint i = 0; i < G_N_ELEMENTS(raw); i++)
        add(raw[i].file, &raw[i], test_raw);
    g_test_add_func("/vault/golden/both-ways", test_both_ways);
    g_test_add_func("/vault/golden/v1/all-known", test_all_known);
    return g_test_run();
}
