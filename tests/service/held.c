/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "held.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

static int
open_uffd(void)
{
    struct uffdio_api api = {.api = UFFD_API};
    CVS_AUTO_FD int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

    if (fd < 0 || ioctl(fd, UFFDIO_API, &api) < 0)
        return -1;
    return cvs_steal_fd(&fd);
}

const char *
held_missing(void)
{
    CVS_AUTO_FD int fd = open_uffd();

    return fd >= 0 ? NULL : "no userfaultfd for faults in the kernel (needs root)";
}

static gpointer
held_main(gpointer data)
{
    Held *held = data;
    gssize n = held->receives ? recv(held->busy_fd, held->page, 1, 0)
                              : write(held->busy_fd, held->page, 1);

    g_assert_cmpint(n, ==, 1);
    return NULL;
}

/* Returns when the thread is inside, at the fault. */
static void
hold(Held *held)
{
    const gsize size = (gsize)sysconf(_SC_PAGESIZE);
    struct uffdio_register range = {.mode = UFFDIO_REGISTER_MODE_MISSING};
    struct uffd_msg fault;

    held->uffd = open_uffd();
    g_assert_cmpint(held->uffd, >=, 0);
    held->page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    g_assert_true(held->page != MAP_FAILED);
    range.range.start = (guintptr)held->page;
    range.range.len = size;
    g_assert_cmpint(ioctl(held->uffd, UFFDIO_REGISTER, &range), ==, 0);
    held->thread = g_thread_new("held", held_main, held);
    g_assert_cmpint(read(held->uffd, &fault, sizeof fault), ==, sizeof fault);
    g_assert_cmpuint(fault.event, ==, UFFD_EVENT_PAGEFAULT);
}

Held *
held_pipe_new(void)
{
    Held *held = g_new0(Held, 1);
    int ends[2] = {-1, -1};

    g_assert_cmpint(pipe2(ends, O_CLOEXEC), ==, 0);
    held->fd = ends[0];
    held->busy_fd = ends[1];
    hold(held);
    return held;
}

Held *
held_socket_new(void)
{
    Held *held = g_new0(Held, 1);
    int ends[2] = {-1, -1};

    g_assert_cmpint(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
    g_assert_true(cvs_write_all(ends[1], "12", 2));
    close(ends[1]);
    held->fd = ends[0];
    held->busy_fd = ends[0];
    held->receives = TRUE;
    hold(held);
    return held;
}

void
held_release(Held *held)
{
    const gsize size = (gsize)sysconf(_SC_PAGESIZE);
    struct uffdio_zeropage zero = {.range = {.start = (guintptr)held->page, .len = size}};

    g_assert_cmpint(ioctl(held->uffd, UFFDIO_ZEROPAGE, &zero), ==, 0);
    g_thread_join(held->thread);
    if (held->busy_fd != held->fd)
        cvs_close_fd(&held->busy_fd);
    cvs_close_fd(&held->fd);
    cvs_close_fd(&held->uffd);
    munmap(held->page, size);
    g_free(held);
}
