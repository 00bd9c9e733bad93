/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Where firmware and loaders measure into a TPM and into a TD's registers, the two logs tell of one
 * boot (UEFI 2.10, section 38.4.1: PCRs 1 and 7 are RTMR0, 2 to 6 RTMR1, 8 to 15 RTMR2). */

#include "tee/eventlog.h"

/* NULL if the logs agree, else the first thing in which they do not, in words.
 *
 * Compared is what measures one thing for both: variables, images, partition tables, actions, what
 * loaders measure. For each RTMR and each type of event the records of both logs, in their order,
 * must have the same data, and the same digest where the TPM's log has SHA-384. Not compared are
 * separators, of which several PCRs' make one or more, and what only one kind of platform has
 * (handoff tables, firmware blobs). A log that has none of a type for a register is not at odds
 * with one that has: there is firmware that measures its loaders for one of the two alone. */
char *cvs_event_logs_compare(const CvsEventLog *tpm, const CvsEventLog *cc);
