/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The simulator in a process of its own. In a thread of the test it would do, until a test crashes:
 * Linux ends a process only when all its threads have come back from their system calls, and one
 * that waits for an answer of a file system does not come back before the answer or the end of the
 * file system, which the same process holds. Here a crash on either side ends the other.
 *
 * Requests are one letter and its argument, answers TRUE or FALSE and a value, each in one packet.
 */

#define _GNU_SOURCE
#include "base/error.h"
#include "tee-sim-private.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define PACKET_MAX (128 * 1024)

static void
answer_bytes(GByteArray *answer, GBytes *bytes)
{
    answer->data[0] = bytes != NULL;
    if (bytes)
        g_byte_array_append(answer, g_bytes_get_data(bytes, NULL), (guint)g_bytes_get_size(bytes));
}

static void
answer_text(GByteArray *answer, const char *text)
{
    g_byte_array_append(answer, (const guint8 *)text, (guint)strlen(text));
}

static void
carry_out(TeeSim *sim, char letter, const guint8 *data, gsize size, GByteArray *answer)
{
    g_autofree char *text = g_strndup((const char *)data, size);
    g_autofree char *list = NULL;
    g_autoptr(GBytes) bytes = NULL;
    g_autoptr(GError) error = NULL;
    guint number = 0;

    switch (letter) {
    case 's':
        answer->data[0] = tee_sim_set(sim, text, &error) != FALSE;
        break;
    case 'm':
        answer->data[0] = tee_sim_start(sim, text, &error) != FALSE;
        break;
    case 'u':
        tee_sim_stop(sim);
        break;
    case 'e':
    case 'a':
        bytes = size > 0 ? g_bytes_new(data, size) : NULL;
        answer->data[0] = tee_sim_set_keys(sim, letter == 'e' ? bytes : sim->ek,
                                           letter == 'a' ? bytes : sim->ak, &error) != FALSE;
        break;
    case 'd':
        list = tee_sim_describe(sim);
        answer_text(answer, list);
        break;
    case 'x':
        tee_sim_extend(sim, data[0], data + 1);
        break;
    case 'h':
        bytes = tee_sim_hcl_report(sim);
        answer_bytes(answer, bytes);
        break;
    case 'q':
        bytes = tee_sim_quote(sim, data);
        answer_bytes(answer, bytes);
        break;
    case 'v':
        bytes = tee_sim_vtpm_td_quote(sim, data, data[64]);
        answer_bytes(answer, bytes);
        break;
    case 'r':
        number = tee_sim_requests(sim);
        g_byte_array_append(answer, (const guint8 *)&number, sizeof(number));
        break;
    default:
        g_assert_not_reached();
    }
    if (error)
        answer_text(answer, error->message);
}

static gssize
receive(int link, guint8 *packet)
{
    gssize size = 0;

    do
        size = recv(link, packet, PACKET_MAX, 0);
    while (size < 0 && errno == EINTR);
    return size;
}

/* Until the other side is gone. */
static void
serve(TeeSim *sim, int link)
{
    g_autofree guint8 *packet = g_malloc(PACKET_MAX);
    gssize size = 0;

    while ((size = receive(link, packet)) > 0) {
        g_autoptr(GByteArray) answer = g_byte_array_new();

        g_byte_array_append(answer, (const guint8 *)"\1", 1);
        carry_out(sim, (char)packet[0], packet + 1, (gsize)size - 1, answer);
        if (send(link, answer->data, answer->len, MSG_NOSIGNAL) != (gssize)answer->len)
            break;
    }
    tee_sim_stop(sim);
}

gboolean
tee_sim_part(TeeSim *sim, GError **error)
{
    int links[2] = {-1, -1};

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, links) != 0) {
        g_set_error(error, CVS_ERROR, CVS_ERROR_FAILED, "tee-sim: no sockets: %s",
                    g_strerror(errno));
        return FALSE;
    }
    sim->server = fork();
    if (sim->server == 0) {
        /* What the test has open ends with the test. */
        (void)signal(SIGINT, SIG_IGN);
        (void)close_range(3, (guint)links[1] - 1, 0);
        (void)close_range((guint)links[1] + 1, ~0u, 0);
        serve(sim, links[1]);
        _exit(0);
    }
    (void)close(links[1]);
    if (sim->server < 0) {
        (void)close(links[0]);
        g_set_error(error, CVS_ERROR, CVS_ERROR_FAILED, "tee-sim: no process: %s",
                    g_strerror(errno));
        return FALSE;
    }
    sim->link = links[0];
    /* Where Yama would have it otherwise. */
    (void)prctl(PR_SET_PTRACER, sim->server, 0, 0, 0);
    return TRUE;
}

void
tee_sim_join(TeeSim *sim)
{
    if (sim->link < 0)
        return;
    (void)close(sim->link);
    sim->link = -1;
    while (waitpid(sim->server, NULL, 0) < 0 && errno == EINTR)
        continue;
}

GBytes *
tee_sim_ask(TeeSim *sim, char letter, const void *data, gsize size, GError **error)
{
    g_autoptr(GMutexLocker) locker = g_mutex_locker_new(&sim->lock);
    g_autoptr(GByteArray) request = g_byte_array_new();
    g_autofree guint8 *packet = g_malloc(PACKET_MAX);
    gssize got = 0;

    g_byte_array_append(request, (const guint8 *)&letter, 1);
    g_byte_array_append(request, data, (guint)size);
    if (send(sim->link, request->data, request->len, MSG_NOSIGNAL) != (gssize)request->len)
        g_error("tee-sim: its process is gone");
    got = receive(sim->link, packet);
    if (got < 1)
        g_error("tee-sim: its process is gone");
    if (packet[0])
        return g_bytes_new(packet + 1, (gsize)got - 1);
    g_set_error(error, CVS_ERROR, CVS_ERROR_INVALID_ARGUMENT, "%.*s", (int)got - 1,
                (const char *)packet + 1);
    return NULL;
}
