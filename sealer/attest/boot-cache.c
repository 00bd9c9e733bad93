/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "attest/boot-cache.h"
#include "base/boot-id.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TYPE "cvmseal-boot-attestation"
#define VERSION 1
#define MODE 0600

static const char what[] = "the attestation that is kept";

void
cvs_boot_cache_free(CvsBootCache *cache)
{
    if (cache == NULL)
        return;
    g_free(cache->boot_id);
    cvs_evidence_bundle_free(cache->bundle);
    g_free(cache);
}

static gboolean
read_boot_id(CvsBootCache *cache, const json_t *root, GError **error)
{
    const char *text = cvs_json_get_string(root, "boot_id", what, error);
    gsize length = text ? strspn(text, "0123456789abcdef") : 0;

    if (text == NULL)
        return FALSE;
    if (text[length] != '\0' || (length != 0 && length != CVS_BOOT_ID_DIGITS)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "%s: \"boot_id\" is not %d hexadecimal digits", what, CVS_BOOT_ID_DIGITS);
        return FALSE;
    }
    cache->boot_id = g_strdup(text);
    return TRUE;
}

static gboolean
read_clock(CvsBootCache *cache, const json_t *root, GError **error)
{
    gint64 clock = 0, resets = 0, restarts = 0;

    if (!cvs_json_get_int(root, "clock", 0, G_MAXINT64, what, &clock, error) ||
        !cvs_json_get_int(root, "reset_count", 0, G_MAXUINT32, what, &resets, error) ||
        !cvs_json_get_int(root, "restart_count", 0, G_MAXUINT32, what, &restarts, error))
        return FALSE;
    cache->clock = (CvsClock){.clock_ms = (guint64)clock,
                              .reset_count = (guint32)resets,
                              .restart_count = (guint32)restarts};
    return TRUE;
}

static gboolean
read_evidence(CvsBootCache *cache, const json_t *root, GError **error)
{
    const json_t *evidence = cvs_json_get_object(root, "evidence", what, error);
    g_autofree char *text = evidence ? cvs_json_canonical(evidence) : NULL;

    if (text == NULL)
        return FALSE;
    cache->bundle = cvs_evidence_bundle_parse(text, strlen(text), error);
    if (cache->bundle == NULL) {
        g_prefix_error(error, "%s: ", what);
        return FALSE;
    }
    /* It is of a TEE, and nobody else's: those are never written. */
    if ((cache->bundle->report || cache->bundle->hcl) && cache->bundle->user_data == NULL &&
        cache->bundle->answer == NULL)
        return TRUE;
    g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                "%s: \"evidence\" is not that of the boot's attestation", what);
    return FALSE;
}

CvsBootCache *
cvs_boot_cache_parse(const void *data, gsize size, GError **error)
{
    g_autoptr(CvsBootCache) cache = g_new0(CvsBootCache, 1);
    g_autoptr(json_t) root = cvs_json_parse(data, size, what, error);

    if (root == NULL || !cvs_json_check_head(root, TYPE, VERSION, what, error) ||
        !cvs_json_only(root, what, error, "type", "version", "boot_id", "made", "clock",
                       "reset_count", "restart_count", "evidence", NULL) ||
        !read_boot_id(cache, root, error) ||
        !cvs_json_get_int(root, "made", 0, G_MAXINT64, what, &cache->made, error) ||
        !read_clock(cache, root, error) || !read_evidence(cache, root, error))
        return NULL;
    return g_steal_pointer(&cache);
}

char *
cvs_boot_cache_format(const CvsBootCache *cache)
{
    g_autofree char *evidence = cvs_evidence_bundle_format(cache->bundle);
    g_autoptr(json_t) root = json_pack(
        "{s:s, s:i, s:s, s:I, s:I, s:I, s:I, s:o}", "type", TYPE, "version", VERSION, "boot_id",
        cache->boot_id, "made", (json_int_t)cache->made, "clock",
        (json_int_t)MIN(cache->clock.clock_ms, (guint64)G_MAXINT64), "reset_count",
        (json_int_t)cache->clock.reset_count, "restart_count",
        (json_int_t)cache->clock.restart_count, "evidence", json_loads(evidence, 0, NULL));
    return cvs_json_canonical(root);
}

/* Nobody else has made it, or changes it. */
static gboolean
check_file(int dir, GError **error)
{
    struct stat st = {0};

    if (fstatat(dir, CVS_BOOT_CACHE_NAME, &st, AT_SYMLINK_NOFOLLOW) < 0) {
        cvs_error_set_errno(error,
                            errno == ENOENT ? CVS_ERROR_NO_SUCH_KEY : CVS_ERROR_STORAGE_ERROR,
                            errno, CVS_BOOT_CACHE_NAME);
        return FALSE;
    }
    if (S_ISREG(st.st_mode) && st.st_uid == geteuid() && (st.st_mode & 07777) == MODE)
        return TRUE;
    g_set_error(error, CVS_ERROR, CVS_ERROR_STORAGE_ERROR,
                CVS_BOOT_CACHE_NAME
                " is not a file of uid %u with the mode %04o: it has uid %u and "
                "the mode %06o",
                (guint)geteuid(), MODE, (guint)st.st_uid, (guint)st.st_mode);
    return FALSE;
}

CvsBootCache *
cvs_boot_cache_load(const char *run_dir, GError **error)
{
    CVS_AUTO_FD int dir = cvs_dir_open(run_dir, FALSE, 0, error);
    g_autoptr(GBytes) bytes = NULL;

    if (dir < 0 || !check_file(dir, error))
        return NULL;
    bytes = cvs_file_read(dir, CVS_BOOT_CACHE_NAME, CVS_BOOT_CACHE_SIZE_MAX, error);
    return bytes
               ? cvs_boot_cache_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), error)
               : NULL;
}

gboolean
cvs_boot_cache_save(const char *run_dir, const CvsBootCache *cache, GError **error)
{
    g_autofree char *text = cvs_boot_cache_format(cache);
    CVS_AUTO_FD int dir = cvs_dir_open(run_dir, TRUE, 0700, error);

    return dir >= 0 && cvs_file_write(dir, CVS_BOOT_CACHE_NAME, text, strlen(text), MODE,
                                      CVS_WRITE_REPLACE, error);
}

gboolean
cvs_boot_cache_remove(const char *run_dir, GError **error)
{
    g_autoptr(GError) local = NULL;
    CVS_AUTO_FD int dir = cvs_dir_open(run_dir, FALSE, 0, &local);

    if (dir >= 0 && cvs_file_remove(dir, CVS_BOOT_CACHE_NAME, &local))
        return TRUE;
    if (g_error_matches(local, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY))
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&local));
    return FALSE;
}
