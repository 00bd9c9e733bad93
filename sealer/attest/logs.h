/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* The event logs that come with evidence: whether they lead to the registers that were quoted, and
 * whether they agree. They vouch for nothing; what they say counts as far as a register proves it.
 */

#include "attest/evidence-bundle.h"
#include "tee/claims.h"
#include "tee/tee-paths.h"

#define CVS_CLAIMS_LOG(X)                                                                          \
    X("log.pcrs", STRING, "quoted PCRs to whose values the logs lead: 0+1+2")                      \
    X("log.pcrs_contradicted", STRING,                                                             \
      "quoted PCRs of the firmware to whose values its log does not lead")                         \
    X("log.rtmrs", STRING, "RTMRs to whose values the logs lead")                                  \
    X("log.rtmrs_contradicted", STRING,                                                            \
      "RTMRs of the firmware to whose values its log does not lead")                               \
    X("log.difference", STRING, "in what the logs of TPM and TD do not tell of the same boot")

/* Puts the logs that this machine has into the bundle. One that is damaged or too large explains
 * nothing, and is left out. */
void cvs_logs_collect(const CvsTeePaths *paths, CvsEvidenceBundle *bundle);

/* Adds those claims; the claims of the report are there already, and the PCR values are the
 * bundle's. A register beyond the firmware's (PCR 8 on, RTMR 2 and 3) can be extended without a
 * record, and is then just not among those that the logs lead to. BadFormat for a log that cannot
 * be read. */
gboolean cvs_logs_judge(const CvsEvidenceBundle *bundle, json_t *claims, GError **error);

/* Adds LogsDiffer if the logs of TPM and TD do not agree. For somebody else (remote) also
 * LogContradicts for each register that a log contradicts: here, registers that differ are the
 * keys' own affair. */
void cvs_logs_appraise(const json_t *claims, gboolean remote, GError *refusal);
