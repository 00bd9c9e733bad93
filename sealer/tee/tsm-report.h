/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Reports by configfs-tsm (Linux 6.7 on): Documentation/ABI/testing/configfs-tsm-report, and
 * drivers/virt/coco/guest/report.c for what that leaves open.
 *
 * Each request has a folder of its own with a name that nobody can guess, which is removed
 * afterwards. That does not suffice: the kernel takes inblob only when the file is closed, tells
 * nobody whether it did, and gives out a report for whatever inblob is the current one. So the
 * generation, which counts successful writes, must be just the number of our writes before and
 * after reading, and the report must be the one that was asked for.
 *
 * Reading a report blocks in the kernel: on SNP up to a minute where the host throttles, on TDX up
 * to 30 seconds. No deadline of ours ends that. */

#include "tee/pace.h"

#include <glib.h>

#define CVS_TSM_REPORT_DATA_SIZE 64
#define CVS_TSM_OUTBLOB_MAX (4u << 20)  /* a quote with certificates of a kind yet to come */
#define CVS_TSM_AUXBLOB_MAX (64u << 10) /* Linux passes 16 KiB */
#define CVS_TSM_MANIFEST_MAX (64u << 10)

typedef enum {
    CVS_TSM_SEV_GUEST,
    CVS_TSM_TDX_GUEST,
} CvsTsmProvider;

/* What there is, found without asking firmware or host. */
typedef struct {
    CvsTsmProvider provider;
    gboolean has_svsm;     /* the kernel runs under an SVSM, which can be asked */
    guint privlevel_floor; /* the least VMPL that may be asked for; 0 on TDX */
} CvsTsmInfo;

typedef struct {
    /* What the report shall vouch for; for an SVSM the nonce. */
    guint8 report_data[CVS_TSM_REPORT_DATA_SIZE];
    int privlevel;            /* VMPL, at least the floor; -1: the floor. Without an SVSM only */
    gboolean svsm;            /* of the SVSM: REPORT_DATA = SHA-512(nonce, manifest) */
    const char *service_guid; /* as text; NULL: of all its services */
    guint manifest_version;   /* of that service */
} CvsTsmRequest;

typedef struct {
    CvsTsmProvider provider;
    guint privlevel;  /* that was asked for; 0 on TDX */
    GBytes *outblob;  /* SNP report, or TD quote with what lies behind it */
    GBytes *auxblob;  /* the host's certificate table; NULL: none */
    GBytes *manifest; /* of the SVSM; NULL without one */
} CvsTsmReport;

void cvs_tsm_report_free(CvsTsmReport *report);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(CvsTsmReport, cvs_tsm_report_free)

/* path is configfs' tsm/report. NotSupported if it is not there, has no provider or one that is
 * none of ours. */
gboolean cvs_tsm_report_probe(const char *path, CvsTsmInfo *ret_info, GError **error);

/* A report for the request, which is checked to be for it, but not verified. Call it within a turn
 * (pace.h). Where the quoting service is occupied or a signal came it is tried again until the
 * deadline (on the clock).
 *
 * AttestationFailed with the reason
 *   AnswerEmpty        the host gave nothing
 *   RequestOvertaken    somebody else wrote into our folder, or the kernel did not take our request
 *   AnswerDiffers      the report is not for what was asked
 *   TeeChannelClosed   the kernel has closed its channel to the firmware: until reboot
 * and without one for what firmware, host or SVSM refused. NotSupported, NotAuthorized, Busy,
 * BadFormat (a report, quote or attribute that breaks its format), TooLarge. */
CvsTsmReport *cvs_tsm_report_get(const char *path, const CvsTsmRequest *request,
                                 const CvsPaceClock *clock, gint64 deadline, GError **error);
