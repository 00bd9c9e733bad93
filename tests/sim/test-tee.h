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
    char *report; /* the private folder; tee_bed_mkdir() makes it */
} TeeBed;

/* FALSE where nothing can be mounted; the test is then skipped. */
gboolean tee_bed_possible(void);
/* Mounted. The config's state_dir may be NULL. */
void tee_bed_init(TeeBed *bed, const TeeSimConfig *config);
/* A bed that was not set up is left alone. */
void tee_bed_clear(TeeBed *bed);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(TeeBed, tee_bed_clear)

void tee_bed_mkdir(const TeeBed *bed);
/* As open(), of an attribute in the private folder. */
int tee_bed_open(const TeeBed *bed, const char *name, int flags);
/* One write and close: 0, or the errno of the write. */
int tee_bed_put(const TeeBed *bed, const char *name, const void *data, gsize size);
int tee_bed_put_text(const TeeBed *bed, const char *name, const char *text);
/* 64 bytes of this value. */
void tee_bed_put_inblob(const TeeBed *bed, guint8 value);
/* All that can be read, or NULL with errno. */
GByteArray *tee_bed_get_fd(int fd);
GByteArray *tee_bed_get(const TeeBed *bed, const char *name);
void tee_bed_expect_text(const TeeBed *bed, const char *name, const char *text);
void tee_bed_expect_error(const TeeBed *bed, const char *name, int error);
