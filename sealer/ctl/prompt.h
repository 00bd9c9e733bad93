/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Questions on the controlling terminal (/dev/tty), whatever stdin and stdout are. */

#include "base/secret.h"

#include <glib.h>

#define CVS_PIN_MAX 256 /* bytes that are read of a PIN; what the TPM takes is asked of it */

/* TRUE if this process has a terminal to ask on. */
gboolean cvs_prompt_possible(void);

/* Asks for one line without echo, at most max bytes, the line end left out. The terminal is put
 * back on every way out: also at SIGINT, SIGTERM, SIGHUP, SIGQUIT (which then do what they would
 * have done) and SIGTSTP (after which it asks again). what is for messages: "the PIN".
 * InvalidArgument if there is no terminal (the message names instead, an option that goes without)
 * or nothing was typed; TooLarge. */
CvsSecret *cvs_prompt_secret(const char *question, gsize max, const char *what, const char *instead,
                             GError **error);
/* Asks twice; InvalidArgument if the two differ. */
CvsSecret *cvs_prompt_secret_twice(const char *question, gsize max, const char *what,
                                   const char *instead, GError **error);

/* Shows a secret on the terminal between two texts. InvalidArgument if there is no terminal. */
gboolean cvs_prompt_show(const char *before, const CvsSecret *secret, const char *after,
                         const char *instead, GError **error);
