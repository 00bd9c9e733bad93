/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The environment's name for a file that holds the time of the daemon in a build for tests: a
 * gint64 in microseconds, not negative, mapped by both sides. */
#define SWIFT_CLOCK "CVS_TEST_CLOCK"
/* That build, below the build's root. */
#define SWIFT_DAEMON "tests/service/cvmseald-swift"
