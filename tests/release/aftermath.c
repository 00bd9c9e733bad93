/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/aftermath.h"
#include "base/error.h"
#include "base/hex.h"
#include "sim/test-tpm.h"

#include <glib/gstdio.h>
#include <string.h>

#define NEXT "the next secret"
/* 0 and 2: fewer than the profile selects, so that what replaces the key has another record. */
#define OLD_PCRS 5u

struct _Aftermath {
    char *vault;
    char *folder;
    char *key_path;
    const char *folders[2];
    CvsTpm *tpm;
    CvsOwner owner;
    /* Path in the vault's folder "keys" to GBytes. */
    GHashTable *without;  /* no "key" */
    GHashTable *with;     /* one of one slot */
    GHashTable *resealed; /* one of two */
};

static const CvsOwner system_owner = {.kind = CVS_OWNER_SYSTEM};

const char *
operation_name(Operation operation)
{
    static const char *const names[N_OPERATIONS] = {
        "first-seal", "seal", "replace", "reseal", "remove", "drop",
    };

    return names[operation];
}

static CvsStore *
open_store(Aftermath *aftermath, gboolean create)
{
    g_autoptr(GError) error = NULL;
    CvsStore *store = cvs_store_open(aftermath->vault, create, &error);

    if (store == NULL && (create || !g_error_matches(error, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY)))
        g_error("the vault does not open: %s", error->message);
    return store;
}

static CvsRelease
release_of(Aftermath *aftermath, CvsStore *store)
{
    return (CvsRelease){
        .tpm = aftermath->tpm,
        .store = store,
        .profile_folders = aftermath->folders,
        .lock_timeout_ms = 0,
    };
}

/* Changes; each must succeed. */

static void
seal(Aftermath *aftermath, const CvsOwner *owner, const char *name, const char *text, guint32 pcrs,
     gboolean replace, const char *when)
{
    g_autoptr(CvsStore) store = open_store(aftermath, TRUE);
    const CvsRelease release = release_of(aftermath, store);
    const CvsSealOptions options = {.pcrs = pcrs, .replace = replace};
    g_autoptr(CvsSecret) secret = cvs_secret_new_copy(text, strlen(text));
    g_autoptr(GError) error = NULL;
    g_autofree char *id = NULL;

    if (!cvs_release_seal(&release, owner, name, secret, &options, &id, &error))
        g_error("%s: cannot seal afterwards: %s", when, error->message);
}

static void
reseal(Aftermath *aftermath, const char *when)
{
    g_autoptr(CvsStore) store = open_store(aftermath, FALSE);
    const CvsRelease release = release_of(aftermath, store);
    const CvsResealOptions options = {0};
    g_autoptr(GError) error = NULL;

    if (!cvs_release_reseal(&release, &aftermath->owner, AFTERMATH_KEY, &options, &error))
        g_error("%s: cannot reseal afterwards: %s", when, error->message);
}

static void
remove_key(Aftermath *aftermath, const char *when)
{
    g_autoptr(CvsStore) store = open_store(aftermath, FALSE);
    const CvsRelease release = release_of(aftermath, store);
    g_autoptr(GError) error = NULL;

    if (!cvs_release_remove(&release, &aftermath->owner, AFTERMATH_KEY, &error))
        g_error("%s: cannot remove afterwards: %s", when, error->message);
}

static gboolean
unseal(Aftermath *aftermath, CvsStore *store, const CvsOwner *owner, const char *name,
       char **ret_text, GError **error)
{
    const CvsRelease release = release_of(aftermath, store);
    g_autoptr(CvsSecret) secret = cvs_release_unseal(&release, owner, name, NULL, error);

    if (secret)
        *ret_text = g_strndup((const char *)cvs_secret_data(secret), cvs_secret_size(secret));
    return secret != NULL;
}

/* The secret's text; NULL if there is no key. */
static char *
open_key(Aftermath *aftermath, CvsStore *store, const char *when)
{
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    if (!unseal(aftermath, store, &aftermath->owner, AFTERMATH_KEY, &text, &error) &&
        !g_error_matches(error, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY))
        g_error("%s: the key does not open: %s", when, error->message);
    return text;
}

/* Images of the vault */

static void
read_folder(GHashTable *image, const char *keys, const char *folder)
{
    g_autofree char *path = g_build_filename(keys, folder, NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name = NULL;

    g_assert_nonnull(dir);
    while ((name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *file = g_build_filename(path, name, NULL);
        char *data = NULL;
        gsize size = 0;

        g_assert_true(g_file_get_contents(file, &data, &size, NULL));
        g_hash_table_insert(image, g_build_filename(folder, name, NULL),
                            g_bytes_new_take(data, size));
    }
}

static GHashTable *
take_image(Aftermath *aftermath)
{
    GHashTable *image =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)g_bytes_unref);
    g_autofree char *keys = g_build_filename(aftermath->vault, "keys", NULL);
    g_autoptr(GDir) dir = g_dir_open(keys, 0, NULL);
    const char *folder = NULL;

    while (dir && (folder = g_dir_read_name(dir)) != NULL)
        read_folder(image, keys, folder);
    return image;
}

static void
put_image(Aftermath *aftermath, GHashTable *image)
{
    g_autoptr(GHashTable) there = take_image(aftermath);
    GHashTableIter iter;
    gpointer name = NULL, content = NULL;

    g_hash_table_iter_init(&iter, there);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        g_autofree char *path = g_build_filename(aftermath->vault, "keys", name, NULL);

        g_assert_cmpint(g_unlink(path), ==, 0);
    }
    g_hash_table_iter_init(&iter, image);
    while (g_hash_table_iter_next(&iter, &name, &content)) {
        g_autofree char *path = g_build_filename(aftermath->vault, "keys", name, NULL);
        g_autofree char *folder = g_path_get_dirname(path);

        g_assert_cmpint(g_mkdir_with_parents(folder, 0700), ==, 0);
        g_assert_true(g_file_set_contents(path, g_bytes_get_data(content, NULL),
                                          (gssize)g_bytes_get_size(content), NULL));
    }
}

Aftermath *
aftermath_new(const char *tcti, const char *policies, const char *vault, const CvsOwner *owner)
{
    Aftermath *aftermath = g_new0(Aftermath, 1);
    g_autofree char *folder = cvs_owner_folder(owner);

    aftermath->vault = g_strdup(vault);
    aftermath->folder = g_build_filename(vault, "keys", folder, NULL);
    aftermath->key_path = g_build_filename(aftermath->folder, AFTERMATH_KEY, NULL);
    aftermath->folders[0] = g_strdup(policies);
    aftermath->tpm = cvs_tpm_new(tcti);
    aftermath->owner = *owner;

    seal(aftermath, owner, "other", "of another key", 0, FALSE, "at first");
    seal(aftermath, owner, "key.other", "of yet another", 0, FALSE, "at first");
    seal(aftermath, &system_owner, AFTERMATH_KEY, "of the system", 0, FALSE, "at first");
    aftermath->without = take_image(aftermath);
    seal(aftermath, owner, AFTERMATH_KEY, AFTERMATH_OLD, OLD_PCRS, FALSE, "at first");
    aftermath->with = take_image(aftermath);
    reseal(aftermath, "at first");
    aftermath->resealed = take_image(aftermath);
    return aftermath;
}

void
aftermath_free(Aftermath *aftermath)
{
    g_hash_table_unref(aftermath->without);
    g_hash_table_unref(aftermath->with);
    g_hash_table_unref(aftermath->resealed);
    cvs_tpm_free(aftermath->tpm);
    g_free((char *)aftermath->folders[0]);
    g_free(aftermath->key_path);
    g_free(aftermath->folder);
    g_free(aftermath->vault);
    g_free(aftermath);
}

static GHashTable *
image_before(Aftermath *aftermath, Operation operation)
{
    switch (operation) {
    case OPERATION_REPLACE:
    case OPERATION_RESEAL:
    case OPERATION_REMOVE:
        return aftermath->with;
    case OPERATION_DROP:
        return aftermath->resealed;
    default:
        return aftermath->without;
    }
}

void
aftermath_prepare(Aftermath *aftermath, Operation operation)
{
    if (operation == OPERATION_FIRST) {
        if (g_file_test(aftermath->vault, G_FILE_TEST_EXISTS))
            test_remove_tree(aftermath->vault);
    } else {
        put_image(aftermath, image_before(aftermath, operation));
    }
}

gboolean
aftermath_do(Aftermath *aftermath, Operation operation, GError **error)
{
    g_autoptr(CvsStore) store =
        cvs_store_open(aftermath->vault, operation == OPERATION_FIRST, error);
    const CvsRelease release = release_of(aftermath, store);
    const CvsSealOptions options = {.replace = operation == OPERATION_REPLACE};
    const CvsResealOptions reseal_options = {0};
    g_autoptr(CvsSecret) secret = cvs_secret_new_copy(AFTERMATH_NEW, strlen(AFTERMATH_NEW));
    g_autofree char *text = NULL;

    if (store == NULL)
        return FALSE;
    switch (operation) {
    case OPERATION_RESEAL:
        return cvs_release_reseal(&release, &aftermath->owner, AFTERMATH_KEY, &reseal_options,
                                  error);
    case OPERATION_REMOVE:
        return cvs_release_remove(&release, &aftermath->owner, AFTERMATH_KEY, error);
    case OPERATION_DROP:
        return unseal(aftermath, store, &aftermath->owner, AFTERMATH_KEY, &text, error);
    default:
        return cvs_release_seal(&release, &aftermath->owner, AFTERMATH_KEY, secret, &options, &text,
                                error);
    }
}

/* What is there */

static gboolean
same_file(GHashTable *a, GHashTable *b, const char *name)
{
    GBytes *in_a = g_hash_table_lookup(a, name);
    GBytes *in_b = g_hash_table_lookup(b, name);

    return in_a == in_b || (in_a && in_b && g_bytes_equal(in_a, in_b));
}

/* Of the files that are not the key's own. */
static void
check_others(Aftermath *aftermath, GHashTable *there, const char *when)
{
    GHashTableIter iter;
    gpointer name = NULL;

    g_hash_table_iter_init(&iter, aftermath->without);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        if (!same_file(there, aftermath->without, name))
            g_error("%s: %s is not what it was", when, (const char *)name);
    }
}

/* Each entry is a key, and whatever record a slot names is there, and is the one that it names. */
static void
check_list(Aftermath *aftermath, CvsStore *store, gboolean first, gboolean has_key,
           const char *when)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) entries = cvs_store_list(store, NULL, &error);
    guint wanted = (first ? 0 : 3) + has_key;

    g_assert_no_error(error);
    if (entries->len != wanted)
        g_error("%s: %u keys are listed, not %u", when, entries->len, wanted);
    for (guint i = 0; i < entries->len; i++) {
        const CvsStoreEntry *entry = g_ptr_array_index(entries, i);

        if (entry->error)
            g_error("%s: %s is listed with an error: %s", when, entry->name, entry->error->message);
        for (guint n = 0; n < cvs_key_file_get_n_slots(entry->key); n++) {
            const CvsTpm2Slot *slot = cvs_key_file_get_tpm2_slot(entry->key, n);
            g_autoptr(GBytes) record = NULL;

            g_assert_nonnull(slot);
            record = cvs_store_load_state(store, &entry->owner, entry->name, slot->state, &error);
            if (record == NULL)
                g_error("%s: a record of %s is lost: %s", when, entry->name, error->message);
        }
    }
}

/* Whether the key is the new one; of a reseal or drop, whose bytes nobody foresees, whether it has
 * the number of slots that it is to have. */
static gboolean
is_new(Aftermath *aftermath, Operation operation, CvsStore *store, const char *when)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsKeyFile) key = cvs_store_load(store, &aftermath->owner, AFTERMATH_KEY, &error);
    guint n_slots = key ? cvs_key_file_get_n_slots(key) : 0;
    g_autofree char *text = open_key(aftermath, store, when);

    switch (operation) {
    case OPERATION_FIRST:
    case OPERATION_SEAL:
        if (text)
            g_assert_cmpstr(text, ==, AFTERMATH_NEW);
        return text != NULL;
    case OPERATION_REPLACE:
        g_assert_nonnull(text);
        if (!g_str_equal(text, AFTERMATH_OLD))
            g_assert_cmpstr(text, ==, AFTERMATH_NEW);
        return g_str_equal(text, AFTERMATH_NEW);
    case OPERATION_REMOVE:
        if (text)
            g_assert_cmpstr(text, ==, AFTERMATH_OLD);
        return text == NULL;
    case OPERATION_RESEAL:
        g_assert_cmpstr(text, ==, AFTERMATH_OLD);
        g_assert_cmpuint(n_slots, >=, 1);
        g_assert_cmpuint(n_slots, <=, 2);
        return n_slots == 2;
    default:
        g_assert_cmpstr(text, ==, AFTERMATH_OLD);
        g_assert_cmpuint(n_slots, >=, 1);
        g_assert_cmpuint(n_slots, <=, 2);
        return n_slots == 1;
    }
}

gboolean
aftermath_check(Aftermath *aftermath, Operation operation, const char *when)
{
    gboolean first = operation == OPERATION_FIRST;
    g_autoptr(CvsStore) store = open_store(aftermath, FALSE);
    g_autoptr(GHashTable) there = take_image(aftermath);
    g_autofree char *folder = g_path_get_basename(aftermath->folder);
    g_autofree char *file = g_build_filename(folder, AFTERMATH_KEY, NULL);
    gboolean has_key = g_hash_table_contains(there, file);
    gboolean changed;

    /* A vault that nobody has come to make. */
    if (store == NULL) {
        g_assert_true(first);
        return FALSE;
    }
    if (!first)
        check_others(aftermath, there, when);
    check_list(aftermath, store, first, has_key, when);
    changed = is_new(aftermath, operation, store, when);
    if (!changed && !same_file(there, image_before(aftermath, operation), file))
        g_error("%s: the key is neither old nor new", when);
    return changed;
}

void
aftermath_check_others_open(Aftermath *aftermath, const char *when)
{
    g_autoptr(CvsStore) store = open_store(aftermath, FALSE);
    g_autoptr(GPtrArray) entries = cvs_store_list(store, NULL, NULL);
    guint n_others = 0;

    for (guint i = 0; i < entries->len; i++) {
        const CvsStoreEntry *entry = g_ptr_array_index(entries, i);
        g_autoptr(GError) error = NULL;
        g_autofree char *text = NULL;

        if (cvs_owner_equal(&entry->owner, &aftermath->owner) &&
            g_str_equal(entry->name, AFTERMATH_KEY))
            continue;
        n_others++;
        if (entry->error)
            g_error("%s: %s is listed with an error: %s", when, entry->name, entry->error->message);
        if (!unseal(aftermath, store, &entry->owner, entry->name, &text, &error))
            g_error("%s: %s does not open: %s", when, entry->name, error->message);
    }
    g_assert_cmpuint(n_others, ==, 3);
}

/* What may lie beside a key: the records that its slots name. */
static void
add_wanted(GHashTable *wanted, const CvsStoreEntry *entry)
{
    g_autofree char *folder = cvs_owner_folder(&entry->owner);

    (void)g_hash_table_add(wanted, g_build_filename(folder, entry->name, NULL));
    for (guint n = 0; n < cvs_key_file_get_n_slots(entry->key); n++) {
        const CvsTpm2Slot *slot = cvs_key_file_get_tpm2_slot(entry->key, n);
        g_autofree char *hex = cvs_hex_encode(g_bytes_get_data(slot->state, NULL), 8);

        (void)g_hash_table_add(wanted,
                               g_strdup_printf("%s/.state.%s.%s", folder, hex, entry->name));
    }
}

void
aftermath_check_tidy(Aftermath *aftermath, const char *when)
{
    g_autoptr(CvsStore) store = open_store(aftermath, FALSE);
    g_autoptr(GPtrArray) entries = NULL;
    g_autoptr(GHashTable) there = take_image(aftermath);
    g_autoptr(GHashTable) wanted = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    GHashTableIter iter;
    gpointer name = NULL;

    if (store == NULL)
        return;
    entries = cvs_store_list(store, NULL, NULL);
    g_assert_nonnull(entries);
    for (guint i = 0; i < entries->len; i++)
        add_wanted(wanted, g_ptr_array_index(entries, i));
    g_hash_table_iter_init(&iter, there);
    while (g_hash_table_iter_next(&iter, &name, NULL)) {
        if (!g_hash_table_contains(wanted, name))
            g_error("%s: %s is left", when, (const char *)name);
    }
    g_assert_cmpuint(g_hash_table_size(there), ==, g_hash_table_size(wanted));
    /* Of a first seal there are none. */
    if (entries->len > 1)
        check_others(aftermath, there, when);
}

/* What the change itself has to take away is its key's own: lock and records. Temporary files of
 * the dead are for the sweep. */
static void
check_untidy(Aftermath *aftermath, const char *when)
{
    g_autoptr(GDir) dir = g_dir_open(aftermath->folder, 0, NULL);
    const char *name = NULL;

    while (dir && (name = g_dir_read_name(dir)) != NULL) {
        if (g_str_has_prefix(name, ".lock."))
            g_error("%s: %s is left", when, name);
    }
}

void
aftermath_go_on(Aftermath *aftermath, guint n, const char *when)
{
    gboolean has_key = g_file_test(aftermath->key_path, G_FILE_TEST_EXISTS);
    g_autoptr(CvsStore) store = NULL;
    g_autofree char *text = NULL;

    if (!has_key || n % 3 == 0)
        seal(aftermath, &aftermath->owner, AFTERMATH_KEY, NEXT, 0, has_key, when);
    else if (n % 3 == 1)
        reseal(aftermath, when);
    else
        remove_key(aftermath, when);

    check_untidy(aftermath, when);
    store = open_store(aftermath, FALSE);
    cvs_store_sweep(store);
    aftermath_check_tidy(aftermath, when);
    text = open_key(aftermath, store, when);
    if (!has_key || n % 3 == 0)
        g_assert_cmpstr(text, ==, NEXT);
    else
        g_assert_cmpint(text != NULL, ==, n % 3 == 1);
}

/* The order of things */

static const char *
call_path(const CrashResult *result, int at)
{
    g_assert_cmpint(at, >=, 0);
    return ((const CrashCall *)g_ptr_array_index(result->trace, (guint)at))->path;
}

/* A file that appears under this name was written and synced before, and its folder is synced
 * before anything else is changed. Returns where in the trace that is. */
static int
assert_written(Aftermath *aftermath, const CrashResult *result, int from, const char *glob)
{
    int renamed = crash_find(result, from, "rename*", glob);
    const char *temporary = call_path(result, renamed);
    int opened = crash_find(result, from, "openat", temporary);
    int written = crash_find(result, opened, "write", temporary);
    int synced = crash_find(result, written, "fsync", temporary);
    int folder_synced = crash_find(result, renamed, "fsync", aftermath->folder);
    int next = crash_find(result, renamed + 1, "rename*", "*");

    g_assert_cmpint(opened, >=, 0);
    g_assert_cmpint(written, >, opened);
    g_assert_cmpint(synced, >, written);
    g_assert_cmpint(crash_find(result, synced, "write", temporary), ==, -1);
    g_assert_cmpint(renamed, >, synced);
    g_assert_cmpint(folder_synced, >, renamed);
    if (next >= 0)
        g_assert_cmpint(folder_synced, <, next);
    next = crash_find(result, renamed + 1, "unlink*", "*");
    g_assert_cmpint(folder_synced, <, next);
    return folder_synced;
}

static void
assert_folder_made(const CrashResult *result, const char *path, int before)
{
    g_autofree char *parent = g_path_get_dirname(path);
    int made = crash_find(result, 0, "mkdir*", path);
    int synced = crash_find(result, made, "fsync", parent);

    g_assert_cmpint(made, >=, 0);
    g_assert_cmpint(synced, >, made);
    g_assert_cmpint(synced, <, before);
}

void
aftermath_check_order(Aftermath *aftermath, Operation operation, const CrashResult *result)
{
    g_autofree char *keys = g_build_filename(aftermath->vault, "keys", NULL);
    g_autofree char *text = crash_describe(result);
    int at = 0;

    if (g_test_verbose())
        g_test_message("%s", text);
    if (operation == OPERATION_REMOVE) {
        int removed = crash_find(result, 0, "unlink*", aftermath->key_path);
        int record = crash_find(result, 0, "unlink*", "*/.state.*." AFTERMATH_KEY);
        int synced = crash_find(result, removed, "fsync", aftermath->folder);

        g_assert_cmpint(removed, >=, 0);
        g_assert_cmpint(synced, >, removed);
        g_assert_cmpint(record, >, synced);
        return;
    }
    if (operation != OPERATION_DROP)
        at = assert_written(aftermath, result, 0, "*/.state.*." AFTERMATH_KEY);
    if (operation == OPERATION_FIRST) {
        int before = crash_find(result, 0, "openat", "*/.tmp-*");

        assert_folder_made(result, aftermath->vault, before);
        assert_folder_made(result, keys, before);
        assert_folder_made(result, aftermath->folder, before);
    }
    (void)assert_written(aftermath, result, at, aftermath->key_path);
    g_assert_cmpint(crash_find(result, 0, "unlink*", aftermath->key_path), ==, -1);
}

const char *
aftermath_key_path(Aftermath *aftermath)
{
    return aftermath->key_path;
}

const char *
aftermath_folder(Aftermath *aftermath)
{
    return aftermath->folder;
}
