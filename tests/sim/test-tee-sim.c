/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The simulated TEE behaves at its files as Linux does: visibility, errors, when a write counts,
 * what a descriptor goes on reading. What it says is test-tee-lies.c's. */

#include "base/digest.h"
#include "base/error.h"
#include "sim/tee-sim.h"
#include "tee/snp-report.h"
#include "tee/tdx-quote.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

typedef struct {
    TeeSim *sim;
    char *dir;
    char *mount;
    char *report; /* a private folder */
} Bed;

static gboolean
can_mount(void)
{
    const char *why = tee_sim_is_impossible();

    if (why)
        g_test_skip(why);
    return why == NULL;
}

static void
bed_init(Bed *bed, TeeSimType type)
{
    g_autoptr(GError) error = NULL;
    TeeSimConfig config = {.type = type};

    bed->dir = g_dir_make_tmp("tee-sim-XXXXXX", NULL);
    bed->mount = g_build_filename(bed->dir, "mnt", NULL);
    bed->sim = tee_sim_new(&config, &error);
    g_assert_no_error(error);
    (void)tee_sim_start(bed->sim, bed->mount, &error);
    g_assert_no_error(error);
    bed->report = tee_sim_path(bed->sim, "config/tsm/report/mine");
}

static void
bed_clear(Bed *bed)
{
    if (bed->sim == NULL)
        return;
    tee_sim_free(bed->sim);
    g_assert_cmpint(g_rmdir(bed->mount), ==, 0);
    g_assert_cmpint(g_rmdir(bed->dir), ==, 0);
    g_free(bed->dir);
    g_free(bed->mount);
    g_free(bed->report);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Bed, bed_clear)

static void
make_report(const Bed *bed)
{
    g_assert_cmpint(g_mkdir(bed->report, 0700), ==, 0);
}

static int
open_at(const Bed *bed, const char *name, int flags)
{
    g_autofree char *path = g_build_filename(bed->report, name, NULL);

    return open(path, flags | O_CLOEXEC, 0600);
}

/* One write and close: 0, or the errno of the write. */
static int
put(const Bed *bed, const char *name, const void *data, gsize size)
{
    int fd = open_at(bed, name, O_WRONLY);
    gssize written = 0;
    int result = 0;

    g_assert_cmpint(fd, >=, 0);
    written = write(fd, data, size);
    result = written < 0 ? errno : 0;
    g_assert_true(written < 0 || written == (gssize)size);
    g_assert_cmpint(close(fd), ==, 0);
    return result;
}

static int
put_text(const Bed *bed, const char *name, const char *text)
{
    return put(bed, name, text, strlen(text));
}

static void
put_inblob(const Bed *bed, guint8 value)
{
    guint8 data[64];

    memset(data, value, sizeof(data));
    g_assert_cmpint(put(bed, "inblob", data, sizeof(data)), ==, 0);
}

/* All of a file, or NULL with errno. */
static GByteArray *
get_fd(int fd)
{
    g_autoptr(GByteArray) out = g_byte_array_new();
    guint8 part[1000];
    gssize size = 0;

    while ((size = read(fd, part, sizeof(part))) > 0)
        g_byte_array_append(out, part, (guint)size);
    return size < 0 ? NULL : g_steal_pointer(&out);
}

static GByteArray *
get(const Bed *bed, const char *name)
{
    int fd = open_at(bed, name, O_RDONLY);
    GByteArray *out = NULL;
    int error = 0;

    g_assert_cmpint(fd, >=, 0);
    out = get_fd(fd);
    error = errno;
    g_assert_cmpint(close(fd), ==, 0);
    errno = error;
    return out;
}

static void
expect_text(const Bed *bed, const char *name, const char *text)
{
    g_autoptr(GByteArray) data = get(bed, name);

    g_assert_nonnull(data);
    g_assert_cmpmem(data->data, data->len, text, strlen(text));
}

static void
expect_error(const Bed *bed, const char *name, int error)
{
    g_autoptr(GByteArray) data = get(bed, name);

    g_assert_null(data);
    g_assert_cmpint(errno, ==, error);
}

static void
test_snp_report(void)
{
    g_auto(Bed) bed = {0};
    g_autoptr(GByteArray) out = NULL;
    g_autoptr(GByteArray) aux = NULL;
    CvsSnpReport report;
    g_autoptr(GError) error = NULL;

    if (!can_mount())
        return;
    bed_init(&bed, TEE_SIM_SNP);
    make_report(&bed);
    expect_text(&bed, "provider", "sev_guest\n");
    expect_text(&bed, "generation", "0\n");
    put_inblob(&bed, 7);
    expect_text(&bed, "generation", "1\n");
    out = get(&bed, "outblob");
    g_assert_nonnull(out);
    (void)cvs_snp_report_parse(out->data, out->len, &report, &error);
    g_assert_no_error(error);
    g_assert_cmpint(report.report_data[0], ==, 7);
    aux = get(&bed, "auxblob");
    g_assert_nonnull(aux);
    g_assert_cmpuint(aux->len, >, 100);
    g_assert_cmpint(g_rmdir(bed.report), ==, 0);
}

static void
test_tdx_report(void)
{
    g_auto(Bed) bed = {0};
    g_autoptr(GByteArray) out = NULL;
    g_autoptr(CvsTdxQuote) quote = NULL;
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(GError) error = NULL;

    if (!can_mount())
        return;
    bed_init(&bed, TEE_SIM_TDX);
    make_report(&bed);
    expect_text(&bed, "provider", "tdx_guest\n");
    put_inblob(&bed, 9);
    out = get(&bed, "outblob");
    g_assert_nonnull(out);
    bytes = g_bytes_new(out->data, out->len);
    quote = cvs_tdx_quote_parse(bytes, &error);
    g_assert_no_error(error);
    g_assert_cmpint(quote->body.report_data[63], ==, 9);
}

static void
expect_missing(const Bed *bed, const char *name)
{
    g_autofree char *path = g_build_filename(bed->report, name, NULL);

    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    g_assert_cmpint(errno, ==, ENOENT);
}

static void
expect_mode(const Bed *bed, const char *name, mode_t mode)
{
    g_autofree char *path = g_build_filename(bed->report, name, NULL);
    struct stat st;

    g_assert_cmpint(stat(path, &st), ==, 0);
    g_assert_cmpint(st.st_mode & 07777, ==, mode);
}

static guint
count_entries(const char *path)
{
    g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
    guint n = 0;

    while (g_dir_read_name(dir))
        n++;
    return n;
}

static void
test_attributes(void)
{
    g_auto(Bed) snp = {0};
    g_auto(Bed) tdx = {0};

    if (!can_mount())
        return;
    bed_init(&snp, TEE_SIM_SNP);
    make_report(&snp);
    g_assert_cmpuint(count_entries(snp.report), ==, 7);
    expect_mode(&snp, "inblob", 0200);
    expect_mode(&snp, "outblob", 0444);
    expect_mode(&snp, "auxblob", 0444);
    expect_mode(&snp, "provider", 0444);
    expect_mode(&snp, "generation", 0444);
    expect_mode(&snp, "privlevel", 0200);
    expect_mode(&snp, "privlevel_floor", 0444);
    expect_missing(&snp, "manifestblob");
    expect_missing(&snp, "service_provider");
    /* What cannot be read cannot be read by root, and so with writing. */
    g_assert_cmpint(open_at(&snp, "inblob", O_RDONLY), ==, -1);
    g_assert_cmpint(errno, ==, EACCES);
    g_assert_cmpint(open_at(&snp, "outblob", O_WRONLY), ==, -1);
    g_assert_cmpint(errno, ==, EACCES);
    g_assert_cmpint(open_at(&snp, "another", O_WRONLY | O_CREAT), ==, -1);
    g_assert_cmpint(errno, ==, EACCES);
    tee_sim_must(snp.sim, "svsm=on");
    g_assert_cmpuint(count_entries(snp.report), ==, 11);
    expect_mode(&snp, "manifestblob", 0444);
    expect_mode(&snp, "service_provider", 0200);
    expect_mode(&snp, "service_guid", 0200);
    expect_mode(&snp, "service_manifest_version", 0200);
    expect_text(&snp, "privlevel_floor", "2\n");

    bed_init(&tdx, TEE_SIM_TDX);
    make_report(&tdx);
    g_assert_cmpuint(count_entries(tdx.report), ==, 4);
    expect_missing(&tdx, "privlevel");
    expect_missing(&tdx, "privlevel_floor");
    expect_missing(&tdx, "auxblob");
    expect_missing(&tdx, "manifestblob");
}

static void
test_folders(void)
{
    g_auto(Bed) bed = {0};
    g_auto(Bed) none = {0};
    g_autofree char *inside = NULL;
    g_autofree char *reports = NULL;

    if (!can_mount())
        return;
    bed_init(&bed, TEE_SIM_SNP);
    make_report(&bed);
    g_assert_cmpint(g_mkdir(bed.report, 0700), ==, -1);
    g_assert_cmpint(errno, ==, EEXIST);
    inside = g_build_filename(bed.report, "inside", NULL);
    g_assert_cmpint(g_mkdir(inside, 0700), ==, -1);
    g_assert_cmpint(errno, ==, EPERM);
    reports = g_path_get_dirname(bed.report);
    g_assert_cmpint(g_rmdir(reports), ==, -1);
    g_assert_cmpint(errno, ==, EPERM);
    g_assert_cmpuint(count_entries(reports), ==, 1);
    g_assert_cmpint(g_rmdir(bed.report), ==, 0);
    g_assert_cmpuint(count_entries(reports), ==, 0);
    g_assert_cmpint(g_rmdir(bed.report), ==, -1);
    g_assert_cmpint(errno, ==, ENOENT);

    bed_init(&none, TEE_SIM_NONE);
    g_assert_cmpint(g_mkdir(none.report, 0700), ==, -1);
    g_assert_cmpint(errno, ==, ENXIO);
}

static void
test_close_takes(void)
{
    g_auto(Bed) bed = {0};
    guint8 data[65] = {1};
    g_autoptr(GByteArray) out = NULL;
    int fd = -1;

    if (!can_mount())
        return;
    bed_init(&bed, TEE_SIM_SNP);
    make_report(&bed);
    expect_error(&bed, "outblob", EINVAL);
    /* Without close nothing was written. */
    fd = open_at(&bed, "inblob", O_WRONLY);
    g_assert_cmpint(write(fd, data, 64), ==, 64);
    expect_text(&bed, "generation", "0\n");
    expect_error(&bed, "outblob", EINVAL);
    g_assert_cmpint(close(fd), ==, 0);
    expect_text(&bed, "generation", "1\n");
    out = get(&bed, "outblob");
    g_assert_nonnull(out);
    /* Too much is refused by the write, and what fits before it counts. */
    g_assert_cmpint(put(&bed, "inblob", data, 65), ==, EFBIG);
    expect_text(&bed, "generation", "1\n");
    /* Two writes make one value; 32 bytes are too few for this provider, and only a reader learns
     * of it. */
    fd = open_at(&bed, "inblob", O_WRONLY);
    g_assert_cmpint(write(fd, data, 16), ==, 16);
    g_assert_cmpint(write(fd, data, 16), ==, 16);
    g_assert_cmpint(close(fd), ==, 0);
    expect_text(&bed, "generation", "2\n");
    expect_error(&bed, "outblob", EINVAL);
    expect_error(&bed, "auxblob", EINVAL);
}

static void
test_stale(void)
{
    g_auto(Bed) bed = {0};
    g_autoptr(GByteArray) first = NULL;
    g_autoptr(GByteArray) again = NULL;
    g_autoptr(GByteArray) second = NULL;
    g_autoptr(GByteArray) old = g_byte_array_new();
    guint8 head[100];
    int fd = -1;

    if (!can_mount())
        return;
    bed_init(&bed, TEE_SIM_SNP);
    make_report(&bed);
    put_inblob(&bed, 1);
    first = get(&bed, "outblob");
    again = get(&bed, "outblob");
    /* Signatures are randomised: the same bytes are the same report. */
    g_assert_cmpmem(first->data, first->len, again->data, again->len);
    g_assert_cmpuint(tee_sim_requests(bed.sim), ==, 1);

    /* A descriptor goes on reading what it began with; a new one gets the new report, and nobody
     * says EWOULDBLOCK. */
    fd = open_at(&bed, "outblob", O_RDONLY);
    g_assert_cmpint(read(fd, head, sizeof(head)), ==, sizeof(head));
    put_inblob(&bed, 2);
    g_byte_array_unref(g_steal_pointer(&old));
    old = get_fd(fd);
    g_assert_cmpint(close(fd), ==, 0);
    g_assert_cmpmem(old->data, old->len, first->data + 100, first->len - 100);
    second = get(&bed, "outblob");
    g_assert_cmpint(second->data[0x50], ==, 2);
    g_assert_cmpuint(tee_sim_requests(bed.sim), ==, 2);
    expect_text(&bed, "generation", "2\n");
    /* An attribute that is set makes the report stale too. */
    g_assert_cmpint(put_text(&bed, "privlevel", "1"), ==, 0);
    expect_text(&bed, "generation", "3\n");
    g_clear_pointer(&second, g_byte_array_unref);
    second = get(&bed, "outblob");
    g_assert_cmpint(second->data[0x30], ==, 1);
}

static void
test_texts(void)
{
    g_auto(Bed) bed = {0};

    if (!can_mount())
        return;
    bed_init(&bed, TEE_SIM_SNP);
    tee_sim_must(bed.sim, "svsm=on");
    make_report(&bed);
    put_inblob(&bed, 1);
    /* The level of the kernel is 2, and the default of 0 is below it. */
    expect_error(&bed, "outblob", EINVAL);
    g_assert_cmpint(put_text(&bed, "privlevel", "1"), ==, EINVAL);
    g_assert_cmpint(put_text(&bed, "privlevel", "4"), ==, EINVAL);
    g_assert_cmpint(put_text(&bed, "privlevel", "two"), ==, EINVAL);
    g_assert_cmpint(put_text(&bed, "privlevel", "99999999999"), ==, ERANGE);
    expect_text(&bed, "generation", "1\n");
    g_assert_cmpint(put_text(&bed, "privlevel", "0x2\n"), ==, 0);
    expect_text(&bed, "generation", "2\n");
    {
        g_autoptr(GByteArray) out = get(&bed, "outblob");

        g_assert_nonnull(out);
        g_assert_cmpint(out->data[0x30], ==, 2);
    }
    /* Anything is taken as a provider, and refused when it is asked. */
    g_assert_cmpint(put_text(&bed, "service_provider", "tpm\n"), ==, 0);
    expect_error(&bed, "outblob", EINVAL);
    g_assert_cmpint(put_text(&bed, "service_guid", "c476f1eb-0123-45a5-9641"), ==, EINVAL);
    g_assert_cmpint(put_text(&bed, "service_manifest_version", "-1"), ==, EINVAL);
}

static void
test_faults(void)
{
    static const struct {
        const char *name;
        int error;
        gboolean wipes;
    } faults[] = {
        {"EIO", EIO, TRUE},      {"ETIMEDOUT", ETIMEDOUT, TRUE}, {"EBADMSG", EBADMSG, TRUE},
        {"ENXIO", ENXIO, FALSE}, {"EINVAL", EINVAL, FALSE},      {"EINTR", EINTR, FALSE},
    };
    g_auto(Bed) bed = {0};
    g_auto(Bed) tdx = {0};

    if (!can_mount())
        return;
    bed_init(&bed, TEE_SIM_SNP);
    bed_init(&tdx, TEE_SIM_TDX);
    make_report(&bed);
    make_report(&tdx);
    put_inblob(&bed, 1);
    put_inblob(&tdx, 1);
    for (gsize i = 0; i < G_N_ELEMENTS(faults); i++) {
        g_autofree char *set = g_strdup_printf("fail-once=%s", faults[i].name);
        g_autoptr(GByteArray) out = NULL;
        g_autoptr(GByteArray) quote = NULL;

        put_inblob(&bed, 2);
        put_inblob(&tdx, 2);
        tee_sim_must(bed.sim, set);
        tee_sim_must(tdx.sim, set);
        expect_error(&bed, "outblob", faults[i].error);
        expect_error(&tdx, "outblob", faults[i].error);
        if (faults[i].wipes) {
            expect_error(&bed, "outblob", ENOTTY);
            expect_error(&bed, "auxblob", ENOTTY);
            tee_sim_must(bed.sim, "reset=on");
        }
        out = get(&bed, "outblob");
        g_assert_nonnull(out);
        quote = get(&tdx, "outblob");
        g_assert_nonnull(quote);
    }
    put_inblob(&tdx, 3);
    tee_sim_must(tdx.sim, "busy=2");
    expect_error(&tdx, "outblob", EBUSY);
    expect_error(&tdx, "outblob", EBUSY);
    {
        g_autoptr(GByteArray) quote = get(&tdx, "outblob");

        g_assert_nonnull(quote);
    }
    put_inblob(&tdx, 4);
    tee_sim_must(tdx.sim, "trailing=16777216");
    expect_error(&tdx, "outblob", EFBIG);
    tee_sim_must(tdx.sim, "trailing=70");
    put_inblob(&tdx, 5);
    tee_sim_must(tdx.sim, "empty-outblob=on");
    expect_text(&tdx, "outblob", "");
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tee-sim/tsm/attributes", test_attributes);
    g_test_add_func("/tee-sim/tsm/folders", test_folders);
    g_test_add_func("/tee-sim/tsm/snp", test_snp_report);
    g_test_add_func("/tee-sim/tsm/tdx", test_tdx_report);
    g_test_add_func("/tee-sim/tsm/close-takes", test_close_takes);
    g_test_add_func("/tee-sim/tsm/stale", test_stale);
    g_test_add_func("/tee-sim/tsm/texts", test_texts);
    g_test_add_func("/tee-sim/tsm/faults", test_faults);
    return g_test_run();
}
