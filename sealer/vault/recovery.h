/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Recovery keys: 256 random bits written as 64 modhex characters ("cbdefghijklnrtuv" for 0 to 15,
 * the alphabet that sits alike on most keyboards) with a dash every 8, the form of systemd's
 * recovery keys. The written form, dashes included, is the password of the PBES2 slot. */

#include "base/secret.h"

#include <glib.h>

#define CVS_RECOVERY_KEY_LENGTH 71 /* characters: 64 and 7 dashes; no NUL */

/* The written form, CVS_RECOVERY_KEY_LENGTH bytes. */
CvsSecret *cvs_recovery_key_new(GError **error);
/* What a person typed or a file holds, brought to the written form: case, missing dashes and white
 * space around it are forgiven. InvalidArgument, saying the position but no character. */
CvsSecret *cvs_recovery_key_normalise(const CvsSecret *text, GError **error);
