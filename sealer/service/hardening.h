/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What a process that holds secrets does to itself before it does anything else. */

#include <glib.h>

/* Environment of GLib and the allocator; before any of GIO is used and any thread runs. */
void cvs_hardening_prepare(void);

/* No core dumps, no ptrace by the same uid, files 0600, all descriptors that may be had, and all
 * memory locked, present and future. FALSE if the memory could not be locked: secrets are locked
 * one by one then, and copies that libraries make are not. */
gboolean cvs_hardening_apply(void);
