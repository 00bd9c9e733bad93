/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A clock that only goes on when somebody sleeps, or a test says so. */

#include "tee/pace.h"

typedef struct {
    GMutex mutex;
    gint64 time;  /* microseconds */
    gint64 slept; /* in all */
    guint naps;
    void (*on_nap)(gpointer data); /* what happens meanwhile, once; may be NULL */
    gpointer on_nap_data;
} TestClock;

/* Begins far from zero. */
CvsPaceClock test_clock_init(TestClock *clock);
void test_clock_advance(TestClock *clock, gint64 us);
