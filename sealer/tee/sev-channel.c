/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "tee/sev-channel.h"
#include "base/error.h"

#include <errno.h>

void
cvs_sev_channel_set_closed(GError **error, const char *what, const char *why)
{
    g_set_error(error, CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED,
                "%s: %s; the kernel asks the secure processor no more until the next reboot", what,
                why);
    if (error)
        cvs_error_add_reason(*error, CVS_REASON_TEE_CHANNEL_CLOSED, NULL, NULL, "%s", why);
}

void
cvs_sev_channel_set_errno(GError **error, int errnum, const char *what)
{
    switch (errnum) {
    case ENOTTY:
        cvs_sev_channel_set_closed(
            error, what, "the channel to the secure processor was closed after an earlier failure");
        return;
    case ETIMEDOUT:
        cvs_sev_channel_set_closed(error, what, "the host throttled the request for a minute");
        return;
    case EBADMSG:
        cvs_sev_channel_set_closed(error, what,
                                   "the answer was not the secure processor's, or was changed");
        return;
    case EIO:
        g_set_error(
            error, CVS_ERROR, CVS_ERROR_ATTESTATION_FAILED,
            "%s: the host or the secure processor failed the request (EIO). It does so too "
            "where the host has more than 16 KiB of certificates; if the next request fails "
            "with ENOTTY, only a reboot helps",
            what);
        return;
    default:
        cvs_error_set_errno(error, CVS_ERROR_ATTESTATION_FAILED, errnum, "%s", what);
    }
}

char *
cvs_sev_channel_describe_status(guint32 status)
{
    static const struct {
        guint32 status;
        const char *text;
    } known[] = {
        {0x00, "the firmware reports success"},
        {0x01, "the platform is not initialised"},
        {0x02, "the guest is in the wrong state"},
        {0x07, "the guest's policy forbids it"},
        {0x08, "the guest is not active"},
        {0x09, "an address is invalid"},
        {0x0a, "a message does not authenticate"},
        {0x10, "the firmware does not know this guest"},
        {0x11, "the firmware does not know this request: it is too old for it"},
        {0x15, "the firmware does not support it"},
        {0x16, "a parameter is invalid: a VMPL below the kernel's, or a TCB or SVN above the one "
               "that holds"},
        {0x17, "the firmware is out of resources"},
        {0x18, "the firmware's secure data are invalid"},
        {0x27, "the key that was selected is not there"},
    };

    for (gsize i = 0; i < G_N_ELEMENTS(known); i++) {
        if (known[i].status == status)
            return g_strdup_printf("%s (0x%02x)", known[i].text, status);
    }
    return g_strdup_printf("the firmware's status is 0x%02x", status);
}
