/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Event logs of measured boot: what the firmware and the loaders say that they extended.
 *
 * Formats (little-endian, no alignment):
 * - TCG PC Client Platform Firmware Profile, section 10: the SHA-1 log (TCG_PCClientPCREvent
 *   throughout) and the crypto-agile log (a first record in that form that carries
 *   TCG_EfiSpecIdEvent, then TCG_PCR_EVENT2).
 * - UEFI 2.10, section 38.4 (confidential computing): the CCEL, in the crypto-agile form, SHA-384
 *   only, where the index counts measurement registers: 0 is MRTD, 1 to 4 are RTMR0 to RTMR3. Its
 *   area is filled with 0xff or with zeros behind the last record.
 *
 * A log is a claim, not evidence: nobody signs it. It explains a register when replaying it gives
 * the value that the TPM or the TD report has, and then only the digests are proven; event data is
 * proven only where the digest is over it (CvsEventProof). A log that ends early at a record
 * boundary cannot be told from a short one by its bytes: only its registers tell. */

#include "base/digest.h"

#include <glib.h>

#define CVS_EVENT_LOG_MAX (16u << 20) /* bytes; firmware areas have 64 to 256 KiB */
#define CVS_EVENT_LOG_BANKS 4         /* CVS_SHA1 to CVS_SHA512 */
#define CVS_EVENT_LOG_ALGS 16         /* digest algorithms that a header may declare */
#define CVS_EVENT_LOG_REGISTERS 24    /* PCRs; of a CC log only the first four, the RTMRs */

typedef enum {
    CVS_EVENT_LOG_AUTO, /* only as an argument: told by the bytes */
    CVS_EVENT_LOG_SHA1,
    CVS_EVENT_LOG_TPM,
    CVS_EVENT_LOG_CC,
} CvsEventLogFormat;

enum {
    CVS_EV_NO_ACTION = 0x3,
    CVS_EV_SEPARATOR = 0x4,
    CVS_EV_EVENT_TAG = 0x6,
    CVS_EV_S_CRTM_CONTENTS = 0x7,
    CVS_EV_S_CRTM_VERSION = 0x8,
    CVS_EV_IPL = 0xd,
    CVS_EV_EFI_VARIABLE_DRIVER_CONFIG = 0x80000001,
    CVS_EV_EFI_VARIABLE_BOOT = 0x80000002,
    CVS_EV_EFI_BOOT_SERVICES_APPLICATION = 0x80000003,
    CVS_EV_EFI_BOOT_SERVICES_DRIVER = 0x80000004,
    CVS_EV_EFI_RUNTIME_SERVICES_DRIVER = 0x80000005,
    CVS_EV_EFI_GPT_EVENT = 0x80000006,
    CVS_EV_EFI_ACTION = 0x80000007,
    CVS_EV_EFI_PLATFORM_FIRMWARE_BLOB = 0x80000008,
    CVS_EV_EFI_HANDOFF_TABLES = 0x80000009,
    CVS_EV_EFI_PLATFORM_FIRMWARE_BLOB2 = 0x8000000a,
    CVS_EV_EFI_HANDOFF_TABLES2 = 0x8000000b,
    CVS_EV_EFI_VARIABLE_BOOT2 = 0x8000000c,
    CVS_EV_EFI_GPT_EVENT2 = 0x8000000d,
    CVS_EV_EFI_HCRTM_EVENT = 0x80000010,
    CVS_EV_EFI_VARIABLE_AUTHORITY = 0x800000e0,
};

/* One record. All pointers lead into the log's bytes. */
typedef struct {
    gsize offset;  /* of the record in the log */
    guint32 index; /* as recorded: PCR, or measurement register of a CC log */
    guint32 type;
    int reg;                                   /* PCR or RTMR that it extends; -1: none */
    const guint8 *digest[CVS_EVENT_LOG_BANKS]; /* NULL where it has none in that bank */
    const guint8 *data;
    gsize size;
    gboolean after_separator; /* an EV_SEPARATOR of the same index came before it */
} CvsEvent;

typedef struct _CvsEventLog CvsEventLog;

/* The log keeps a reference to the bytes. BadFormat, with the reason LogTruncated where a record
 * runs past the end and LogMalformed for the rest, naming record, offset and field; without a
 * reason beyond CVS_EVENT_LOG_MAX. An empty log is malformed.
 *
 * AUTO takes a log for a CCEL if its only algorithm is SHA-384 and no record has an index above 4:
 * a TPM log has a separator in PCR 7. */
CvsEventLog *cvs_event_log_parse(GBytes *bytes, CvsEventLogFormat format, GError **error);
void cvs_event_log_free(CvsEventLog *log);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsEventLog, cvs_event_log_free)

CvsEventLogFormat cvs_event_log_format(const CvsEventLog *log);
/* All records but the Spec ID header, in order. */
guint cvs_event_log_size(const CvsEventLog *log);
const CvsEvent *cvs_event_log_event(const CvsEventLog *log, guint number);
/* The header declares this bank (a SHA-1 log has SHA-1). */
gboolean cvs_event_log_has_bank(const CvsEventLog *log, CvsHash bank);
/* Where the records end; the fill of a CC log comes after it. */
gsize cvs_event_log_end(const CvsEventLog *log);
/* The locality with which PCR 0 starts: 0, 3 or 4 (the last also for an H-CRTM event). */
guint cvs_event_log_startup_locality(const CvsEventLog *log);
/* A CC log of a firmware that recorded the RTMR's own number instead of the measurement register's
 * (edk2 before the fix of its bug 4179): told by an extension of index 0, which cannot be, since
 * MRTD is closed when the TD starts. */
gboolean cvs_event_log_old_numbering(const CvsEventLog *log);
