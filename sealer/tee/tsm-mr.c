/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/tsm-mr.h"
#include "base/error.h"
#include "base/file.h"
#include "tee/pseudo-file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* More than a register, to see that there is more. */
#define FILE_MAX 4096

const char *
cvs_tsm_mr_name(CvsTsmRegister which)
{
    static const char *const names[CVS_TSM_N_REGISTERS] = {
        [CVS_TSM_MRTD] = "mrtd:sha384",   [CVS_TSM_MRCONFIGID] = "mrconfigid",
        [CVS_TSM_MROWNER] = "mrowner",    [CVS_TSM_MROWNERCONFIG] = "mrownerconfig",
        [CVS_TSM_RTMR0] = "rtmr0:sha384", [CVS_TSM_RTMR1] = "rtmr1:sha384",
        [CVS_TSM_RTMR2] = "rtmr2:sha384", [CVS_TSM_RTMR3] = "rtmr3:sha384",
    };

    return names[which];
}

gboolean
cvs_tsm_mr_read(const char *path, CvsTsmRegister which, guint8 ret_value[static 48], GError **error)
{
    g_autofree char *file = g_build_filename(path, cvs_tsm_mr_name(which), NULL);
    g_autoptr(GBytes) bytes = cvs_pseudo_file_read_path(file, FILE_MAX, error);

    if (bytes == NULL)
        return FALSE;
    if (g_bytes_get_size(bytes) != CVS_TD_MR_SIZE) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_BAD_FORMAT, "%s has %zu bytes instead of %d", file,
                    g_bytes_get_size(bytes), CVS_TD_MR_SIZE);
        return FALSE;
    }
    memcpy(ret_value, g_bytes_get_data(bytes, NULL), CVS_TD_MR_SIZE);
    return TRUE;
}

gboolean
cvs_tsm_mr_extend(const char *path, CvsTsmRegister which, const guint8 digest[static 48],
                  GError **error)
{
    g_autofree char *file = g_build_filename(path, cvs_tsm_mr_name(which), NULL);
    CVS_AUTO_FD int fd = -1;
    gssize n = 0;

    if (which < CVS_TSM_RTMR0) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT, "%s cannot be extended",
                    cvs_tsm_mr_name(which));
        return FALSE;
    }
    fd = open(file, O_WRONLY | O_CLOEXEC | O_NOCTTY);
    if (fd < 0) {
        cvs_error_set_errno(error, errno == ENOENT ? CVS_ERROR_NOT_SUPPORTED : CVS_ERROR_FAILED,
                            errno, "cannot open %s", file);
        return FALSE;
    }
    /* The kernel takes the whole digest or nothing; interrupted, it has taken nothing. */
    do
        n = write(fd, digest, CVS_TD_MR_SIZE);
    while (n < 0 && errno == EINTR);
    if (n != CVS_TD_MR_SIZE) {
        cvs_error_set_errno(error, CVS_ERROR_FAILED, n < 0 ? errno : EIO, "cannot extend %s", file);
        return FALSE;
    }
    return TRUE;
}
