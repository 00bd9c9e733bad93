/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "test-clock.h"

static gint64
now(gpointer data)
{
    TestClock *clock = data;
    gint64 time = 0;

    g_mutex_lock(&clock->mutex);
    time = clock->time;
    g_mutex_unlock(&clock->mutex);
    return time;
}

static void
nap(gpointer data, gint64 us)
{
    TestClock *clock = data;
    void (*on_nap)(gpointer data) = NULL;

    g_assert_cmpint(us, >, 0);
    g_mutex_lock(&clock->mutex);
    clock->time += us;
    clock->slept += us;
    clock->naps++;
    on_nap = clock->on_nap;
    clock->on_nap = NULL;
    g_mutex_unlock(&clock->mutex);
    if (on_nap)
        on_nap(clock->on_nap_data);
}

CvsPaceClock
test_clock_init(TestClock *clock)
{
    g_mutex_init(&clock->mutex);
    clock->time = G_GINT64_CONSTANT(1000000000);
    clock->slept = 0;
    clock->naps = 0;
    clock->on_nap = NULL;
    return (CvsPaceClock){now, nap, clock};
}

void
test_clock_advance(TestClock *clock, gint64 us)
{
    g_mutex_lock(&clock->mutex);
    clock->time += us;
    g_mutex_unlock(&clock->mutex);
}
