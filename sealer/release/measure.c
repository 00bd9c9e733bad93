/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "release/measure.h"
#include "base/boot-id.h"
#include "base/error.h"
#include "base/file.h"
#include "base/lock.h"
#include "tee/boot-logs.h"
#include "tee/tsm-mr.h"
#include "tpm/pcr-extend.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define FOLDER_MODE 0700
#define LOG_MODE 0600

G_STATIC_ASSERT(CVS_MEASURE_TEXT_MAX == CVS_PCR_EVENT_MAX);

static const CvsHash pcr_banks[] = {CVS_SHA256, CVS_SHA384};

static gboolean
check(gboolean rtmr, guint index, const char *text, GError **error)
{
    guint32 allowed = rtmr ? CVS_MEASURE_RTMRS : CVS_MEASURE_PCRS;
    gsize size = strlen(text);

    if (index >= CVS_PCR_COUNT || !(allowed & 1u << index)) {
        if (rtmr)
            g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                        "RTMR %u is not to be extended: 2 and 3 are, the others are the firmware's",
                        index);
        else
            g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                        "PCR %u is not to be extended: 11 to 15 are. The others belong to the "
                        "firmware, the boot loader and the kernel, or can be reset",
                        index);
        return FALSE;
    }
    if (size == 0 || size > CVS_MEASURE_TEXT_MAX || !g_utf8_validate(text, (gssize)size, NULL)) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT,
                    "what is measured is a text of 1 to %d bytes, in UTF-8", CVS_MEASURE_TEXT_MAX);
        return FALSE;
    }
    return TRUE;
}

static gboolean
read_rtmr(const CvsMeasurer *measurer, guint index, CvsMeasured *value, GError **error)
{
    CvsTdBody body = {0};
    gboolean late = FALSE;

    if (index >= CVS_TD_RTMRS || !cvs_tee_source_read_td(measurer->source, &body, &late, error))
        return FALSE;
    memcpy(value->before[CVS_SHA384], body.rtmr[index], CVS_TD_MR_SIZE);
    value->has[CVS_SHA384] = TRUE;
    return TRUE;
}

static gboolean
read_pcr(const CvsMeasurer *measurer, guint index, CvsMeasured *value, GError **error)
{
    for (gsize i = 0; i < G_N_ELEMENTS(pcr_banks); i++) {
        const CvsPcrSelection selection = {.bank = pcr_banks[i], .mask = 1u << index};
        g_autoptr(GError) local = NULL;
        CvsPcrValues values;

        if (cvs_tpm_read_pcrs(measurer->tpm, &selection, &values, &local)) {
            memcpy(value->before[pcr_banks[i]], values.value[index], CVS_DIGEST_MAX);
            value->has[pcr_banks[i]] = TRUE;
        } else if (!cvs_error_has_reason(local, CVS_REASON_PCR_BANK_MISSING)) {
            g_propagate_error(error, g_steal_pointer(&local));
            return FALSE;
        }
    }
    if (value->has[CVS_SHA256] || value->has[CVS_SHA384])
        return TRUE;
    g_set_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                "the TPM has PCR %u neither in its sha256 nor in its sha384 bank", index);
    return FALSE;
}

/* The register's value now, in "before", and the banks that it has. */
static gboolean
read_value(const CvsMeasurer *measurer, gboolean rtmr, guint index, CvsMeasured *value,
           GError **error)
{
    value->rtmr = rtmr;
    value->index = index;
    if (rtmr)
        return read_rtmr(measurer, index, value, error);
    if (measurer->tpm == NULL) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED, "there is no TPM here");
        return FALSE;
    }
    return read_pcr(measurer, index, value, error);
}

static gboolean
values_are_equal(const CvsMeasured *a, const CvsMeasured *b)
{
    for (int bank = 0; bank < CVS_EVENT_LOG_BANKS; bank++) {
        if (a->has[bank] && b->has[bank] &&
            memcmp(a->before[bank], b->before[bank], cvs_hash_size((CvsHash)bank)) != 0)
            return FALSE;
    }
    return TRUE;
}

static int
open_log(int dir, GError **error)
{
    int fd = openat(dir, CVS_MEASURE_LOG_NAME,
                    O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY, LOG_MODE);

    if (fd < 0)
        cvs_error_set_errno(error, CVS_ERROR_STORAGE_ERROR, errno, "cannot open %s",
                            CVS_MEASURE_LOG_NAME);
    return fd;
}

/* Takes back a last record whose extension was not made. ret_end: where the log ends then. */
static gboolean
settle(const CvsMeasurer *measurer, int dir, int fd, off_t *ret_end, GError **error)
{
    g_autoptr(GBytes) bytes = cvs_file_read(dir, CVS_MEASURE_LOG_NAME, CVS_MEASURE_LOG_MAX, error);
    g_autoptr(GPtrArray) records = NULL;
    const CvsMeasured *last = NULL;
    CvsMeasured now = {0};

    if (bytes == NULL)
        return FALSE;
    records = cvs_measure_log_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes),
                                    CVS_MEASURE_LOG_NAME, error);
    if (records == NULL)
        return FALSE;
    *ret_end = (off_t)g_bytes_get_size(bytes);
    if (records->len == 0)
        return TRUE;
    last = g_ptr_array_index(records, records->len - 1);
    if (!last->has_before)
        return TRUE;
    if (!read_value(measurer, last->rtmr, last->index, &now, error)) {
        g_prefix_error(error, "whether the last record of %s came true cannot be seen: ",
                       CVS_MEASURE_LOG_NAME);
        return FALSE;
    }
    if (!values_are_equal(last, &now))
        return TRUE;
    if (ftruncate(fd, (off_t)last->offset) < 0) {
        cvs_error_set_errno(error, CVS_ERROR_STORAGE_ERROR, errno, "cannot shorten %s",
                            CVS_MEASURE_LOG_NAME);
        return FALSE;
    }
    *ret_end = (off_t)last->offset;
    return TRUE;
}

static gboolean
append(int fd, off_t end, const CvsMeasured *record, const char *text, GError **error)
{
    g_autofree char *boot_id = cvs_boot_id();
    g_autofree char *line = cvs_measure_log_format(record, text, boot_id);
    gsize size = strlen(line);

    if ((gsize)end + size > CVS_MEASURE_LOG_MAX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_TOO_LARGE,
                    "%s is full: %d bytes are what those who read it take", CVS_MEASURE_LOG_NAME,
                    CVS_MEASURE_LOG_MAX);
        return FALSE;
    }
    if (cvs_write_all(fd, line, size) && fsync(fd) == 0)
        return TRUE;
    cvs_error_set_errno(error, CVS_ERROR_STORAGE_ERROR, errno, "cannot write %s",
                        CVS_MEASURE_LOG_NAME);
    /* Where this fails too, the record is one whose extension was not made. */
    if (ftruncate(fd, end) < 0)
        g_debug("cannot shorten %s", CVS_MEASURE_LOG_NAME);
    return FALSE;
}

static gboolean
extend(const CvsMeasurer *measurer, const CvsMeasured *record, const char *text, GError **error)
{
    const CvsTeePaths *paths = cvs_tee_source_paths(measurer->source);

    if (record->rtmr)
        return cvs_tsm_mr_extend(paths->measurements,
                                 (CvsTsmRegister)(CVS_TSM_RTMR0 + record->index),
                                 record->digest[CVS_SHA384], error);
    return cvs_tpm_pcr_event(measurer->tpm, record->index, text, strlen(text), error);
}

/* The register has become what the record makes of it. */
static gboolean
check_result(const CvsMeasurer *measurer, const CvsMeasured *record, GError **error)
{
    CvsMeasured now = {0};

    if (!read_value(measurer, record->rtmr, record->index, &now, error))
        return FALSE;
    for (int bank = 0; bank < CVS_EVENT_LOG_BANKS; bank++) {
        guint8 wanted[CVS_DIGEST_MAX];

        if (!record->has[bank])
            continue;
        memcpy(wanted, record->before[bank], sizeof wanted);
        cvs_register_extend((CvsHash)bank, wanted, record->digest[bank]);
        if (memcmp(wanted, now.before[bank], cvs_hash_size((CvsHash)bank)) == 0)
            continue;
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_FAILED,
                            "the register is not what it should be now: another program extended "
                            "it at the same moment, and the logs may not explain it any more");
        return FALSE;
    }
    return TRUE;
}

gboolean
cvs_measure(const CvsMeasurer *measurer, gboolean rtmr, guint index, const char *text,
            CvsMeasured **ret_record, GError **error)
{
    const CvsTeePaths *paths = cvs_tee_source_paths(measurer->source);
    g_autoptr(CvsMeasured) record = g_new0(CvsMeasured, 1);
    g_autoptr(CvsLock) lock = NULL;
    CVS_AUTO_FD int dir = -1;
    CVS_AUTO_FD int fd = -1;
    struct timespec now = {0};
    off_t end = 0;

    if (!check(rtmr, index, text, error))
        return FALSE;
    dir = cvs_dir_open(paths->run_dir, TRUE, FOLDER_MODE, error);
    if (dir < 0)
        return FALSE;
    lock = cvs_lock_take(dir, CVS_MEASURE_LOG_NAME, measurer->lock_timeout_ms, error);
    if (lock == NULL)
        return FALSE;
    fd = open_log(dir, error);
    if (fd < 0 || !settle(measurer, dir, fd, &end, error) ||
        !read_value(measurer, rtmr, index, record, error))
        return FALSE;
    for (int bank = 0; bank < CVS_EVENT_LOG_BANKS; bank++) {
        if (record->has[bank])
            cvs_hash_bytes((CvsHash)bank, text, strlen(text), record->digest[bank]);
    }
    record->offset = (gsize)end;
    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    record->timestamp = (guint64)now.tv_sec * G_USEC_PER_SEC + (guint64)now.tv_nsec / 1000;
    record->text = g_strdup(text);
    if (!append(fd, end, record, text, error) || !extend(measurer, record, text, error) ||
        !check_result(measurer, record, error))
        return FALSE;
    *ret_record = g_steal_pointer(&record);
    return TRUE;
}
