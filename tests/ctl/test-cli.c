/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include "base/error.h"
#include "vault/key-file.h"
#include "vault/recovery.h"
#include "world.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define assert_has(text, part)                                                                     \
    G_STMT_START                                                                                   \
    {                                                                                              \
        if (strstr(text, part) == NULL)                                                            \
            g_error("%s:%d: \"%s\" is not in: %s", __FILE__, __LINE__, part, text);                \
    }                                                                                              \
    G_STMT_END

static void
assert_opens(World *world, const char *name, const void *secret, gsize size)
{
    g_autoptr(Result) result = world_run(world, NULL, 0, "unseal %s", name);

    if (result->code != 0)
        g_error("%s does not open: %s", name, result->err);
    g_assert_cmpmem(result->out, result->out_size, secret, size);
}

static const char *
string_of(const json_t *object, const char *member)
{
    const char *value = json_string_value(json_object_get(object, member));

    g_assert_nonnull(value);
    return value;
}

/* The error of a JSON output; borrowed by the caller's reference to the whole. */
static json_t *
assert_json_error(const char *text, const char *name, json_t **ret_whole)
{
    json_t *error = NULL;

    *ret_whole = world_json(text);
    error = json_object_get(*ret_whole, "error");
    g_assert_cmpstr(string_of(error, "name"), ==, name);
    g_assert_true(json_is_string(json_object_get(error, "message")));
    g_assert_true(json_is_array(json_object_get(error, "reasons")));
    return error;
}

static void
test_life(gconstpointer daemon)
{
    g_autoptr(World) world = world_new(daemon != NULL);
    g_autoptr(Result) shown = NULL;
    g_autoptr(Result) listed = NULL;
    g_autoptr(Result) explained = NULL;
    g_autoptr(Result) refused = NULL;
    g_autoptr(Result) refused_json = NULL;
    g_autoptr(Result) changed = NULL;
    g_autoptr(Result) gone = NULL;
    g_autoptr(json_t) whole = NULL;
    g_autofree char *recovery = world_path(world, "recovery");
    const json_t *error = NULL;
    const json_t *reason = NULL;

    world_expect(world, "a secret\n", 0, "seal db --pcrs 0+7 --recovery-key-out %s", recovery);
    assert_opens(world, "db", "a secret\n", 9);

    shown = world_run(world, NULL, 0, "show db");
    assert_has(shown->out, "Secure Boot policy");
    assert_has(shown->out, "Slot 1      recovery");
    listed = world_run(world, NULL, 0, "list");
    assert_has(listed->out, "NAME  SIZE  PCRS  OPENS WITH     PROFILE  CREATED\n");
    assert_has(listed->out, "db     9 B  0+7   TPM, recovery  default  today ");
    explained = world_run(world, NULL, 0, "explain db");
    g_assert_cmpint(explained->code, ==, 0);
    assert_has(explained->out, "\"db\" opens now.");

    test_tpm_extend(world->tpm, 7, "another boot");
    refused = world_run(world, NULL, 0, "unseal db");
    g_assert_cmpint(refused->code, ==, CVS_EXIT_REFUSED);
    g_assert_cmpuint(refused->out_size, ==, 0);
    assert_has(refused->err, "cvmseal: cannot unseal \"db\": ");
    assert_has(refused->err, "\n  PCR 7 (Secure Boot policy) differs: is ");
    assert_has(refused->err, "cvmseal explain db");
    g_assert_null(strstr(refused->err, "PCR 0 "));
    /* The beginning of the message is said once. */
    g_assert_null(strstr(refused->err, "cannot unseal db"));

    refused_json = world_run(world, NULL, 0, "unseal db --json");
    g_assert_cmpint(refused_json->code, ==, CVS_EXIT_REFUSED);
    g_assert_cmpuint(refused_json->out_size, ==, 0);
    error = assert_json_error(refused_json->err, "PcrMismatch", &whole);
    g_assert_cmpuint(json_array_size(json_object_get(error, "reasons")), ==, 1);
    reason = json_array_get(json_object_get(error, "reasons"), 0);
    g_assert_cmpstr(string_of(reason, "code"), ==, "PcrDiffers");
    g_assert_cmpuint(strlen(string_of(reason, "seen")), ==, 64);
    g_assert_cmpuint(strlen(string_of(reason, "wanted")), ==, 64);

    changed = world_run(world, NULL, 0, "explain db");
    g_assert_cmpint(changed->code, ==, 0);
    assert_has(changed->out, "\"db\" does not open now.");
    assert_has(changed->out, string_of(reason, "seen"));
    assert_has(changed->out, "cvmseal reseal db --recovery-key");

    world_expect(world, NULL, CVS_EXIT_REFUSED, "reseal db");
    world_expect(world, NULL, 0, "reseal db --recovery-key-file %s", recovery);
    assert_opens(world, "db", "a secret\n", 9);
    world_expect(world, NULL, 0, "reseal db");

    world_expect(world, NULL, 0, "remove db");
    gone = world_run(world, NULL, 0, "unseal db");
    g_assert_cmpint(gone->code, ==, CVS_EXIT_FAILED);
    assert_has(gone->err, "cvmseal list");
    world_expect(world, NULL, CVS_EXIT_FAILED, "remove db");
}

static void
test_sizes(gconstpointer daemon)
{
    g_autoptr(World) world = world_new(daemon != NULL);
    g_autofree char *big = g_malloc(65537);
    g_autoptr(Result) whole = NULL;
    g_autoptr(Result) too_large = NULL;
    g_autoptr(Result) generated = NULL;
    static const struct {
        const char *size;
        int code;
    } sizes[] = {
        {"0", 2}, {"1", 0},    {"65536", 0}, {"65537", 2},      {"-1", 2},
        {"", 2},  {"0x10", 2}, {"16k", 2},   {"4294967296", 2},
    };

    memset(big, 'x', 65537);
    world_expect(world, "", CVS_EXIT_USAGE, "seal empty");
    too_large = world_run(world, big, 65537, "seal large");
    g_assert_cmpint(too_large->code, ==, CVS_EXIT_USAGE);
    g_assert_cmpuint(world_count_keys(world), ==, 0);
    world_expect(world, "1", 0, "seal one");
    assert_opens(world, "one", "1", 1);
    whole = world_run(world, big, 65536, "seal whole");
    g_assert_cmpint(whole->code, ==, 0);
    assert_opens(world, "whole", big, 65536);

    for (gsize i = 0; i < G_N_ELEMENTS(sizes); i++)
        world_expect(world, NULL, sizes[i].code, "generate g --replace --size=%s", sizes[i].size);
    world_expect(world, NULL, CVS_EXIT_USAGE, "generate g --replace");
    generated = world_run(world, NULL, 0, "unseal g");
    g_assert_cmpuint(generated->out_size, ==, 65536);

    world_expect(world, "x", CVS_EXIT_FAILED, "seal one");
    assert_opens(world, "one", "1", 1);
    world_expect(world, "x", 0, "seal one --replace");
    assert_opens(world, "one", "x", 1);
}

static void
test_bad_input(gconstpointer daemon)
{
    g_autoptr(World) world = world_new(daemon != NULL);
    g_autofree char *long_name = g_strnfill(201, 'n');
    const char *const names[] = {"..", ".", "a/b", ".hidden", "", "a\nb", "ä", "a:b", long_name};
    static const char *const lines[] = {
        "seal",
        "seal a b",
        "seal db --nonsense",
        "seal db --pcrs 24",
        "seal db --pcrs 0+0",
        "seal db --pcrs",
        "seal db --bank sha1",
        "seal db --rtmrs 4",
        "seal db --rtmrs",
        "seal db --require report_id",
        "generate db --size 3 --require measurement,measurement",
        "seal db --policy ../x",
        "seal db --in",
        "seal db --recovery-key", /* nobody would see it */
        "seal db --pin",          /* nobody can be asked */
        "seal db --pin=1234",
        "nonsense",
        "unseal db --owner nobody",
        "reseal",
        "reseal db --all",
        "list db",
        "status db",
        "",
    };

    for (gsize i = 0; i < G_N_ELEMENTS(names); i++) {
        world_expect(world, "s", CVS_EXIT_USAGE, "seal %s", names[i]);
        world_expect(world, NULL, CVS_EXIT_USAGE, "unseal %s", names[i]);
        world_expect(world, NULL, CVS_EXIT_USAGE, "remove %s", names[i]);
        world_expect(world, NULL, CVS_EXIT_USAGE, "reseal %s", names[i]);
        world_expect(world, NULL, CVS_EXIT_USAGE, "show %s", names[i]);
        world_expect(world, NULL, CVS_EXIT_USAGE, "explain %s", names[i]);
        world_expect(world, NULL, CVS_EXIT_USAGE, "generate %s --size 1", names[i]);
    }
    for (gsize i = 0; i < G_N_ELEMENTS(lines); i++)
        world_expect(world, "s", CVS_EXIT_USAGE, "%s", lines[i]);
    g_assert_cmpuint(world_count_keys(world), ==, 0);

    /* A name may begin with a dash. */
    world_expect(world, "s", 0, "seal -- --json");
    assert_opens(world, "-- --json", "s", 1);
}

static void
test_files(gconstpointer daemon)
{
    g_autoptr(World) world = world_new(daemon != NULL);
    g_autofree char *in = world_write(world, "in", "from a file", -1);
    g_autofree char *out = world_path(world, "out");
    g_autofree char *missing = world_path(world, "missing");
    g_autofree char *text = NULL;
    g_autofree char *kept = NULL;
    GStatBuf st;

    world_expect(world, NULL, 0, "seal db --in %s", in);
    world_expect(world, NULL, CVS_EXIT_USAGE, "seal db --replace --in %s", missing);
    world_expect(world, NULL, CVS_EXIT_USAGE, "seal db --replace --in %s", world->dir);
    assert_opens(world, "db", "from a file", 11);

    world_expect(world, NULL, 0, "unseal db --out %s", out);
    g_assert_true(g_file_get_contents(out, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "from a file");
    g_assert_cmpint(g_stat(out, &st), ==, 0);
    g_assert_cmpint(st.st_mode & 07777, ==, 0600);
    g_assert_true(g_file_set_contents(out, "kept", -1, NULL));
    world_expect(world, NULL, CVS_EXIT_USAGE, "unseal db --out %s", out);
    g_assert_true(g_file_get_contents(out, &kept, NULL, NULL));
    g_assert_cmpstr(kept, ==, "kept");
    world_expect(world, NULL, 0, "unseal db --force --out %s", out);
    world_expect(world, NULL, CVS_EXIT_USAGE, "unseal db --out /dev/full");
    world_expect(world, NULL, CVS_EXIT_USAGE, "unseal db --force --out /dev/full");
    world_expect(world, NULL, CVS_EXIT_USAGE, "unseal db --out %s/x", missing);
    /* An existing file is no place for a recovery key. */
    world_expect(world, "x", CVS_EXIT_USAGE, "seal rk --recovery-key-out %s", out);
    world_expect(world, NULL, CVS_EXIT_FAILED, "show rk");
}

static void
assert_shell(World *world, const char *script, int code)
{
    g_autoptr(Result) result = world_run_shell(world, script);

    if (result->code != code)
        g_error("\"%s\" gave %d, not %d: %s%s", script, result->code, code, result->out,
                result->err);
}

static void
test_streams(gconstpointer daemon)
{
    g_autoptr(World) world = world_new(daemon != NULL);
    g_autofree char *out = world_path(world, "out");
    g_autofree char *with_out = g_strdup_printf("cvmseal unseal db --out %s 1>&- 2>&- <&-", out);
    g_autofree char *text = NULL;

    world_expect(world, "s", 0, "seal db");
    assert_shell(world, "cvmseal seal x <&-", CVS_EXIT_USAGE);
    assert_shell(world, "cvmseal seal x </", CVS_EXIT_USAGE);
    assert_shell(world, "cvmseal unseal db >/dev/full", CVS_EXIT_FAILED);
    assert_shell(world, "cvmseal unseal db >&-", CVS_EXIT_FAILED);
    assert_shell(world, "cvmseal unseal db | true", 0);
    assert_shell(world, "cvmseal list >/dev/full", CVS_EXIT_FAILED);
    assert_shell(world, "cvmseal list >&-", CVS_EXIT_FAILED);
    assert_shell(world, "cvmseal show db --json >/dev/full", CVS_EXIT_FAILED);
    assert_shell(world, "cvmseal unseal nothing 2>&-", CVS_EXIT_FAILED);
    /* Closed descriptors are not reused for the file. */
    assert_shell(world, with_out, 0);
    g_assert_true(g_file_get_contents(out, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "s");
}

static void
test_pin(gconstpointer daemon)
{
    g_autoptr(World) world = world_new(daemon != NULL);
    g_autofree char *pin = world_write(world, "pin", "2468\n", -1);
    g_autofree char *wrong = world_write(world, "wrong", "1357", -1);
    g_autofree char *empty = world_write(world, "empty", "\n", -1);
    g_autofree char *recovery = world_path(world, "recovery");
    g_autoptr(Result) required = NULL;
    g_autoptr(Result) opened = NULL;
    g_autoptr(Result) again = NULL;
    g_autoptr(Result) listed = NULL;

    world_expect(world, "s", CVS_EXIT_USAGE, "seal db --pin-file %s", empty);
    world_expect(world, "s", 0, "seal db --pin-file %s --recovery-key-out %s", pin, recovery);
    listed = world_run(world, NULL, 0, "list");
    assert_has(listed->out, "TPM + PIN, recovery");
    required = world_run(world, NULL, 0, "unseal db");
    g_assert_cmpint(required->code, ==, CVS_EXIT_REFUSED);
    assert_has(required->err, "--pin-file FILE");
    world_expect(world, NULL, CVS_EXIT_REFUSED, "unseal db --pin-file %s", wrong);
    opened = world_run(world, NULL, 0, "unseal db --pin-file %s", pin);
    g_assert_cmpint(opened->code, ==, 0);
    g_assert_cmpstr(opened->out, ==, "s");

    test_tpm_extend(world->tpm, 4, "another boot");
    world_expect(world, NULL, CVS_EXIT_REFUSED, "reseal db --recovery-key-file %s", recovery);
    world_expect(world, NULL, 0, "reseal db --recovery-key-file %s --pin-file %s", recovery, pin);
    again = world_run(world, NULL, 0, "unseal db --pin-file %s", pin);
    g_assert_cmpint(again->code, ==, 0);
}

static gboolean
any_waits(World *world)
{
    g_autoptr(Result) shown = world_run(world, NULL, 0, "show db --json");
    g_autoptr(json_t) json = world_json(shown->out);
    const json_t *slots = json_object_get(json, "slots");
    gboolean any = FALSE;

    for (gsize i = 0; i < json_array_size(slots); i++)
        any |= json_is_true(json_object_get(json_array_get(slots, i), "predicted"));
    return any;
}

/* A state that is prepared, and a PIN that the profile has come to forbid: both go if that is said.
 */
static void
test_reseal_drop(gconstpointer daemon)
{
    g_autoptr(World) world = world_new(daemon != NULL);
    g_autofree char *pin = world_write(world, "pin", "123456", -1);
    g_autofree char *value = g_strnfill(64, 'a');
    g_autofree char *text = g_strdup_printf("{\"pcrs\":{\"sha256\":{\"7\":\"%s\"}}}", value);
    g_autofree char *to = world_write(world, "to.json", text, -1);
    g_autofree char *profile = g_build_filename(world->policies, "default.policy", NULL);
    g_autoptr(Result) prepared = NULL;
    g_autoptr(Result) refused = NULL;
    g_autoptr(Result) explained = NULL;

    world_expect(world, "s", 0, "seal db --pcrs 7 --pin-file %s", pin);
    prepared = world_run(world, NULL, 0, "reseal db --pin-file %s --to %s", pin, to);
    g_assert_cmpint(prepared->code, ==, 0);
    assert_has(prepared->out, "Sealed \"db\" to the state in");
    g_assert_true(any_waits(world));

    g_assert_true(
        g_file_set_contents(profile, "[Registers]\nPCRs=7\n[Secrets]\nPIN=forbidden\n", -1, NULL));
    refused = world_run(world, NULL, 0, "reseal db --pin-file %s", pin);
    g_assert_cmpint(refused->code, ==, CVS_EXIT_REFUSED);
    assert_has(refused->err, "--drop pin");
    explained = world_run(world, NULL, 0, "explain db");
    assert_has(explained->out, "--drop pin");
    assert_has(explained->out, "for a state to come");
    world_expect(world, NULL, CVS_EXIT_USAGE, "reseal db --pin-file %s --drop pin,pin", pin);
    world_expect(world, NULL, 0, "reseal db --pin-file %s --drop pin", pin);
    g_assert_true(any_waits(world));
    world_expect(world, NULL, 0, "unseal db");
    g_assert_true(any_waits(world));
    world_expect(world, NULL, 0, "reseal db --drop prepared,pin");
    g_assert_false(any_waits(world));
}

static void
test_reseal_all(gconstpointer daemon)
{
    g_autoptr(World) world = world_new(daemon != NULL);
    g_autofree char *bad = world_key_path(world, "bad");
    g_autoptr(Result) all = NULL;
    g_autoptr(Result) as_json = NULL;
    g_autoptr(json_t) json = NULL;
    const json_t *keys = NULL;

    world_expect(world, "1", 0, "seal same --pcrs 0");
    world_expect(world, "2", 0, "seal changed --pcrs 7");
    world_expect(world, NULL, 0, "reseal --all");
    test_tpm_extend(world->tpm, 7, "another boot");
    all = world_run(world, NULL, 0, "reseal --all");
    g_assert_cmpint(all->code, ==, CVS_EXIT_REFUSED);
    g_assert_cmpstr(all->out, ==, "Resealed \"same\".\n");
    assert_has(all->err, "cannot reseal \"changed\"");

    /* The worst of all: 5 beats 3. */
    g_assert_true(g_file_set_contents(bad, "junk", -1, NULL));
    as_json = world_run(world, NULL, 0, "reseal --all --json");
    g_assert_cmpint(as_json->code, ==, CVS_EXIT_MALFORMED);
    json = world_json(as_json->out);
    keys = json_object_get(json, "keys");
    g_assert_cmpuint(json_array_size(keys), ==, 3);
    g_assert_cmpstr(string_of(json_array_get(keys, 0), "name"), ==, "bad");
    g_assert_cmpstr(string_of(json_object_get(json_array_get(keys, 0), "error"), "name"), ==,
                    "BadFormat");
    g_assert_cmpstr(string_of(json_object_get(json_array_get(keys, 1), "error"), "name"), ==,
                    "PcrMismatch");
    g_assert_true(json_is_true(json_object_get(json_array_get(keys, 2), "resealed")));
    world_expect(world, NULL, CVS_EXIT_MALFORMED, "show bad");
    world_expect(world, NULL, CVS_EXIT_MALFORMED, "unseal bad");
    world_expect(world, NULL, 0, "list");
    world_expect(world, NULL, 0, "remove bad");
}

/* What each command writes with --json, member by member. */
static void
test_json(gconstpointer daemon)
{
    g_autoptr(World) world = world_new(daemon != NULL);
    g_autofree char *recovery = world_path(world, "recovery");
    g_autofree char *owner = g_strdup_printf("uid:%u", (guint)geteuid());
    Result *results[8] = {NULL};
    g_autoptr(json_t) sealed = NULL;
    g_autoptr(json_t) listed = NULL;
    g_autoptr(json_t) shown = NULL;
    g_autoptr(json_t) explained = NULL;
    g_autoptr(json_t) status = NULL;
    g_autoptr(json_t) removed = NULL;
    g_autoptr(json_t) usage = NULL;
    g_autoptr(json_t) missing = NULL;
    const json_t *key = NULL;

    results[0] = world_run(world, "abc", 3,
                           "--json seal db --pcrs 7 --bank sha384 "
                           "--recovery-key-out %s",
                           recovery);
    sealed = world_json(results[0]->out);
    g_assert_cmpstr(string_of(sealed, "name"), ==, "db");
    g_assert_cmpuint(strlen(string_of(sealed, "id")), ==, 32);

    results[1] = world_run(world, NULL, 0, "list --json");
    listed = world_json(results[1]->out);
    g_assert_cmpuint(json_array_size(json_object_get(listed, "keys")), ==, 1);
    key = json_array_get(json_object_get(listed, "keys"), 0);
    g_assert_cmpstr(string_of(key, "name"), ==, "db");
    g_assert_cmpstr(string_of(key, "owner"), ==, owner);
    g_assert_cmpstr(string_of(key, "id"), ==, string_of(sealed, "id"));
    g_assert_cmpint(json_integer_value(json_object_get(key, "size")), ==, 3);
    g_assert_cmpint(json_integer_value(json_object_get(key, "created")), >, 1700000000);
    g_assert_cmpstr(string_of(key, "pcrs"), ==, "7");
    g_assert_cmpstr(string_of(key, "bank"), ==, "sha384");
    g_assert_cmpstr(string_of(key, "profile"), ==, "default");
    g_assert_true(json_is_false(json_object_get(key, "pin")));
    g_assert_true(json_is_true(json_object_get(key, "recovery")));
    g_assert_null(json_object_get(key, "slots"));

    results[2] = world_run(world, NULL, 0, "show db --json");
    shown = world_json(results[2]->out);
    g_assert_cmpuint(json_array_size(json_object_get(shown, "slots")), ==, 2);
    key = json_array_get(json_object_get(shown, "slots"), 0);
    g_assert_cmpstr(string_of(key, "kind"), ==, "tpm2");
    g_assert_cmpint(json_integer_value(json_object_get(key, "generation")), ==, 1);
    g_assert_cmpstr(string_of(key, "bank"), ==, "sha384");
    key = json_array_get(json_object_get(shown, "slots"), 1);
    g_assert_cmpstr(string_of(key, "kind"), ==, "recovery");

    results[3] = world_run(world, NULL, 0, "explain db --json");
    explained = world_json(results[3]->out);
    g_assert_true(json_is_true(json_object_get(explained, "opens")));

    results[4] = world_run(world, NULL, 0, "status --json");
    g_assert_cmpint(results[4]->code, ==, 0);
    status = world_json(results[4]->out);
    g_assert_true(json_is_true(json_object_get(status, "tpm-available")));
    g_assert_cmpuint(strlen(string_of(status, "tpm-srk-name")), ==, 68);
    g_assert_cmpstr(json_string_value(json_array_get(json_object_get(status, "tpm-banks"), 0)), ==,
                    "sha256");
    g_assert_cmpstr(string_of(status, "lock2"), ==, "unmeasured");
    /* There is no TEE here, which is no failure. */
    world_expect(world, NULL, daemon ? 0 : 2, "status --refresh");
    world_expect(world, NULL, daemon ? 1 : 2, "status --refresh");

    results[5] = world_run(world, NULL, 0, "remove db --json");
    removed = world_json(results[5]->out);
    g_assert_true(json_is_true(json_object_get(removed, "removed")));

    /* Errors: on stdout, with nothing on stderr, also those of the parser. */
    results[6] = world_run(world, NULL, 0, "show --json");
    g_assert_cmpint(results[6]->code, ==, CVS_EXIT_USAGE);
    (void)assert_json_error(results[6]->out, "InvalidArgument", &usage);
    g_assert_cmpstr(results[6]->err, ==, "");
    results[7] = world_run(world, NULL, 0, "show db --json");
    g_assert_cmpint(results[7]->code, ==, CVS_EXIT_FAILED);
    (void)assert_json_error(results[7]->out, "NoSuchKey", &missing);
    g_assert_cmpstr(results[7]->err, ==, "");
    for (gsize i = 0; i < G_N_ELEMENTS(results); i++)
        result_free(results[i]);
}

static void
test_recover(void)
{
    g_autoptr(World) world = world_new(FALSE);
    g_autofree char *right = world_path(world, "right");
    g_autofree char *wrong = world_path(world, "wrong");
    g_autofree char *short_key = world_write(world, "short", "cbdefghi-cbdefghi\n", -1);
    g_autofree char *key = world_key_path(world, "db");
    g_autofree char *backup = NULL;
    g_autofree char *out = world_path(world, "out");
    g_autofree char *text = NULL;
    g_autofree char *no_recovery = NULL;
    g_autofree char *big = g_malloc0(CVS_KEY_FILE_MAX + 1);
    g_autofree char *too_big = world_write(world, "big", big, CVS_KEY_FILE_MAX + 1);
    g_autoptr(Result) opened = NULL;
    g_autoptr(Result) refused = NULL;
    g_autoptr(json_t) json = NULL;
    gsize size = 0;

    world_expect(world, "a secret", 0, "seal db --recovery-key-out %s", right);
    world_expect(world, "x", 0, "seal other --recovery-key-out %s", wrong);
    world_expect(world, "x", 0, "seal none");
    no_recovery = world_key_path(world, "none");
    g_assert_true(g_file_get_contents(key, &text, &size, NULL));
    backup = world_write(world, "backup", text, (gssize)size);

    /* No TPM and no vault: without the common options. */
    opened = world_run_plain(world, "recover %s --recovery-key-file %s", backup, right);
    g_assert_cmpint(opened->code, ==, 0);
    g_assert_cmpstr(opened->out, ==, "a secret");
    refused = world_run_plain(world, "recover %s --recovery-key-file %s --json", backup, wrong);
    g_assert_cmpint(refused->code, ==, CVS_EXIT_NOT_AUTHORIZED);
    g_assert_cmpuint(refused->out_size, ==, 0);
    (void)assert_json_error(refused->err, "NotAuthorized", &json);

    world_expect(world, NULL, 0, "recover %s --recovery-key-file %s --out %s", backup, right, out);
    world_expect(world, NULL, CVS_EXIT_USAGE, "recover %s --recovery-key-file %s --out %s", backup,
                 right, out);
    world_expect(world, NULL, CVS_EXIT_USAGE, "recover %s --recovery-key-file %s", backup,
                 short_key);
    world_expect(world, NULL, CVS_EXIT_USAGE, "recover %s", backup); /* nobody to ask */
    world_expect(world, NULL, CVS_EXIT_USAGE, "recover %s --recovery-key-file %s", world->dir,
                 right);
    world_expect(world, NULL, CVS_EXIT_USAGE, "recover %s --recovery-key-file %s", too_big, right);
    world_expect(world, NULL, CVS_EXIT_NOT_AUTHORIZED, "recover %s --recovery-key-file %s",
                 no_recovery, right);

    /* Cut short, and one character changed. */
    for (gsize cut = 0; cut < size; cut += size / 7 + 1) {
        g_autofree char *damaged = world_write(world, "damaged", text, (gssize)cut);

        world_expect(world, NULL, cut == 0 ? CVS_EXIT_USAGE : CVS_EXIT_MALFORMED,
                     "recover %s --recovery-key-file %s", damaged, right);
    }
    {
        g_autofree char *copy = g_strdup(text);
        g_autofree char *damaged = NULL;
        char *at = strstr(copy, "\"ciphertext\"");

        at = strchr(strchr(at, ':'), '"') + 1;
        *at = *at == 'A' ? 'B' : 'A';
        damaged = world_write(world, "damaged", copy, (gssize)size);
        world_expect(world, NULL, CVS_EXIT_MALFORMED, "recover %s --recovery-key-file %s", damaged,
                     right);
    }
}

static void
test_no_daemon(void)
{
    g_autoptr(World) world = world_new(TRUE);
    g_autoptr(Result) session = NULL;
    g_autoptr(Result) refused = NULL;
    g_autoptr(Result) no_bus = NULL;

    /* The bus of the test is the session's too. */
    session = world_run_plain(world, "list --bus session");
    g_assert_cmpint(session->code, ==, 0);
    g_subprocess_send_signal(world->daemon, SIGTERM);
    g_assert_true(g_subprocess_wait(world->daemon, NULL, NULL));
    refused = world_run(world, NULL, 0, "unseal db");
    g_assert_cmpint(refused->code, ==, CVS_EXIT_FAILED);
    assert_has(refused->err, "cvmseald does not run");
    assert_has(refused->err, "systemctl start cvmseald");
    assert_has(refused->err, "--direct");
    no_bus = world_run_plain(world, "list --bus unix:path=/nonexistent");
    g_assert_cmpint(no_bus->code, ==, CVS_EXIT_FAILED);
    assert_has(no_bus->err, "unix:path=/nonexistent");
}

static void
test_not_authorized(void)
{
    g_autoptr(World) world = NULL;
    g_autoptr(Result) refused = NULL;

    if (geteuid() != 0) {
        g_test_skip("needs root, to be another user");
        return;
    }
    world = world_new(FALSE);
    world_expect(world, "s", 0, "seal db");
    /* The test's folder is closed to others, as the vault is. */
    refused = world_run_as(world, 2001, "unseal db --owner uid:0");
    g_assert_cmpint(refused->code, ==, CVS_EXIT_NOT_AUTHORIZED);
    g_assert_cmpuint(refused->out_size, ==, 0);
    assert_has(refused->err, "--direct needs root");
}

static void
test_owners_direct(void)
{
    g_autoptr(World) world = world_new(FALSE);
    g_autoptr(Result) listed = NULL;
    g_autoptr(Result) mine = NULL;

    world_expect(world, "1", 0, "seal k --owner system");
    world_expect(world, "2", 0, "seal k --owner unit:web.service");
    world_expect(world, "3", 0, "seal k --owner uid:4242");
    world_expect(world, NULL, CVS_EXIT_FAILED, "unseal k");
    listed = world_run(world, NULL, 0, "list --all");
    assert_has(listed->out, "system ");
    assert_has(listed->out, "unit:web.service ");
    assert_has(listed->out, "uid:4242 ");
    mine = world_run(world, NULL, 0, "list");
    assert_has(mine->out, "You have no keys.");
    assert_opens(world, "k --owner unit:web.service", "2", 1);
}

/* More keys than the daemon puts into one answer. All but one are copies, which are listed with an
 * error. */
static void
test_long_list(void)
{
    g_autoptr(World) world = world_new(TRUE);
    g_autofree char *first = world_key_path(world, "k00000");
    g_autoptr(Result) listed = NULL;
    g_autoptr(json_t) json = NULL;
    const json_t *keys = NULL;

    world_expect(world, NULL, 0, "generate k00000 --size 4");
    for (guint i = 1; i <= 10000; i++) {
        g_autofree char *name = g_strdup_printf("k%05u", i);
        g_autofree char *path = world_key_path(world, name);

        g_assert_cmpint(link(first, path), ==, 0);
    }
    listed = world_run(world, NULL, 0, "list --json");
    g_assert_cmpint(listed->code, ==, 0);
    json = world_json(listed->out);
    keys = json_object_get(json, "keys");
    g_assert_cmpuint(json_array_size(keys), ==, 10001);
    for (guint i = 0; i <= 10000; i++) {
        g_autofree char *name = g_strdup_printf("k%05u", i);

        g_assert_cmpstr(json_string_value(json_object_get(json_array_get(keys, i), "name")), ==,
                        name);
    }
}

static void
test_status_without_tpm(void)
{
    g_autoptr(World) world = world_new(FALSE);
    g_autoptr(Result) text = world_run_plain(
        world, "status --direct --tcti swtpm:path=/nonexistent --vault %s", world->vault);
    g_autoptr(Result) sealing = world_run_plain(
        world,
        "generate k --size 4 --direct --tcti swtpm:path=/nonexistent --vault %s --policies %s",
        world->vault, world->policies);

    g_assert_cmpint(text->code, ==, CVS_EXIT_FAILED);
    assert_has(text->out, "not available");
    /* The library's own complaints are not heard. */
    g_assert_cmpstr(text->err, ==, "");
    g_assert_cmpint(sealing->code, ==, CVS_EXIT_FAILED);
    g_assert_cmpuint(world_count_keys(world), ==, 0);
}

/* The daemon's own configuration; options go before it, and what is wrong in it is said. */
static void
test_direct_config(void)
{
    g_autoptr(World) world = world_new(FALSE);
    g_autofree char *other = g_build_filename(world->dir, "other", NULL);
    g_autofree char *text = g_strdup_printf("[Daemon]\nTCTI=%s\nVaultDir=%s\n",
                                            test_tpm_port(world->tpm, "config"), other);
    g_autofree char *config = world_write(world, "cvmseal.conf", text, -1);
    g_autofree char *bad = world_write(world, "bad.conf", "[Daemon]\nVaultDir=here\n", -1);
    g_autoptr(Result) sealed = world_run_plain(
        world, "generate k --size 4 --direct --config %s --policies %s", config, world->policies);
    g_autoptr(Result) there = world_run_plain(world, "list --direct --config %s", config);
    g_autoptr(Result) here = NULL;
    g_autoptr(Result) refused = world_run_plain(world, "list --direct --config %s", bad);
    g_autoptr(Result) missing = world_run_plain(world, "list --direct --config %s/none", other);

    g_assert_cmpint(sealed->code, ==, 0);
    assert_has(there->out, "k ");
    g_assert_cmpuint(world_count_keys(world), ==, 0);
    world_expect(world, NULL, 0, "generate mine --size 4");
    here = world_run_plain(world, "list --direct --config %s --vault %s", config, world->vault);
    assert_has(here->out, "mine ");
    g_assert_cmpint(refused->code, ==, CVS_EXIT_MALFORMED);
    assert_has(refused->err, "VaultDir");
    assert_has(refused->err, "bad.conf");
    g_assert_cmpint(missing->code, ==, CVS_EXIT_FAILED);
}

static void
test_help(void)
{
    static const char *const commands[] = {"status", "seal",    "generate", "unseal", "list",
                                           "show",   "explain", "reseal",   "remove", "recover"};
    g_autoptr(World) world = world_new(FALSE);
    g_autoptr(Result) all = world_run_plain(world, "--help");
    g_autoptr(Result) version = world_run_plain(world, "--version");

    g_assert_cmpint(all->code, ==, 0);
    for (gsize i = 0; i < G_N_ELEMENTS(commands); i++) {
        g_autoptr(Result) one = world_run_plain(world, "%s --help", commands[i]);
        g_autofree char *line = g_strdup_printf("\n  %s ", commands[i]);
        g_autofree char *usage = g_strdup_printf("cvmseal %s ", commands[i]);

        assert_has(all->out, line);
        g_assert_cmpint(one->code, ==, 0);
        assert_has(one->out, usage);
        g_assert_cmpstr(one->err, ==, "");
    }
    g_assert_cmpint(version->code, ==, 0);
    g_assert_true(g_str_has_prefix(version->out, "cvmseal 0."));
}

static void
assert_exit(Pty *pty, int code)
{
    int status = pty_wait(pty);

    if (!WIFEXITED(status) || WEXITSTATUS(status) != code)
        g_error("status %x, not exit code %d: %s", (guint)status, code, pty_seen(pty));
}

/* Neither in the arguments nor in the environment of the process. */
static void
assert_not_in_process(Pty *pty, const char *secret)
{
    static const char *const files[] = {"cmdline", "environ"};

    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_strdup_printf("/proc/%d/%s", (int)pty_pid(pty), files[i]);
        g_autofree char *data = NULL;
        gsize size = 0;

        g_assert_true(g_file_get_contents(path, &data, &size, NULL));
        g_assert_cmpuint(size, >, 0);
        g_assert_null(memmem(data, size, secret, strlen(secret)));
    }
}

static void
test_terminal(gconstpointer daemon)
{
    g_autoptr(World) world = world_new(daemon != NULL);
    g_autoptr(Pty) seal = NULL;
    g_autoptr(Pty) unseal = NULL;
    g_autoptr(Pty) refused = NULL;
    g_autoptr(Pty) forced = NULL;
    g_autoptr(Pty) reseal = NULL;
    g_autofree char *out = world_path(world, "out");
    g_autofree char *recovery = NULL;
    g_autofree char *text = NULL;
    const char *at = NULL;

    seal = world_run_on_terminal(world, "seal db --pin --recovery-key");
    pty_expect(seal, "Secret for \"db\": ");
    pty_type(seal, "hunter2\n");
    pty_expect(seal, "Again: Secret for \"db\": ");
    pty_type(seal, "hunter2\n");
    pty_expect(seal, "New PIN for \"db\": ");
    assert_not_in_process(seal, "hunter2");
    pty_type(seal, "97531\n");
    pty_expect(seal, "Again: New PIN for \"db\": ");
    assert_not_in_process(seal, "97531");
    pty_type(seal, "97531\n");
    pty_expect(seal, "Recovery key for \"db\":");
    pty_expect(seal, "Sealed \"db\" (7 B).");
    assert_exit(seal, 0);
    g_assert_null(strstr(pty_seen(seal), "hunter2"));
    g_assert_null(strstr(pty_seen(seal), "97531"));
    at = strstr(strstr(pty_seen(seal), "Recovery key for"), "\n    ") + 5;
    recovery = g_strndup(at, CVS_RECOVERY_KEY_LENGTH);
    g_assert_cmpuint(strspn(recovery, "cbdefghijklnrtuv-"), ==, CVS_RECOVERY_KEY_LENGTH);

    /* A secret is not printed, and the PIN is not even asked for. */
    refused = world_run_on_terminal(world, "unseal db");
    pty_expect(refused, "not printed to a terminal");
    assert_exit(refused, CVS_EXIT_USAGE);

    unseal = world_run_on_terminal(world, "unseal db --out %s", out);
    pty_expect(unseal, "PIN for \"db\": ");
    g_assert_false(pty_echoes(unseal));
    pty_type(unseal, "97531\n");
    assert_exit(unseal, 0);
    g_assert_true(g_file_get_contents(out, &text, NULL, NULL));
    g_assert_cmpstr(text, ==, "hunter2");
    g_assert_null(strstr(pty_seen(unseal), "97531"));
    g_assert_null(strstr(pty_seen(unseal), "hunter2"));

    forced = world_run_on_terminal(world, "unseal db --force --pin");
    pty_expect(forced, "PIN for \"db\": ");
    pty_type(forced, "97531\n");
    pty_expect(forced, "hunter2");
    assert_exit(forced, 0);

    test_tpm_extend(world->tpm, 7, "another boot");
    reseal = world_run_on_terminal(world, "reseal db --recovery-key");
    pty_expect(reseal, "Recovery key for \"db\": ");
    pty_type(reseal, recovery);
    pty_type(reseal, "\n");
    pty_expect(reseal, "New PIN for \"db\": ");
    pty_type(reseal, "86420\n");
    pty_expect(reseal, "Again: ");
    pty_type(reseal, "86420\n");
    pty_expect(reseal, "Resealed \"db\".");
    assert_exit(reseal, 0);
    g_assert_null(strstr(pty_seen(reseal), recovery));
    g_assert_null(strstr(pty_seen(reseal), "86420"));
}

/* ^C at a question: nothing is sealed, and the terminal is as it was. */
static void
test_interrupted(void)
{
    g_autoptr(World) world = world_new(FALSE);
    g_autoptr(Pty) pty = world_run_on_terminal(world, "seal db --pin");
    int status = 0;

    pty_expect(pty, "Secret for \"db\": ");
    pty_type(pty, "hunter2\n");
    pty_expect(pty, "Again: ");
    pty_type(pty, "hunt\003");
    status = pty_wait(pty);
    g_assert_true(WIFSIGNALED(status));
    g_assert_cmpint(WTERMSIG(status), ==, SIGINT);
    g_assert_true(pty_echoes(pty));
    g_assert_cmpuint(world_count_keys(world), ==, 0);
}

/* Over both ways to do it: the same words, codes and results. */
static void
add_both(const char *name, void (*test)(gconstpointer))
{
    g_autofree char *direct = g_strconcat("/cli/direct/", name, NULL);
    g_autofree char *daemon = g_strconcat("/cli/daemon/", name, NULL);

    g_test_add_data_func(direct, NULL, test);
    g_test_add_data_func(daemon, "", test);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    add_both("life", test_life);
    add_both("sizes", test_sizes);
    add_both("bad-input", test_bad_input);
    add_both("files", test_files);
    add_both("streams", test_streams);
    add_both("pin", test_pin);
    add_both("reseal-drop", test_reseal_drop);
    add_both("reseal-all", test_reseal_all);
    add_both("json", test_json);
    add_both("terminal", test_terminal);
    g_test_add_func("/cli/recover", test_recover);
    g_test_add_func("/cli/no-daemon", test_no_daemon);
    g_test_add_func("/cli/not-authorized", test_not_authorized);
    g_test_add_func("/cli/owners-direct", test_owners_direct);
    g_test_add_func("/cli/long-list", test_long_list);
    g_test_add_func("/cli/direct-config", test_direct_config);
    g_test_add_func("/cli/status-without-tpm", test_status_without_tpm);
    g_test_add_func("/cli/help", test_help);
    g_test_add_func("/cli/interrupted", test_interrupted);
    return g_test_run();
}
