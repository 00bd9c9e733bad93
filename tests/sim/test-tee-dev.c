/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The simulated TEE's devices, registers and logs, in this process and from another one; its
 * control file; and that no mount stays behind. */

#include "base/digest.h"
#include "base/error.h"
#include "sim/sim-bed.h"
#include "tee/eventlog-replay.h"
#include "tee/ghcb-certs.h"
#include "tee/snp-report.h"
#include "tee/tdreport.h"
#include "tee/x509.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* As linux/sev-guest.h of Linux 6.4 and linux/tdx-guest.h have them; older headers differ. */
#define SNP_GET_REPORT 0xc0205300u
#define SNP_GET_DERIVED_KEY 0xc0205301u
#define SNP_GET_EXT_REPORT 0xc0205302u
#define TDX_CMD_GET_REPORT0 0xc4405401u
#define MEASUREMENTS "sys/devices/virtual/misc/tdx_guest/measurements/"

typedef struct {
    guint8 version;
    guint64 request;
    guint64 response;
    guint32 fw_error;
    guint32 vmm_error;
} GuestRequest;

typedef struct {
    guint8 data[64];
    guint32 vmpl;
    guint8 reserved[28];
    guint64 certs;
    guint32 certs_size;
} ReportRequest;

typedef struct {
    guint32 root_key;
    guint32 reserved;
    guint64 fields;
    guint32 vmpl;
    guint32 guest_svn;
    guint64 tcb;
} KeyRequest;

static int
open_path(const char *mount, const char *name, int flags)
{
    g_autofree char *path = g_build_filename(mount, name, NULL);

    return open(path, flags | O_CLOEXEC);
}

/* 0 or errno. */
static int
sev_ioctl(const char *mount, guint cmd, void *request, void *response, GuestRequest *io)
{
    int fd = open_path(mount, "dev/sev-guest", O_RDWR);
    int result = 0;

    g_assert_cmpint(fd, >=, 0);
    io->request = (guint64)GPOINTER_TO_SIZE(request);
    io->response = (guint64)GPOINTER_TO_SIZE(response);
    result = ioctl(fd, cmd, io) < 0 ? errno : 0;
    g_assert_cmpint(close(fd), ==, 0);
    return result;
}

static void
check_report(const guint8 *response, guint8 value, guint vmpl)
{
    g_autoptr(GError) error = NULL;
    CvsSnpReport report;

    g_assert_cmpuint(response[0], ==, 0);
    g_assert_cmpuint(response[4] | response[5] << 8, ==, CVS_SNP_REPORT_SIZE);
    (void)cvs_snp_report_parse(response + 32, CVS_SNP_REPORT_SIZE, &report, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(report.report_data[63], ==, value);
    g_assert_cmpuint(report.vmpl, ==, vmpl);
}

static void
test_sev_report(void)
{
    g_auto(SimBed) bed = {0};
    g_autofree guint8 *response = g_malloc(4000);
    ReportRequest request = {.vmpl = 1};
    GuestRequest io = {.version = 1};
    int fd = -1;

    if (!sim_bed_possible())
        return;
    sim_bed_init(&bed, &(TeeSimConfig){.type = TEE_SIM_SNP});
    memset(request.data, 3, 64);
    g_assert_cmpint(sev_ioctl(bed.mount, SNP_GET_REPORT, &request, response, &io), ==, 0);
    check_report(response, 3, 1);
    g_assert_cmpuint(response[3999], ==, 0);

    /* Below the caller's level: the firmware's status, which nobody must overlook. */
    tee_sim_must(bed.sim, "vmpl=2");
    g_assert_cmpint(sev_ioctl(bed.mount, SNP_GET_REPORT, &request, response, &io), ==, 0);
    g_assert_cmpuint(response[0], ==, 0x16);
    g_assert_cmpuint(response[4], ==, 0);
    tee_sim_must(bed.sim, "vmpl=0");

    io.version = 0;
    g_assert_cmpint(sev_ioctl(bed.mount, SNP_GET_REPORT, &request, response, &io), ==, EINVAL);
    io.version = 1;
    g_assert_cmpint(sev_ioctl(bed.mount, SNP_GET_REPORT, NULL, response, &io), ==, EINVAL);
    g_assert_cmpint(sev_ioctl(bed.mount, SNP_GET_REPORT, GSIZE_TO_POINTER(16), response, &io), ==,
                    EFAULT);
    g_assert_cmpint(sev_ioctl(bed.mount, SNP_GET_REPORT, &request, GSIZE_TO_POINTER(16), &io), ==,
                    EFAULT);
    g_assert_cmpint(sev_ioctl(bed.mount, 0xc0205303u, &request, response, &io), ==, ENOTTY);
    tee_sim_must(bed.sim, "fail-once=EIO");
    g_assert_cmpint(sev_ioctl(bed.mount, SNP_GET_REPORT, &request, response, &io), ==, EIO);
    g_assert_cmpuint(io.fw_error, ==, 0xff);
    g_assert_cmpint(sev_ioctl(bed.mount, SNP_GET_REPORT, &request, response, &io), ==, ENOTTY);
    g_assert_cmpint(sev_ioctl(bed.mount, SNP_GET_EXT_REPORT, &request, response, &io), ==, ENOTTY);
    g_assert_cmpint(sev_ioctl(bed.mount, SNP_GET_DERIVED_KEY, &request, response, &io), ==, ENOTTY);
    fd = open_path(bed.mount, "dev/tdx_guest", O_RDWR);
    g_assert_cmpint(fd, ==, -1);
}

static void
test_sev_certs(void)
{
    g_auto(SimBed) bed = {0};
    g_autofree guint8 *response = g_malloc(4000);
    g_autofree guint8 *certs = g_malloc(16384);
    g_autoptr(GPtrArray) leaves = cvs_x509_certs_new();
    g_autoptr(GError) error = NULL;
    ReportRequest request = {.certs = (guint64)GPOINTER_TO_SIZE(certs), .certs_size = 0};
    GuestRequest io = {.version = 1};

    if (!sim_bed_possible())
        return;
    sim_bed_init(&bed, &(TeeSimConfig){.type = TEE_SIM_SNP});
    /* Too small: the size that would do comes with an error. */
    g_assert_cmpint(sev_ioctl(bed.mount, SNP_GET_EXT_REPORT, &request, response, &io), ==, EIO);
    g_assert_cmpuint(io.vmm_error, ==, 1);
    g_assert_cmpuint(request.certs_size, >=, 4096);
    g_assert_cmpuint(request.certs_size % 4096, ==, 0);
    g_assert_cmpint(sev_ioctl(bed.mount, SNP_GET_EXT_REPORT, &request, response, &io), ==, 0);
    check_report(response, 0, 0);
    (void)cvs_ghcb_certs_load(certs, request.certs_size, leaves, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(leaves->len, ==, 1);

    request.certs_size = 100;
    g_assert_cmpint(sev_ioctl(bed.mount, SNP_GET_EXT_REPORT, &request, response, &io), ==, EINVAL);
    request.certs_size = 5 * 4096;
    g_assert_cmpint(sev_ioctl(bed.mount, SNP_GET_EXT_REPORT, &request, response, &io), ==, EINVAL);
    /* A host without certificates. */
    tee_sim_must(bed.sim, "certs=none");
    request.certs_size = 0;
    g_assert_cmpint(sev_ioctl(bed.mount, SNP_GET_EXT_REPORT, &request, response, &io), ==, 0);
    check_report(response, 0, 0);
    request.certs_size = 4096;
    memset(certs, 0xff, 4096);
    g_assert_cmpint(sev_ioctl(bed.mount, SNP_GET_EXT_REPORT, &request, response, &io), ==, 0);
    g_assert_cmpuint(certs[0], ==, 0);
    g_assert_cmpuint(certs[4095], ==, 0);
}

#define POLICY (1 << 0)
#define MEASUREMENT (1 << 3)

/* The status; the key. */
static guint
get_key(const SimBed *bed, KeyRequest request, guint8 key[static 32])
{
    guint8 response[64];
    GuestRequest io = {.version = 1};

    memset(response, 0xee, sizeof(response));
    g_assert_cmpint(sev_ioctl(bed->mount, SNP_GET_DERIVED_KEY, &request, response, &io), ==, 0);
    memcpy(key, response + 32, 32);
    return response[0];
}

static gboolean
same_key(const SimBed *bed, const SimBed *other, KeyRequest request)
{
    guint8 a[32], b[32];

    g_assert_cmpuint(get_key(bed, request, a), ==, 0);
    g_assert_cmpuint(get_key(other, request, b), ==, 0);
    return memcmp(a, b, 32) == 0;
}

static void
test_sev_key(void)
{
    static const guint8 zero[32];
    static const KeyRequest no_fields;
    g_auto(SimBed) bed = {0};
    g_auto(SimBed) again = {0};
    g_auto(SimBed) other = {0};
    guint8 key[32], changed[32];

    if (!sim_bed_possible())
        return;
    sim_bed_init(&bed, &(TeeSimConfig){.type = TEE_SIM_SNP, .machine = "one"});
    sim_bed_init(&again, &(TeeSimConfig){.type = TEE_SIM_SNP, .machine = "one"});
    sim_bed_init(&other, &(TeeSimConfig){.type = TEE_SIM_SNP, .machine = "two"});
    g_assert_cmpuint(get_key(&bed, no_fields, key), ==, 0);
    g_assert_true(memcmp(key, zero, 32) != 0);
    /* A chip's key outlives the launch, the VMRK's does not. */
    g_assert_true(same_key(&bed, &again, no_fields));
    g_assert_false(same_key(&bed, &other, no_fields));
    g_assert_false(same_key(&bed, &again, (KeyRequest){.root_key = 1}));

    /* Only what is selected is mixed in. */
    tee_sim_must(again.sim, "debug=on");
    g_assert_true(same_key(&bed, &again, (KeyRequest){.fields = MEASUREMENT}));
    g_assert_false(same_key(&bed, &again, (KeyRequest){.fields = POLICY}));
    tee_sim_must(again.sim, "reset=on");
    tee_sim_must(again.sim, "other-guest=on");
    g_assert_true(same_key(&bed, &again, (KeyRequest){.fields = POLICY}));
    g_assert_false(same_key(&bed, &again, (KeyRequest){.fields = MEASUREMENT}));
    tee_sim_must(again.sim, "reset=on");
    tee_sim_must(again.sim, "low-tcb=snp");
    g_assert_false(same_key(&bed, &again, no_fields));
    g_assert_cmpuint(get_key(&bed, (KeyRequest){.vmpl = 1}, changed), ==, 0);
    g_assert_true(memcmp(key, changed, 32) != 0);

    /* Refused: the status says so, and the key is zero. */
    g_assert_cmpuint(get_key(&bed, (KeyRequest){.tcb = G_GUINT64_CONSTANT(220) << 56}, key), ==,
                     0x16);
    g_assert_cmpmem(key, 32, zero, 32);
    g_assert_cmpuint(get_key(&bed, (KeyRequest){.tcb = G_GUINT64_CONSTANT(219) << 56}, key), ==, 0);
    g_assert_cmpuint(get_key(&bed, (KeyRequest){.fields = 1 << 6}, key), ==, 0x16);
    g_assert_cmpuint(get_key(&bed, (KeyRequest){.guest_svn = 3}, key), ==, 0x16);
    g_assert_cmpuint(get_key(&bed, (KeyRequest){.vmpl = 4}, key), ==, 0x16);
    tee_sim_must(bed.sim, "vmpl=1");
    g_assert_cmpuint(get_key(&bed, no_fields, key), ==, 0x16);
    /* The lie: zero, and nothing says so. */
    tee_sim_must(bed.sim, "vmpl=0");
    tee_sim_must(bed.sim, "zero-key=on");
    g_assert_cmpuint(get_key(&bed, no_fields, key), ==, 0);
    g_assert_cmpmem(key, 32, zero, 32);
}

static void
get_tdreport(const SimBed *bed, guint8 value, CvsTdReport *report)
{
    g_autoptr(GError) error = NULL;
    guint8 io[64 + 1024];
    int fd = open_path(bed->mount, "dev/tdx_guest", O_RDWR);

    g_assert_cmpint(fd, >=, 0);
    memset(io, value, sizeof(io));
    g_assert_cmpint(ioctl(fd, TDX_CMD_GET_REPORT0, io), ==, 0);
    g_assert_cmpint(ioctl(fd, SNP_GET_REPORT, io), ==, -1);
    g_assert_cmpint(errno, ==, ENOTTY);
    g_assert_cmpint(close(fd), ==, 0);
    (void)cvs_tdreport_parse(io + 64, 1024, report, &error);
    g_assert_no_error(error);
}

static void
get_mr(const SimBed *bed, const char *name, guint8 value[static 48])
{
    g_autofree char *path = g_build_filename(bed->mount, MEASUREMENTS, name, NULL);
    g_autofree char *data = NULL;
    g_autoptr(GError) error = NULL;
    gsize size = 0;

    (void)g_file_get_contents(path, &data, &size, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(size, ==, 48);
    memcpy(value, data, 48);
}

/* What write() returns, or -errno. */
static int
put_mr(const SimBed *bed, const char *name, const void *data, gsize size, off_t offset)
{
    g_autofree char *path = g_build_filename(MEASUREMENTS, name, NULL);
    int fd = open_path(bed->mount, path, O_WRONLY);
    int result = 0;

    if (fd < 0)
        return -errno;
    result = (int)pwrite(fd, data, size, offset);
    if (result < 0)
        result = -errno;
    g_assert_cmpint(close(fd), ==, 0);
    return result;
}

static void
test_td_registers(void)
{
    static const char *const names[] = {"rtmr0:sha384", "rtmr1:sha384", "rtmr2:sha384",
                                        "rtmr3:sha384"};
    static const guint8 digest[64] = {1, 2, 3};
    g_auto(SimBed) bed = {0};
    guint8 value[48], wanted[48], measurement[48];
    guint8 io[64 + 1024] = {0};
    CvsTdReport report;
    int fd = -1;

    if (!sim_bed_possible())
        return;
    sim_bed_init(&bed, &(TeeSimConfig){.type = TEE_SIM_TDX});
    get_tdreport(&bed, 5, &report);
    g_assert_cmpuint(report.body.report_data[63], ==, 5);
    tee_sim_measurement(bed.sim, measurement);
    g_assert_cmpmem(report.body.mr_td, 48, measurement, 48);
    get_mr(&bed, "mrtd:sha384", value);
    g_assert_cmpmem(value, 48, measurement, 48);
    get_mr(&bed, "mrconfigid", value);
    g_assert_cmpmem(value, 48, report.body.mr_config_id, 48);
    get_mr(&bed, "mrowner", value);
    get_mr(&bed, "mrownerconfig", value);
    for (guint i = 0; i < 4; i++) {
        get_mr(&bed, names[i], value);
        g_assert_cmpmem(value, 48, report.body.rtmr[i], 48);
    }

    memcpy(wanted, report.body.rtmr[3], 48);
    cvs_register_extend(CVS_SHA384, wanted, digest);
    g_assert_cmpint(put_mr(&bed, "rtmr3:sha384", digest, 48, 0), ==, 48);
    get_mr(&bed, "rtmr3:sha384", value);
    g_assert_cmpmem(value, 48, wanted, 48);
    g_assert_cmpint(put_mr(&bed, "rtmr3:sha384", digest, 47, 0), ==, -EINVAL);
    g_assert_cmpint(put_mr(&bed, "rtmr3:sha384", digest, 48, 1), ==, -EINVAL);
    g_assert_cmpint(put_mr(&bed, "rtmr3:sha384", digest, 48, 48), ==, -EFBIG);
    g_assert_cmpint(put_mr(&bed, "mrtd:sha384", digest, 48, 0), ==, -EACCES);
    get_mr(&bed, "rtmr3:sha384", value);
    g_assert_cmpmem(value, 48, wanted, 48);

    tee_sim_must(bed.sim, "no-tdreport=on");
    fd = open_path(bed.mount, "dev/tdx_guest", O_RDWR);
    g_assert_cmpint(ioctl(fd, TDX_CMD_GET_REPORT0, io), ==, -1);
    g_assert_cmpint(errno, ==, EIO);
    g_assert_cmpint(close(fd), ==, 0);
    tee_sim_must(bed.sim, "reset=on");

    /* By another way: the file shows it late, the TDREPORT at once. */
    tee_sim_extend(bed.sim, 3, digest);
    get_mr(&bed, "rtmr3:sha384", value);
    g_assert_cmpmem(value, 48, wanted, 48);
    cvs_register_extend(CVS_SHA384, wanted, digest);
    get_tdreport(&bed, 0, &report);
    g_assert_cmpmem(report.body.rtmr[3], 48, wanted, 48);
    g_assert_cmpint(put_mr(&bed, "rtmr2:sha384", digest, 48, 0), ==, 48);
    get_mr(&bed, "rtmr3:sha384", value);
    g_assert_cmpmem(value, 48, wanted, 48);
}

static void
test_logs(void)
{
    g_auto(SimBed) bed = {0};
    g_auto(SimBed) with_tpm = {0};
    g_autofree char *path = NULL;
    g_autofree char *table_path = NULL;
    g_autofree char *tpm_path = NULL;
    g_autofree char *data = NULL;
    g_autofree char *table = NULL;
    g_autofree char *tpm = NULL;
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(CvsEventLog) log = NULL;
    g_autoptr(GError) error = NULL;
    CvsTdReport report;
    gsize size = 0;
    guint8 sum = 0;

    if (!sim_bed_possible())
        return;
    sim_bed_init(&bed, &(TeeSimConfig){.type = TEE_SIM_TDX});
    path = g_build_filename(bed.mount, "sys/firmware/acpi/tables/data/CCEL", NULL);
    table_path = g_build_filename(bed.mount, "sys/firmware/acpi/tables/CCEL", NULL);
    (void)g_file_get_contents(table_path, &table, &size, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(size, ==, 56);
    for (guint i = 0; i < 56; i++)
        sum = (guint8)(sum + (guint8)table[i]);
    g_assert_cmpuint(sum, ==, 0);
    (void)g_file_get_contents(path, &data, &size, &error);
    g_assert_no_error(error);
    bytes = g_bytes_new(data, size);
    log = cvs_event_log_parse(bytes, CVS_EVENT_LOG_AUTO, &error);
    g_assert_no_error(error);
    g_assert_cmpint(cvs_event_log_format(log), ==, CVS_EVENT_LOG_CC);
    get_tdreport(&bed, 0, &report);
    for (guint i = 0; i < 4; i++)
        g_assert_cmpint(cvs_event_log_explain(log, CVS_SHA384, i, report.body.rtmr[i], NULL), ==,
                        i < 3 ? CVS_EXPLAIN_MATCH : CVS_EXPLAIN_UNTOUCHED);
    tee_sim_must(bed.sim, "zero-rtmrs=on");
    get_tdreport(&bed, 0, &report);
    g_assert_cmpint(cvs_event_log_explain(log, CVS_SHA384, 0, report.body.rtmr[0], NULL), !=,
                    CVS_EXPLAIN_MATCH);

    /* A TPM's log is shown as it was given, and only if it was. */
    sim_bed_init(&with_tpm, &(TeeSimConfig){.type = TEE_SIM_SNP, .tpm_log = path});
    tpm_path =
        g_build_filename(with_tpm.mount, "sys/kernel/security/tpm0/binary_bios_measurements", NULL);
    (void)g_file_get_contents(tpm_path, &tpm, &size, &error);
    g_assert_no_error(error);
    g_assert_cmpmem(tpm, size, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
    g_clear_pointer(&tpm_path, g_free);
    tpm_path =
        g_build_filename(bed.mount, "sys/kernel/security/tpm0/binary_bios_measurements", NULL);
    g_assert_false(g_file_test(tpm_path, G_FILE_TEST_EXISTS));
}

/* write()'s errno, or 0. */
static int
control(const char *mount, const char *text)
{
    int fd = open_path(mount, "control", O_WRONLY | O_TRUNC);
    int result = 0;

    g_assert_cmpint(fd, >=, 0);
    result = write(fd, text, strlen(text)) < 0 ? errno : 0;
    g_assert_cmpint(close(fd), ==, 0);
    return result;
}

static void
test_control(void)
{
    static const char *const wrong[] = {
        "debug",           "debug=yes", "debug=",      "nothing=1", "report-version=6",
        "quote-version=3", "vmpl=4",    "low-tcb=fmc", "busy=-1",   "ek=/there/is/no/such",
        "user-data=00"};
    g_auto(SimBed) bed = {0};
    g_autofree char *text = NULL;

    if (!sim_bed_possible())
        return;
    sim_bed_init(&bed, &(TeeSimConfig){.type = TEE_SIM_SNP});
    g_assert_cmpint(control(bed.mount, "debug=on\nbusy=7\n\nlow-tcb=snp\n"), ==, 0);
    text = tee_sim_describe(bed.sim);
    g_assert_nonnull(strstr(text, "debug=on\n"));
    g_assert_nonnull(strstr(text, "busy=7\n"));
    g_assert_nonnull(strstr(text, "low-tcb=snp\n"));
    g_assert_cmpint(control(bed.mount, "report-version=4\nreset=on\n"), ==, 0);
    g_clear_pointer(&text, g_free);
    {
        g_autofree char *path = g_build_filename(bed.mount, "control", NULL);

        g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
    }
    g_assert_nonnull(strstr(text, "debug=off\n"));
    g_assert_nonnull(strstr(text, "busy=0\n"));
    g_assert_nonnull(strstr(text, "report-version=4\n"));
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;

        g_assert_false(tee_sim_set(bed.sim, wrong[i], &error));
        g_assert_nonnull(error);
    }
}

static gboolean
is_mounted(const char *path)
{
    g_autofree char *mounts = NULL;
    g_autofree char *needle = g_strdup_printf(" %s fuse", path);

    g_assert_true(g_file_get_contents("/proc/self/mounts", &mounts, NULL, NULL));
    return strstr(mounts, needle) != NULL;
}

/* The kernel tells who watches the table of mounts. */
static void
await_unmount(const char *path)
{
    struct pollfd watch = {.fd = open("/proc/self/mounts", O_RDONLY | O_CLOEXEC),
                           .events = POLLPRI};

    g_assert_cmpint(watch.fd, >=, 0);
    while (is_mounted(path))
        (void)poll(&watch, 1, 1000);
    g_assert_cmpint(close(watch.fd), ==, 0);
}

static void
test_stop(void)
{
    g_auto(SimBed) bed = {0};
    g_autoptr(GError) error = NULL;
    char byte = 0;
    int fd = -1;
    int inblob = -1;

    if (!sim_bed_possible())
        return;
    sim_bed_init(&bed, &(TeeSimConfig){.type = TEE_SIM_SNP});
    sim_bed_mkdir(&bed);
    g_assert_true(is_mounted(bed.mount));
    /* Whoever has files open there does not hold it up. */
    fd = open_path(bed.mount, "control", O_RDONLY);
    inblob = sim_bed_open(&bed, "inblob", O_WRONLY);
    g_assert_cmpint(write(inblob, &byte, 1), ==, 1);
    tee_sim_stop(bed.sim);
    g_assert_false(is_mounted(bed.mount));
    g_assert_cmpint(read(fd, &byte, 1), ==, -1);
    g_assert_cmpint(errno, ==, ENOTCONN);
    (void)close(fd);
    (void)close(inblob);
    tee_sim_stop(bed.sim);
    /* And again, with the reports of before. */
    (void)tee_sim_start(bed.sim, bed.mount, &error);
    g_assert_no_error(error);
    sim_bed_expect_text(&bed, "generation", "0\n");
}

/* The program, whose memory is not ours. */
typedef struct {
    GPid pid;
    char *dir;
    char *mount;
    char *state;
} Program;

static void
program_start(Program *program)
{
    g_autofree char *exe = g_test_build_filename(G_TEST_BUILT, "sim", "tee-sim", NULL);
    const char *argv[] = {exe,  "--mount",         NULL,       "--state",
                          NULL, "--follow-parent", "debug=on", NULL};
    g_autoptr(GError) error = NULL;
    char ready[6] = {0};
    int out = -1;

    program->dir = g_dir_make_tmp("tee-sim-XXXXXX", NULL);
    program->mount = g_build_filename(program->dir, "mnt", NULL);
    program->state = g_build_filename(program->dir, "state", NULL);
    argv[2] = program->mount;
    argv[4] = program->state;
    (void)g_spawn_async_with_pipes(NULL, (char **)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL,
                                   &program->pid, NULL, &out, NULL, &error);
    g_assert_no_error(error);
    g_assert_cmpint(read(out, ready, sizeof(ready)), ==, sizeof(ready));
    g_assert_cmpmem(ready, sizeof(ready), "ready\n", 6);
    g_assert_cmpint(close(out), ==, 0);
}

static int
program_end(Program *program, int signal)
{
    static const char *const files[] = {"state/collateral/ark.pem",
                                        "state/collateral/ask.pem",
                                        "state/collateral/asvk.pem",
                                        "state/collateral/crl.der",
                                        "state/collateral/leaf.der",
                                        "state/collateral",
                                        "state/roots/ark.pem",
                                        "state/roots",
                                        "state",
                                        "mnt"};
    int status = 0;

    g_assert_cmpint(kill(program->pid, signal), ==, 0);
    g_assert_cmpint(waitpid(program->pid, &status, 0), ==, program->pid);
    await_unmount(program->mount);
    for (gsize i = 0; i < G_N_ELEMENTS(files); i++) {
        g_autofree char *path = g_build_filename(program->dir, files[i], NULL);

        g_assert_cmpint(g_remove(path), ==, 0);
    }
    g_assert_cmpint(g_rmdir(program->dir), ==, 0);
    g_free(program->dir);
    g_free(program->mount);
    g_free(program->state);
    return status;
}

static void
test_program(void)
{
    Program program = {0};
    g_autofree guint8 *response = g_malloc(4000);
    ReportRequest request = {0};
    GuestRequest io = {.version = 1};
    int status = 0;

    if (!sim_bed_possible())
        return;
    program_start(&program);
    memset(request.data, 9, 64);
    g_assert_cmpint(sev_ioctl(program.mount, SNP_GET_REPORT, &request, response, &io), ==, 0);
    check_report(response, 9, 0);
    g_assert_cmpuint(response[32 + 10] & 8, ==, 8); /* POLICY: DEBUG, as told on the command line */
    g_assert_cmpint(control(program.mount, "debug=off"), ==, 0);
    g_assert_cmpint(sev_ioctl(program.mount, SNP_GET_REPORT, &request, response, &io), ==, 0);
    g_assert_cmpuint(response[32 + 10] & 8, ==, 0);
    request.certs_size = 0;
    g_assert_cmpint(sev_ioctl(program.mount, SNP_GET_EXT_REPORT, &request, response, &io), ==, EIO);
    g_assert_cmpuint(io.vmm_error, ==, 1);
    g_assert_cmpint(control(program.mount, "debug=perhaps"), ==, EINVAL);
    status = program_end(&program, SIGTERM);
    g_assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);

    /* Killed: the mount goes too, though a file there is open. */
    program_start(&program);
    status = open_path(program.mount, "control", O_RDONLY);
    (void)program_end(&program, SIGKILL);
    (void)close(status);
}

typedef struct {
    const char *mount;
    GAsyncQueue *done;
} Crash;

#define CRASH_MOUNT "CVS_TEST_CRASH_MOUNT"

static gpointer
read_for_ever(gpointer data)
{
    const Crash *shared = data;

    for (;;) {
        g_autofree guint8 *response = g_malloc(4000);
        ReportRequest request = {0};
        GuestRequest io = {.version = 1};

        g_assert_cmpint(sev_ioctl(shared->mount, SNP_GET_REPORT, &request, response, &io), ==, 0);
        g_async_queue_push(shared->done, GINT_TO_POINTER(1));
    }
    return NULL;
}

/* Aborts while others of its threads are inside of the file system, or soon will be. */
G_NORETURN static void
crash(void)
{
    TeeSimConfig config = {.type = TEE_SIM_SNP};
    Crash shared = {g_getenv(CRASH_MOUNT), g_async_queue_new()};
    g_autoptr(GError) error = NULL;
    TeeSim *sim = tee_sim_new(&config, &error);

    g_assert_no_error(error);
    (void)tee_sim_start(sim, shared.mount, &error);
    g_assert_no_error(error);
    for (guint i = 0; i < 3; i++)
        (void)g_thread_new("reader", read_for_ever, &shared);
    for (guint i = 0; i < 10; i++)
        (void)g_async_queue_pop(shared.done);
    abort();
}

static void
test_crash(void)
{
    g_autofree char *dir = NULL;
    g_autofree char *mount = NULL;

    if (g_test_subprocess())
        crash();
    if (!sim_bed_possible())
        return;
    dir = g_dir_make_tmp("tee-sim-XXXXXX", NULL);
    mount = g_build_filename(dir, "mnt", NULL);
    g_assert_true(g_setenv(CRASH_MOUNT, mount, TRUE));
    g_test_trap_subprocess(NULL, 0, 0);
    g_test_trap_assert_failed();
    await_unmount(mount);
    g_assert_cmpint(g_rmdir(mount), ==, 0);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

int
main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/tee-sim/sev-guest/report", test_sev_report);
    g_test_add_func("/tee-sim/sev-guest/certs", test_sev_certs);
    g_test_add_func("/tee-sim/sev-guest/key", test_sev_key);
    g_test_add_func("/tee-sim/tdx-guest/registers", test_td_registers);
    g_test_add_func("/tee-sim/logs", test_logs);
    g_test_add_func("/tee-sim/control", test_control);
    g_test_add_func("/tee-sim/stop", test_stop);
    g_test_add_func("/tee-sim/program", test_program);
    g_test_add_func("/tee-sim/crash", test_crash);
    return g_test_run();
}
