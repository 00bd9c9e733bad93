/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include "sim/crash-trace.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/uio.h>

/* Where a call has its paths and descriptors: numbers of arguments, -1 for none. A path's folder is
 * the descriptor in front of it, or the working directory. */
typedef struct {
    long number;
    const char *name;
    int fd, path;
    int new_fd, new_path;
    gboolean recorded;
} Shape;

static const Shape shapes[] = {
    {SYS_openat, "openat", 0, 1, -1, -1, TRUE},
    {SYS_write, "write", 0, -1, -1, -1, TRUE},
    {SYS_pwrite64, "pwrite64", 0, -1, -1, -1, TRUE},
    {SYS_fsync, "fsync", 0, -1, -1, -1, TRUE},
    {SYS_fdatasync, "fdatasync", 0, -1, -1, -1, TRUE},
    {SYS_ftruncate, "ftruncate", 0, -1, -1, -1, TRUE},
    {SYS_renameat2, "renameat2", 0, 1, 2, 3, TRUE},
    {SYS_unlinkat, "unlinkat", 0, 1, -1, -1, TRUE},
    {SYS_mkdirat, "mkdirat", 0, 1, -1, -1, TRUE},
    {SYS_linkat, "linkat", 0, 1, 2, 3, TRUE},
    {SYS_faccessat, "faccessat", 0, 1, -1, -1, FALSE},
    {SYS_newfstatat, "newfstatat", 0, 1, -1, -1, FALSE},
    {SYS_statx, "statx", 0, 1, -1, -1, FALSE},
#ifdef SYS_renameat
    {SYS_renameat, "renameat", 0, 1, 2, 3, TRUE},
#endif
#ifdef SYS_rename
    {SYS_rename, "rename", -1, 0, -1, 1, TRUE},
    {SYS_unlink, "unlink", -1, 0, -1, -1, TRUE},
    {SYS_mkdir, "mkdir", -1, 0, -1, -1, TRUE},
    {SYS_open, "open", -1, 0, -1, -1, FALSE},
    {SYS_access, "access", -1, 0, -1, -1, FALSE},
    {SYS_stat, "stat", -1, 0, -1, -1, FALSE},
#endif
};

static const Shape *
find_shape(guint64 number)
{
    for (gsize i = 0; i < G_N_ELEMENTS(shapes); i++) {
        if (shapes[i].number == (long)number)
            return &shapes[i];
    }
    return NULL;
}

/* Page by page, since the string may end just before memory that is not there. */
static char *
read_string(pid_t tid, guint64 address)
{
    g_autoptr(GString) text = g_string_new(NULL);

    while (text->len < PATH_MAX) {
        char buffer[256];
        gsize to_page = 4096 - (address + text->len) % 4096;
        gsize want = MIN(sizeof buffer, to_page);
        struct iovec local = {buffer, want};
        struct iovec remote = {(void *)(guintptr)(address + text->len), want};
        gssize n = process_vm_readv(tid, &local, 1, &remote, 1, 0);
        const char *end = n > 0 ? memchr(buffer, '\0', (gsize)n) : NULL;

        if (n <= 0)
            return NULL;
        g_string_append_len(text, buffer, end ? end - buffer : n);
        if (end)
            return g_string_free(g_steal_pointer(&text), FALSE);
    }
    return NULL;
}

static char *
describe_fd(pid_t tid, int fd)
{
    g_autofree char *link = fd == AT_FDCWD ? g_strdup_printf("/proc/%d/cwd", (int)tid)
                                           : g_strdup_printf("/proc/%d/fd/%d", (int)tid, fd);
    char *target = g_file_read_link(link, NULL);

    return target ? target : g_strdup("?");
}

static char *
describe(pid_t tid, const guint64 args[6], int fd_at, int path_at)
{
    int fd = fd_at >= 0 ? (int)args[fd_at] : AT_FDCWD;
    g_autofree char *folder = NULL, *path = NULL;

    if (path_at < 0)
        return describe_fd(tid, fd);
    path = read_string(tid, args[path_at]);
    if (path == NULL || path[0] == '/')
        return path ? g_steal_pointer(&path) : g_strdup("?");
    folder = describe_fd(tid, fd);
    return path[0] == '\0' ? g_steal_pointer(&folder) : g_build_filename(folder, path, NULL);
}

CrashCall *
crash_call_read(pid_t tid, guint64 number, const guint64 args[6])
{
    const Shape *shape = find_shape(number);
    CrashCall *call = NULL;

    if (shape == NULL || !shape->recorded)
        return NULL;
    call = g_new0(CrashCall, 1);
    call->name = shape->name;
    call->path = describe(tid, args, shape->fd, shape->path);
    if (shape->new_path >= 0)
        call->new_path = describe(tid, args, shape->new_fd, shape->new_path);
    return call;
}

char *
crash_call_path(pid_t tid, guint64 number, const guint64 args[6])
{
    const Shape *shape = find_shape(number);

    return shape ? describe(tid, args, shape->fd, shape->path) : NULL;
}

void
crash_call_free(gpointer data)
{
    CrashCall *call = data;

    if (call == NULL)
        return;
    g_free(call->path);
    g_free(call->new_path);
    g_free(call);
}
