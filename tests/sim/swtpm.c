/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define _GNU_SOURCE
#include "sim/swtpm.h"
#include "base/error.h"
#include "base/file.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#define HEADER_SIZE 10
/* What the child sees its end of the pair as. */
#define CHILD_FD 3
#define CHILD_CONTROL_FD 4
/* Commands of swtpm's control channel (tpm_ioctl.h). */
#define CONTROL_HASH_START 6
#define CONTROL_HASH_DATA 7
#define CONTROL_HASH_END 8
/* Making an RSA key takes seconds under a sanitizer on a busy machine; a TPM that says nothing for
 * longer than this is stuck. */
#define ANSWER_TIMEOUT_S 120

struct _Swtpm {
    int fd;
    GBytes *hcrtm;
    GPid pid;
    gboolean quiet;
    GHashTable *seen;
    guint64 seen_all;
};

guint16
tpm_get_u16(const guint8 *at)
{
    return (guint16)(at[0] << 8 | at[1]);
}

guint32
tpm_get_u32(const guint8 *at)
{
    return (guint32)at[0] << 24 | (guint32)at[1] << 16 | (guint32)at[2] << 8 | at[3];
}

void
tpm_put_u32(guint8 *at, guint32 value)
{
    at[0] = (guint8)(value >> 24);
    at[1] = (guint8)(value >> 16);
    at[2] = (guint8)(value >> 8);
    at[3] = (guint8)value;
}

guint32
tpm_response_code(const GByteArray *response)
{
    return tpm_get_u32(response->data + 6);
}

Swtpm *
swtpm_new(void)
{
    Swtpm *swtpm = g_new0(Swtpm, 1);

    swtpm->fd = -1;
    swtpm->seen = g_hash_table_new(NULL, NULL);
    return swtpm;
}

void
swtpm_free(Swtpm *swtpm)
{
    swtpm_kill(swtpm);
    g_bytes_unref(swtpm->hcrtm);
    g_hash_table_unref(swtpm->seen);
    g_free(swtpm);
}

static void
reap(Swtpm *swtpm)
{
    cvs_close_fd(&swtpm->fd);
    while (waitpid(swtpm->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    swtpm->pid = 0;
}

void
swtpm_kill(Swtpm *swtpm)
{
    if (!swtpm_is_running(swtpm))
        return;
    (void)kill(swtpm->pid, SIGKILL);
    reap(swtpm);
}

void
swtpm_stop(Swtpm *swtpm)
{
    static const guint8 shutdown_clear[] = {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x45, 0, 0};
    g_autoptr(GByteArray) response = g_byte_array_new();

    swtpm_set_quiet(swtpm, TRUE);
    (void)swtpm_send(swtpm, shutdown_clear, sizeof shutdown_clear, response);
    swtpm_set_quiet(swtpm, FALSE);
    swtpm_kill(swtpm);
}

gboolean
swtpm_is_running(const Swtpm *swtpm)
{
    return swtpm->pid != 0;
}

static gboolean
read_all(int fd, guint8 *data, gsize size)
{
    while (size > 0) {
        gssize n = read(fd, data, size);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return FALSE;
        data += n;
        size -= (gsize)n;
    }
    return TRUE;
}

static gboolean
send_all(int fd, const guint8 *data, gsize size)
{
    while (size > 0) {
        gssize n = send(fd, data, size, MSG_NOSIGNAL);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return FALSE;
        data += n;
        size -= (gsize)n;
    }
    return TRUE;
}

void
swtpm_set_hcrtm(Swtpm *swtpm, GBytes *data)
{
    GBytes *former = swtpm->hcrtm;

    swtpm->hcrtm = data ? g_bytes_ref(data) : NULL;
    g_bytes_unref(former);
}

/* A command of the control channel, with its data; the answer is four bytes, zero. */
static gboolean
control(int fd, guint32 command, GBytes *data)
{
    g_autoptr(GByteArray) request = g_byte_array_new();
    guint8 number[4];

    tpm_put_u32(number, command);
    g_byte_array_append(request, number, sizeof number);
    if (data) {
        tpm_put_u32(number, (guint32)g_bytes_get_size(data));
        g_byte_array_append(request, number, sizeof number);
        g_byte_array_append(request, g_bytes_get_data(data, NULL), (guint)g_bytes_get_size(data));
    }
    return send_all(fd, request->data, request->len) && read_all(fd, number, sizeof number) &&
           tpm_get_u32(number) == 0;
}

static gboolean
measure_hcrtm(Swtpm *swtpm, int fd)
{
    static const guint8 startup_clear[] = {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x44, 0, 0};
    g_autoptr(GByteArray) response = g_byte_array_new();

    return control(fd, CONTROL_HASH_START, NULL) && control(fd, CONTROL_HASH_DATA, swtpm->hcrtm) &&
           control(fd, CONTROL_HASH_END, NULL) &&
           swtpm_send(swtpm, startup_clear, sizeof startup_clear, response) &&
           tpm_response_code(response) == 0;
}

/* ret_control: to be closed. */
static gboolean
spawn(Swtpm *swtpm, const char *state_dir, int *ret_control, GError **error)
{
    g_autofree char *state = g_strconcat("dir=", state_dir, NULL);
    g_autofree char *fd_text = g_strdup_printf("%d", CHILD_FD);
    g_autofree char *control_text = g_strdup_printf("type=unixio,clientfd=%d", CHILD_CONTROL_FD);
    /* Without a measurement nothing is said on the control channel, and there is none. */
    const char *argv[] = {
        "swtpm",
        "socket",
        "--tpm2",
        "--fd",
        fd_text,
        "--tpmstate",
        state,
        "--flags",
        swtpm->hcrtm ? "not-need-init" : "not-need-init,startup-clear",
        swtpm->hcrtm ? "--ctrl" : NULL,
        control_text,
        NULL,
    };
    const int target[] = {CHILD_FD, CHILD_CONTROL_FD};
    int pair[2] = {-1, -1}, controls[2] = {-1, -1};
    gboolean ok = FALSE;

    if (g_mkdir_with_parents(state_dir, 0700) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, controls) < 0) {
        cvs_error_set_errno(error, CVS_ERROR_FAILED, errno, "cannot prepare swtpm in %s",
                            state_dir);
        cvs_close_fd(&pair[0]);
        cvs_close_fd(&pair[1]);
        return FALSE;
    }
    {
        const int source[] = {pair[1], controls[1]};

        ok = g_spawn_async_with_pipes_and_fds(
            NULL, argv, NULL,
            G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL |
                G_SPAWN_STDERR_TO_DEV_NULL,
            NULL, NULL, -1, -1, -1, source, target, 2, &swtpm->pid, NULL, NULL, NULL, error);
    }
    cvs_close_fd(&pair[1]);
    cvs_close_fd(&controls[1]);
    swtpm->fd = pair[0];
    *ret_control = controls[0];
    if (!ok) {
        swtpm->pid = 0;
        cvs_close_fd(&swtpm->fd);
    }
    return ok;
}

gboolean
swtpm_start(Swtpm *swtpm, const char *state_dir, GError **error)
{
    static const guint8 get_random[] = {0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7b, 0, 1};
    const struct timeval timeout = {.tv_sec = ANSWER_TIMEOUT_S};
    g_autoptr(GByteArray) response = g_byte_array_new();
    CVS_AUTO_FD int control_fd = -1;
    gboolean ok = FALSE;

    g_return_val_if_fail(!swtpm_is_running(swtpm), FALSE);

    if (!spawn(swtpm, state_dir, &control_fd, error))
        return FALSE;
    (void)setsockopt(swtpm->fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);
    (void)setsockopt(control_fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof timeout);

    swtpm_set_quiet(swtpm, TRUE);
    ok = (swtpm->hcrtm == NULL || measure_hcrtm(swtpm, control_fd)) &&
         swtpm_send(swtpm, get_random, sizeof get_random, response);
    swtpm_set_quiet(swtpm, FALSE);
    if (!ok) {
        swtpm_kill(swtpm);
        g_set_error(error, CVS_ERROR, CVS_ERROR_FAILED,
                    "swtpm ended as soon as it was started on %s: is its state damaged?",
                    state_dir);
    }
    return ok;
}

static void
count(Swtpm *swtpm, guint32 code)
{
    gpointer key = GUINT_TO_POINTER(code);
    guint n = GPOINTER_TO_UINT(g_hash_table_lookup(swtpm->seen, key));

    if (swtpm->quiet)
        return;
    g_hash_table_insert(swtpm->seen, key, GUINT_TO_POINTER(n + 1));
    swtpm->seen_all++;
}

gboolean
swtpm_send(Swtpm *swtpm, const void *command, gsize size, GByteArray *response)
{
    guint8 header[HEADER_SIZE];
    guint32 length;

    if (!swtpm_is_running(swtpm) || size < HEADER_SIZE)
        return FALSE;
    count(swtpm, tpm_get_u32((const guint8 *)command + 6));
    if (!send_all(swtpm->fd, command, size) || !read_all(swtpm->fd, header, sizeof header))
        goto gone;
    length = tpm_get_u32(header + 2);
    if (length < HEADER_SIZE || length > SWTPM_MESSAGE_MAX)
        goto gone;
    g_byte_array_set_size(response, length);
    memcpy(response->data, header, sizeof header);
    if (!read_all(swtpm->fd, response->data + HEADER_SIZE, length - HEADER_SIZE))
        goto gone;
    return TRUE;

gone:
    swtpm_kill(swtpm);
    return FALSE;
}

guint64
swtpm_seen(const Swtpm *swtpm, guint32 code)
{
    if (code == 0)
        return swtpm->seen_all;
    return GPOINTER_TO_UINT(g_hash_table_lookup(swtpm->seen, GUINT_TO_POINTER(code)));
}

GHashTable *
swtpm_seen_table(const Swtpm *swtpm)
{
    return swtpm->seen;
}

void
swtpm_reset_seen(Swtpm *swtpm)
{
    g_hash_table_remove_all(swtpm->seen);
    swtpm->seen_all = 0;
}

void
swtpm_set_quiet(Swtpm *swtpm, gboolean quiet)
{
    swtpm->quiet = quiet;
}
