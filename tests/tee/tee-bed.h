/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A simulated TEE, the paths to it, a clock that nobody waits for, and a source on top. */

#include "sim/tee-sim.h"
#include "tee/source.h"

#include "test-clock.h"

typedef struct {
    TeeSim *sim;
    char *dir;
    char *state; /* the state folder, or NULL */
    CvsTeePaths *paths;
    TestClock test;
    CvsPaceClock clock;
    CvsTeeSource *source;
} TeeBed;

/* FALSE if it cannot be here; then the test is skipped. */
gboolean tee_bed_init(TeeBed *bed, TeeSimType type);
/* With the simulator's state folder: roots and collateral. */
gboolean tee_bed_init_with_state(TeeBed *bed, TeeSimType type);
void tee_bed_clear(TeeBed *bed);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TeeBed, tee_bed_clear)

/* 64 bytes that differ for each seed. */
void tee_bed_data(guint8 data[static 64], guint seed);
/* A point of time far enough away. */
gint64 tee_bed_deadline(TeeBed *bed);
/* How many requests lie in configfs. */
guint tee_bed_count_folders(TeeBed *bed);
/* A path below configfs in a new string. */
char *tee_bed_folder(TeeBed *bed, const char *name);
/* An EK and an AK for the SVSM: bytes of no key. */
void tee_bed_give_keys(TeeBed *bed);
