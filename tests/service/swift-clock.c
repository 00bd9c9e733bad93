/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* In a build of the daemon for tests, a clock that stands still: time passes by whoever sleeps by
 * it, who is back at once, and by the test, which shares it (swift-clock.h). */

#include "swift-clock.h"
#include "tee/pace.h"

#include <fcntl.h>
#include <sys/mman.h>

extern const CvsPaceClock __wrap_cvs_pace_clock;

/* Microseconds; mapped from the test's file, and never unmapped. */
static gint64 *
shared(void)
{
    static gsize once;
    static gint64 *time;

    if (g_once_init_enter(&once)) {
        int fd = open(g_getenv(SWIFT_CLOCK), O_RDWR | O_CLOEXEC);

        g_assert_cmpint(fd, >=, 0);
        time = mmap(NULL, sizeof *time, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        g_assert_true(time != MAP_FAILED);
        g_once_init_leave(&once, 1);
    }
    return time;
}

static gint64
swift_now(gpointer data)
{
    return __atomic_load_n(shared(), __ATOMIC_SEQ_CST);
}

static void
swift_sleep(gpointer data, gint64 us)
{
    (void)__atomic_add_fetch(shared(), us, __ATOMIC_SEQ_CST);
}

const CvsPaceClock __wrap_cvs_pace_clock = {swift_now, swift_sleep, NULL};
