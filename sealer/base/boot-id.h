/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Which boot of the kernel this is: /proc/sys/kernel/random/boot_id, another 128 random bits each
 * time. A service whose sandbox hides that file (ProcSubset=pid) is told it by its manager in
 * CVMSEAL_BOOT_ID. */

#define CVS_BOOT_ID_ENV "CVMSEAL_BOOT_ID"
#define CVS_BOOT_ID_DIGITS 32

/* In lower case hexadecimal digits, without dashes; "" where nobody says. */
char *cvs_boot_id(void);
