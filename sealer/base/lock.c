/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/lock.h"
#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* flock() has no timed wait, and a signal-driven one would disturb the process that we are a part
 * of, so a wait is a row of short naps. */
#define NAP_US 5000

struct _CvsLock {
    int dir;
    int fd;
    char *name;
};

gboolean
cvs_lock_is_lock_file(const char *name)
{
    return g_str_has_prefix(name, CVS_LOCK_PREFIX);
}

/* The holder before us removed the file when it was done; what we locked may be no longer there. */
static gboolean
still_named(int dir, const char *name, int fd)
{
    struct stat by_fd, by_name;

    return fstat(fd, &by_fd) == 0 && fstatat(dir, name, &by_name, AT_SYMLINK_NOFOLLOW) == 0 &&
           by_fd.st_dev == by_name.st_dev && by_fd.st_ino == by_name.st_ino;
}

CvsLock *
cvs_lock_take(int dir, const char *name, guint timeout_ms, GError **error)
{
    g_autofree char *file = g_strconcat(CVS_LOCK_PREFIX, name, NULL);
    gint64 deadline = g_get_monotonic_time() + (gint64)timeout_ms * 1000;

    for (;;) {
        CVS_AUTO_FD int fd = openat(dir, file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

        if (fd < 0) {
            cvs_error_set_errno(error, CVS_ERROR_STORAGE_ERROR, errno, "cannot lock %s", name);
            return NULL;
        }
        if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
            if (still_named(dir, file, fd)) {
                CvsLock *lock = g_new0(CvsLock, 1);

                lock->dir = dir;
                lock->fd = cvs_steal_fd(&fd);
                lock->name = g_steal_pointer(&file);
                return lock;
            }
            continue;
        }
        if (errno != EWOULDBLOCK && errno != EINTR) {
            cvs_error_set_errno(error, CVS_ERROR_STORAGE_ERROR, errno, "cannot lock %s", name);
            return NULL;
        }
        if (g_get_monotonic_time() >= deadline) {
            g_set_error(error, CVS_ERROR, CVS_ERROR_BUSY,
                        "%s is being changed by another program; try again", name);
            return NULL;
        }
        g_usleep(NAP_US);
    }
}

void
cvs_lock_release(CvsLock *lock)
{
    if (lock == NULL)
        return;
    /* Removed while still held: whoever waits for it sees that it is gone and makes a new one. */
    (void)unlinkat(lock->dir, lock->name, 0);
    cvs_close_fd(&lock->fd);
    g_free(lock->name);
    g_free(lock);
}
