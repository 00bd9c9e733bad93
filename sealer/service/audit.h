/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* One structured journal record for each thing done with a key or the attestation, and for each
 * refusal (systemd.journal-fields(7), sent by systemd's "Native Journal Protocol"). Fields:
 *
 *   MESSAGE_ID            one of those below
 *   MESSAGE PRIORITY SYSLOG_IDENTIFIER
 *   CVMSEAL_METHOD        "Unseal"
 *   CVMSEAL_CALLER_UID    CVMSEAL_CALLER_UNIT (only if known)
 *   CVMSEAL_OWNER         "uid:1000"       CVMSEAL_KEY    the key's name; both only once checked
 *   CVMSEAL_VERDICT       "done" or "refused"
 *   CVMSEAL_ERROR         "PcrMismatch"
 *   CVMSEAL_REASON        "PcrDiffers", one field for each reason
 *
 * Nothing else goes in: no message of an error, no value, no secret. */

#include "vault/owner.h"

#include <gio/gio.h>
#include <sys/types.h>

#define CVS_AUDIT_SEALED "500cb75d37e84874bcdb94dce96186dd"
#define CVS_AUDIT_GENERATED "a7d57b56dff046d4a7cf454050181a33"
#define CVS_AUDIT_RELEASED "2141e916a413400782bbf247551a807b"
#define CVS_AUDIT_RESEALED "b2e4365ea5e44bf39f30ac19221cc64c"
#define CVS_AUDIT_REMOVED "787d60e5bd2f41edba0639c8ac35b9a5"
#define CVS_AUDIT_ATTESTED "b88130901e6a46018008eac960cf910e"
#define CVS_AUDIT_REFRESHED "bd3de29d3bec43ce9123ab25af170983"
#define CVS_AUDIT_REFUSED "610017f714de487f97c87e17341a6393"

#define CVS_AUDIT_SOCKET "/run/systemd/journal/socket"

typedef struct {
    const char *message_id; /* what it is when it was done */
    const char *method;
    uid_t uid;
    const char *unit;      /* NULL: not known */
    const CvsOwner *owner; /* NULL: not known yet */
    const char *key;       /* NULL: none, or not a valid name */
    const GError *error;   /* NULL: done */
} CvsAuditRecord;

typedef struct _CvsAudit CvsAudit;

/* socket: CVS_AUDIT_SOCKET, or a test's own. */
CvsAudit *cvs_audit_new(const char *socket);
void cvs_audit_free(CvsAudit *audit);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsAudit, cvs_audit_free)

/* Never blocks and never fails: what the journal does not take goes to stderr in one line. */
void cvs_audit_write(CvsAudit *audit, const CvsAuditRecord *record);

/* The record as the journal's socket takes it. */
GString *cvs_audit_format(const CvsAuditRecord *record);
