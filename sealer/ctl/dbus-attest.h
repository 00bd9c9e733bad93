/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The daemon's evidence, for backend-dbus.c. */

#include "ctl/backend.h"

#include <gio/gio.h>

/* As attest() of the backend. */
char *cvs_dbus_attest(GDBusConnection *bus, const CvsAttestRequest *request,
                      gboolean *ret_test_roots, GError **error);
