/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Files of the kernel as they are read, and the event logs among them, as plain files. */

#include "base/error.h"
#include "sim/test-tpm.h"
#include "tee/eventlog.h"
#include "tee/log-source.h"
#include "tee/pseudo-file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct {
    char *path;
    char *table;
    char *data;
} Fixture;

static void
set_up(Fixture *fixture, gconstpointer data)
{
    fixture->path = g_dir_make_tmp("cvs-log-XXXXXX", NULL);
    g_assert_nonnull(fixture->path);
    fixture->table = g_build_filename(fixture->path, "CCEL", NULL);
    fixture->data = g_build_filename(fixture->path, "data", NULL);
}

static void
tear_down(Fixture *fixture, gconstpointer data)
{
    test_remove_tree(fixture->path);
    g_free(fixture->path);
    g_free(fixture->table);
    g_free(fixture->data);
}

static void
write_file(const char *path, const void *data, gsize size)
{
    g_autoptr(GError) error = NULL;

    g_assert_true(g_file_set_contents(path, data, (gssize)size, &error));
    g_assert_no_error(error);
}

/* The table, for an area of that size. */
static void
make_table(guint8 table[static 56], guint8 type, guint64 size)
{
    memset(table, 0, 56);
    memcpy(table, "CCEL", 4);
    table[4] = 56;
    table[8] = 1;
    table[36] = type;
    size = GUINT64_TO_LE(size);
    memcpy(table + 40, &size, 8);
    memset(table + 48, 0x77, 8);
}

static void
test_pseudo(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autofree guint8 *large = g_malloc0(100000);
    GBytes *bytes = NULL;

    for (gsize i = 0; i < 100000; i++)
        large[i] = (guint8)(i * 7);
    write_file(fixture->data, large, 100000);
    g_assert_cmpint(cvs_pseudo_file_read(AT_FDCWD, fixture->data, 100000, &bytes), ==, 0);
    g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), large, 100000);
    g_bytes_unref(bytes);
    bytes = NULL;
    g_assert_cmpint(cvs_pseudo_file_read(AT_FDCWD, fixture->data, 99999, &bytes), ==, EFBIG);
    g_assert_null(bytes);
    g_assert_null(cvs_pseudo_file_read_path(fixture->data, 99999, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE);
    g_clear_error(&error);
    g_assert_null(cvs_pseudo_file_read_path(fixture->table, 10, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED);
    g_clear_error(&error);
    /* A file whose size is said to be 0, and is not. */
    bytes = cvs_pseudo_file_read_path("/proc/self/status", 65536, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(g_bytes_get_size(bytes), >, 100);
    g_bytes_unref(bytes);
    /* Folders and pipes, at which nobody waits. */
    g_assert_null(cvs_pseudo_file_read_path(fixture->path, 10, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_FAILED);
    g_clear_error(&error);
    g_assert_cmpint(mkfifo(fixture->table, 0600), ==, 0);
    g_assert_null(cvs_pseudo_file_read_path(fixture->table, 10, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_FAILED);
}

static void
test_ccel(Fixture *fixture, gconstpointer data)
{
    const CvsCcType types[] = {CVS_CC_SEV, CVS_CC_TDX};
    guint8 log[300];

    memset(log, 0xff, sizeof log);
    write_file(fixture->data, log, sizeof log);
    for (gsize i = 0; i < G_N_ELEMENTS(types); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(GBytes) bytes = NULL;
        guint8 table[56];
        CvsCcType type = 0;

        make_table(table, (guint8)types[i], sizeof log);
        write_file(fixture->table, table, sizeof table);
        bytes = cvs_log_source_read_ccel(fixture->table, fixture->data, &type, &error);
        g_assert_no_error(error);
        g_assert_cmpint(type, ==, types[i]);
        g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), log, sizeof log);
    }
}

static void
refuse_ccel(Fixture *fixture, const void *table, gsize size, int code, const char *text)
{
    g_autoptr(GError) error = NULL;
    CvsCcType type = 0;

    write_file(fixture->table, table, size);
    g_assert_null(cvs_log_source_read_ccel(fixture->table, fixture->data, &type, &error));
    g_assert_error(error, CVS_ERROR, code);
    g_assert_nonnull(strstr(error->message, text));
    g_assert_cmpint(type, ==, 0);
    if (g_str_equal(text, "table CCEL says"))
        g_assert_true(cvs_error_has_reason(error, CVS_REASON_LOG_TRUNCATED));
}

static void
test_ccel_bad(Fixture *fixture, gconstpointer data)
{
    guint8 log[300] = {0};
    guint8 table[57] = {0};

    write_file(fixture->data, log, sizeof log);
    make_table(table, CVS_CC_TDX, sizeof log);
    refuse_ccel(fixture, table, 55, CVS_ERROR_BAD_FORMAT, "cut short");
    refuse_ccel(fixture, table, 57, CVS_ERROR_BAD_FORMAT, "too many");
    refuse_ccel(fixture, "", 0, CVS_ERROR_BAD_FORMAT, "cut short");
    make_table(table, CVS_CC_TDX, sizeof log + 1);
    refuse_ccel(fixture, table, 56, CVS_ERROR_BAD_FORMAT, "table CCEL says");
    make_table(table, CVS_CC_TDX, G_MAXUINT64);
    refuse_ccel(fixture, table, 56, CVS_ERROR_BAD_FORMAT, "table CCEL says");
    make_table(table, 0, sizeof log);
    refuse_ccel(fixture, table, 56, CVS_ERROR_BAD_FORMAT, "byte 36: CC type 0");
    make_table(table, 3, sizeof log);
    refuse_ccel(fixture, table, 56, CVS_ERROR_BAD_FORMAT, "byte 36: CC type 3");
    make_table(table, CVS_CC_TDX, sizeof log);
    table[3] = 'M';
    refuse_ccel(fixture, table, 56, CVS_ERROR_BAD_FORMAT, "byte 0");
    make_table(table, CVS_CC_TDX, sizeof log);
    table[4] = 57;
    refuse_ccel(fixture, table, 56, CVS_ERROR_BAD_FORMAT, "byte 0");
    make_table(table, CVS_CC_TDX, sizeof log);
    g_assert_cmpint(unlink(fixture->data), ==, 0);
    refuse_ccel(fixture, table, 56, CVS_ERROR_NOT_SUPPORTED, "data");
    g_assert_cmpint(truncate(fixture->table, 0), ==, 0);
    {
        /* An area beyond what is read, without as many bytes on the disk. */
        int fd = open(fixture->data, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        g_assert_cmpint(ftruncate(fd, (off_t)CVS_EVENT_LOG_MAX + 1), ==, 0);
        (void)close(fd);
    }
    make_table(table, CVS_CC_TDX, (guint64)CVS_EVENT_LOG_MAX + 1);
    refuse_ccel(fixture, table, 56, CVS_ERROR_TOO_LARGE, "more than");
}

static void
test_none(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    CvsCcType type = 0;

    g_assert_null(cvs_log_source_read_ccel(fixture->table, fixture->data, &type, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED);
    g_clear_error(&error);
    g_assert_null(cvs_log_source_read_tpm(fixture->data, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED);
}

static void
test_tpm(Fixture *fixture, gconstpointer data)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(GBytes) bytes = NULL;

    write_file(fixture->data, "", 0);
    g_assert_null(cvs_log_source_read_tpm(fixture->data, &error));
    g_assert_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED);
    g_assert_nonnull(strstr(error->message, "is empty"));
    g_clear_error(&error);
    write_file(fixture->data, "log", 3);
    bytes = cvs_log_source_read_tpm(fixture->data, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), "log", 3);
}

#define ADD(path, function)                                                                        \
    g_test_add("/tee/log-source/" path, Fixture, NULL, set_up, function, tear_down)

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    ADD("pseudo-file", test_pseudo);
    ADD("ccel", test_ccel);
    ADD("ccel-bad", test_ccel_bad);
    ADD("none", test_none);
    ADD("tpm", test_tpm);
    return g_test_run();
}
