/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include "fixture.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/file.h"
#include "base/hex.h"
#include "vault/store.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    char *top; /* the test's folder */
    char *dir; /* the vault in it */
    CvsStore *store;
} Fixture;

static void
setup(Fixture *f, gconstpointer data)
{
    g_autoptr(GError) error = NULL;

    f->top = fixture_dir_new();
    f->dir = g_build_filename(f->top, "vault", NULL);
    f->store = cvs_store_open(f->dir, TRUE, &error);
    g_assert_no_error(error);
}

static void
teardown(Fixture *f, gconstpointer data)
{
    cvs_store_close(f->store);
    g_free(f->dir);
    fixture_dir_remove(f->top);
}

static char *
path_of(Fixture *f, const char *folder, const char *name)
{
    return g_build_filename(f->dir, "keys", folder, name, NULL);
}

static void
assert_mode(const char *path, mode_t wanted)
{
    struct stat st;

    g_assert_cmpint(lstat(path, &st), ==, 0);
    g_assert_cmphex(st.st_mode & 07777, ==, wanted);
}

/* Saves a key with one slot, with that digest as its state if there is one. */
static gboolean
save(Fixture *f, const char *owner_text, const char *name, gboolean replace, GBytes *state,
     GError **error)
{
    CvsOwner owner = fixture_owner(owner_text);
    g_autoptr(CvsKeyLock) lock = cvs_store_lock(f->store, &owner, name, TRUE, 0, error);
    g_autoptr(CvsKeyFile) key = fixture_key(owner_text, name, 16);
    g_auto(CvsTpm2Slot) slot = {0};
    g_autoptr(CvsSecret) secret = fixture_tpm_secret(1);

    g_assert_nonnull(lock);
    fixture_slot(1, &slot);
    slot.state = state != NULL ? g_bytes_ref(state) : NULL;
    g_assert_true(cvs_key_file_add_tpm2(key, &slot, secret, error));
    return cvs_store_save(f->store, lock, key, replace, error);
}

static void
must_save(Fixture *f, const char *owner_text, const char *name)
{
    g_autoptr(GError) error = NULL;

    (void)save(f, owner_text, name, TRUE, NULL, &error);
    g_assert_no_error(error);
}

static CvsKeyFile *
load(Fixture *f, const char *owner_text, const char *name, GError **error)
{
    CvsOwner owner = fixture_owner(owner_text);

    return cvs_store_load(f->store, &owner, name, error);
}

static void
assert_load_fails(Fixture *f, const char *owner, const char *name, int code, const char *reason)
{
    g_autoptr(GError) error = NULL;

    g_assert_null(load(f, owner, name, &error));
    g_assert_error(error, CVS_ERROR, code);
    g_assert_true(reason == NULL || cvs_error_has_reason(error, reason));
}

static gboolean
remove_key(Fixture *f, const char *owner_text, const char *name, GError **error)
{
    CvsOwner owner = fixture_owner(owner_text);
    g_autoptr(CvsKeyLock) lock = cvs_store_lock(f->store, &owner, name, FALSE, 0, error);

    return lock != NULL && cvs_store_remove(f->store, lock, error);
}

/* How many files a folder has, hidden ones too. */
static guint
count_files(Fixture *f, const char *folder)
{
    g_autofree char *path = path_of(f, folder, NULL);
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    guint n = 0;

    g_assert_nonnull(dir);
    while (g_dir_read_name(dir) != NULL)
        n++;
    return n;
}

static void
test_open(Fixture *f, gconstpointer data)
{
    g_autofree char *missing = g_build_filename(f->top, "missing", NULL);
    g_autofree char *keys = g_build_filename(f->dir, "keys", NULL);
    g_autofree char *link = g_build_filename(f->top, "link", NULL);
    g_autoptr(CvsStore) again = NULL;
    g_autoptr(GError) error = NULL;

    assert_mode(f->dir, 0700);
    assert_mode(keys, 0700);
    again = cvs_store_open(f->dir, FALSE, &error);
    g_assert_no_error(error);
    g_assert_null(cvs_store_open(missing, FALSE, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY);
    g_assert_nonnull(strstr(error->message, missing));
    g_clear_error(&error);
    g_assert_cmpint(symlink(f->dir, link), ==, 0);
    g_assert_null(cvs_store_open(link, TRUE, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_STORAGE_ERROR);
}

static void
test_save_load(Fixture *f, gconstpointer data)
{
    static const struct {
        const char *owner;
        const char *folder;
    } owners[] = {
        {"system", "system"},
        {"uid:1000", "uid-1000"},
        {"unit:foo.service", "unit-foo.service"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(owners); i++) {
        g_autofree char *folder = path_of(f, owners[i].folder, NULL);
        g_autofree char *file = path_of(f, owners[i].folder, "db.key");
        g_autoptr(CvsKeyFile) key = NULL;
        g_autoptr(GError) error = NULL;

        assert_load_fails(f, owners[i].owner, "db.key", CVS_ERROR_NO_SUCH_KEY, NULL);
        must_save(f, owners[i].owner, "db.key");
        assert_mode(folder, 0700);
        assert_mode(file, 0600);
        g_assert_cmpuint(count_files(f, owners[i].folder), ==, 1);
        key = load(f, owners[i].owner, "db.key", &error);
        g_assert_no_error(error);
        g_assert_cmpstr(cvs_key_file_get_name(key), ==, "db.key");
        /* The same folder, another name. */
        assert_load_fails(f, owners[i].owner, "db.key2", CVS_ERROR_NO_SUCH_KEY, NULL);
    }
}

static void
test_bad_names(Fixture *f, gconstpointer data)
{
    static const char *const names[] = {"", "..", "../system/k", "a/b", ".lock.k", ".state.x"};
    CvsOwner owner = fixture_owner("system");

    must_save(f, "system", "k");
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GBytes) digest = g_bytes_new_take(g_malloc0(32), 32);

        assert_load_fails(f, "system", names[i], CVS_ERROR_INVALID_ARGUMENT, NULL);
        g_assert_null(cvs_store_lock(f->store, &owner, names[i], TRUE, 0, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
        g_clear_error(&error);
        g_assert_null(cvs_store_load_state(f->store, &owner, names[i], digest, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT);
    }
}

static void
test_replace(Fixture *f, gconstpointer data)
{
    g_autoptr(CvsKeyFile) first = NULL;
    g_autoptr(CvsKeyFile) second = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(save(f, "system", "k", FALSE, NULL, &error));
    first = load(f, "system", "k", NULL);
    g_assert_false(save(f, "system", "k", FALSE, NULL, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_KEY_EXISTS);
    g_clear_error(&error);
    second = load(f, "system", "k", NULL);
    g_assert_cmpstr(cvs_key_file_get_id(first), ==, cvs_key_file_get_id(second));
    g_clear_pointer(&second, cvs_key_file_free);
    g_assert_true(save(f, "system", "k", TRUE, NULL, &error));
    second = load(f, "system", "k", NULL);
    g_assert_cmpstr(cvs_key_file_get_id(first), !=, cvs_key_file_get_id(second));
}

static void
test_remove(Fixture *f, gconstpointer data)
{
    g_autofree char *file = path_of(f, "system", "k");
    g_autoptr(GError) error = NULL;

    g_assert_false(remove_key(f, "uid:5", "k", &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY);
    g_clear_error(&error);
    must_save(f, "system", "k");
    g_assert_true(remove_key(f, "system", "k", &error));
    g_assert_false(remove_key(f, "system", "k", &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY);
    g_clear_error(&error);
    g_assert_cmpuint(count_files(f, "system"), ==, 0);

    g_assert_true(g_file_set_contents(file, "rubbish", -1, NULL));
    g_assert_true(remove_key(f, "system", "k", &error));
    g_assert_no_error(error);
    g_assert_cmpuint(count_files(f, "system"), ==, 0);
}

static void
test_locks(Fixture *f, gconstpointer data)
{
    CvsOwner owner = fixture_owner("system"), other = fixture_owner("uid:1");
    g_autofree char *folder = path_of(f, "uid-1", NULL);
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsKeyLock) first = cvs_store_lock(f->store, &owner, "k", TRUE, 0, &error);
    g_autoptr(CvsKeyLock) second = NULL;
    g_autoptr(CvsKeyLock) elsewhere = NULL;

    g_assert_nonnull(first);
    second = cvs_store_lock(f->store, &owner, "k", TRUE, 20, &error);
    g_assert_null(second);
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BUSY);
    g_clear_error(&error);
    elsewhere = cvs_store_lock(f->store, &owner, "k2", TRUE, 0, &error);
    g_assert_nonnull(elsewhere);
    g_clear_pointer(&first, cvs_key_lock_release);
    second = cvs_store_lock(f->store, &owner, "k", TRUE, 0, &error);
    g_assert_nonnull(second);

    g_assert_null(cvs_store_lock(f->store, &other, "k", FALSE, 0, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY);
    g_assert_cmpint(g_access(folder, F_OK), <, 0);
}

/* A file that lies where it does not belong is refused there and good where it does. */
static void
test_copied(Fixture *f, gconstpointer data)
{
    g_autofree char *from = path_of(f, "uid-1000", "k");
    g_autofree char *other_name = path_of(f, "uid-1000", "k2");
    g_autofree char *other_owner = path_of(f, "uid-1001", "k");
    g_autofree char *text = NULL;
    g_autoptr(CvsKeyFile) key = NULL;

    must_save(f, "uid:1000", "k");
    must_save(f, "uid:1001", "own");
    g_assert_true(g_file_get_contents(from, &text, NULL, NULL));
    g_assert_true(g_file_set_contents(other_name, text, -1, NULL));
    g_assert_true(g_file_set_contents(other_owner, text, -1, NULL));
    assert_load_fails(f, "uid:1000", "k2", CVS_ERROR_BAD_FORMAT, CVS_REASON_OWNER_DIFFERS);
    assert_load_fails(f, "uid:1001", "k", CVS_ERROR_BAD_FORMAT, CVS_REASON_OWNER_DIFFERS);
    key = load(f, "uid:1000", "k", NULL);
    g_assert_nonnull(key);
}

static void
test_strange_files(Fixture *f, gconstpointer data)
{
    g_autofree char *link = path_of(f, "system", "link");
    g_autofree char *fifo = path_of(f, "system", "fifo");
    g_autofree char *dir = path_of(f, "system", "dir");
    g_autofree char *large = path_of(f, "system", "large");
    g_autofree char *empty = path_of(f, "system", "empty");

    must_save(f, "system", "k");
    g_assert_cmpint(symlink("k", link), ==, 0);
    g_assert_cmpint(mkfifo(fifo, 0600), ==, 0);
    g_assert_cmpint(g_mkdir(dir, 0700), ==, 0);
    g_assert_true(g_file_set_contents(large, "", 0, NULL));
    g_assert_cmpint(truncate(large, CVS_KEY_FILE_MAX + 1), ==, 0);
    g_assert_true(g_file_set_contents(empty, "", 0, NULL));
    assert_load_fails(f, "system", "link", CVS_ERROR_STORAGE_ERROR, NULL);
    assert_load_fails(f, "system", "fifo", CVS_ERROR_BAD_FORMAT, NULL);
    assert_load_fails(f, "system", "dir", CVS_ERROR_BAD_FORMAT, NULL);
    assert_load_fails(f, "system", "large", CVS_ERROR_TOO_LARGE, NULL);
    assert_load_fails(f, "system", "empty", CVS_ERROR_BAD_FORMAT, NULL);
}

static const CvsStoreEntry *
entry(GPtrArray *entries, guint i, const char *owner_text, const char *name)
{
    const CvsStoreEntry *found = g_ptr_array_index(entries, i);
    CvsOwner owner = fixture_owner(owner_text);

    g_assert_cmpstr(found->name, ==, name);
    g_assert_true(cvs_owner_equal(&found->owner, &owner));
    g_assert_true((found->key == NULL) == (found->error != NULL));
    return found;
}

/* The listing in pages of that size is the listing, and the last page says that it is the last. */
static void
assert_pages(Fixture *f, const CvsOwner *owner, guint limit)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GPtrArray) whole = cvs_store_list(f->store, owner, &error);
    g_autoptr(GPtrArray) page = NULL;
    CvsStorePlace place = {0};
    g_autofree char *name = NULL;
    gboolean more = TRUE;
    guint n = 0;

    g_assert_no_error(error);
    while (more) {
        const CvsStoreEntry *last = NULL;

        g_clear_pointer(&page, g_ptr_array_unref);
        page = cvs_store_list_page(f->store, owner, name ? &place : NULL, limit, &more, &error);
        g_assert_no_error(error);
        g_assert_cmpuint(page->len, ==, MIN(limit, whole->len - n));
        for (guint i = 0; i < page->len; i++) {
            const CvsStoreEntry *expected = g_ptr_array_index(whole, n++);

            last = g_ptr_array_index(page, i);
            g_assert_true(cvs_owner_equal(&last->owner, &expected->owner));
            g_assert_cmpstr(last->name, ==, expected->name);
            g_assert_true((last->error == NULL) == (expected->error == NULL));
        }
        g_assert_true(more == (n < whole->len));
        g_free(name);
        name = last ? g_strdup(last->name) : NULL;
        place = (CvsStorePlace){last ? last->owner : place.owner, name};
    }
    g_assert_cmpuint(n, ==, whole->len);
}

/* How many files were opened in the folder since. */
static guint
count_opened(int inotify)
{
    char buffer[4096] __attribute__((aligned(__alignof__(struct inotify_event))));
    gssize size = 0;
    guint n = 0;

    while ((size = read(inotify, buffer, sizeof buffer)) > 0) {
        for (const char *p = buffer; p < buffer + size;) {
            const struct inotify_event *event = (const struct inotify_event *)(const void *)p;

            n += event->len > 0;
            p += sizeof *event + event->len;
        }
    }
    return n;
}

/* Whoever asks for one key of many makes nobody wait until all were read. */
static void
test_page_opens_its_own(Fixture *f, gconstpointer data)
{
    CvsOwner owner = fixture_owner("uid:1000");
    CvsStorePlace place = {owner, "k2"};
    g_autofree char *folder = path_of(f, "uid-1000", NULL);
    CVS_AUTO_FD int inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    g_autoptr(GPtrArray) page = NULL;
    g_autoptr(GError) error = NULL;
    gboolean more = FALSE;

    for (guint i = 0; i < 6; i++) {
        g_autofree char *name = g_strdup_printf("k%u", i);

        must_save(f, "uid:1000", name);
    }
    g_assert_cmpint(inotify_add_watch(inotify, folder, IN_OPEN), >=, 0);
    page = cvs_store_list_page(f->store, &owner, &place, 2, &more, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(page->len, ==, 2);
    (void)entry(page, 0, "uid:1000", "k3");
    (void)entry(page, 1, "uid:1000", "k4");
    g_assert_true(more);
    g_assert_cmpuint(count_opened(inotify), ==, 2);
    /* In others' folders, with a place that is none of theirs, too. */
    g_clear_pointer(&page, g_ptr_array_unref);
    place.owner = fixture_owner("uid:2000");
    page = cvs_store_list_page(f->store, NULL, &place, 2, &more, &error);
    g_assert_cmpuint(page->len, ==, 0);
    g_assert_false(more);
    g_clear_pointer(&page, g_ptr_array_unref);
    page = cvs_store_list_page(f->store, &owner, &place, 2, &more, &error);
    g_assert_cmpuint(page->len, ==, 0);
    g_assert_cmpuint(count_opened(inotify), ==, 0);
}

static void
test_list(Fixture *f, gconstpointer data)
{
    CvsOwner owner = fixture_owner("uid:1000"), nobody = fixture_owner("uid:7");
    g_autofree char *corrupt = path_of(f, "uid-1000", "corrupt");
    g_autofree char *foreign = path_of(f, "uid-1000", "has space\xff");
    g_autofree char *hidden = path_of(f, "uid-1000", ".hidden");
    g_autofree char *temporary = path_of(f, "uid-1000", ".tmp-0123456789abcdef");
    g_autofree char *stranger = path_of(f, "lost+found", NULL);
    g_autofree char *file_owner = path_of(f, "uid-5", NULL);
    g_autofree char *link = path_of(f, "uid-1000", "link");
    g_autofree char *link_owner = path_of(f, "uid-6", NULL);
    g_autoptr(GPtrArray) entries = NULL;
    g_autoptr(GError) error = NULL;

    entries = cvs_store_list(f->store, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(entries->len, ==, 0);
    g_clear_pointer(&entries, g_ptr_array_unref);

    must_save(f, "unit:b.service", "k");
    must_save(f, "uid:1000", "b");
    must_save(f, "uid:1000", "a");
    must_save(f, "uid:9", "z");
    must_save(f, "system", "s");
    g_assert_true(g_file_set_contents(corrupt, "{", 1, NULL));
    g_assert_true(g_file_set_contents(foreign, "x", 1, NULL));
    g_assert_true(g_file_set_contents(hidden, "x", 1, NULL));
    g_assert_true(g_file_set_contents(temporary, "x", 1, NULL));
    g_assert_cmpint(g_mkdir(stranger, 0700), ==, 0);
    g_assert_true(g_file_set_contents(file_owner, "x", 1, NULL));
    g_assert_cmpint(symlink("uid-1000", link_owner), ==, 0);
    g_assert_cmpint(symlink("a", link), ==, 0);

    entries = cvs_store_list(f->store, &owner, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(entries->len, ==, 5);
    g_assert_null(entry(entries, 0, "uid:1000", "a")->error);
    g_assert_null(entry(entries, 1, "uid:1000", "b")->error);
    g_assert_error(entry(entries, 2, "uid:1000", "corrupt")->error, CVS_ERROR,
                   CVS_ERROR_BAD_FORMAT);
    g_assert_nonnull(entry(entries, 3, "uid:1000", "has space\xef\xbf\xbd")->error);
    g_assert_error(entry(entries, 4, "uid:1000", "link")->error, CVS_ERROR,
                   CVS_ERROR_STORAGE_ERROR);
    g_clear_pointer(&entries, g_ptr_array_unref);

    entries = cvs_store_list(f->store, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(entries->len, ==, 10);
    (void)entry(entries, 0, "system", "s");
    g_assert_nonnull(entry(entries, 1, "uid:5", "")->error);
    g_assert_nonnull(entry(entries, 2, "uid:6", "")->error);
    (void)entry(entries, 3, "uid:9", "z");
    (void)entry(entries, 4, "uid:1000", "a");
    (void)entry(entries, 9, "unit:b.service", "k");
    for (guint limit = 1; limit <= 11; limit++) {
        assert_pages(f, NULL, limit);
        assert_pages(f, &owner, limit);
    }
    g_clear_pointer(&entries, g_ptr_array_unref);

    entries = cvs_store_list(f->store, &nobody, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(entries->len, ==, 0);
    g_clear_pointer(&entries, g_ptr_array_unref);
    nobody = fixture_owner("uid:5");
    g_assert_null(cvs_store_list(f->store, &nobody, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_STORAGE_ERROR);
}

static void
test_usage(Fixture *f, gconstpointer data)
{
    CvsOwner owner = fixture_owner("uid:1000");
    g_autofree char *a = path_of(f, "uid-1000", "a");
    g_autofree char *b = path_of(f, "uid-1000", "b");
    g_autofree char *hidden = path_of(f, "uid-1000", ".hidden");
    struct stat x, y;
    guint keys = 99;
    guint64 bytes = 99;
    g_autoptr(GError) error = NULL;

    g_assert_true(cvs_store_usage(f->store, &owner, "c", &keys, &bytes, &error));
    g_assert_cmpuint(keys, ==, 0);
    g_assert_cmpuint(bytes, ==, 0);
    must_save(f, "uid:1000", "a");
    must_save(f, "uid:1000", "b");
    g_assert_true(g_file_set_contents(hidden, "xxx", 3, NULL));
    {
        g_autoptr(CvsKeyLock) lock = cvs_store_lock(f->store, &owner, "a", TRUE, 0, NULL);
        g_autoptr(GBytes) digest = cvs_store_save_state(f->store, lock, "{\"x\":1}", NULL);

        g_assert_nonnull(digest);
    }
    g_assert_cmpint(stat(a, &x) | stat(b, &y), ==, 0);
    g_assert_true(cvs_store_usage(f->store, &owner, "c", &keys, &bytes, &error));
    g_assert_cmpuint(keys, ==, 2);
    g_assert_cmpuint(bytes, ==, (guint64)x.st_size + (guint64)y.st_size + strlen("{\"x\":1}"));
    /* Without a key go its records too. */
    g_assert_true(cvs_store_usage(f->store, &owner, "a", &keys, &bytes, &error));
    g_assert_cmpuint(keys, ==, 1);
    g_assert_cmpuint(bytes, ==, (guint64)y.st_size);
}

static GBytes *
save_state(Fixture *f, const char *name, const char *json)
{
    CvsOwner owner = fixture_owner("system");
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsKeyLock) lock = cvs_store_lock(f->store, &owner, name, TRUE, 0, &error);
    GBytes *digest = cvs_store_save_state(f->store, lock, json, &error);

    g_assert_no_error(error);
    return digest;
}

static gboolean
has_state(Fixture *f, const char *name, GBytes *digest)
{
    CvsOwner owner = fixture_owner("system");
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = cvs_store_load_state(f->store, &owner, name, digest, &error);

    g_assert_true(bytes != NULL || g_error_matches(error, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY));
    return bytes != NULL;
}

static char *
state_path(Fixture *f, const char *name, GBytes *digest)
{
    g_autofree char *hex = cvs_hex_encode(g_bytes_get_data(digest, NULL), 8);
    g_autofree char *file = g_strdup_printf(".state.%s.%s", hex, name);

    return path_of(f, "system", file);
}

static void
test_state(Fixture *f, gconstpointer data)
{
    static const char json[] = "{\"pcrs\":{}}";
    CvsOwner owner = fixture_owner("system");
    g_autoptr(GBytes) digest = save_state(f, "k", json);
    g_autoptr(GBytes) again = save_state(f, "k", json);
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(CvsKeyLock) lock = NULL;
    g_autofree char *path = state_path(f, "k", digest);
    g_autofree char *large = g_strnfill(CVS_STATE_MAX + 1, 'x');
    g_autoptr(GError) error = NULL;
    guint8 wanted[32];

    cvs_hash_bytes(CVS_SHA256, json, strlen(json), wanted);
    g_assert_cmpmem(g_bytes_get_data(digest, NULL), g_bytes_get_size(digest), wanted, 32);
    g_assert_true(g_bytes_equal(digest, again));
    assert_mode(path, 0600);
    bytes = cvs_store_load_state(f->store, &owner, "k", digest, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), json, strlen(json));
    g_assert_false(has_state(f, "k2", digest));

    g_assert_true(g_file_set_contents(path, "{\"pcrs\":[]}", -1, NULL));
    g_assert_null(cvs_store_load_state(f->store, &owner, "k", digest, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    g_clear_error(&error);
    lock = cvs_store_lock(f->store, &owner, "k", TRUE, 0, NULL);
    g_assert_null(cvs_store_save_state(f->store, lock, large, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE);
}

/* Saving removes the records that the key does not name, and only that key's. */
static void
test_state_swept(Fixture *f, gconstpointer data)
{
    /* Names that are prefixes or suffixes of one another, and one that looks like a record's. */
    static const char *const names[] = {"b", "a.b", "b.a", "0123456789abcdef.b"};
    g_autoptr(GBytes) old = NULL;
    g_autoptr(GBytes) kept = NULL;
    g_autoptr(GError) error = NULL;
    GBytes *others[G_N_ELEMENTS(names)] = {NULL};
    g_autofree char *no_record = path_of(f, "system", ".state.0123456789abcdef_b");

    for (guint i = 1; i < G_N_ELEMENTS(names); i++)
        others[i] = save_state(f, names[i], "{\"other\":1}");
    old = save_state(f, names[0], "{\"old\":1}");
    kept = save_state(f, names[0], "{\"new\":1}");
    g_assert_true(save(f, "system", names[0], FALSE, kept, &error));
    g_assert_no_error(error);
    g_assert_false(has_state(f, names[0], old));
    g_assert_true(has_state(f, names[0], kept));
    g_assert_true(g_file_set_contents(no_record, "x", 1, NULL));

    g_assert_true(remove_key(f, "system", names[0], &error));
    g_assert_false(has_state(f, names[0], kept));
    g_assert_cmpint(g_access(no_record, F_OK), ==, 0);
    for (guint i = 1; i < G_N_ELEMENTS(names); i++) {
        g_assert_true(has_state(f, names[i], others[i]));
        g_bytes_unref(others[i]);
    }
}

static void
test_sweep(Fixture *f, gconstpointer data)
{
    CvsOwner owner = fixture_owner("system");
    g_autofree char *temporary = path_of(f, "system", ".tmp-0123456789abcdef");
    g_autofree char *stale = path_of(f, "system", ".lock.gone");
    g_autofree char *hidden = path_of(f, "system", ".hidden");
    g_autofree char *corrupt = path_of(f, "system", "corrupt");
    g_autoptr(GBytes) orphan = save_state(f, "orphan", "{\"a\":1}");
    g_autoptr(GBytes) named = save_state(f, "k", "{\"b\":1}");
    g_autoptr(GBytes) unnamed = NULL;
    g_autoptr(GBytes) unknown = save_state(f, "corrupt", "{\"c\":1}");
    g_autoptr(GBytes) held = save_state(f, "held", "{\"d\":1}");
    g_autoptr(CvsKeyLock) lock = NULL;
    g_autoptr(GError) error = NULL;

    g_assert_true(save(f, "system", "k", FALSE, named, &error));
    unnamed = save_state(f, "k", "{\"e\":1}");
    g_assert_true(g_file_set_contents(corrupt, "{", 1, NULL));
    g_assert_true(g_file_set_contents(temporary, "x", 1, NULL));
    g_assert_true(g_file_set_contents(stale, "", 0, NULL));
    g_assert_true(g_file_set_contents(hidden, "x", 1, NULL));
    lock = cvs_store_lock(f->store, &owner, "held", TRUE, 0, &error);
    g_assert_no_error(error);

    cvs_store_sweep(f->store);
    g_assert_cmpint(g_access(temporary, F_OK), <, 0);
    g_assert_cmpint(g_access(stale, F_OK), <, 0);
    g_assert_cmpint(g_access(hidden, F_OK), ==, 0);
    g_assert_false(has_state(f, "orphan", orphan));
    g_assert_true(has_state(f, "k", named));
    g_assert_false(has_state(f, "k", unnamed));
    /* Of a key that cannot be read nobody knows which it names; a lock's holder has not written the
     * key yet. */
    g_assert_true(has_state(f, "corrupt", unknown));
    g_assert_true(has_state(f, "held", held));
}

static void
test_writer_sweeps(Fixture *f, gconstpointer data)
{
    g_autofree char *left = path_of(f, "system", ".tmp-0123456789abcdef");
    g_autofree char *held = path_of(f, "system", ".tmp-fedcba9876543210");
    int fd = -1;

    must_save(f, "system", "k");
    g_assert_true(g_file_set_contents(left, "x", 1, NULL));
    g_assert_true(g_file_set_contents(held, "x", 1, NULL));
    fd = open(held, O_RDWR | O_CLOEXEC);
    g_assert_cmpint(flock(fd, LOCK_EX | LOCK_NB), ==, 0);

    /* The writer of another key in that folder. */
    must_save(f, "system", "other");
    g_assert_cmpint(g_access(left, F_OK), <, 0);
    g_assert_cmpint(g_access(held, F_OK), ==, 0);
    close(fd);
}

/* A key that is written anew while others read it is old or new, never less. */
static gpointer
rewrite(gpointer data)
{
    for (guint i = 0; i < 50; i++)
        must_save(data, "system", "k");
    return NULL;
}

static void
test_read_while_written(Fixture *f, gconstpointer data)
{
    GThread *writer = NULL;

    must_save(f, "system", "k");
    writer = g_thread_new("writer", rewrite, f);
    for (guint i = 0; i < 500; i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(CvsKeyFile) key = load(f, "system", "k", &error);

        g_assert_no_error(error);
        g_assert_cmpuint(cvs_key_file_get_n_slots(key), ==, 1);
    }
    g_thread_join(writer);
}

static int
give_away(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return lchown(path, 65534, 65534);
}

/* Root writes where the mode says no, so root becomes somebody else for this. */
static void
test_not_writable(Fixture *f, gconstpointer data)
{
    g_autofree char *folder = path_of(f, "system", NULL);
    gboolean was_root = geteuid() == 0;
    g_autoptr(GError) error = NULL;
    g_autoptr(CvsKeyFile) key = NULL;

    must_save(f, "system", "k");
    g_assert_cmpint(g_chmod(folder, 0500), ==, 0);
    if (was_root) {
        g_assert_cmpint(nftw(f->top, give_away, 16, FTW_PHYS), ==, 0);
        g_assert_cmpint(seteuid(65534), ==, 0);
    }
    g_assert_false(remove_key(f, "system", "k", &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_AUTHORIZED);
    key = load(f, "system", "k", NULL);
    g_assert_nonnull(key);
    if (was_root)
        g_assert_cmpint(seteuid(0), ==, 0);
    g_assert_cmpint(g_chmod(folder, 0700), ==, 0);
}

/* A key that goes while a folder is listed is left out; it is no error of anybody's. */
#define MOVING 64

typedef struct {
    char *here[MOVING];
    char *there[MOVING];
    gint done;
} Moving;

static gpointer
move_about(gpointer data)
{
    Moving *moving = data;

    while (!g_atomic_int_get(&moving->done)) {
        for (guint i = 0; i < MOVING; i++)
            g_assert_cmpint(g_rename(moving->here[i], moving->there[i]), ==, 0);
        for (guint i = 0; i < MOVING; i++)
            g_assert_cmpint(g_rename(moving->there[i], moving->here[i]), ==, 0);
    }
    return NULL;
}

static void
test_vanishing(Fixture *f, gconstpointer data)
{
    Moving moving = {0};
    GThread *thread = NULL;

    for (guint i = 0; i < MOVING; i++) {
        g_autofree char *name = g_strdup_printf("k%u", i);

        must_save(f, "system", name);
        moving.here[i] = path_of(f, "system", name);
        moving.there[i] = g_build_filename(f->top, name, NULL);
    }
    thread = g_thread_new("mover", move_about, &moving);
    for (guint round = 0; round < 300; round++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GPtrArray) entries = cvs_store_list(f->store, NULL, &error);

        g_assert_no_error(error);
        for (guint i = 0; i < entries->len; i++)
            g_assert_no_error(((CvsStoreEntry *)g_ptr_array_index(entries, i))->error);
    }
    g_atomic_int_set(&moving.done, 1);
    (void)g_thread_join(thread);
    for (guint i = 0; i < MOVING; i++) {
        g_free(moving.here[i]);
        g_free(moving.there[i]);
    }
}

/* Ten thousand keys are listed in well under a second. */
static void
test_many(Fixture *f, gconstpointer data)
{
    const guint n = 10000;
    CvsOwner owner = fixture_owner("uid:1000");
    g_autofree char *folder = path_of(f, "uid-1000", NULL);
    g_autoptr(GPtrArray) entries = NULL;
    g_autoptr(GError) error = NULL;
    gint64 start = 0;
    double seconds = 0;

    g_assert_cmpint(g_mkdir(folder, 0700), ==, 0);
    for (guint i = 0; i < n; i++) {
        g_autofree char *name = g_strdup_printf("key-%05u", i);
        g_autofree char *path = g_build_filename(folder, name, NULL);
        g_autoptr(CvsKeyFile) key = fixture_key("uid:1000", name, 32);
        g_autofree char *text = NULL;

        fixture_add_tpm2(key, 1);
        text = fixture_serialise(key);
        g_assert_true(
            g_file_set_contents_full(path, text, -1, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
    }
    start = g_get_monotonic_time();
    entries = cvs_store_list(f->store, &owner, &error);
    seconds = (double)(g_get_monotonic_time() - start) / G_USEC_PER_SEC;
    g_assert_no_error(error);
    g_test_message("%u keys listed in %.3f s", entries->len, seconds);
    g_assert_cmpuint(entries->len, ==, n);
    for (guint i = 0; i < n; i++)
        g_assert_no_error(((CvsStoreEntry *)g_ptr_array_index(entries, i))->error);
    /* Sanitizers and loaded machines are slow, so the test's own limit is a wide one. */
    g_assert_cmpfloat(seconds, <, 10);
}

int
main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*function)(Fixture *f, gconstpointer data);
    } tests[] = {
        {"open", test_open},
        {"save-load", test_save_load},
        {"bad-names", test_bad_names},
        {"replace", test_replace},
        {"remove", test_remove},
        {"locks", test_locks},
        {"copied", test_copied},
        {"strange-files", test_strange_files},
        {"list", test_list},
        {"page-opens-its-own", test_page_opens_its_own},
        {"usage", test_usage},
        {"state", test_state},
        {"state-swept", test_state_swept},
        {"sweep", test_sweep},
        {"writer-sweeps", test_writer_sweeps},
        {"read-while-written", test_read_while_written},
        {"not-writable", test_not_writable},
        {"vanishing", test_vanishing},
        {"many", test_many},
    };

    g_test_init(&argc, &argv, NULL);
    for (guint i = 0; i < G_N_ELEMENTS(tests); i++) {
        g_autofree char *path = g_strconcat("/vault/store/", tests[i].name, NULL);

        g_test_add(path, Fixture, NULL, setup, tests[i].function, teardown);
    }
    return g_test_run();
}
