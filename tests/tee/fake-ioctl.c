/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-ioctl.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>

static const FakeAnswer *next;
static guint left;
static guint calls;
static unsigned long number;
static void (*on_call)(gpointer data);
static gpointer on_call_data;

int __real_ioctl(int fd, unsigned long request, ...);
int __wrap_ioctl(int fd, unsigned long request, ...);

int
__wrap_ioctl(int fd, unsigned long request, ...)
{
    guint64 *call = NULL; /* version, request, response, errors */
    va_list args;

    va_start(args, request);
    call = va_arg(args, guint64 *);
    va_end(args);
    calls++;
    number = request;
    if (on_call)
        on_call(on_call_data);
    if (left == 0)
        return __real_ioctl(fd, request, call);
    if (next->in_place)
        memcpy((guint8 *)call + next->in_place_offset, next->in_place, next->in_place_size);
    else if (_IOC_TYPE(request) == 'S')
        call[3] = (guint64)next->vmm_error << 32 | next->firmware_error;
    if (next->certs_size)
        memcpy((guint8 *)(guintptr)call[1] + 104, &next->certs_size, sizeof next->certs_size);
    if (next->response)
        memcpy((void *)(guintptr)call[2], next->response, next->response_size);
    errno = next->errnum;
    left--;
    return next++->errnum ? -1 : 0;
}

void
fake_ioctl_set(const FakeAnswer *answers, guint n)
{
    next = answers;
    left = n;
    calls = 0;
}

void
fake_ioctl_on_call(void (*function)(gpointer data), gpointer data)
{
    on_call = function;
    on_call_data = data;
}

guint
fake_ioctl_calls(void)
{
    return calls;
}

unsigned long
fake_ioctl_number(void)
{
    return number;
}
