/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reports and keys of the secure processor by ioctl: /dev/sev-guest, include/uapi/linux/sev-guest.h
 * and drivers/virt/coco/sev-guest/ of Linux; AMD 56860, MSG_REPORT_REQ and MSG_KEY_REQ.
 *
 * Call these within a turn (pace.h). A call blocks in the kernel up to a minute where the host
 * throttles. After any failure of the channel but one (a certificate table that is too long) the
 * kernel forgets the channel's key, and all that follow end with ENOTTY until reboot: reason
 * TeeChannelClosed. */

#include "base/secret.h"
#include "tee/snp-report.h"

#include <glib.h>

#define CVS_SEV_CERTS_MAX 0x4000 /* bytes that the kernel lets the host fill */
#define CVS_SEV_KEY_SIZE 32

/* The report for this report data at that VMPL, in *ret_report; checked to be for them, but not
 * verified. ret_certs NULL: without certificates; else *ret_certs is the host's certificate table,
 * or NULL if it has none.
 *
 * NotSupported if there is no such device; TooLarge if the host's table does not fit: no report
 * came then, and one without certificates can be asked for, in a turn of its own. AttestationFailed
 * with the firmware's, the host's or the kernel's status in words, or with a reason as above,
 * AnswerDiffers, AnswerEmpty. NotAuthorized, BadFormat. */
gboolean cvs_sev_guest_get_report(const char *device, const guint8 report_data[static 64],
                                  guint vmpl, GBytes **ret_report, GBytes **ret_certs,
                                  GError **error);

typedef enum {
    CVS_SEV_KEY_CHIP, /* VCEK, or VLEK if one is loaded: as long as the chip or region stays */
    CVS_SEV_KEY_VM,   /* VMRK: new at each launch, which is at each reboot */
} CvsSevKeyRoot;

/* What goes into a key beside the root, the guest's POLICY and its MEASUREMENT. These two always
 * do: without POLICY a guest with debugging on, without MEASUREMENT any guest of the chip, would
 * get the same key. */
typedef enum {
    CVS_SEV_KEY_IMAGE_ID = 1 << 1,
    CVS_SEV_KEY_FAMILY_ID = 1 << 2,
    CVS_SEV_KEY_GUEST_SVN = 1 << 4,
    CVS_SEV_KEY_TCB_VERSION = 1 << 5,
} CvsSevKeyFields;

typedef struct {
    CvsSevKeyRoot root;
    guint fields;      /* CvsSevKeyFields */
    guint vmpl;        /* at least the caller's */
    guint32 guest_svn; /* at most the launch's; 0 without CVS_SEV_KEY_GUEST_SVN */
    guint8 tcb[8];     /* as in a report, each part at most COMMITTED_TCB's; zero without
                        * CVS_SEV_KEY_TCB_VERSION */
} CvsSevKeyRequest;

/* A key of CVS_SEV_KEY_SIZE bytes; it changes with everything that it is made of. InvalidArgument
 * for a request that says and takes back; NotSupported, NotAuthorized. AttestationFailed as above:
 * for a status that is not success (a TCB above the committed one, a VMPL below the caller's), and
 * for a key that is all zero, whatever the status says. */
CvsSecret *cvs_sev_guest_derive_key(const char *device, const CvsSevKeyRequest *request,
                                    GError **error);
