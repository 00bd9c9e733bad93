/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "service/unit.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define UNIT_NAME_MAX 255 /* characters of a unit's name; systemd.unit(5) */
#define CGROUP_FILE_MAX 16384

/* systemd puts an underscore before a name that the kernel's own files could clash with. */
static const char *
unescape(const char *component)
{
    return *component == '_' ? component + 1 : component;
}

static gboolean
is_service_name(const char *name)
{
    gsize length = strlen(name);

    return length > strlen(".service") && length <= UNIT_NAME_MAX &&
           g_str_has_suffix(name, ".service") && !g_str_has_prefix(name, "user@") &&
           !g_str_has_prefix(name, "capsule@") &&
           strspn(name, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ:-_.\\@") ==
               length;
}

/* Where systemd puts a slice its name says: "a-b.slice" lies in "a.slice". */
static gboolean
is_slice_in(const char *name, const char *parent)
{
    gsize stem = strlen(parent) - strlen(".slice");

    return g_str_has_suffix(name, ".slice") && strncmp(name, parent, stem) == 0 &&
           name[stem] == '-';
}

char *
cvs_unit_from_cgroup(const char *text)
{
    g_auto(GStrv) lines = g_strsplit(text, "\n", -1);
    g_auto(GStrv) parts = NULL;
    guint i = 2;

    for (guint line = 0; lines[line] && parts == NULL; line++) {
        if (g_str_has_prefix(lines[line], "0::/"))
            parts = g_strsplit(lines[line] + strlen("0::"), "/", -1);
    }
    /* The path starts with a slash: parts[0] is empty. */
    if (parts == NULL || parts[1] == NULL || !g_str_equal(parts[1], "system.slice"))
        return NULL;
    while (parts[i] && is_slice_in(parts[i], parts[i - 1]))
        i++;
    if (parts[i] == NULL || !is_service_name(unescape(parts[i])))
        return NULL;
    return g_strdup(unescape(parts[i]));
}

/* The process's number in our namespace; 0 if it is gone or lies outside. */
static pid_t
pid_of(int pidfd)
{
    g_autofree char *path = g_strdup_printf("/proc/self/fdinfo/%d", pidfd);
    g_autofree char *text = NULL;
    g_auto(GStrv) lines = NULL;
    int pid = 0;

    if (!g_file_get_contents(path, &text, NULL, NULL))
        return 0;
    lines = g_strsplit(text, "\n", -1);
    for (guint i = 0; lines[i]; i++) {
        if (sscanf(lines[i], "Pid:%d", &pid) == 1)
            return pid > 0 ? pid : 0;
    }
    return 0;
}

static char *
read_cgroup(const char *proc, pid_t pid)
{
    g_autofree char *path = g_strdup_printf("%s/%d/cgroup", proc, pid);
    g_autofree char *text = g_malloc0(CGROUP_FILE_MAX + 1);
    CVS_AUTO_FD int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    gsize filled = 0;

    while (fd >= 0 && filled < CGROUP_FILE_MAX) {
        gssize n = read(fd, text + filled, CGROUP_FILE_MAX - filled);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return NULL;
        if (n == 0)
            return g_steal_pointer(&text);
        filled += (gsize)n;
    }
    return NULL;
}

gboolean
cvs_unit_from_pidfd(int pidfd, const char *proc, char **ret_unit)
{
    pid_t pid = pid_of(pidfd);
    g_autofree char *text = pid > 0 ? read_cgroup(proc, pid) : NULL;
    struct pollfd alive = {.fd = pidfd, .events = POLLIN};

    /* A pidfd becomes readable when its process has ended. */
    if (text == NULL || poll(&alive, 1, 0) != 0)
        return FALSE;
    *ret_unit = cvs_unit_from_cgroup(text);
    return TRUE;
}
