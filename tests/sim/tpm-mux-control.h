/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The multiplexer by lines of text, for tests in a shell and for the demo. One command a line; the
 * answer is any number of lines and then "ok", "ok VALUE" or "error WHY":
 *
 *   add-port NAME [connection]      the TCTI string
 *   fault KIND [KEY=VALUE...]       the number of the fault; KIND: drop rc cut shrink garbage flip
 *                                   hang; keys: port, client, code, nth, value, when (before,
 *                                   after); code may be a number in any C notation
 *   fired NUMBER                    how often it changed something
 *   clear                           removes all faults
 *   wait-hung N [MS]                error if fewer hang by then (10 s)
 *   release                         lets go what hangs
 *   counts                          lines "CODE SENT SEEN"
 *   sent [PORT [CODE]]              commands of clients; "-" for all ports
 *   seen [CODE]                     commands that the TPM saw
 *   reset-counts
 *   handles [PORT]                  CLIENTS OBJECTS SESSIONS
 *   end-clients [PORT]
 *   power-off, power-on [TPM], power-cycle, reboot
 */

#include "sim/tpm-mux.h"

/* The answer to one line, ending in a newline. */
char *tpm_mux_control(TpmMux *mux, const char *line);
