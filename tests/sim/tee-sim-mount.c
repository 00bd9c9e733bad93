/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Mounting, serving in a few threads, of which some may hang, unmounting on every path.
 *
 * fusermount3 mounts and then watches a socket of ours: it unmounts when the socket closes, by us
 * or by the kernel when this process dies. libfuse could start it too, but leaves the socket open
 * to every child that is started later, so that a daemon under test would keep the mount of a test
 * that crashed. */

#define FUSE_USE_VERSION 312
#include "tee-sim-private.h"
#include "base/error.h"

#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <fuse_lowlevel.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define THREADS 4

struct _TeeSimMount {
    char *path;
    int watch; /* the socket that fusermount3 watches */
    GPid watcher;
    int wake;
    struct fuse *fuse;
    GThread *threads[THREADS];
};

const char *
tee_sim_is_impossible(void)
{
    g_autofree char *program = g_find_program_in_path("fusermount3");
    int fd = -1;

    if (program == NULL)
        return "no fusermount3";
    fd = open("/dev/fuse", O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return "/dev/fuse cannot be opened";
    (void)close(fd);
    return NULL;
}

static gboolean
fail(GError **error, const char *what, const char *path)
{
    g_set_error(error, CVS_ERROR, CVS_ERROR_FAILED, "tee-sim: %s \"%s\": %s", what, path,
                g_strerror(errno));
    return FALSE;
}

static void
keep_socket(gpointer fd)
{
    (void)fcntl(GPOINTER_TO_INT(fd), F_SETFD, 0);
}

static int
receive_fd(int socket)
{
    char byte = 0;
    struct iovec iov = {&byte, 1};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control = {0};
    struct msghdr message = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = &control,
                             .msg_controllen = sizeof(control)};
    const struct cmsghdr *header = NULL;
    gssize size = 0;
    int fd = -1;

    do
        size = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
    while (size < 0 && errno == EINTR);
    header = size > 0 ? CMSG_FIRSTHDR(&message) : NULL;
    if (header && header->cmsg_type == SCM_RIGHTS)
        memcpy(&fd, CMSG_DATA(header), sizeof(fd));
    return fd;
}

/* The descriptor of the mounted file system, or -1. */
static int
start_watcher(TeeSimMount *mount, GError **error)
{
    g_autofree char *options =
        g_strdup_printf("auto_unmount,default_permissions,nosuid,nodev,fsname=tee-sim%s",
                        geteuid() == 0 ? ",allow_other" : "");
    const char *argv[] = {"fusermount3", "-o", options, "--", mount->path, NULL};
    g_auto(GStrv) envp = g_get_environ();
    int sockets[2] = {-1, -1};
    g_autofree char *number = NULL;
    gboolean spawned = FALSE;
    int fd = -1;

    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) {
        fail(error, "no socket to mount", mount->path);
        return -1;
    }
    number = g_strdup_printf("%d", sockets[0]);
    envp = g_environ_setenv(envp, "_FUSE_COMMFD", number, TRUE);
    spawned = g_spawn_async(NULL, (char **)argv, envp,
                            G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD |
                                G_SPAWN_LEAVE_DESCRIPTORS_OPEN,
                            keep_socket, GINT_TO_POINTER(sockets[0]), &mount->watcher, error);
    (void)close(sockets[0]);
    mount->watch = sockets[1];
    if (!spawned)
        return -1;
    fd = receive_fd(mount->watch);
    if (fd < 0)
        g_set_error(error, CVS_ERROR, CVS_ERROR_FAILED, "tee-sim: fusermount3 cannot mount on %s",
                    mount->path);
    return fd;
}

static gpointer
serve(gpointer data)
{
    TeeSimMount *mount = data;
    struct fuse_session *session = fuse_get_session(mount->fuse);
    struct pollfd polls[] = {{.fd = fuse_session_fd(session), .events = POLLIN},
                             {.fd = mount->wake, .events = POLLIN}};
    struct fuse_buf buffer = {0};
    sigset_t all;

    /* Signals are the test's. */
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_BLOCK, &all, NULL);
    while (!fuse_session_exited(session)) {
        int size = 0;

        if (poll(polls, G_N_ELEMENTS(polls), -1) < 0)
            continue;
        if (polls[1].revents)
            break;
        size = fuse_session_receive_buf(session, &buffer);
        if (size == -EINTR || size == -EAGAIN)
            continue;
        if (size <= 0) /* unmounted by somebody else */
            break;
        fuse_session_process_buf(session, &buffer);
    }
    free(buffer.mem);
    return NULL;
}

static gboolean
start(TeeSimMount *mount, TeeSim *sim, int fd, GError **error)
{
    g_autofree char *by_fd = g_strdup_printf("/dev/fd/%d", fd);
    struct fuse_args args = FUSE_ARGS_INIT(0, NULL);

    /* A request that poll() showed may be withdrawn before it is read, when whoever made it is
     * killed: a read that waited then would never see the wake-up. */
    if (fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) != 0) {
        (void)close(fd);
        return fail(error, "no way not to wait for", mount->path);
    }
    (void)fuse_opt_add_arg(&args, "tee-sim");
    mount->fuse = fuse_new(&args, &tee_sim_operations, sizeof(tee_sim_operations), sim);
    fuse_opt_free_args(&args);
    if (mount->fuse == NULL || fuse_mount(mount->fuse, by_fd) != 0) {
        (void)close(fd);
        return fail(error, "libfuse refuses", mount->path);
    }
    mount->wake = eventfd(0, EFD_CLOEXEC);
    if (mount->wake < 0)
        return fail(error, "no event descriptor for", mount->path);
    for (guint i = 0; i < THREADS; i++)
        mount->threads[i] = g_thread_new("tee-sim", serve, mount);
    return TRUE;
}

TeeSimMount *
tee_sim_mount_new(TeeSim *sim, const char *path, GError **error)
{
    TeeSimMount *mount = g_new0(TeeSimMount, 1);
    int fd = -1;

    mount->path = g_canonicalize_filename(path, NULL);
    mount->watch = mount->wake = -1;
    if (g_mkdir_with_parents(path, 0755) != 0)
        fail(error, "cannot make", path);
    else
        fd = start_watcher(mount, error);
    if (fd >= 0 && start(mount, sim, fd, error))
        return mount;
    tee_sim_mount_free(mount);
    return NULL;
}

void
tee_sim_mount_free(TeeSimMount *mount)
{
    if (mount->threads[0]) {
        guint64 one = 1;

        (void)!write(mount->wake, &one, sizeof(one));
        for (guint i = 0; i < THREADS; i++)
            g_thread_join(mount->threads[i]);
    }
    /* First the file system's end, which sends away whoever waits there, then the mount's. */
    if (mount->fuse) {
        fuse_unmount(mount->fuse);
        fuse_destroy(mount->fuse);
    }
    if (mount->watch >= 0)
        (void)close(mount->watch);
    if (mount->watcher > 0) {
        while (waitpid(mount->watcher, NULL, 0) < 0 && errno == EINTR)
            continue;
        g_spawn_close_pid(mount->watcher);
    }
    if (mount->wake >= 0)
        (void)close(mount->wake);
    g_free(mount->path);
    g_free(mount);
}
