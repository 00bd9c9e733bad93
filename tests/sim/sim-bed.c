/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim/sim-bed.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

gboolean
sim_bed_possible(void)
{
    const char *why = tee_sim_is_impossible();

    if (why)
        g_test_skip(why);
    return why == NULL;
}

void
sim_bed_init(SimBed *bed, const TeeSimConfig *config)
{
    g_autoptr(GError) error = NULL;
    TeeSimConfig own = *config;

    bed->dir = g_dir_make_tmp("tee-sim-XXXXXX", NULL);
    bed->mount = g_build_filename(bed->dir, "mnt", NULL);
    bed->state = g_build_filename(bed->dir, "state", NULL);
    if (own.state_dir == NULL)
        own.state_dir = bed->state;
    bed->sim = tee_sim_new(&own, &error);
    g_assert_no_error(error);
    (void)tee_sim_start(bed->sim, bed->mount, &error);
    g_assert_no_error(error);
    bed->report = tee_sim_path(bed->sim, "config/tsm/report/mine");
}

static void
remove_tree(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    const char *name = NULL;

    while (dir && (name = g_dir_read_name(dir)) != NULL) {
        g_autofree char *child = g_build_filename(path, name, NULL);

        if (g_file_test(child, G_FILE_TEST_IS_DIR))
            remove_tree(child);
        else
            g_assert_cmpint(g_unlink(child), ==, 0);
    }
    g_assert_cmpint(g_rmdir(path), ==, 0);
}

void
sim_bed_clear(SimBed *bed)
{
    if (bed->sim == NULL)
        return;
    tee_sim_free(bed->sim);
    /* Nothing is mounted there any more. */
    g_assert_cmpint(g_rmdir(bed->mount), ==, 0);
    remove_tree(bed->state);
    g_assert_cmpint(g_rmdir(bed->dir), ==, 0);
    g_free(bed->dir);
    g_free(bed->state);
    g_free(bed->mount);
    g_free(bed->report);
}
void
sim_bed_mkdir(const SimBed *bed)
{
    g_assert_cmpint(g_mkdir(bed->report, 0700), ==, 0);
}

int
sim_bed_open(const SimBed *bed, const char *name, int flags)
{
    g_autofree char *path = g_build_filename(bed->report, name, NULL);

    return open(path, flags | O_CLOEXEC, 0600);
}

int
sim_bed_put(const SimBed *bed, const char *name, const void *data, gsize size)
{
    int fd = sim_bed_open(bed, name, O_WRONLY);
    gssize written = 0;
    int result = 0;

    g_assert_cmpint(fd, >=, 0);
    written = write(fd, data, size);
    result = written < 0 ? errno : 0;
    g_assert_true(written < 0 || written == (gssize)size);
    g_assert_cmpint(close(fd), ==, 0);
    return result;
}

int
sim_bed_put_text(const SimBed *bed, const char *name, const char *text)
{
    return sim_bed_put(bed, name, text, strlen(text));
}

void
sim_bed_put_inblob(const SimBed *bed, guint8 value)
{
    guint8 data[64];

    memset(data, value, sizeof(data));
    g_assert_cmpint(sim_bed_put(bed, "inblob", data, sizeof(data)), ==, 0);
}

GByteArray *
sim_bed_get_fd(int fd)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    guint8 part[1000];
    gssize size = 0;

    while ((size = read(fd, part, sizeof(part))) > 0)
        g_byte_array_append(out, part, (guint)size);
    return size < 0 ? NULL : g_steal_pointer(&out);
}

GByteArray *
sim_bed_get(const SimBed *bed, const char *name)
{
    int fd = sim_bed_open(bed, name, O_RDONLY);
    GByteArray *out = NULL;
    int error = 0;

    g_assert_cmpint(fd, >=, 0);
    out = sim_bed_get_fd(fd);
    error = errno;
    g_assert_cmpint(close(fd), ==, 0);
    errno = error;
    return out;
}

void
sim_bed_expect_text(const SimBed *bed, const char *name, const char *text)
{
    g_autoptr(GByteArray) data = sim_bed_get(bed, name);

    g_assert_nonnull(data);
    g_assert_cmpmem(data->data, data->len, text, strlen(text));
}

void
sim_bed_expect_error(const SimBed *bed, const char *name, int error)
{
    g_autoptr(GByteArray) data = sim_bed_get(bed, name);

    g_assert_null(data);
    g_assert_cmpint(errno, ==, error);
}
