/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The systemd service that a process belongs to, by its cgroup (cgroups(7), unified hierarchy;
 * names as in systemd's "Control Group APIs and Delegation"). */

#include <glib.h>

/* text: the contents of /proc/PID/cgroup. The outermost service below system.slice (slices that
 * systemd would put in between are passed through): whatever lies deeper was made by that service
 * itself, if it was given the right to (Delegate=), and is a part of it. NULL if there is none:
 * sessions, users' and capsules' own services, scopes, containers, and what lies outside of our own
 * cgroup namespace, whose path begins with "/..". */
char *cvs_unit_from_cgroup(const char *text);

/* The service of the process that a pidfd stands for, NULL if it is in none. proc: "/proc", or a
 * test's own. The process is found alive after its cgroup was read, so that the number cannot have
 * gone to another process meanwhile. FALSE if it is not known: the process has ended, or its cgroup
 * cannot be read. */
gboolean cvs_unit_from_pidfd(int pidfd, const char *proc, char **ret_unit);
