/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What can go wrong between the kernel of an SNP guest and the secure processor, in words: the same
 * for configfs-tsm and /dev/sev-guest. The messages are encrypted with a key (VMPCK) that the
 * kernel forgets after a failure, since to send another message with a used number would break it.
 */

#include <glib.h>

/* Sets the error for an errno of a request: AttestationFailed, with the reason TeeChannelClosed
 * where only a reboot helps; NotAuthorized. */
void cvs_sev_channel_set_errno(GError **error, int errnum, const char *what);

/* Sets AttestationFailed with the reason TeeChannelClosed: why the kernel has closed it. */
void cvs_sev_channel_set_closed(GError **error, const char *what, const char *why);

/* A status of the firmware, in an answer or in fw_error: "the firmware found a parameter invalid
 * (0x16)". */
char *cvs_sev_channel_describe_status(guint32 status);
