/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The object /org/cvmseal1 with the interface org.cvmseal1.Manager, as dbus/org.cvmseal1.xml says.
 */

#include "service/service.h"

#define CVS_BUS_NAME "org.cvmseal1"
#define CVS_OBJECT_PATH "/org/cvmseal1"

/* Puts the object on the service's connection; 0 on error. The service must outlive it. */
guint cvs_manager_export(CvsService *service, GError **error);

/* The attestation's properties from now on (stolen), as cvs_attesting_properties() has them;
 * signals those that have changed. */
void cvs_manager_set_properties(CvsService *service, GVariant *properties);
