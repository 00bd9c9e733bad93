/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What programs of the running system say that they measured. The firmware's log ends where the
 * kernel starts, and the kernel writes none of what is extended later, so whoever extends a
 * register has to.
 *
 * Format: one JSON object a record between 0x1e and a newline (RFC 7464), each a record of the
 * TCG's Canonical Event Log in JSON as systemd writes it (/run/log/systemd/tpm2-measure.log):
 *
 *   "pcr" or "rtmr"   the register; a record with neither (an NV index) is not one of ours to
 * follow "digests"         [{"hashAlg": "sha256", "digest": hex}, …] "content_type"    "cvmseal",
 * "systemd", … "content"         {"string": what was measured, "bootId": 32 hex digits,
 *                      "timestamp": microseconds of CLOCK_BOOTTIME, …}
 *
 * Ours also have "before" in "content": {"sha256": hex, …}, the register's value before it was
 * extended, in each bank. We write the record first and extend then: of the last record, a crash
 * may have kept the extension from being made, and then the register still has that value.
 *
 * As a firmware's log, it is a claim until a register proves it. */

#include "tee/trail.h"

#define CVS_MEASURE_LOG_MAX (1024 * 1024)
#define CVS_MEASURE_TEXT_MAX 1024 /* bytes of what is measured: TPM2B_EVENT, Part 2, 10.4.8 */

typedef struct {
    gboolean rtmr;
    guint index;
    gboolean has[CVS_EVENT_LOG_BANKS];
    guint8 digest[CVS_EVENT_LOG_BANKS][CVS_DIGEST_MAX];
    gboolean has_before; /* in each bank that it has a digest in */
    guint8 before[CVS_EVENT_LOG_BANKS][CVS_DIGEST_MAX];
    guint64 timestamp;
    gsize offset; /* of the record in the file */
    char *text;   /* "" if it says nothing; escaped and cut as by cvs_event_describe() */
} CvsMeasured;
void cvs_measured_free(CvsMeasured *record);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsMeasured, cvs_measured_free)

/* CvsMeasured*, in the order of the log. A last record without its newline was cut short by a crash
 * and is left out. BadFormat naming the record; TooLarge. */
GPtrArray *cvs_measure_log_parse(const void *data, gsize size, const char *file, GError **error);

/* What is written for a record of ours, with 0x1e and newline; text is what was measured, UTF-8. */
char *cvs_measure_log_format(const CvsMeasured *record, const char *text, const char *boot_id);

/* Adds what the records say of the trail's register, by their timestamps. value: the register's own
 * (of the trail's bank): a last record that says it was extended from just there is left out, since
 * that did not happen. FALSE if a record has no digest in the bank: the trail cannot be followed.
 */
gboolean cvs_measure_log_add(const GPtrArray *records, CvsTrail *trail, const guint8 *value);
