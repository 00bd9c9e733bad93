/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/pace.h"
#include "base/boot-id.h"
#include "base/error.h"
#include "base/file.h"
#include "base/json.h"
#include "base/lock.h"

#include <string.h>
#include <time.h>

#define FILE_NAME "tee-requests"
#define FILE_MAX 4096
#define US_PER_S G_GINT64_CONSTANT(1000000)

/* When requests were; NEVER for none. */
#define NEVER G_MININT64
typedef struct {
    gint64 last; /* of any kind */
    gint64 last_but_one;
    gint64 svsm;
} Times;

struct _CvsPace {
    int dir;
    CvsLock *lock;
    const CvsPaceClock *clock;
    char *boot; /* "" if it is hidden from us */
    CvsPaceKind kind;
    gboolean pending; /* a request was written down and is not known to be over */
};

static gint64
system_now(gpointer data)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_BOOTTIME, &now);
    return (gint64)now.tv_sec * US_PER_S + now.tv_nsec / 1000;
}

static void
system_sleep(gpointer data, gint64 us)
{
    g_usleep((gulong)us);
}

const CvsPaceClock cvs_pace_clock = {system_now, system_sleep, NULL};

static gint64
past(gint64 when, gint64 now)
{
    return when <= now ? when : NEVER;
}

/* What cannot be read says nothing: a file that somebody damaged must not end attestation. */
static Times
read_times(const CvsPace *pace, gint64 now)
{
    const Times never = {NEVER, NEVER, NEVER};
    g_autoptr(GBytes) bytes = cvs_file_read(pace->dir, FILE_NAME, FILE_MAX, NULL);
    g_autoptr(json_t) json = NULL;
    const char *boot = NULL;
    Times times = never;

    if (bytes == NULL)
        return never;
    json = cvs_json_parse(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes), FILE_NAME, NULL);
    if (json == NULL)
        return never;
    boot = cvs_json_get_string(json, "boot", FILE_NAME, NULL);
    if (boot == NULL ||
        !cvs_json_get_int(json, "last", NEVER, G_MAXINT64, FILE_NAME, &times.last, NULL) ||
        !cvs_json_get_int(json, "last-but-one", NEVER, G_MAXINT64, FILE_NAME, &times.last_but_one,
                          NULL) ||
        !cvs_json_get_int(json, "svsm", NEVER, G_MAXINT64, FILE_NAME, &times.svsm, NULL))
        return never;
    /* A sandbox may hide the boot's id from one of us, and not from the other. */
    if (*boot && *pace->boot && !g_str_equal(boot, pace->boot))
        return never;
    times.last = past(times.last, now);
    times.last_but_one = past(times.last_but_one, now);
    times.svsm = past(times.svsm, now);
    return times;
}

static gboolean
write_times(const CvsPace *pace, const Times *times, GError **error)
{
    g_autoptr(json_t) json =
        json_pack("{s:s, s:I, s:I, s:I}", "boot", pace->boot, "last", (json_int_t)times->last,
                  "last-but-one", (json_int_t)times->last_but_one, "svsm", (json_int_t)times->svsm);
    g_autofree char *text = cvs_json_canonical(json);

    return cvs_file_write(pace->dir, FILE_NAME, text, strlen(text), 0600, CVS_WRITE_REPLACE, error);
}

static gint64
later(gint64 a, gint64 when, gint64 by)
{
    return when == NEVER ? a : MAX(a, when + by);
}

/* When a request of the kind may be made; at once if that is past. */
static gint64
due(const Times *times, CvsPaceKind kind)
{
    gint64 when = NEVER;

    switch (kind) {
    case CVS_PACE_REPORT:
        when = later(when, times->last_but_one, CVS_PACE_WINDOW_US);
        return later(when, times->svsm, CVS_PACE_WINDOW_US);
    case CVS_PACE_SVSM:
        when = later(when, times->last, CVS_PACE_WINDOW_US);
        return later(when, times->svsm, CVS_PACE_SVSM_US);
    case CVS_PACE_QUOTE:
        break;
    }
    return when;
}

/* Writes down a request that is made now. */
static gboolean
begin_request(CvsPace *pace, gint64 now, Times times, GError **error)
{
    times.last_but_one = times.last;
    times.last = now;
    if (pace->kind == CVS_PACE_SVSM)
        times.svsm = now;
    if (!write_times(pace, &times, error)) {
        g_prefix_error(error, "cannot write down the time of a request to the TEE, without which "
                              "the next could come too soon: ");
        return FALSE;
    }
    pace->pending = TRUE;
    return TRUE;
}

/* The host counted it when it came there, which was at some time until now. Where this cannot be
 * written the time of its beginning stays. */
static void
end_request(CvsPace *pace)
{
    gint64 now = pace->clock->now(pace->clock->data);
    Times times;

    if (!pace->pending)
        return;
    times = read_times(pace, now);
    times.last = now;
    if (pace->kind == CVS_PACE_SVSM)
        times.svsm = now;
    (void)write_times(pace, &times, NULL);
    pace->pending = FALSE;
}

static gboolean
wait_for_turn(CvsPace *pace, CvsPaceKind kind, gint64 deadline, GError **error)
{
    const CvsPaceClock *clock = pace->clock;

    pace->kind = kind;
    if (kind == CVS_PACE_QUOTE)
        return TRUE;
    for (;;) {
        gint64 now = clock->now(clock->data);
        Times times = read_times(pace, now);
        gint64 when = due(&times, kind);

        if (when <= now)
            return begin_request(pace, now, times, error);
        if (when > deadline) {
            g_set_error(error, CVS_ERROR, CVS_ERROR_BUSY,
                        "the TEE was asked a moment ago, and the host bears only so many requests: "
                        "try again in %" G_GINT64_FORMAT " s",
                        (when - now + US_PER_S - 1) / US_PER_S);
            return FALSE;
        }
        clock->sleep(clock->data, when - now);
    }
}

CvsPace *
cvs_pace_begin(const char *run_dir, CvsPaceKind kind, const CvsPaceClock *clock, gint64 deadline,
               GError **error)
{
    g_autoptr(CvsPace) pace = g_new0(CvsPace, 1);
    g_autoptr(GError) local = NULL;
    gint64 left = MAX(deadline - clock->now(clock->data), 0);

    pace->clock = clock;
    pace->boot = cvs_boot_id();
    pace->dir = cvs_dir_open(run_dir, TRUE, 0700, &local);
    if (pace->dir < 0) {
        if (g_error_matches(local, CVS_ERROR, CVS_ERROR_NO_SUCH_KEY))
            local->code = CVS_ERROR_STORAGE_ERROR;
        g_propagate_error(error, g_steal_pointer(&local));
        return NULL;
    }
    pace->lock = cvs_lock_take(pace->dir, FILE_NAME, (guint)MIN(left / 1000, G_MAXINT), &local);
    if (pace->lock == NULL && g_error_matches(local, CVS_ERROR, CVS_ERROR_BUSY)) {
        g_set_error_literal(error, CVS_ERROR, CVS_ERROR_BUSY,
                            "another program is asking the TEE, which can take a minute; try "
                            "again");
        return NULL;
    }
    if (pace->lock == NULL) {
        g_propagate_error(error, g_steal_pointer(&local));
        return NULL;
    }
    return wait_for_turn(pace, kind, deadline, error) ? g_steal_pointer(&pace) : NULL;
}

gboolean
cvs_pace_again(CvsPace *pace, CvsPaceKind kind, gint64 deadline, GError **error)
{
    end_request(pace);
    return wait_for_turn(pace, kind, deadline, error);
}

void
cvs_pace_end(CvsPace *pace)
{
    if (pace == NULL)
        return;
    if (pace->lock)
        end_request(pace);
    cvs_lock_release(pace->lock);
    cvs_close_fd(&pace->dir);
    g_free(pace->boot);
    g_free(pace);
}
