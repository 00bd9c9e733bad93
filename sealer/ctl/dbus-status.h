/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What the daemon says of itself, the TPM and the attestation of this boot, for backend-dbus.c. */

#include "ctl/backend.h"

#include <gio/gio.h>

/* As status() of the backend. */
CvsStatusInfo *cvs_dbus_status(GDBusConnection *bus, GError **error);
