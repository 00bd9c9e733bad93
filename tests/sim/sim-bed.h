/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A simulated TEE for a test, mounted on a folder of its own, and one private folder of
 * configfs-tsm below it. */

#include "sim/tee-sim.h"

typedef struct {
    TeeSim *sim;
    char *dir;
    char *mount;
    char *state;  /* the state folder */
    char *report; /* the private folder; sim_bed_mkdir() makes it */
} SimBed;

/* FALSE where nothing can be mounted; the test is then skipped. */
gboolean sim_bed_possible(void);
/* Mounted. The config's state_dir may be NULL. */
void sim_bed_init(SimBed *bed, const TeeSimConfig *config);
/* A bed that was not set up is left alone. */
void sim_bed_clear(SimBed *bed);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(SimBed, sim_bed_clear)

void sim_bed_mkdir(const SimBed *bed);
/* As open(), of an attribute in the private folder. */
int sim_bed_open(const SimBed *bed, const char *name, int flags);
/* One write and close: 0, or the errno of the write. */
int sim_bed_put(const SimBed *bed, const char *name, const void *data, gsize size);
int sim_bed_put_text(const SimBed *bed, const char *name, const char *text);
/* 64 bytes of this value. */
void sim_bed_put_inblob(const SimBed *bed, guint8 value);
/* All that can be read, or NULL with errno. */
GByteArray *sim_bed_get_fd(int fd);
GByteArray *sim_bed_get(const SimBed *bed, const char *name);
void sim_bed_expect_text(const SimBed *bed, const char *name, const char *text);
void sim_bed_expect_error(const SimBed *bed, const char *name, int error);
