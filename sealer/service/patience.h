/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* How long something is waited for, by the clock of the TEE's turns (tee/pace.h). */

#include "tee/pace.h"

/* A source that is ready from that time on; not attached. The clock outlives it. */
GSource *cvs_patience_new(const CvsPaceClock *clock, gint64 until);
