/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/log-source.h"
#include "base/error.h"
#include "base/reader.h"
#include "tee/eventlog.h"
#include "tee/pseudo-file.h"

#include <string.h>

#define CCEL_SIZE 56
#define CCEL_TYPE_OFFSET 36
#define TABLE_MAX 4096

static gboolean
parse_table(GBytes *bytes, const char *file, CvsCcType *ret_type, guint64 *ret_size, GError **error)
{
    const guint8 *signature = NULL;
    guint32 length = 0;
    guint8 type = 0;
    guint64 size = 0;
    CvsReader r;

    cvs_reader_init(&r, g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
    signature = cvs_reader_bytes(&r, 4);
    length = cvs_reader_u32_le(&r);
    cvs_reader_seek(&r, CCEL_TYPE_OFFSET);
    type = cvs_reader_u8(&r);
    cvs_reader_skip(&r, 3); /* subtype, reserved */
    size = cvs_reader_u64_le(&r);
    cvs_reader_skip(&r, 8); /* the area's address */
    if (!cvs_reader_finish(&r, file, error))
        return FALSE;
    if (memcmp(signature, "CCEL", 4) != 0 || length != CCEL_SIZE) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "%s, byte 0: no ACPI table CCEL of %d bytes", file, CCEL_SIZE);
        return FALSE;
    }
    if (type != CVS_CC_SEV && type != CVS_CC_TDX) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "%s, byte %d: CC type %u is neither SEV (1) nor TDX (2)", file,
                    CCEL_TYPE_OFFSET, type);
        return FALSE;
    }
    *ret_type = (CvsCcType)type;
    *ret_size = size;
    return TRUE;
}

GBytes *
cvs_log_source_read_ccel(const char *table, const char *data, CvsCcType *ret_type, GError **error)
{
    g_autoptr(GBytes) header = cvs_pseudo_file_read_path(table, TABLE_MAX, error);
    g_autoptr(GBytes) log = NULL;
    CvsCcType type;
    guint64 size = 0;

    if (header == NULL || !parse_table(header, table, &type, &size, error))
        return NULL;
    log = cvs_pseudo_file_read_path(data, CVS_EVENT_LOG_MAX, error);
    if (log == NULL)
        return NULL;
    /* The kernel shows the area as the table has it: any less was cut. */
    if (g_bytes_get_size(log) != size) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT,
                    "%s has %zu bytes, and the table CCEL says %" G_GUINT64_FORMAT, data,
                    g_bytes_get_size(log), size);
        if (error)
            cvs_error_add_reason(*error, CVS_REASON_LOG_TRUNCATED, NULL, NULL,
                                 "the event log's area is not as long as its table says");
        return NULL;
    }
    *ret_type = type;
    return g_steal_pointer(&log);
}

GBytes *
cvs_log_source_read_tpm(const char *path, GError **error)
{
    g_autoptr(GBytes) log = cvs_pseudo_file_read_path(path, CVS_EVENT_LOG_MAX, error);

    if (log == NULL)
        return NULL;
    if (g_bytes_get_size(log) == 0) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_NOT_SUPPORTED,
                    "%s is empty: this machine's firmware hands no event log on", path);
        return NULL;
    }
    return g_steal_pointer(&log);
}
