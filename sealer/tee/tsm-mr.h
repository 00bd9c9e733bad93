/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A TD's measurement registers as files (Linux 6.16 on): the folder "measurements" of
 * Documentation/ABI/testing/sysfs-devices-virtual-misc-tdx_guest. 48 bytes each.
 *
 * Reading may be late: the kernel asks the TDX module anew only after a write to one of these very
 * files, so an extension by another way is not seen. Whoever decides by a register takes a TDREPORT
 * (tdx-guest.h), and this where there is none. */

#include "tee/td-body.h"

#include <glib.h>

typedef enum {
    CVS_TSM_MRTD,
    CVS_TSM_MRCONFIGID,
    CVS_TSM_MROWNER,
    CVS_TSM_MROWNERCONFIG,
    CVS_TSM_RTMR0,
    CVS_TSM_RTMR1,
    CVS_TSM_RTMR2,
    CVS_TSM_RTMR3,
    CVS_TSM_N_REGISTERS
} CvsTsmRegister;

/* The file's name: "rtmr2:sha384". */
const char *cvs_tsm_mr_name(CvsTsmRegister which);

/* path is the folder. NotSupported if there is no such file, NotAuthorized; BadFormat if it has
 * another size; Failed. */
gboolean cvs_tsm_mr_read(const char *path, CvsTsmRegister which, guint8 ret_value[static 48],
                         GError **error);
/* RTMR = SHA-384(RTMR ‖ digest); it cannot be undone before the next boot, and nobody but the
 * caller writes a log of it. InvalidArgument for a register that is no RTMR; errors as above. */
gboolean cvs_tsm_mr_extend(const char *path, CvsTsmRegister which, const guint8 digest[static 48],
                           GError **error);
