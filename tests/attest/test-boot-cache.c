/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The file in which this boot's attestation is kept: its form, and what it takes to be read. */

#include "attest/boot-cache.h"
#include "base/error.h"
#include "base/json.h"

#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define BOOT_ID "0123456789abcdef0123456789abcdef"

static CvsEvidenceBundle *
golden(void)
{
    g_autofree char *path = g_build_filename(g_getenv("CVS_SOURCE_ROOT"), "tests", "attest",
                                             "golden", "svsm-v1.json", NULL);
    g_autofree char *text = NULL;
    g_autoptr(GError) error = NULL;
    CvsEvidenceBundle *bundle = NULL;

    (void)g_file_get_contents(path, &text, NULL, &error);
    g_assert_no_error(error);
    bundle = cvs_evidence_bundle_parse(text, strlen(text), &error);
    g_assert_no_error(error);
    /* Whoever is attested for himself has nothing to say to others. */
    g_clear_pointer(&bundle->user_data, g_bytes_unref);
    return bundle;
}

static CvsBootCache *
cache_new(void)
{
    CvsBootCache *cache = g_new0(CvsBootCache, 1);

    cache->boot_id = g_strdup(BOOT_ID);
    cache->made = 123456789;
    cache->clock = (CvsClock){.clock_ms = 77, .reset_count = 4294967295, .restart_count = 3};
    cache->bundle = golden();
    return cache;
}

static void
assert_same(const CvsBootCache *a, const CvsBootCache *b)
{
    g_autofree char *left = cvs_boot_cache_format(a), *right = cvs_boot_cache_format(b);

    g_assert_cmpstr(left, ==, right);
    g_assert_cmpstr(a->boot_id, ==, b->boot_id);
    g_assert_cmpint(a->made, ==, b->made);
    g_assert_cmpuint(a->clock.clock_ms, ==, b->clock.clock_ms);
    g_assert_cmpuint(a->clock.reset_count, ==, b->clock.reset_count);
    g_assert_cmpuint(a->clock.restart_count, ==, b->clock.restart_count);
}

static void
test_roundtrip(void)
{
    g_autoptr(CvsBootCache) cache = cache_new();
    g_autoptr(CvsBootCache) again = NULL, without = NULL;
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL, *bare = NULL;

    cache->bundle->measured_log = g_bytes_new("log", 3);
    text = cvs_boot_cache_format(cache);
    again = cvs_boot_cache_parse(text, strlen(text), &error);
    g_assert_no_error(error);
    assert_same(cache, again);
    g_assert_true(g_bytes_equal(cache->bundle->measured_log, again->bundle->measured_log));

    g_free(cache->boot_id);
    cache->boot_id = g_strdup("");
    bare = cvs_boot_cache_format(cache);
    without = cvs_boot_cache_parse(bare, strlen(bare), &error);
    g_assert_no_error(error);
    assert_same(cache, without);
}

/* Each member: absent, another than it may be. */
static void
test_members(void)
{
    static const struct {
        const char *member, *json, *message;
        int code;
    } cases[] = {
        {"type", NULL, "\"type\"", CVS_ERROR_BAD_FORMAT},
        {"type", "\"cvmseal-evidence\"", "\"type\"", CVS_ERROR_BAD_FORMAT},
        {"version", NULL, "\"version\"", CVS_ERROR_BAD_FORMAT},
        {"version", "2", "version", CVS_ERROR_NOT_SUPPORTED},
        {"version", "0", "version", CVS_ERROR_BAD_FORMAT},
        {"boot_id", NULL, "\"boot_id\"", CVS_ERROR_BAD_FORMAT},
        {"boot_id", "1", "\"boot_id\"", CVS_ERROR_BAD_FORMAT},
        {"boot_id", "\"0123456789abcdef0123456789abcde\"", "\"boot_id\"", CVS_ERROR_BAD_FORMAT},
        {"boot_id", "\"0123456789ABCDEF0123456789ABCDEF\"", "\"boot_id\"", CVS_ERROR_BAD_FORMAT},
        {"boot_id", "\"" BOOT_ID "0\"", "\"boot_id\"", CVS_ERROR_BAD_FORMAT},
        {"made", NULL, "\"made\"", CVS_ERROR_BAD_FORMAT},
        {"made", "-1", "\"made\"", CVS_ERROR_BAD_FORMAT},
        {"made", "1.0", "\"made\"", CVS_ERROR_BAD_FORMAT},
        {"clock", NULL, "\"clock\"", CVS_ERROR_BAD_FORMAT},
        {"clock", "-1", "\"clock\"", CVS_ERROR_BAD_FORMAT},
        {"reset_count", NULL, "\"reset_count\"", CVS_ERROR_BAD_FORMAT},
        {"reset_count", "4294967296", "\"reset_count\"", CVS_ERROR_BAD_FORMAT},
        {"restart_count", NULL, "\"restart_count\"", CVS_ERROR_BAD_FORMAT},
        {"restart_count", "-1", "\"restart_count\"", CVS_ERROR_BAD_FORMAT},
        {"evidence", NULL, "\"evidence\"", CVS_ERROR_BAD_FORMAT},
        {"evidence", "\"x\"", "\"evidence\"", CVS_ERROR_BAD_FORMAT},
        {"evidence", "{}", "the evidence", CVS_ERROR_BAD_FORMAT},
        {"else", "1", "\"else\"", CVS_ERROR_BAD_FORMAT},
    };
    g_autoptr(CvsBootCache) cache = cache_new();
    g_autofree char *text = cvs_boot_cache_format(cache);

    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(json_t) root = json_loads(text, 0, NULL);
        g_autoptr(GError) error = NULL;
        g_autofree char *changed = NULL;

        if (cases[i].json)
            (void)json_object_set_new(root, cases[i].member,
                                      json_loads(cases[i].json, JSON_DECODE_ANY, NULL));
        else
            (void)json_object_del(root, cases[i].member);
        changed = cvs_json_canonical(root);
        g_assert_null(cvs_boot_cache_parse(changed, strlen(changed), &error));
        if (!g_error_matches(error, CVS_ERROR, cases[i].code) ||
            strstr(error->message, cases[i].message) == NULL)
            g_error("%s: %s", cases[i].member, error->message);
    }
}

/* Evidence that is good, but no boot's attestation. */
static void
test_foreign(void)
{
    for (guint i = 0; i < 3; i++) {
        g_autoptr(CvsBootCache) cache = cache_new();
        g_autoptr(GError) error = NULL;
        g_autofree char *text = NULL;

        if (i == 0)
            cache->bundle->user_data = g_bytes_new("for others", 10);
        if (i == 1)
            cache->bundle->answer = g_bytes_new(BOOT_ID, CVS_CHALLENGE_ANSWER_SIZE);
        if (i == 2) {
            g_clear_pointer(&cache->bundle->report, g_bytes_unref);
            g_clear_pointer(&cache->bundle->auxblob, g_bytes_unref);
            g_clear_pointer(&cache->bundle->manifest, g_bytes_unref);
        }
        text = cvs_boot_cache_format(cache);
        g_assert_null(cvs_boot_cache_parse(text, strlen(text), &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
    }
}

/* Every length, and every byte changed: an answer, never a crash; and what is taken is written as
 * it was read. */
static void
test_every_change(void)
{
    g_autoptr(CvsBootCache) cache = cache_new();
    g_autofree char *text = cvs_boot_cache_format(cache);
    gsize size = strlen(text);

    for (gsize at = 0; at < size; at++) {
        g_autofree char *cut = g_memdup2(text, at + 1);
        g_autofree char *changed = g_memdup2(text, size);
        g_autoptr(GError) error = NULL, other = NULL;
        g_autoptr(CvsBootCache) found = NULL;

        g_assert_null(cvs_boot_cache_parse(cut, at, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT);
        changed[at] ^= 1;
        found = cvs_boot_cache_parse(changed, size, &other);
        g_assert_true((found == NULL) == (other != NULL));
        if (found) {
            g_autofree char *again = cvs_boot_cache_format(found);

            g_assert_cmpmem(again, strlen(again), changed, size);
        }
    }
}

static void
test_file(void)
{
    g_autofree char *dir = g_dir_make_tmp("boot-cache-XXXXXX", NULL);
    g_autofree char *run = g_build_filename(dir, "run", NULL);
    g_autofree char *path = g_build_filename(run, CVS_BOOT_CACHE_NAME, NULL);
    g_autofree char *other = g_build_filename(dir, "other", NULL);
    g_autoptr(CvsBootCache) cache = cache_new();
    g_autoptr(CvsBootCache) found = NULL;
    static const mode_t modes[] = {0640, 0604, 0644, 0660, 0602, 0700, 04600};
    g_autoptr(GError) error = NULL;
    struct stat st = {0};

    /* Without folder and file. */
    g_assert_null(cvs_boot_cache_load(run, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY);
    g_clear_error(&error);
    g_assert_true(cvs_boot_cache_remove(run, &error));
    g_assert_no_error(error);

    (void)cvs_boot_cache_save(run, cache, &error);
    g_assert_no_error(error);
    g_assert_cmpint(lstat(run, &st), ==, 0);
    g_assert_cmphex(st.st_mode & 07777, ==, 0700);
    g_assert_cmpint(lstat(path, &st), ==, 0);
    g_assert_cmphex(st.st_mode, ==, S_IFREG | 0600);
    found = cvs_boot_cache_load(run, &error);
    g_assert_no_error(error);
    assert_same(cache, found);

    for (gsize i = 0; i < G_N_ELEMENTS(modes); i++) {
        g_assert_cmpint(g_chmod(path, modes[i]), ==, 0);
        g_assert_null(cvs_boot_cache_load(run, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_STORAGE_ERROR);
        g_clear_error(&error);
    }
    g_assert_cmpint(g_chmod(path, 0600), ==, 0);
    if (geteuid() == 0) {
        g_assert_cmpint(chown(path, 1, 0), ==, 0);
        g_assert_null(cvs_boot_cache_load(run, &error));
        g_assert_error(error, CVS_ERROR, CVS_ERROR_STORAGE_ERROR);
        g_clear_error(&error);
        g_assert_cmpint(chown(path, 0, 0), ==, 0);
    }
    g_assert_cmpint(g_rename(path, other), ==, 0);
    g_assert_cmpint(symlink(other, path), ==, 0);
    g_assert_null(cvs_boot_cache_load(run, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_STORAGE_ERROR);
    g_clear_error(&error);

    /* The link goes, and not what it names. */
    g_assert_true(cvs_boot_cache_remove(run, &error));
    g_assert_no_error(error);
    g_assert_cmpint(lstat(path, &st), ==, -1);
    g_assert_cmpint(lstat(other, &st), ==, 0);
    g_assert_true(cvs_boot_cache_remove(run, &error));
    g_assert_cmpint(g_unlink(other), ==, 0);
    g_assert_cmpint(g_rmdir(run), ==, 0);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);

    g_test_add_func("/attest/boot-cache/roundtrip", test_roundtrip);
    g_test_add_func("/attest/boot-cache/members", test_members);
    g_test_add_func("/attest/boot-cache/foreign", test_foreign);
    g_test_add_func("/attest/boot-cache/every-change", test_every_change);
    g_test_add_func("/attest/boot-cache/file", test_file);
    return g_test_run();
}
