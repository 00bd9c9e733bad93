/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Answers of /dev/sev-guest and /dev/tdx_guest that no simulated machine gives: what hosts and
 * other kernels do. For programs that are linked with --wrap=ioctl. */

#include <glib.h>

typedef struct {
    int errnum; /* 0: done */
    /* /dev/sev-guest */
    guint32 firmware_error;
    guint32 vmm_error;
    guint32 certs_size; /* what the host wants to have, where it is not 0 */
    const void *response;
    gsize response_size;
    /* /dev/tdx_guest, whose answer lies in the argument itself */
    const void *in_place;
    gsize in_place_offset;
    gsize in_place_size;
} FakeAnswer;

/* The next calls are answered by these, one by one, and then by the system again. */
void fake_ioctl_set(const FakeAnswer *answers, guint n);
/* Called before each call from now on; NULL: nothing. */
void fake_ioctl_on_call(void (*function)(gpointer data), gpointer data);
/* How many calls there were since. */
guint fake_ioctl_calls(void);
/* The last call's number. */
unsigned long fake_ioctl_number(void);
