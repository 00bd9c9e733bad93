/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The simulated TEE behaves at its files as Linux does: visibility, errors, when a write counts,
 * what a descriptor goes on reading. What it says is test-tee-lies.c's. */

#include "base/digest.h"
#include "base/error.h"
#include "sim/sim-bed.h"
#include "tee/snp-report.h"
#include "tee/tdx-quote.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/wait.h>
#include <unistd.h>

static void
test_snp_report(void)
{
    g_auto(SimBed) bed = {0};
    g_autoptr(GByteArray) out = NULL;
    g_autoptr(GByteArray) aux = NULL;
    CvsSnpReport report;
    g_autoptr(GError) error = NULL;

    if (!sim_bed_possible())
        return;
    sim_bed_init(&bed, &(TeeSimConfig){.type = TEE_SIM_SNP});
    sim_bed_mkdir(&bed);
    sim_bed_expect_text(&bed, "provider", "sev_guest\n");
    sim_bed_expect_text(&bed, "generation", "0\n");
    sim_bed_put_inblob(&bed, 7);
    sim_bed_expect_text(&bed, "generation", "1\n");
    out = sim_bed_get(&bed, "outblob");
    g_assert_nonnull(out);
    (void)cvs_snp_report_parse(out->data, out->len, &report, &error);
    g_assert_no_error(error);
    g_assert_cmpint(report.report_data[0], ==, 7);
    aux = sim_bed_get(&bed, "auxblob");
    g_assert_nonnull(aux);
    g_assert_cmpuint(aux->len, >, 100);
    g_assert_cmpint(g_rmdir(bed.report), ==, 0);
}

static void
test_tdx_report(void)
{
    g_auto(SimBed) bed = {0};
    g_autoptr(GByteArray) out = NULL;
    g_autoptr(CvsTdxQuote) quote = NULL;
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(GError) error = NULL;

    if (!sim_bed_possible())
        return;
    sim_bed_init(&bed, &(TeeSimConfig){.type = TEE_SIM_TDX});
    sim_bed_mkdir(&bed);
    sim_bed_expect_text(&bed, "provider", "tdx_guest\n");
    sim_bed_put_inblob(&bed, 9);
    out = sim_bed_get(&bed, "outblob");
    g_assert_nonnull(out);
    bytes = g_bytes_new(out->data, out->len);
    quote = cvs_tdx_quote_parse(bytes, &error);
    g_assert_no_error(error);
    g_assert_cmpint(quote->body.report_data[63], ==, 9);
}

static void
expect_missing(const SimBed *bed, const char *name)
{
    g_autofree char *path = g_build_filename(bed->report, name, NULL);

    g_assert_false(g_file_test(path, G_FILE_TEST_EXISTS));
    g_assert_cmpint(errno, ==, ENOENT);
}

static void
expect_mode(const SimBed *bed, const char *name, mode_t mode)
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
    g_auto(SimBed) snp = {0};
    g_auto(SimBed) tdx = {0};

    if (!sim_bed_possible())
        return;
    sim_bed_init(&snp, &(TeeSimConfig){.type = TEE_SIM_SNP});
    sim_bed_mkdir(&snp);
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
    g_assert_cmpint(sim_bed_open(&snp, "inblob", O_RDONLY), ==, -1);
    g_assert_cmpint(errno, ==, EACCES);
    g_assert_cmpint(sim_bed_open(&snp, "outblob", O_WRONLY), ==, -1);
    g_assert_cmpint(errno, ==, EACCES);
    g_assert_cmpint(sim_bed_open(&snp, "another", O_WRONLY | O_CREAT), ==, -1);
    g_assert_cmpint(errno, ==, EACCES);
    tee_sim_must(snp.sim, "svsm=on");
    g_assert_cmpuint(count_entries(snp.report), ==, 11);
    expect_mode(&snp, "manifestblob", 0444);
    expect_mode(&snp, "service_provider", 0200);
    expect_mode(&snp, "service_guid", 0200);
    expect_mode(&snp, "service_manifest_version", 0200);
    sim_bed_expect_text(&snp, "privlevel_floor", "2\n");

    sim_bed_init(&tdx, &(TeeSimConfig){.type = TEE_SIM_TDX});
    sim_bed_mkdir(&tdx);
    g_assert_cmpuint(count_entries(tdx.report), ==, 4);
    expect_missing(&tdx, "privlevel");
    expect_missing(&tdx, "privlevel_floor");
    expect_missing(&tdx, "auxblob");
    expect_missing(&tdx, "manifestblob");
}

static void
test_folders(void)
{
    g_auto(SimBed) bed = {0};
    g_auto(SimBed) none = {0};
    g_autofree char *inside = NULL;
    g_autofree char *reports = NULL;

    if (!sim_bed_possible())
        return;
    sim_bed_init(&bed, &(TeeSimConfig){.type = TEE_SIM_SNP});
    sim_bed_mkdir(&bed);
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

    sim_bed_init(&none, &(TeeSimConfig){.type = TEE_SIM_NONE});
    g_assert_cmpint(g_mkdir(none.report, 0700), ==, -1);
    g_assert_cmpint(errno, ==, ENXIO);
}

static void
test_close_takes(void)
{
    g_auto(SimBed) bed = {0};
    guint8 data[65] = {1};
    g_autoptr(GByteArray) out = NULL;
    int fd = -1;

    if (!sim_bed_possible())
        return;
    sim_bed_init(&bed, &(TeeSimConfig){.type = TEE_SIM_SNP});
    sim_bed_mkdir(&bed);
    sim_bed_expect_error(&bed, "outblob", EINVAL);
    /* Without close nothing was written. */
    fd = sim_bed_open(&bed, "inblob", O_WRONLY);
    g_assert_cmpint(write(fd, data, 64), ==, 64);
    sim_bed_expect_text(&bed, "generation", "0\n");
    sim_bed_expect_error(&bed, "outblob", EINVAL);
    g_assert_cmpint(close(fd), ==, 0);
    sim_bed_expect_text(&bed, "generation", "1\n");
    out = sim_bed_get(&bed, "outblob");
    g_assert_nonnull(out);
    /* Too much is refused by the write, and what fits before it counts. */
    g_assert_cmpint(sim_bed_put(&bed, "inblob", data, 65), ==, EFBIG);
    sim_bed_expect_text(&bed, "generation", "1\n");
    /* Two writes make one value; 32 bytes are too few for this provider, and only a reader learns
     * of it. */
    fd = sim_bed_open(&bed, "inblob", O_WRONLY);
    g_assert_cmpint(write(fd, data, 16), ==, 16);
    g_assert_cmpint(write(fd, data, 16), ==, 16);
    g_assert_cmpint(close(fd), ==, 0);
    sim_bed_expect_text(&bed, "generation", "2\n");
    sim_bed_expect_error(&bed, "outblob", EINVAL);
    sim_bed_expect_error(&bed, "auxblob", EINVAL);
}

static void
test_stale(void)
{
    g_auto(SimBed) bed = {0};
    g_autoptr(GByteArray) first = NULL;
    g_autoptr(GByteArray) again = NULL;
    g_autoptr(GByteArray) second = NULL;
    g_autoptr(GByteArray) old = g_byte_array_new();
    guint8 head[100];
    int fd = -1;

    if (!sim_bed_possible())
        return;
    sim_bed_init(&bed, &(TeeSimConfig){.type = TEE_SIM_SNP});
    sim_bed_mkdir(&bed);
    sim_bed_put_inblob(&bed, 1);
    first = sim_bed_get(&bed, "outblob");
    again = sim_bed_get(&bed, "outblob");
    /* Signatures are randomised: the same bytes are the same report. */
    g_assert_cmpmem(first->data, first->len, again->data, again->len);
    g_assert_cmpuint(tee_sim_requests(bed.sim), ==, 1);

    /* A descriptor goes on reading what it began with; a new one gets the new report, and nobody
     * says EWOULDBLOCK. */
    fd = sim_bed_open(&bed, "outblob", O_RDONLY);
    g_assert_cmpint(read(fd, head, sizeof(head)), ==, sizeof(head));
    sim_bed_put_inblob(&bed, 2);
    g_byte_array_unref(g_steal_pointer(&old));
    old = sim_bed_get_fd(fd);
    g_assert_cmpint(close(fd), ==, 0);
    g_assert_cmpmem(old->data, old->len, first->data + 100, first->len - 100);
    second = sim_bed_get(&bed, "outblob");
    g_assert_cmpint(second->data[0x50], ==, 2);
    g_assert_cmpuint(tee_sim_requests(bed.sim), ==, 2);
    sim_bed_expect_text(&bed, "generation", "2\n");
    /* An attribute that is set makes the report stale too. */
    g_assert_cmpint(sim_bed_put_text(&bed, "privlevel", "1"), ==, 0);
    sim_bed_expect_text(&bed, "generation", "3\n");
    g_clear_pointer(&second, g_byte_array_unref);
    second = sim_bed_get(&bed, "outblob");
    g_assert_cmpint(second->data[0x30], ==, 1);
}

static gpointer
get_outblob(gpointer data)
{
    return sim_bed_get(data, "outblob");
}

/* NULL: it could not be read. */
static gpointer
try_outblob(gpointer data)
{
    int fd = sim_bed_open(data, "outblob", O_RDONLY);
    char byte = 0;
    gssize n = read(fd, &byte, 1);

    (void)close(fd);
    return n < 0 ? NULL : data;
}

static void
await_requests(const SimBed *bed, guint wanted)
{
    while (tee_sim_requests(bed->sim) < wanted)
        g_usleep(1000);
}

/* A request that is not answered holds up nobody else, ends with whoever made it, and is answered
 * at last. */
static void
test_hang(void)
{
    g_auto(SimBed) bed = {0};
    g_autoptr(GByteArray) report = NULL;
    GThread *thread = NULL;
    pid_t child = 0;

    if (!sim_bed_possible())
        return;
    sim_bed_init(&bed, &(TeeSimConfig){.type = TEE_SIM_SNP});
    sim_bed_mkdir(&bed);
    sim_bed_put_inblob(&bed, 1);
    tee_sim_must(bed.sim, "hang=report");
    thread = g_thread_new("reads", get_outblob, &bed);
    await_requests(&bed, 1);
    sim_bed_expect_text(&bed, "generation", "1\n");
    child = fork();
    if (child == 0) {
        (void)try_outblob(&bed);
        _exit(0);
    }
    await_requests(&bed, 2);
    g_assert_cmpint(kill(child, SIGKILL), ==, 0);
    g_assert_cmpint(waitpid(child, NULL, 0), ==, child);
    tee_sim_must(bed.sim, "reset=on");
    report = g_thread_join(thread);
    g_assert_nonnull(report);
    g_assert_cmpuint(report->len, ==, CVS_SNP_REPORT_SIZE);
    /* And none keeps the file system from ending. */
    tee_sim_must(bed.sim, "hang=report");
    sim_bed_put_inblob(&bed, 2);
    thread = g_thread_new("reads", try_outblob, &bed);
    await_requests(&bed, 3);
    tee_sim_stop(bed.sim);
    g_assert_null(g_thread_join(thread));
}

static void
test_texts(void)
{
    g_auto(SimBed) bed = {0};
    g_autoptr(GBytes) ek = NULL;
    g_autoptr(GError) error = NULL;
    guint8 key[314];

    if (!sim_bed_possible())
        return;
    sim_bed_init(&bed, &(TeeSimConfig){.type = TEE_SIM_SNP});
    tee_sim_must(bed.sim, "svsm=on");
    sim_bed_mkdir(&bed);
    sim_bed_put_inblob(&bed, 1);
    /* The level of the kernel is 2, and the default of 0 is below it. */
    sim_bed_expect_error(&bed, "outblob", EINVAL);
    g_assert_cmpint(sim_bed_put_text(&bed, "privlevel", "1"), ==, EINVAL);
    g_assert_cmpint(sim_bed_put_text(&bed, "privlevel", "4"), ==, EINVAL);
    g_assert_cmpint(sim_bed_put_text(&bed, "privlevel", "two"), ==, EINVAL);
    g_assert_cmpint(sim_bed_put_text(&bed, "privlevel", "99999999999"), ==, ERANGE);
    sim_bed_expect_text(&bed, "generation", "1\n");
    g_assert_cmpint(sim_bed_put_text(&bed, "privlevel", "0x2\n"), ==, 0);
    sim_bed_expect_text(&bed, "generation", "2\n");
    {
        g_autoptr(GByteArray) out = sim_bed_get(&bed, "outblob");

        g_assert_nonnull(out);
        g_assert_cmpint(out->data[0x30], ==, 2);
    }
    /* Anything is taken as a provider, and refused when it is asked. */
    memset(key, 0x5a, sizeof(key));
    ek = g_bytes_new(key, sizeof(key));
    (void)tee_sim_set_keys(bed.sim, ek, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpint(sim_bed_put_text(&bed, "service_provider", "svsm\n"), ==, 0);
    {
        g_autoptr(GByteArray) out = sim_bed_get(&bed, "outblob");

        g_assert_nonnull(out);
        g_assert_cmpint(out->data[0x30], ==, 0);
    }
    g_assert_cmpint(sim_bed_put_text(&bed, "service_provider", "tpm\n"), ==, 0);
    sim_bed_expect_error(&bed, "outblob", EINVAL);
    g_assert_cmpint(sim_bed_put_text(&bed, "service_guid", "c476f1eb-0123-45a5-9641"), ==, EINVAL);
    g_assert_cmpint(sim_bed_put_text(&bed, "service_manifest_version", "-1"), ==, EINVAL);
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
    g_auto(SimBed) bed = {0};
    g_auto(SimBed) tdx = {0};

    if (!sim_bed_possible())
        return;
    sim_bed_init(&bed, &(TeeSimConfig){.type = TEE_SIM_SNP});
    sim_bed_init(&tdx, &(TeeSimConfig){.type = TEE_SIM_TDX});
    sim_bed_mkdir(&bed);
    sim_bed_mkdir(&tdx);
    sim_bed_put_inblob(&bed, 1);
    sim_bed_put_inblob(&tdx, 1);
    for (gsize i = 0; i < G_N_ELEMENTS(faults); i++) {
        g_autofree char *set = g_strdup_printf("fail-once=%s", faults[i].name);
        g_autoptr(GByteArray) out = NULL;
        g_autoptr(GByteArray) quote = NULL;

        sim_bed_put_inblob(&bed, 2);
        sim_bed_put_inblob(&tdx, 2);
        tee_sim_must(bed.sim, set);
        tee_sim_must(tdx.sim, set);
        sim_bed_expect_error(&bed, "outblob", faults[i].error);
        sim_bed_expect_error(&tdx, "outblob", faults[i].error);
        if (faults[i].wipes) {
            sim_bed_expect_error(&bed, "outblob", ENOTTY);
            sim_bed_expect_error(&bed, "auxblob", ENOTTY);
            tee_sim_must(bed.sim, "reset=on");
        }
        out = sim_bed_get(&bed, "outblob");
        g_assert_nonnull(out);
        quote = sim_bed_get(&tdx, "outblob");
        g_assert_nonnull(quote);
    }
    sim_bed_put_inblob(&tdx, 3);
    tee_sim_must(tdx.sim, "busy=2");
    sim_bed_expect_error(&tdx, "outblob", EBUSY);
    sim_bed_expect_error(&tdx, "outblob", EBUSY);
    {
        g_autoptr(GByteArray) quote = sim_bed_get(&tdx, "outblob");

        g_assert_nonnull(quote);
    }
    sim_bed_put_inblob(&tdx, 4);
    tee_sim_must(tdx.sim, "trailing=16777216");
    sim_bed_expect_error(&tdx, "outblob", EFBIG);
    tee_sim_must(tdx.sim, "trailing=70");
    sim_bed_put_inblob(&tdx, 5);
    tee_sim_must(tdx.sim, "empty-outblob=on");
    sim_bed_expect_text(&tdx, "outblob", "");
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
    g_test_add_func("/tee-sim/tsm/hang", test_hang);
    g_test_add_func("/tee-sim/tsm/texts", test_texts);
    g_test_add_func("/tee-sim/tsm/faults", test_faults);
    return g_test_run();
}
