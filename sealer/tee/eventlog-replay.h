/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Replay of an event log: the registers that it leads to, and what that proves. */

#include "tee/eventlog.h"

/* What a log gives for one register of one bank. */
typedef struct {
    guint8 value[CVS_DIGEST_MAX]; /* bytes beyond the bank's digest are zero */
    guint extended;               /* records that extend it */
    guint missing;                /* of these, records without a digest in this bank */
} CvsRegister;

/* Replays all records: new = H(old ‖ digest). Registers start at zero, PCR 0 with the startup
 * locality as its last byte, PCRs 17 to 22 at 0xff (PC Client Platform TPM Profile, PCR
 * initialisation). A record without a digest in the bank cannot be replayed and is counted. The
 * bank must be one of the log's. An array of CVS_EVENT_LOG_REGISTERS; of a CC log only the first
 * four are used. */
void cvs_event_log_replay(const CvsEventLog *log, CvsHash bank,
                          CvsRegister registers[static CVS_EVENT_LOG_REGISTERS]);
/* The value with which a register starts: CVS_DIGEST_MAX bytes. cc: an RTMR, else a PCR; locality:
 * of PCR 0. */
void cvs_register_start(gboolean cc, CvsHash bank, guint reg, guint locality,
                        guint8 value[static CVS_DIGEST_MAX]);
/* value = H(value ‖ digest), both of the bank's size: for what is extended without a record in the
 * firmware's log (IMA, systemd, an application). */
void cvs_register_extend(CvsHash bank, guint8 *value, const guint8 *digest);

/* How a register's real value relates to the log. */
typedef enum {
    CVS_EXPLAIN_MATCH,      /* the log leads to exactly this value */
    CVS_EXPLAIN_UNTOUCHED,  /* the register has its starting value and the log no record for it */
    CVS_EXPLAIN_EARLIER,    /* the value is reached before the last record: those after it are not
                             * in the register */
    CVS_EXPLAIN_NO_RECORD,  /* the register was extended and the log has no record of it */
    CVS_EXPLAIN_DIFFERS,    /* the log leads elsewhere, or something without a record came after */
    CVS_EXPLAIN_INCOMPLETE, /* a record has no digest in this bank */
    CVS_EXPLAIN_WEAK,       /* SHA-1: a match proves nothing any more */
} CvsExplain;

/* "match", "untouched", "earlier", "no-record", "differs", "incomplete", "weak" */
const char *cvs_explain_name(CvsExplain explain);
/* reg is a PCR or an RTMR, value has the bank's size. ret_last, if not NULL, is the number of the
 * last record that is proven to be in the register (MATCH, EARLIER), else -1. */
CvsExplain cvs_event_log_explain(const CvsEventLog *log, CvsHash bank, guint reg,
                                 const guint8 *value, int *ret_last);

/* Which part of a record's data its digest is over. What lies outside is unauthenticated text, and
 * no decision may rest on it: images are measured by their Authenticode hash, boot variables and
 * GRUB's commands without their headings, files by their contents. */
typedef struct {
    gboolean proven; /* the digests of all banks of this record are over the same part */
    gsize offset;    /* in the data */
    gsize size;      /* may be 0: then the digest is that of nothing */
} CvsEventProof;

/* True only as far as a register proves the digests. A record that only has SHA-1, or a digest
 * that the log does not decode, proves nothing. */
CvsEventProof cvs_event_log_proof(const CvsEventLog *log, const CvsEvent *event);
