/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/watchdog.h"
#include "base/file.h"

#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

struct _CvsWatchdog {
    CvsWorker *worker;
    guint64 limit_us;
    guint timer;
};

void
cvs_notify(const char *state)
{
    const char *path = g_getenv("NOTIFY_SOCKET");
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    gsize length = path ? strlen(path) : 0;
    CVS_AUTO_FD int fd = -1;

    if (length < 2 || length >= sizeof address.sun_path || (*path != '/' && *path != '@'))
        return;
    memcpy(address.sun_path, path, length);
    if (*path == '@')
        address.sun_path[0] = '\0';
    fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || sendto(fd, state, strlen(state), MSG_DONTWAIT | MSG_NOSIGNAL,
                         (const struct sockaddr *)&address,
                         (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length)) < 0)
        g_warning("cannot tell the service manager \"%s\"", state);
}

static gboolean
on_timer(gpointer data)
{
    CvsWatchdog *watchdog = data;

    if ((guint64)cvs_worker_busy_for(watchdog->worker) < watchdog->limit_us)
        cvs_notify("WATCHDOG=1");
    return G_SOURCE_CONTINUE;
}

CvsWatchdog *
cvs_watchdog_new(CvsWorker *worker)
{
    const char *limit = g_getenv("WATCHDOG_USEC");
    const char *pid = g_getenv("WATCHDOG_PID");
    CvsWatchdog *watchdog = NULL;
    guint64 value = 0;
    guint64 limit_us = 0;

    if (limit == NULL ||
        !g_ascii_string_to_unsigned(limit, 10, 2000, G_MAXUINT32 * G_GUINT64_CONSTANT(1000),
                                    &limit_us, NULL))
        return NULL;
    if (pid && (!g_ascii_string_to_unsigned(pid, 10, 1, G_MAXINT, &value, NULL) ||
                value != (guint64)getpid()))
        return NULL;
    watchdog = g_new0(CvsWatchdog, 1);
    watchdog->worker = worker;
    watchdog->limit_us = limit_us;
    watchdog->timer = g_timeout_add((guint)(limit_us / 2000), on_timer, watchdog);
    return watchdog;
}

void
cvs_watchdog_free(CvsWatchdog *watchdog)
{
    if (watchdog == NULL)
        return;
    g_source_remove(watchdog->timer);
    g_free(watchdog);
}
