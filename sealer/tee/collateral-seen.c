/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/collateral-seen.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define SEEN_FILE "seen.json"
#define SEEN_VERSION 1
#define SEEN_MAX (256 * 1024)
#define FILE_MODE 0644

/* Adds what is legible. */
static gboolean
take(const json_t *json, json_t *clean, GError **error)
{
    gboolean ok = TRUE;
    json_t *seen = NULL;
    gint64 version = 0;
    const char *series = NULL;
    json_t *value = NULL;

    if (!cvs_json_get_int(json, "version", SEEN_VERSION, SEEN_VERSION, SEEN_FILE, &version,
                          error) ||
        (seen = cvs_json_get_object(json, "seen", SEEN_FILE, error)) == NULL)
        return FALSE;
    json_object_foreach (seen, series, value) {
        const char *number = json_string_value(value);

        if (number && *number && strspn(number, "0123456789abcdef") == strlen(number)) {
            (void)json_object_set(clean, series, value);
            continue;
        }
        if (ok)
            g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                        SEEN_FILE ": the number of \"%s\" is not hexadecimal", series);
        ok = FALSE;
    }
    return ok;
}

json_t *
cvs_collateral_seen_load(int dir, GError **ret_damage)
{
    g_autoptr(GError) local = NULL;
    g_autoptr(GBytes) bytes = cvs_file_read(dir, SEEN_FILE, SEEN_MAX, &local);
    g_autoptr(json_t) json = bytes ? cvs_json_parse(g_bytes_get_data(bytes, NULL),
                                                    g_bytes_get_size(bytes), SEEN_FILE, &local)
                                   : NULL;
    json_t *clean = json_object();

    if (json)
        (void)take(json, clean, &local);
    if (ret_damage && local && !g_error_matches(local, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY))
        *ret_damage = g_error_new(
            CVS_ERROR, CVS_ERROR_BAD_FORMAT,
            "collateral store: %s; of collateral that is not here any more nobody knows how new it "
            "was, and what is "
            "older than that is taken: put the file back from a backup, or import the newest "
            "collateral",
            local->message);
    return clean;
}

gboolean
cvs_collateral_seen_is_whole(int dir, GError **error)
{
    g_autoptr(GError) damage = NULL;
    g_autoptr(json_t) seen = cvs_collateral_seen_load(dir, &damage);

    if (damage == NULL)
        return TRUE;
    g_propagate_error(error, g_steal_pointer(&damage));
    return FALSE;
}

void
cvs_collateral_seen_warn(int dir)
{
    g_autoptr(GError) damage = NULL;

    if (!cvs_collateral_seen_is_whole(dir, &damage))
        g_warning("%s", damage->message);
}

/* A damaged file stays beside the new one: there may be more in it than could be read. */
static gboolean
set_aside(int dir, GError **error)
{
    g_autoptr(GError) damage = NULL;
    g_autofree char *name = NULL;

    if (cvs_collateral_seen_is_whole(dir, &damage))
        return TRUE;
    name = g_strdup_printf(SEEN_FILE ".damaged-%" G_GINT64_FORMAT, g_get_real_time());
    if (linkat(dir, SEEN_FILE, dir, name, 0) < 0) {
        cvs_error_set_errno(error, CVS_ERROR_STORAGE_ERROR, errno,
                            "cannot keep the damaged " SEEN_FILE " as %s", name);
        return FALSE;
    }
    g_warning("%s; it is kept as %s, and a new one is made of the collateral that is here",
              damage->message, name);
    return TRUE;
}

gboolean
cvs_collateral_seen_save(int dir, json_t *seen, GError **error)
{
    g_autoptr(json_t) json = json_pack("{s:i, s:O}", "version", SEEN_VERSION, "seen", seen);
    g_autofree char *text = cvs_json_canonical(json);

    return set_aside(dir, error) &&
           cvs_file_write(dir, SEEN_FILE, text, strlen(text), FILE_MODE, CVS_WRITE_REPLACE, error);
}

/* A CRL's number says little: all of Intel's have the number 1. So its date counts beside it, in a
 * series of its own. NULL for what is no CRL. */
static char *
issued_series(const CvsCollateralItem *item)
{
    return item->crl ? g_strconcat(item->series, "/issued", NULL) : NULL;
}

static char *
issued_number(const CvsCollateralItem *item)
{
    return g_strdup_printf("%" G_GINT64_MODIFIER "x", (guint64)MAX(item->not_before, 0));
}

static void
raise_seen(json_t *seen, const char *series, const char *number)
{
    const char *known = json_string_value(json_object_get(seen, series));

    if (known == NULL || cvs_collateral_number_compare(known, number) < 0)
        (void)json_object_set_new(seen, series, json_string(number));
}

void
cvs_collateral_seen_note(json_t *seen, const CvsCollateralItem *item)
{
    g_autofree char *series = issued_series(item);
    g_autofree char *number = issued_number(item);

    if (item->number)
        raise_seen(seen, item->series, item->number);
    if (series)
        raise_seen(seen, series, number);
}

void
cvs_collateral_seen_note_all(json_t *seen, const GPtrArray *items)
{
    for (guint i = 0; i < items->len; i++) {
        const CvsCollateralItem *item = g_ptr_array_index(items, i);

        if (item->error == NULL)
            cvs_collateral_seen_note(seen, item);
    }
}

static gboolean
check_number(const json_t *seen, const char *series, const char *number, const char *id,
             GError *refusal)
{
    const char *known = json_string_value(json_object_get(seen, series));

    if (known == NULL || cvs_collateral_number_compare(number, known) >= 0)
        return TRUE;
    cvs_error_add_reason(refusal, CVS_REASON_COLLATERAL_ROLLBACK, number, known,
                         "%s is older than one that was already seen", id);
    return FALSE;
}

gboolean
cvs_collateral_seen_check(const json_t *seen, const CvsCollateralItem *item, GError *refusal)
{
    g_autofree char *series = issued_series(item);
    g_autofree char *number = issued_number(item);

    return (item->number == NULL ||
            check_number(seen, item->series, item->number, item->id, refusal)) &&
           (series == NULL || check_number(seen, series, number, item->id, refusal));
}

/* The lower of the two, since the documents of one date may come on two days. */
guint32
cvs_collateral_seen_evaluation(const json_t *seen, const char *fmspc)
{
    g_autofree char *info = cvs_collateral_tcb_series(NULL, "TDX", fmspc);
    g_autofree char *identity = cvs_collateral_tcb_series(NULL, "TD_QE", NULL);
    const char *of_info = json_string_value(json_object_get(seen, info));
    const char *of_identity = json_string_value(json_object_get(seen, identity));
    guint64 a = of_info ? g_ascii_strtoull(of_info, NULL, 16) : 0;
    guint64 b = of_identity ? g_ascii_strtoull(of_identity, NULL, 16) : a;

    return (guint32)MIN(MIN(a, b), G_MAXUINT32);
}
